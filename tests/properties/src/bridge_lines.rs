//! What the bridge process says, line by line.

use loong::bridge::events::{BridgeEvent, Line, read};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::input::{json, like, text, text_with};

const WORDS: &[&str] = &[
    "event",
    "at",
    "listening",
    "state",
    "qr",
    "pairing_code",
    "pair_page",
    "connected",
    "message_in",
    "message_refused",
    "message_left",
    "message_unreadable",
    "allowlist_match",
    "message_out",
    "message_dead",
    "paused",
    "resumed",
    "imported",
    "warning",
    "fatal",
    "stopped",
    "url",
    "message",
    "retry_in_ms",
    "expires_in_ms",
    "number",
    "code",
    "chat",
    "cursor",
    "kind",
    "reason",
    "entry",
    "allowed",
    "status",
    "attempts",
    "by",
    "from",
    "hint",
    "name",
    "phone",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "\"event\":",
    "\"qr\"",
    "\"state\"",
    ":",
    ",",
    "\"",
    "[",
    "]",
    "\\ud800",
    "1e999",
];

properties!(
    no_line_whatever_breaks_the_reading(text_with(JSON), |line| {
        sound(&line);
    }),
    an_event_of_any_shape_is_an_event_one_of_later_or_garbage(
        (
            prop::sample::select(WORDS),
            prop::collection::vec((prop::sample::select(WORDS), json(WORDS)), 0..10)
        ),
        |(name, fields)| {
            let mut event: serde_json::Map<String, Value> = fields
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect();
            event.insert("event".to_owned(), json!(name));
            sound(&Value::Object(event).to_string());
        }
    ),
    what_is_read_is_what_was_said(
        (
            text(),
            text(),
            any::<u64>(),
            text(),
            any::<bool>(),
            any::<u64>()
        ),
        |(chat, cursor, attempts, reason, allowed, milliseconds)| {
            let dead = json!({ "event": "message_dead", "chat": chat, "cursor": cursor, "attempts": attempts, "reason": reason });
            assert_eq!(
                read(&dead.to_string()),
                Line::Event(BridgeEvent::MessageDead {
                    chat: chat.clone(),
                    cursor: cursor.clone(),
                    attempts,
                    reason: reason.clone()
                })
            );
            let matched = json!({ "event": "allowlist_match", "chat": chat, "entry": cursor, "allowed": allowed });
            let entry = Some(cursor).filter(|entry| !entry.is_empty());
            assert_eq!(
                read(&matched.to_string()),
                Line::Event(BridgeEvent::AllowlistMatch {
                    chat,
                    entry,
                    allowed
                })
            );
            let state = json!({ "event": "state", "state": reason, "message": "", "retry_in_ms": milliseconds });
            assert_eq!(
                read(&state.to_string()),
                Line::Event(BridgeEvent::State {
                    state: reason,
                    message: None,
                    retry_in: Some(std::time::Duration::from_millis(milliseconds))
                })
            );
        }
    ),
    shown_for_debugging_an_event_keeps_its_payload_to_itself(
        (like("[a-z]{24}"), prop::sample::select(WORDS)),
        |(secret, name)| {
            let keys = [
                "url", "qr", "code", "name", "phone", "chat", "cursor", "kind", "reason", "entry",
                "status", "by", "from", "message", "hint",
            ];
            let mut event: serde_json::Map<String, Value> = keys
                .iter()
                .map(|key| ((*key).to_owned(), json!(secret)))
                .collect();
            // The code of a warning is one of ours; a pairing code is not.
            if name != "pairing_code" {
                event.insert("code".to_owned(), json!("a_code"));
            }
            event.insert("state".to_owned(), json!("open"));
            event.insert("allowed".to_owned(), json!(true));
            event.insert("event".to_owned(), json!(name));
            let line = read(&Value::Object(event).to_string());
            assert!(!format!("{line:?}").contains(&secret), "{line:?}");
        }
    ),
);

fn sound(line: &str) {
    let value: Option<Value> = serde_json::from_str(line).ok();
    let name = value
        .as_ref()
        .and_then(Value::as_object)
        .and_then(|fields| fields.get("event"))
        .and_then(Value::as_str);
    match read(line) {
        Line::Event(_) => assert!(name.is_some_and(|name| WORDS.contains(&name))),
        Line::Unknown => {
            assert!(line.trim().is_empty() || name.is_some_and(|name| !EVENTS.contains(&name)))
        }
        Line::Garbage => assert!(name.is_none_or(|name| EVENTS.contains(&name))),
    }
}

/// docs/bridge-process.md
const EVENTS: &[&str] = &[
    "listening",
    "state",
    "qr",
    "pairing_code",
    "pair_page",
    "connected",
    "message_in",
    "message_refused",
    "message_left",
    "message_unreadable",
    "allowlist_match",
    "message_out",
    "message_dead",
    "paused",
    "resumed",
    "imported",
    "warning",
    "fatal",
    "stopped",
];
