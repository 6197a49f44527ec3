//! `loong.plugin.json`: strict about what this host needs, tolerant of metadata it does not know,
//! because other hosts read the same file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

/// The file's name, and the one version of it that is understood.
pub const FILE_NAME: &str = "loong.plugin.json";
pub const API_VERSION: &str = "v1alpha1";

/// A manifest that can be used, as far as the file alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub plugin_id: String,
    pub version: String,
    pub channel_id: String,
    pub label: String,
    /// Other names of the channel.
    pub aliases: Vec<String>,
    /// The channel's table in the configuration.
    pub config_key: String,
    /// The schema of that table: a path relative to the manifest's folder and inside it.
    pub config_schema: Option<PathBuf>,
    /// Where the channel's bridge is unless the operator says otherwise.
    pub endpoint: Option<String>,
    pub transport: String,
    pub multi_account: bool,
    /// What the channel is about, for lists; and where it stands in them.
    pub selection_label: String,
    pub selection_order: u32,
    pub target_kinds: Vec<String>,
    pub default_target_kind: Option<String>,
    /// Environment variables the component may look up without the configuration naming them.
    pub variable_names: Vec<String>,
    /// Path of the component, relative to the manifest's folder and inside it.
    pub component: PathBuf,
    /// Digest the component must have; none in a source tree.
    pub component_sha256: Option<String>,
    /// All metadata, also what is unknown here.
    pub metadata: BTreeMap<String, String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is not the JSON of a manifest: {0}")]
    NotJson(String),
    #[error("its api_version is `{found}`; this host reads {API_VERSION}")]
    ApiVersion { found: String },
    #[error("its setup.surface is `{found}`; this host loads `channel` plugins only")]
    Surface { found: String },
    #[error("`{field}` is missing or blank")]
    Missing { field: &'static str },
    #[error("metadata `{key}` is not {expected}")]
    Metadata {
        key: &'static str,
        expected: &'static str,
    },
    #[error("its component `{path}` is not inside the plugin's folder")]
    ComponentOutside { path: String },
    #[error("its configuration schema `{path}` is not inside the plugin's folder")]
    SchemaOutside { path: String },
    #[error("its component is built for `{found}`; this host speaks {expected}", expected = WIT)]
    ComponentContract { found: String },
    #[error("its component {path} does not exist")]
    ComponentMissing { path: String },
}

const WIT: &str = "loong:channel@0.1.0";

impl ManifestError {
    /// Whether a channel is lost by it, and not a plugin of some other kind or age.
    pub fn concerns_a_channel(&self) -> bool {
        match self {
            Self::Surface { .. } => false,
            Self::Unreadable(_)
            | Self::NotJson(_)
            | Self::ApiVersion { .. }
            | Self::Missing { .. }
            | Self::Metadata { .. }
            | Self::ComponentOutside { .. }
            | Self::SchemaOutside { .. }
            | Self::ComponentContract { .. }
            | Self::ComponentMissing { .. } => true,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "make the file readable for you",
            Self::NotJson(_) | Self::Missing { .. } | Self::Metadata { .. } => {
                "correct the manifest"
            }
            Self::ApiVersion { .. } | Self::ComponentContract { .. } => {
                "install a plugin and a host of the same release"
            }
            Self::Surface { .. } => "nothing to do, unless it was meant to be a channel",
            Self::ComponentOutside { .. } | Self::SchemaOutside { .. } => {
                "do not use this plugin: it points out of its own folder"
            }
            Self::ComponentMissing { .. } => {
                "build it with `cargo xtask build`, or install the plugin again"
            }
        }
    }
}

impl Manifest {
    /// Reads the text of a manifest. Touches no file: whether the component exists is not asked.
    ///
    /// # Errors
    /// The first thing that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let wire: Wire = serde_json::from_str(text)
            .map_err(|error| ManifestError::NotJson(error.to_string()))?;
        if wire.api_version != API_VERSION {
            return Err(ManifestError::ApiVersion {
                found: wire.api_version,
            });
        }
        let setup: Setup = serde_json::from_value(wire.setup)
            .map_err(|error| ManifestError::NotJson(format!("setup: {error}")))?;
        if setup.surface != "channel" {
            return Err(ManifestError::Surface {
                found: setup.surface,
            });
        }
        let channel_id = required("channel_id", wire.channel_id)?;
        let metadata = Metadata(wire.metadata);
        let contract = metadata.required("metadata.loong_component_wit", "loong_component_wit")?;
        if contract != WIT {
            return Err(ManifestError::ComponentContract { found: contract });
        }
        Ok(Self {
            plugin_id: required("plugin_id", wire.plugin_id)?,
            version: required("version", wire.version)?,
            label: metadata
                .text("channel_label")
                .unwrap_or_else(|| channel_id.clone()),
            aliases: metadata.list("channel_aliases_json")?,
            config_key: metadata
                .text("channel_config_key")
                .unwrap_or_else(|| channel_id.replace('-', "_")),
            config_schema: metadata
                .text("channel_config_schema_file")
                .map(|path| inside(path).map_err(|path| ManifestError::SchemaOutside { path }))
                .transpose()?,
            endpoint: Some(wire.endpoint).filter(|url| !url.trim().is_empty()),
            transport: metadata.text("transport_family").unwrap_or_default(),
            multi_account: metadata.text("account_scope").as_deref() == Some("multi_account"),
            selection_label: metadata.text("channel_selection_label").unwrap_or_default(),
            selection_order: metadata
                .number("channel_selection_order")?
                .unwrap_or(u32::MAX),
            target_kinds: metadata.list("channel_target_kinds_json")?,
            default_target_kind: metadata.text("channel_default_target_kind"),
            variable_names: metadata.list("channel_environment_json")?,
            component: inside(
                metadata.required("metadata.loong_component_file", "loong_component_file")?,
            )
            .map_err(|path| ManifestError::ComponentOutside { path })?,
            component_sha256: metadata.text("loong_component_sha256"),
            metadata: metadata.0,
            channel_id,
        })
    }

    /// Whether `name` is the channel's id or one of its aliases.
    pub fn is_called(&self, name: &str) -> bool {
        self.channel_id == name || self.aliases.iter().any(|alias| alias == name)
    }
}

