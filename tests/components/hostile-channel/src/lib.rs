//! A component that misbehaves on demand, for the tests of the host's limits. The words in the
//! configuration say how: `behave` while the configuration is read, `behave_later` (it goes into
//! the account's settings) in every send and step; `ask` has the bridge say it. Words are those of
//! `misbehaviour` (using things up) and of `lies` (answers that are not true). Otherwise it is the
//! quietest of channels.

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

mod lies;
mod misbehaviour;

use bindings::exports::loong::channel::channel as wit;
use bindings::loong::channel::bridge;
use misbehaviour::misbehave;

/// The component.
#[derive(Debug)]
pub struct Hostile;

impl wit::Guest for Hostile {
    fn validate_config(config: wit::ConfigDocument) -> wit::Report {
        let how = word(&config.json, "behave").unwrap_or_default();
        let later = word(&config.json, "behave_later").unwrap_or_default();
        let account = wit::Account {
            configured_id: "default".to_owned(),
            configured_label: misbehave(how),
            runtime_id: "hostile".to_owned(),
            runtime_label: "hostile".to_owned(),
            is_default: true,
            default_source: Some("single_account".to_owned()),
            enabled: true,
            bridge_url: word(&config.json, "bridge_url").map(str::to_owned),
            auth_dir: None,
            allowed_chats: Vec::new(),
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
        let honest = wit::Report {
            accounts: vec![wit::AccountReport {
                account,
                readiness,
                notes: Vec::new(),
            }],
            selected: Ok("default".to_owned()),
            issues: Vec::new(),
            operations: Vec::new(),
            targets: Vec::new(),
        };
        lies::report(how, honest)
    }

    fn send(
        account: wit::Account,
        message: wit::OutboundMessage,
    ) -> Result<wit::Receipt, wit::ChannelError> {
        let how = later(&account);
        let id = misbehave(&how);
        lies::refusal(&how)?;
        Ok(lies::receipt(&how, message.target, id))
    }

    fn serve_step(
        account: wit::Account,
        step: wit::Step,
    ) -> Result<wit::StepOutcome, wit::ChannelError> {
        let how = later(&account);
        let id = misbehave(&how);
        lies::refusal(&how)?;
        if how == "other_step" {
            return Ok(match step {
                wit::Step::Receive(_) => wit::StepOutcome::Finished,
                wit::Step::Settle(_) | wit::Step::Finish(_) => {
                    wit::StepOutcome::Received(lies::batch("", 0))
                }
            });
        }
        Ok(match step {
            wit::Step::Receive(wanted) => {
                wit::StepOutcome::Received(lies::batch(&how, wanted.max_messages))
            }
            wit::Step::Settle(_) => {
                wit::StepOutcome::Settled(Some(lies::receipt(&how, "anybody".to_owned(), id)))
            }
            wit::Step::Finish(_) => wit::StepOutcome::Finished,
        })
    }
}

/// How to behave in a send or step; `ask` leaves it to the bridge.
fn later(account: &wit::Account) -> String {
    let how = word(&account.bridge_settings, "behave").unwrap_or_default();
    if how != "ask" {
        return how.to_owned();
    }
    match bridge::post("{}", 5_000) {
        Ok(answer) => word(&answer.body, "behave").unwrap_or_default().to_owned(),
        Err(_none) => String::new(),
    }
}

/// The text under a key of a flat JSON object. Enough for tests, and small: no parser.
fn word<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    let (_before, after) = json.split_once(&format!("\"{key}\""))?;
    let (_colon, value) = after.split_once('"')?;
    value.split_once('"').map(|(word, _rest)| word)
}
