//! What a command works with: the configuration, what was discovered, and a channel opened for
//! calls. Prints nothing, except a warning when compiled code cannot be kept.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::limits::LIMITS;
use crate::bridge::http::HttpDoor;
use crate::bridge::token::Tokens;
use crate::catalog::operation_id;
use crate::cli::Global;
use crate::component::bindings::{
    Account, AccountReport, ConfigDocument, Health, Issue, Operation, Report, Severity,
};
use crate::component::cache_dir;
use crate::component::call_error::refused;
use crate::component::channel::{Channel, Identity};
use crate::component::engine::{LoadError, Sandbox};
use crate::component::state::Variables;
use crate::config::Config;
use crate::config_warnings::{ConfigWarning, slips};
use crate::discovery::roots::{Discovery, Plugin, discover};
use crate::error::{Failure, chain};
use crate::home::Home;
use crate::output::Output;

/// The configuration and the plugins on disk.
#[derive(Debug, Clone)]
pub struct Survey {
    pub home: Home,
    pub config: Config,
    pub discovery: Discovery,
}

impl Survey {
    /// Reads the configuration and looks through the roots.
    ///
    /// # Errors
    /// Either cannot be done; a bad manifest is no error.
    pub fn take(global: &Global) -> Result<Self, Failure> {
        let home = Home::locate()?;
        let config = Config::find(global.config.as_deref(), &home)?;
        let discovery = discover(&config.runtime_plugins, &working_directory()?, &home)?;
        Ok(Self {
            home,
            config,
            discovery,
        })
    }

    /// The plugin that `channel` (an id or an alias) means, for `account` when one is named.
    ///
    /// # Errors
    /// The rules of [`crate::discovery::selection`].
    pub fn plugin(&self, channel: &str, account: Option<&str>) -> Result<&Plugin, Failure> {
        let configured = |key: &str| configured_plugin(self.config.section(key)?, account);
        Ok(self.discovery.select(channel, configured)?)
    }

    /// Slips of the pen in the host's own tables and between them.
    pub fn slips(&self) -> Vec<ConfigWarning> {
        let plugins = self.discovery.found.iter();
        let keys: Vec<&str> = plugins
            .map(|plugin| plugin.manifest.config_key.as_str())
            .collect();
        slips(&self.config, &keys)
    }

    /// Whether the configuration has a block for the plugin's channel.
    pub fn is_configured(&self, plugin: &Plugin) -> bool {
        self.config.section(&plugin.manifest.config_key).is_some()
    }

    /// The channel's block of the configuration as JSON; `{}` when there is none.
    pub fn block(&self, plugin: &Plugin) -> Value {
        self.config
            .section(&plugin.manifest.config_key)
            .map_or_else(|| Value::Object(serde_json::Map::new()), to_json)
    }
}

/// A channel ready for calls, and where it comes from. Cheap to clone but for the survey.
#[derive(Debug, Clone)]
pub struct Opened {
    pub survey: Survey,
    pub plugin: Plugin,
    pub channel: Channel,
    door: Arc<HttpDoor>,
}

impl Opened {
    /// Surveys, selects and loads in one go.
    ///
    /// # Errors
    /// Whatever stands in the way, as a failed command.
    pub async fn open(
        global: &Global,
        channel: &str,
        account: Option<&str>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let survey = Survey::take(global)?;
        let plugin = survey.plugin(channel, account)?.clone();
        let loader = Loader::new(&survey.home, output)?;
        let channel = loader
            .load(&plugin)
            .await
            .map_err(|error| unloadable(&plugin, &error))?;
        Ok(Self {
            door: Arc::clone(&loader.door),
            survey,
            plugin,
            channel,
        })
    }

    /// The door that the channel's calls go through.
    pub fn door(&self) -> &HttpDoor {
        &self.door
    }

    /// The guest's reading of the configuration.
    ///
    /// # Errors
    /// The guest failed; what is wrong with the configuration is in the report.
    pub async fn report(
        &self,
        account: Option<&str>,
        target: Option<&str>,
    ) -> Result<Report, Failure> {
        let document = document(&self.survey.block(&self.plugin), account, target);
        Ok(self.channel.validate_config(document).await?)
    }
}

