//! Where the channel's plugin is: below the roots that are configured, else below one that was named,
//! or is nearby, or that somebody tells. Chooses; what is written is said by the caller.

use std::path::{Path, PathBuf};

use super::question::{Asker, Question, refused};
use crate::commands::opened::{configured_plugin, working_directory};
use crate::config::{Config, RuntimePlugins};
use crate::discovery::nearby::nearby_roots;
use crate::discovery::roots::{Plugin, discover};
use crate::error::Failure;
use crate::home::Home;

/// A plugin, and the root to be added to the configuration so that it is found.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) plugin: Plugin,
    pub(super) root: Option<String>,
}

/// Looks for the plugin of `channel` (an id or an alias).
///
/// # Errors
/// It is nowhere, or not to be chosen: the rules of [`crate::discovery::selection`].
pub(super) async fn find(
    channel: &str,
    named: Option<&Path>,
    config: &Config,
    home: &Home,
    asker: &Asker<'_>,
) -> Result<Place, Failure> {
    let directory = working_directory()?;
    let search = Search {
        channel,
        config,
        home,
        directory: &directory,
    };
    if let Some(named) = named {
        return search.with(&home.expand(named));
    }
    let mut trouble = None;
    if config
        .runtime_plugins
        .roots
        .iter()
        .any(|root| !root.trim().is_empty())
    {
        match search.plugin(None) {
            Ok(plugin) => return Ok(Place { plugin, root: None }),
            // Not there is no reason to stop looking; there and unusable is.
            Err(failure) if failure.code == "unknown_channel" => trouble = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    let program = std::env::current_exe().ok();
    for root in nearby_roots(&directory, program.as_deref()) {
        match search.with(&root) {
            Ok(place) => return Ok(place),
            Err(failure) => trouble = trouble.or(Some(failure)),
        }
    }
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    let question = Question {
        words: "In which folder are the channel plugins",
        default: None,
        flag: "--root <folder>",
    };
    let check = async |typed: &str| {
        if typed.is_empty() {
            return Err(refused("a folder is needed, such as ./runtime-plugins"));
        }
        search.with(&home.expand(typed))
    };
    asker.answer(question, None, check).await
}

struct Search<'a> {
    channel: &'a str,
    config: &'a Config,
    home: &'a Home,
    directory: &'a Path,
}

impl Search<'_> {
    /// The plugin below `root` or the configured ones.
    fn with(&self, root: &Path) -> Result<Place, Failure> {
        // Written as it is from everywhere: a relative root counts from the working directory.
        let root: PathBuf = self.directory.join(root).canonicalize().map_err(|error| {
            Failure::usage("root_missing", format!("{} is no folder", root.display()))
                .because(error)
                .hint("name the folder that holds the folders of the plugins")
        })?;
        let written = root.to_str().ok_or_else(|| {
            refused(format!(
                "{} is no path that a configuration can hold",
                root.display()
            ))
        })?;
        Ok(Place {
            plugin: self.plugin(Some(written))?,
            root: Some(written.to_owned()),
        })
    }

    fn plugin(&self, more: Option<&str>) -> Result<Plugin, Failure> {
        let written = self.config.runtime_plugins.roots.iter().cloned();
        let plugins = RuntimePlugins {
            enabled: true,
            roots: written.chain(more.map(str::to_owned)).collect(),
        };
        let discovery = discover(&plugins, self.directory, self.home)?;
        let configured = |key: &str| configured_plugin(self.config.section(key)?, None);
        Ok(discovery.select(self.channel, configured)?.clone())
    }
}
