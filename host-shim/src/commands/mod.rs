//! One file per command. Only these, and `main`, print; all of them through [`crate::output`].

pub mod backup;
pub mod bridge_admin;
pub mod bridge_install;
pub mod bridge_run;
mod bridge_screen;
mod bridge_states;
mod bridge_status;
pub mod channels_list;
pub mod channels_resolve;
pub mod channels_send;
mod confirm;
mod dispatch;
pub mod doctor;
mod enter_key;
pub mod inbox;
pub mod opened;
pub mod pause;
mod running_bridge;
pub mod serve;
mod serve_line;
mod signals;

pub use dispatch::{dispatch, explain};
