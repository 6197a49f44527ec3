//! One file per command. Only these, and `main`, print; all of them through [`crate::output`].

pub mod bridge_install;
pub mod bridge_run;
mod bridge_screen;
pub mod channels_list;
pub mod channels_resolve;
pub mod channels_send;
mod dispatch;
pub mod doctor;
pub mod opened;
pub mod serve;
mod signals;

pub use dispatch::{dispatch, explain};
