//! What answers a message: a language model, the operator's program, or an echo. An engine makes
//! the words of one reply and nothing else: it neither sends, nor remembers, nor tries again.

pub mod check;
pub mod command;
pub mod config;
pub mod echo;
pub mod provider;
pub mod provider_config;
mod table;

use std::sync::Arc;

use async_trait::async_trait;

use self::command::CommandEngine;
use self::config::{EngineSettings, ReplySettings};
use self::echo::EchoEngine;
use self::provider::ProviderEngine;
use crate::error::Failure;

/// One message to answer, with everything an engine may know.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyRequest {
    pub channel: String,
    /// The account's name in the configuration.
    pub account: String,
    pub conversation: String,
    pub message_id: String,
    /// Names the message wherever it is logged, by whichever part.
    pub correlation_id: String,
    pub sender: String,
    pub sender_name: Option<String>,
    pub is_group: bool,
    pub text: String,
    /// Milliseconds since 1970.
    pub received_at_ms: u64,
    /// Earlier turns of the conversation, oldest first.
    pub history: Vec<Turn>,
}

impl ReplyRequest {
    /// The text as somebody who reads the conversation must see it: in a group, with its author.
    pub fn spoken(&self) -> String {
        match &self.sender_name {
            Some(name) if self.is_group && !name.trim().is_empty() => {
                format!("{}: {}", name.trim(), self.text)
            }
            _ => self.text.clone(),
        }
    }
}

// A message's text and its author belong in no log.
impl std::fmt::Debug for ReplyRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyRequest")
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// What somebody wrote, and what we replied.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    pub user: String,
    pub reply: String,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

/// Why there is no reply. The words never hold a message text, a key or an address of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// This message could not be answered; another may.
    #[error("{reason}")]
    Failed { reason: String },
    /// Nothing can be answered at the moment; no message is to blame.
    #[error("{reason}")]
    Down { reason: String, hint: String },
}

impl EngineError {
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed {
            reason: reason.into(),
        }
    }

    pub fn down(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Down {
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

/// Makes replies. Dropping the future of a call gives up the reply and frees what it holds.
#[async_trait]
pub trait ReplyEngine: Send + Sync + 'static {
    /// The reply to `request`; none when there is nothing to say.
    async fn reply(&self, request: &ReplyRequest) -> Result<Option<String>, EngineError>;

    /// Whether it can answer at all, found out without any message.
    async fn probe(&self) -> Result<(), EngineError>;
}

/// The engine that `settings` ask for.
///
/// # Errors
/// The engine cannot be made on this machine; nothing was contacted.
pub fn engine(settings: &ReplySettings) -> Result<Arc<dyn ReplyEngine>, Failure> {
    Ok(match &settings.engine {
        EngineSettings::Echo => Arc::new(EchoEngine),
        EngineSettings::Command { argv } => {
            Arc::new(CommandEngine::new(argv.clone(), settings.timeout))
        }
        EngineSettings::Provider(provider) => Arc::new(ProviderEngine::new(
            provider.clone(),
            settings.instructions.clone(),
            settings.timeout,
        )?),
    })
}
