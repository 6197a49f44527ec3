//! Every misbehaviour in every export: the guest is stopped in time, the error says who did what and
//! what to do next, nothing in it acts on a terminal, and everybody else goes on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::time::{Duration, Instant};

use common::{LIMITS, ShutDoor, document, first_account, load_in, text};
use loong::component::bindings::{Account, Consumer, Receive, Settlement, Step, Verdict};
use loong::component::call_error::CallError;
use loong::component::channel::Channel;
use loong::component::engine::{Deadlines, Limits, Sandbox};
use loong::error::{ExitCode, Failure};
use loong::plain_text::is_plain;
use serde_json::json;

const HOSTILE: &str = "hostile-channel.wasm";
const URL: &str = "http://127.0.0.1:1/";

/// The three exports; a step is tried in all its kinds.
const CALLS: [&str; 5] = [
    "validate-config",
    "send",
    "serve-step receive",
    "serve-step settle",
    "serve-step finish",
];

fn step(call: &str) -> Step {
    match call {
        "serve-step receive" => Step::Receive(Receive {
            max_messages: 3,
            wait: 0,
            consumer: Consumer {
                id: "a".into(),
                instance: "b".into(),
            },
            in_flight: vec!["cursor-0".into()],
        }),
        "serve-step settle" => Step::Settle(Settlement {
            handle: "handle".into(),
            verdict: Verdict::Reply("coo".into()),
        }),
        _ => Step::Finish("batch".into()),
    }
}

async fn account(channel: &Channel, later: &str) -> Account {
    let block = json!({ "behave_later": later, "bridge_url": URL });
    first_account(&channel.validate_config(document(&block)).await.unwrap())
}

/// Has the guest behave as told in `call`.
async fn call(channel: &Channel, how: &str, call: &str) -> Result<(), CallError> {
    if call == "validate-config" {
        let block = json!({ "behave": how, "bridge_url": URL });
        return channel.validate_config(document(&block)).await.map(drop);
    }
    let account = account(channel, how).await;
    if call == "send" {
        return channel.send(&account, text("x", "y")).await.map(drop);
    }
    channel.serve_step(&account, step(call)).await.map(drop)
}

/// What an operator is told of a stopped guest.
fn assert_told(error: CallError, code: &str, call: &str, row: &str) {
    assert_eq!(error.code(), code, "{row}: {error}");
    let failure = Failure::from(error);
    let words = failure.to_string();
    let site = format!("plugin hostile-channel-test 1.2.3, call {call} ");
    assert!(words.starts_with(&site), "{row}: {words}");
    assert_eq!(failure.exit, ExitCode::Fault, "{row}");
    let hint = failure.hint.unwrap();
    assert!(hint.contains("plugin"), "{row}: {hint}");
    assert!(
        is_plain(&words) && words.chars().count() < 3_000,
        "{row}: {words:?}"
    );
}

/// Who is in the same process, and in another channel.
async fn assert_others_go_on(sandbox: &Sandbox, hostile: &Channel) {
    let tame = account(hostile, "").await;
    let receipt = hostile.send(&tame, text("x", "y")).await.unwrap();
    assert_eq!(receipt.message_id, "tame");
    let pigeons = load_in(sandbox, "pigeon-post.wasm", ShutDoor::default()).await;
    let report = pigeons.validate_config(document(&json!({}))).await;
    assert_eq!(first_account(&report.unwrap()).configured_id, "flock");
}

/// Words that the hostile component understands, and what they end in.
const USES_UP: [(&str, &str); 15] = [
    ("loop", "plugin_out_of_fuel"),
    ("fill", "plugin_out_of_fuel"),
    ("chatter", "plugin_out_of_fuel"),
    ("memory", "plugin_out_of_memory"),
    ("huge", "plugin_out_of_memory"),
    ("trap", "plugin_trapped"),
    ("exit", "plugin_trapped"),
    ("recurse", "plugin_trapped"),
    ("flood_log", "plugin_too_many_host_calls"),
    ("flood_post", "plugin_too_many_host_calls"),
    ("flood_lookup", "plugin_too_many_host_calls"),
    ("drip", "plugin_too_many_bytes"),
    ("wide_log", "plugin_too_many_bytes"),
    ("wide_post", "plugin_too_many_bytes"),
    ("wide_lookup", "plugin_too_many_bytes"),
];

