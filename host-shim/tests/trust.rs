//! What a guest reports is believed only when the operator wrote it, and no guest runs for an
//! address that leaves this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use common::{LIMITS, Place, ShutDoor, document, first_account, load, load_with, text};
use loong::component::call_error::CallError;
use loong::component::engine::Sandbox;
use loong::component::state::Variables;
use loong::error::{ExitCode, Failure};
use serde_json::json;

const HOSTILE: &str = "hostile-channel.wasm";

#[tokio::test]
async fn a_guest_that_reports_a_bridge_nobody_wrote_is_refused() {
    let channel = load(HOSTILE, LIMITS, ShutDoor::default()).await;
    // This guest takes the next quoted word for the address: here one that is a key, no setting.
    let block = json!({ "bridge_url": { "http://127.0.0.1:9/elsewhere": true } });
    let error = channel.validate_config(document(&block)).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Distrusted { field: "bridge_url", value, .. } if value == "http://127.0.0.1:9"),
        "{error:?}"
    );
    assert_eq!(Failure::from(error).exit, ExitCode::Fault);
}

#[tokio::test]
async fn a_bridge_off_this_machine_is_refused_before_the_guest_runs() {
    let door = ShutDoor::default();
    let channel = load(HOSTILE, LIMITS, door.clone()).await;
    for url in [
        "http://192.0.2.1/bridge",
        "https://127.0.0.1/bridge",
        "http://bridge.example/",
    ] {
        // Would the guest run, it would trap.
        let block = json!({ "bridge_url": url, "behave_later": "trap" });
        let account = first_account(&channel.validate_config(document(&block)).await.unwrap());
        let error = channel.send(&account, text("x", "y")).await.unwrap_err();
        assert!(
            matches!(error, CallError::Address { .. }),
            "{url}: {error:?}"
        );
    }
    assert!(door.asked().is_empty());
}

#[tokio::test]
async fn the_command_line_says_which_address_it_refuses() {
    let place = Place::with_pigeons("http://192.0.2.1:8/tower");
    let ran = place.sends(&[]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("http://192.0.2.1"), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("hint: set bridge_url to http://127.0.0.1"),
        "{ran:#?}"
    );
    assert!(ran.stdout.is_empty());
}

#[tokio::test]
async fn a_guest_learns_the_variables_it_is_pointed_at_and_no_others() {
    let sandbox = Sandbox::new(None, LIMITS).unwrap();
    let written = "http://127.0.0.1:7/bridge";
    let default = "WHATSAPP_PERSONAL_BRIDGE_URL";
    let table: [(&[&str], &str, serde_json::Value, Option<&str>); 4] = [
        (
            &[],
            "OFFICE_BRIDGE",
            json!({ "enabled": true, "bridge_url_env": "OFFICE_BRIDGE" }),
            Some(written),
        ),
        (&[], "OFFICE_BRIDGE", json!({ "enabled": true }), None),
        (
            &[default],
            default,
            json!({ "enabled": true }),
            Some(written),
        ),
        // Set, and known to the guest, but named by neither configuration nor manifest.
        (&[], default, json!({ "enabled": true }), None),
    ];
    for (declared, set, block, expected) in table {
        let variables = Variables::fixed([(set, written)]);
        let channel = load_with(
            &sandbox,
            "whatsapp-personal.wasm",
            ShutDoor::default(),
            declared,
            variables,
        )
        .await;
        let report = channel.validate_config(document(&block)).await.unwrap();
        assert_eq!(
            first_account(&report).bridge_url.as_deref(),
            expected,
            "{declared:?} {set} {block}"
        );
    }
}
