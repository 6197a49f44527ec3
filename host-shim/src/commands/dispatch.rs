//! From a parsed command line to the command it names.

use super::command_line::{Invocation, Invoked};
use super::{
    backup, bridge_admin, bridge_install, bridge_pair_link, bridge_run, channels_list,
    channels_resolve, channels_send, chats, completions, config_schema, doctor, inbox, man, pause,
    serve, setup,
};
use crate::cli::{BridgeCommand, ChannelCommand, ChannelsCommand, ConfigCommand, Global};
use crate::error::Failure;
use crate::output::Output;

/// Runs what the command line says.
///
/// # Errors
/// The command's own failure, to be printed once.
pub async fn dispatch(invocation: Invocation, output: &Output) -> Result<(), Failure> {
    let global = &invocation.global;
    match invocation.command {
        Invoked::Doctor(args) => interruptible(doctor::run(global, &args, output)).await,
        Invoked::Channels(channels) => match channels.command {
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
        Invoked::Config(ConfigCommand::Schema(args)) => config_schema::run(global, &args, output),
        Invoked::Completions(shell) => {
            completions::run(global, shell, output);
            Ok(())
        }
        Invoked::Man(args) => man::run(&args, output),
        Invoked::Channel(name, command) => channel(global, &name, command, output).await,
    }
}

/// `loong <channel> …`: the channel's own commands.
async fn channel(
    global: &Global,
    name: &str,
    command: ChannelCommand,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        ChannelCommand::Setup(args) => {
            let set_up = setup::run(global, name, &args, output);
            match interruptible(set_up).await? {
                // Outside: the bridge ends in its own way on Ctrl-C.
                Some(pairing) => bridge_run::run(global, name, &pairing, output).await,
                None => Ok(()),
            }
        }
        ChannelCommand::Bridge(BridgeCommand::Run(args)) => {
            bridge_run::run(global, name, &args, output).await
        }
        ChannelCommand::Bridge(BridgeCommand::Install) => {
            interruptible(bridge_install::run(global, name, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Status(args)) => {
            interruptible(bridge_admin::status(global, name, &args, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Metrics(args)) => {
            interruptible(bridge_admin::metrics(global, name, &args, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::PairLink(args)) => {
            interruptible(bridge_pair_link::run(global, name, &args, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Resume(args)) => {
            interruptible(bridge_admin::resume(global, name, &args, output)).await
        }
        ChannelCommand::Bridge(BridgeCommand::Logout(args)) => {
            interruptible(bridge_admin::logout(global, name, &args, output)).await
        }
        ChannelCommand::Pause(args) => {
            interruptible(pause::pause(global, name, &args, output)).await
        }
        ChannelCommand::Resume(args) => {
            interruptible(pause::resume(global, name, &args, output)).await
        }
        ChannelCommand::Inbox(command) => {
            interruptible(inbox::run(global, name, &command, output)).await
        }
        ChannelCommand::Chats(args) => interruptible(chats::run(global, name, &args, output)).await,
        ChannelCommand::Backup(args) => {
            interruptible(backup::backup(global, name, &args, output)).await
        }
        ChannelCommand::Restore(args) => {
            interruptible(backup::restore(global, name, &args, output)).await
        }
    }
}

/// Ends `command` on Ctrl-C; what the bridge has accepted by then is sent.
async fn interruptible<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        // Listening first, so that no work begins that could not be ended.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        done = command => done,
    }
}
