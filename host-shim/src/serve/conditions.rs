//! Remembers what the loop waits for, so that it is said once and not at every try.

use std::sync::{Mutex, PoisonError};

use super::event::{Listener, ServeEvent, WaitingFor};

/// What is down at the moment.
pub(super) struct Conditions {
    down: Mutex<Vec<WaitingFor>>,
    tell: Listener,
}

impl Conditions {
    pub(super) fn new(tell: Listener) -> Self {
        Self {
            down: Mutex::new(Vec::new()),
            tell,
        }
    }

    /// `what` does not work; said when it is news.
    pub(super) fn down(&self, what: WaitingFor, reason: String, hint: String) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if !down.contains(&what) {
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
}
