//! The component's behaviour at its doors: tables, wire format, sending, the reply loop, and what
//! every kind of bad answer becomes. Native: the component itself is run by the host's tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bridge_errors;
mod codes;
mod notes;
mod schema;
mod sending;
mod serving;
mod support;
mod tables;
mod wire;
