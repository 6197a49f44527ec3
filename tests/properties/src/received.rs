//! What comes from the bridge, or from whatever answers in its place: no answer breaks the component, opens a
//! chat that is not listed, or puts anything active or private into an error.

use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::{Value, json};
use whatsapp_personal_plugin::allowlist::Allowlist;
use whatsapp_personal_plugin::boundary::{Bridge, Level, Log, Response, TransportError};
use whatsapp_personal_plugin::channel::Account;
use whatsapp_personal_plugin::error::ChannelError;
use whatsapp_personal_plugin::identity::Identity;
use whatsapp_personal_plugin::send::{OutboundMessage, send};
use whatsapp_personal_plugin::serve_step::{Receive, Verdict, finish, receive, settle};
use whatsapp_personal_plugin::target::Target;

use crate::input::{chat, json, like, text, text_with};

const WORDS: &[&str] = &[
    "method",
    "id",
    "payload",
    "tools/call",
    "ok",
    "error",
    "code",
    "retryable",
    "message_id",
    "message_ids",
    "status",
    "sent",
    "pending",
    "messages",
    "batch_id",
    "session",
    "conversation_id",
    "participant_id",
    "reply_target",
    "kind",
    "conversation",
    "delivery",
    "ack_cursor",
    "source_message_id",
    "text",
    "whatsapp",
    "chat_aliases",
    "received_at",
    "bad_request",
    "paused",
    "whatsapp_rejected",
];

/// Gives the same answer to everything, and keeps what was logged.
#[derive(Debug)]
struct Parrot {
    status: u16,
    body: Said,
    logged: RefCell<Vec<String>>,
}

#[derive(Debug, Clone)]
enum Said {
    Raw(String),
    /// In an envelope that fits.
    Payload(Value),
}

impl Bridge for Parrot {
    fn post(&self, body: &str, _timeout_ms: u32) -> Result<Response, TransportError> {
        let request: Value = serde_json::from_str(body).unwrap();
        let body = match &self.body {
            Said::Raw(text) => text.clone(),
            Said::Payload(payload) => {
                json!({ "method": request["method"], "id": request["id"], "payload": payload })
                    .to_string()
            }
        };
        Ok(Response {
            status: self.status,
            body,
        })
    }
}

impl Log for Parrot {
    fn record(&self, _level: Level, message: &str) {
        self.logged.borrow_mut().push(message.to_owned());
    }
}

properties!(
    no_answer_breaks_anything_and_every_error_can_be_shown(parrot(), |bridge| {
        let account = open_account();
        let handle = json!({
            "delivery": { "ack_cursor": "c" },
            "reply_target": { "id": "contact:+15551234567" },
        })
        .to_string();
        let later = Verdict::Later {
            reason: "r".to_owned(),
            delay_ms: None,
            counts: false,
        };
        let outcomes = [
            send(&bridge, &account, &message("hello")).map(drop),
            receive(&bridge, &bridge, &account, &consumer()).map(drop),
            settle(
                &bridge,
                &bridge,
                &account,
                &handle,
                &Verdict::Reply("hello".to_owned()),
            )
            .map(drop),
            settle(&bridge, &bridge, &account, &handle, &Verdict::NoReply).map(drop),
            settle(&bridge, &bridge, &account, &handle, &later).map(drop),
            finish(&bridge, &account, "b"),
        ];
        for error in outcomes.into_iter().filter_map(Result::err) {
            presentable(&error);
        }
        assert!(
            bridge
                .logged
                .borrow()
                .iter()
                .all(|line| !line.contains(char::is_control) && line.len() < 500)
        );
    }),
    no_batch_brings_a_chat_that_is_not_listed(
        (
            chat(),
            prop::collection::vec(inbound(), 0..6),
            any::<prop::sample::Index>()
        ),
        |(listed, mut messages, of)| {
            // One that is given twice is taken once.
            for (number, message) in messages.iter_mut().enumerate() {
                if let Some(cursor) = message.pointer_mut("/delivery/ack_cursor") {
                    *cursor = json!(format!("c{number}"));
                }
            }
            let account = Account {
                allowed_chats: vec![of.get(&listed.spellings).clone()],
                ..open_account()
            };
            let list = Allowlist::parse(&account.allowed_chats).unwrap();
            let count = messages.len();
            let bridge = Parrot {
                status: 200,
                body: Said::Payload(json!({ "messages": messages, "ok": true })),
                logged: RefCell::default(),
            };
            let batch = receive(
                &bridge,
                &bridge,
                &account,
                &Receive {
                    max_messages: 100,
                    ..Receive::default()
                },
            )
            .unwrap();
            assert_eq!(batch.messages.len() + batch.unreadable.len(), count);
            for message in &batch.messages {
                let target = Target::parse_for(&message.target, &account.configured_id).unwrap();
                assert_eq!(target.canonical(&account.configured_id), message.target);
                let whole: Value = serde_json::from_str(&message.handle).unwrap();
                let aliases = whole
                    .pointer("/whatsapp/chat_aliases")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let named = aliases
                    .iter()
                    .filter_map(Value::as_str)
                    .chain([message.conversation.as_str()]);
                let ids: Vec<Identity> = named
                    .filter_map(|id| Identity::chat(id).ok())
                    .chain([target.chat])
                    .collect();
                assert!(list.allows(ids.iter()), "{message:?}");
                assert!(
                    !message.cursor.is_empty()
                        && !message.message_id.is_empty()
                        && !message.sender.is_empty()
                );
            }
        }
    ),
    what_cannot_be_read_is_told_without_a_word_of_it(
        (like("[a-z]{16}"), any::<u8>(), json(WORDS)),
        |(secret, holes, broken)| {
            let mut message = json!({
                "session": { "conversation_id": secret, "participant_id": secret },
                "reply_target": { "kind": secret, "id": secret },
                "text": secret,
                "delivery": { "ack_cursor": "c", "source_message_id": secret },
                "whatsapp": { "sender_name": secret, "chat_aliases": [secret] },
            });
            for (bit, pointer) in [
                "/session",
                "/reply_target",
                "/text",
                "/delivery",
                "/reply_target/kind",
            ]
            .iter()
            .enumerate()
            {
                if holes & (1 << bit) != 0
                    && let Some(part) = message.pointer_mut(pointer)
                {
                    *part = broken.clone();
                }
            }
            let bridge = Parrot {
                status: 200,
                body: Said::Payload(json!({ "messages": [message], "ok": true })),
                logged: RefCell::default(),
            };
            let batch = receive(&bridge, &bridge, &open_account(), &consumer()).unwrap();
            for unreadable in &batch.unreadable {
                assert!(
                    !unreadable.reason.contains(&secret)
                        && !unreadable.reason.contains(char::is_control)
                );
            }
            assert!(
                bridge
                    .logged
                    .borrow()
                    .iter()
                    .all(|line| !line.contains(&secret))
            );
        }
    ),
    an_error_never_repeats_the_text_that_was_sent(
        (
            text_with(WORDS),
            secret_text(),
            text(),
            status(),
            prop::sample::select(WORDS)
        ),
        |(before, text, after, status, code)| {
            let (secret, text) = text;
            let payload =
                json!({ "ok": false, "error": format!("{before}{text}{after}"), "code": code });
            let bridge = Parrot {
                status,
                body: Said::Payload(payload),
                logged: RefCell::default(),
            };
            let error = send(&bridge, &open_account(), &message(&text)).unwrap_err();
            presentable(&error);
            assert!(!error.message.contains(&secret), "{error:?}");
        }
    ),
);

