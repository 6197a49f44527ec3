//! The command line, and nothing but its shape.
//!
//! `loong <channel> …` is open-ended, because channels come from plugins: what follows an unknown
//! word is parsed by [`ChannelCli`] once it is clear that the word can be a channel.

mod channel;
mod chats;
mod setup;
mod tree;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::logging::LogFilter;

pub use self::channel::{
    BackupArgs, BridgeCommand, BridgeLogoutArgs, BridgeMetricsArgs, BridgePairLinkArgs,
    BridgeResumeArgs, BridgeRunArgs, BridgeStatusArgs, ChannelCli, ChannelCommand, InboxCommand,
    InboxDropArgs, InboxListArgs, InboxRetryArgs, InboxShowArgs, InboxState, PauseArgs,
};
pub use self::chats::{ChatsAllowArgs, ChatsArgs, ChatsCommand, ChatsListArgs};
pub use self::setup::SetupArgs;
pub use self::tree::{ChannelNames, tree, tree_naming};

#[derive(Debug, Parser)]
#[command(
    name = "loong",
    version,
    about = "Channels for Loong: send, serve, and the bridges they need",
    arg_required_else_help = true,
    after_help = "A channel's own commands:\n  loong whatsapp-personal setup            write its configuration\n  \
loong whatsapp-personal bridge run       start the bridge and link the account\n  \
loong whatsapp-personal bridge install   install what the bridge needs\n  \
loong whatsapp-personal bridge status    say how the running bridge is\n  \
loong whatsapp-personal bridge metrics   its numbers, for Prometheus\n  \
loong whatsapp-personal bridge pair-link a link that shows the QR code in a browser\n  \
loong whatsapp-personal bridge resume    have a bridge that rests go on\n  \
loong whatsapp-personal bridge logout    unlink the account\n  \
loong whatsapp-personal pause, resume    the kill switch\n  \
loong whatsapp-personal inbox            the messages that came in\n  \
loong whatsapp-personal chats            who writes, and who may\n  \
loong whatsapp-personal backup, restore  login and messages as one file\n\n\
Examples:\n  loong whatsapp-personal setup\n  loong doctor\n  loong channels\n  loong channels send whatsapp-personal --target contact:+15551234567 --text 'hello'\n  \
loong channels serve whatsapp-personal --reply echo"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Configuration file [default: LOONG_CONFIG_PATH, else ~/.loong/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What is logged on standard error: a level, or `part=level`, with commas between
    /// [default: LOONG_LOG, else RUST_LOG, else info]
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<LogFilter>,
    /// How it is logged [default: LOONG_LOG_FORMAT, else text]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The form of what goes to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for a person
    Text,
    /// One JSON object a line, a command's own words among them
    Json,
}

impl Global {
    /// What is not said here is taken from what was said `before`.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        Self {
            config: self.config.or(before.config),
            log: self.log.or(before.log),
            log_format: self.log_format.or(before.log_format),
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the whole installation and say what to do about each fault
    #[command(
        after_help = "Examples:\n  loong doctor\n  loong doctor --fix\n  loong doctor --json --config ./loong.toml"
    )]
    Doctor(DoctorArgs),
    /// List channels, send with them, serve them
    #[command(
        after_help = "Examples:\n  loong channels\n  loong channels --json\n  \
loong channels send whatsapp-personal --target contact:+15551234567 --text 'hello'\n  \
loong channels serve whatsapp-personal --reply echo"
    )]
    Channels(ChannelsArgs),
    /// About the configuration file
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Example:\n  loong config schema > loong.schema.json"
    )]
    Config(ConfigCommand),
    /// Print a completion script for a shell, for the channels that are found as well
    #[command(
        after_help = "Example:\n  loong completions bash > ~/.local/share/bash-completion/completions/loong"
    )]
    Completions { shell: clap_complete::Shell },
    /// Write a manual page for every command into a folder
    #[command(
        after_help = "The pages of a channel's own commands are called loong-channel-….\n\n\
Examples:\n  loong man ~/.local/share/man/man1\n  loong man ./man --json"
    )]
    Man(ManArgs),
    /// A channel's id or alias, then what to do with its bridge
    #[command(external_subcommand)]
    Channel(Vec<OsString>),
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Print the checks as JSON
    #[arg(long)]
    pub json: bool,
    /// Make folders, mend permissions, install what bridges need, have plugins looked for
    #[arg(long)]
    pub fix: bool,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a JSON Schema of the whole configuration file, with the tables of the channels found
    #[command(
        after_help = "Works without a configuration. Tables of other programs are always allowed.\n\n\
Examples:\n  loong config schema > loong.schema.json\n  loong config schema --strict"
    )]
    Schema(ConfigSchemaArgs),
}