/// Says once what was written and has no effect, for a command that goes on all the same.
pub fn tell_warnings(survey: &Survey, report: &Report, output: &Output) {
    let slips = survey.slips();
    let ours = slips.iter().map(|slip| (&slip.message, &slip.hint));
    let theirs = report
        .issues
        .iter()
        .filter(|issue| issue.severity == Severity::Warning)
        .map(|issue| (&issue.message, &issue.hint));
    for (message, hint) in ours.chain(theirs) {
        output.warn(message);
        if !hint.is_empty() {
            output.hint(hint);
        }
    }
}

/// Loads components through one engine, one cache and one door.
#[derive(Debug)]
pub struct Loader {
    sandbox: Sandbox,
    door: Arc<HttpDoor>,
}

impl Loader {
    /// # Errors
    /// A fault of ours. A cache that cannot be trusted is a warning: things work without it.
    pub fn new(home: &Home, output: &Output) -> Result<Self, Failure> {
        let folder = home.cache_path();
        let cache = cache_dir::trusted(&folder)
            .inspect_err(|reason| {
                output.warn(&format!(
                    "compiled code is not kept, so every start compiles: {reason}"
                ));
                output.hint(&reason.hint(&folder));
            })
            .ok();
        Self::with(home, cache.as_deref())
    }

    /// One that compiles every time, and writes nothing.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn without_cache(home: &Home) -> Result<Self, Failure> {
        Self::with(home, None)
    }

    fn with(home: &Home, cache: Option<&Path>) -> Result<Self, Failure> {
        let sandbox = Sandbox::new(cache, LIMITS)
            .map_err(|error| Failure::fault("engine", error.to_string()))?;
        Ok(Self {
            sandbox,
            door: Arc::new(HttpDoor::new(Tokens::of(home))?),
        })
    }

    /// # Errors
    /// The component cannot be read or does not fit this host.
    pub async fn load(&self, plugin: &Plugin) -> Result<Channel, LoadError> {
        let identity = Identity {
            plugin_id: plugin.manifest.plugin_id.clone(),
            version: plugin.manifest.version.clone(),
            variable_names: plugin.manifest.variable_names.clone(),
            component_sha256: plugin.manifest.component_sha256.clone(),
        };
        let door = Arc::clone(&self.door);
        Channel::load(
            &self.sandbox,
            &plugin.component,
            identity,
            door,
            Variables::of_the_process(),
        )
        .await
    }

    pub fn door(&self) -> &HttpDoor {
        &self.door
    }
}

/// What a guest is asked about its configuration.
pub fn document(block: &Value, account: Option<&str>, target: Option<&str>) -> ConfigDocument {
    ConfigDocument {
        json: block.to_string(),
        account: account.map(str::to_owned),
        target: target.map(str::to_owned),
    }
}

/// The account the guest chose for what the operator asked.
///
/// # Errors
/// The guest's reason for choosing none.
pub fn selected(report: &Report) -> Result<&AccountReport, Failure> {
    let id = report.selected.as_ref().map_err(refused)?;
    report
        .accounts
        .iter()
        .find(|entry| entry.account.configured_id == *id)
        .ok_or_else(|| {
            Failure::fault(
                "plugin_broke_contract",
                format!("the plugin chose account `{id}`, which it does not report"),
            )
            .hint("report this to the plugin's maintainer")
        })
}

/// Whether `operation` of an account can start.
///
/// # Errors
/// What stands in the way, with the plugin's own hint.
pub fn ready(plugin: &Plugin, entry: &AccountReport, operation: Operation) -> Result<(), Failure> {
    let key = &plugin.manifest.config_key;
    let who = format!(
        "{} account `{}`",
        plugin.manifest.label, entry.account.configured_label
    );
    let name = operation_id(operation);
    let Some(readiness) = entry
        .readiness
        .iter()
        .find(|readiness| readiness.operation == operation)
    else {
        return Err(Failure::operator(
            "operation_unsupported",
            format!("{who} does not support {name}"),
        )
        .hint("`loong channels` shows what it can be used for"));
    };
    match readiness.health {
        Health::Ready => Ok(()),
        Health::Disabled => Err(Failure::operator(
            "channel_disabled",
            format!("{who} is switched off"),
        )
        .hint(format!(
            "set `enabled = true` in [{key}], and in the account's own table if it has one"
        ))),
        Health::Misconfigured => {
            let errors: Vec<&Issue> = readiness
                .issues
                .iter()
                .filter(|issue| issue.severity == Severity::Error)
                .collect();
            let (code, hint) = errors.first().map_or(("misconfigured", ""), |issue| {
                (issue.code.as_str(), issue.hint.as_str())
            });
            let words: Vec<String> = errors
                .iter()
                .map(|issue| format!("{} ({})", issue.message, issue.config_path))
                .collect();
            let hint = if hint.is_empty() {
                "`loong doctor` shows each fault with its remedy"
            } else {
                hint
            };
            Err(
                Failure::operator(code, format!("{who} is not ready for {name}"))
                    .because(words.join("; "))
                    .hint(hint),
            )
        }
    }
}

