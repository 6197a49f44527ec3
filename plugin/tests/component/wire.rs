//! Our requests beside those that stock Loong made for the same account, field by field. Only
//! documented additions may differ.

use serde_json::{Value, json};
use whatsapp_personal_plugin::send::{OutboundMessage, send};
use whatsapp_personal_plugin::serve_step::{Receive, Verdict, finish, receive, settle};

use crate::support::{Notebook, ScriptedBridge, account, fixture, twenty};

#[test]
fn a_send_is_the_captured_request() {
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "1", "status": "sent" }));
    let message = OutboundMessage {
        target: "contact:15551234567".to_owned(),
        text: "pong".to_owned(),
        ..OutboundMessage::default()
    };
    send(&bridge, &account(), &message).unwrap();
    assert_eq!(bridge.asked(), [captured("send_message")]);
}

#[test]
fn a_key_is_the_only_thing_that_a_send_adds() {
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "1", "status": "sent" }));
    let message = OutboundMessage {
        target: "whatsapp-personal:default:contact:+15551234567".to_owned(),
        target_kind: Some("conversation".to_owned()),
        text: "pong".to_owned(),
        idempotency_key: Some("once".to_owned()),
    };
    send(&bridge, &account(), &message).unwrap();
    let mut expected = captured("send_message");
    expected["payload"]["target"]["options"]["idempotency_key"] = json!("once");
    assert_eq!(bridge.asked(), [expected]);
}

#[test]
fn a_receive_adds_the_long_poll_and_the_consumer() {
    let bridge = ScriptedBridge::answering(json!({ "messages": [] }));
    let wanted = Receive {
        max_messages: 20,
        wait_ms: 25_000,
        consumer_id: "loong".to_owned(),
        consumer_instance: "a1".to_owned(),
        in_flight: vec!["m1".to_owned()],
    };
    receive(&bridge, &Notebook::default(), &account(), &wanted).unwrap();
    let mut expected = captured("receive_batch");
    expected["payload"]["max_messages"] = json!(20);
    expected["payload"]["wait_ms"] = json!(25_000);
    expected["payload"]["consumer"] = json!({ "id": "loong", "instance": "a1" });
    expected["payload"]["in_flight"] = json!(["m1"]);
    assert_eq!(bridge.asked(), [expected]);
}

#[test]
fn a_finish_without_a_batch_is_the_captured_request() {
    let bridge = ScriptedBridge::answering(json!({ "ok": true }));
    finish(&bridge, &account(), "").unwrap();
    assert_eq!(bridge.asked(), [captured("complete_batch")]);
}

#[test]
fn a_finish_adds_the_name_of_the_batch() {
    let bridge = ScriptedBridge::answering(json!({ "ok": true }));
    finish(&bridge, &account(), "b7").unwrap();
    let mut expected = captured("complete_batch");
    expected["payload"]["batch_id"] = json!("b7");
    assert_eq!(bridge.asked(), [expected]);
}

#[test]
fn the_accepted_message_is_received_and_acknowledged_as_it_came() {
    let accepted = fixture("wire/stock-accepted-response-receive_batch.json");
    let original = accepted["body"]["payload"]["messages"][0].clone();
    let bridge = ScriptedBridge::default()
        .then_raw(200, &accepted["body"].to_string())
        .then(json!({ "ok": true }));
    let log = Notebook::default();

    let batch = receive(&bridge, &log, &account(), &twenty()).unwrap();
    let [message] = batch.messages.as_slice() else {
        panic!("{batch:?}");
    };
    settle(
        &bridge,
        &log,
        &account(),
        &message.handle,
        &Verdict::NoReply,
    )
    .unwrap();

    let ack = bridge.asked().remove(1);
    assert_eq!(ack["payload"]["message"], original);

    // Stock Loong writes the message anew and adds nulls and falses of its own; what we send
    // must stand there too, with the same value.
    let stock = captured("ack_inbound");
    let differences = differences(&ack, &stock, "");
    assert_eq!(
        differences,
        [
            "/payload/message/reply_target/options/feishu_receive_id_type",
            "/payload/message/reply_target/options/feishu_reply_chat_id",
            "/payload/message/reply_target/options/feishu_reply_in_thread",
            "/payload/message/reply_target/options/idempotency_key",
            "/payload/message/session/identity_participant_scoped",
            "/payload/message/session/identity_thread_scoped",
        ]
    );
}

fn captured(operation: &str) -> Value {
    fixture(&format!("wire/stock-request-{operation}.json"))["body"].clone()
}

/// Where two values differ.
fn differences(ours: &Value, theirs: &Value, path: &str) -> Vec<String> {
    let (Some(a), Some(b)) = (ours.as_object(), theirs.as_object()) else {
        return if ours == theirs {
            Vec::new()
        } else {
            vec![path.to_owned()]
        };
    };
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    keys.into_iter()
        .flat_map(|key| {
            let path = format!("{path}/{key}");
            match (a.get(key), b.get(key)) {
                (Some(ours), Some(theirs)) => differences(ours, theirs, &path),
                _ => vec![path],
            }
        })
        .collect()
}
