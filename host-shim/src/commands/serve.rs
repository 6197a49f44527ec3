//! `loong channels serve`: the reply loop of one account, until stopped.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::followed_account::FollowedAccount;
use super::opened::{Opened, ready, selected, tell_warnings};
use super::signals::Signals;
use crate::catalog::bridge_command;
use crate::cli::{Global, ReplyKind, ServeArgs};
use crate::component::bindings::{DeliveryStatus, Operation};
use crate::error::Failure;
use crate::output::{Output, one_line};
use crate::process_group;
use crate::serve::event::{ServeEvent, WaitingFor};
use crate::serve::history::History;
use crate::serve::reply::config::{EngineKind, ReplySettings};
use crate::serve::reply::engine;
use crate::serve::reply_loop::{ReplyLoop, Serving};

/// Runs the command.
///
/// # Errors
/// It cannot start, the bridge refuses to be served, or a second signal ended it.
pub async fn run(global: &Global, args: &ServeArgs, output: &Output) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let prepared = tokio::select! {
        prepared = prepare(global, args, output) => prepared?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let stop = CancellationToken::new();
    let serving = prepared.run(stop.clone());
    tokio::pin!(serving);
    loop {
        tokio::select! {
            done = &mut serving => return done,
            () = signals.next() => {
                if stop.is_cancelled() {
                    process_group::kill_all();
                    return Err(Failure::interrupted());
                }
                output.say("stopping; once more ends at once");
                stop.cancel();
            }
        }
    }
}

async fn prepare(global: &Global, args: &ServeArgs, output: &Output) -> Result<ReplyLoop, Failure> {
    let account = args.account.as_deref();
    let opened = Opened::open(global, &args.channel, account, output).await?;
    let report = opened.report(account, None).await?;
    tell_warnings(&opened.survey, &report, output);
    let entry = selected(&report)?;
    ready(&opened.plugin, entry, Operation::Serve)?;
    let names = [
        entry.account.configured_label.as_str(),
        entry.account.configured_id.as_str(),
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
    let runtime_id = &entry.account.runtime_id;
    let history = match settings.history_turns {
        0 => None,
        turns => Some(History::open(
            &opened.survey.home,
            &manifest.channel_id,
            runtime_id,
            turns,
        )?),
    };
    output.say(&format!(
        "serving {}, account {}; {} answers",
        manifest.label,
        entry.account.configured_label,
        settings.engine_name()
    ));
    let serving = Serving {
        channel: manifest.channel_id.clone(),
        account: entry.account.configured_id.clone(),
        runtime_id: runtime_id.clone(),
        concurrency: settings.concurrency,
        once: args.once,
    };
    let start = bridge_command(&manifest.channel_id);
    let steps = FollowedAccount::new(opened.clone(), entry.account.clone(), output.clone());
    let output = output.clone();
    let tell = Arc::new(move |event| print(&event, &start, &output));
    Ok(ReplyLoop::new(
        serving,
        Arc::new(steps),
        engine,
        history,
        tell,
    ))
}

fn kind(asked: ReplyKind) -> EngineKind {
    match asked {
        ReplyKind::Echo => EngineKind::Echo,
        ReplyKind::Command => EngineKind::Command,
        ReplyKind::Provider => EngineKind::Provider,
    }
}

fn print(event: &ServeEvent, start_bridge: &str, output: &Output) {
    match event {
        ServeEvent::Connected => output.say("connected to the bridge; Ctrl-C stops"),
        ServeEvent::MessageIn { chat, cursor } => output.say(&format!("in   chat {chat}  {}", one_line(cursor))),
        ServeEvent::AnswerOut { chat, cursor, status } => {
            let how = match status {
                DeliveryStatus::Sent => "answered",
                DeliveryStatus::Pending => "answered, the bridge sends it as soon as it can",
                DeliveryStatus::AlreadySent => "was answered before",
            };
            output.say(&format!("out  chat {chat}  {}  {how}", one_line(cursor)));
        }
        ServeEvent::NoReply { chat, cursor } => {
            output.say(&format!("out  chat {chat}  {}  nothing to say", one_line(cursor)));
        }
        ServeEvent::AttemptFailed { chat, cursor, attempt, reason } => output.warn(&format!(
            "chat {chat}, {}: attempt {attempt} failed, it is tried again: {reason}", one_line(cursor)
        )),
        ServeEvent::ReplyRefused { chat, cursor, code } => output.warn(&format!(
            "chat {chat}, {}: the reply is refused for good ({code}); the message is settled without one", one_line(cursor)
        )),
        ServeEvent::Unreadable { reason } => {
            output.warn(&format!("a message cannot be read and stays with the bridge: {reason}"));
        }
        ServeEvent::Waiting { for_what, reason, hint } => {
            output.say(&format!("{}: {reason}", waits(*for_what)));
            match (for_what, hint.as_str()) {
                (WaitingFor::Bridge, _) => output.hint(&format!("start the bridge with `{start_bridge}`")),
                (WaitingFor::Messages | WaitingFor::Sending | WaitingFor::Engine, "") => {}
                (WaitingFor::Messages | WaitingFor::Sending | WaitingFor::Engine, hint) => output.hint(hint),
            }
        }
        ServeEvent::Recovered { from } => output.say(recovered(*from)),
        ServeEvent::NoHistory { reason } => output.warn(reason),
        ServeEvent::Stopping { under_way } => {
            output.say(&format!("finishing {under_way} under way, 10 s at most"));
        }
    }
}

fn waits(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Bridge | WaitingFor::Messages => "waiting for the bridge",
        WaitingFor::Sending => "replies wait",
        WaitingFor::Engine => "waiting for the reply engine",
    }
}

fn recovered(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Bridge | WaitingFor::Messages => "the bridge is back",
        WaitingFor::Sending => "replies go out again",
        WaitingFor::Engine => "the reply engine is back",
    }
}
