//! The account that `serve` works for. Its list of chats follows the configuration file while the
//! loop runs; everything else stays as it was at the start.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use super::words::Voice;
use crate::commands::opened::{Opened, document, ready, to_json};
use crate::component::bindings::{Account, Operation, Step, StepOutcome};
use crate::component::call_error::CallError;
use crate::config::Config;
use crate::error::Failure;
use crate::serve::steps::Steps;

/// Does the steps of an account, with the list that the file names when messages are asked for.
#[derive(Debug)]
pub(super) struct FollowedAccount {
    opened: Opened,
    voice: Voice,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    account: Account,
    /// The file as it was when it was last read; none before that.
    seen: Option<Stamp>,
}

/// When a file was changed, and its length.
type Stamp = (SystemTime, u64);

impl FollowedAccount {
    pub(super) fn new(opened: Opened, account: Account, voice: Voice) -> Self {
        let now = Mutex::new(Now {
            account,
            seen: None,
        });
        Self { opened, voice, now }
    }

    /// Takes the list over when the file has changed; a file that cannot be used changes nothing,
    /// and is said once.
    async fn follow(&self) {
        let Some(stamp) = stamp(&self.opened.survey.config.path) else {
            return;
        };
        if self.now().seen.replace(stamp) == Some(stamp) {
            return;
        }
        let list = match self.list().await {
            Ok(list) => list,
            Err(failure) => {
                self.voice.warn(&format!(
                    "the changed configuration cannot be used, the list of chats stays as it was: {failure}"
                ));
                return;
            }
        };
        let mut now = self.now();
        if now.account.allowed_chats != list {
            self.voice.say(&format!(
                "the list of chats has changed; it has {} entries now",
                list.len()
            ));
            now.account.allowed_chats = list;
        }
    }

    /// The account's list as it stands in the file.
    async fn list(&self) -> Result<Vec<String>, Failure> {
        let config = Config::read(&self.opened.survey.config.path)?;
        let block = config.section(&self.opened.plugin.manifest.config_key);
        let block = block.map_or_else(|| serde_json::json!({}), to_json);
        let id = self.now().account.configured_id.clone();
        let report = self
            .opened
            .channel
            .validate_config(document(&block, Some(&id), None))
            .await?;
        let mut entries = report.accounts.into_iter();
        let entry = entries.find(|entry| entry.account.configured_id == id);
        let entry = entry.ok_or_else(|| {
            Failure::operator("account_unknown", format!("it has no account `{id}`"))
        })?;
        ready(&self.opened.plugin, &entry, Operation::Serve)?;
        Ok(entry.account.allowed_chats)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Steps for FollowedAccount {
    async fn step(&self, step: Step) -> Result<StepOutcome, CallError> {
        if matches!(step, Step::Receive(_)) {
            self.follow().await;
        }
        let account = self.now().account.clone();
        self.opened.channel.serve_step(&account, step).await
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
