//! Failures that a person can act on, and what the bridge's refusals and the transport's failures
//! mean. Every failure has a kind for the caller's decision, a stable code and a next step.
//! Whether to try again is the host's decision.

use std::fmt;

use crate::boundary::TransportError;

/// Who can do something about a failure, and whether the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    InvalidInput,
    Refused,
    BridgeUnreachable,
    BridgeUnavailable,
    BridgeRefused,
    Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelError {
    pub kind: ErrorKind,
    pub code: String,
    pub message: String,
    pub hint: String,
}

impl ChannelError {
    pub fn new(
        kind: ErrorKind,
        code: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The bridge's answer does not follow its contract.
    #[must_use]
    pub fn protocol(code: &str, operation: &str, what: &str) -> Self {
        Self::new(
            ErrorKind::Protocol,
            code,
            format!("the bridge's answer to {operation} cannot be used: {what}"),
            "check that `bridge_url` leads to the WhatsApp bridge, and that its version fits",
        )
    }

    /// Something that the bridge said and that must not be repeated is in the message.
    #[must_use]
    pub fn without_repeating(mut self, text: &str) -> Self {
        // Shorter texts are found in any sentence, and give nothing away.
        let text = plain(text);
        let repeated = text.len() >= 4 && self.message.contains(&text);
        if repeated || self.ends_within(&text) {
            self.message = format!("the bridge refused with the code {}", self.code);
        }
        self
    }

    /// Whether the sentence was cut off in the middle of `text`.
    fn ends_within(&self, text: &str) -> bool {
        let was_cut = self.message.chars().count() >= LONGEST_SENTENCE;
        let beginnings = text.char_indices().map(|(at, _)| at);
        was_cut
            && beginnings
                .take(LONGEST_SENTENCE + 1)
                .skip_while(|at| *at < 4)
                .any(|at| {
                    text.get(..at)
                        .is_some_and(|text| self.message.ends_with(text))
                })
    }
}

/// Longest sentence of the bridge that is repeated to the operator, in characters.
const LONGEST_SENTENCE: usize = 300;

/// A sentence of the bridge as it is shown.
pub(crate) fn presentable(sentence: &str) -> String {
    plain(sentence).chars().take(LONGEST_SENTENCE).collect()
}

fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(shown).collect()
}

impl fmt::Display for ChannelError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.message, self.code)
    }
}

const START_BRIDGE: &str =
    "start the bridge with `loong whatsapp-personal bridge run`, or check `bridge_url`";

/// What a call without an answer means.
#[must_use]
pub fn from_transport(operation: &str, error: TransportError) -> ChannelError {
    let (kind, code, why, hint) = match error {
        TransportError::Unreachable(why) => (
            ErrorKind::BridgeUnreachable,
            "bridge_unreachable",
            format!("nothing answers there ({why})"),
            START_BRIDGE,
        ),
        TransportError::TimedOut => (
            ErrorKind::BridgeUnreachable,
            "bridge_timeout",
            "it did not answer in time".to_owned(),
            "look at the bridge's terminal; restart the bridge when it hangs",
        ),
        TransportError::TooLarge(bytes) => (
            ErrorKind::Protocol,
            "bridge_answer_too_large",
            format!("its answer is too large ({bytes} bytes)"),
            "check that `bridge_url` leads to the WhatsApp bridge, and that its version fits",
        ),
        TransportError::Broken(why) => (
            ErrorKind::BridgeUnreachable,
            "bridge_connection_broken",
            format!("speaking with it failed ({why})"),
            START_BRIDGE,
        ),
        TransportError::Refused(why) => (
            ErrorKind::Refused,
            "bridge_call_refused",
            format!("the host does not allow the call ({why})"),
            "send less at once when it is too large; else check `bridge_url` with `loong doctor`",
        ),
    };
    let message = format!("{operation}: the bridge cannot be asked: {why}");
    ChannelError::new(kind, code, message, hint)
}

/// What a refusal of the bridge means: `sentence`, `code` and `retryable` as it gave them.
#[must_use]
pub fn from_refusal(
    operation: &str,
    status: u16,
    code: Option<&str>,
    retryable: Option<bool>,
    sentence: &str,
) -> ChannelError {
    let known = code.and_then(Refusal::parse);
    let kind = match (known, code) {
        (Some(refusal), _) => refusal.kind(retryable),
        (None, Some(_foreign)) => by_flag(retryable, by_status(status, ErrorKind::BridgeRefused)),
        // Without a code it is hardly the bridge that answers: no reason to give up a message.
        (None, None) => by_flag(retryable, by_status(status, ErrorKind::Protocol)),
    };
    let code = match (known, code) {
        (Some(_), Some(code)) => code.to_owned(),
        // Foreign codes keep their name, in a form that is safe to show.
        (None, Some(code)) if is_word(code) => code.to_owned(),
        (_, Some(_) | None) if (200..300).contains(&status) => "bridge_not_ok".to_owned(),
        (_, Some(_) | None) => format!("bridge_status_{status}"),
    };
    let said = if sentence.is_empty() {
        format!("it gave no reason (HTTP status {status})")
    } else {
        sentence.to_owned()
    };
    ChannelError::new(
        kind,
        code,
        format!("{operation}: the bridge refused: {said}"),
        known.map_or(
            "look at the bridge's terminal for the reason",
            Refusal::hint,
        ),
    )
}

