//! The operator's configuration file: where it is, whether it parses, and `[runtime_plugins]`,
//! the one table the host owns here. A channel's block is handed on untouched: its schema is the
//! channel's.

use std::ffi::OsStr;
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::bounded_file::{ReadError, read_text};
use crate::error::Failure;
use crate::home::Home;

/// A configuration that has been read.
#[derive(Debug, Clone)]
pub struct Config {
    pub path: PathBuf,
    pub runtime_plugins: RuntimePlugins,
    text: String,
    document: toml::Table,
}

/// The tables of the host itself.
pub const TABLES: [&str; 5] = [
    "runtime_plugins",
    "reply",
    "provider",
    "active_provider",
    "providers",
];

/// Bytes of the largest file that is read: far more than anybody writes by hand.
pub const LARGEST: u64 = 1 << 20;

/// The keys of `[runtime_plugins]`; other hosts have more.
pub const RUNTIME_PLUGINS_KEYS: [&str; 2] = ["enabled", "roots"];

/// Where channel plugins come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RuntimePlugins {
    #[serde(default)]
    pub enabled: bool,
    /// Folders to scan, as written: `~` and relative paths are not resolved yet.
    #[serde(default)]
    pub roots: Vec<String>,
}

impl Config {
    /// Reads the file that `--config` names, else `LOONG_CONFIG_PATH`, else the one in `home`.
    ///
    /// # Errors
    /// There is no such file, it cannot be read, or it does not parse; each names the file.
    pub fn find(named: Option<&Path>, home: &Home) -> Result<Self, Failure> {
        Self::read(&Self::locate(named, home))
    }

    /// The file [`Config::find`] would read.
    pub fn locate(named: Option<&Path>, home: &Home) -> PathBuf {
        let variable = std::env::var_os("LOONG_CONFIG_PATH");
        locate(named, variable.as_deref(), home)
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// As [`Config::find`].
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path, LARGEST).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, text)
    }

    /// Takes `text` as the content of `path`.
    ///
    /// # Errors
    /// It is not TOML, or `[runtime_plugins]` is not what it should be.
    pub fn parse(path: &Path, text: String) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Typed {
            #[serde(default)]
            runtime_plugins: RuntimePlugins,
        }
        let document = toml::from_str(&text).map_err(|error| malformed(path, &text, &error))?;
        let typed: Typed = toml::from_str(&text).map_err(|error| malformed(path, &text, &error))?;
        Ok(Self {
            path: path.to_path_buf(),
            runtime_plugins: typed.runtime_plugins,
            text,
            document,
        })
    }

    /// The names of the top-level keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.document.keys().map(String::as_str)
    }

    /// All of it, also what belongs to others.
    pub fn document(&self) -> &toml::Table {
        &self.document
    }

    /// A top-level key, as it stands in the file.
    pub fn section(&self, name: &str) -> Option<&toml::Value> {
        self.document.get(name)
    }

    /// A top-level key in a typed form; none when the file does not have it.
    ///
    /// # Errors
    /// The value does not fit; names file, line and column.
    pub fn typed_section<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        // Read from the text again, because a parsed value no longer knows its line.
        toml::Deserializer::parse(&self.text)
            .and_then(|document| {
                Section {
                    name,
                    kind: PhantomData,
                }
                .deserialize(document)
            })
            .map_err(|error| malformed(&self.path, &self.text, &error))
    }
}

