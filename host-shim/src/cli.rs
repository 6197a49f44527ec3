//! The command line, and nothing but its shape.
//!
//! `loong <channel> …` is open-ended, because channels come from plugins: what follows an unknown
//! word is parsed by [`ChannelCli`] once it is clear that the word can be a channel.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(
    name = "loong",
    version,
    about = "Channels for Loong: send, serve, and the bridges they need",
    arg_required_else_help = true,
    after_help = "A channel's own commands:\n  loong whatsapp-personal bridge run       start the bridge and link the account\n  \
loong whatsapp-personal bridge install   install what the bridge needs\n  \
loong whatsapp-personal bridge status    say how the running bridge is\n  \
loong whatsapp-personal bridge resume    have a bridge that rests go on\n  \
loong whatsapp-personal bridge logout    unlink the account\n  \
loong whatsapp-personal pause, resume    the kill switch\n  \
loong whatsapp-personal inbox            the messages that came in\n  \
loong whatsapp-personal backup, restore  login and messages as one file\n\n\
Examples:\n  loong doctor\n  loong channels\n  loong channels send whatsapp-personal --target contact:+15551234567 --text 'hello'\n  \
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
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the whole installation and say what to do about each fault
    #[command(
        after_help = "Examples:\n  loong doctor\n  loong doctor --json --config ./loong.toml"
    )]
    Doctor(DoctorArgs),
    /// List channels, send with them, serve them
    #[command(
        after_help = "Examples:\n  loong channels\n  loong channels --json\n  \
loong channels send whatsapp-personal --target contact:+15551234567 --text 'hello'\n  \
loong channels serve whatsapp-personal --reply echo"
    )]
    Channels(ChannelsArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  loong completions bash > ~/.local/share/bash-completion/completions/loong"
    )]
    Completions { shell: clap_complete::Shell },
    /// A channel's id or alias, then what to do with its bridge
    #[command(external_subcommand)]
    Channel(Vec<OsString>),
}

#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Print the checks as JSON
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
    #[command(after_help = "Examples:\n  loong channels serve whatsapp-personal\n  \
loong channels serve whatsapp-personal --reply echo --once")]
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

/// One for each thing that can be done with a bridge.
const BRIDGE_EXAMPLES: &str = "Examples:\n  loong whatsapp-personal bridge run\n  \
loong whatsapp-personal bridge run --pairing-code +15551234567\n  \
loong whatsapp-personal bridge install\n  loong whatsapp-personal bridge status\n  \
loong whatsapp-personal bridge resume\n  loong whatsapp-personal bridge logout";

const CHANNEL_EXAMPLES: &str = "Examples:\n  loong whatsapp-personal bridge run\n  \
loong whatsapp-personal bridge run --pairing-code +15551234567\n  \
loong whatsapp-personal bridge install\n  loong whatsapp-personal bridge status\n  \
loong whatsapp-personal bridge resume\n  loong whatsapp-personal bridge logout\n  \
loong whatsapp-personal pause\n  loong whatsapp-personal resume\n  \
loong whatsapp-personal inbox list --state dead\n  \
loong whatsapp-personal backup /safe/whatsapp.backup\n  \
loong whatsapp-personal restore /safe/whatsapp.backup";

/// `loong <channel> …`.
#[derive(Debug, Parser)]
#[command(
    name = "loong <CHANNEL>",
    arg_required_else_help = true,
    about = "A channel's own commands",
    after_help = CHANNEL_EXAMPLES
)]
pub struct ChannelCli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: ChannelCommand,
}

#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// The process that holds the channel's login
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = BRIDGE_EXAMPLES
    )]
    Bridge(BridgeCommand),
    /// Let nothing out until `resume`; what comes in is kept
    #[command(after_help = "Examples:\n  loong whatsapp-personal pause\n  \
loong whatsapp-personal pause --account work --json")]
    Pause(PauseArgs),
    /// Let out again what `pause` held back
    #[command(after_help = "Example:\n  loong whatsapp-personal resume")]
    Resume(PauseArgs),
    /// The messages that came in: list, look at, put back, drop
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  loong whatsapp-personal inbox list --state dead\n  \
loong whatsapp-personal inbox retry --all-dead"
    )]
    Inbox(InboxCommand),
    /// Write the account's store, login and messages, to a new file; the bridge may run
    #[command(
        after_help = "The file is the login: whoever has it can be the account. Keep it secret.\n\n\
Examples:\n  loong whatsapp-personal backup /safe/whatsapp.backup\n  \
loong whatsapp-personal backup work.backup --account work --json"
    )]
    Backup(BackupArgs),
    /// Put a backup in the place of the account's store; the bridge must not run, nor be linked
    #[command(
        after_help = "Messages that were open in the backup are parked: `inbox list --state dead` shows them.\n\n\
Example:\n  loong whatsapp-personal restore /safe/whatsapp.backup"
    )]
    Restore(BackupArgs),
}

