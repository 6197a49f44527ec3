//! What is told to the bridge beside the answers: messages that go back, acknowledgements that it
//! has forgotten, batches that are finished. Knows what is on its way, so that the loop does not ask
//! for it in between.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::answer::Answering;
use crate::component::bindings::InboundMessage;

/// The errands of one loop.
pub(super) struct Errands {
    shared: Arc<Answering>,
    running: JoinSet<Errand>,
    /// Errands that give something back.
    releases: usize,
    /// Cursors that are acknowledged once more.
    acknowledged: HashSet<String>,
}

/// An errand that was done.
enum Errand {
    Release,
    Acknowledge(String),
    Finish,
}

impl Errands {
    pub(super) fn of(shared: Arc<Answering>) -> Self {
        Self {
            shared,
            running: JoinSet::new(),
            releases: 0,
            acknowledged: HashSet::new(),
        }
    }

    /// Gives `messages` back, one after the other, so that the bridge sees them in order.
    pub(super) fn release(&mut self, messages: Vec<InboundMessage>) {
        if messages.is_empty() {
            return;
        }
        self.releases += 1;
        let shared = Arc::clone(&self.shared);
        self.running.spawn(async move {
            for message in messages {
                let heard = shared
                    .give_back(&message, "not answered at the moment")
                    .await;
                // The next question names none of them, which says the same.
                if !heard {
                    break;
                }
            }
            Errand::Release
        });
    }

    /// Tells a bridge that has forgotten it that `message` is settled.
    pub(super) fn acknowledge_again(&mut self, message: InboundMessage) {
        self.acknowledged.insert(message.cursor.clone());
        let shared = Arc::clone(&self.shared);
        self.running.spawn(async move {
            shared.acknowledge_again(&message).await;
            Errand::Acknowledge(message.cursor)
        });
    }

    /// Tells the bridge that all of a batch is settled.
    pub(super) fn finish(&mut self, batch: String) {
        let shared = Arc::clone(&self.shared);
        self.running.spawn(async move {
            shared.finish(batch).await;
            Errand::Finish
        });
    }

    /// Whether something is on its way back.
    pub(super) fn give_back(&self) -> bool {
        self.releases > 0
    }

    /// Whether something is being acknowledged once more.
    pub(super) fn acknowledge(&self) -> bool {
        !self.acknowledged.is_empty()
    }

    /// What is being acknowledged once more: ours, until the bridge has heard it.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = String> + '_ {
        self.acknowledged.iter().cloned()
    }

    /// Waits until one is done; for ever when there is none.
    pub(super) async fn one_done(&mut self) {
        match self.running.join_next().await {
            Some(Ok(done)) => self.note(done),
            // A panic, reported by the runtime: which errand it was is not known.
            Some(Err(_lost)) => {}
            None => std::future::pending().await,
        }
        if self.running.is_empty() {
            self.releases = 0;
            self.acknowledged.clear();
        }
    }

    /// Waits until none is left.
    pub(super) async fn all_done(&mut self) {
        while !self.running.is_empty() {
            self.one_done().await;
        }
    }

    fn note(&mut self, done: Errand) {
        match done {
            Errand::Release => self.releases = self.releases.saturating_sub(1),
            Errand::Acknowledge(cursor) => {
                self.acknowledged.remove(&cursor);
            }
            Errand::Finish => {}
        }
    }
}
