//! Which plugin a channel's name means. The rules, in order: the name must be known; the plugin
//! the configuration names must be there; without one, there must be exactly one.

use super::roots::{Discovery, Plugin};
use crate::error::Failure;
use crate::plain_text::quoted_value;

/// Why no plugin could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("no plugin serves a channel called `{}`", quoted_value(name))]
    UnknownChannel {
        name: String,
        /// Channels that are there.
        known: Vec<String>,
        /// A plugin for it that had to be skipped, and why.
        skipped: Option<String>,
    },
    #[error("`{}` is an alias of several channels: {}", quoted_value(name), channels.join(", "))]
    AmbiguousAlias { name: String, channels: Vec<String> },
    #[error("several manifests have the plugin id `{plugin_id}`: {}", paths.join(", "))]
    DuplicatePluginId {
        plugin_id: String,
        paths: Vec<String>,
    },
    #[error(
        "{key}.managed_bridge_plugin_id is `{}`, and no plugin of that id serves {channel}",
        quoted_value(configured)
    )]
    ConfiguredPluginAbsent {
        channel: String,
        key: String,
        configured: String,
        candidates: Vec<String>,
    },
    #[error("several plugins serve {channel}: {}", candidates.join(", "))]
    SeveralCandidates {
        channel: String,
        key: String,
        candidates: Vec<String>,
    },
}

impl SelectionError {
    /// Stable, `snake_case`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownChannel { .. } => "unknown_channel",
            Self::AmbiguousAlias { .. } => "ambiguous_alias",
            Self::DuplicatePluginId { .. } => "duplicate_plugin_id",
            Self::ConfiguredPluginAbsent { .. } => "managed_bridge_plugin_absent",
            Self::SeveralCandidates { .. } => "several_plugins",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownChannel {
                skipped: Some(why), ..
            } => format!("a plugin for it was skipped: {why}"),
            Self::UnknownChannel { known, .. } if known.is_empty() => {
                "no channel was found at all; `loong doctor` says what it looked through".to_owned()
            }
            Self::UnknownChannel { known, .. } => format!("known channels: {}", known.join(", ")),
            Self::AmbiguousAlias { channels, .. } => {
                format!("write the channel's id: {}", channels.join(" or "))
            }
            Self::DuplicatePluginId { .. } => {
                "remove one of them, or narrow runtime_plugins.roots".to_owned()
            }
            Self::ConfiguredPluginAbsent { candidates, .. } => {
                format!("what is there: {}", candidates.join(", "))
            }
            Self::SeveralCandidates {
                key, candidates, ..
            } => {
                let first = candidates.first().map_or("", String::as_str);
                format!(
                    "choose one in the configuration, for example [{key}] managed_bridge_plugin_id = \"{first}\""
                )
            }
        }
    }
}

impl From<SelectionError> for Failure {
    fn from(error: SelectionError) -> Self {
        let make = match &error {
            SelectionError::UnknownChannel { skipped: None, .. }
            | SelectionError::AmbiguousAlias { .. } => Failure::usage,
            SelectionError::UnknownChannel {
                skipped: Some(_), ..
            }
            | SelectionError::DuplicatePluginId { .. }
            | SelectionError::ConfiguredPluginAbsent { .. }
            | SelectionError::SeveralCandidates { .. } => Failure::operator,
        };
        make(error.code(), error.to_string()).hint(error.hint())
    }
}

impl Discovery {
    /// Ids of the channels that are there, each once, in the order of lists.
    pub fn channels(&self) -> Vec<&str> {
        let mut plugins: Vec<&Plugin> = self.found.iter().collect();
        plugins
            .sort_by_key(|plugin| (plugin.manifest.selection_order, &plugin.manifest.channel_id));
        let mut ids: Vec<&str> = Vec::new();
        for plugin in plugins {
            if !ids.contains(&plugin.manifest.channel_id.as_str()) {
                ids.push(&plugin.manifest.channel_id);
            }
        }
        ids
    }

    /// The id of the channel that `name` means: an id goes before an alias.
    ///
    /// # Errors
    /// Nobody is called that, or several are.
    pub fn channel_id(&self, name: &str) -> Result<&str, SelectionError> {
        let mut ids: Vec<&str> = Vec::new();
        for plugin in &self.found {
            let id = plugin.manifest.channel_id.as_str();
            if id == name {
                return Ok(id);
            }
            if plugin.manifest.is_called(name) && !ids.contains(&id) {
                ids.push(id);
            }
        }
        match ids.as_slice() {
            [] => Err(self.unknown(name)),
            [id] => Ok(id),
            several => Err(SelectionError::AmbiguousAlias {
                name: name.to_owned(),
                channels: several.iter().map(|id| (*id).to_owned()).collect(),
            }),
        }
    }

    /// The plugin for `name`. `configured` is asked with the channel's config key for the
    /// `managed_bridge_plugin_id` the operator wrote.
    ///
    /// # Errors
    /// Each way to have no plugin, or more than one.
    pub fn select(
        &self,
        name: &str,
        configured: impl Fn(&str) -> Option<String>,
    ) -> Result<&Plugin, SelectionError> {
        let channel = self.channel_id(name)?;
        let candidates: Vec<&Plugin> = self
            .found
            .iter()
            .filter(|plugin| plugin.manifest.channel_id == channel)
            .collect();
        let Some(first) = candidates.first() else {
            return Err(self.unknown(name));
        };
        let key = first.manifest.config_key.clone();
        let ids = || {
            candidates
                .iter()
                .map(|plugin| plugin.manifest.plugin_id.clone())
                .collect::<Vec<_>>()
        };
        let plugin = match configured(&key) {
            Some(configured) => {
                match candidates
                    .iter()
                    .find(|plugin| plugin.manifest.plugin_id == configured)
                {
                    Some(plugin) => plugin,
                    None => {
                        return Err(SelectionError::ConfiguredPluginAbsent {
                            channel: channel.to_owned(),
                            key,
                            configured,
                            candidates: ids(),
                        });
                    }
                }
            }
            None => {
                let mut different = ids();
                different.sort();
                different.dedup();
                if different.len() > 1 {
                    return Err(SelectionError::SeveralCandidates {
                        channel: channel.to_owned(),
                        key,
                        candidates: different,
                    });
                }
                first
            }
        };
        self.only_one_of(plugin)?;
        Ok(plugin)
    }