#[tokio::test]
async fn whatever_a_guest_uses_up_and_wherever_it_is_stopped_and_named() {
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
    for (how, code) in USES_UP {
        for site in CALLS {
            let row = format!("{how} in {site}");
            let began = Instant::now();
            let error = call(&channel, how, site).await.unwrap_err();
            assert!(began.elapsed() < Duration::from_secs(20), "{row}");
            assert_told(error, code, site, &row);
        }
        assert_others_go_on(&sandbox, &channel).await;
    }
}

#[tokio::test]
async fn work_without_end_that_has_fuel_to_spare_ends_at_the_deadline() {
    let soon = Duration::from_millis(300);
    let limits = Limits {
        fuel: u64::MAX >> 1,
        deadlines: Deadlines {
            validate_config: soon,
            send: soon,
            receive_margin: soon,
        },
        ..LIMITS
    };
    // Reads the configuration in peace, on a machine that is busy.
    let calm = Sandbox::new(None, LIMITS).unwrap();
    let calm = load_in(&calm, HOSTILE, ShutDoor::default()).await;
    let sandbox = Sandbox::new(None, limits).unwrap();
    let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
    // Instructions that each take long, calls of the host that are not counted, neither.
    for how in ["fill", "chatter", "loop"] {
        let account = account(&calm, how).await;
        for site in CALLS {
            let began = Instant::now();
            let error = match site {
                "validate-config" => call(&channel, how, site).await.unwrap_err(),
                "send" => channel.send(&account, text("x", "y")).await.unwrap_err(),
                _ => channel.serve_step(&account, step(site)).await.unwrap_err(),
            };
            let row = format!("{how} in {site}: {error}");
            assert!(
                matches!(error, CallError::Deadline { after, .. } if after == soon),
                "{row}"
            );
            assert!(began.elapsed() < Duration::from_secs(10), "{row}");
        }
    }
}

/// Its standard output is one: nobody hears it, and it is counted all the same.
#[tokio::test]
async fn things_of_the_host_that_a_guest_holds_are_counted() {
    for (handles, code) in [(100, None), (0, Some("plugin_trapped"))] {
        let limits = Limits { handles, ..LIMITS };
        let sandbox = Sandbox::new(None, limits).unwrap();
        let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
        let seen = call(&channel, "chatter_once", "send").await;
        assert_eq!(seen.err().as_ref().map(CallError::code), code, "{handles}");
    }
}

/// There is memory for it in the guest, and the host does not take it over.
#[tokio::test]
async fn answers_too_large_to_take_over_are_not_copied() {
    let limits = Limits {
        memory: 256 << 20,
        fuel: 20_000_000_000,
        ..LIMITS
    };
    let sandbox = Sandbox::new(None, limits).unwrap();
    let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
    let [read, send, receive, settle, _] = CALLS;
    for (how, sites) in [
        ("huge", &[read, send, settle][..]),
        ("many", &[read, send, receive, settle]),
        ("many_notes", &[read]),
        ("many_chats", &[read]),
        ("many_unreadable", &[receive]),
    ] {
        for site in sites {
            let row = format!("{how} in {site}");
            let error = call(&channel, how, site).await.unwrap_err();
            assert_told(error, "plugin_too_many_bytes", site, &row);
        }
    }
    assert_others_go_on(&sandbox, &channel).await;
}

