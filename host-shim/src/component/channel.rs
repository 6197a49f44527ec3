//! The only way into a guest: three typed calls, each with an instance of its own that is gone
//! when the call ends. Whether to try again is not decided here; see `serve`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::{Store, Trap};

use super::bindings::{
    Account, ChannelError, ChannelPlugin, ChannelPluginPre, ConfigDocument, OutboundMessage,
    Receipt, Report, Step, StepOutcome,
};
use super::call_error::{Call, CallError, CallSite};
use super::claims;
use super::engine::{LoadError, Sandbox, words};
use super::state::{Reach, State, Stop, Variables};
use super::trust::Written;
use crate::door::{BridgeAddress, BridgeDoor};

/// Who the guest is, as its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub plugin_id: String,
    pub version: String,
    /// Environment variables the manifest declares, which the guest may look up.
    pub variable_names: Vec<String>,
    /// SHA-256 the component must have, in hex; none leaves it unpinned.
    pub component_sha256: Option<String>,
}

/// A loaded channel. Cheap to clone; calls may run side by side, up to the limit.
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    identity: Identity,
    sandbox: Sandbox,
    guest: ChannelPluginPre<State>,
    door: Arc<dyn BridgeDoor>,
    variables: Variables,
    places: Semaphore,
}

impl Channel {
    /// Loads the component at `path`; what it posts goes through `door`. Compiles when the cache
    /// does not have it, on a thread of its own.
    ///
    /// # Errors
    /// The component cannot be read or does not fit this host.
    pub async fn load(
        sandbox: &Sandbox,
        path: &Path,
        identity: Identity,
        door: Arc<dyn BridgeDoor>,
        variables: Variables,
    ) -> Result<Self, LoadError> {
        let (compiler, file, digest) = (
            sandbox.clone(),
            path.to_path_buf(),
            identity.component_sha256.clone(),
        );
        let guest = tokio::task::spawn_blocking(move || compiler.load(&file, digest.as_deref()))
            .await
            .map_err(|error| LoadError::NoComponent(error.to_string()))??;
        Ok(Self(Arc::new(Inner {
            identity,
            places: Semaphore::new(sandbox.limits().concurrent_calls),
            sandbox: sandbox.clone(),
            guest,
            door,
            variables,
        })))
    }

    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Has the guest read its configuration, and checks that what it reports was written by the
    /// operator. Does not touch the bridge.
    ///
    /// # Errors
    /// The guest was stopped, broke down, or is not believed.
    pub async fn validate_config(&self, document: ConfigDocument) -> Result<Report, CallError> {
        let inner = &self.0;
        let at = inner.site(Call::ValidateConfig);
        let block = serde_json::from_str(&document.json).map_err(|error| CallError::Contract {
            at: at.clone(),
            reason: format!("the host gave it a block that is no JSON: {error}"),
        })?;
        let written = Written::of(&block, &inner.identity.variable_names);
        let mut reach = inner.reach(String::new(), None);
        reach.variable_names.clone_from(written.variable_names());
        let deadline = inner.sandbox.limits().deadlines.validate_config;
        let mut report = inner
            .call(&at, reach, deadline, async |guest, store| {
                guest
                    .loong_channel_channel()
                    .call_validate_config(store, &document)
                    .await
            })
            .await?;
        if let Some((field, value)) = written.first_invented(&report, &inner.variables) {
            return Err(CallError::Distrusted { at, field, value });
        }
        kept(&at, claims::report(&mut report))?;
        Ok(report)
    }

    /// Sends one text for `account`, at its bridge and nowhere else.
    ///
    /// # Errors
    /// `Refused`: the guest said no. `Address`: the guest was not run. Else it was stopped or
    /// broke down.
    pub async fn send(
        &self,
        account: &Account,
        message: OutboundMessage,
    ) -> Result<Receipt, CallError> {
        let inner = &self.0;
        let at = inner.site(Call::Send);
        let reach = inner.reach_of(&at, account)?;
        let deadline = inner.sandbox.limits().deadlines.send;
        let receipt = inner
            .call(&at, reach, deadline, async |guest, store| {
                guest
                    .loong_channel_channel()
                    .call_send(store, account, &message)
                    .await
            })
            .await?
            .map_err(|error| refused(&at, error))?;
        kept(&at, claims::receipt(&receipt))?;
        Ok(receipt)
    }

