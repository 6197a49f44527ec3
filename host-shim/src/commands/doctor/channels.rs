//! Each discovered channel: which plugin serves it, what that needs, what the guest says of the
//! configuration, and every account it reports.

use std::path::Path;

use super::account::{self, Served};
use super::check::{Checks, Id};
use super::{component, env_pointer, package, shared};
use crate::commands::opened::{Loader, Survey, document};
use crate::component::bindings::{Issue, Severity};
use crate::discovery::roots::Plugin;
use crate::error::Failure;

/// Checks every channel that was found, and answers all of their accounts.
pub(super) async fn examine(
    checks: &mut Checks,
    survey: &Survey,
    loader: &Loader,
    directory: &Path,
) -> Vec<Served> {
    let mut accounts = Vec::new();
    for id in survey.discovery.channels() {
        checks.about(Some(id), None);
        match survey.plugin(id, None) {
            Ok(plugin) => {
                accounts.extend(channel(checks, survey, loader, directory, plugin).await);
            }
            Err(failure) => checks.add(Id::Plugin, failure),
        }
    }
    shared::examine(checks, &accounts);
    checks.about(None, None);
    accounts
}

async fn channel(
    checks: &mut Checks,
    survey: &Survey,
    loader: &Loader,
    directory: &Path,
    plugin: &Plugin,
) -> Vec<Served> {
    let manifest = &plugin.manifest;
    checks.ok(
        Id::Plugin,
        format!("{} {}", manifest.plugin_id, manifest.version),
    );
    let Some(channel) = component::examine(checks, loader, plugin).await else {
        return Vec::new();
    };
    package::examine(checks, plugin, std::env::var_os("PATH").as_deref()).await;
    let block = survey.block(plugin);
    let report = match channel.validate_config(document(&block, None, None)).await {
        Ok(report) => report,
        Err(error) => {
            checks.add(Id::ChannelConfig, Failure::from(error));
            return Vec::new();
        }
    };
    let key = &manifest.config_key;
    if !survey.is_configured(plugin) {
        checks.warn(
            Id::ChannelConfig,
            format!("the configuration has no [{key}] table"),
            format!(
                "to use {}: loong {} setup\nor write the table by hand; the channel stays unused until then",
                manifest.label, manifest.channel_id
            ),
        );
        return Vec::new();
    }
    if report.issues.is_empty() {
        let accounts = counted(report.accounts.len());
        checks.ok(Id::ChannelConfig, format!("[{key}] with {accounts}"));
    }
    for issue in &report.issues {
        add_issue(checks, Id::ChannelConfig, "", issue);
    }
    env_pointer::examine(checks, key, &block, &|name| std::env::var(name).ok());
    let mut accounts = Vec::new();
    for entry in &report.accounts {
        accounts.push(account::examine(checks, survey, loader, directory, plugin, entry).await);
    }
    accounts
}

/// What the guest says is wrong; `operation` needs it right.
pub(super) fn add_issue(checks: &mut Checks, id: Id, operation: &str, issue: &Issue) {
    let seen = format!("{} ({})", issue.message, issue.config_path);
    let hint = match (issue.hint.is_empty(), operation.is_empty()) {
        (false, _) => issue.hint.clone(),
        (true, true) => format!("correct {}", issue.config_path),
        (true, false) => format!("correct {}, which {operation} needs", issue.config_path),
    };
    match issue.severity {
        Severity::Warning => checks.warn(id, seen, hint),
        Severity::Error => checks.fail(id, seen, hint),
    }
}

fn counted(accounts: usize) -> String {
    if accounts == 1 {
        "1 account".to_owned()
    } else {
        format!("{accounts} accounts")
    }
}