/// The folder of the account's login as it is written.
///
/// # Errors
/// There is none.
pub fn auth_dir<'a>(plugin: &Plugin, account: &'a Account) -> Result<&'a str, Failure> {
    account.auth_dir.as_deref().ok_or_else(|| {
        Failure::operator(
            "auth_dir_missing",
            format!("{} has no folder for its login", plugin.manifest.label),
        )
        .hint(format!(
            "set auth_dir in [{}], such as \"~/.loong/{}/default\"",
            plugin.manifest.config_key, plugin.manifest.channel_id
        ))
    })
}

/// A component that cannot be loaded, as a failed command.
pub fn unloadable(plugin: &Plugin, error: &LoadError) -> Failure {
    let hint = match error {
        LoadError::OtherDigest { .. } => {
            "the file was damaged or exchanged: unpack the release again, and do not use this one"
        }
        LoadError::Unreadable { .. }
        | LoadError::NoComponent(_)
        | LoadError::OtherVersion { .. }
        | LoadError::ForeignImport(_)
        | LoadError::NoChannel
        | LoadError::Mismatch(_) => {
            "build it again with `cargo xtask build`, or install a plugin and a host of the same release"
        }
    };
    Failure::operator(
        "component_unusable",
        format!(
            "cannot load plugin {} {} from {}",
            plugin.manifest.plugin_id,
            plugin.manifest.version,
            plugin.component.display()
        ),
    )
    .because(chain(error))
    .hint(hint)
}

/// # Errors
/// The working directory is gone.
pub fn working_directory() -> Result<std::path::PathBuf, Failure> {
    std::env::current_dir().map_err(|error| {
        Failure::operator("working_directory", "the working directory cannot be used")
            .because(error)
            .hint("change to a folder that exists")
    })
}

/// The `managed_bridge_plugin_id` of a channel's block: the account's own, else the channel's.
pub fn configured_plugin(block: &toml::Value, account: Option<&str>) -> Option<String> {
    let of = |table: &toml::Value| {
        let id = table.get("managed_bridge_plugin_id")?.as_str()?.trim();
        (!id.is_empty()).then(|| id.to_owned())
    };
    account
        .and_then(|account| of(block.get("accounts")?.get(account)?))
        .or_else(|| of(block))
}

/// TOML as JSON; dates become text, numbers JSON cannot hold become null.
pub fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), to_json(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> toml::Value {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_accounts_own_plugin_goes_before_the_channels() {
        let block = block(
            "managed_bridge_plugin_id = 'a'\n[accounts.work]\nmanaged_bridge_plugin_id = 'b'\n[accounts.home]",
        );
        assert_eq!(
            configured_plugin(&block, Some("work")).as_deref(),
            Some("b")
        );
        assert_eq!(
            configured_plugin(&block, Some("home")).as_deref(),
            Some("a")
        );
        assert_eq!(configured_plugin(&block, None).as_deref(), Some("a"));
    }

    #[test]
    fn a_blank_plugin_id_counts_as_none() {
        assert_eq!(
            configured_plugin(&block("managed_bridge_plugin_id = ' '"), None),
            None
        );
    }

    #[test]
    fn a_block_crosses_as_json_with_its_dates_as_text() {
        let json = to_json(&block(
            "a = 1\nb = [true, 'x']\nc = 2026-01-02\n[d]\ne = 1.5",
        ));
        assert_eq!(
            json,
            serde_json::json!({"a": 1, "b": [true, "x"], "c": "2026-01-02", "d": {"e": 1.5}})
        );
    }
}
