//! Batches of the bridge, and which of their messages are not settled. Knows no message, only
//! cursors; that a batch is finished is told to the bridge by the loop.

use std::collections::HashMap;

/// What was handed out together.
#[derive(Default)]
pub(super) struct Batches(HashMap<String, Vec<String>>);

impl Batches {
    pub(super) fn begin(&mut self, id: String, cursors: Vec<String>) {
        self.0.insert(id, cursors);
    }

    /// The message at `cursor` is settled; answers the batches that are finished by it.
    pub(super) fn settle(&mut self, cursor: &str) -> Vec<String> {
        for cursors in self.0.values_mut() {
            cursors.retain(|other| other != cursor);
        }
        self.0
            .extract_if(|_, cursors| cursors.is_empty())
            .map(|(id, _)| id)
            .collect()
    }

    /// The message at `cursor` went back. Its batch is never finished: the bridge would count what
    /// is on its way back as a failed attempt, and it knows of each message what became of it.
    pub(super) fn give_back(&mut self, cursor: &str) {
        self.0
            .retain(|_, cursors| !cursors.iter().any(|other| other == cursor));
    }
}
