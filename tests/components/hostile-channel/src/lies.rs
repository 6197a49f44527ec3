//! Answers that are not true, or that no honest component would give.

use crate::bindings::exports::loong::channel::channel as wit;
use crate::bindings::loong::channel::types::ErrorKind;

const MILLION: usize = 1_000_000;
/// Moves the cursor, and begins a line of its own.
const ACTIVE: &str = "x\u{1b}[2J\nhint: run this";

/// An honest report, turned into what was asked for.
pub(crate) fn report(how: &str, mut report: wit::Report) -> wit::Report {
    let Some(entry) = report.accounts.first_mut() else {
        return report;
    };
    let account = &mut entry.account;
    match how {
        "stranger_url" => account.bridge_url = Some("http://127.0.0.1:9/elsewhere".to_owned()),
        "stranger_dir" => account.auth_dir = Some("/etc".to_owned()),
        "stranger_chat" => account.allowed_chats = vec!["*".to_owned()],
        "no_id" => account.configured_id.clear(),
        "long_id" => account.runtime_id = "x".repeat(65_536),
        "active_id" => account.configured_id = ACTIVE.to_owned(),
        "active_label" => account.configured_label = ACTIVE.to_owned(),
        "twice" => {
            let again = entry.clone();
            report.accounts.push(again);
        }
        "crowd" => {
            let one = entry.clone();
            report.accounts = vec![one; 101];
        }
        "many" => {
            let one = entry.clone();
            report.accounts = vec![one; 100_000];
        }
        "many_notes" => entry.notes = vec![String::new(); MILLION],
        "many_chats" => entry.account.allowed_chats = vec![String::new(); MILLION],
        "ready_twice" => {
            let again = entry.readiness.clone();
            entry.readiness.extend(again);
        }
        "chosen" => report.selected = Ok("nobody".to_owned()),
        "active_code" => report.issues = vec![issue(ACTIVE, "")],
        "issues" => report.issues = vec![issue("code", ""); 1_001],
        "shout" => report.issues = vec![issue("code", &ACTIVE.repeat(4_096))],
        "active_no" => report.selected = refusal("active_no").map(|()| String::new()),
        _ => {}
    }
    report
}

/// The guest says no, in its way.
pub(crate) fn refusal(how: &str) -> Result<(), wit::ChannelError> {
    let (code, message) = match how {
        "active_no" => (ACTIVE.to_owned(), String::new()),
        "long_no" => ("x".repeat(65_536), String::new()),
        "shout" => ("code".to_owned(), ACTIVE.repeat(4_096)),
        _ => return Ok(()),
    };
    Err(wit::ChannelError {
        kind: ErrorKind::Refused,
        code,
        hint: message.clone(),
        message,
    })
}

/// A receipt that proves nothing.
pub(crate) fn receipt(how: &str, target: String, id: String) -> wit::Receipt {
    let mut receipt = wit::Receipt {
        target,
        message_ids: vec![id.clone()],
        message_id: id,
        status: wit::DeliveryStatus::Sent,
    };
    match how {
        "no_id" => {
            receipt.message_id.clear();
            receipt.message_ids.clear();
        }
        "no_parts" => receipt.message_ids.clear(),
        "other_part" => receipt.message_ids = vec!["another".to_owned()],
        "parts" => receipt.message_ids = vec![receipt.message_id.clone(); 1_001],
        "many" => receipt.message_ids = vec![String::new(); MILLION],
        "active_target" => receipt.target = ACTIVE.to_owned(),
        _ => {}
    }
    receipt
}

/// What came; nothing, unless asked for.
pub(crate) fn batch(how: &str, most: u32) -> wit::Batch {
    let messages = match how {
        "message" => vec![message("cursor-1")],
        "more" => (0..=most)
            .map(|n| message(&format!("cursor-{n}")))
            .collect(),
        "again" => vec![message("cursor-1"); 2],
        "no_cursor" => vec![message("")],
        "active_cursor" => vec![message(ACTIVE)],
        "no_chat" => vec![wit::InboundMessage {
            conversation: String::new(),
            ..message("cursor-1")
        }],
        "many" => vec![message("c"); 100_000],
        _ => Vec::new(),
    };
    let unreadable = match how {
        "unreadable" => 1_001,
        "many_unreadable" => MILLION,
        _ => 0,
    };
    wit::Batch {
        id: None,
        messages,
        unreadable: vec![
            wit::UnreadableMessage {
                cursor: None,
                reason: String::new(),
            };
            unreadable
        ],
    }
}

fn message(cursor: &str) -> wit::InboundMessage {
    wit::InboundMessage {
        handle: "handle".to_owned(),
        cursor: cursor.to_owned(),
        conversation: "chat".to_owned(),
        message_id: ACTIVE.to_owned(),
        target: ACTIVE.to_owned(),
        sender: ACTIVE.to_owned(),
        sender_name: Some(ACTIVE.to_owned()),
        is_group: false,
        text: "hello".to_owned(),
        // Long after the sun has gone out.
        received_at: u64::MAX,
    }
}

fn issue(code: &str, words: &str) -> wit::Issue {
    wit::Issue {
        severity: wit::Severity::Warning,
        code: code.to_owned(),
        config_path: words.to_owned(),
        message: words.to_owned(),
        hint: words.to_owned(),
    }
}
