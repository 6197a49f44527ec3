//! Remembers what the loop waits for and which messages it cannot read, so that each is said once
//! and not at every try.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::event::{Listener, ServeEvent, WaitingFor};
use crate::component::bindings::UnreadableMessage;

/// How many unreadable messages are remembered.
const REMEMBERED: usize = 1_000;

/// What is down at the moment, and what cannot be read.
pub(super) struct Conditions {
    down: Mutex<Vec<WaitingFor>>,
    unreadable: Mutex<HashSet<String>>,
    tell: Listener,
}

impl Conditions {
    pub(super) fn new(tell: Listener) -> Self {
        Self {
            down: Mutex::new(Vec::new()),
            unreadable: Mutex::new(HashSet::new()),
            tell,
        }
    }

    /// `what` does not work; the reason is said when it is news.
    pub(super) fn down(&self, what: WaitingFor, reason: String, hint: String) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.contains(&what) {
            (self.tell)(ServeEvent::StillWaiting { for_what: what });
        } else {
            down.push(what);
            (self.tell)(ServeEvent::Waiting {
                for_what: what,
                reason,
                hint,
            });
        }
    }

    /// `what` works; said when it did not before.
    pub(super) fn up(&self, what: WaitingFor) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        let before = down.len();
        down.retain(|other| *other != what);
        if down.len() < before {
            (self.tell)(ServeEvent::Recovered { from: what });
        }
    }

    /// A message cannot be read; said when it is news. It stays with the bridge and comes again.
    pub(super) fn unreadable(&self, message: UnreadableMessage) {
        let mut known = self
            .unreadable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        let name = message.cursor.unwrap_or_else(|| message.reason.clone());
        if known.insert(name) {
            (self.tell)(ServeEvent::Unreadable {
                reason: message.reason,
            });
        }
    }
}
