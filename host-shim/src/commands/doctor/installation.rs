//! The files every command needs: the configuration, the roots, the manifests in them.

use super::check::Checks;
use crate::cli::Global;
use crate::commands::opened::{Survey, working_directory};
use crate::config::Config;
use crate::discovery::roots::{Discovery, DiscoveryError, discover};
use crate::error::Failure;
use crate::home::Home;

/// Checks them in order; none when a later check would have nothing to go on.
pub(super) fn examine(checks: &mut Checks, global: &Global, home: &Home) -> Option<Survey> {
    let config = match Config::find(global.config.as_deref(), home) {
        Ok(config) => config,
        Err(failure) => return failed(checks, "config", failure),
    };
    checks.ok("config", config.path.display().to_string());
    let directory = match working_directory() {
        Ok(directory) => directory,
        Err(failure) => return failed(checks, "roots", failure),
    };
    let discovery = match discover(&config.runtime_plugins, &directory, home) {
        Ok(discovery) => discovery,
        Err(DiscoveryError::Disabled) => {
            return failed(checks, "runtime_plugins", DiscoveryError::Disabled.into());
        }
        Err(error) => {
            checks.ok("runtime_plugins", "enabled");
            return failed(checks, "roots", error.into());
        }
    };
    checks.ok("runtime_plugins", "enabled");
    let roots: Vec<String> = discovery
        .roots
        .iter()
        .map(|root| root.display().to_string())
        .collect();
    checks.ok("roots", roots.join(", "));
    manifests(checks, &discovery);
    let survey = Survey {
        home: home.clone(),
        config,
        discovery,
    };
    for slip in survey.slips() {
        checks.warn("config_keys", slip.message, slip.hint);
    }
    Some(survey)
}

fn manifests(checks: &mut Checks, discovery: &Discovery) {
    for skipped in &discovery.skipped {
        let seen = format!("{}: {}", skipped.manifest_path.display(), skipped.reason);
        // A channel plugin that cannot be used stands in somebody's way; a stranger does not.
        if skipped.reason.concerns_a_channel() {
            checks.fail("manifest", seen, skipped.reason.hint());
        } else {
            checks.warn("manifest", seen, skipped.reason.hint());
        }
    }
    for duplicate in discovery.duplicates() {
        checks.fail("manifest", duplicate.to_string(), duplicate.hint());
    }
    for plugin in &discovery.found {
        checks.ok(
            "manifest",
            format!(
                "{} {} at {}",
                plugin.manifest.plugin_id,
                plugin.manifest.version,
                plugin.manifest_path.display()
            ),
        );
    }
    if discovery.found.is_empty() && discovery.skipped.is_empty() {
        checks.fail(
            "manifest",
            "no loong.plugin.json lies below the roots",
            "let runtime_plugins.roots name the folder that holds your plugins",
        );
    }
}

fn failed<T>(checks: &mut Checks, id: &'static str, failure: Failure) -> Option<T> {
    checks.fail(id, failure.to_string(), failure.hint.unwrap_or_default());
    None
}
