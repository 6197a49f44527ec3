//! Each discovered channel: which plugin serves it, whether its component fits, what the guest
//! says of the configuration, and every account it reports.

use super::check::Checks;
use super::{bridge, store};
use crate::catalog::operation_id;
use crate::commands::opened::{Loader, Survey, document, unloadable};
use crate::component::bindings::{AccountReport, Health, Issue, Readiness, Severity};
use crate::discovery::manifest::Manifest;
use crate::discovery::roots::Plugin;
use crate::error::Failure;

/// Checks every channel that was found.
pub(super) async fn examine(checks: &mut Checks, survey: &Survey, loader: &Loader) {
    for id in survey.discovery.channels() {
        checks.about(Some(id), None);
        match survey.plugin(id, None) {
            Ok(plugin) => channel(checks, survey, loader, plugin).await,
            Err(failure) => checks.fail(
                "plugin",
                failure.to_string(),
                failure.hint.unwrap_or_default(),
            ),
        }
    }
    checks.about(None, None);
}

async fn channel(checks: &mut Checks, survey: &Survey, loader: &Loader, plugin: &Plugin) {
    let manifest = &plugin.manifest;
    checks.ok(
        "plugin",
        format!("{} {}", manifest.plugin_id, manifest.version),
    );
    let channel = match loader.load(plugin).await {
        Ok(channel) => channel,
        Err(error) => {
            let failure = unloadable(plugin, &error);
            return checks.fail(
                "component",
                failure.to_string(),
                failure.hint.unwrap_or_default(),
            );
        }
    };
    let pinned = if manifest.component_sha256.is_some() {
        "digest verified"
    } else {
        "unpinned"
    };
    checks.ok(
        "component",
        format!("{}, {pinned}", plugin.component.display()),
    );
    let report = match channel
        .validate_config(document(&survey.block(plugin), None, None))
        .await
    {
        Ok(report) => report,
        Err(error) => {
            let failure = Failure::from(error);
            return checks.fail(
                "channel_config",
                failure.to_string(),
                failure.hint.unwrap_or_default(),
            );
        }
    };
    if !survey.is_configured(plugin) {
        let key = &manifest.config_key;
        return checks.warn(
            "channel_config",
            format!("the configuration has no [{key}] table"),
            format!(
                "write one to use {}; the channel stays unused until then",
                manifest.label
            ),
        );
    }
    if report.issues.is_empty() {
        checks.ok(
            "channel_config",
            format!(
                "[{}] with {}",
                manifest.config_key,
                accounts(report.accounts.len())
            ),
        );
    }
    for issue in &report.issues {
        add_issue(checks, "channel_config", "", issue);
    }
    for entry in &report.accounts {
        checks.about(
            Some(&manifest.channel_id),
            Some(&entry.account.configured_label),
        );
        account(checks, survey, loader, manifest, entry).await;
    }
}

async fn account(
    checks: &mut Checks,
    survey: &Survey,
    loader: &Loader,
    manifest: &Manifest,
    entry: &AccountReport,
) {
    for readiness in &entry.readiness {
        add_readiness(checks, manifest, readiness);
    }
    if !entry.account.enabled {
        return;
    }
    if let Some(auth_dir) = &entry.account.auth_dir {
        store::examine(checks, &survey.home, manifest, auth_dir);
    }
    if let Some(url) = &entry.account.bridge_url {
        let settings = &entry.account.bridge_settings;
        bridge::examine(checks, loader.door(), manifest, url, settings).await;
    }
}

fn add_readiness(checks: &mut Checks, manifest: &Manifest, readiness: &Readiness) {
    let id = operation_id(readiness.operation);
    match readiness.health {
        Health::Ready => checks.ok(id, "ready"),
        Health::Disabled => checks.warn(
            id,
            "switched off",
            format!(
                "set `enabled = true` in [{}] to use it",
                manifest.config_key
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
        add_issue(checks, id, id, issue);
    }
}

fn add_issue(checks: &mut Checks, id: &'static str, operation: &str, issue: &Issue) {
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

fn accounts(count: usize) -> String {
    if count == 1 {
        "1 account".to_owned()
    } else {
        format!("{count} accounts")
    }
}
