//! `loong.plugin.json`: strict about what this host needs, tolerant of metadata it does not know,
//! because other hosts read the same file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

pub use super::manifest_error::ManifestError;
use super::texts::{Texts, is_name, is_words};
use crate::bounded_file;
use crate::plain_text::quoted_value;

/// The file's name, and the one version of it that is understood.
pub const FILE_NAME: &str = "loong.plugin.json";
pub const API_VERSION: &str = "v1alpha1";
/// The contract that a component must be built for.
pub const WIT: &str = "loong:channel@0.1.0";
/// A channel whose manifest has none of these is for a host of another kind.
const COMPONENT_KEYS: [&str; 2] = ["loong_component_wit", "loong_component_file"];
/// Bytes of the largest manifest: far more than any needs.
const LARGEST: u64 = 256 * 1024;

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

impl Manifest {
    /// Reads the manifest at `path`: a plain file, and no link to one.
    ///
    /// # Errors
    /// As [`Manifest::parse`], or there is nothing that could be read.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        if path.is_symlink() {
            return Err(ManifestError::Linked);
        }
        Self::parse(&bounded_file::read_text(path, LARGEST)?)
    }

    /// Reads the text of a manifest. Touches no file: whether the component exists is not asked.
    ///
    /// # Errors
    /// The first thing that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.starts_with('\u{feff}') {
            return Err(ManifestError::ByteOrderMark);
        }
        let wire: Wire = serde_json::from_str(text)
            .map_err(|error| ManifestError::not_json(&error.to_string()))?;
        if wire.api_version != API_VERSION {
            return Err(ManifestError::ApiVersion {
                found: quoted_value(&wire.api_version),
            });
        }
        let surface = wire
            .setup
            .get("surface")
            .and_then(serde_json::Value::as_str);
        if surface != Some("channel") {
            return Err(ManifestError::Surface {
                found: quoted_value(surface.unwrap_or_default()),
            });
        }
        let channel_id = name("channel_id", required("channel_id", wire.channel_id)?)?;
        let metadata = Metadata(wire.metadata.0);
        if COMPONENT_KEYS
            .iter()
            .all(|key| metadata.text(key).is_none())
        {
            return Err(ManifestError::NoComponent);
        }
        let contract = metadata.required("metadata.loong_component_wit", "loong_component_wit")?;
        if contract != WIT {
            let found = quoted_value(&contract);
            return Err(ManifestError::ComponentContract { found });
        }
        let aliases = metadata.list("channel_aliases_json")?.into_iter();
        Ok(Self {
            plugin_id: name("plugin_id", required("plugin_id", wire.plugin_id)?)?,
            version: words("version", required("version", wire.version)?)?,
            label: match metadata.text("channel_label") {
                Some(label) => words("channel_label", label)?,
                None => channel_id.clone(),
            },
            aliases: aliases
                .map(|alias| name("channel_aliases_json", alias))
                .collect::<Result<_, _>>()?,
            config_key: match metadata.text("channel_config_key") {
                Some(key) => name("channel_config_key", key)?,
                None => channel_id.replace('-', "_"),
            },
            config_schema: metadata
                .text("channel_config_schema_file")
                .map(|path| inside(path).map_err(|path| ManifestError::SchemaOutside { path }))
                .transpose()?,
            endpoint: Some(words("endpoint", wire.endpoint)?).filter(|url| !url.trim().is_empty()),
            transport: metadata.words("transport_family")?.unwrap_or_default(),
            multi_account: metadata.text("account_scope").as_deref() == Some("multi_account"),
            selection_label: metadata
                .words("channel_selection_label")?
                .unwrap_or_default(),
            selection_order: metadata
                .number("channel_selection_order")?
                .unwrap_or(u32::MAX),
            target_kinds: metadata
                .list("channel_target_kinds_json")?
                .into_iter()
                .map(|kind| words("channel_target_kinds_json", kind))
                .collect::<Result<_, _>>()?,
            default_target_kind: metadata.words("channel_default_target_kind")?,
            variable_names: metadata.list("channel_environment_json")?,
            component: inside(
                metadata.required("metadata.loong_component_file", "loong_component_file")?,
            )
            .map_err(|path| ManifestError::ComponentOutside { path })?,
            component_sha256: metadata.digest("loong_component_sha256")?,
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
    metadata: Texts,
    #[serde(default)]
    setup: serde_json::Value,
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

    fn words(&self, key: &'static str) -> Result<Option<String>, ManifestError> {
        self.text(key).map(|text| words(key, text)).transpose()
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

    fn digest(&self, key: &'static str) -> Result<Option<String>, ManifestError> {
        match self.text(key) {
            Some(text) if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                let expected = "a SHA-256 in hex";
                Err(ManifestError::Metadata { key, expected })
            }
            digest => Ok(digest),
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

fn name(field: &'static str, value: String) -> Result<String, ManifestError> {
    if is_name(&value) {
        Ok(value)
    } else {
        let value = quoted_value(&value);
        Err(ManifestError::Name { field, value })
    }
}

fn words(field: &'static str, value: String) -> Result<String, ManifestError> {
    if is_words(&value) {
        Ok(value)
    } else {
        let value = quoted_value(&value);
        Err(ManifestError::Words { field, value })
    }
}

/// The path, or the words of one that leads out of the folder.
fn inside(path: String) -> Result<PathBuf, String> {
    let plain = Path::new(&path)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if plain && is_words(&path) {
        Ok(PathBuf::from(path))
    } else {
        Err(quoted_value(&path))
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
        let table: [(&str, Value, &str); 13] = [
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
            ("/setup", Null, "its setup.surface is ``"),
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

    #[test]
    fn a_neighbour_of_another_kind_stands_in_nobodys_way() {
        let search = json!({
            "api_version": "v1alpha1", "plugin_id": "search", "version": "1",
            "setup": {"mode": "metadata_only", "surface": "web_search", "required_env_vars": []},
        });
        let bare = json!({"api_version": "v1alpha1", "plugin_id": "tool", "version": "1"});
        let channel = json!({
            "api_version": "v1alpha1", "plugin_id": "chat", "version": "1", "channel_id": "chat",
            "setup": {"mode": "managed_bridge", "surface": "channel"},
            "metadata": {"transport_family": "http"},
        });
        for manifest in [search, bare, channel] {
            let error = Manifest::parse(&manifest.to_string()).unwrap_err();
            assert!(!error.concerns_a_channel(), "{error}");
        }
    }

    #[test]
    fn texts_that_cannot_be_names_or_be_shown_are_refused_without_acting() {
        let active = "x\u{1b}[2J\nhint: run this";
        for (pointer, value) in [
            ("/plugin_id", json!("../../x")),
            ("/plugin_id", json!("x".repeat(65))),
            ("/channel_id", json!("a b")),
            ("/version", json!(active)),
            ("/api_version", json!(active)),
            ("/setup/surface", json!(active.repeat(10_000))),
            ("/metadata/loong_component_wit", json!(active)),
            ("/metadata/loong_component_file", json!(active)),
            ("/metadata/channel_config_schema_file", json!(active)),
            ("/metadata/channel_aliases_json", json!("[\"-rf\"]")),
        ] {
            let error = changed(pointer, value).unwrap_err();
            let words = error.to_string();
            assert!(crate::plain_text::is_plain(&words), "{pointer}: {words:?}");
            assert!(words.chars().count() < 300, "{pointer}: {words}");
        }
        for key in [
            "channel_label",
            "channel_config_key",
            "channel_selection_label",
            "transport_family",
            "channel_default_target_kind",
            "loong_component_sha256",
        ] {
            let mut manifest = good();
            manifest["metadata"][key] = json!(active);
            let error = Manifest::parse(&manifest.to_string()).unwrap_err();
            assert!(error.to_string().contains(key), "{key}: {error}");
            assert!(crate::plain_text::is_plain(&error.to_string()), "{key}");
        }
    }

    #[test]
    fn a_key_that_stands_there_twice_is_refused_so_that_all_read_the_same() {
        let text = good().to_string();
        let twice = text.replace(
            "\"metadata\":{",
            "\"metadata\":{\"loong_component_file\":\"other.wasm\",",
        );
        let error = Manifest::parse(&twice).unwrap_err().to_string();
        assert!(
            error.contains("`loong_component_file` stands there twice"),
            "{error}"
        );
        let twice = text.replace("\"version\":", "\"version\":\"9\",\"version\":");
        let error = Manifest::parse(&twice).unwrap_err().to_string();
        assert!(error.contains("duplicate field `version`"), "{error}");
    }

    #[test]
    fn json_that_is_nested_without_end_ends() {
        for deep in ["[".repeat(200_000), "{\"a\":".repeat(200_000)] {
            assert!(matches!(
                Manifest::parse(&deep),
                Err(ManifestError::NotJson(_))
            ));
            let inside = good()
                .to_string()
                .replace("{\"surface\":\"channel\"}", &deep);
            assert!(matches!(
                Manifest::parse(&inside),
                Err(ManifestError::NotJson(_))
            ));
        }
        let unknown = format!("{{\"x\":{0}1{1},", "[".repeat(100), "]".repeat(100));
        let text = good().to_string().replacen('{', &unknown, 1);
        assert!(
            Manifest::parse(&text).is_ok(),
            "what is unknown is passed over"
        );
    }

    #[test]
    fn a_file_that_is_no_manifest_is_told_and_never_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(FILE_NAME);
        let why = || {
            let error = Manifest::read(&file).unwrap_err();
            assert!(!error.hint().is_empty());
            // What a link leads to was never ours to load.
            assert!(error.concerns_a_channel() != (error == ManifestError::Linked));
            std::fs::remove_file(&file).unwrap();
            error.to_string()
        };
        std::fs::File::create(&file)
            .unwrap()
            .set_len(1 << 30)
            .unwrap();
        assert_eq!(why(), "it has more than 262144 bytes");
        std::fs::write(&file, [0, 159, 146, 150]).unwrap();
        assert_eq!(why(), "it is not UTF-8 text");
        std::fs::write(&file, format!("\u{feff}{}", good())).unwrap();
        assert_eq!(why(), "it begins with a byte order mark");
        std::fs::write(&file, "\0asm\u{1}").unwrap();
        assert!(why().starts_with("it is not the JSON of a manifest"));
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        assert_eq!(why(), "it is a pipe, not a file");
        let _listening = std::os::unix::net::UnixListener::bind(&file).unwrap();
        assert_eq!(why(), "it is a socket, not a file");
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert!(why().contains("symbolic link"));
    }
}
