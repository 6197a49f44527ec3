//! The steps of the reply loop: what is read from a batch, what stays with the bridge, and in
//! which order a message is settled.

use serde_json::{Value, json};
use whatsapp_personal_plugin::boundary::TransportError;
use whatsapp_personal_plugin::channel::Account;
use whatsapp_personal_plugin::error::ErrorKind;
use whatsapp_personal_plugin::inbound::InboundMessage;
use whatsapp_personal_plugin::send::DeliveryStatus;
use whatsapp_personal_plugin::serve_step::{Batch, Receive, Verdict, finish, receive, settle};

use crate::support::{Notebook, ScriptedBridge, account, fixture, twenty};

#[test]
fn a_direct_message_is_read_with_all_it_tells() {
    let mut message = message();
    message["whatsapp"] =
        json!({ "sender_name": "Ana", "received_at": 1_700_000_000_123_u64, "group": false });
    let batch = received(
        &account(),
        json!({ "messages": [message], "batch_id": "b1" }),
    );
    assert_eq!(batch.id.as_deref(), Some("b1"));
    assert_eq!(
        batch.messages,
        [InboundMessage {
            handle: message.to_string(),
            cursor: "m1".to_owned(),
            conversation: "15551234567@s.whatsapp.net".to_owned(),
            message_id: "m1".to_owned(),
            target: "whatsapp-personal:default:contact:+15551234567".to_owned(),
            sender: "15551234567@s.whatsapp.net".to_owned(),
            sender_name: Some("Ana".to_owned()),
            is_group: false,
            text: "hello 1".to_owned(),
            received_at: 1_700_000_000_123,
        }]
    );
}

#[test]
fn a_message_of_a_plain_bridge_has_no_name_and_no_time() {
    let batch = received(&account(), json!({ "messages": [message()] }));
    assert_eq!(batch.id, None);
    let [message] = batch.messages.as_slice() else {
        panic!("{batch:?}");
    };
    assert_eq!(
        (message.sender_name.as_deref(), message.received_at),
        (None, 0)
    );
}

#[test]
fn a_group_message_comes_from_its_participant() {
    let batch = received(&account(), json!({ "messages": [group_message()] }));
    let [message] = batch.messages.as_slice() else {
        panic!("{batch:?}");
    };
    assert!(message.is_group);
    assert_eq!(message.sender, "15557654321@s.whatsapp.net");
    assert_eq!(message.conversation, "120363012345678901@g.us");
    assert_eq!(
        message.target,
        "whatsapp-personal:default:group:120363012345678901@g.us"
    );
}

#[test]
fn fields_that_are_not_known_do_no_harm() {
    let mut message = message();
    message["mood"] = json!({ "sunny": [1, 2] });
    message["session"]["weather"] = json!("fine");
    let batch = received(&account(), json!({ "messages": [message], "more": true }));
    assert_eq!(batch.messages.len(), 1);
}

#[test]
fn an_unreadable_message_does_not_lose_its_neighbours() {
    for (field, reason) in [
        ("/delivery/ack_cursor", "delivery.ack_cursor"),
        ("/delivery/source_message_id", "delivery.source_message_id"),
        ("/session/conversation_id", "session.conversation_id"),
        ("/reply_target/id", "reply_target.id"),
        ("/reply_target/kind", "reply_target.kind"),
        ("/delivery/sender_principal_key", "no sender"),
        ("/text", "no text"),
    ] {
        let (mut broken, mut later) = (message(), message());
        *broken.pointer_mut(field).unwrap() = Value::Null;
        later["delivery"]["ack_cursor"] = json!("m2");
        let batch = received(
            &account(),
            json!({ "messages": [message(), broken, later] }),
        );
        assert_eq!(batch.messages.len(), 2, "{field}");
        let [unreadable] = batch.unreadable.as_slice() else {
            panic!("{field}: {batch:?}");
        };
        assert!(
            unreadable.reason.contains(reason),
            "{field}: {}",
            unreadable.reason
        );
        assert_eq!(
            unreadable.cursor.is_some(),
            field != "/delivery/ack_cursor",
            "{field}"
        );
    }
}

