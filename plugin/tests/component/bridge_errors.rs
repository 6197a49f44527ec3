//! What every way of not answering, and every bad answer, becomes: a kind to decide by, a stable
//! code, a sentence and a next step, and never a word of a message.

use serde_json::json;
use whatsapp_personal_plugin::boundary::TransportError;
use whatsapp_personal_plugin::error::{ChannelError, ErrorKind};
use whatsapp_personal_plugin::send::{OutboundMessage, send};
use whatsapp_personal_plugin::serve_step::{Receive, Verdict, receive, settle};

use crate::support::{Notebook, ScriptedBridge, account, fixture};

const SECRET: &str = "meet me at the old mill";

#[test]
fn every_code_of_the_contract_has_its_kind() {
    for (status, code, kind) in [
        (400, "bad_request", ErrorKind::BridgeRefused),
        (400, "unsupported_operation", ErrorKind::BridgeRefused),
        (400, "unsupported_message", ErrorKind::BridgeRefused),
        (400, "invalid_target", ErrorKind::BridgeRefused),
        (401, "unauthorized", ErrorKind::Refused),
        (403, "forbidden_origin", ErrorKind::Refused),
        (403, "chat_not_allowed", ErrorKind::BridgeRefused),
        (404, "not_found", ErrorKind::Protocol),
        (405, "method_not_allowed", ErrorKind::Protocol),
        (413, "too_large", ErrorKind::BridgeRefused),
        (415, "unsupported_media_type", ErrorKind::Protocol),
        (429, "rate_limited", ErrorKind::BridgeUnavailable),
        (500, "internal", ErrorKind::BridgeUnavailable),
        (503, "store_unavailable", ErrorKind::BridgeUnavailable),
        (503, "paused", ErrorKind::BridgeUnavailable),
        (503, "not_paired", ErrorKind::BridgeUnavailable),
        (503, "not_connected", ErrorKind::BridgeUnavailable),
        (502, "whatsapp_rejected", ErrorKind::BridgeRefused),
        (504, "timeout", ErrorKind::BridgeUnavailable),
    ] {
        let error = sending(ScriptedBridge::default().then_refusing(status, code));
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
        assert!(error.message.contains("so it is"), "{error:?}");
    }
}

#[test]
fn a_bridge_that_is_not_paired_says_how_to_pair() {
    let error = sending(ScriptedBridge::default().then_refusing(503, "not_paired"));
    assert!(
        error.hint.contains("loong whatsapp-personal bridge run"),
        "{error:?}"
    );
}

#[test]
fn a_bridge_whose_sending_is_paused_says_how_it_goes_on() {
    let error = sending(ScriptedBridge::default().then_refusing(503, "paused"));
    assert!(
        error.hint.contains("loong whatsapp-personal resume"),
        "{error:?}"
    );
}

#[test]
fn a_rejection_that_may_pass_is_worth_another_try() {
    let payload = json!({ "error": "slow down", "code": "whatsapp_rejected", "retryable": true });
    let error = sending(ScriptedBridge::default().then_payload(502, payload));
    assert_eq!(error.kind, ErrorKind::BridgeUnavailable);
}

#[test]
fn a_code_that_is_not_known_is_judged_by_its_flag_and_then_by_its_status() {
    for (status, retryable, kind) in [
        (400, Some(true), ErrorKind::BridgeUnavailable),
        (500, Some(false), ErrorKind::BridgeRefused),
        (400, None, ErrorKind::BridgeRefused),
        (408, None, ErrorKind::BridgeUnavailable),
        (429, None, ErrorKind::BridgeUnavailable),
        (503, None, ErrorKind::BridgeUnavailable),
    ] {
        let payload = json!({ "error": "hm", "code": "moon_phase", "retryable": retryable });
        let error = sending(ScriptedBridge::default().then_payload(status, payload));
        assert_eq!(
            (error.kind, error.code.as_str()),
            (kind, "moon_phase"),
            "{status}"
        );
    }
}

