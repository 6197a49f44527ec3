//! The shape of a channel's own commands: its bridge, the switch, its inbox, its chats, backups.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::chats::ChatsArgs;
use super::{Global, SetupArgs};

/// One for each thing that can be done with a bridge.
const BRIDGE_EXAMPLES: &str = "Examples:\n  loong whatsapp-personal bridge run\n  \
loong whatsapp-personal bridge run --pairing-code +15551234567\n  \
loong whatsapp-personal bridge install\n  loong whatsapp-personal bridge status\n  \
loong whatsapp-personal bridge metrics\n  \
loong whatsapp-personal bridge pair-link\n  \
loong whatsapp-personal bridge resume\n  loong whatsapp-personal bridge logout";

const EXAMPLES: &str = "Examples:\n  loong whatsapp-personal setup\n  loong whatsapp-personal bridge run\n  \
loong whatsapp-personal bridge run --pairing-code +15551234567\n  \
loong whatsapp-personal bridge install\n  loong whatsapp-personal bridge status\n  \
loong whatsapp-personal bridge metrics\n  \
loong whatsapp-personal bridge pair-link\n  \
loong whatsapp-personal bridge resume\n  loong whatsapp-personal bridge logout\n  \
loong whatsapp-personal pause\n  loong whatsapp-personal inbox list --state dead\n  \
loong whatsapp-personal chats --refused\n  \
loong whatsapp-personal backup /safe/whatsapp.backup";

/// `loong <channel> …`.
#[derive(Debug, Parser)]
#[command(
    name = "loong <CHANNEL>",
    arg_required_else_help = true,
    about = "A channel's own commands",
    after_help = EXAMPLES
)]
pub struct ChannelCli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: ChannelCommand,
}

#[derive(Debug, Subcommand)]
pub enum ChannelCommand {
    /// Ask a few questions, and write the configuration of an account
    #[command(
        after_help = "Comments of an existing configuration stay, and nothing is written before you say yes.\n\n\
Examples:\n  loong whatsapp-personal setup\n  loong whatsapp-personal setup --account work\n  \
loong whatsapp-personal setup --allow +15551234567 --reply echo --yes --no-pair\n  \
loong whatsapp-personal setup --allow +15551234567 --command /usr/local/bin/answer --yes\n  \
loong whatsapp-personal setup --allow-all --provider-kind openai --model some-model --yes --json"
    )]
    Setup(Box<SetupArgs>),
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
    /// The chats: who writes, who is let in and by which entry, who was refused
    #[command(after_help = "Examples:\n  loong whatsapp-personal chats\n  \
loong whatsapp-personal chats --refused --json\n  \
loong whatsapp-personal chats allow contact:+15551234567")]
    Chats(ChatsArgs),
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
pub struct InboxRetryArgs {
    /// Which message, as the list names it
    #[arg(value_parser = cursor, required_unless_present = "all_dead", conflicts_with = "all_dead")]
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
loong whatsapp-personal bridge run --all-accounts\n  \
loong whatsapp-personal bridge run --pairing-code +15551234567"
    )]
    Run(BridgeRunArgs),
    /// Install what the bridge needs, and end. `bridge run` does it by itself
    #[command(after_help = "Example:\n  loong whatsapp-personal bridge install")]
    Install,
    /// Say how the running bridge is: state, login, queue
    #[command(after_help = "Examples:\n  loong whatsapp-personal bridge status\n  \
loong whatsapp-personal bridge status --account work --json\n  \
loong whatsapp-personal bridge status --all-accounts")]
    Status(BridgeStatusArgs),
    /// Print the running bridge's numbers in Prometheus' text format
    #[command(after_help = "Examples:\n  loong whatsapp-personal bridge metrics\n  \
loong whatsapp-personal bridge metrics --account work")]
    Metrics(BridgeMetricsArgs),
    /// Print a link that opens the page with the QR code in a browser, once
    #[command(
        after_help = "Earlier links no longer open it. Keep the link to yourself: who opens it sees the QR code.\n\n\
Examples:\n  loong whatsapp-personal bridge pair-link\n  \
loong whatsapp-personal bridge pair-link --account work --json"
    )]
    PairLink(BridgePairLinkArgs),
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
    /// Every account that is switched on
    #[arg(long, conflicts_with = "account")]
    pub all_accounts: bool,
    /// Print what the bridge says as JSON; with --all-accounts a list
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct BridgeMetricsArgs {
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct BridgePairLinkArgs {
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
    /// A bridge for every account that is switched on, side by side in this process
    #[arg(long, conflicts_with_all = ["account", "pairing_code"])]
    pub all_accounts: bool,
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
    /// QR code; with --all-accounts each has the field `account`. For machines: they hold the QR code's content, which is a login. Keep it secret
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

/// Checked before anything starts: a code that the phone cannot be given costs a pairing.
fn custom_code(written: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if written.len() == 8 && written.chars().all(fits) {
        Ok(written.to_owned())
    } else {
        Err("a pairing code has exactly 8 characters, each of them A to Z or 0 to 9, such as ABCD1234".to_owned())
    }
}