    /// Does one step of the reply loop for `account`; waits as long as the step says, plus a margin.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn serve_step(
        &self,
        account: &Account,
        step: Step,
    ) -> Result<StepOutcome, CallError> {
        let inner = &self.0;
        let deadlines = inner.sandbox.limits().deadlines;
        let (call, deadline) = match &step {
            Step::Receive(receive) => (
                Call::Receive,
                deadlines.receive_margin + Duration::from_millis(receive.wait.into()),
            ),
            Step::Settle(_) => (Call::Settle, deadlines.send),
            Step::Finish(_) => (Call::Finish, deadlines.send),
        };
        let at = inner.site(call);
        let reach = inner.reach_of(&at, account)?;
        let mut outcome = inner
            .call(&at, reach, deadline, async |guest, store| {
                guest
                    .loong_channel_channel()
                    .call_serve_step(store, account, &step)
                    .await
            })
            .await?
            .map_err(|error| refused(&at, error))?;
        kept(&at, claims::outcome(&step, &mut outcome))?;
        Ok(outcome)
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Channel").field(&self.0.identity).finish()
    }
}

impl Inner {
    fn site(&self, call: Call) -> Box<CallSite> {
        Box::new(CallSite {
            plugin_id: self.identity.plugin_id.clone(),
            version: self.identity.version.clone(),
            call,
        })
    }

    fn reach(&self, account: String, address: Option<BridgeAddress>) -> Reach {
        Reach {
            plugin_id: self.identity.plugin_id.clone(),
            account,
            address,
            door: Arc::clone(&self.door),
            variable_names: self.identity.variable_names.iter().cloned().collect(),
            variables: self.variables.clone(),
        }
    }

    /// Pins the account's bridge; without one the door stays closed.
    fn reach_of(&self, at: &CallSite, account: &Account) -> Result<Reach, CallError> {
        let address = account
            .bridge_url
            .as_deref()
            .map(BridgeAddress::parse)
            .transpose()
            .map_err(|source| CallError::Address {
                at: Box::new(at.clone()),
                source,
            })?;
        Ok(self.reach(account.configured_id.clone(), address))
    }

    /// Runs `body` in an instance of its own, for at most `deadline` from the moment it has a place.
    async fn call<T>(
        &self,
        at: &CallSite,
        reach: Reach,
        deadline: Duration,
        body: impl AsyncFnOnce(&ChannelPlugin, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, CallError> {
        // Never closed, so a failure to acquire cannot happen; without a place the call still runs.
        let _place = self.places.acquire().await.ok();
        let run = async {
            let mut store = self.sandbox.store(reach)?;
            let guest = self.guest.instantiate_async(&mut store).await?;
            body(&guest, &mut store).await
        };
        match tokio::time::timeout(deadline, run).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.stopped(Box::new(at.clone()), &error)),
            Err(_elapsed) => Err(CallError::Deadline {
                at: Box::new(at.clone()),
                after: deadline,
            }),
        }
    }

    fn stopped(&self, at: Box<CallSite>, error: &wasmtime::Error) -> CallError {
        let limits = self.sandbox.limits();
        match (error.downcast_ref::<Stop>(), error.downcast_ref::<Trap>()) {
            (Some(Stop::Memory), _) => CallError::Memory {
                at,
                limit: limits.memory,
            },
            (Some(Stop::Table), _) => CallError::Table {
                at,
                limit: limits.table_elements,
            },
            (Some(Stop::HostCalls), _) => CallError::HostCalls {
                at,
                limit: limits.host_calls,
            },
            (Some(Stop::Bytes), _) => CallError::Bytes {
                at,
                limit: limits.bytes,
            },
            (None, Some(Trap::OutOfFuel)) => CallError::Fuel {
                at,
                limit: limits.fuel,
            },
            (None, Some(trap)) => CallError::Trapped {
                at,
                reason: trap.to_string(),
            },
            (None, None) if is_too_much_data(error) => CallError::Bytes {
                at,
                limit: limits.bytes,
            },
            (None, None) => CallError::Trapped {
                at,
                reason: words(error),
            },
        }
    }
}

/// wasmtime's own guard of what it copies out of a guest; its error type is private, so its words
/// have to do. A test holds them.
fn is_too_much_data(error: &wasmtime::Error) -> bool {
    words(error).contains("too much data is being copied between the host and the guest")
}

fn refused(at: &CallSite, error: ChannelError) -> CallError {
    match kept(at, claims::error(error)) {
        Ok(error) => CallError::Refused {
            at: Box::new(at.clone()),
            error,
        },
        Err(broken) => broken,
    }
}

/// What was promised, or the broken promise as an error.
fn kept<T>(at: &CallSite, claim: Result<T, String>) -> Result<T, CallError> {
    claim.map_err(|reason| CallError::Contract {
        at: Box::new(at.clone()),
        reason,
    })
}
