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
        // The scouts are a flock of their own, for those who have any.
        let scouts = block.get("scouts").map(|scouts| flock("scouts", scouts));
        let accounts: Vec<wit::AccountReport> =
            [flock("flock", &block)].into_iter().chain(scouts).collect();
        wit::Report {
            selected: select(config.account.as_deref(), &accounts),
            accounts,
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

/// The account called `name`, as `table` describes it.
fn flock(name: &str, table: &Value) -> wit::AccountReport {
    let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let enabled = table.get("enabled").and_then(Value::as_bool) == Some(true);
    let tower = text("tower");
    let account = wit::Account {
        configured_id: name.to_owned(),
        configured_label: name.to_owned(),
        runtime_id: format!("pigeon_{name}"),
        runtime_label: format!("the {name}"),
        is_default: name == "flock",
        default_source: (name == "flock").then(|| "first_flock".to_owned()),
        enabled,
        bridge_url: tower.clone(),
        auth_dir: text("nest"),
        allowed_chats: vec!["*".to_owned()],
        bridge_settings: json!({ "grain": table.get("grain") }).to_string(),
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
    wit::AccountReport {
        account,
        readiness,
        notes: vec!["feathers=grey".to_owned()],
    }
}

fn select(
    asked: Option<&str>,
    accounts: &[wit::AccountReport],
) -> Result<String, wit::ChannelError> {
    let name = asked.unwrap_or("flock");
    if accounts
        .iter()
        .any(|entry| entry.account.configured_id == name)
    {
        return Ok(name.to_owned());
    }
    Err(failure(
        ErrorKind::InvalidInput,
        "account_unknown",
        "there is no such flock",
    ))
}

fn describe(operation: wit::Operation) -> wit::OperationDescription {
    wit::OperationDescription {
        operation,
        label: match operation {
            wit::Operation::Send => "pigeon departure",
            wit::Operation::Serve => "pigeon arrivals",
        }
        .to_owned(),
        requirements: vec![wit::Requirement {
            id: "tower".to_owned(),
            label: "address of the tower".to_owned(),
            config_paths: vec![format!("{CONFIG_KEY}.tower")],
            env_pointer_paths: Vec::new(),
            default_env_var: None,
        }],
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