/// A word, the call it lies in, and a part of what the operator is told.
const LIES: [(&str, &str, &str); 30] = [
    ("no_id", "validate-config", "its account id is empty"),
    (
        "active_id",
        "validate-config",
        "its account id is `x\\u{1b}[2J\\nhint",
    ),
    ("long_id", "validate-config", "its run-time id is `xxx"),
    (
        "active_label",
        "validate-config",
        "its account label is `x\\u{1b}",
    ),
    (
        "twice",
        "validate-config",
        "it reports the account `default` twice",
    ),
    (
        "crowd",
        "validate-config",
        "it reports 101 accounts; 100 are the most",
    ),
    (
        "ready_twice",
        "validate-config",
        "readiness of an operation twice",
    ),
    ("chosen", "validate-config", "it chose account `nobody`"),
    ("issues", "validate-config", "it reports 1001 issues"),
    (
        "active_code",
        "validate-config",
        "its error code is `x\\u{1b}",
    ),
    (
        "active_no",
        "validate-config",
        "its error code is `x\\u{1b}",
    ),
    ("active_no", "send", "its error code is `x\\u{1b}"),
    (
        "active_no",
        "serve-step receive",
        "its error code is `x\\u{1b}",
    ),
    ("long_no", "send", "its error code is `xxx"),
    ("no_id", "send", "its message id is empty"),
    ("no_parts", "send", "first part is not the message"),
    ("other_part", "send", "first part is not the message"),
    ("parts", "send", "its receipt names 1001 parts"),
    ("active_target", "send", "its receipt's target is `x\\u{1b}"),
    ("no_id", "serve-step settle", "its message id is empty"),
    ("parts", "serve-step settle", "its receipt names 1001 parts"),
    (
        "other_step",
        "serve-step receive",
        "belongs to another step",
    ),
    ("other_step", "serve-step settle", "belongs to another step"),
    ("other_step", "serve-step finish", "belongs to another step"),
    (
        "more",
        "serve-step receive",
        "it brings 4 messages where 3 were asked for",
    ),
    (
        "again",
        "serve-step receive",
        "it brings the message `cursor-1` twice",
    ),
    ("no_cursor", "serve-step receive", "its cursor is empty"),
    (
        "active_cursor",
        "serve-step receive",
        "its cursor is `x\\u{1b}",
    ),
    (
        "no_chat",
        "serve-step receive",
        "a message of no conversation",
    ),
    (
        "unreadable",
        "serve-step receive",
        "it reports 1001 unreadable messages",
    ),
];

#[tokio::test]
async fn an_answer_that_breaks_a_promise_is_not_used_and_says_which() {
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
    for (how, site, told) in LIES {
        let row = format!("{how} in {site}");
        let error = call(&channel, how, site).await.unwrap_err();
        assert!(error.to_string().contains(told), "{row}: {error}");
        assert!(!error.is_retryable(), "{row}");
        assert_told(error, "plugin_broke_contract", site, &row);
    }
    assert_others_go_on(&sandbox, &channel).await;
}

#[tokio::test]
async fn settings_that_nobody_wrote_are_not_believed() {
    let channel = load_in(
        &Sandbox::new(None, LIMITS).unwrap(),
        HOSTILE,
        ShutDoor::default(),
    )
    .await;
    for (block, field, value) in [
        (
            json!({ "behave": "stranger_url" }),
            "bridge_url",
            "http://127.0.0.1:9",
        ),
        (json!({ "behave": "stranger_dir" }), "auth_dir", "/etc"),
        (json!({ "behave": "stranger_chat" }), "allowed_chats", "*"),
        // It says so whatever it reads.
        (json!({ "enabled": false }), "enabled", "true"),
        (
            json!({ "enabled": true, "accounts": { "tame": { "enabled": false } } }),
            "enabled",
            "true",
        ),
    ] {
        let error = channel.validate_config(document(&block)).await.unwrap_err();
        let CallError::Distrusted {
            field: seen,
            value: said,
            ..
        } = &error
        else {
            panic!("{block}: {error}");
        };
        assert_eq!((*seen, said.as_str()), (field, value), "{block}");
        assert_told(
            error,
            "plugin_not_believed",
            "validate-config",
            &block.to_string(),
        );
    }
}

#[tokio::test]
async fn words_of_a_guest_reach_the_operator_short_and_harmless() {
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
    let report = channel
        .validate_config(document(&json!({ "behave": "shout" })))
        .await;
    let issue = report.unwrap().issues.remove(0);
    let refused = call(&channel, "shout", "send").await.unwrap_err();
    assert_eq!(refused.code(), "code");
    let failure = Failure::from(refused);
    let hint = failure.hint.clone().unwrap();
    for words in [
        issue.message,
        issue.hint,
        issue.config_path,
        failure.message,
        hint,
    ] {
        assert!(is_plain(&words), "{words:?}");
        assert_eq!(words.chars().count(), 2_001, "{words}");
    }
}

#[tokio::test]
async fn a_guest_that_looks_around_sees_nothing() {
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let channel = load_in(&sandbox, HOSTILE, ShutDoor::default()).await;
    let report = channel
        .validate_config(document(&json!({ "behave": "look_around" })))
        .await
        .unwrap();
    assert_eq!(
        first_account(&report).configured_label,
        "variables 0, arguments 0, input 0, HOME None"
    );
}