    /// Plugin ids that more than one manifest has, with those manifests.
    pub fn duplicates(&self) -> Vec<SelectionError> {
        let mut errors: Vec<SelectionError> = Vec::new();
        for error in self
            .found
            .iter()
            .filter_map(|plugin| self.only_one_of(plugin).err())
        {
            if !errors.contains(&error) {
                errors.push(error);
            }
        }
        errors
    }

    fn only_one_of(&self, plugin: &Plugin) -> Result<(), SelectionError> {
        let plugin_id = &plugin.manifest.plugin_id;
        let paths: Vec<String> = self
            .found
            .iter()
            .filter(|other| other.manifest.plugin_id == *plugin_id)
            .map(|other| other.manifest_path.display().to_string())
            .collect();
        if paths.len() > 1 {
            return Err(SelectionError::DuplicatePluginId {
                plugin_id: plugin_id.clone(),
                paths,
            });
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> SelectionError {
        let skipped = self.skipped.iter().find(|skipped| {
            skipped
                .manifest
                .as_ref()
                .is_some_and(|manifest| manifest.is_called(name))
        });
        SelectionError::UnknownChannel {
            name: name.to_owned(),
            known: self.channels().into_iter().map(str::to_owned).collect(),
            skipped: skipped
                .map(|skipped| format!("{}; {}", skipped.words(), skipped.reason.hint())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::manifest::tests::good;
    use super::super::manifest::{Manifest, ManifestError};
    use super::super::roots::Skipped;
    use super::*;

    fn manifest(plugin_id: &str, channel_id: &str) -> Manifest {
        let mut manifest = good();
        manifest["plugin_id"] = plugin_id.into();
        manifest["channel_id"] = channel_id.into();
        Manifest::parse(&manifest.to_string()).unwrap()
    }

    fn discovery(plugins: &[(&str, &str)]) -> Discovery {
        let found = plugins
            .iter()
            .enumerate()
            .map(|(number, (plugin_id, channel_id))| {
                let directory = PathBuf::from(format!("/p/{number}"));
                Plugin {
                    manifest: manifest(plugin_id, channel_id),
                    manifest_path: directory.join("loong.plugin.json"),
                    component: directory.join("x.wasm"),
                    directory,
                }
            });
        Discovery {
            roots: vec![],
            found: found.collect(),
            skipped: vec![],
        }
    }

    fn select(
        discovery: &Discovery,
        name: &str,
        configured: Option<&str>,
    ) -> Result<String, &'static str> {
        discovery
            .select(name, |_key| configured.map(str::to_owned))
            .map(|plugin| plugin.manifest.plugin_id.clone())
            .map_err(|error| error.code())
    }

    #[test]
    fn one_plugin_is_taken_by_id_and_by_alias() {
        let one = discovery(&[("loft", "pigeon-post")]);
        assert_eq!(select(&one, "pigeon-post", None), Ok("loft".into()));
        assert_eq!(select(&one, "pigeon", None), Ok("loft".into()));
        assert_eq!(select(&one, "pigeon", Some("loft")), Ok("loft".into()));
    }

    #[test]
    fn every_other_case_is_its_own_error() {
        let one = discovery(&[("loft", "pigeon-post")]);
        let two = discovery(&[("loft", "pigeon-post"), ("tower", "pigeon-post")]);
        let twins = discovery(&[("loft", "pigeon-post"), ("loft", "pigeon-post")]);
        let cousins = discovery(&[("loft", "pigeon-post"), ("nest", "dove-post")]);
        assert_eq!(select(&one, "smoke", None), Err("unknown_channel"));
        assert_eq!(
            select(&one, "pigeon", Some("tower")),
            Err("managed_bridge_plugin_absent")
        );
        assert_eq!(select(&two, "pigeon", None), Err("several_plugins"));
        assert_eq!(select(&two, "pigeon", Some("tower")), Ok("tower".into()));
        assert_eq!(select(&twins, "pigeon", None), Err("duplicate_plugin_id"));
        assert_eq!(
            select(&twins, "pigeon", Some("loft")),
            Err("duplicate_plugin_id")
        );
        assert_eq!(select(&cousins, "pigeon", None), Err("ambiguous_alias"));
        assert_eq!(select(&cousins, "dove-post", None), Ok("nest".into()));
        assert_eq!(twins.duplicates().len(), 1);
    }

    #[test]
    fn a_channel_whose_plugin_was_skipped_says_why() {
        let mut none = discovery(&[]);
        none.skipped.push(Skipped {
            manifest_path: "/p/loong.plugin.json".into(),
            reason: ManifestError::ComponentMissing {
                path: "/p/x.wasm".into(),
            },
            manifest: Some(manifest("loft", "pigeon-post")),
        });
        let hint = none.select("pigeon", |_key| None).unwrap_err().hint();
        assert!(
            hint.contains("/p/x.wasm") && hint.contains("cargo xtask build"),
            "{hint}"
        );
    }
}