#[test]
fn a_code_that_is_no_word_is_replaced() {
    let payload = json!({ "error": "hm", "code": "<b>Oh No</b>" });
    let error = sending(ScriptedBridge::default().then_payload(400, payload));
    assert_eq!(error.code, "bridge_status_400");
}

#[test]
fn no_answer_has_a_code_for_each_reason() {
    for (transport, kind, code) in [
        (
            TransportError::Unreachable("refused".to_owned()),
            ErrorKind::BridgeUnreachable,
            "bridge_unreachable",
        ),
        (
            TransportError::TimedOut,
            ErrorKind::BridgeUnreachable,
            "bridge_timeout",
        ),
        (
            TransportError::TooLarge(9_000_000),
            ErrorKind::Protocol,
            "bridge_answer_too_large",
        ),
        (
            TransportError::Broken("reset".to_owned()),
            ErrorKind::BridgeUnreachable,
            "bridge_connection_broken",
        ),
        (
            TransportError::Refused("no bridge".to_owned()),
            ErrorKind::Refused,
            "bridge_call_refused",
        ),
    ] {
        let error = sending(ScriptedBridge::default().then_nothing(transport));
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
    }
}

#[test]
fn an_answer_that_is_no_json_is_a_clear_error() {
    let html = format!("<html>{SECRET}</html>");
    let error = sending(ScriptedBridge::default().then_raw(200, &html));
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::Protocol, "bridge_answer_not_json")
    );
}

#[test]
fn a_failure_without_json_is_judged_by_its_status() {
    let error = sending(ScriptedBridge::default().then_raw(500, "<html>Oops</html>"));
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::BridgeUnavailable, "bridge_status_500")
    );
    for body in ["Not Found", "{}", "null", r#"{"payload":{"error":5}}"#] {
        let error = sending(ScriptedBridge::default().then_raw(404, body));
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::Protocol, "bridge_status_404")
        );
    }
}

#[test]
fn an_answer_that_is_not_ok_and_gives_no_reason_is_a_clear_error() {
    let error = sending(ScriptedBridge::answering(json!({ "ok": false })));
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::Protocol, "bridge_not_ok")
    );
}

#[test]
fn an_answer_to_another_request_is_a_clear_error() {
    let sent = json!({ "ok": true, "message_id": "1", "status": "sent" });
    for body in [
        json!({ "method": "tools/list", "id": "whatsapp-personal-bridge:whatsapp-personal:send_message", "payload": sent }),
        json!({ "method": "tools/call", "id": "whatsapp-personal-bridge:whatsapp-personal:ack_inbound", "payload": sent }),
        json!({ "payload": sent }),
        json!([sent]),
        json!(null),
    ] {
        let error = sending(ScriptedBridge::default().then_raw(200, &body.to_string()));
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::Protocol, "bridge_answer_mismatch"),
            "{body}"
        );
    }
}

#[test]
fn an_answer_that_lacks_something_is_a_clear_error() {
    for payload in [
        json!({}),
        json!(null),
        json!("ok"),
        json!({ "ok": "yes", "message_id": "1", "status": "sent" }),
        json!({ "message_id": "1", "status": "sent" }),
        json!({ "ok": true, "status": "sent" }),
        json!({ "ok": true, "message_id": "", "status": "sent" }),
        json!({ "ok": true, "message_id": "1" }),
        json!({ "ok": true, "message_id": "1", "status": "perhaps" }),
        json!({ "ok": true, "message_id": "1", "status": "sent", "message_ids": [] }),
        json!({ "ok": true, "message_id": "1", "status": "sent", "message_ids": ["2", "1"] }),
        json!({ "ok": true, "message_id": "1", "status": "sent", "message_ids": ["1", 2] }),
    ] {
        let error = sending(ScriptedBridge::answering(payload.clone()));
        assert_eq!(
            (error.kind, error.code.as_str()),
            (ErrorKind::Protocol, "bridge_answer_incomplete"),
            "{payload}"
        );
    }
}

