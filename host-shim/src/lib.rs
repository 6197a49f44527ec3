//! The host shim: loads channel components, gives each one door to its local bridge, and serves
//! the `loong` command line. Everything that knows a channel is in the component; everything that
//! touches the machine is here.

pub mod backoff;
pub mod bounded_file;
pub mod bridge;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod component;
pub mod config;
pub mod config_edit;
pub mod config_warnings;
pub mod discovery;
pub mod door;
pub mod error;
pub mod failpoints;
pub mod home;
pub mod logging;
pub mod nearest;
pub mod output;
pub mod plain_text;
pub mod private_file;
pub mod process_group;
pub mod real_path;
pub mod serve;
