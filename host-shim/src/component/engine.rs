//! One engine for the process: how components are compiled, cached, linked and limited. Knows no
//! plugin by name and runs nothing; see `channel` for calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, Store};

use super::bindings::{ChannelPlugin, ChannelPluginPre};
use super::contract;
use super::state::{Reach, State};
use super::wasi;
use crate::bounded_file::{self, ReadError};
use crate::plain_text::sentence;

/// What a guest may use up. There are no defaults: an unlimited guest cannot be built by accident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a component's file.
    pub component: u64,
    /// Bytes of all linear memories together.
    pub memory: usize,
    /// Elements of one table.
    pub table_elements: usize,
    pub tables: usize,
    /// Core instances, and memories, of one component.
    pub instances: usize,
    /// Bytes of a guest's stack.
    pub stack: usize,
    /// Things of the host that a guest holds at the same time, such as a standard stream.
    pub handles: usize,
    /// Work of the guest's own in one call; what it awaits is not counted.
    pub fuel: u64,
    /// Calls of our imports in one call.
    pub host_calls: u32,
    /// Bytes the guest may hand to our imports in one call, and in its answer.
    pub bytes: usize,
    pub deadlines: Deadlines,
    /// Calls of one channel that run side by side; more wait for a place.
    pub concurrent_calls: usize,
}

/// How long a whole call may take, host time included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    pub validate_config: Duration,
    /// Send, settle and finish: each waits for the bridge by itself.
    pub send: Duration,
    /// Receive: this much on top of the wait it asks for.
    pub receive_margin: Duration,
}

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: ReadError,
    },
    #[error("it is not the file its manifest pins: its SHA-256 is {found}, not {pinned}")]
    OtherDigest { pinned: String, found: String },
    #[error("it is no WebAssembly component: {0}")]
    NoComponent(String),
    #[error("built for loong:channel@{built_for}, this host speaks {version}", version = contract::VERSION)]
    OtherVersion { built_for: String },
    #[error("it wants `{0}`, which this host gives to nobody")]
    ForeignImport(String),
    #[error(
        "it is no channel: it does not export {}/channel@{}",
        contract::PACKAGE,
        contract::VERSION
    )]
    NoChannel,
    #[error("its imports or exports do not have the contract's types: {0}")]
    Mismatch(String),
}

/// The engine could not be built: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the WebAssembly engine: {0}")]
pub struct EngineError(String);

/// Compiles components and opens stores for them. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    linker: Arc<Linker<State>>,
    limits: Limits,
    cache: Option<Cache>,
}

/// How often compiled code was found, and how often it had to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheUse {
    pub hits: usize,
    pub misses: usize,
}

impl Sandbox {
    /// An engine with `limits` for every call. With a `cache` folder, compiled code is kept there;
    /// the folder must have passed [`super::cache_dir::trusted`].
    ///
    /// # Errors
    /// The engine or the cache cannot be set up.
    pub fn new(cache: Option<&Path>, limits: Limits) -> Result<Self, EngineError> {
        let cache = cache.map(open_cache).transpose()?;
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .max_wasm_stack(limits.stack)
            .async_stack_size(limits.stack + HOST_STACK)
            .cache(cache.clone());
        let engine = Engine::new(&config).map_err(fault)?;
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker).map_err(fault)?;
        ChannelPlugin::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .map_err(fault)?;
        Ok(Self {
            engine,
            linker: Arc::new(linker),
            limits,
            cache,
        })
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// None without a cache.
    pub fn cache_use(&self) -> Option<CacheUse> {
        self.cache.as_ref().map(|cache| CacheUse {
            hits: cache.cache_hits(),
            misses: cache.cache_misses(),
        })
    }

    /// Compiles the component at `path`, or takes it from the cache, and checks that it fits. May
    /// take a second of processor time: not for an async thread.
    ///
    /// # Errors
    /// It cannot be read, is not what `digest` (SHA-256, hex) says, is no component, or does not
    /// fit this host.
    pub fn load(
        &self,
        path: &Path,
        digest: Option<&str>,
    ) -> Result<ChannelPluginPre<State>, LoadError> {
        let bytes = bounded_file::read(path, self.limits.component).map_err(|source| {
            LoadError::Unreadable {
                path: path.to_path_buf(),
                source,
            }
        })?;
        if let Some(pinned) = digest {
            let found = hex::encode(Sha256::digest(&bytes));
            if !found.eq_ignore_ascii_case(pinned) {
                return Err(LoadError::OtherDigest {
                    pinned: pinned.to_owned(),
                    found,
                });
            }
        }
        self.compile(&bytes)
    }

    /// As [`Sandbox::load`], from memory.
    ///
    /// # Errors
    /// It is no component, or does not fit this host.
    pub fn compile(&self, bytes: &[u8]) -> Result<ChannelPluginPre<State>, LoadError> {
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| LoadError::NoComponent(words(&error)))?;
        let shape = component.component_type();
        contract::check(
            shape.imports(&self.engine).map(|(name, _)| name),
            shape.exports(&self.engine).map(|(name, _)| name),
        )?;
        self.linker
            .instantiate_pre(&component)
            .and_then(ChannelPluginPre::new)
            .map_err(|error| LoadError::Mismatch(words(&error)))
    }

    /// A store for one call, limited as a whole.
    pub(super) fn store(&self, reach: Reach) -> wasmtime::Result<Store<State>> {
        let mut store = Store::new(&self.engine, State::new(reach, &self.limits));
        store.limiter(|state| &mut state.ceiling);
        store.set_hostcall_fuel(self.limits.bytes);
        store.set_max_component_handles(self.limits.handles);
        store.set_fuel(self.limits.fuel)?;
        // Often enough that a deadline can interrupt a guest that never calls the host.
        store.fuel_async_yield_interval(Some(YIELD_EVERY))?;
        Ok(store)
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Fuel between two chances for the clock: well under a millisecond of work. An instruction that
/// fills or copies memory costs a unit for each byte.
const YIELD_EVERY: u64 = 500_000;

/// What the host's own functions need on a guest's stack.
const HOST_STACK: usize = 1 << 20;
/// Characters of what the engine says about a guest: it quotes names that the guest chose.
const WORDS: usize = 1_000;

fn open_cache(folder: &Path) -> Result<Cache, EngineError> {
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).map_err(fault)
}

fn fault(error: wasmtime::Error) -> EngineError {
    EngineError(words(&error))
}

/// A wasmtime error in one line, of limited length.
pub(super) fn words(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let causes = causes.join(": ");
    let words: Vec<&str> = causes.split_whitespace().collect();
    sentence(&words.join(" "), WORDS)
}
