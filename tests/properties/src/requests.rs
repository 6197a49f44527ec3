//! What goes out to the bridge, read by somebody who has only the contract (docs/bridge-contract.md).

use std::cell::RefCell;

use proptest::prelude::*;
use serde_json::{Value, json};
use whatsapp_personal_plugin::allowlist::Allowlist;
use whatsapp_personal_plugin::boundary::{Bridge, Level, Log, Response, TransportError};
use whatsapp_personal_plugin::channel::Account;
use whatsapp_personal_plugin::identity::Identity;
use whatsapp_personal_plugin::send::{OutboundMessage, send};
use whatsapp_personal_plugin::serve_step::{Receive, Verdict, finish, receive, settle};

use crate::input::{Chat, chat, json, like, text};

/// A bridge that takes everything, and keeps what it was asked.
#[derive(Debug, Default)]
struct Kept {
    asked: RefCell<Vec<(Value, u32)>>,
    messages: Vec<Value>,
}

impl Bridge for Kept {
    fn post(&self, body: &str, timeout_ms: u32) -> Result<Response, TransportError> {
        let request: Value = serde_json::from_str(body).unwrap();
        let payload = match request["operation"].as_str().unwrap() {
            "send_message" => json!({ "ok": true, "message_id": "m1", "status": "sent" }),
            "receive_batch" => json!({ "messages": self.messages, "batch_id": "b1" }),
            _ => json!({ "ok": true }),
        };
        let answer =
            json!({ "method": request["method"], "id": request["id"], "payload": payload });
        self.asked.borrow_mut().push((request, timeout_ms));
        Ok(Response {
            status: 200,
            body: answer.to_string(),
        })
    }
}

pub(crate) struct Silent;

impl Log for Silent {
    fn record(&self, _level: Level, _message: &str) {}
}

