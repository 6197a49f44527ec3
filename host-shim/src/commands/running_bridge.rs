//! A running bridge as the operator's commands see it: found by its account, asked over its own
//! endpoint with its token. What an answer means is known by the commands.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::bridge_launches::address;
use super::opened::{Opened, ready, selected};
use crate::bridge::http::{AdminCommand, HttpDoor};
use crate::bridge::token::Tokens;
use crate::catalog::account_command;
use crate::cli::Global;
use crate::component::bindings::{Account, AccountReport, Operation};
use crate::door::{BridgeAddress, DoorError};
use crate::error::Failure;
use crate::output::Output;

/// A status comes from memory.
const STATUS_WAIT: Duration = Duration::from_secs(10);

/// A running bridge, by its address.
#[derive(Debug)]
pub(super) struct RunningBridge {
    pub(super) channel: String,
    pub(super) account: Account,
    pub(super) address: BridgeAddress,
    door: HttpDoor,
    tokens: Tokens,
}

impl RunningBridge {
    /// The bridge of the account that is named, or chosen by the configuration.
    ///
    /// # Errors
    /// There is no such account, or it has no bridge.
    pub(super) async fn find(
        global: &Global,
        channel: &str,
        account: Option<&str>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let opened = Opened::open(global, channel, account, output).await?;
        let report = opened.report(account, None).await?;
        Self::of(&opened, selected(&report)?)
    }

    /// The bridge of an account of an opened channel.
    ///
    /// # Errors
    /// As [`RunningBridge::find`].
    pub(super) fn of(opened: &Opened, entry: &AccountReport) -> Result<Self, Failure> {
        let manifest = &opened.plugin.manifest;
        if entry.account.bridge_url.is_none() {
            // Says better what is missing.
            ready(&opened.plugin, entry, Operation::Send)?;
        }
        let tokens = Tokens::of(&opened.survey.home);
        Ok(Self {
            channel: manifest.channel_id.clone(),
            account: entry.account.clone(),
            address: address(&entry.account, &manifest.config_key)?,
            door: HttpDoor::new(tokens.clone())?,
            tokens,
        })
    }

    /// Whether anything answers at the bridge's address.
    pub(super) async fn answers(&self) -> bool {
        !matches!(
            self.door.health(&self.address).await,
            Err(DoorError::Unreachable(_))
        )
    }

    /// What the bridge says of itself.
    ///
    /// # Errors
    /// As [`RunningBridge::ask`].
    pub(super) async fn status(&self) -> Result<Map<String, Value>, Failure> {
        self.ask(&AdminCommand::get("status", Vec::new()), STATUS_WAIT)
            .await
    }

    /// Its numbers, as it writes them.
    ///
    /// # Errors
    /// As [`RunningBridge::ask`].
    pub(super) async fn metrics(&self) -> Result<String, Failure> {
        self.require_token().await?;
        let answer = self
            .door
            .metrics(&self.address, STATUS_WAIT)
            .await
            .map_err(|error| self.unasked(&error))?;
        match answer.status {
            200..300 => Ok(answer.body),
            status => Err(self.refused(&object(&answer.body), status)),
        }
    }

    /// Gives it a command and waits at most `wait` for the answer, an object.
    ///
    /// # Errors
    /// It does not run, takes no commands from here, or refuses this one.
    pub(super) async fn ask(
        &self,
        command: &AdminCommand,
        wait: Duration,
    ) -> Result<Map<String, Value>, Failure> {
        self.require_token().await?;
        let answer = self
            .door
            .admin(&self.address, command, wait)
            .await
            .map_err(|error| self.unasked(&error))?;
        let body = object(&answer.body);
        match answer.status {
            200..300 if !body.is_empty() => Ok(body),
            status => Err(self.refused(&body, status)),
        }
    }

    async fn require_token(&self) -> Result<(), Failure> {
        // One that cannot be read is told of by the door.
        match self.tokens.read(&self.address) {
            Ok(None) => Err(self.without_token().await),
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }

    fn refused(&self, body: &Map<String, Value>, status: u16) -> Failure {
        let word = |key: &str| body.get(key).and_then(Value::as_str);
        let code = word("code").unwrap_or("bridge_refused").to_owned();
        let failure = match word("error") {
            Some(sentence) => Failure::operator(code, format!("the bridge refuses: {sentence}")),
            None => Failure::operator(
                code,
                format!("the bridge gives no answer that can be used (HTTP status {status})"),
            )
            .hint("use a bridge and a host of the same release, and start both anew"),
        };
        if status != 401 {
            return failure;
        }
        failure.hint(format!(
            "the bridge does not take this token: stop it, then start it with `{}`",
            self.command("bridge run")
        ))
    }

    /// Without a token there is nothing to ask with; why there is none depends on who answers.
    async fn without_token(&self) -> Failure {
        match self.door.health(&self.address).await {
            Ok(_) => Failure::operator(
                "bridge_without_token",
                format!(
                    "the bridge at {} takes no commands from here: no `bridge run` of this LOONG_HOME started it",
                    self.address
                ),
            )
            .hint(format!(
                "stop it, then start it with `{}`; or use the LOONG_HOME that it was started with",
                self.command("bridge run")
            )),
            Err(error) => self.unasked(&error),
        }
    }

    fn unasked(&self, error: &DoorError) -> Failure {
        let start = self.command("bridge run");
        let (code, hint) = match error {
            DoorError::Unreachable(_) => (
                "bridge_unreachable",
                format!("start the bridge with `{start}`"),
            ),
            DoorError::TimedOut => (
                "bridge_timeout",
                format!(
                    "look at the bridge's terminal; when it hangs, stop it and start it with `{start}`"
                ),
            ),
            DoorError::Impostor(_) => (
                "bridge_impostor",
                format!(
                    "look what uses that port and stop it, then start the bridge with `{start}`; it was told nothing"
                ),
            ),
            DoorError::TooLarge(_) | DoorError::Broken(_) => (
                "bridge_broken",
                format!("look what uses that port; the bridge starts with `{start}`"),
            ),
            DoorError::Refused(_) => (
                "bridge_token_unusable",
                format!("stop the bridge and start it with `{start}`: it makes a new token"),
            ),
        };
        Failure::operator(code, error.to_string()).hint(hint)
    }

    /// A command of the bridge's channel and account as it is typed.
    pub(super) fn command(&self, words: &str) -> String {
        account_command(&self.channel, &self.account, words)
    }
}

/// An answer's object; an empty one when it is none.
fn object(body: &str) -> Map<String, Value> {
    match serde_json::from_str(body) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// Now, in Unix milliseconds.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}
