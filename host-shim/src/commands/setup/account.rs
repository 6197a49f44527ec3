//! The account: its name, where its table stands, and what is in it. The channel's component judges
//! each answer by the block that it would lead to.

use serde_json::Value;

use super::address::address;
use super::guest::{EVERYBODY, Guest, Keys, chosen, complaint};
use super::question::{Asker, Question, refused};
use crate::cli::SetupArgs;
use crate::commands::opened::to_json;
use crate::component::bindings::{AccountReport, Report};
use crate::config::Config;
use crate::config_edit::ConfigEdit;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

/// The table of the accounts in a channel's block.
const ACCOUNTS: &str = "accounts";

/// Where the account's table stands.
#[derive(Debug, Clone)]
struct Slot {
    table: Vec<String>,
    /// It is set up already.
    exists: bool,
    /// The account that the block itself has been so far, and that needs a table beside the new one.
    moves: Option<String>,
}

/// What the account's table gets; what is left out stays as it is.
#[derive(Debug, Clone, Default)]
struct Values {
    address: Option<String>,
    folder: Option<String>,
    chats: Option<Vec<String>>,
}

/// Sets up one account of a channel.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) guest: &'a Guest<'a>,
    pub(super) keys: Keys,
    pub(super) args: &'a SetupArgs,
    pub(super) home: &'a Home,
    pub(super) asker: &'a Asker<'a>,
    pub(super) output: &'a Output,
}

