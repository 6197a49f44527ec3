//! What one call's store holds: an empty WASI context, what is left of the limits, and what the
//! imports may reach. Lives as long as the call.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::engine::Limits;
use crate::door::{BridgeAddress, BridgeDoor};

/// Everything a call's imports may use.
#[derive(Debug, Clone)]
pub struct Reach {
    pub plugin_id: String,
    /// The account as shown to a person; empty when the call is about none.
    pub account: String,
    /// The one address; none closes the door.
    pub address: Option<BridgeAddress>,
    pub door: Arc<dyn BridgeDoor>,
    /// Names of environment variables that may be looked up.
    pub variable_names: BTreeSet<String>,
    pub variables: Variables,
}

/// Where the values of environment variables come from.
#[derive(Clone)]
pub struct Variables(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    /// The process's own environment.
    pub fn of_the_process() -> Self {
        Self(Arc::new(|name| {
            // `var` panics on no name, only answers with an error on an odd one; `=` and NUL are odd.
            (!name.is_empty())
                .then(|| std::env::var(name).ok())
                .flatten()
        }))
    }

    /// The given ones and no others.
    pub fn fixed<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(Arc::new(move |name| {
            pairs
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        }))
    }

    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

/// The limit that stopped a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    #[error("memory limit reached")]
    Memory,
    #[error("table limit reached")]
    Table,
    #[error("too many calls to the host")]
    HostCalls,
    #[error("too many bytes for the host")]
    Bytes,
}

/// The data of one call's store.
pub struct State {
    pub(super) reach: Reach,
    pub(super) ceiling: Ceiling,
    host_calls_left: u32,
    bytes_left: usize,
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl State {
    pub(super) fn new(reach: Reach, limits: &Limits) -> Self {
        Self {
            reach,
            ceiling: Ceiling::new(limits),
            host_calls_left: limits.host_calls,
            bytes_left: limits.bytes,
            // Empty: no stdio, no arguments, no environment, no files, no network.
            wasi: WasiCtx::builder().build(),
            resources: ResourceTable::new(),
        }
    }

    /// Counts a call to the host that carries `bytes`.
    ///
    /// # Errors
    /// A limit is reached; the guest has to be stopped.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Stop> {
        self.host_calls_left = self.host_calls_left.checked_sub(1).ok_or(Stop::HostCalls)?;
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Stop::Bytes)?;
        Ok(())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.resources,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

/// wasmtime's own limits, with an error that can be told from other traps, and one sum over all
/// memories: wasmtime counts each by itself.
pub(super) struct Ceiling {
    limits: StoreLimits,
    memory_left: usize,
}

impl Ceiling {
    fn new(limits: &Limits) -> Self {
        Self {
            limits: StoreLimitsBuilder::new()
                .memory_size(limits.memory)
                .memories(limits.instances)
                .table_elements(limits.table_elements)
                .tables(limits.tables)
                .instances(limits.instances)
                .build(),
            memory_left: limits.memory,
        }
    }
}

impl ResourceLimiter for Ceiling {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let left = self
            .memory_left
            .checked_sub(desired.saturating_sub(current));
        match left {
            Some(left) if self.limits.memory_growing(current, desired, maximum)? => {
                self.memory_left = left;
                Ok(true)
            }
            // A refusal would come back as an allocation failure, which the guest cannot explain.
            Some(_) | None => Err(wasmtime::Error::new(Stop::Memory)),
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if self.limits.table_growing(current, desired, maximum)? {
            Ok(true)
        } else {
            Err(wasmtime::Error::new(Stop::Table))
        }
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::limits::LIMITS;

    #[test]
    fn several_memories_share_one_limit() {
        let mut ceiling = Ceiling::new(&LIMITS);
        let half = LIMITS.memory / 2;
        assert!(ceiling.memory_growing(0, half, None).unwrap());
        assert!(ceiling.memory_growing(0, half, None).unwrap());
        let stopped = ceiling.memory_growing(0, 1, None).unwrap_err();
        assert!(matches!(stopped.downcast_ref(), Some(Stop::Memory)));
    }

    #[test]
    fn a_memory_that_grows_is_counted_once() {
        let mut ceiling = Ceiling::new(&LIMITS);
        for size in 1..=64 {
            let page = LIMITS.memory / 64;
            assert!(
                ceiling
                    .memory_growing((size - 1) * page, size * page, None)
                    .unwrap()
            );
        }
        assert!(
            ceiling
                .memory_growing(LIMITS.memory, LIMITS.memory + 1, None)
                .is_err()
        );
    }
}
