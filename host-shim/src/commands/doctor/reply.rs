//! What answers messages: whether the reply engine that `serve` would take is ready, and whether
//! each account has its instructions.

use toml::Value;

use super::account::Served;
use super::check::{Checks, Finding, Id, Status};
use crate::config::Config;
use crate::serve::reply::check::{Verdict, check};
use crate::serve::reply::config::{EngineSettings, ReplySettings};

/// Checks the reply engine; a provider is asked whether it works, and sent no message.
pub(super) async fn examine(checks: &mut Checks, config: &Config, accounts: &[Served]) {
    checks.about(None, None);
    // The engine is the same for every account; only instructions differ.
    let found = check(config, &[], true).await;
    let status = match found.verdict {
        Verdict::Ok => Status::Ok,
        Verdict::Warn => Status::Warn,
        Verdict::Fail => Status::Fail,
    };
    checks.add(
        Id::ReplyEngine,
        Finding::new(status, found.seen, found.hint),
    );
    for account in accounts.iter().filter(|account| account.enabled) {
        checks.about(Some(&account.channel), Some(&account.label));
        if let Some(found) = instructions(config, account) {
            checks.add(Id::ReplyInstructions, found);
        }
    }
    checks.about(None, None);
    for found in strangers(config, accounts) {
        checks.add(Id::ReplyAccounts, found);
    }
}

/// None for engines that see no instructions, and for settings that do not fit.
fn instructions(config: &Config, account: &Served) -> Option<Finding> {
    let names = [account.label.as_str(), account.id.as_str()];
    let variable = |name: &str| std::env::var(name).ok();
    let settings = ReplySettings::read(config, &names, None, &variable).ok()?;
    match settings.engine {
        EngineSettings::Echo | EngineSettings::Command { .. } => None,
        EngineSettings::Provider(_) if settings.instructions.is_some() => {
            Some(Finding::ok("the model is told who it answers for"))
        }
        EngineSettings::Provider(_) => Some(Finding::warn(
            "the model is told nothing about whom it answers for, and how",
            format!(
                "let {} say\n[reply]\ninstructions = \"You answer for …. Be brief.\"",
                config.path.display()
            ),
        )),
    }
}

/// Accounts of `[reply.accounts]` that no channel has.
fn strangers(config: &Config, accounts: &[Served]) -> Vec<Finding> {
    let table = config
        .section("reply")
        .and_then(|reply| reply.get("accounts"))
        .and_then(Value::as_table);
    // Without any account it is not known who there would be.
    let Some(table) = table.filter(|_| !accounts.is_empty()) else {
        return Vec::new();
    };
    let known: Vec<&str> = accounts
        .iter()
        .flat_map(|account| [account.label.as_str(), account.id.as_str()])
        .collect();
    let strange = table.keys().filter(|name| !known.contains(&name.as_str()));
    let mut there: Vec<&str> = accounts
        .iter()
        .map(|account| account.label.as_str())
        .collect();
    there.dedup();
    strange
        .map(|name| {
            Finding::warn(
                format!("[reply.accounts.{name}] is for an account that does not exist"),
                format!("name one that does: {}", there.join(", ")),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const MODEL: &str = "[provider]\nkind = 'ollama'\nmodel = 'm'\n";

    fn config(text: &str) -> Config {
        Config::parse(Path::new("/c.toml"), text.to_owned()).unwrap()
    }

    fn account() -> Served {
        Served {
            channel: "pigeon-post".into(),
            id: "flock".into(),
            label: "Flock".into(),
            enabled: true,
            address: None,
            auth_dir: None,
        }
    }

    #[test]
    fn a_model_without_instructions_is_worth_a_look_and_a_program_needs_none() {
        let judged = |text: &str| instructions(&config(text), &account()).map(|found| found.status);
        assert_eq!(judged(MODEL), Some(Status::Warn));
        for told in [
            "[reply]\ninstructions = 'x'",
            "[reply.accounts.flock]\ninstructions = 'x'",
        ] {
            assert_eq!(
                judged(&format!("{MODEL}{told}")),
                Some(Status::Ok),
                "{told}"
            );
        }
        assert_eq!(judged("[reply]\nengine = 'command'\ncommand = ['x']"), None);
        assert_eq!(judged("[reply]\nengine = 'echo'"), None);
        assert_eq!(judged(""), None);
    }

    #[test]
    fn instructions_for_an_account_that_does_not_exist_are_named() {
        let text = "[reply.accounts.flock]\n[reply.accounts.Flock]\n[reply.accounts.flok]";
        let found = strangers(&config(text), &[account()]);
        assert_eq!(found.len(), 1);
        assert!(found[0].seen.contains("reply.accounts.flok]") && found[0].hint.contains("Flock"));
        assert!(strangers(&config(text), &[]).is_empty());
    }
}
