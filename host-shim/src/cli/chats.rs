//! The shape of `loong <channel> chats`: who writes, and who may.

use clap::{Args, Subcommand};

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ChatsArgs {
    #[command(subcommand)]
    pub command: Option<ChatsCommand>,
    #[command(flatten)]
    pub list: ChatsListArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ChatsCommand {
    /// Put chats on the list of those that may write, in the configuration file
    #[command(
        after_help = "A running bridge follows at once, and so does `channels serve`. Comments in the file stay.\n\n\
Examples:\n  loong whatsapp-personal chats allow contact:+15551234567\n  \
loong whatsapp-personal chats allow group:120363012345678901@g.us --account work\n  \
loong whatsapp-personal chats allow contact:+15551234567 contact:+15557654321 --narrow"
    )]
    Allow(ChatsAllowArgs),
}

#[derive(Debug, Clone, Default, Args)]
pub struct ChatsListArgs {
    /// Those that wrote and are not let in, by their ids; nothing more is kept of them
    #[arg(long)]
    pub refused: bool,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// The most to list, 1 to 200
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub limit: u16,
    /// Go on where the last list ended
    #[arg(long, value_name = "PLACE")]
    pub after: Option<String>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ChatsAllowArgs {
    /// Whom to let in, in any form the channel accepts
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Which of the channel's accounts
    #[arg(long)]
    pub account: Option<String>,
    /// Also take `*` off the list, so that nobody else is let in
    #[arg(long)]
    pub narrow: bool,
    /// Do not ask whether narrowing is meant
    #[arg(long, requires = "narrow")]
    pub yes: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}
