//! `loong channels resolve`: which channel, and which plugin, an id or alias means.

use serde::Serialize;

use super::opened::Survey;
use crate::cli::{Global, ResolveArgs};
use crate::error::Failure;
use crate::output::Output;

#[derive(Debug, Serialize)]
struct Resolution<'a> {
    input: &'a str,
    id: &'a str,
    label: &'a str,
    matched_by: &'static str,
    config_key: &'a str,
    aliases: &'a [String],
    plugin_id: &'a str,
    plugin_version: &'a str,
    manifest: String,
}

/// Runs the command.
///
/// # Errors
/// Nobody is called that, or no single plugin serves it.
pub fn run(global: &Global, args: &ResolveArgs, output: &Output) -> Result<(), Failure> {
    let survey = Survey::take(global)?;
    let plugin = survey.plugin(&args.channel, None)?;
    let manifest = &plugin.manifest;
    let resolution = Resolution {
        input: &args.channel,
        id: &manifest.channel_id,
        label: &manifest.label,
        matched_by: if manifest.channel_id == args.channel {
            "id"
        } else {
            "alias"
        },
        config_key: &manifest.config_key,
        aliases: &manifest.aliases,
        plugin_id: &manifest.plugin_id,
        plugin_version: &manifest.version,
        manifest: plugin.manifest_path.display().to_string(),
    };
    if args.json {
        return output.json(&resolution);
    }
    output.data(resolution.id);
    output.say(&format!(
        "{} (by {}), served by plugin {} {}",
        resolution.label, resolution.matched_by, resolution.plugin_id, resolution.plugin_version
    ));
    Ok(())
}
