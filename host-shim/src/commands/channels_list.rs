//! `loong channels [list]`: every channel found, its accounts, and what each is ready for.

use serde::Serialize;
use serde_json::Value;

use super::opened::{Loader, Survey, document, unloadable};
use super::serve_line::serve_line;
use crate::catalog::{self, Entry, Snapshot, SnapshotIssue};
use crate::cli::{Global, ListArgs};
use crate::component::bindings::{Account, Report};
use crate::config_warnings::ConfigWarning;
use crate::discovery::roots::Plugin;
use crate::error::Failure;
use crate::output::Output;
use crate::serve::runtime_state::{self, Moment, ServeRuntime};

/// The listing; the fields other hosts have, and ours after them.
#[derive(Debug, Serialize)]
pub struct Listing {
    pub config: String,
    pub schema: Schema,
    pub summary: Summary,
    pub channels: Vec<Snapshot>,
    /// Channels without an account in the configuration.
    pub catalog_only_channels: Vec<Entry>,
    pub channel_catalog: Vec<Entry>,
    pub channel_surfaces: Vec<Surface>,
    pub channel_access_policies: Vec<Value>,
    /// What was found and could not be used.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
pub struct Schema {
    pub version: u32,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    pub total_channels: usize,
    pub total_accounts: usize,
    pub ready_accounts: usize,
    pub skipped_manifests: usize,
}

/// A channel with its accounts.
#[derive(Debug, Serialize)]
pub struct Surface {
    pub catalog: Entry,
    pub configured_accounts: Vec<Snapshot>,
    pub default_configured_account_id: Option<String>,
    pub issues: Vec<SnapshotIssue>,
}

#[derive(Debug, Serialize)]
pub struct Problem {
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// The configuration or the roots cannot be read. A plugin that fails is listed as a problem.
pub async fn run(global: &Global, args: &ListArgs, output: &Output) -> Result<(), Failure> {
    let survey = Survey::take(global)?;
    let listing = listing(&survey, output).await?;
    if args.json {
        output.json(&listing)
    } else {
        print(&listing, output);
        Ok(())
    }
}

async fn listing(survey: &Survey, output: &Output) -> Result<Listing, Failure> {
    let loader = Loader::new(&survey.home, output)?;
    let mut surfaces = Vec::new();
    let mut problems: Vec<Problem> = survey
        .discovery
        .skipped
        .iter()
        .map(|skipped| Problem {
            code: "manifest_skipped".to_owned(),
            message: format!("skipped {}", skipped.words()),
            hint: Some(skipped.reason.hint().to_owned()),
        })
        .collect();
    problems.extend(survey.slips().into_iter().map(|slip| Problem {
        code: ConfigWarning::CODE.to_owned(),
        message: slip.message,
        hint: Some(slip.hint),
    }));
    for id in survey.discovery.channels() {
        match surface(survey, &loader, id).await {
            Ok(surface) => surfaces.push(surface),
            Err(failure) => problems.push(Problem {
                code: failure.code.clone(),
                message: failure.to_string(),
                hint: failure.hint,
            }),
        }
    }
    let channels: Vec<Snapshot> = surfaces
        .iter()
        .flat_map(|surface| surface.configured_accounts.iter().cloned())
        .collect();
    Ok(Listing {
        config: survey.config.path.display().to_string(),
        schema: Schema { version: 1 },
        summary: Summary {
            total_channels: surfaces.len(),
            total_accounts: channels.len(),
            ready_accounts: channels
                .iter()
                .filter(|channel| {
                    channel
                        .operations
                        .iter()
                        .all(|operation| operation.health == "ready")
                })
                .count(),
            skipped_manifests: survey.discovery.skipped.len(),
        },
        catalog_only_channels: surfaces
            .iter()
            .filter(|surface| surface.configured_accounts.is_empty())
            .map(|surface| surface.catalog.clone())
            .collect(),
        channel_catalog: surfaces
            .iter()
            .map(|surface| surface.catalog.clone())
            .collect(),
        channel_access_policies: Vec::new(),
        channels,
        channel_surfaces: surfaces,
        problems,
    })
}

async fn surface(survey: &Survey, loader: &Loader, id: &str) -> Result<Surface, Failure> {
    let plugin = survey.plugin(id, None)?;
    let channel = loader
        .load(plugin)
        .await
        .map_err(|error| unloadable(plugin, &error))?;
    let report = channel
        .validate_config(document(&survey.block(plugin), None, None))
        .await?;
    let runtime = |account: &Account| {
        let (id, label) = (&account.runtime_id, &account.runtime_label);
        runtime_state::read(
            &survey.home,
            &plugin.manifest.channel_id,
            id,
            label,
            Moment::now(),
        )
    };
    let configured = survey.is_configured(plugin);
    Ok(surface_of(plugin, &report, configured, runtime))
}

fn surface_of(
    plugin: &Plugin,
    report: &Report,
    configured: bool,
    runtime: impl Fn(&Account) -> ServeRuntime,
) -> Surface {
    let manifest = &plugin.manifest;
    let accounts = if configured {
        report.accounts.as_slice()
    } else {
        &[]
    };
    Surface {
        catalog: catalog::entry(manifest, report),
        configured_accounts: accounts
            .iter()
            .map(|entry| catalog::snapshot(manifest, report, entry, &runtime(&entry.account)))
            .collect(),
        default_configured_account_id: accounts
            .iter()
            .find(|entry| entry.account.is_default)
            .map(|entry| entry.account.configured_id.clone()),
        issues: report.issues.iter().map(catalog::issue).collect(),
    }
}

fn print(listing: &Listing, output: &Output) {
    for surface in &listing.channel_surfaces {
        let catalog = &surface.catalog;
        output.data(&format!("{}  {}", catalog.id, catalog.label));
        if !catalog.aliases.is_empty() {
            output.data(&format!("  aliases    {}", catalog.aliases.join(", ")));
        }
        output.data(&format!("  transport  {}", catalog.transport));
        output.data(&format!(
            "  plugin     {} {}",
            catalog.plugin_id, catalog.plugin_version
        ));
        for target in &catalog.plugin_bridge_contract.stable_targets {
            output.data(&format!("  target     {}", target.template));
        }
        if surface.configured_accounts.is_empty() {
            output.data(&format!(
                "  not configured: write a [{}] table",
                catalog.config_key
            ));
        }
        for issue in &surface.issues {
            print_issue("  ", issue, output);
        }
        for account in &surface.configured_accounts {
            print_account(account, output);
        }
    }
    if listing.channel_surfaces.is_empty() {
        output.say("no channel was found");
        output.hint("`loong doctor` says what was looked through");
    }
    for problem in &listing.problems {
        output.warn(&problem.message);
        if let Some(hint) = &problem.hint {
            output.hint(hint);
        }
    }
}

fn print_account(account: &Snapshot, output: &Output) {
    let default = if account.is_default_account {
        " (default)"
    } else {
        ""
    };
    let bridge = account
        .api_base_url
        .as_deref()
        .unwrap_or("no bridge configured");
    output.data(&format!(
        "  account {}{default}  {bridge}",
        account.configured_account_label
    ));
    for operation in &account.operations {
        let runs = match &operation.runtime {
            Some(runtime) => format!("; {}", serve_line(runtime, Moment::now())),
            None => String::new(),
        };
        output.data(&format!(
            "    {:<6} {}{runs}",
            operation.id, operation.health
        ));
        for problem in operation
            .runtime
            .iter()
            .flat_map(|runtime| &runtime.problems)
        {
            output.data(&format!("      warning: {problem}"));
        }
        for issue in &operation.issues {
            print_issue("      ", issue, output);
        }
    }
}

fn print_issue(indent: &str, issue: &SnapshotIssue, output: &Output) {
    output.data(&format!(
        "{indent}{}: {} ({})",
        issue.severity, issue.message, issue.config_path
    ));
    if !issue.hint.is_empty() {
        output.data(&format!("{indent}  {}", issue.hint));
    }
}
