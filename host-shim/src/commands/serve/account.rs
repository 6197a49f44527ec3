//! One account that is served: everything is checked and claimed before the first question to the
//! bridge, and nothing of it is left when it ends.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::followed_account::FollowedAccount;
use super::owner;
use super::words::Voice;
use crate::catalog::bridge_command;
use crate::cli::{Global, ReplyKind, ServeArgs};
use crate::commands::opened::{Opened, ready, selected, tell_warnings};
use crate::component::bindings::{Account, Operation};
use crate::discovery::roots::Plugin;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::serve::history::History;
use crate::serve::reply::config::{EngineKind, ReplySettings};
use crate::serve::reply::engine;
use crate::serve::reply_loop::{ReplyLoop, Serving};
use crate::serve::runtime_state::{
    Claimed, GuardedSteps, Moment, NotClaimed, Ownership, Request, Served, claim,
};

/// An account that is ours to serve, or will be.
#[derive(Debug)]
pub(super) struct ServedAccount {
    voice: Voice,
    reply_loop: ReplyLoop,
    stands_by: bool,
    // After the loop: until that is gone, nobody else may begin.
    ownership: Ownership,
}

impl ServedAccount {
    /// Makes everything ready for `account`, which is `named` in front of what is said.
    ///
    /// # Errors
    /// Whatever stands in the way, or somebody who serves already.
    pub(super) async fn prepare(
        global: &Global,
        args: &ServeArgs,
        account: Option<&str>,
        named: bool,
        output: &Output,
    ) -> Result<Self, Failure> {
        let opened = Opened::open(global, &args.channel, account, output).await?;
        let report = opened.report(account, None).await?;
        tell_warnings(&opened.survey, &report, output);
        let entry = selected(&report)?;
        ready(&opened.plugin, entry, Operation::Serve)?;
        let account = &entry.account;
        let names = [
            account.configured_label.as_str(),
            account.configured_id.as_str(),
        ];
        let variable = |name: &str| std::env::var(name).ok();
        let settings = ReplySettings::read(
            &opened.survey.config,
            &names,
            args.reply.map(kind),
            &variable,
        )?;
        let engine = engine(&settings)?;
        let manifest = &opened.plugin.manifest;
        let voice = Voice::new(
            output,
            named.then_some(account.configured_label.as_str()),
            bridge_command(&manifest.channel_id),
        );
        let home = &opened.survey.home;
        let claimed = claimed(&opened, account, args.once, &voice)?;
        let history = match settings.history_turns {
            0 => None,
            turns => Some(History::open(
                home,
                &manifest.channel_id,
                &account.runtime_id,
                turns,
            )?),
        };
        voice.say(&format!(
            "serving {}, account {}; {} answers",
            manifest.label,
            account.configured_label,
            settings.engine_name()
        ));
        let serving = Serving {
            channel: manifest.channel_id.clone(),
            account: account.configured_id.clone(),
            runtime_id: account.runtime_id.clone(),
            concurrency: settings.concurrency,
            once: args.once,
        };
        let steps = FollowedAccount::new(opened.clone(), account.clone(), voice.clone());
        let witness = claimed.ownership.witness();
        let steps = GuardedSteps::new(Arc::new(steps), witness.clone());
        let speaker = voice.clone();
        let tell = Arc::new(move |event| {
            witness.note(&event);
            speaker.tell(&event);
        });
        Ok(Self {
            voice,
            reply_loop: ReplyLoop::new(serving, Arc::new(steps), engine, history, tell),
            stands_by: claimed.stands_by_for.is_some(),
            ownership: claimed.ownership,
        })
    }

    /// Serves until `stop` is cancelled, somebody asks for it, or another loop has taken over.
    ///
    /// # Errors
    /// Those of the reply loop.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let Self {
            voice,
            reply_loop,
            stands_by,
            ownership,
        } = self;
        let serving = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = ownership.its_turn() => {}
            }
            if stands_by {
                voice.say("the other process has ended; this one answers now");
            }
            reply_loop.run(stop.clone()).await
        };
        let asked = |request: &Request| {
            voice.say(&format!("process {} asks to stop", request.by_pid));
            stop.cancel();
        };
        tokio::select! {
            done = serving => done,
            replaced = ownership.keep(asked) => {
                // The loop is dropped as it is: a last word to the bridge would be taken for a new
                // loop's first.
                voice.warn(&format!(
                    "process {} took over while this one slept; this one answers no more",
                    replaced.by_pid
                ));
                Ok(())
            }
        }
    }
}

/// Claims the account and says whom it is taken from, or who is waited for.
fn claimed(
    opened: &Opened,
    account: &Account,
    once: bool,
    voice: &Voice,
) -> Result<Claimed, Failure> {
    let home = &opened.survey.home;
    let served = served(&opened.plugin, account, &opened.survey.config.path);
    let claimed =
        claim(home, served, once, Arc::new(Moment::now)).map_err(|error| match error {
            NotClaimed::Owned(owner) => {
                owner::refused(&opened.plugin.manifest.label, &owner, home, Moment::now())
            }
            NotClaimed::Impossible(failure) => failure,
        })?;
    for found in &claimed.took_over {
        voice.say(&owner::taken_over(found, Moment::now()));
    }
    if let Some(other) = &claimed.stands_by_for {
        warn_of(other, home, voice);
    }
    Ok(claimed)
}

fn warn_of(other: &crate::serve::runtime_state::Record, home: &Home, voice: &Voice) {
    voice.warn(&format!(
        "account `{}` is already served by {} with another configuration, {}; this process stands by and answers nothing until that one ends",
        other.served.configured_label,
        owner::described(other, Moment::now()),
        other.served.config,
    ));
    voice.hint(&format!(
        "stop that one with `{}`, or end this one",
        owner::command(other, home, "--stop")
    ));
}

/// What all processes of this user know the account by.
pub(super) fn served(plugin: &Plugin, account: &Account, config: &Path) -> Served {
    Served {
        channel: plugin.manifest.channel_id.clone(),
        configured_id: account.configured_id.clone(),
        configured_label: account.configured_label.clone(),
        account_id: account.runtime_id.clone(),
        account_label: account.runtime_label.clone(),
        config: config_name(config),
    }
}

/// One name for one file, however it was written.
pub(super) fn config_name(config: &Path) -> String {
    std::fs::canonicalize(config)
        .or_else(|_gone| std::path::absolute(config))
        .unwrap_or_else(|_no_directory| config.to_path_buf())
        .to_string_lossy()
        .into_owned()
}

fn kind(asked: ReplyKind) -> EngineKind {
    match asked {
        ReplyKind::Echo => EngineKind::Echo,
        ReplyKind::Command => EngineKind::Command,
        ReplyKind::Provider => EngineKind::Provider,
    }
}