#[test]
fn an_unreadable_message_is_given_back_as_a_failed_attempt_with_what_is_behind_it() {
    let mut broken = message();
    broken["text"] = Value::Null;
    let mut behind = message();
    behind["delivery"]["ack_cursor"] = json!("m2");
    let bridge = ScriptedBridge::answering(
        json!({ "messages": [broken, behind, group_message()], "batch_id": "b1" }),
    )
    .then(json!({ "ok": true }));
    let batch = receive(&bridge, &Notebook::default(), &account(), &named()).unwrap();
    assert_eq!(bridge.operations(), ["receive_batch", "release_inbound"]);
    let payload = bridge.asked()[1]["payload"].clone();
    assert_eq!(payload["ack_cursor"], "m1");
    assert_eq!(payload["count_attempt"], true);
    assert_eq!(payload["reason"], "it cannot be read: it has no text");
    let [neighbour] = batch.messages.as_slice() else {
        panic!("{batch:?}");
    };
    assert_eq!(neighbour.conversation, "120363012345678901@g.us");
    assert_eq!(batch.unreadable.len(), 1);
}

#[test]
fn a_bridge_that_takes_nothing_back_is_asked_once_and_its_batch_is_used() {
    let mut broken = message();
    broken["text"] = Value::Null;
    let payload = json!({ "messages": [broken, broken, message()] });
    let bridge = ScriptedBridge::answering(payload).then_refusing(400, "unsupported_operation");
    let batch = receive(&bridge, &Notebook::default(), &account(), &named()).unwrap();
    assert_eq!((batch.messages.len(), batch.unreadable.len()), (1, 2));
    assert_eq!(bridge.operations(), ["receive_batch", "release_inbound"]);
}

#[test]
fn something_that_is_no_message_is_unreadable() {
    let batch = received(
        &account(),
        json!({ "messages": [null, "hello", 5, [], message()] }),
    );
    assert_eq!((batch.messages.len(), batch.unreadable.len()), (1, 4));
}

#[test]
fn a_message_for_another_account_stays_with_the_bridge() {
    let mut message = message();
    message["reply_target"]["id"] = json!("whatsapp-personal:work:contact:+15551234567");
    let batch = received(&account(), json!({ "messages": [message] }));
    assert!(batch.messages.is_empty());
    assert!(batch.unreadable[0].reason.contains("account_mismatch"));
}

#[test]
fn a_chat_outside_the_list_is_reported_without_its_text() {
    let narrow = allowing(&["+15557654321"]);
    let log = Notebook::default();
    let bridge = ScriptedBridge::answering(json!({ "messages": [message()] }));
    let batch = receive(&bridge, &log, &narrow, &twenty()).unwrap();
    assert!(batch.messages.is_empty());
    assert_eq!(batch.unreadable[0].reason, "chat not allowed");
    let told = format!("{batch:?} {:?}", log.0.borrow());
    assert!(!told.contains("hello"), "{told}");
    assert!(!told.contains("5551234567"), "{told}");
}

#[test]
fn the_list_may_name_a_chat_by_any_of_its_ids() {
    let mut message = message();
    message["whatsapp"] =
        json!({ "chat_aliases": ["15551234567@s.whatsapp.net", "123456789012345@lid"] });
    let batch = received(
        &allowing(&["123456789012345@lid"]),
        json!({ "messages": [message] }),
    );
    assert_eq!(batch.messages.len(), 1, "{batch:?}");
}

#[test]
fn a_member_on_the_list_does_not_open_the_group() {
    let batch = received(
        &allowing(&["+15557654321"]),
        json!({ "messages": [group_message()] }),
    );
    assert!(batch.messages.is_empty());
    assert_eq!(batch.unreadable[0].reason, "chat not allowed");
}

#[test]
fn an_empty_list_receives_nothing_and_asks_for_nothing() {
    let bridge = ScriptedBridge::default();
    let error = receive(
        &bridge,
        &Notebook::default(),
        &allowing(&[]),
        &Receive::default(),
    )
    .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::Refused, "allowed_chat_ids_missing")
    );
    assert!(bridge.asked().is_empty());
}

#[test]
fn what_a_bridge_gives_beyond_what_was_asked_for_or_twice_stays_with_it() {
    let at = |cursor: &str| {
        let mut message = message();
        message["delivery"]["ack_cursor"] = json!(cursor);
        message
    };
    let answer = json!({ "messages": [at("a"), at("a"), at("b"), at("c")], "batch_id": "" });
    for (most, taken) in [(20, vec!["a", "b", "c"]), (2, vec!["a", "b"]), (0, vec![])] {
        let wanted = Receive {
            max_messages: most,
            ..Receive::default()
        };
        let bridge = ScriptedBridge::answering(answer.clone());
        let batch = receive(&bridge, &Notebook::default(), &account(), &wanted).unwrap();
        let cursors: Vec<&str> = batch.messages.iter().map(|it| it.cursor.as_str()).collect();
        assert_eq!(cursors, taken);
        assert_eq!(batch.id, None);
    }
}

