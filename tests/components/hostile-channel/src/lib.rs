//! A component that misbehaves on demand, for the tests of the host's limits. The words in the
//! configuration's `behave` say how: `loop`, `memory`, `trap`, `flood`, `huge`. With `behave`
//! it misbehaves while the configuration is read; with `behave_later` (it goes into the account's
//! settings) in every send and step. Otherwise it is the quietest of channels.

#[allow(
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::pedantic,
    reason = "generated: the canonical ABI passes memory by pointer"
)]
mod bindings {
    wit_bindgen::generate!({ world: "channel-plugin", path: "../../../wit" });

    #[cfg(target_family = "wasm")]
    use super::Hostile;
    // A native linker refuses the names of the exports.
    #[cfg(target_family = "wasm")]
    export!(Hostile with_types_in self);
}

use std::hint::black_box;

use bindings::exports::loong::channel::channel as wit;
use bindings::loong::channel::{log, types::ErrorKind};

/// The component.
#[derive(Debug)]
pub struct Hostile;

impl wit::Guest for Hostile {
    fn validate_config(config: wit::ConfigDocument) -> wit::Report {
        let label = misbehave(word(&config.json, "behave"));
        let later = word(&config.json, "behave_later").unwrap_or_default();
        let account = wit::Account {
            configured_id: "default".to_owned(),
            configured_label: label,
            runtime_id: "hostile".to_owned(),
            runtime_label: "hostile".to_owned(),
            is_default: true,
            default_source: Some("single_account".to_owned()),
            enabled: true,
            bridge_url: word(&config.json, "bridge_url").map(str::to_owned),
            auth_dir: None,
            allowed_chats: vec!["*".to_owned()],
            bridge_settings: format!("{{\"behave\":\"{later}\"}}"),
        };
        let readiness = [wit::Operation::Send, wit::Operation::Serve]
            .into_iter()
            .map(|operation| wit::Readiness {
                operation,
                health: wit::Health::Ready,
                issues: Vec::new(),
            })
            .collect();
        wit::Report {
            accounts: vec![wit::AccountReport {
                account,
                readiness,
                notes: Vec::new(),
            }],
            selected: Ok("default".to_owned()),
            issues: Vec::new(),
            operations: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn send(
        account: wit::Account,
        message: wit::OutboundMessage,
    ) -> Result<wit::Receipt, wit::ChannelError> {
        Ok(wit::Receipt {
            target: message.target,
            message_id: misbehave(word(&account.bridge_settings, "behave")),
            message_ids: Vec::new(),
            status: wit::DeliveryStatus::Sent,
        })
    }

    fn serve_step(
        account: wit::Account,
        _step: wit::Step,
    ) -> Result<wit::StepOutcome, wit::ChannelError> {
        Err(wit::ChannelError {
            kind: ErrorKind::Refused,
            code: "hostile".to_owned(),
            message: misbehave(word(&account.bridge_settings, "behave")),
            hint: String::new(),
        })
    }
}

/// Does as told; comes back with an answer when the host lets it.
fn misbehave(how: Option<&str>) -> String {
    match how {
        Some("loop") => loop {
            black_box(());
        },
        Some("memory") => hoard(),
        Some("trap") => trap(),
        Some("flood") => loop {
            log::record(log::Level::Debug, "still here");
        },
        // More than a host should copy, less than fits into a guest's memory by default.
        Some("huge") => "x".repeat(48 * 1024 * 1024),
        Some(_) | None => "tame".to_owned(),
    }
}

fn hoard() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1024 * 1024]);
        black_box(&hoard);
    }
}

#[allow(clippy::panic, reason = "panicking is what this test component is for")]
fn trap() -> ! {
    panic!("as told")
}

/// The text under a key of a flat JSON object. Enough for tests, and small: no parser.
fn word<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let (_before, after) = json.split_once(&format!("\"{key}\""))?;
    let (_colon, value) = after.split_once('"')?;
    value.split_once('"').map(|(word, _rest)| word)
}
