//! What a listing says about a channel: its catalog entry and its accounts' snapshots, with the
//! ids and field names other hosts use. All of it comes from the manifest or from the guest.

use serde::Serialize;

use crate::component::bindings::{
    Account, AccountReport, Health, Issue, Operation, Report, Severity,
};
use crate::discovery::manifest::Manifest;
use crate::serve::runtime_state::ServeRuntime;

/// Metadata keys a plugin is advised to set.
const RECOMMENDED_METADATA: [&str; 8] = [
    "bridge_kind",
    "adapter_family",
    "entrypoint",
    "transport_family",
    "target_contract",
    "account_scope",
    "channel_runtime_contract",
    "channel_runtime_operations_json",
];

/// A channel as such, configured or not.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub id: String,
    pub label: String,
    pub selection_order: u32,
    pub selection_label: String,
    pub implementation_status: &'static str,
    pub capabilities: Vec<&'static str>,
    pub aliases: Vec<String>,
    pub transport: String,
    pub config_key: String,
    pub plugin_id: String,
    pub plugin_version: String,
    pub default_target_kind: Option<String>,
    pub onboarding: Onboarding,
    pub plugin_bridge_contract: BridgeContract,
    pub supported_target_kinds: Vec<String>,
    pub operations: Vec<CatalogOperation>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Onboarding {
    pub strategy: &'static str,
    pub status_command: &'static str,
    pub repair_command: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct BridgeContract {
    pub manifest_channel_id: String,
    pub required_setup_surface: &'static str,
    pub runtime_owner: &'static str,
    pub supported_operations: Vec<&'static str>,
    pub recommended_metadata_keys: [&'static str; 8],
    pub stable_targets: Vec<StableTarget>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StableTarget {
    pub template: String,
    pub target_kind: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct CatalogOperation {
    pub id: &'static str,
    pub label: String,
    pub command: String,
    pub availability: &'static str,
    pub tracks_runtime: bool,
    pub requirements: Vec<Requirement>,
    pub supported_target_kinds: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Requirement {
    pub id: String,
    pub label: String,
    pub config_paths: Vec<String>,
    pub env_pointer_paths: Vec<String>,
    pub default_env_var: Option<String>,
}

/// One configured account of a channel.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    pub id: String,
    pub configured_account_id: String,
    pub configured_account_label: String,
    pub is_default_account: bool,
    pub default_account_source: Option<String>,
    pub label: String,
    pub aliases: Vec<String>,
    pub transport: String,
    pub compiled: bool,
    pub enabled: bool,
    pub api_base_url: Option<String>,
    pub notes: Vec<String>,
    pub operations: Vec<SnapshotOperation>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SnapshotOperation {
    pub id: &'static str,
    pub label: String,
    pub command: String,
    pub health: &'static str,
    pub issues: Vec<SnapshotIssue>,
    /// The reply loop's state; none for what has no loop.
    pub runtime: Option<ServeRuntime>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SnapshotIssue {
    pub severity: &'static str,
    pub code: String,
    pub config_path: String,
    pub message: String,
    pub hint: String,
}

/// The catalog entry of `manifest`'s channel; `report` is the guest's, of any configuration.
pub fn entry(manifest: &Manifest, report: &Report) -> Entry {
    let supported: Vec<&'static str> = report
        .operations
        .iter()
        .map(|entry| operation_id(entry.operation))
        .collect();
    let mut capabilities = vec!["plugin_backed"];
    capabilities.extend(manifest.multi_account.then_some("multi_account"));
    capabilities.extend(&supported);
    capabilities.extend(supported.contains(&"serve").then_some("runtime_tracking"));
    Entry {
        id: manifest.channel_id.clone(),
        label: manifest.label.clone(),
        selection_order: manifest.selection_order,
        selection_label: manifest.selection_label.clone(),
        implementation_status: "plugin_backed",
        capabilities,
        aliases: manifest.aliases.clone(),
        transport: manifest.transport.clone(),
        config_key: manifest.config_key.clone(),
        plugin_id: manifest.plugin_id.clone(),
        plugin_version: manifest.version.clone(),
        default_target_kind: manifest.default_target_kind.clone(),
        onboarding: Onboarding {
            strategy: "plugin_bridge",
            status_command: "loong doctor",
            repair_command: bridge_command(&manifest.channel_id),
        },
        plugin_bridge_contract: BridgeContract {
            manifest_channel_id: manifest.channel_id.clone(),
            required_setup_surface: "channel",
            runtime_owner: "external_plugin",
            supported_operations: supported,
            recommended_metadata_keys: RECOMMENDED_METADATA,
            stable_targets: report
                .targets
                .iter()
                .map(|target| StableTarget {
                    template: target.template.clone(),
                    target_kind: target.target_kind.clone(),
                })
                .collect(),
        },
        supported_target_kinds: manifest.target_kinds.clone(),
        operations: catalog_operations(manifest, report),
    }
}

/// One account as a listing shows it; `runtime` is the state of its reply loop.
pub fn snapshot(
    manifest: &Manifest,
    report: &Report,
    entry: &AccountReport,
    runtime: &ServeRuntime,
) -> Snapshot {
    let account = &entry.account;
    Snapshot {
        id: manifest.channel_id.clone(),
        configured_account_id: account.configured_id.clone(),
        configured_account_label: account.configured_label.clone(),
        is_default_account: account.is_default,
        default_account_source: account.default_source.clone(),
        label: manifest.label.clone(),
        aliases: manifest.aliases.clone(),
        transport: manifest.transport.clone(),
        compiled: true,
        enabled: account.enabled,
        api_base_url: account.bridge_url.clone(),
        notes: entry.notes.clone(),
        operations: entry
            .readiness
            .iter()
            .map(|readiness| SnapshotOperation {
                id: operation_id(readiness.operation),
                label: operation_label(report, readiness.operation),
                command: command(manifest, readiness.operation),
                health: health_id(readiness.health),
                issues: readiness.issues.iter().map(issue).collect(),
                runtime: match readiness.operation {
                    Operation::Send => None,
                    Operation::Serve => Some(runtime.clone()),
                },
            })
            .collect(),
    }
}

/// An issue as a listing shows it.
pub fn issue(issue: &Issue) -> SnapshotIssue {
    SnapshotIssue {
        severity: match issue.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        code: issue.code.clone(),
        config_path: issue.config_path.clone(),
        message: issue.message.clone(),
        hint: issue.hint.clone(),
    }
}

/// An operation's stable id, which is its word on the command line too.
pub fn operation_id(operation: Operation) -> &'static str {
    match operation {
        Operation::Send => "send",
        Operation::Serve => "serve",
    }
}

/// Whether an operation can start, as a stable word.
pub fn health_id(health: Health) -> &'static str {
    match health {
        Health::Ready => "ready",
        Health::Disabled => "disabled",
        Health::Misconfigured => "misconfigured",
    }
}

/// How a channel's bridge is started.
pub fn bridge_command(channel_id: &str) -> String {
    format!("loong {channel_id} bridge run")
}

/// A command of a channel for one of its accounts, as it is typed; the default one goes without saying.
pub fn account_command(channel_id: &str, account: &Account, words: &str) -> String {
    let command = format!("loong {channel_id} {words}");
    if account.is_default {
        command
    } else {
        format!("{command} --account {}", account.configured_id)
    }
}

fn catalog_operations(manifest: &Manifest, report: &Report) -> Vec<CatalogOperation> {
    report
        .operations
        .iter()
        .map(|description| CatalogOperation {
            id: operation_id(description.operation),
            label: description.label.clone(),
            command: command(manifest, description.operation),
            availability: "managed_bridge",
            tracks_runtime: description.operation == Operation::Serve,
            requirements: description
                .requirements
                .iter()
                .map(|requirement| Requirement {
                    id: requirement.id.clone(),
                    label: requirement.label.clone(),
                    config_paths: requirement.config_paths.clone(),
                    env_pointer_paths: requirement.env_pointer_paths.clone(),
                    default_env_var: requirement.default_env_var.clone(),
                })
                .collect(),
            supported_target_kinds: manifest.target_kinds.clone(),
        })
        .collect()
}

fn operation_label(report: &Report, operation: Operation) -> String {
    report
        .operations
        .iter()
        .find(|description| description.operation == operation)
        .map_or_else(
            || operation_id(operation).to_owned(),
            |description| description.label.clone(),
        )
}

fn command(manifest: &Manifest, operation: Operation) -> String {
    format!(
        "channels {} {}",
        operation_id(operation),
        manifest.channel_id
    )
}