#[test]
fn a_cursor_that_no_host_would_take_makes_a_message_unreadable_and_not_its_batch() {
    for cursor in ["x".repeat(1_025), "a\u{1b}[2J".to_owned()] {
        let mut bad = message();
        bad["delivery"]["ack_cursor"] = json!(cursor);
        let batch = received(&account(), json!({ "messages": [bad, message()] }));
        assert_eq!((batch.messages.len(), batch.unreadable.len()), (1, 1));
    }
}

#[test]
fn a_receive_stays_within_the_contract_and_gives_the_answer_ten_seconds() {
    let bridge = ScriptedBridge::answering(json!({ "messages": [] }));
    let greedy = Receive {
        max_messages: 5_000,
        wait_ms: u32::MAX,
        ..Receive::default()
    };
    receive(&bridge, &Notebook::default(), &account(), &greedy).unwrap();
    let payload = bridge.asked()[0]["payload"].clone();
    assert_eq!(
        (&payload["max_messages"], &payload["wait_ms"]),
        (&json!(100), &json!(60_000))
    );
    assert_eq!(bridge.timeouts(), [70_000]);
}

#[test]
fn a_reply_is_sent_with_the_key_of_its_message_and_acknowledged_last() {
    let mut message = message();
    message["reply_target"]["options"] = json!({ "idempotency_key": "in:m1", "quoted": "m1" });
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "out", "status": "sent" }))
            .then(json!({ "ok": true }));
    let receipt = settled(&bridge, &message, &Verdict::Reply("pong".to_owned())).unwrap();
    assert_eq!(receipt.message_id, "out");
    assert_eq!(bridge.operations(), ["send_message", "ack_inbound"]);
    let sent = bridge.asked()[0]["payload"].clone();
    assert_eq!(sent["message"], json!({ "Text": "pong" }));
    assert_eq!(
        sent["target"]["id"],
        "whatsapp-personal:default:contact:+15551234567"
    );
    assert_eq!(sent["target"]["options"]["idempotency_key"], "in:m1");
    assert_eq!(sent["target"]["options"]["quoted"], "m1");
    assert_eq!(bridge.asked()[1]["payload"]["message"], message);
    assert_eq!(bridge.timeouts(), [30_000, 30_000]);
}

#[test]
fn a_reply_has_a_key_even_when_a_plain_bridge_gave_none() {
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "out", "status": "sent" }))
            .then(json!({ "ok": true }));
    settled(&bridge, &message(), &Verdict::Reply("pong".to_owned()));
    let options = bridge.asked()[0]["payload"]["target"]["options"].clone();
    assert_eq!(options["idempotency_key"], "in:m1");
}

#[test]
fn a_reply_that_was_sent_before_is_acknowledged_all_the_same() {
    let bridge = ScriptedBridge::answering(
        json!({ "ok": true, "message_id": "out", "status": "already_sent" }),
    )
    .then(json!({ "ok": true }));
    let receipt = settled(&bridge, &message(), &Verdict::Reply("pong".to_owned())).unwrap();
    assert_eq!(receipt.status, DeliveryStatus::AlreadySent);
    assert_eq!(bridge.operations(), ["send_message", "ack_inbound"]);
}

#[test]
fn a_reply_that_failed_is_not_acknowledged() {
    let bridge = ScriptedBridge::default().then_refusing(503, "not_connected");
    let error = settle(
        &bridge,
        &Notebook::default(),
        &account(),
        &message().to_string(),
        &Verdict::Reply("pong".to_owned()),
    )
    .unwrap_err();
    assert_eq!(error.kind, ErrorKind::BridgeUnavailable);
    assert_eq!(bridge.operations(), ["send_message"]);
}

#[test]
fn a_reply_without_a_visible_character_is_refused() {
    let bridge = ScriptedBridge::default();
    let handle = message().to_string();
    let verdict = Verdict::Reply(" \n".to_owned());
    let error = settle(&bridge, &Notebook::default(), &account(), &handle, &verdict).unwrap_err();
    assert_eq!(error.code, "text_empty");
    assert!(bridge.asked().is_empty());
}

