//! The channel's component as a judge of configurations that nobody has written yet, and as the one
//! who knows what its keys are called. Writes nothing.

use serde_json::{Map, Value, json};

use crate::commands::opened::document;
use crate::component::bindings::{AccountReport, Health, Report, Severity};
use crate::component::channel::Channel;
use crate::discovery::roots::Plugin;
use crate::error::Failure;

/// Never a real value: whichever field of an account shows it is the key's.
const PROBE: &str = "http://127.0.0.1:9/loong-setup";
/// Opens a list of chats to everybody.
pub(super) const EVERYBODY: &str = "*";

/// A channel that is being set up.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    pub(super) plugin: &'a Plugin,
    channel: Channel,
    /// What the plugin says of its keys; empty when it says nothing.
    schema: Value,
}

/// What the channel calls the things that every channel may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    /// Where the bridge answers.
    pub(super) address: Option<String>,
    /// The folder of the login.
    pub(super) folder: Option<String>,
    /// The chats that may write.
    pub(super) chats: Option<String>,
}

impl<'a> Guest<'a> {
    pub(super) fn new(plugin: &'a Plugin, channel: Channel) -> Result<Self, Failure> {
        let schema = plugin.config_schema();
        let schema = schema.map_err(|error| plugin.schema_failure(&error))?;
        Ok(Self {
            plugin,
            channel,
            schema: schema.unwrap_or_default(),
        })
    }

    /// What the component says of `block`, and of `account` in it.
    pub(super) async fn report(
        &self,
        block: &Value,
        account: Option<&str>,
    ) -> Result<Report, Failure> {
        let asked = document(block, account, None);
        Ok(self.channel.validate_config(asked).await?)
    }

    /// Finds out by asking: of the keys that the component requires, the ones that an account shows
    /// as its address, its folder and its chats.
    pub(super) async fn keys(&self) -> Result<Keys, Failure> {
        let report = self.report(&json!({}), None).await?;
        let prefix = format!("{}.", self.plugin.manifest.config_key);
        let operations = report.operations.iter();
        let mut candidates: Vec<&str> = operations
            .flat_map(|operation| &operation.requirements)
            .flat_map(|requirement| &requirement.config_paths)
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|key| !key.contains('.'))
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let before = report
            .accounts
            .first()
            .map(|entry| &entry.account.allowed_chats);
        let mut keys = Keys::default();
        for key in candidates {
            let of = async |value: Value| -> Result<Option<AccountReport>, Failure> {
                let block = Value::Object(Map::from_iter([(key.to_owned(), value)]));
                let report = self.report(&block, None).await?;
                Ok(report.accounts.into_iter().next())
            };
            if let Some(entry) = of(json!(PROBE)).await? {
                let shows = |field: &Option<String>| field.as_deref() == Some(PROBE);
                if shows(&entry.account.bridge_url) {
                    keys.address = Some(key.to_owned());
                } else if shows(&entry.account.auth_dir) {
                    keys.folder = Some(key.to_owned());
                }
            }
            if let Some(entry) = of(json!([PROBE])).await?
                && entry.account.allowed_chats == [PROBE]
                && before != Some(&entry.account.allowed_chats)
            {
                keys.chats = Some(key.to_owned());
            }
        }
        Ok(keys)
    }

    /// What a key is for, in the plugin's words.
    pub(super) fn describes(&self, key: &str) -> String {
        let property = self.schema.pointer(&format!("/properties/{key}"));
        let said = property.and_then(|property| {
            property.get("description").or_else(|| {
                let pointer = property.get("$ref")?.as_str()?.strip_prefix('#')?;
                self.schema.pointer(pointer)?.get("description")
            })
        });
        said.and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// The account that the report chose.
pub(super) fn chosen(report: &Report) -> Option<&AccountReport> {
    let id = report.selected.as_ref().ok()?;
    let mut accounts = report.accounts.iter();
    accounts.find(|entry| entry.account.configured_id == *id)
}

/// What is wrong with the chosen account, in the component's words; none when it can work.
pub(super) fn complaint(report: &Report) -> Option<Failure> {
    let entry = chosen(report);
    let readiness = entry.iter().flat_map(|entry| &entry.readiness);
    let issues = readiness.clone().flat_map(|readiness| &readiness.issues);
    let wrong = report
        .issues
        .iter()
        .chain(issues)
        .find(|issue| issue.severity == Severity::Error);
    if let Some(issue) = wrong {
        return Some(Failure::usage(&issue.code, &issue.message).hint(&issue.hint));
    }
    if let Err(error) = &report.selected {
        return Some(Failure::usage(&error.code, &error.message).hint(&error.hint));
    }
    readiness
        .into_iter()
        .any(|readiness| readiness.health != Health::Ready)
        .then(|| {
            Failure::usage(
                "setup_not_ready",
                "the channel would not be ready, and does not say why",
            )
            .hint("write its table by hand, as its own documentation says")
        })
}
