//! What the bridge process says on its standard output, line by line (docs/bridge-process.md).
//! Strict about what a known event means, tolerant of everything it does not know.

use std::time::Duration;

use serde_json::{Map, Value};

/// Longer lines are no events: the longest, a QR code, has a few hundred bytes.
pub const LONGEST_LINE: usize = 64 * 1024;

/// One event. `Debug` never shows a payload.
#[derive(Clone, PartialEq, Eq)]
pub enum BridgeEvent {
    /// The HTTP endpoint answers.
    Listening {
        url: String,
    },
    /// The connection state changed.
    State {
        state: String,
        message: Option<String>,
        retry_in: Option<Duration>,
    },
    /// Show this QR code instead of the last one.
    Qr {
        payload: String,
        expires_in: Duration,
        number: u64,
    },
    /// Type this code on the phone.
    PairingCode {
        code: String,
        expires_in: Option<Duration>,
    },
    /// Opens a page with the same codes, once.
    PairPage {
        url: String,
    },
    /// Linked and online.
    Connected {
        name: Option<String>,
        phone: Option<String>,
    },
    /// `cursor` names the message in everything that follows; empty from a bridge that does not.
    MessageIn {
        chat: String,
        cursor: String,
        kind: String,
    },
    MessageRefused {
        chat: String,
        reason: String,
    },
    /// A message that is left without an answer, on purpose.
    MessageLeft {
        chat: String,
        reason: String,
    },
    /// A message that could not be decrypted; its sender was asked for it again.
    MessageUnreadable {
        chat: String,
    },
    /// Which entry of the list lets a chat in, or would; said when the chat is first seen.
    AllowlistMatch {
        chat: String,
        entry: Option<String>,
        allowed: bool,
    },
    /// `cursor`: of the message that it answers; empty when it answers none.
    MessageOut {
        chat: String,
        cursor: String,
        status: String,
    },
    /// Accepted, and never to leave: its chat is not on the list any more.
    MessageWithheld {
        chat: String,
        cursor: String,
    },
    /// A cap on what is sent begins to hold something back.
    CapReached {
        cap: String,
    },
    /// A message was parked after too many failed attempts.
    MessageDead {
        chat: String,
        cursor: String,
        attempts: u64,
        reason: String,
    },
    /// Nothing is sent any more; `by` the operator or the owner.
    Paused {
        by: String,
    },
    Resumed {
        by: String,
    },
    /// An existing login was taken over.
    Imported {
        from: String,
    },
    Warning {
        code: String,
        message: String,
    },
    /// The last event before a non-zero exit.
    Fatal {
        code: String,
        message: String,
        hint: String,
    },
    /// The last event before a clean exit.
    Stopped,
}

/// What a line was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    Event(BridgeEvent),
    /// An event of a later version.
    Unknown,
    /// Not an event at all.
    Garbage,
}

/// Reads one line.
pub fn read(line: &str) -> Line {
    if line.trim().is_empty() {
        return Line::Unknown;
    }
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else {
        return Line::Garbage;
    };
    let Some(name) = fields.get("event").and_then(Value::as_str) else {
        return Line::Garbage;
    };
    match event(name, &fields) {
        Some(Some(event)) => Line::Event(event),
        Some(None) => Line::Garbage,
        None => Line::Unknown,
    }
}

/// None: not an event we know; inner none: one we know, without what it must have.
fn event(name: &str, fields: &Map<String, Value>) -> Option<Option<BridgeEvent>> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let word = |key: &str| text(key).unwrap_or_default();
    let span = |key: &str| {
        fields
            .get(key)
            .and_then(Value::as_u64)
            .map(Duration::from_millis)
    };
    Some(match name {
        "listening" => text("url").map(|url| BridgeEvent::Listening { url }),
        "state" => text("state").map(|state| BridgeEvent::State {
            state,
            message: text("message").filter(|message| !message.is_empty()),
            retry_in: span("retry_in_ms"),
        }),
        "qr" => text("qr").map(|payload| BridgeEvent::Qr {
            payload,
            expires_in: span("expires_in_ms").unwrap_or(Duration::from_secs(20)),
            number: fields.get("number").and_then(Value::as_u64).unwrap_or(1),
        }),
        "pairing_code" => text("code").map(|code| BridgeEvent::PairingCode {
            code,
            expires_in: span("expires_in_ms"),
        }),
        "pair_page" => text("url").map(|url| BridgeEvent::PairPage { url }),
        "connected" => Some(BridgeEvent::Connected {
            name: text("name"),
            phone: text("phone"),
        }),
        "message_in" => Some(BridgeEvent::MessageIn {
            chat: word("chat"),
            cursor: word("cursor"),
            kind: word("kind"),
        }),
        "message_refused" => Some(BridgeEvent::MessageRefused {
            chat: word("chat"),
            reason: word("reason"),
        }),
        "message_left" => Some(BridgeEvent::MessageLeft {
            chat: word("chat"),
            reason: word("reason"),
        }),
        "message_unreadable" => Some(BridgeEvent::MessageUnreadable { chat: word("chat") }),
        "allowlist_match" => fields
            .get("allowed")
            .and_then(Value::as_bool)
            .map(|allowed| BridgeEvent::AllowlistMatch {
                chat: word("chat"),
                entry: text("entry").filter(|entry| !entry.is_empty()),
                allowed,
            }),
        "message_out" => Some(BridgeEvent::MessageOut {
            chat: word("chat"),
            cursor: word("cursor"),
            status: word("status"),
        }),
        "message_withheld" => Some(BridgeEvent::MessageWithheld {
            chat: word("chat"),
            cursor: word("cursor"),
        }),
        "cap_reached" => Some(BridgeEvent::CapReached { cap: word("cap") }),
        "message_dead" => Some(BridgeEvent::MessageDead {
            chat: word("chat"),
            cursor: word("cursor"),
            attempts: fields.get("attempts").and_then(Value::as_u64).unwrap_or(0),
            reason: word("reason"),
        }),
        "paused" => Some(BridgeEvent::Paused { by: word("by") }),
        "resumed" => Some(BridgeEvent::Resumed { by: word("by") }),
        "imported" => Some(BridgeEvent::Imported { from: word("from") }),
        "warning" => text("message").map(|message| BridgeEvent::Warning {
            code: word("code"),
            message,
        }),
        "fatal" => text("message").map(|message| BridgeEvent::Fatal {
            code: word("code"),
            message,
            hint: word("hint"),
        }),
        "stopped" => Some(BridgeEvent::Stopped),
        _ => return None,
    })
}