#[derive(Debug, Clone, Default, Args)]
pub struct ConfigSchemaArgs {
    /// Refuse keys that nobody reads in our tables, for a check of one's own files
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Where the pages go; made when it is missing
    pub directory: PathBuf,
    /// Print what was written as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ChannelsArgs {
    #[command(subcommand)]
    pub command: Option<ChannelsCommand>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Debug, Subcommand)]
pub enum ChannelsCommand {
    /// Every channel found, its accounts, and what each of them is ready for
    #[command(after_help = "Examples:\n  loong channels list\n  loong channels list --json")]
    List(ListArgs),
    /// Say which channel an id or alias means
    #[command(after_help = "Example:\n  loong channels resolve wa-personal")]
    Resolve(ResolveArgs),
    /// Send one text
    #[command(
        after_help = "Examples:\n  loong channels send whatsapp-personal --target contact:+15551234567 --text 'hello'\n  \
echo 'hello' | loong channels send wa-personal --target contact:+15551234567 --text -\n  \
loong channels send wa-personal --target contact:+15551234567 --text 'hello' --idempotency-key order-17"
    )]
    Send(SendArgs),
    /// Receive messages and reply to them, until stopped
    #[command(
        after_help = "One process answers for an account; a second start says which one.\n\n\
Examples:\n  loong channels serve whatsapp-personal\n  \
loong channels serve whatsapp-personal --reply echo --once\n  \
loong channels serve whatsapp-personal --all-accounts\n  \
loong channels serve whatsapp-personal --stop\n  \
loong channels serve whatsapp-personal --stop-duplicates --json"
    )]
    Serve(ServeArgs),
}

#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ResolveArgs {
    /// Channel id or alias
    pub channel: String,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct SendArgs {
    /// Channel id or alias
    pub channel: String,
    /// Whom to write to, in any form the channel accepts
    #[arg(long)]
    pub target: String,
    /// What to write; `-` reads standard input
    #[arg(long, allow_hyphen_values = true)]
    pub text: String,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Two sends with one key are one message, however often they are tried [default: a new key]
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    pub idempotency_key: Option<String>,
    /// Kind of the target [default: the channel's own]
    #[arg(long, value_name = "KIND")]
    pub target_kind: Option<String>,
    /// Print the receipt as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
#[command(group = clap::ArgGroup::new("ending").args(["stop", "stop_duplicates"]))]
pub struct ServeArgs {
    /// Channel id or alias
    pub channel: String,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// What answers the messages [default: `engine` of [reply], else the provider]
    #[arg(long, value_name = "ENGINE")]
    pub reply: Option<ReplyKind>,
    /// Answer what is waiting, then stop
    #[arg(long)]
    pub once: bool,
    /// Every account that is switched on, side by side
    #[arg(long, conflicts_with = "account")]
    pub all_accounts: bool,
    /// Ask the process that serves the account with this configuration to finish, and wait for it
    #[arg(long, conflicts_with_all = ["once", "reply"])]
    pub stop: bool,
    /// Keep the newest process that serves the account, and have the others finish
    #[arg(long, conflicts_with_all = ["once", "reply"])]
    pub stop_duplicates: bool,
    /// Print what was stopped as JSON
    #[arg(long, requires = "ending")]
    pub json: bool,
}

/// The reply engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// Sends back what came, for trying out
    Echo,
    /// Runs your program for each message
    Command,
    /// Asks a language model
    Provider,
}

