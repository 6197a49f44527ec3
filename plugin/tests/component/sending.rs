//! What may be sent, to whom, and what the answer says.

use serde_json::json;
use whatsapp_personal_plugin::channel::Account;
use whatsapp_personal_plugin::error::{ChannelError, ErrorKind};
use whatsapp_personal_plugin::send::{DeliveryStatus, OutboundMessage, send};

use crate::support::{ScriptedBridge, account};

#[test]
fn a_receipt_names_the_canonical_target() {
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "3EB0", "status": "sent" }));
    let receipt = send(
        &bridge,
        &account(),
        &hello_to("wa-personal:Default:contact:+1 (555) 123-4567"),
    )
    .unwrap();
    assert_eq!(
        receipt.target,
        "whatsapp-personal:default:contact:+15551234567"
    );
    assert_eq!(receipt.message_id, "3EB0");
    assert_eq!(receipt.status, DeliveryStatus::Sent);
    assert_eq!(bridge.timeouts(), [30_000]);
}

#[test]
fn every_status_of_the_contract_is_understood() {
    for (word, status) in [
        ("sent", DeliveryStatus::Sent),
        ("pending", DeliveryStatus::Pending),
        ("already_sent", DeliveryStatus::AlreadySent),
    ] {
        let bridge =
            ScriptedBridge::answering(json!({ "ok": true, "message_id": "1", "status": word }));
        let receipt = send(&bridge, &account(), &hello_to("contact:+15551234567")).unwrap();
        assert_eq!(receipt.status, status);
    }
}

#[test]
fn a_message_in_parts_names_all_of_them_and_one_in_one_part_names_itself() {
    for (more, expected) in [
        (json!({}), vec!["1"]),
        (
            json!({ "message_ids": ["1", "2", "3"] }),
            vec!["1", "2", "3"],
        ),
    ] {
        let mut answer = json!({ "ok": true, "message_id": "1", "status": "sent" });
        let fields = answer.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let bridge = ScriptedBridge::answering(answer);
        let receipt = send(&bridge, &account(), &hello_to("contact:+15551234567")).unwrap();
        assert_eq!(receipt.message_ids, expected);
    }
}

#[test]
fn a_group_is_sent_to_by_its_jid() {
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "1", "status": "sent" }));
    send(&bridge, &account(), &hello_to("group:120363012345678901")).unwrap();
    assert_eq!(
        bridge.asked()[0]["payload"]["target"]["id"],
        "whatsapp-personal:default:group:120363012345678901@g.us"
    );
}

#[test]
fn a_text_without_a_visible_character_is_refused() {
    for text in ["", "  ", "\n\t"] {
        let message = OutboundMessage {
            text: text.to_owned(),
            ..hello_to("contact:+15551234567")
        };
        let error = refused_before_asking(&account(), &message);
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::InvalidInput, "text_empty")
        );
    }
}

#[test]
fn another_kind_of_target_is_refused() {
    let message = OutboundMessage {
        target_kind: Some("channel".to_owned()),
        ..hello_to("contact:+15551234567")
    };
    let error = refused_before_asking(&account(), &message);
    assert_eq!(error.code, "target_kind_unsupported");
    assert!(error.hint.contains("conversation"), "{error:?}");
}

#[test]
fn a_target_of_another_account_is_refused() {
    let error = refused_before_asking(&account(), &hello_to("work:contact:+15551234567"));
    assert_eq!(error.code, "account_mismatch");
}

#[test]
fn a_list_without_the_target_refuses_the_send() {
    let narrow = allowing(&["+15557654321", "120363012345678901@g.us"]);
    let error = refused_before_asking(&narrow, &hello_to("contact:+15551234567"));
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::Refused, "chat_not_allowed")
    );
}

#[test]
fn a_list_with_the_target_lets_the_send_through() {
    let narrow = allowing(&["15551234567@s.whatsapp.net"]);
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "1", "status": "sent" }));
    send(&bridge, &narrow, &hello_to("contact:+15551234567")).unwrap();
}

#[test]
fn an_empty_list_does_not_stop_a_send() {
    let bridge =
        ScriptedBridge::answering(json!({ "ok": true, "message_id": "1", "status": "sent" }));
    send(&bridge, &allowing(&[]), &hello_to("contact:+15551234567")).unwrap();
}

#[test]
fn a_list_that_cannot_be_read_refuses_the_send() {
    let error = refused_before_asking(&allowing(&["*", "Ana"]), &hello_to("contact:+15551234567"));
    assert_eq!(error.code, "allowlist_entry_invalid");
}

#[test]
fn an_account_that_is_switched_off_sends_nothing() {
    let off = Account {
        enabled: false,
        ..account()
    };
    let error = refused_before_asking(&off, &hello_to("contact:+15551234567"));
    assert_eq!(error.code, "account_disabled");
}

#[test]
fn an_account_without_a_bridge_sends_nothing() {
    let lost = Account {
        bridge_url: None,
        ..account()
    };
    let error = refused_before_asking(&lost, &hello_to("contact:+15551234567"));
    assert_eq!(error.code, "bridge_url_missing");
}

fn refused_before_asking(account: &Account, message: &OutboundMessage) -> ChannelError {
    let bridge = ScriptedBridge::default();
    let error = send(&bridge, account, message).unwrap_err();
    assert!(bridge.asked().is_empty());
    assert!(
        !error.message.is_empty() && !error.hint.is_empty(),
        "{error:?}"
    );
    error
}

fn hello_to(target: &str) -> OutboundMessage {
    OutboundMessage {
        target: target.to_owned(),
        text: "hello".to_owned(),
        ..OutboundMessage::default()
    }
}

fn allowing(chats: &[&str]) -> Account {
    Account {
        allowed_chats: chats.iter().map(|chat| (*chat).to_owned()).collect(),
        ..account()
    }
}