properties!(
    a_text_goes_out_whole_to_the_chat_that_is_meant(
        (
            account(),
            chat(),
            any::<prop::sample::Index>(),
            text(),
            prop::option::of(text())
        ),
        |(account, chat, of, text, key)| {
            let bridge = Kept::default();
            let kind = if chat.is_group { "group" } else { "contact" };
            let message = OutboundMessage {
                target: format!("{kind}:{}", of.get(&chat.spellings)),
                target_kind: None,
                text: text.clone(),
                idempotency_key: key.clone(),
            };
            let sent = send(&bridge, &account, &message);
            let asked = bridge.asked.borrow();
            if text.trim().is_empty() || !may_be_written_to(&account, &chat) {
                assert!(sent.is_err() && asked.is_empty());
                return;
            }
            assert_eq!(asked.len(), 1);
            let payload = enveloped(&asked[0].0, &account, "send_message");
            let canonical = format!(
                "whatsapp-personal:{}:{kind}:{}",
                account.configured_id, chat.canonical
            );
            assert_eq!(payload["target"]["id"], canonical);
            assert_eq!(payload["target"]["kind"], "conversation");
            assert_eq!(payload["target"]["platform"], "whatsapp");
            assert_eq!(payload["target"]["options"]["idempotency_key"], json!(key));
            assert_eq!(payload["message"], json!({ "Text": text }));
            assert_eq!(sent.unwrap().target, canonical);
        }
    ),
    nothing_is_posted_for_a_target_that_cannot_be_read((account(), text()), |(account, target)| {
        let bridge = Kept::default();
        let message = OutboundMessage {
            target,
            text: "hello".to_owned(),
            ..OutboundMessage::default()
        };
        let sent = send(&bridge, &account, &message);
        assert_eq!(sent.is_ok(), !bridge.asked.borrow().is_empty());
    }),
    a_poll_never_asks_for_more_or_longer_than_is_agreed(
        (account(), wanted()),
        |(account, wanted)| {
            let bridge = Kept::default();
            if receive(&bridge, &Silent, &account, &wanted).is_ok() {
                let asked = bridge.asked.borrow();
                let (request, timeout) = &asked[0];
                let payload = enveloped(request, &account, "receive_batch");
                assert_eq!(payload["max_messages"], wanted.max_messages.min(100));
                assert_eq!(payload["wait_ms"], wanted.wait_ms.min(60_000));
                assert_eq!(
                    payload["consumer"],
                    json!({ "id": wanted.consumer_id, "instance": wanted.consumer_instance })
                );
                assert_eq!(payload["in_flight"], json!(wanted.in_flight));
                assert!(*timeout > wanted.wait_ms.min(60_000));
            } else {
                assert!(account.allowed_chats.is_empty());
            }
        }
    ),
    a_message_is_acknowledged_as_it_came_and_answered_where_it_asks(
        (
            account(),
            chat(),
            json(&["text", "whatsapp", "options"]),
            text(),
            text()
        ),
        |(account, chat, more, said, reply)| {
            let kind = if chat.is_group { "group" } else { "contact" };
            let target = format!(
                "whatsapp-personal:{}:{kind}:{}",
                account.configured_id, chat.canonical
            );
            let message = json!({
                "session": { "conversation_id": chat.canonical, "participant_id": "1" },
                "reply_target": { "platform": "whatsapp", "kind": "conversation", "id": target, "options": { "idempotency_key": "k1", "quoted": "q1" } },
                "text": said,
                "delivery": { "ack_cursor": "c1", "source_message_id": "s1" },
                "more": more,
            });
            let bridge = Kept {
                messages: vec![message.clone()],
                ..Kept::default()
            };
            let Ok(batch) = receive(
                &bridge,
                &Silent,
                &account,
                &Receive {
                    max_messages: 1,
                    ..Receive::default()
                },
            ) else {
                assert!(account.allowed_chats.is_empty());
                return;
            };
            let is_listed = lists(&account, &chat);
            assert_eq!(
                (batch.messages.len(), batch.unreadable.len()),
                if is_listed { (1, 0) } else { (0, 1) }
            );
            let Some(received) = batch.messages.first() else {
                return;
            };
            assert_eq!(
                (received.text.as_str(), received.target.as_str()),
                (said.as_str(), target.as_str())
            );
            bridge.asked.borrow_mut().clear();
            let settled = settle(
                &bridge,
                &Silent,
                &account,
                &received.handle,
                &Verdict::Reply(reply.clone()),
            );
            let asked = bridge.asked.borrow();
            if reply.trim().is_empty() {
                assert!(settled.is_err() && asked.is_empty());
                return;
            }
            // The reply first: dying between the two repeats a message to us.
            let operations: Vec<&Value> = asked
                .iter()
                .map(|(request, _)| &request["operation"])
                .collect();
            assert_eq!(operations, ["send_message", "ack_inbound"]);
            let sent = enveloped(&asked[0].0, &account, "send_message");
            assert_eq!(
                (&sent["target"]["id"], &sent["message"]),
                (&json!(target), &json!({ "Text": reply }))
            );
            assert_eq!(
                (
                    &sent["target"]["options"]["idempotency_key"],
                    &sent["target"]["options"]["quoted"]
                ),
                (&json!("k1"), &json!("q1"))
            );
            assert_eq!(
                enveloped(&asked[1].0, &account, "ack_inbound")["message"],
                message
            );
        }
    ),
    what_is_given_back_names_its_message(
        (
            account(),
            like("[a-z0-9]{1,12}"),
            text(),
            prop::option::of(any::<u32>()),
            any::<bool>()
        ),
        |(account, cursor, reason, delay, counts)| {
            let bridge = Kept::default();
            let handle = json!({ "delivery": { "ack_cursor": cursor } }).to_string();
            let verdict = Verdict::Later {
                reason: reason.clone(),
                delay_ms: delay,
                counts,
            };
            settle(&bridge, &Silent, &account, &handle, &verdict).unwrap();
            finish(&bridge, &account, &cursor).unwrap();
            let asked = bridge.asked.borrow();
            let payload = enveloped(&asked[0].0, &account, "release_inbound");
            assert_eq!(
                (
                    &payload["ack_cursor"],
                    &payload["reason"],
                    &payload["count_attempt"]
                ),
                (&json!(cursor), &json!(reason), &json!(counts))
            );
            assert_eq!(payload.get("delay_ms"), delay.map(Value::from).as_ref());
            assert_eq!(
                enveloped(&asked[1].0, &account, "complete_batch")["batch_id"],
                json!(cursor)
            );
        }
    ),
    a_handle_of_somebody_else_reaches_nobody(
        (
            account(),
            prop_oneof![
                text().boxed(),
                json(&["delivery", "ack_cursor", "reply_target", "id"])
                    .prop_map(|value| value.to_string())
                    .boxed()
            ]
        ),
        |(account, handle)| {
            let bridge = Kept::default();
            let settled = settle(
                &bridge,
                &Silent,
                &account,
                &handle,
                &Verdict::Reply("hello".to_owned()),
            );
            let asked = bridge.asked.borrow();
            assert_eq!(settled.is_ok(), !asked.is_empty());
        }
    ),
);

