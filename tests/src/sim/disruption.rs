//! Every way in which a connection to WhatsApp is known to end or to fail, as one list, and the
//! blow itself for those that strike an open connection. Those in the way of a new connection are
//! met in `server`, where its bytes pass. The numbers are those of Baileys 7.0.0-rc14.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;

use super::lines::LineId;
use super::pairing;
use super::world::World;

/// What can happen to a connection; the number is what Baileys reports at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disruption {
    /// The socket is gone without a word. 428
    TcpDrop,
    /// The server closes the websocket in good order. 428
    WsClose,
    /// `<xmlstreamend/>`. 428
    StreamEnd,
    /// `<stream:error code="…"/>`: this code (503, 515, 516 are known).
    StreamError(u16),
    /// `<stream:error>` with a child that means nothing to the client. 500
    OtherStreamError,
    /// Another client has taken the login over. 440
    Conflict,
    /// The owner removed the device: the link is gone, too. 401
    DeviceRemoved,
    /// "Multi-device is off." 411
    Downgrade,
    /// A frame that no key opens; an unhandled rejection in Baileys.
    UnreadableFrame,
    /// Nothing comes any more, and nothing is taken; the socket stays. 408 after a while
    Silence,
    /// The connection is accepted and dropped before a byte passes. 408
    Refused,
    /// The websocket upgrade is never answered. 408
    NoUpgrade,
    /// The upgrade is answered with this HTTP status. No event for minutes in Baileys.
    UpgradeStatus(u16),
    /// The client's hello is never answered. 408
    NoServerHello,
    /// The client's hello is answered with noise. An error without a code
    UnreadableServerHello,
    /// `<failure reason="…"/>` instead of a login: this reason (401, 403, 405 are known).
    LoginFailure(u16),
    /// The handshake is completed, and then nothing. 408
    SilenceAfterHandshake,
}

/// When a disruption strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The connection is open (linked clients: logged in, their messages delivered).
    Open,
    /// The connection is about to be made.
    Start,
}

/// What a person types, and an example of each.
const NAMES: [(&str, Disruption); 17] = [
    ("tcp-drop", Disruption::TcpDrop),
    ("ws-close", Disruption::WsClose),
    ("stream-end", Disruption::StreamEnd),
    ("stream-error", Disruption::StreamError(503)),
    ("other-stream-error", Disruption::OtherStreamError),
    ("conflict", Disruption::Conflict),
    ("device-removed", Disruption::DeviceRemoved),
    ("downgrade", Disruption::Downgrade),
    ("unreadable-frame", Disruption::UnreadableFrame),
    ("silence", Disruption::Silence),
    ("refused", Disruption::Refused),
    ("no-upgrade", Disruption::NoUpgrade),
    ("upgrade-status", Disruption::UpgradeStatus(502)),
    ("no-server-hello", Disruption::NoServerHello),
    ("unreadable-server-hello", Disruption::UnreadableServerHello),
    ("login-failure", Disruption::LoginFailure(403)),
    ("silence-after-handshake", Disruption::SilenceAfterHandshake),
];

impl Disruption {
    /// Every kind, those with a number with one example.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(_, disruption)| *disruption)
    }

    pub(crate) fn moment(self) -> Moment {
        match self {
            Self::TcpDrop
            | Self::WsClose
            | Self::StreamEnd
            | Self::StreamError(_)
            | Self::OtherStreamError
            | Self::Conflict
            | Self::DeviceRemoved
            | Self::Downgrade
            | Self::UnreadableFrame
            | Self::Silence => Moment::Open,
            Self::Refused
            | Self::NoUpgrade
            | Self::UpgradeStatus(_)
            | Self::NoServerHello
            | Self::UnreadableServerHello
            | Self::LoginFailure(_)
            | Self::SilenceAfterHandshake => Moment::Start,
        }
    }

    fn number(self) -> Option<u16> {
        match self {
            Self::StreamError(number)
            | Self::UpgradeStatus(number)
            | Self::LoginFailure(number) => Some(number),
            Self::TcpDrop
            | Self::WsClose
            | Self::StreamEnd
            | Self::OtherStreamError
            | Self::Conflict
            | Self::DeviceRemoved
            | Self::Downgrade
            | Self::UnreadableFrame
            | Self::Silence
            | Self::Refused
            | Self::NoUpgrade
            | Self::NoServerHello
            | Self::UnreadableServerHello
            | Self::SilenceAfterHandshake => None,
        }
    }

    fn with(self, number: u16) -> Self {
        match self {
            Self::StreamError(_) => Self::StreamError(number),
            Self::UpgradeStatus(_) => Self::UpgradeStatus(number),
            Self::LoginFailure(_) => Self::LoginFailure(number),
            Self::TcpDrop
            | Self::WsClose
            | Self::StreamEnd
            | Self::OtherStreamError
            | Self::Conflict
            | Self::DeviceRemoved
            | Self::Downgrade
            | Self::UnreadableFrame
            | Self::Silence
            | Self::Refused
            | Self::NoUpgrade
            | Self::NoServerHello
            | Self::UnreadableServerHello
            | Self::SilenceAfterHandshake => self,
        }
    }
}

/// `stream-error 503`, `ws-close`: what [`FromStr`] reads.
impl fmt::Display for Disruption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = std::mem::discriminant(self);
        let name = NAMES
            .iter()
            .find(|(_, each)| std::mem::discriminant(each) == kind)
            .map_or("unnamed", |(name, _)| name);
        match self.number() {
            Some(number) => write!(formatter, "{name} {number}"),
            None => formatter.write_str(name),
        }
    }
}

