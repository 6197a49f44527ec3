//! `loong config schema`: one JSON Schema of the whole configuration file, for editors and checks.

mod document;

use super::at_hand;
use crate::cli::{ConfigSchemaArgs, Global};
use crate::error::Failure;
use crate::output::Output;

/// Runs the command.
///
/// # Errors
/// A plugin's schema cannot be used: half a schema would call right what is wrong.
pub fn run(global: &Global, args: &ConfigSchemaArgs, output: &Output) -> Result<(), Failure> {
    let found = at_hand::channels(global);
    for trouble in &found.troubles {
        output.warn(&trouble.to_string());
    }
    let mut channels = Vec::new();
    for plugin in &found.plugins {
        let schema = plugin
            .config_schema()
            .map_err(|error| plugin.schema_failure(&error))?
            .unwrap_or_else(|| document::open_table(&plugin.manifest.label));
        channels.push((plugin.manifest.config_key.clone(), schema));
    }
    if channels.is_empty() {
        output.say("no channel was found, so the schema has the host's own tables only");
        output.hint(
            "run this where ./runtime-plugins is, or let runtime_plugins.roots name the folder",
        );
    }
    let mut document = document::document(channels)?;
    if args.strict {
        document::close(&mut document);
    }
    output.json(&document)
}
