//! The bridge, seen from the host: HTTP to it, and the life of its process. Knows no component.

pub mod events;
pub mod http;
pub mod install;
pub mod launcher;
pub mod node;
pub mod qr;
pub mod task;
pub mod token;
