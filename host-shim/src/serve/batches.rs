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

    /// The message at `cursor` went back. Its batch is never finished: the bridge hears of each
    /// message what became of it, and a parked one would have its batch remembered for ever.
    pub(super) fn give_back(&mut self, cursor: &str) {
        self.0
            .retain(|_, cursors| !cursors.iter().any(|other| other == cursor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_finished_by_its_last_message_and_never_when_one_went_back() {
        let mut batches = Batches::default();
        batches.begin("1".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
        batches.begin("2".to_owned(), vec!["c".to_owned(), "d".to_owned()]);
        assert!(batches.settle("a").is_empty());
        assert_eq!(batches.settle("b"), ["1"]);
        batches.give_back("d");
        assert!(batches.settle("c").is_empty());
        assert!(batches.0.is_empty());
    }
}