impl std::fmt::Debug for BridgeEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Listening { .. } => "Listening",
            Self::State { state, .. } => return write!(f, "State({state})"),
            Self::Qr { number, .. } => return write!(f, "Qr({number})"),
            Self::PairingCode { .. } => "PairingCode",
            Self::PairPage { .. } => "PairPage",
            Self::Connected { .. } => "Connected",
            Self::MessageIn { .. } => "MessageIn",
            Self::MessageRefused { .. } => "MessageRefused",
            Self::MessageLeft { .. } => "MessageLeft",
            Self::MessageUnreadable { .. } => "MessageUnreadable",
            Self::AllowlistMatch { .. } => "AllowlistMatch",
            Self::MessageOut { .. } => "MessageOut",
            Self::MessageWithheld { .. } => "MessageWithheld",
            Self::CapReached { .. } => "CapReached",
            Self::MessageDead { .. } => "MessageDead",
            Self::Paused { .. } => "Paused",
            Self::Resumed { .. } => "Resumed",
            Self::Imported { .. } => "Imported",
            Self::Warning { code, .. } => return write!(f, "Warning({code})"),
            Self::Fatal { code, .. } => return write!(f, "Fatal({code})"),
            Self::Stopped => "Stopped",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_event_is_read_and_its_payload_never_shown() {
        let line =
            r#"{"event":"qr","at":1,"qr":"2@secret","expires_in_ms":60000,"number":1,"round":1}"#;
        let Line::Event(event) = read(line) else {
            panic!("{line}")
        };
        assert_eq!(
            event,
            BridgeEvent::Qr {
                payload: "2@secret".to_owned(),
                expires_in: Duration::from_secs(60),
                number: 1,
            }
        );
        assert!(!format!("{event:?}").contains("secret"));
    }

    #[test]
    fn a_state_without_retry_is_read() {
        assert_eq!(
            read(
                r#"{"event":"state","at":1,"state":"connecting","reason":null,"message":"","retry_in_ms":null}"#
            ),
            Line::Event(BridgeEvent::State {
                state: "connecting".to_owned(),
                message: None,
                retry_in: None,
            })
        );
    }

    #[test]
    fn a_pairing_code_is_read_and_never_shown() {
        let Line::Event(event) =
            read(r#"{"event":"pairing_code","code":"ABCD-1234","expires_in_ms":180000}"#)
        else {
            panic!("no event")
        };
        assert!(!format!("{event:?}").contains("ABCD"));
        let expected = BridgeEvent::PairingCode {
            code: "ABCD-1234".to_owned(),
            expires_in: Some(Duration::from_secs(180)),
        };
        assert_eq!(event, expected);
    }

    #[test]
    fn a_link_to_the_page_is_read_and_never_shown() {
        let Line::Event(event) =
            read(r#"{"event":"pair_page","url":"http://127.0.0.1:1/b/pair?key=secret"}"#)
        else {
            panic!("no event")
        };
        assert!(!format!("{event:?}").contains("secret"));
        let url = "http://127.0.0.1:1/b/pair?key=secret".to_owned();
        assert_eq!(event, BridgeEvent::PairPage { url });
    }

    #[test]
    fn what_was_left_alone_and_why_a_chat_is_let_in_are_read() {
        assert_eq!(
            read(r#"{"event":"message_left","chat":"c1","reason":"not_addressed"}"#),
            Line::Event(BridgeEvent::MessageLeft {
                chat: "c1".to_owned(),
                reason: "not_addressed".to_owned(),
            })
        );
        assert_eq!(
            read(r#"{"event":"message_unreadable","chat":"c1"}"#),
            Line::Event(BridgeEvent::MessageUnreadable {
                chat: "c1".to_owned(),
            })
        );
        for (entry, read_entry) in [("\"*\"", Some("*".to_owned())), ("null", None)] {
            let line = format!(
                r#"{{"event":"allowlist_match","chat":"c1","entry":{entry},"allowed":false}}"#
            );
            assert_eq!(
                read(&line),
                Line::Event(BridgeEvent::AllowlistMatch {
                    chat: "c1".to_owned(),
                    entry: read_entry,
                    allowed: false,
                })
            );
        }
    }

    #[test]
    fn an_event_of_a_later_version_is_ignored() {
        assert_eq!(read(r#"{"event":"weather","at":1}"#), Line::Unknown);
        assert_eq!(read(""), Line::Unknown);
    }

    #[test]
    fn a_known_event_without_its_essence_and_plain_prose_are_garbage() {
        for line in [
            r#"{"event":"qr","at":1}"#,
            r#"{"event":"allowlist_match","chat":"c1"}"#,
            r#"{"event":"pair_page"}"#,
            "Closing session",
            "[]",
            r#"{"at":1}"#,
        ] {
            assert_eq!(read(line), Line::Garbage, "{line}");
        }
    }
}
