//! Who is killed, and when.

use std::fmt;

/// A commit of the bridge's store; named as `kill-points/preload.mjs` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BridgePoint {
    AfterRatchet,
    BeforeInbox,
    AfterInbox,
    AfterLease,
    AfterSendStored,
    AfterLeaving,
    BeforeSent,
    AfterSent,
    BeforeAcknowledgement,
    AfterAcknowledgement,
}

/// A moment in the host's work; a point of the `fail` crate in a build made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPoint {
    AfterLease,
    BeforeReply,
    AfterSend,
    AfterAck,
}

/// One way to end something in the middle of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    Bridge(BridgePoint),
    Host(HostPoint),
    /// The reply has reached the contact, and WhatsApp's server has not said so.
    BridgeBetweenSendAndAck,
    BridgeAnytime,
    HostAnytime,
    BothAnytime,
}

impl BridgePoint {
    pub const ALL: [Self; 10] = [
        Self::AfterRatchet,
        Self::BeforeInbox,
        Self::AfterInbox,
        Self::AfterLease,
        Self::AfterSendStored,
        Self::AfterLeaving,
        Self::BeforeSent,
        Self::AfterSent,
        Self::BeforeAcknowledgement,
        Self::AfterAcknowledgement,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterRatchet => "after-journal",
            Self::BeforeInbox => "before-inbox",
            Self::AfterInbox => "after-inbox",
            Self::AfterLease => "after-lease",
            Self::AfterSendStored => "after-send",
            Self::AfterLeaving => "after-leave",
            Self::BeforeSent => "before-sent",
            Self::AfterSent => "after-sent",
            Self::BeforeAcknowledgement => "before-acknowledged",
            Self::AfterAcknowledgement => "after-acknowledged",
        }
    }
}

impl HostPoint {
    pub const ALL: [Self; 4] = [
        Self::AfterLease,
        Self::BeforeReply,
        Self::AfterSend,
        Self::AfterAck,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterLease => "after-lease",
            Self::BeforeReply => "before-reply",
            Self::AfterSend => "after-send",
            Self::AfterAck => "after-ack",
        }
    }
}

impl Kill {
    /// Every kill there is.
    #[must_use]
    pub fn all() -> Vec<Self> {
        BridgePoint::ALL
            .into_iter()
            .map(Self::Bridge)
            .chain(HostPoint::ALL.into_iter().map(Self::Host))
            .chain([
                Self::BridgeBetweenSendAndAck,
                Self::BridgeAnytime,
                Self::HostAnytime,
                Self::BothAnytime,
            ])
            .collect()
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge(point) => write!(out, "the bridge {}", point.name()),
            Self::Host(point) => write!(out, "the host {}", point.name()),
            Self::BridgeBetweenSendAndAck => write!(out, "the bridge between send and ack stanza"),
            Self::BridgeAnytime => write!(out, "the bridge at a random time"),
            Self::HostAnytime => write!(out, "the host at a random time"),
            Self::BothAnytime => write!(out, "bridge and host at a random time"),
        }
    }
}