/// The codes of the bridge contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    BadRequest,
    UnsupportedOperation,
    UnsupportedMessage,
    InvalidTarget,
    Unauthorized,
    ForbiddenOrigin,
    ChatNotAllowed,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    UnsupportedMediaType,
    RateLimited,
    Internal,
    StoreUnavailable,
    Paused,
    NotPaired,
    NotConnected,
    WhatsappRejected,
    Timeout,
}

impl Refusal {
    fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "bad_request" => Self::BadRequest,
            "unsupported_operation" => Self::UnsupportedOperation,
            "unsupported_message" => Self::UnsupportedMessage,
            "invalid_target" => Self::InvalidTarget,
            "unauthorized" => Self::Unauthorized,
            "forbidden_origin" => Self::ForbiddenOrigin,
            "chat_not_allowed" => Self::ChatNotAllowed,
            "not_found" => Self::NotFound,
            "method_not_allowed" => Self::MethodNotAllowed,
            "too_large" => Self::TooLarge,
            "unsupported_media_type" => Self::UnsupportedMediaType,
            "rate_limited" => Self::RateLimited,
            "internal" => Self::Internal,
            "store_unavailable" => Self::StoreUnavailable,
            "paused" => Self::Paused,
            "not_paired" => Self::NotPaired,
            "not_connected" => Self::NotConnected,
            "whatsapp_rejected" => Self::WhatsappRejected,
            "timeout" => Self::Timeout,
            _ => return None,
        })
    }

    fn kind(self, retryable: Option<bool>) -> ErrorKind {
        match self {
            Self::BadRequest
            | Self::UnsupportedOperation
            | Self::UnsupportedMessage
            | Self::InvalidTarget
            | Self::ChatNotAllowed
            | Self::TooLarge => ErrorKind::BridgeRefused,
            // Not the message's fault: it must not be given up for them.
            Self::Unauthorized | Self::ForbiddenOrigin => ErrorKind::Refused,
            Self::NotFound | Self::MethodNotAllowed | Self::UnsupportedMediaType => {
                ErrorKind::Protocol
            }
            Self::RateLimited
            | Self::Internal
            | Self::StoreUnavailable
            | Self::Paused
            | Self::NotPaired
            | Self::NotConnected
            | Self::Timeout => ErrorKind::BridgeUnavailable,
            Self::WhatsappRejected => by_flag(retryable, ErrorKind::BridgeRefused),
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::BadRequest | Self::UnsupportedOperation | Self::UnsupportedMediaType => {
                "check that bridge and plugin have versions that fit"
            }
            Self::UnsupportedMessage => "send plain text",
            Self::InvalidTarget => {
                "check the target; `contact:<number>` and `group:<digits>@g.us` are possible"
            }
            Self::Unauthorized | Self::ForbiddenOrigin => {
                "start the bridge with `loong whatsapp-personal bridge run`, so that both know the same token"
            }
            Self::ChatNotAllowed => {
                "add the chat with `loong whatsapp-personal chats allow <target>`; a running bridge follows at once"
            }
            Self::NotFound | Self::MethodNotAllowed => "check the path in `bridge_url`",
            Self::TooLarge => "send less text at once",
            Self::RateLimited => {
                "wait as long as it says, then try again; the caps are `max_messages_per_minute` and `max_new_chats_per_day`"
            }
            Self::Internal | Self::Timeout => {
                "try again; look at the bridge's terminal when it stays so"
            }
            Self::StoreUnavailable => "check the disk and the rights of `auth_dir`",
            Self::Paused => {
                "run `loong whatsapp-personal resume`; what is written to the account is kept until then"
            }
            Self::NotPaired => {
                "run `loong whatsapp-personal bridge run` and scan the QR with the phone"
            }
            Self::NotConnected => "wait until the bridge is connected, then try again",
            Self::WhatsappRejected => "check that the recipient uses WhatsApp and accepts messages",
        }
    }
}

fn by_status(status: u16, otherwise: ErrorKind) -> ErrorKind {
    match status {
        408 | 429 | 500..=599 => ErrorKind::BridgeUnavailable,
        _ => otherwise,
    }
}

fn by_flag(retryable: Option<bool>, unless_said: ErrorKind) -> ErrorKind {
    match retryable {
        Some(true) => ErrorKind::BridgeUnavailable,
        Some(false) => ErrorKind::BridgeRefused,
        None => unless_said,
    }
}

fn is_word(code: &str) -> bool {
    (1..=64).contains(&code.len())
        && code
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
