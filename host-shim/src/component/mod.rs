//! The sandbox: engine, limits, imports and the typed way into a guest. Knows no HTTP; what the
//! guest posts goes out through the [`crate::door`] it is given.

pub mod bindings;
pub mod cache_dir;
pub mod call_error;
pub mod channel;
mod claims;
pub mod contract;
pub mod engine;
pub mod imports;
pub mod state;
pub mod trust;
mod wasi;
