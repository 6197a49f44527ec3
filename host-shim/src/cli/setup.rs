//! The shape of `loong <channel> setup`: a flag for every question that it asks.

use std::path::PathBuf;

use clap::Args;

use super::ReplyKind;

#[derive(Debug, Clone, Default, Args)]
pub struct SetupArgs {
    /// What the account is called [default: default]
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// A chat that may write to the agent, such as +15551234567; may be given several times
    #[arg(long, value_name = "CHAT", conflicts_with = "allow_all")]
    pub allow: Vec<String>,
    /// Everybody who can reach the account may write to the agent
    #[arg(long)]
    pub allow_all: bool,
    /// What answers the messages
    #[arg(long, value_name = "ENGINE")]
    pub reply: Option<ReplyKind>,
    /// The program that answers; once more for each of its arguments
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub command: Vec<String>,
    /// Who serves the model: openai-compatible, openai, anthropic, gemini, ollama, …
    #[arg(long, value_name = "KIND")]
    pub provider_kind: Option<String>,
    /// The model, as its provider calls it
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// The provider's address up to and including the version [default: the provider's own]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// The environment variable that holds the provider's key: its name, not the key
    #[arg(long, value_name = "NAME")]
    pub api_key_env: Option<String>,
    /// The folder with the channel plugins [default: the configured ones, else one nearby]
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
    /// Where the account's bridge answers [default: a free port on this machine]
    #[arg(long, value_name = "URL", conflicts_with = "port")]
    pub bridge_url: Option<String>,
    /// The port of the account's bridge [default: a free one]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Change an account that is there, or what answers, with whatever else is given
    #[arg(long)]
    pub force: bool,
    /// Do not ask whether the changes are meant
    #[arg(long)]
    pub yes: bool,
    /// Start the bridge afterwards, and link the account
    #[arg(long, conflicts_with_all = ["no_pair", "json"])]
    pub pair: bool,
    /// Do not ask whether to start the bridge
    #[arg(long)]
    pub no_pair: bool,
    /// Print what was set up, and doctor's checks, as JSON
    #[arg(long)]
    pub json: bool,
}
