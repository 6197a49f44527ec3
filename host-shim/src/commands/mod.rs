//! One file per command. Only these, and `main`, print; all of them through [`crate::output`].

mod all_accounts;
mod allowlist_edit;
pub mod backup;
pub mod bridge_admin;
pub mod bridge_install;
mod bridge_launches;
pub mod bridge_pair_link;
mod bridge_places;
pub mod bridge_run;
mod bridge_screen;
mod bridge_stage;
mod bridge_states;
mod bridge_status;
mod bridge_statuses;
pub mod channels_list;
pub mod channels_resolve;
pub mod channels_send;
pub mod chats;
mod chats_allow;
mod command_line;
mod confirm;
mod dispatch;
pub mod doctor;
mod enter_key;
mod followed_account;
pub mod inbox;
pub mod opened;
pub mod pause;
mod running_bridge;
pub mod serve;
mod signals;

pub use command_line::{Invocation, Invoked};
pub use dispatch::dispatch;