#[derive(Deserialize)]
struct Wire {
    api_version: String,
    #[serde(default)]
    plugin_id: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    channel_id: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    setup: serde_json::Value,
}

/// Read apart from the rest, so that an older or newer manifest is told by its version first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    surface: String,
}

struct Metadata(BTreeMap<String, String>);

impl Metadata {
    fn text(&self, key: &str) -> Option<String> {
        self.0
            .get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    fn required(&self, field: &'static str, key: &str) -> Result<String, ManifestError> {
        self.text(key).ok_or(ManifestError::Missing { field })
    }

    fn list(&self, key: &'static str) -> Result<Vec<String>, ManifestError> {
        match self.text(key) {
            None => Ok(Vec::new()),
            Some(text) => serde_json::from_str(&text).map_err(|_ignored| ManifestError::Metadata {
                key,
                expected: "a JSON array of strings in a string",
            }),
        }
    }

    fn number(&self, key: &'static str) -> Result<Option<u32>, ManifestError> {
        self.text(key)
            .map(|text| {
                text.parse().map_err(|_ignored| ManifestError::Metadata {
                    key,
                    expected: "a whole number in a string",
                })
            })
            .transpose()
    }
}

fn required(field: &'static str, value: String) -> Result<String, ManifestError> {
    if value.trim().is_empty() {
        Err(ManifestError::Missing { field })
    } else {
        Ok(value)
    }
}

/// The path, or the words of one that leads out of the folder.
fn inside(path: String) -> Result<PathBuf, String> {
    let plain = Path::new(&path)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if plain {
        Ok(PathBuf::from(path))
    } else {
        Err(path)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn good() -> Value {
        json!({
            "api_version": "v1alpha1",
            "plugin_id": "pigeon-loft",
            "version": "1.2.3",
            "channel_id": "pigeon-post",
            "metadata": {
                "loong_component_file": "pigeon-post.wasm",
                "loong_component_wit": "loong:channel@0.1.0",
                "channel_aliases_json": "[\"pigeon\"]",
                "channel_config_schema_file": "pigeon.schema.json",
                "something_else": "kept"
            },
            "setup": {"surface": "channel"}
        })
    }

    fn changed(pointer: &str, value: Value) -> Result<Manifest, ManifestError> {
        let mut manifest = good();
        *manifest.pointer_mut(pointer).unwrap() = value;
        Manifest::parse(&manifest.to_string())
    }

    #[test]
    fn a_manifest_tells_its_channel_and_keeps_what_it_does_not_know() {
        let manifest = Manifest::parse(&good().to_string()).unwrap();
        assert!(
            manifest.is_called("pigeon-post")
                && manifest.is_called("pigeon")
                && !manifest.is_called("dove")
        );
        assert_eq!(manifest.config_key, "pigeon_post");
        assert_eq!(manifest.label, "pigeon-post");
        assert_eq!(manifest.metadata["something_else"], "kept");
    }

    #[test]
    fn what_is_needed_and_wrong_is_named() {
        use serde_json::Value::Null;
        let table: [(&str, Value, &str); 14] = [
            (
                "/api_version",
                json!("v2"),
                "its api_version is `v2`; this host reads v1alpha1",
            ),
            (
                "/api_version",
                Null,
                "it is not the JSON of a manifest: invalid type: null",
            ),
            ("/plugin_id", json!(" "), "`plugin_id` is missing or blank"),
            ("/version", json!(""), "`version` is missing or blank"),
            ("/channel_id", json!(""), "`channel_id` is missing or blank"),
            (
                "/setup/surface",
                json!("tool"),
                "its setup.surface is `tool`; this host loads `channel` plugins only",
            ),
            (
                "/setup",
                json!({"surface": "channel", "run": "x"}),
                "setup: unknown field `run`",
            ),
            ("/setup", Null, "it is not the JSON of a manifest: setup:"),
            (
                "/metadata/something_else",
                json!(5),
                "it is not the JSON of a manifest: invalid type: integer",
            ),
            (
                "/metadata/loong_component_file",
                json!(""),
                "`metadata.loong_component_file` is missing or blank",
            ),
            (
                "/metadata/loong_component_file",
                json!("../x.wasm"),
                "its component `../x.wasm` is not inside",
            ),
            (
                "/metadata/channel_config_schema_file",
                json!("../x.json"),
                "its configuration schema `../x.json` is not inside",
            ),
            (
                "/metadata/loong_component_wit",
                json!("loong:channel@9.0.0"),
                "built for `loong:channel@9.0.0`",
            ),
            (
                "/metadata/channel_aliases_json",
                json!("pigeon"),
                "metadata `channel_aliases_json` is not a JSON array",
            ),
        ];
        for (pointer, value, expected) in table {
            let error = changed(pointer, value).unwrap_err();
            assert!(error.to_string().contains(expected), "{pointer}: {error}");
            assert!(!error.hint().is_empty());
        }
        assert!(matches!(
            changed("/metadata/loong_component_file", json!("/abs.wasm")),
            Err(ManifestError::ComponentOutside { .. })
        ));
        assert!(matches!(
            Manifest::parse("{"),
            Err(ManifestError::NotJson(_))
        ));
    }
}