#[test]
fn an_answer_that_is_not_ok_is_a_refusal() {
    let payload = json!({ "ok": false, "error": "not now", "code": "not_connected" });
    let error = sending(ScriptedBridge::answering(payload));
    assert_eq!(
        (error.kind, error.code.as_str()),
        (ErrorKind::BridgeUnavailable, "not_connected")
    );
}

#[test]
fn a_batch_without_its_list_is_a_clear_error() {
    for payload in [
        json!({}),
        json!({ "messages": null }),
        json!({ "messages": { "0": SECRET } }),
    ] {
        let bridge = ScriptedBridge::answering(payload);
        let error = receive(
            &bridge,
            &Notebook::default(),
            &account(),
            &Receive::default(),
        )
        .unwrap_err();
        assert_eq!(clear(error).code, "bridge_answer_incomplete");
    }
}

#[test]
fn a_bridge_that_repeats_the_text_is_not_repeated() {
    let payload = json!({ "error": format!("cannot send {SECRET}"), "code": "bad_request" });
    let error = sending(ScriptedBridge::default().then_payload(400, payload));
    assert_eq!(error.code, "bad_request");
}

#[test]
fn a_bridge_that_repeats_the_text_is_not_repeated_where_its_sentence_is_cut_or_made_printable() {
    let (secret, more) = ("the spare key", "x".repeat(400));
    for (before, text) in [
        ("cannot send ", format!("one\u{1b}two {secret}\r")),
        ("cannot send ", format!("{secret}\n{more}")),
        (more.get(..280).unwrap(), format!("{secret}{more}")),
        ("", format!("{secret}{more}")),
    ] {
        let payload = json!({ "error": format!("{before}{text}"), "code": "bad_request" });
        let message = OutboundMessage {
            target: "contact:+15551234567".to_owned(),
            text: text.clone(),
            ..OutboundMessage::default()
        };
        let bridge = ScriptedBridge::default().then_payload(400, payload);
        let error = send(&bridge, &account(), &message).unwrap_err();
        assert!(!error.message.contains(secret), "{error:?}");
        assert_eq!(error.code, "bad_request");
    }
}

#[test]
fn a_bridge_that_repeats_what_was_received_is_not_repeated() {
    let mut message = fixture("wire/stock-accepted-response-receive_batch.json")["body"]["payload"]
        ["messages"][0]
        .clone();
    message["text"] = json!(SECRET);
    let payload = json!({ "error": format!("cannot acknowledge {SECRET}"), "code": "bad_request" });
    let bridge = ScriptedBridge::default().then_payload(400, payload);
    let handle = message.to_string();
    let error = settle(
        &bridge,
        &Notebook::default(),
        &account(),
        &handle,
        &Verdict::NoReply,
    )
    .unwrap_err();
    clear(error);
}

#[test]
fn a_long_sentence_is_cut_and_made_printable() {
    let sentence = format!("one\u{1b}[2Jtwo{}", "x".repeat(5_000));
    let payload = json!({ "error": sentence, "code": "internal" });
    let error = sending(ScriptedBridge::default().then_payload(500, payload));
    assert!(error.message.chars().count() < 400);
    assert!(!error.message.chars().any(char::is_control));
}

fn sending(bridge: ScriptedBridge) -> ChannelError {
    let message = OutboundMessage {
        target: "contact:+15551234567".to_owned(),
        text: SECRET.to_owned(),
        ..OutboundMessage::default()
    };
    clear(send(&bridge, &account(), &message).unwrap_err())
}

/// An error that says what failed and what to do, and keeps the message to itself.
fn clear(error: ChannelError) -> ChannelError {
    assert!(
        !error.message.is_empty() && !error.hint.is_empty(),
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    error
}
