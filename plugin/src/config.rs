//! The channel's block of the configuration, read key by key, so that one bad value costs one
//! clear issue and not the whole block. Keys that are not known here are told and left alone: other
//! hosts read the same file. What the values mean together is said by `account`.

use serde_json::{Map, Value};

use crate::channel::{AUTH_DIR_ENV, BRIDGE_URL_ENV, CONFIG_KEY};
use crate::env_pointer;
use crate::unknown_key;

/// The keys that only the block has.
const OF_THE_BLOCK: [&str; 2] = ["default_account", "accounts"];
/// The host chooses the plugin by it, also for an account alone.
const PLUGIN_ID: &str = "managed_bridge_plugin_id";

/// How bad an issue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Error,
}

/// Something about the configuration that the operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub severity: Severity,
    pub code: String,
    pub config_path: String,
    pub message: String,
    pub hint: String,
}

impl Issue {
    pub fn error(
        code: impl Into<String>,
        config_path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            code: code.into(),
            config_path: config_path.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    #[must_use]
    pub fn warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }
}

/// The field that an issue is about: it decides which operations the issue stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Account,
    Enabled,
    BridgeUrl,
    AuthDir,
    AllowedChats,
    /// That the list has at least one chat, which only a reply loop needs.
    AnyChat,
    /// How the bridge works: a slip would change whom it answers, so both operations wait for it.
    Bridge,
}

/// A value that stands in the block, or in the environment variable that the block names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pair {
    pub inline: Option<String>,
    pub env: Option<String>,
}

/// The keys that the top of the block and each account have in common.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Dotted path of the section.
    pub path: String,
    pub enabled: Option<bool>,
    pub account_id: Option<String>,
    pub bridge_url: Pair,
    pub auth_dir: Pair,
    pub allowed_chats: Option<Vec<String>>,
    pub group_reply: Option<String>,
    pub backlog_max_age: Option<String>,
    pub keep_inbound_text: Option<String>,
    pub keep_outbound_text: Option<String>,
    /// Numbers as they were written: whether they fit is said by `bridge_settings`.
    pub max_messages_per_minute: Option<String>,
    pub max_new_chats_per_day: Option<String>,
    pub bridge_auth: Option<String>,
    pub whatsapp_web_version: Option<String>,
    pub issues: Vec<(Field, Issue)>,
    /// Warnings about keys that nobody reads.
    pub unknown: Vec<Issue>,
}

/// The whole block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    pub top: Section,
    pub default_account: Option<String>,
    /// Each account under its name as written.
    pub accounts: Vec<(String, Section)>,
    /// Issues of the block as a whole.
    pub issues: Vec<Issue>,
}

impl Block {
    /// Reads the block as JSON.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn parse(json: &str) -> Result<Self, Issue> {
        match serde_json::from_str(json) {
            Ok(Value::Object(block)) => Ok(Self::read(&block)),
            Ok(_) | Err(_) => Err(Issue::error(
                "config_invalid",
                CONFIG_KEY,
                format!("`{CONFIG_KEY}` is no table"),
                format!("write it as a table: `[{CONFIG_KEY}]`"),
            )),
        }
    }

    fn read(block: &Map<String, Value>) -> Self {
        let mut issues = Vec::new();
        let mut text = |key: &str| {
            read_text(block, CONFIG_KEY, key).unwrap_or_else(|issue| {
                issues.push(issue);
                None
            })
        };
        let default_account = text("default_account");
        // Here only its type is checked.
        let _plugin = text(PLUGIN_ID);
        let mut accounts = Vec::new();
        match block.get("accounts") {
            None => {}
            Some(Value::Object(entries)) => {
                for (name, entry) in entries {
                    let path = format!("{CONFIG_KEY}.accounts.{name}");
                    accounts.push((name.clone(), Section::read_account(entry, path)));
                }
            }
            Some(_) => issues.push(wrong_type(&format!("{CONFIG_KEY}.accounts"), "a table")),
        }
        Self {
            top: Section::read(block, CONFIG_KEY.to_owned(), &OF_THE_BLOCK),
            default_account,
            accounts,
            issues,
        }
    }

    /// Warnings about keys that nobody reads, of the block and of every account.
    #[must_use]
    pub fn unknown(&self) -> Vec<Issue> {
        let accounts = self.accounts.iter().map(|(_name, section)| section);
        std::iter::once(&self.top)
            .chain(accounts)
            .flat_map(|section| section.unknown.iter().cloned())
            .collect()
    }
}

/// Every key that is read, in the block and in the table of an account.
#[must_use]
pub fn known_keys() -> (Vec<String>, Vec<String>) {
    let empty = Map::new();
    let of = |more: &[&str]| {
        let mut reader = Reader::new(&empty, CONFIG_KEY, more);
        Section::fields(&mut reader);
        reader.known
    };
    (of(&OF_THE_BLOCK), of(&[]))
}

impl Section {
    fn read_account(entry: &Value, path: String) -> Self {
        match entry.as_object() {
            Some(entry) => Self::read(entry, path, &[]),
            None => Self {
                issues: vec![(Field::Account, wrong_type(&path, "a table"))],
                path,
                ..Self::default()
            },
        }
    }