/// Keys that begin with `in:` belong to the replies.
fn idempotency_key(written: &str) -> Result<String, String> {
    let length = written.chars().count();
    if !(1..=512).contains(&length) || written.chars().any(char::is_control) {
        return Err("a key has 1 to 512 characters, and no control characters".to_owned());
    }
    if written.starts_with("in:") {
        return Err(
            "keys that begin with `in:` belong to the replies of `channels serve`".to_owned(),
        );
    }
    Ok(written.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn both_command_lines_hold_together() {
        Cli::command().debug_assert();
        ChannelCli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn look(command: &clap::Command) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
        look(&ChannelCli::command());
    }

    #[test]
    fn everything_a_bridge_can_do_is_named_wherever_help_speaks_of_bridges() {
        let channel = ChannelCli::command();
        let bridge = channel.find_subcommand("bridge").unwrap();
        let helps = [Cli::command(), channel.clone(), bridge.clone()];
        for mut command in helps {
            let help = command.render_help().to_string();
            for able in bridge.get_subcommands() {
                let example = format!("  loong whatsapp-personal bridge {}", able.get_name());
                assert!(help.contains(&example), "no{example} in:\n{help}");
            }
        }
    }

    #[test]
    fn one_message_or_all_dead_ones_are_put_back_with_any_other_flag() {
        let retry = |words: &[&str]| {
            ChannelCli::try_parse_from([&["loong <CHANNEL>", "inbox", "retry"], words].concat())
        };
        for words in [
            &["c1"][..],
            &["c1", "--json", "--account", "work"],
            &["--all-dead", "--json"],
        ] {
            retry(words).unwrap();
        }
        for words in [&[][..], &["--json"], &["c1", "--all-dead"]] {
            retry(words).unwrap_err();
        }
    }

    #[test]
    fn listing_is_what_channels_does_by_itself() {
        let cli = Cli::try_parse_from(["loong", "channels", "--json"]).unwrap();
        let Command::Channels(channels) = cli.command else {
            panic!("{cli:?}")
        };
        assert!(channels.command.is_none() && channels.list.json);
    }

    #[test]
    fn what_serves_and_what_ends_others_cannot_be_asked_at_once() {
        let serve = |words: &[&str]| {
            Cli::try_parse_from([&["loong", "channels", "serve", "pigeon-post"], words].concat())
        };
        for words in [
            &["--all-accounts", "--once"][..],
            &["--stop", "--account", "work", "--json"],
            &["--stop", "--all-accounts"],
            &["--stop-duplicates", "--json"],
        ] {
            serve(words).unwrap();
        }
        for words in [
            &["--stop", "--once"][..],
            &["--stop", "--reply", "echo"],
            &["--stop", "--stop-duplicates"],
            &["--stop-duplicates", "--once"],
            &["--all-accounts", "--account", "work"],
            &["--json"],
        ] {
            serve(words).unwrap_err();
        }
    }

    fn run_with(more: &[&str]) -> Result<ChannelCli, clap::Error> {
        let words = ["pigeon-post", "bridge", "run"];
        ChannelCli::try_parse_from(words.iter().chain(more))
    }

    #[test]
    fn a_custom_pairing_code_has_eight_capitals_and_digits() {
        let with = |code| {
            run_with(&[
                "--pairing-code",
                "+15551234567",
                "--custom-pairing-code",
                code,
            ])
        };
        assert!(with("ABCD1234").is_ok());
        for wrong in [
            "",
            "ABCD123",
            "ABCD12345",
            "abcd1234",
            "ABCD-123",
            "ABCD-1234",
            "ÄBCD123",
            "ABCD 234",
        ] {
            let words = with(wrong).unwrap_err().to_string();
            assert!(words.contains("exactly 8 characters"), "{wrong}: {words}");
        }
    }

    #[test]
    fn a_custom_pairing_code_needs_the_phone_it_is_for() {
        let words = run_with(&["--custom-pairing-code", "ABCD1234"])
            .unwrap_err()
            .to_string();
        assert!(words.contains("--pairing-code <PHONE>"), "{words}");
    }

    #[test]
    fn a_word_nobody_knows_is_kept_for_the_channels() {
        let cli = Cli::try_parse_from(["loong", "pigeon-post", "bridge", "run", "--account", "a"])
            .unwrap();
        let Command::Channel(words) = cli.command else {
            panic!("{cli:?}")
        };
        let channel = ChannelCli::try_parse_from(words).unwrap();
        let ChannelCommand::Bridge(BridgeCommand::Run(run)) = channel.command else {
            panic!("{channel:?}")
        };
        assert_eq!(run.account.as_deref(), Some("a"));
    }
}
