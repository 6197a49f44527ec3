//! How a call into a guest fails: the guest's own no, kept apart from a guest that was stopped.
//! Every variant names the plugin, its version and the call.

use std::fmt;
use std::time::Duration;

use super::bindings::{ChannelError, ErrorKind};
use crate::door::AddressError;
use crate::error::Failure;

/// What was called on whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite {
    pub plugin_id: String,
    pub version: String,
    pub call: Call,
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "plugin {} {}, call {}",
            self.plugin_id,
            self.version,
            self.call.name()
        )
    }
}

/// The calls a host makes; the three steps of the reply loop are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    ValidateConfig,
    Send,
    Receive,
    Settle,
    Finish,
}

impl Call {
    /// The call as the contract writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidateConfig => "validate-config",
            Self::Send => "send",
            Self::Receive => "serve-step receive",
            Self::Settle => "serve-step settle",
            Self::Finish => "serve-step finish",
        }
    }
}

/// Why a call brought nothing. Whatever the case, the instance is gone: the next call has another.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The guest said no, in words for the operator.
    #[error("{}", error.message)]
    Refused {
        at: Box<CallSite>,
        error: ChannelError,
    },
    /// The call as a whole took too long.
    #[error("{at} was stopped: it took longer than {} s", after.as_secs_f32())]
    Deadline { at: Box<CallSite>, after: Duration },
    /// The guest's own work took too long.
    #[error("{at} was stopped: it computed without end (fuel limit {limit})")]
    Fuel { at: Box<CallSite>, limit: u64 },
    /// The guest wanted more memory than it may have.
    #[error("{at} was stopped: it asked for more memory than {} MiB", limit >> 20)]
    Memory { at: Box<CallSite>, limit: usize },
    /// The guest wanted a larger table than it may have.
    #[error("{at} was stopped: it asked for a table of more than {limit} elements")]
    Table { at: Box<CallSite>, limit: usize },
    /// The guest called the host too often.
    #[error("{at} was stopped: it called the host more than {limit} times")]
    HostCalls { at: Box<CallSite>, limit: u32 },
    /// The guest gave the host more bytes than it may.
    #[error("{at} was stopped: it handed the host more than {limit} bytes")]
    Bytes { at: Box<CallSite>, limit: usize },
    /// The guest broke down.
    #[error("{at} broke down: {reason}")]
    Trapped { at: Box<CallSite>, reason: String },
    /// The guest answered with something that is no answer to this call.
    #[error("{at} broke the contract: {reason}")]
    Contract { at: Box<CallSite>, reason: String },
    /// The guest's report names something that neither configuration nor environment holds.
    #[error(
        "{at} is not believed: it reports {field} `{value}`, and neither the configuration nor a variable that it names says so"
    )]
    Distrusted {
        at: Box<CallSite>,
        field: &'static str,
        value: String,
    },
    /// The account's bridge address is none; the guest was not run.
    #[error("the bridge address cannot be used: {source}")]
    Address {
        at: Box<CallSite>,
        #[source]
        source: AddressError,
    },
}

impl CallError {
    /// Whether the same call may succeed later, with nothing changed by the operator.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { error, .. } => match error.kind {
                ErrorKind::BridgeUnreachable | ErrorKind::BridgeUnavailable => true,
                ErrorKind::InvalidInput
                | ErrorKind::Refused
                | ErrorKind::BridgeRefused
                | ErrorKind::Protocol => false,
            },
            Self::Deadline { .. } => true,
            Self::Fuel { .. }
            | Self::Memory { .. }
            | Self::Table { .. }
            | Self::HostCalls { .. }
            | Self::Bytes { .. }
            | Self::Trapped { .. }
            | Self::Contract { .. }
            | Self::Distrusted { .. }
            | Self::Address { .. } => false,
        }
    }

    /// Stable, `snake_case`; the guest's own for what it refused.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { error, .. } => &error.code,
            Self::Deadline { .. } => "plugin_deadline",
            Self::Fuel { .. } => "plugin_out_of_fuel",
            Self::Memory { .. } => "plugin_out_of_memory",
            Self::Table { .. } => "plugin_table_too_large",
            Self::HostCalls { .. } => "plugin_too_many_host_calls",
            Self::Bytes { .. } => "plugin_too_many_bytes",
            Self::Trapped { .. } => "plugin_trapped",
            Self::Contract { .. } => "plugin_broke_contract",
            Self::Distrusted { .. } => "plugin_not_believed",
            Self::Address { .. } => "bridge_url_refused",
        }
    }

    /// Who was called, and with what.
    pub fn at(&self) -> &CallSite {
        match self {
            Self::Refused { at, .. }
            | Self::Deadline { at, .. }
            | Self::Fuel { at, .. }
            | Self::Memory { at, .. }
            | Self::Table { at, .. }
            | Self::HostCalls { at, .. }
            | Self::Bytes { at, .. }
            | Self::Trapped { at, .. }
            | Self::Contract { at, .. }
            | Self::Distrusted { at, .. }
            | Self::Address { at, .. } => at,
        }
    }
}