/// Reads one key of a document and passes over the others.
struct Section<'a, T> {
    name: &'a str,
    kind: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Section<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, document: D) -> Result<Self::Value, D::Error> {
        document.deserialize_map(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Section<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.name {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

fn locate(named: Option<&Path>, variable: Option<&OsStr>, home: &Home) -> PathBuf {
    let written = |value: &&OsStr| !value.to_string_lossy().trim().is_empty();
    match (named, variable.filter(written)) {
        (Some(path), _) => home.expand(path),
        (None, Some(path)) => home.expand(path),
        (None, None) => home.default_config(),
    }
}

fn unreadable(path: &Path, error: &ReadError) -> Failure {
    let file = path.display();
    if error.is_missing() {
        return Failure::operator("config_missing", format!("there is no configuration at {file}"))
            .hint("write one (README.md shows the smallest), or name it with --config or LOONG_CONFIG_PATH");
    }
    let hint = match error {
        ReadError::Io(_) => "make it readable for you, or name another with --config",
        ReadError::NotAFile(_) => "name the file itself with --config or LOONG_CONFIG_PATH",
        ReadError::TooLarge { .. } => {
            "that is no configuration: name the right file with --config or LOONG_CONFIG_PATH"
        }
        ReadError::NotText => "save it as UTF-8",
    };
    Failure::operator(
        "config_unreadable",
        format!("cannot read the configuration {file}"),
    )
    .because(error)
    .hint(hint)
}

fn malformed(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let place = error
        .span()
        .and_then(|span| text.get(..span.start))
        .map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!(":{line}:{column}")
        })
        .unwrap_or_default();
    Failure::operator(
        "config_invalid",
        format!("the configuration is wrong at {}{place}", path.display()),
    )
    .because(error.message().trim())
    .hint("correct that line; nothing has been changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Failure> {
        Config::parse(Path::new("/etc/loong.toml"), text.to_owned())
    }

    #[test]
    fn the_file_is_the_named_one_else_the_variables_else_the_one_at_home() {
        let home = Home::at("/home/ana/.loong", "/home/ana");
        let named = Path::new("~/a.toml");
        assert_eq!(
            locate(Some(named), Some("/b.toml".as_ref()), &home),
            Path::new("/home/ana/a.toml")
        );
        assert_eq!(
            locate(None, Some("/b.toml".as_ref()), &home),
            Path::new("/b.toml")
        );
        assert_eq!(
            locate(None, Some(" ".as_ref()), &home),
            Path::new("/home/ana/.loong/config.toml")
        );
    }

    #[test]
    fn tables_of_others_are_left_alone_and_handed_on_as_they_are() {
        let config = parse(
            "[runtime_plugins]\nenabled = true\nroots = ['./p']\nsupported = []\n[pigeon]\nx = 1",
        )
        .unwrap();
        assert_eq!(config.runtime_plugins.roots, ["./p"]);
        assert_eq!(config.section("pigeon").unwrap()["x"].as_integer(), Some(1));
        assert!(config.section("other").is_none());
    }

    #[test]
    fn what_does_not_parse_is_named_with_file_line_and_column() {
        for (text, place) in [
            ("a = 1\nb = = 2", "/etc/loong.toml:2:5"),
            ("[runtime_plugins]\nroots = 'x'", "/etc/loong.toml:2:9"),
            ("[runtime_plugins]\nenabled = 'yes'", "/etc/loong.toml:2:11"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.message.ends_with(place), "{text}: {failure}");
            assert!(failure.cause.is_some());
        }
    }

    #[test]
    fn a_typed_table_that_does_not_fit_is_named_with_its_line() {
        #[derive(Debug, Deserialize)]
        struct Reply {
            engine: String,
        }
        let config = parse("[other]\nx = 1\n[reply]\nengine = 5").unwrap();
        let failure = config.typed_section::<Reply>("reply").unwrap_err();
        assert!(failure.message.ends_with(":4:10"), "{failure}");
        assert!(config.typed_section::<Reply>("absent").unwrap().is_none());
        let good = parse("[reply]\nengine = 'echo'").unwrap();
        assert_eq!(
            good.typed_section::<Reply>("reply")
                .unwrap()
                .unwrap()
                .engine,
            "echo"
        );
    }

    #[test]
    fn a_missing_file_is_named_together_with_the_ways_to_name_another() {
        let failure = Config::read(Path::new("/nonexistent/loong.toml")).unwrap_err();
        assert_eq!(failure.code, "config_missing");
        assert!(failure.message.contains("/nonexistent/loong.toml"));
        assert!(failure.hint.unwrap().contains("--config"));
    }
}
