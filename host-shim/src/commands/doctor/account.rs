//! One account: what the guest says of it, and then each thing on this machine that it needs, one
//! file each, in the order in which a person would look.

use std::path::{Path, PathBuf};

use super::channels::add_issue;
use super::check::{Checks, Finding, Id};
use super::{auth_dir, bridge, reply_loop, space, store_lock};
use crate::catalog::operation_id;
use crate::commands::opened::{Loader, Survey};
use crate::component::bindings::{Account, AccountReport, Health, Operation, Readiness};
use crate::discovery::roots::Plugin;
use crate::door::BridgeAddress;

/// An account, as far as others may be compared with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) channel: String,
    pub(super) id: String,
    pub(super) label: String,
    pub(super) enabled: bool,
    pub(super) address: Option<BridgeAddress>,
    pub(super) auth_dir: Option<PathBuf>,
}

impl Served {
    pub(super) fn name(&self) -> String {
        format!("{} account `{}`", self.channel, self.label)
    }
}

/// Checks the account of `entry`; `directory` is where relative paths begin.
pub(super) async fn examine(
    checks: &mut Checks,
    survey: &Survey,
    loader: &Loader,
    directory: &Path,
    plugin: &Plugin,
    entry: &AccountReport,
) -> Served {
    let (account, channel) = (&entry.account, &plugin.manifest.channel_id);
    checks.about(Some(channel), Some(&account.configured_label));
    for readiness in &entry.readiness {
        add_readiness(checks, plugin, readiness);
    }
    let mut served = Served {
        channel: channel.clone(),
        id: account.configured_id.clone(),
        label: account.configured_label.clone(),
        enabled: account.enabled,
        address: None,
        auth_dir: None,
    };
    if !account.enabled {
        return served;
    }
    if let Some(found) = allowlist(channel, account) {
        checks.add(Id::Allowlist, found);
    }
    if let Some(written) = &account.auth_dir {
        let folder = auth_dir::examine(checks, &survey.home, directory, channel, written);
        space::examine_apart(checks, &folder, survey.home.root(), "the account's store");
        served.auth_dir = Some(folder);
    }
    served.address = bridge::located(checks, plugin, account);
    let answers = match &served.address {
        Some(address) => {
            let settings = &account.bridge_settings;
            bridge::examine(checks, loader.door(), plugin, address, settings).await
        }
        None => false,
    };
    if let Some(folder) = &served.auth_dir {
        store_lock::examine(checks, folder, channel, answers);
    }
    reply_loop::examine(checks, &survey.home, channel, account);
    served
}

/// None for a list that the guest finds empty, which it says itself.
fn allowlist(channel: &str, account: &Account) -> Option<Finding> {
    let allowed = &account.allowed_chats;
    if allowed.iter().any(|entry| entry.trim() == "*") {
        return Some(Finding::warn(
            "every chat is let in (`*`): whoever can write to the account can talk to what answers",
            format!(
                "put the chats that you mean in its place; this shows them: loong {channel} chats"
            ),
        ));
    }
    (!allowed.is_empty()).then(|| {
        let entries = if allowed.len() == 1 {
            "entry"
        } else {
            "entries"
        };
        Finding::ok(format!("{} {entries}", allowed.len()))
    })
}

fn add_readiness(checks: &mut Checks, plugin: &Plugin, readiness: &Readiness) {
    let id = match readiness.operation {
        Operation::Send => Id::Send,
        Operation::Serve => Id::Serve,
    };
    match readiness.health {
        Health::Ready => checks.ok(id, "ready"),
        Health::Disabled => checks.warn(
            id,
            "switched off",
            format!(
                "set `enabled = true` in [{}] to use it",
                plugin.manifest.config_key
            ),
        ),
        Health::Misconfigured if readiness.issues.is_empty() => {
            checks.fail(
                id,
                "misconfigured, and the plugin does not say why",
                "report this to the plugin's maintainer",
            );
        }
        Health::Misconfigured => {}
    }
    for issue in &readiness.issues {
        add_issue(checks, id, operation_id(readiness.operation), issue);
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn with(allowed: &[&str]) -> Option<Finding> {
        let account = Account {
            configured_id: "a".into(),
            configured_label: "a".into(),
            runtime_id: "a".into(),
            runtime_label: "a".into(),
            is_default: true,
            default_source: None,
            enabled: true,
            bridge_url: None,
            auth_dir: None,
            allowed_chats: allowed.iter().map(|entry| (*entry).to_owned()).collect(),
            bridge_settings: "{}".into(),
        };
        allowlist("pigeon-post", &account)
    }

    #[test]
    fn a_list_that_lets_everybody_in_is_worth_a_look() {
        let open = with(&["north", " * "]).unwrap();
        assert_eq!(open.status, Status::Warn);
        assert!(open.hint.contains("loong pigeon-post chats"), "{open:?}");
        assert_eq!(with(&["north"]).unwrap().seen, "1 entry");
        assert_eq!(with(&["north", "south"]).unwrap().status, Status::Ok);
        assert_eq!(with(&[]), None);
    }
}
