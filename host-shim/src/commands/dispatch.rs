//! From a parsed command line to the command it names.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

use super::{
    backup, bridge_admin, bridge_install, bridge_run, channels_list, channels_resolve,
    channels_send, doctor, inbox, pause, serve,
};
use crate::cli::{
    BridgeCommand, ChannelCli, ChannelCommand, ChannelsCommand, Cli, Command, Global,
};
use crate::error::Failure;
use crate::output::Output;

/// Runs what the command line says.
///
/// # Errors
/// The command's own failure, to be printed once.
pub async fn dispatch(cli: Cli, output: &Output) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Doctor(args) => interruptible(doctor::run(global, &args, output)).await,
        Command::Channels(channels) => match channels.command {
            None => interruptible(channels_list::run(global, &channels.list, output)).await,
            Some(ChannelsCommand::List(args)) => {
                interruptible(channels_list::run(global, &args, output)).await
            }
            Some(ChannelsCommand::Resolve(args)) => channels_resolve::run(global, &args, output),
            Some(ChannelsCommand::Send(args)) => {
                interruptible(channels_send::run(global, &args, output)).await
            }
            Some(ChannelsCommand::Serve(args)) if args.stop || args.stop_duplicates => {
                interruptible(serve::end_others(global, &args, output)).await
            }
            Some(ChannelsCommand::Serve(args)) => serve::run(global, &args, output).await,
        },
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "loong", &mut script);
            output.data_raw(&String::from_utf8_lossy(&script));
            Ok(())
        }
        Command::Channel(words) => channel(global, words, output).await,
    }
}

/// Prints what clap says. True for help and version, which are data; else it was wrong usage.
pub fn explain(error: &clap::Error, output: &Output) -> bool {
    let text = error.render().to_string();
    if error.use_stderr() {
        output.say(text.trim_end());
        false
    } else {
        output.data(text.trim_end());
        true
    }
}

/// `loong <channel> …`: the channel's own commands.
async fn channel(global: &Global, words: Vec<OsString>, output: &Output) -> Result<(), Failure> {
    let name = words
        .first()
        .map(|word| word.to_string_lossy().into_owned())
        .unwrap_or_default();
    if words.len() < 2 {
        return Err(Failure::usage("unknown_command", format!("there is no command `{name}`"))
            .hint("`loong --help` lists the commands; a channel's name wants more, as in `loong <channel> bridge run`"));
    }
    let parsed = ChannelCli::command()
        .bin_name(format!("loong {name}"))
        .try_get_matches_from(words)
        .and_then(|matches| ChannelCli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if explain(&error, output) => return Ok(()),
        Err(_printed) => return Err(Failure::usage("usage", String::new())),
    };
    let global = Global {
        config: cli.global.config.or_else(|| global.config.clone()),
    };
    match cli.command {
        ChannelCommand::Bridge(BridgeCommand::Run(args)) => {
            bridge_run::run(&global, &name, &args, output).await
        }
        ChannelCommand::Bridge(BridgeCommand::Install) => {
            interruptible(bridge_install::run(&global, &name, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Status(args)) => {
            interruptible(bridge_admin::status(&global, &name, &args, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Resume(args)) => {
            interruptible(bridge_admin::resume(&global, &name, &args, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Logout(args)) => {
            interruptible(bridge_admin::logout(&global, &name, &args, output)).await
        }
        ChannelCommand::Pause(args) => {
            interruptible(pause::pause(&global, &name, &args, output)).await
        }
        ChannelCommand::Resume(args) => {
            interruptible(pause::resume(&global, &name, &args, output)).await
        }
        ChannelCommand::Inbox(command) => {
            interruptible(inbox::run(&global, &name, &command, output)).await
        }
        ChannelCommand::Backup(args) => {
            interruptible(backup::backup(&global, &name, &args, output)).await
        }
        ChannelCommand::Restore(args) => {
            interruptible(backup::restore(&global, &name, &args, output)).await
        }
    }
}

/// Ends `command` on Ctrl-C; what the bridge has accepted by then is sent.
async fn interruptible(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        // Listening first, so that no work begins that could not be ended.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        done = command => done,
    }
}