impl FromStr for Disruption {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, number) = match text.trim().split_once(' ') {
            Some((name, number)) => (name, Some(number.trim())),
            None => (text.trim(), None),
        };
        let known = NAMES.iter().find(|(each, _)| *each == name);
        let (_, disruption) = known.with_context(|| {
            let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            format!(
                "unknown disruption {name:?}: give one of {}",
                names.join(", ")
            )
        })?;
        match (disruption.number(), number) {
            (_, None) => Ok(*disruption),
            (Some(_), Some(number)) => {
                let number = number
                    .parse()
                    .with_context(|| format!("{number:?} is no code, such as 503"))?;
                Ok(disruption.with(number))
            }
            (None, Some(number)) => bail!("{name} takes no number, and {number:?} was given"),
        }
    }
}

/// Strikes an open connection. Those for its start are ignored here.
pub(crate) fn strike(world: &mut World, line: LineId, disruption: Disruption) {
    match disruption {
        Disruption::TcpDrop => world.lines.forget(line),
        Disruption::WsClose => world.lines.hang_up(line),
        Disruption::StreamEnd => last_word(world, line, NodeBuilder::new("xmlstreamend").build()),
        Disruption::StreamError(code) => {
            let error = NodeBuilder::new("stream:error").attr("code", code);
            last_word(world, line, error.build());
        }
        Disruption::OtherStreamError => {
            let reason = NodeBuilder::new("xml-not-well-formed").build();
            last_word(world, line, stream_error(reason));
        }
        Disruption::Conflict => last_word(world, line, replaced()),
        Disruption::DeviceRemoved => {
            let account = world.lines.account(line).unwrap_or(&world.owner).to_owned();
            pairing::unlink(world, &account);
        }
        Disruption::Downgrade => {
            let downgrade = NodeBuilder::new("downgrade_webclient").build();
            last_word(
                world,
                line,
                NodeBuilder::new("ib").children([downgrade]).build(),
            );
        }
        Disruption::UnreadableFrame => world.lines.send_noise(line),
        Disruption::Silence | Disruption::SilenceAfterHandshake => world.lines.silence(line),
        Disruption::Refused
        | Disruption::NoUpgrade
        | Disruption::UpgradeStatus(_)
        | Disruption::NoServerHello
        | Disruption::UnreadableServerHello
        | Disruption::LoginFailure(_) => {}
    }
}

/// What a client hears whose login somebody else uses now.
pub(crate) fn replaced() -> Node {
    let conflict = NodeBuilder::new("conflict").attr("type", "replaced");
    stream_error(conflict.build())
}

fn stream_error(reason: Node) -> Node {
    NodeBuilder::new("stream:error").children([reason]).build()
}

fn last_word(world: &mut World, line: LineId, word: Node) {
    world.send(line, word);
    world.lines.hang_up(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::lines::{Handset, Order};
    use crate::sim::person::Person;
    use crate::sim::stanza::to_text;

    #[test]
    fn every_disruption_is_read_as_it_is_written() {
        for disruption in Disruption::all() {
            assert_eq!(
                disruption.to_string().parse::<Disruption>().unwrap(),
                disruption
            );
        }
        assert_eq!(
            "stream-error 515".parse::<Disruption>().unwrap(),
            Disruption::StreamError(515)
        );
    }

    #[test]
    fn an_unknown_disruption_is_refused_with_the_known_ones() {
        for (text, reason) in [
            ("flood", "tcp-drop"),
            ("ws-close 3", "takes no number"),
            ("stream-error many", "no code"),
        ] {
            let refusal = text.parse::<Disruption>().unwrap_err().to_string();
            assert!(refusal.contains(reason), "{refusal}");
        }
    }

    fn struck(disruption: Disruption) -> (World, Handset) {
        let mut world = World::new(Person::new("Olga", "15550001000").unwrap());
        let handset = world.lines.open(None);
        strike(&mut world, handset.line, disruption);
        (world, handset)
    }

    #[test]
    fn what_the_client_is_told_is_said_before_the_line_is_closed() {
        for (disruption, word) in [
            (Disruption::StreamEnd, "<xmlstreamend/>"),
            (
                Disruption::StreamError(516),
                r#"<stream:error code="516"/>"#,
            ),
            (
                Disruption::Conflict,
                r#"<stream:error><conflict type="replaced"/></stream:error>"#,
            ),
            (Disruption::Downgrade, "<ib><downgrade_webclient/></ib>"),
        ] {
            let (_, mut handset) = struck(disruption);
            let Ok(Order::Send(said)) = handset.orders.try_recv() else {
                panic!("{disruption} says nothing");
            };
            assert_eq!(to_text(&said), word);
            assert!(matches!(handset.orders.try_recv(), Ok(Order::HangUp)));
        }
    }

    #[test]
    fn a_silent_line_takes_nothing_more() {
        let (mut world, mut handset) = struck(Disruption::Silence);
        world.send(handset.line, replaced());
        assert!(handset.orders.try_recv().is_err());
        assert_eq!(world.lines.count(), 1);
    }

    #[test]
    fn what_stands_in_the_way_of_a_connection_leaves_open_ones_alone() {
        let at_start = Disruption::all()
            .filter(|each| each.moment() == Moment::Start)
            .filter(|each| *each != Disruption::SilenceAfterHandshake);
        for disruption in at_start {
            let (world, mut handset) = struck(disruption);
            assert!(handset.orders.try_recv().is_err(), "{disruption}");
            assert_eq!(world.lines.count(), 1, "{disruption}");
        }
    }
}
