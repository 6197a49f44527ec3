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
/// No pigeon comes back from there, so no list may name it.
const ABYSS: &str = "abyss";

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
        let target = config.target.as_deref();
        let accounts: Vec<wit::AccountReport> = match block.get("flocks").and_then(Value::as_object)
        {
            Some(flocks) => flocks
                .iter()
                .map(|(name, own)| flock(name, own, &block, target))
                .collect(),
            None => vec![flock("flock", &Value::Null, &block, target)],
        };
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

/// One account: what is not its own comes from the block.
fn flock(name: &str, own: &Value, block: &Value, target: Option<&str>) -> wit::AccountReport {
    let value = |key: &str| own.get(key).or_else(|| block.get(key));
    let text = |key: &str| value(key).and_then(Value::as_str).map(str::to_owned);
    let enabled = value("enabled").and_then(Value::as_bool) == Some(true);
    let tower = text("tower");
    let lofts = lofts(value("allowed_chat_ids"), text("home"));
    let issues: Vec<wit::Issue> = [
        tower.is_none().then(tower_missing),
        lofts.iter().any(|loft| loft == ABYSS).then(no_way_back),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut notes = vec!["feathers=grey".to_owned()];
    notes.extend(target.iter().flat_map(|loft| loft_notes(loft, &lofts)));
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
    let is_default = own.is_null();
    let account = wit::Account {
        configured_id: name.to_owned(),
        configured_label: name.to_owned(),
        runtime_id: format!("pigeon_{name}"),
        runtime_label: format!("the {name}"),
        is_default,
        default_source: is_default.then(|| "single_account".to_owned()),
        enabled,
        bridge_url: tower,
        auth_dir: text("nest"),
        allowed_chats: lofts,
        bridge_settings: json!({ "grain": value("grain") }).to_string(),
    };
    wit::AccountReport {
        account,
        readiness,
        notes,
    }
}

fn select(asked: Option<&str>, flocks: &[wit::AccountReport]) -> Result<String, wit::ChannelError> {
    let names = || flocks.iter().map(|flock| &flock.account.configured_id);
    let named: Vec<&String> = names()
        .filter(|name| asked.is_none_or(|asked| asked == name.as_str()))
        .collect();
    match named.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(failure(
            ErrorKind::InvalidInput,
            "account_unknown",
            "there is no such flock",
        )),
        _ => Err(failure(
            ErrorKind::InvalidInput,
            "account_ambiguous",
            "there are several flocks",
        )),
    }
}

/// The lofts that may write, as they are written; without a list the home loft alone.
fn lofts(listed: Option<&Value>, home: Option<String>) -> Vec<String> {
    match listed {
        None => home.into_iter().collect(),
        Some(listed) => {
            let listed = listed.as_array().into_iter().flatten();
            listed
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        }
    }
}

/// What the host is told of a target: its name, its entry of the list, and what lets it in.
fn loft_notes(target: &str, lofts: &[String]) -> Vec<String> {
    let loft = target.strip_prefix("pigeon-post/").unwrap_or(target);
    let mut notes = vec![
        format!("target=pigeon-post/{loft}"),
        format!("allow_entry={loft}"),
    ];
    let names_it = lofts.iter().find(|entry| *entry == loft);
    let by = names_it.or_else(|| lofts.iter().find(|entry| *entry == "*"));
    notes.extend(by.map(|entry| format!("allowed_by={entry}")));
    notes
}

fn no_way_back() -> wit::Issue {
    wit::Issue {
        severity: wit::Severity::Error,
        code: "no_way_back".to_owned(),
        config_path: format!("{CONFIG_KEY}.allowed_chat_ids"),
        message: "no pigeon comes back from the abyss".to_owned(),
        hint: "name another loft".to_owned(),
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