#[test]
fn no_reply_is_an_acknowledgement_alone() {
    let bridge = ScriptedBridge::answering(json!({ "ok": true }));
    assert_eq!(settled(&bridge, &message(), &Verdict::NoReply), None);
    assert_eq!(bridge.operations(), ["ack_inbound"]);
}

#[test]
fn a_message_is_given_back_with_the_reason() {
    let bridge = ScriptedBridge::answering(json!({ "ok": true }));
    let later = Verdict::Later {
        reason: "the model is down".to_owned(),
        delay_ms: Some(5_000),
        counts: false,
    };
    assert_eq!(settled(&bridge, &message(), &later), None);
    let request = bridge.asked().remove(0);
    assert_eq!(request["operation"], "release_inbound");
    let payload = &request["payload"];
    assert_eq!(payload["ack_cursor"], "m1");
    assert_eq!(payload["reason"], "the model is down");
    assert_eq!(payload["delay_ms"], 5_000);
    assert_eq!(payload["count_attempt"], false);
}

#[test]
fn the_bridge_decides_about_the_delay_when_nobody_else_does() {
    let bridge = ScriptedBridge::answering(json!({ "ok": true }));
    settled(&bridge, &message(), &later());
    assert!(bridge.asked()[0]["payload"].get("delay_ms").is_none());
}

#[test]
fn a_bridge_that_takes_nothing_back_keeps_the_message_by_itself() {
    let bridge = ScriptedBridge::default().then_refusing(400, "unsupported_operation");
    assert_eq!(settled(&bridge, &message(), &later()), None);
}

#[test]
fn a_bridge_that_is_gone_cannot_take_a_message_back() {
    let bridge = ScriptedBridge::default().then_nothing(TransportError::TimedOut);
    let handle = message().to_string();
    let error = settle(&bridge, &Notebook::default(), &account(), &handle, &later()).unwrap_err();
    assert_eq!(error.code, "bridge_timeout");
}

#[test]
fn a_handle_that_is_none_of_ours_is_refused() {
    for handle in [
        "",
        "nonsense",
        "{}",
        "[]",
        r#"{"delivery":{"ack_cursor":5}}"#,
    ] {
        let bridge = ScriptedBridge::default();
        let error = settle(
            &bridge,
            &Notebook::default(),
            &account(),
            handle,
            &Verdict::NoReply,
        )
        .unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::InvalidInput, "handle_invalid")
        );
        assert!(bridge.asked().is_empty());
    }
}

#[test]
fn a_finish_that_is_not_ok_is_an_error() {
    let bridge = ScriptedBridge::answering(json!({ "ok": false }));
    finish(&bridge, &account(), "b1").unwrap_err();
}

fn received(account: &Account, payload: Value) -> Batch {
    let bridge = ScriptedBridge::answering(payload);
    receive(&bridge, &Notebook::default(), account, &twenty()).unwrap()
}

fn settled(
    bridge: &ScriptedBridge,
    message: &Value,
    verdict: &Verdict,
) -> Option<whatsapp_personal_plugin::send::Receipt> {
    settle(
        bridge,
        &Notebook::default(),
        &account(),
        &message.to_string(),
        verdict,
    )
    .unwrap()
}

fn named() -> Receive {
    Receive {
        consumer_id: "c".to_owned(),
        consumer_instance: "i".to_owned(),
        ..twenty()
    }
}

fn later() -> Verdict {
    Verdict::Later {
        reason: "busy".to_owned(),
        delay_ms: None,
        counts: true,
    }
}

fn message() -> Value {
    fixture("wire/stock-accepted-response-receive_batch.json")["body"]["payload"]["messages"][0]
        .clone()
}

fn group_message() -> Value {
    let mut message = message();
    message["session"]["conversation_id"] = json!("120363012345678901@g.us");
    message["session"]["participant_id"] = json!("15557654321@s.whatsapp.net");
    message["reply_target"]["id"] =
        json!("whatsapp-personal:default:group:120363012345678901@g.us");
    message["delivery"]["sender_principal_key"] = json!("15557654321@s.whatsapp.net");
    message
}

fn allowing(chats: &[&str]) -> Account {
    Account {
        allowed_chats: chats.iter().map(|chat| (*chat).to_owned()).collect(),
        ..account()
    }
}