impl CallError {
    /// What to do next; the guest's own words for what it refused.
    pub fn hint(&self) -> &str {
        match self {
            Self::Refused { error, .. } => &error.hint,
            Self::Address { .. } => {
                "set bridge_url to http://127.0.0.1:<port>/<path>; no guest was run"
            }
            Self::Distrusted { .. } => {
                "do not use this plugin: it reports settings that nobody wrote"
            }
            Self::Deadline { .. } => {
                "look whether the bridge hangs, then try again; if it does not, the plugin does"
            }
            Self::Fuel { .. }
            | Self::Memory { .. }
            | Self::Table { .. }
            | Self::HostCalls { .. }
            | Self::Bytes { .. }
            | Self::Trapped { .. }
            | Self::Contract { .. } => {
                "report this to the plugin's maintainer; `loong doctor` shows which file it is"
            }
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let make = match &error {
            CallError::Refused { error, .. } => return refused(error),
            CallError::Address { .. } => Self::operator,
            CallError::Distrusted { .. }
            | CallError::Deadline { .. }
            | CallError::Fuel { .. }
            | CallError::Memory { .. }
            | CallError::Table { .. }
            | CallError::HostCalls { .. }
            | CallError::Bytes { .. }
            | CallError::Trapped { .. }
            | CallError::Contract { .. } => Self::fault,
        };
        make(error.code().to_owned(), error.to_string()).hint(error.hint())
    }
}

/// A guest's refusal as a failed command.
pub fn refused(error: &ChannelError) -> Failure {
    let make = match error.kind {
        ErrorKind::InvalidInput => Failure::usage,
        ErrorKind::Refused
        | ErrorKind::BridgeUnreachable
        | ErrorKind::BridgeUnavailable
        | ErrorKind::BridgeRefused
        | ErrorKind::Protocol => Failure::operator,
    };
    make(error.code.clone(), error.message.clone()).hint(error.hint.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitCode;

    fn site() -> Box<CallSite> {
        Box::new(CallSite {
            plugin_id: "pigeon".into(),
            version: "1.2.3".into(),
            call: Call::Settle,
        })
    }

    fn refusal(kind: ErrorKind) -> CallError {
        CallError::Refused {
            at: site(),
            error: ChannelError {
                kind,
                code: "c".into(),
                message: "m".into(),
                hint: String::new(),
            },
        }
    }

    #[test]
    fn only_a_bridge_that_may_come_back_and_a_deadline_are_worth_another_try() {
        let table = [
            (ErrorKind::InvalidInput, false),
            (ErrorKind::Refused, false),
            (ErrorKind::BridgeUnreachable, true),
            (ErrorKind::BridgeUnavailable, true),
            (ErrorKind::BridgeRefused, false),
            (ErrorKind::Protocol, false),
        ];
        for (kind, retryable) in table {
            assert_eq!(refusal(kind).is_retryable(), retryable, "{kind:?}");
        }
        assert!(
            CallError::Deadline {
                at: site(),
                after: Duration::from_secs(1)
            }
            .is_retryable()
        );
        assert!(
            !CallError::Trapped {
                at: site(),
                reason: String::new()
            }
            .is_retryable()
        );
    }

    #[test]
    fn a_broken_guest_is_named_with_plugin_version_and_call() {
        let error = CallError::Trapped {
            at: site(),
            reason: "unreachable".into(),
        };
        assert_eq!(
            error.to_string(),
            "plugin pigeon 1.2.3, call serve-step settle broke down: unreachable"
        );
        assert_eq!(Failure::from(error).exit, ExitCode::Fault);
    }

    #[test]
    fn words_that_are_wrong_are_wrong_usage_and_the_rest_is_for_the_operator() {
        assert_eq!(
            Failure::from(refusal(ErrorKind::InvalidInput)).exit,
            ExitCode::Usage
        );
        assert_eq!(
            Failure::from(refusal(ErrorKind::BridgeUnreachable)).exit,
            ExitCode::Operator
        );
    }
}
