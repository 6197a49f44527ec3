//! The channels that can be found by a command that works without a configuration: those below its
//! roots when there is one, else those below the roots nearby. Loads no component.

use super::opened::{configured_plugin, working_directory};
use crate::cli::Global;
use crate::config::{Config, RuntimePlugins};
use crate::discovery::nearby::nearby_roots;
use crate::discovery::roots::{Discovery, Plugin, discover};
use crate::error::Failure;
use crate::home::Home;

/// What was found, and what stood in the way of finding more.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    /// One plugin for each channel, in the order of lists.
    pub(super) plugins: Vec<Plugin>,
    /// Why the configuration could not be used, or a channel has no plugin.
    pub(super) troubles: Vec<Failure>,
}

/// Looks for channels.
pub(super) fn channels(global: &Global) -> AtHand {
    let mut found = AtHand::default();
    if let Err(failure) = look(global, &mut found) {
        found.troubles.push(failure);
    }
    found
}

fn look(global: &Global, found: &mut AtHand) -> Result<(), Failure> {
    let home = Home::locate()?;
    let directory = working_directory()?;
    let config = match Config::find(global.config.as_deref(), &home) {
        Ok(config) => Some(config),
        // None yet is no trouble, unless it was asked for.
        Err(failure) if failure.code == "config_missing" && global.config.is_none() => None,
        Err(failure) => {
            found.troubles.push(failure);
            None
        }
    };
    let configured = config
        .as_ref()
        .map(|config| discover(&config.runtime_plugins, &directory, &home));
    let discovery = match configured {
        Some(Ok(discovery)) => discovery,
        Some(Err(error)) => {
            found.troubles.push(error.into());
            nearby(&directory, &home)?
        }
        None => nearby(&directory, &home)?,
    };
    let plugin_id = |key: &str| configured_plugin(config.as_ref()?.section(key)?, None);
    for id in discovery.channels() {
        match discovery.select(id, plugin_id) {
            Ok(plugin) => found.plugins.push(plugin.clone()),
            Err(error) => found.troubles.push(error.into()),
        }
    }
    Ok(())
}

fn nearby(directory: &std::path::Path, home: &Home) -> Result<Discovery, Failure> {
    let program = std::env::current_exe().ok();
    let roots = nearby_roots(directory, program.as_deref());
    let Some(root) = roots.first() else {
        return Ok(Discovery::default());
    };
    let plugins = RuntimePlugins {
        enabled: true,
        roots: vec![root.to_string_lossy().into_owned()],
    };
    Ok(discover(&plugins, directory, home)?)
}