/// An error that is short, and safe on a terminal.
fn presentable(error: &ChannelError) {
    for text in [&error.code, &error.message, &error.hint] {
        assert!(
            !text.is_empty() && !text.contains(char::is_control),
            "{error:?}"
        );
    }
    assert!(error.message.chars().count() < 500, "{error:?}");
    assert!(
        error.code.len() <= 64
            && error
                .code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    );
}

fn open_account() -> Account {
    Account {
        configured_id: "default".to_owned(),
        enabled: true,
        bridge_url: Some("http://127.0.0.1:1/".to_owned()),
        allowed_chats: vec!["*".to_owned()],
        ..Account::default()
    }
}

fn message(text: &str) -> OutboundMessage {
    OutboundMessage {
        target: "contact:+15551234567".to_owned(),
        text: text.to_owned(),
        ..OutboundMessage::default()
    }
}

fn consumer() -> Receive {
    Receive {
        max_messages: 10,
        consumer_id: "me".to_owned(),
        ..Receive::default()
    }
}

fn status() -> impl Strategy<Value = u16> {
    prop_oneof![Just(200_u16), 100_u16..600, any::<u16>()]
}

fn parrot() -> impl Strategy<Value = Parrot> {
    let payload = || prop_oneof![refused().boxed(), fields().boxed(), json(WORDS).boxed()];
    let body = prop_oneof![
        text().prop_map(Said::Raw),
        json(WORDS).prop_map(|value| Said::Raw(value.to_string())),
        payload().prop_map(Said::Payload),
        payload().prop_map(|payload| Said::Raw(json!({ "payload": payload }).to_string())),
    ];
    (status(), body).prop_map(|(status, body)| Parrot {
        status,
        body,
        logged: RefCell::default(),
    })
}

fn refused() -> impl Strategy<Value = Value> {
    let code = prop_oneof![prop::sample::select(WORDS).prop_map(str::to_owned), text()];
    (any::<bool>(), text_with(WORDS), code, prop::option::of(any::<bool>()), 1_usize..40).prop_map(
        |(ok, error, code, retryable, times)| {
            json!({ "ok": ok, "error": error.repeat(times), "code": code, "retryable": retryable })
        },
    )
}

fn fields() -> impl Strategy<Value = Value> {
    let messages = prop::collection::vec(inbound(), 0..4);
    (messages, json(WORDS), json(WORDS), any::<bool>()).prop_map(|(messages, id, status, ok)| {
        json!({ "ok": ok, "messages": messages, "batch_id": id, "message_id": id, "message_ids": [id], "status": status })
    })
}

/// A message as a bridge would hand it out, or as one with a bad day.
fn inbound() -> impl Strategy<Value = Value> {
    let id = prop_oneof![chat().prop_map(|chat| chat.canonical), text_with(WORDS)];
    let good = (chat(), chat(), id, text(), any::<bool>()).prop_map(|(chat, alias, conversation, text, other)| {
        let kind = if chat.is_group { "group" } else { "contact" };
        let account = if other { "work" } else { "default" };
        json!({
            "session": { "conversation_id": conversation, "participant_id": "1" },
            "reply_target": { "kind": "conversation", "id": format!("{account}:{kind}:{}", chat.canonical) },
            "text": text,
            "delivery": { "ack_cursor": "c", "source_message_id": "m" },
            "whatsapp": { "chat_aliases": [alias.canonical] },
        })
    });
    prop_oneof![3 => good.boxed(), 1 => json(WORDS).boxed()]
}

/// A word that stands in a text, and the text.
fn secret_text() -> impl Strategy<Value = (String, String)> {
    (like("[a-z]{20}"), text(), text()).prop_map(|(secret, before, after)| {
        let text = format!("{before}{secret}{after}");
        (secret, text)
    })
}