#[derive(Debug, Subcommand)]
pub enum InboxCommand {
    /// Messages in the order in which they came [default: those that nobody has answered yet]
    #[command(after_help = "Examples:\n  loong whatsapp-personal inbox list\n  \
loong whatsapp-personal inbox list --state dead --show-text\n  \
loong whatsapp-personal inbox list --json --limit 200")]
    List(InboxListArgs),
    /// One message
    #[command(after_help = "Example:\n  loong whatsapp-personal inbox show <CURSOR> --show-text")]
    Show(InboxShowArgs),
    /// Have dead letters answered after all: they are handed out again, in their old order
    #[command(
        after_help = "Examples:\n  loong whatsapp-personal inbox retry <CURSOR>\n  \
loong whatsapp-personal inbox retry --all-dead"
    )]
    Retry(InboxRetryArgs),
    /// Give a message up: it is never answered, and its text is removed
    #[command(after_help = "Example:\n  loong whatsapp-personal inbox drop <CURSOR> --yes")]
    Drop(InboxDropArgs),
}

/// Where a message of the inbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InboxState {
    /// Not handed out, or waiting for its next attempt
    Waiting,
    /// Handed out, being answered
    Leased,
    /// Parked after too many failed attempts
    Dead,
    /// Answered or dropped
    Done,
}

#[derive(Debug, Clone, Default, Args)]
pub struct PauseArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Print what the bridge says as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct InboxListArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Only messages in this state; may be given several times
    #[arg(long, value_name = "STATE")]
    pub state: Vec<InboxState>,
    /// The most to list, 1 to 200
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: u16,
    /// Go on where the last list ended
    #[arg(long, value_name = "NUMBER")]
    pub after: Option<u64>,
    /// Also show texts and whole chat ids
    #[arg(long)]
    pub show_text: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct InboxShowArgs {
    /// Which message, as the list names it
    #[arg(value_parser = cursor)]
    pub cursor: String,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Also show the text and the whole chat id
    #[arg(long)]
    pub show_text: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
#[group(required = true, multiple = false, args = ["cursor", "all_dead"])]
pub struct InboxRetryArgs {
    /// Which message, as the list names it
    #[arg(value_parser = cursor)]
    pub cursor: Option<String>,
    /// All dead letters
    #[arg(long)]
    pub all_dead: bool,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Print what the bridge says as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct InboxDropArgs {
    /// Which message, as the list names it
    #[arg(value_parser = cursor)]
    pub cursor: String,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub yes: bool,
    /// Print what the bridge says as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct BackupArgs {
    /// The backup
    pub file: PathBuf,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum BridgeCommand {
    /// Start the bridge, link the account when it is not linked yet, and stay
    #[command(
        after_help = "The first start installs what the bridge needs, then shows a QR code to scan.\n\n\
Examples:\n  loong whatsapp-personal bridge run\n  loong whatsapp-personal bridge run --account work\n  \
loong whatsapp-personal bridge run --pairing-code +15551234567"
    )]
    Run(BridgeRunArgs),
    /// Install what the bridge needs, and end. `bridge run` does it by itself
    #[command(after_help = "Example:\n  loong whatsapp-personal bridge install")]
    Install,
    /// Say how the running bridge is: state, login, queue
    #[command(after_help = "Examples:\n  loong whatsapp-personal bridge status\n  \
loong whatsapp-personal bridge status --account work --json")]
    Status(BridgeStatusArgs),
    /// Have a bridge that rests go on, with new codes to scan when it is not linked
    #[command(after_help = "Example:\n  loong whatsapp-personal bridge resume")]
    Resume(BridgeResumeArgs),
    /// Unlink the account, set its login aside, and start over with a QR code
    #[command(after_help = "Examples:\n  loong whatsapp-personal bridge logout\n  \
loong whatsapp-personal bridge logout --account work --yes")]
    Logout(BridgeLogoutArgs),
}

#[derive(Debug, Clone, Default, Args)]
pub struct BridgeStatusArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Print what the bridge says as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct BridgeResumeArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct BridgeLogoutArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Do not ask whether it is meant
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct BridgeRunArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Also ask for a pairing code, for the phone that should own the login
    #[arg(long, value_name = "PHONE")]
    pub pairing_code: Option<String>,
    /// The exact 8 characters to ask for, A to Z and 0 to 9; only with --pairing-code
    #[arg(long, value_name = "CODE", requires = "pairing_code", value_parser = custom_code)]
    pub custom_pairing_code: Option<String>,
    /// Do not install the bridge's dependencies, not even when they are missing
    #[arg(long)]
    pub skip_install: bool,
    /// Pass the bridge's events to standard output, one JSON object a line, instead of drawing the
    /// QR code. For machines: they hold the QR code's content, which is a login. Keep it secret
    #[arg(long)]
    pub json: bool,
}

/// A cursor is an opaque word; it becomes a part of a URL.
fn cursor(written: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    let whole = written.chars().all(fits) && (1..=200).contains(&written.len());
    if whole && !written.chars().all(|c| c == '.') {
        Ok(written.to_owned())
    } else {
        Err("a cursor is one word of letters, digits, `.`, `_`, `~` and `-`, as `inbox list` shows it".to_owned())
    }
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

/// Checked before anything starts: a code that the phone cannot be given costs a pairing.
fn custom_code(written: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if written.len() == 8 && written.chars().all(fits) {
        Ok(written.to_owned())
    } else {
        Err("a pairing code has exactly 8 characters, each of them A to Z or 0 to 9, such as ABCD1234".to_owned())
    }
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
    fn listing_is_what_channels_does_by_itself() {
        let cli = Cli::try_parse_from(["loong", "channels", "--json"]).unwrap();
        let Command::Channels(channels) = cli.command else {
            panic!("{cli:?}")
        };
        assert!(channels.command.is_none() && channels.list.json);
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