impl Desk<'_> {
    /// Asks what is to be known, and writes the account into `edit`. Gives what the component makes of it.
    ///
    /// # Errors
    /// An answer is missing or refused; `edit` is then not to be saved.
    pub(super) async fn write(&self, edit: &mut ConfigEdit) -> Result<AccountReport, Failure> {
        let key = self.guest.plugin.manifest.config_key.as_str();
        if edit.has(&[key]) {
            // Something else than a table is nobody's account.
            edit.table(&[key])?;
        }
        let (name, slot, values) = self.name(edit).await?;
        let values = self.chats(edit, &name, &slot, values).await?;
        self.apply(edit, &slot, &values)?;
        let report = self.judged(edit, &name).await?;
        chosen(&report).cloned().ok_or_else(|| {
            Failure::fault(
                "plugin_broke_contract",
                "the plugin chose an account that it does not report",
            )
        })
    }

    async fn name(&self, edit: &ConfigEdit) -> Result<(String, Slot, Values), Failure> {
        let implicit = self.implicit().await?;
        let question = |default| Question {
            words: "What is the account called",
            default,
            flag: "--account <name>",
        };
        let check = async |name: &str| {
            let slot = self.slot(edit, name, &implicit).await?;
            if slot.exists && !self.args.force {
                let label = &self.guest.plugin.manifest.label;
                return Err(Failure::usage(
                    "account_exists",
                    format!("the account `{name}` of {label} is set up already"),
                )
                .hint("name another one with --account, or change this one with --force"));
            }
            let values = self.places(edit, name, &slot).await?;
            Ok((name.to_owned(), slot, values))
        };
        let given = self.args.account.as_deref();
        if !self.guest.plugin.manifest.multi_account {
            return check(given.unwrap_or(&implicit)).await;
        }
        // Somebody who can answer is not offered what would be refused.
        let taken = self.slot(edit, &implicit, &implicit).await?.exists && !self.args.force;
        let default = Some(implicit.as_str()).filter(|_| !(taken && self.asker.is_at_terminal()));
        self.asker.answer(question(default), given, check).await
    }

    /// What an account is called that has no table of its own.
    async fn implicit(&self) -> Result<String, Failure> {
        let report = self
            .guest
            .report(&Value::Object(serde_json::Map::new()), None)
            .await?;
        let first = report.accounts.into_iter().next();
        Ok(first.map_or_else(
            || "default".to_owned(),
            |entry| entry.account.configured_label,
        ))
    }

    async fn slot(&self, edit: &ConfigEdit, name: &str, implicit: &str) -> Result<Slot, Failure> {
        if name.is_empty() {
            return Err(refused("an account needs a name"));
        }
        let key = &self.guest.plugin.manifest.config_key;
        let report = self.guest.report(&self.block(edit)?, Some(name)).await?;
        let configured = edit.has(&[key]);
        let own = |label: &str| vec![key.clone(), ACCOUNTS.to_owned(), label.to_owned()];
        Ok(match chosen(&report) {
            Some(entry) => {
                let own = own(&entry.account.configured_label);
                let has_own = edit.has(&[key, ACCOUNTS, &entry.account.configured_label]);
                Slot {
                    table: if has_own { own } else { vec![key.clone()] },
                    exists: configured,
                    moves: None,
                }
            }
            // One account, and this is not its name.
            None if !self.guest.plugin.manifest.multi_account => {
                return Err(
                    complaint(&report).unwrap_or_else(|| refused("there is one account only"))
                );
            }
            None => Slot {
                table: own(name),
                exists: false,
                moves: (configured && !edit.has(&[key, ACCOUNTS])).then(|| implicit.to_owned()),
            },
        })
    }

    /// Address and folder; the component must have nothing against the name with them.
    async fn places(&self, edit: &ConfigEdit, name: &str, slot: &Slot) -> Result<Values, Failure> {
        let before = self.guest.report(&self.block(edit)?, Some(name)).await?;
        let own = chosen(&before)
            .filter(|_| slot.exists)
            .map(|entry| &entry.account);
        let others: Vec<&AccountReport> = before
            .accounts
            .iter()
            .filter(|entry| own.is_none_or(|own| own.configured_id != entry.account.configured_id))
            .collect();
        let mut values = Values {
            address: self.address(&others, own.is_some_and(|own| own.bridge_url.is_some()))?,
            folder: None,
            chats: self.keys.chats.as_ref().map(|_| vec![EVERYBODY.to_owned()]),
        };
        if self.keys.folder.is_none() || own.is_some_and(|own| own.auth_dir.is_some()) {
            let mut would_be = edit.clone();
            self.apply(&mut would_be, slot, &values)?;
            self.judged(&would_be, name).await?;
            return Ok(values);
        }
        let folders: Vec<&str> = others
            .iter()
            .filter_map(|entry| entry.account.auth_dir.as_deref())
            .collect();
        values.folder = Some(self.folder(name, &folders));
        let mut would_be = edit.clone();
        self.apply(&mut would_be, slot, &values)?;
        let report = self.judged(&would_be, name).await?;
        // The component knows how the name is written in its one form.
        if let Some(entry) = chosen(&report) {
            values.folder = Some(self.folder(&entry.account.configured_id, &folders));
        }
        Ok(values)
    }

    fn address(
        &self,
        others: &[&AccountReport],
        is_there: bool,
    ) -> Result<Option<String>, Failure> {
        let (url, port) = (self.args.bridge_url.as_deref(), self.args.port);
        let label = &self.guest.plugin.manifest.label;
        if self.keys.address.is_none() {
            return match (url, port) {
                (None, None) => Ok(None),
                _ => Err(refused(format!(
                    "{label} does not say where its bridge is configured"
                ))),
            };
        }
        if let Some(url) = url {
            return Ok(Some(url.trim().to_owned()));
        }
        if is_there && port.is_none() {
            return Ok(None);
        }
        let endpoint = self
            .guest
            .plugin
            .manifest
            .endpoint
            .as_deref()
            .ok_or_else(|| {
                refused(format!("{label} does not say where its bridge usually is"))
                    .hint("say where it answers with --bridge-url; nothing was changed")
            })?;
        let others: Vec<&str> = others
            .iter()
            .filter_map(|entry| entry.account.bridge_url.as_deref())
            .collect();
        address(endpoint, port, &others).map(Some)
    }

    /// A folder for the account that is none of the `others`.
    fn folder(&self, name: &str, others: &[&str]) -> String {
        let home = self.home;
        let usual = home.expand("~/.loong") == home.root();
        let root = if usual {
            "~/.loong".to_owned()
        } else {
            home.root().display().to_string()
        };
        // One part of a path, whatever the name holds.
        let plain = |c: char| {
            if c.is_alphanumeric() || c == '-' || c == '_' {
                c
            } else {
                '-'
            }
        };
        let part: String = name.chars().map(plain).collect();
        let base = format!("{root}/{}/{part}", self.guest.plugin.manifest.channel_id);
        let is_free = |folder: &String| {
            let path = home.expand(folder);
            others.iter().all(|other| home.expand(other) != path)
        };
        let numbered = (2..1000_u32).map(|number| format!("{base}-{number}"));
        std::iter::once(base.clone())
            .chain(numbered)
            .find(is_free)
            .unwrap_or(base)
    }

    async fn chats(
        &self,
        edit: &ConfigEdit,
        name: &str,
        slot: &Slot,
        values: Values,
    ) -> Result<Values, Failure> {
        let given = match (self.args.allow_all, self.args.allow.as_slice()) {
            (true, _) => Some(EVERYBODY.to_owned()),
            (false, []) => None,
            (false, chats) => Some(chats.join(",")),
        };
        let Some(key) = &self.keys.chats else {
            return match given {
                None => Ok(values),
                Some(_) => Err(refused(format!(
                    "{} has no list of chats that may write",
                    self.guest.plugin.manifest.label
                ))),
            };
        };
        let table: Vec<&str> = slot
            .table
            .iter()
            .map(String::as_str)
            .chain([key.as_str()])
            .collect();
        if slot.exists && given.is_none() && edit.has(&table) {
            return Ok(Values {
                chats: None,
                ..values
            });
        }
        let question = Question {
            words: "Which chats may write to the agent, separated by commas (* is everybody)",
            default: None,
            flag: "--allow <chat>, or --allow-all",
        };
        let check = async |typed: &str| {
            let mut chats: Vec<String> = Vec::new();
            for chat in typed
                .split(',')
                .map(str::trim)
                .filter(|chat| !chat.is_empty())
            {
                if !chats.iter().any(|known| known == chat) {
                    chats.push(chat.to_owned());
                }
            }
            if chats.is_empty() {
                return Err(refused("name at least one chat"));
            }
            let values = Values {
                chats: Some(chats),
                ..values.clone()
            };
            let mut would_be = edit.clone();
            self.apply(&mut would_be, slot, &values)?;
            self.judged(&would_be, name).await?;
            Ok(values)
        };
        let values = self.asker.answer(question, given.as_deref(), check).await?;
        if values.chats.iter().flatten().any(|chat| chat == EVERYBODY) {
            self.output.warn(
                "everybody who can reach this account may write to the agent, and it answers",
            );
            self.output.hint(&format!(
                "list the chats in {key} when that is not what you want"
            ));
        }
        Ok(values)
    }

    fn apply(&self, edit: &mut ConfigEdit, slot: &Slot, values: &Values) -> Result<(), Failure> {
        let manifest = &self.guest.plugin.manifest;
        let key = manifest.config_key.as_str();
        let comment = format!(
            "The channel {}. `loong config schema` describes every key.",
            manifest.label
        );
        edit.describe_table(&[key], &comment)?;
        edit.describe(&[key], "enabled", true, &self.guest.describes("enabled"))?;
        let plugin = "managed_bridge_plugin_id";
        if !edit.has(&[key, plugin]) {
            let id = manifest.plugin_id.as_str();
            edit.describe(&[key], plugin, id, &self.guest.describes(plugin))?;
        }
        if let Some(account) = &slot.moves {
            let comment = format!("The account `{account}` is what stands in [{key}].");
            edit.describe_table(&[key, ACCOUNTS, account], &comment)?;
        }
        let table: Vec<&str> = slot.table.iter().map(String::as_str).collect();
        if let [_, _, account] = table.as_slice() {
            edit.describe_table(&table, &format!("The account `{account}`."))?;
            if edit.has(&[&table[..], &["enabled"]].concat()) {
                edit.set(&table, "enabled", true)?;
            }
        }
        let mut set = |key: &Option<String>, value: Option<toml_edit::Value>| match (key, value) {
            (Some(key), Some(value)) => {
                edit.describe(&table, key, value, &self.guest.describes(key))
            }
            _ => Ok(()),
        };
        set(
            &self.keys.address,
            values.address.as_deref().map(Into::into),
        )?;
        set(&self.keys.folder, values.folder.as_deref().map(Into::into))?;
        let chats = values
            .chats
            .as_ref()
            .map(|chats| chats.iter().collect::<toml_edit::Array>());
        set(&self.keys.chats, chats.map(Into::into))
    }

    /// What the component says of the account; refused when it would not be ready.
    async fn judged(&self, would_be: &ConfigEdit, name: &str) -> Result<Report, Failure> {
        let report = self
            .guest
            .report(&self.block(would_be)?, Some(name))
            .await?;
        match complaint(&report) {
            None => Ok(report),
            Some(failure) => Err(failure),
        }
    }

    fn block(&self, edit: &ConfigEdit) -> Result<Value, Failure> {
        let config = Config::parse(edit.path(), edit.text())?;
        let block = config.section(&self.guest.plugin.manifest.config_key);
        Ok(block.map_or_else(|| Value::Object(serde_json::Map::new()), to_json))
    }
}