/// The payload of a request that is as the contract wants it.
fn enveloped<'a>(request: &'a Value, account: &Account, operation: &str) -> &'a Value {
    assert_eq!(request["method"], "tools/call");
    assert_eq!(
        request["id"],
        format!("whatsapp-personal-bridge:whatsapp-personal:{operation}")
    );
    assert_eq!(request["provider_id"], "whatsapp-personal-bridge");
    assert_eq!(request["channel_id"], "whatsapp-personal");
    assert_eq!(request["operation"], operation);
    let context = &request["payload"]["runtime_context"];
    assert_eq!(context["channel_id"], "whatsapp-personal");
    let of = &context["account"];
    assert_eq!(of["configured_account_id"], account.configured_id);
    assert_eq!(of["configured_account_label"], account.configured_label);
    assert_eq!(of["account_id"], account.runtime_id);
    assert_eq!(of["account_label"], account.runtime_label);
    assert_eq!(of["config"]["bridge_url"], json!(account.bridge_url));
    assert_eq!(of["config"]["auth_dir"], json!(account.auth_dir));
    assert_eq!(
        of["config"]["allowed_chat_ids"],
        json!(account.allowed_chats)
    );
    &request["payload"]
}

fn lists(account: &Account, chat: &Chat) -> bool {
    let id = Identity::chat(&chat.canonical).unwrap();
    Allowlist::parse(&account.allowed_chats)
        .unwrap()
        .allows([&id].into_iter())
}

fn may_be_written_to(account: &Account, chat: &Chat) -> bool {
    account.allowed_chats.is_empty() || lists(account, chat)
}

pub(crate) fn account() -> impl Strategy<Value = Account> {
    let chats = prop_oneof![
        Just(vec!["*".to_owned()]),
        prop::collection::vec(chat().prop_map(|chat| chat.canonical), 0..3),
    ];
    (like("[a-z0-9]{1,8}"), text(), text(), chats).prop_filter_map(
        "a word of the grammar",
        |(id, label, folder, chats)| {
            (!["contact", "group"].contains(&id.as_str())).then(|| Account {
                runtime_id: format!("run-{id}"),
                configured_label: label.clone(),
                runtime_label: label,
                configured_id: id,
                enabled: true,
                bridge_url: Some("http://127.0.0.1:1/bridge".to_owned()),
                auth_dir: Some(folder),
                allowed_chats: chats,
                ..Account::default()
            })
        },
    )
}

fn wanted() -> impl Strategy<Value = Receive> {
    (
        any::<u32>(),
        any::<u32>(),
        text(),
        text(),
        prop::collection::vec(text(), 0..4),
    )
        .prop_map(
            |(max_messages, wait_ms, consumer_id, consumer_instance, in_flight)| Receive {
                max_messages,
                wait_ms,
                consumer_id,
                consumer_instance,
                in_flight,
            },
        )
}
