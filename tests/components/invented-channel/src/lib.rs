//! Pigeon post: a channel that does not exist, with another configuration, other targets and
//! another wire format than any real one. It loads in the same host, which proves that the host
//! knows no channel. Says only what that proof needs.

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
    use super::PigeonPost;
    // A native linker refuses the names of the exports.
    #[cfg(target_family = "wasm")]
    export!(PigeonPost with_types_in self);
}

mod post;

use bindings::exports::loong::channel::channel as wit;
use bindings::loong::channel::{log, types::ErrorKind};
use serde_json::{Value, json};

/// Name of the block in the configuration, and of the only kind of target.
const CONFIG_KEY: &str = "pigeon";
const TARGET_KIND: &str = "loft";

/// The component.
#[derive(Debug)]
pub struct PigeonPost;

impl wit::Guest for PigeonPost {
    fn validate_config(config: wit::ConfigDocument) -> wit::Report {
        log::record(
            log::Level::Debug,
            "the pigeon keeper reads the configuration",
        );
        let block: Value = serde_json::from_str(&config.json).unwrap_or_default();
        let text = |key: &str| block.get(key).and_then(Value::as_str).map(str::to_owned);
        let enabled = block.get("enabled").and_then(Value::as_bool) == Some(true);
        let tower = text("tower");
        let account = wit::Account {
            configured_id: "flock".to_owned(),
            configured_label: "flock".to_owned(),
            runtime_id: "pigeon_flock".to_owned(),
            runtime_label: "the flock".to_owned(),
            is_default: true,
            default_source: Some("single_account".to_owned()),
            enabled,
            bridge_url: tower.clone(),
            auth_dir: text("nest"),
            allowed_chats: vec!["*".to_owned()],
            bridge_settings: json!({ "grain": block.get("grain") }).to_string(),
        };
        let issues: Vec<wit::Issue> = tower.is_none().then(tower_missing).into_iter().collect();
        let readiness = [wit::Operation::Send, wit::Operation::Serve]
            .into_iter()
            .map(|operation| wit::Readiness {
                operation,
                health: match (enabled, issues.is_empty()) {
                    (false, _) => wit::Health::Disabled,
                    (true, false) => wit::Health::Misconfigured,
                    (true, true) => wit::Health::Ready,
                },
                issues: issues.clone(),
            })
            .collect();
        wit::Report {
            selected: select(config.account.as_deref()),
            accounts: vec![wit::AccountReport {
                account,
                readiness,
                notes: vec!["feathers=grey".to_owned()],
            }],
            issues: Vec::new(),
            operations: vec![
                describe(wit::Operation::Send),
                describe(wit::Operation::Serve),
            ],
            targets: vec![wit::TargetTemplate {
                template: "pigeon-post/<loft>".to_owned(),
                target_kind: TARGET_KIND.to_owned(),
            }],
        }
    }

    fn send(
        _account: wit::Account,
        message: wit::OutboundMessage,
    ) -> Result<wit::Receipt, wit::ChannelError> {
        let kind = message.target_kind.as_deref().unwrap_or(TARGET_KIND);
        let loft = message
            .target
            .strip_prefix("pigeon-post/")
            .unwrap_or(&message.target);
        if kind != TARGET_KIND || loft.is_empty() {
            return Err(failure(
                ErrorKind::InvalidInput,
                "no_such_loft",
                "pigeons fly to lofts only",
            ));
        }
        post::fly(loft, &message.text, message.idempotency_key.as_deref())
    }

    fn serve_step(
        _account: wit::Account,
        step: wit::Step,
    ) -> Result<wit::StepOutcome, wit::ChannelError> {
        match step {
            wit::Step::Receive(wanted) => {
                post::arrivals(wanted.max_messages, wanted.wait).map(wit::StepOutcome::Received)
            }
            wit::Step::Settle(settlement) => {
                let (ring, loft) = settlement.handle.split_once('@').ok_or_else(|| {
                    failure(ErrorKind::InvalidInput, "no_ring", "no ring, no pigeon")
                })?;
                let receipt = match settlement.verdict {
                    wit::Verdict::Reply(text) => Some(post::fly(loft, &text, None)?),
                    wit::Verdict::NoReply => None,
                    // A pigeon that is not set free is seen again.
                    wit::Verdict::Later(_) => return Ok(wit::StepOutcome::Settled(None)),
                };
                post::set_free(ring)?;
                Ok(wit::StepOutcome::Settled(receipt))
            }
            wit::Step::Finish(_batch) => Ok(wit::StepOutcome::Finished),
        }
    }
}

fn select(asked: Option<&str>) -> Result<String, wit::ChannelError> {
    match asked {
        None | Some("flock") => Ok("flock".to_owned()),
        Some(_) => Err(failure(
            ErrorKind::InvalidInput,
            "account_unknown",
            "there is one flock, called `flock`",
        )),
    }
}

fn describe(operation: wit::Operation) -> wit::OperationDescription {
    wit::OperationDescription {
        operation,
        label: match operation {
            wit::Operation::Send => "pigeon departure",
            wit::Operation::Serve => "pigeon arrivals",
        }
        .to_owned(),
        requirements: vec![
            requirement("tower", "address of the tower"),
            requirement("nest", "where the pigeons sleep"),
        ],
    }
}

fn requirement(key: &str, label: &str) -> wit::Requirement {
    wit::Requirement {
        id: key.to_owned(),
        label: label.to_owned(),
        config_paths: vec![format!("{CONFIG_KEY}.{key}")],
        env_pointer_paths: Vec::new(),
        default_env_var: None,
    }
}

fn tower_missing() -> wit::Issue {
    wit::Issue {
        severity: wit::Severity::Error,
        code: "tower_missing".to_owned(),
        config_path: format!("{CONFIG_KEY}.tower"),
        message: "the pigeons have no tower".to_owned(),
        hint: format!("set `{CONFIG_KEY}.tower`"),
    }
}

fn failure(kind: ErrorKind, code: &str, message: &str) -> wit::ChannelError {
    wit::ChannelError {
        kind,
        code: code.to_owned(),
        message: message.to_owned(),
        hint: "ask the pigeon keeper".to_owned(),
    }
}
