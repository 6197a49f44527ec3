//! A WhatsApp Web server on loopback for tests: a phone that scans QR codes, contacts and groups
//! that write and read, end-to-end encrypted, as an unmodified Baileys 7.0.0-rc14 expects it.
//! See `docs/simulator.md`. It is not WhatsApp, and nothing of the product depends on it.

mod bundle;
mod cert;
mod clock;
mod companion;
mod contact;
pub mod content;
mod device;
mod directory;
mod disruption;
mod faults;
mod group;
mod intro;
mod journal;
mod lines;
mod link_code;
mod mail;
mod noise;
mod padding;
mod pairing;
mod person;
mod phone;
mod qr;
mod queries;
mod reading;
mod router;
mod server;
mod signal_store;
mod simulator;
mod stanza;
mod world;
mod writing;

pub use contact::Contact;
pub use disruption::Disruption;
pub use faults::Verdict;
pub use group::Group;
pub use mail::Fate;
pub use person::{Addressing, Received};
pub use phone::Phone;
pub use simulator::Simulator;
pub use stanza::to_text;
pub use wacore_binary::Node;
pub use waproto::whatsapp::Message;