    /// `more`: the keys that are read elsewhere.
    fn read(entry: &Map<String, Value>, path: String, more: &[&str]) -> Self {
        let mut reader = Reader::new(entry, &path, more);
        let section = Self::fields(&mut reader);
        let Reader { issues, known, .. } = reader;
        Self {
            unknown: unknown_key::warnings(&path, entry.keys(), &known),
            issues,
            path,
            ..section
        }
    }

    fn fields(reader: &mut Reader<'_>) -> Self {
        Self {
            enabled: reader.flag("enabled"),
            account_id: reader.text("account_id", Field::Account),
            bridge_url: reader.pair("bridge_url", Field::BridgeUrl, BRIDGE_URL_ENV),
            auth_dir: reader.pair("auth_dir", Field::AuthDir, AUTH_DIR_ENV),
            allowed_chats: reader.texts("allowed_chat_ids"),
            group_reply: reader.text("group_reply", Field::Bridge),
            backlog_max_age: reader.text("backlog_max_age", Field::Bridge),
            keep_inbound_text: reader.text("keep_inbound_text", Field::Bridge),
            keep_outbound_text: reader.text("keep_outbound_text", Field::Bridge),
            max_messages_per_minute: reader.number("max_messages_per_minute", Field::Bridge),
            max_new_chats_per_day: reader.number("max_new_chats_per_day", Field::Bridge),
            bridge_auth: reader.text("bridge_auth", Field::Bridge),
            whatsapp_web_version: reader.text("whatsapp_web_version", Field::Bridge),
            ..Self::default()
        }
    }
}

struct Reader<'a> {
    entry: &'a Map<String, Value>,
    path: &'a str,
    issues: Vec<(Field, Issue)>,
    /// Every key that was asked for.
    known: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(entry: &'a Map<String, Value>, path: &'a str, more: &[&str]) -> Self {
        let elsewhere = more.iter().chain(&[PLUGIN_ID]);
        Self {
            entry,
            path,
            issues: Vec::new(),
            known: elsewhere.map(|key| (*key).to_owned()).collect(),
        }
    }

    fn get(&mut self, key: &str) -> Option<&'a Value> {
        self.known.push(key.to_owned());
        self.entry.get(key)
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        match self.get(key) {
            None => None,
            Some(Value::Bool(flag)) => Some(*flag),
            Some(_) => {
                let issue = wrong_type(&self.at(key), "true or false");
                self.issues.push((Field::Enabled, issue));
                None
            }
        }
    }

    fn text(&mut self, key: &str, field: Field) -> Option<String> {
        self.known.push(key.to_owned());
        read_text(self.entry, self.path, key).unwrap_or_else(|issue| {
            self.issues.push((field, issue));
            None
        })
    }

    fn number(&mut self, key: &str, field: Field) -> Option<String> {
        match self.get(key) {
            None => None,
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => {
                let issue = wrong_type(&self.at(key), "a whole number, without quotation marks");
                self.issues.push((field, issue));
                None
            }
        }
    }

    fn pair(&mut self, key: &str, field: Field, default_env: &str) -> Pair {
        let inline = self.text(key, field);
        let env_key = format!("{key}_env");
        let written = self.text(&env_key, field);
        let env = written.and_then(|written| match env_pointer::name(&written, default_env) {
            Ok(name) => Some(name),
            Err(meant) => {
                let path = self.at(&env_key);
                let issue = Issue::error(
                    "env_pointer_invalid",
                    path.as_str(),
                    format!("`{path}` must hold the name of an environment variable, and what it holds is no such name"),
                    format!("write the name alone, probably `{env_key} = \"{meant}\"`; a value belongs into `{key}`"),
                );
                self.issues.push((field, issue));
                None
            }
        });
        Pair { inline, env }
    }

    fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        let list = match self.get(key) {
            None => return None,
            Some(Value::Array(list)) => list,
            Some(_) => {
                let issue = wrong_type(&self.at(key), "a list of texts, such as [\"*\"]");
                self.issues.push((Field::AllowedChats, issue));
                return Some(Vec::new());
            }
        };
        let mut texts = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            if let Value::String(text) = entry {
                texts.push(text.clone());
            } else {
                let path = format!("{}[{index}]", self.at(key));
                let issue = wrong_type(&path, "a text in quotation marks");
                self.issues.push((Field::AllowedChats, issue));
            }
        }
        Some(texts)
    }

    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}

/// A text; blank counts as unset.
fn read_text(entry: &Map<String, Value>, path: &str, key: &str) -> Result<Option<String>, Issue> {
    match entry.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.trim().is_empty())),
        Some(_) => Err(wrong_type(
            &format!("{path}.{key}"),
            "a text in quotation marks",
        )),
    }
}

fn wrong_type(path: &str, wanted: &str) -> Issue {
    Issue::error(
        "config_type",
        path,
        format!("`{path}` has a value of the wrong type"),
        format!("write {wanted}"),
    )
}
