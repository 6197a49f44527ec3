//! What was set up, told to a person or to a program.

use std::path::PathBuf;

use serde::Serialize;

use crate::catalog::bridge_command;
use crate::commands::doctor::check::{Check, Status};
use crate::commands::doctor::show;
use crate::error::Failure;
use crate::output::Output;

/// Field names are stable.
#[derive(Debug, Serialize)]
pub(super) struct Outcome<'a> {
    pub(super) config: PathBuf,
    /// Whether the file is another one now.
    pub(super) changed: bool,
    pub(super) channel: &'a str,
    pub(super) account: &'a str,
    /// Whether it is the account that commands take when none is named.
    #[serde(skip)]
    pub(super) is_default: bool,
    pub(super) bridge_url: Option<&'a str>,
    pub(super) auth_dir: Option<&'a str>,
    pub(super) allowed_chats: &'a [String],
    /// The engine that answers.
    pub(super) reply: String,
    /// Doctor's, of the new configuration.
    pub(super) checks: Vec<Check>,
}

impl Outcome<'_> {
    pub(super) fn tell(&self, json: bool, output: &Output) -> Result<(), Failure> {
        if json {
            return output.json(self);
        }
        show(&self.checks, output);
        let failed = |check: &Check| check.status == Status::Fail;
        if self.checks.iter().any(failed) {
            output.hint("a bridge that does not run yet fails its check; any other failed check says what to do");
        }
        let account = if self.is_default {
            String::new()
        } else {
            format!(" --account {}", self.account)
        };
        output.say(&format!("next: {}{account}", bridge_command(self.channel)));
        output.say(&format!(
            "then: loong channels serve {}{account}",
            self.channel
        ));
        Ok(())
    }
}
