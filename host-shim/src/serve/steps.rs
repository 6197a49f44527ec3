//! The seam between the reply loop and the sandbox: one step of one account. The loop knows no
//! wasm, and the sandbox no loop.

use async_trait::async_trait;

use crate::component::bindings::{Batch, ErrorKind, Step, StepOutcome};
use crate::component::call_error::CallError;

/// Does the steps of one account's reply loop. Steps may run side by side; dropping one gives it up.
#[async_trait]
pub trait Steps: Send + Sync + 'static {
    /// Does one step; see `serve-step` in the contract.
    async fn step(&self, step: Step) -> Result<StepOutcome, CallError>;
}

/// The batch that a receive step brought. The sandbox lets no other outcome through.
pub(super) fn received(outcome: Result<StepOutcome, CallError>) -> Result<Batch, CallError> {
    Ok(match outcome? {
        StepOutcome::Received(batch) => batch,
        StepOutcome::Settled(_) | StepOutcome::Finished => Batch {
            id: None,
            messages: Vec::new(),
            unreadable: Vec::new(),
        },
    })
}

/// What a failed step means for the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answers: the bridge is not running.
    Unreachable,
    /// The bridge cannot do it now.
    Unavailable,
    /// It will be refused again.
    Refused,
    /// Guest or bridge are not what they should be; perhaps for this message only.
    Broken,
}

pub(super) fn trouble(error: &CallError) -> Trouble {
    match error {
        CallError::Refused { error, .. } => match error.kind {
            ErrorKind::BridgeUnreachable => Trouble::Unreachable,
            ErrorKind::BridgeUnavailable => Trouble::Unavailable,
            ErrorKind::InvalidInput | ErrorKind::Refused | ErrorKind::BridgeRefused => {
                Trouble::Refused
            }
            ErrorKind::Protocol => Trouble::Broken,
        },
        CallError::Deadline { .. } => Trouble::Unavailable,
        CallError::Address { .. } => Trouble::Refused,
        CallError::Fuel { .. }
        | CallError::Memory { .. }
        | CallError::Table { .. }
        | CallError::HostCalls { .. }
        | CallError::Bytes { .. }
        | CallError::Trapped { .. }
        | CallError::Contract { .. }
        | CallError::Distrusted { .. } => Trouble::Broken,
    }
}
