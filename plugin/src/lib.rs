//! The WhatsApp Personal channel as a component: bindings, and conversion between the generated
//! types and those of the modules. Decides nothing; every rule lives in a module that knows
//! neither WIT nor the host, and is tested natively.

pub mod account;
pub mod allowlist;
pub mod boundary;
mod bridge_settings;
pub mod bridge_url;
pub mod channel;
pub mod component;
pub mod config;
pub mod env_pointer;
pub mod envelope;
pub mod error;
pub mod identity;
pub mod inbound;
pub mod report;
pub mod send;
pub mod serve_step;
pub mod target;
pub mod unknown_key;

mod conversion;

#[allow(
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::pedantic,
    reason = "generated: the canonical ABI passes memory by pointer"
)]
mod bindings {
    wit_bindgen::generate!({ world: "channel-plugin", path: "../wit" });

    #[cfg(target_family = "wasm")]
    use super::component::WhatsappPersonal;
    // A native linker refuses the names of the exports.
    #[cfg(target_family = "wasm")]
    export!(WhatsappPersonal with_types_in self);
}
