//! The messages the host holds: a queue per conversation, in order inside of it. Decides what is
//! answered next and what has been seen before; calls nobody.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::component::bindings::InboundMessage;

/// How long a message rests after its first, second, … failed attempt.
const RESTS: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(8),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// How many settled messages are remembered.
const REMEMBERED: usize = 1_000;

/// What was held, and what was settled lately.
#[derive(Default)]
pub(super) struct Conversations {
    queues: VecDeque<Queue>,
    attempts: HashMap<String, Attempts>,
    settled: VecDeque<(String, Instant)>,
}

struct Queue {
    conversation: String,
    messages: VecDeque<InboundMessage>,
    /// The first message is being answered.
    running: bool,
}

struct Attempts {
    failed: u32,
    not_before: Instant,
}

/// What a message handed out by the bridge is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Queued.
    New,
    /// Known, and taken care of already.
    Known,
    /// Settled before the bridge was asked: it has forgotten, and must be told again.
    Forgotten,
}

impl Conversations {
    /// Takes a message that came with an answer to a question asked at `asked`.
    pub(super) fn offer(&mut self, message: InboundMessage, asked: Instant) -> Offer {
        if let Some((_, when)) = self
            .settled
            .iter()
            .find(|(cursor, _)| *cursor == message.cursor)
        {
            return if *when < asked {
                Offer::Forgotten
            } else {
                Offer::Known
            };
        }
        if self.holds(&message.cursor) {
            return Offer::Known;
        }
        match self.queue(&message.conversation) {
            Some(queue) => queue.messages.push_back(message),
            None => self.queues.push_back(Queue {
                conversation: message.conversation.clone(),
                messages: VecDeque::from([message]),
                running: false,
            }),
        }
        Offer::New
    }

    /// Up to `places` messages to answer now, each the first of its conversation.
    pub(super) fn start(&mut self, now: Instant, places: usize) -> Vec<InboundMessage> {
        let mut started = Vec::new();
        for queue in &mut self.queues {
            if started.len() == places {
                break;
            }
            let Some(first) = queue.messages.front() else {
                continue;
            };
            if queue.running || rests_until(&self.attempts, first).is_some_and(|until| until > now)
            {
                continue;
            }
            queue.running = true;
            started.push(first.clone());
        }
        started
    }

    /// When the next resting message may be tried again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queues
            .iter()
            .filter(|queue| !queue.running)
            .filter_map(|queue| rests_until(&self.attempts, queue.messages.front()?))
            .min()
    }

    /// The bridge has acknowledged `message`.
    pub(super) fn settle(&mut self, message: &InboundMessage, now: Instant) {
        self.attempts.remove(&message.cursor);
        self.settled.push_back((message.cursor.clone(), now));
        if self.settled.len() > REMEMBERED {
            self.settled.pop_front();
        }
        self.finish(message, false);
    }

    /// `message` goes back to the bridge, and everything behind it, so that the order stays.
    /// Counted, it rests before it is tried again; returns how often it has failed.
    pub(super) fn give_back(
        &mut self,
        message: &InboundMessage,
        counted: bool,
        now: Instant,
    ) -> u32 {
        self.finish(message, true);
        if !counted {
            return self.failures(&message.cursor);
        }
        // What never comes back must not be remembered for ever.
        if self.attempts.len() >= REMEMBERED {
            self.attempts
                .retain(|_, attempts| attempts.not_before > now);
        }
        let failed = self.failures(&message.cursor).saturating_add(1);
        let index = usize::try_from(failed - 1).unwrap_or(usize::MAX);
        let rest = RESTS
            .get(index)
            .or(RESTS.last())
            .copied()
            .unwrap_or_default();
        self.attempts.insert(
            message.cursor.clone(),
            Attempts {
                failed,
                not_before: now + rest,
            },
        );
        failed
    }

    /// Everything that nobody is answering yet; it is no longer held.
    pub(super) fn take_waiting(&mut self) -> Vec<InboundMessage> {
        let mut waiting = Vec::new();
        for queue in &mut self.queues {
            let first = usize::from(queue.running);
            waiting.extend(queue.messages.drain(first..));
        }
        self.queues.retain(|queue| !queue.messages.is_empty());
        waiting
    }

    /// How often answering the message has failed.
    pub(super) fn failures(&self, cursor: &str) -> u32 {
        self.attempts
            .get(cursor)
            .map_or(0, |attempts| attempts.failed)
    }

    /// The messages held, being answered or not.
    pub(super) fn held(&self) -> impl Iterator<Item = &InboundMessage> {
        self.queues.iter().flat_map(|queue| &queue.messages)
    }

    /// Whether the message at `cursor` is held.
    pub(super) fn holds(&self, cursor: &str) -> bool {
        self.held().any(|held| held.cursor == cursor)
    }

    /// The cursors of what is held of one conversation, in order.
    pub(super) fn of(&self, conversation: &str) -> Vec<String> {
        self.held()
            .filter(|held| held.conversation == conversation)
            .map(|held| held.cursor.clone())
            .collect()
    }

    fn queue(&mut self, conversation: &str) -> Option<&mut Queue> {
        self.queues
            .iter_mut()
            .find(|queue| queue.conversation == conversation)
    }

    fn finish(&mut self, message: &InboundMessage, with_the_rest: bool) {
        let Some(at) = self
            .queues
            .iter()
            .position(|queue| queue.conversation == message.conversation)
        else {
            return;
        };
        // To the end of the line: a chatty conversation must not starve the others.
        if let Some(mut queue) = self.queues.remove(at) {
            queue.running = false;
            queue.messages.retain(|held| held.cursor != message.cursor);
            if !with_the_rest && !queue.messages.is_empty() {
                self.queues.push_back(queue);
            }
        }
    }
}

fn rests_until(attempts: &HashMap<String, Attempts>, message: &InboundMessage) -> Option<Instant> {
    attempts
        .get(&message.cursor)
        .map(|attempts| attempts.not_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(conversation: &str, cursor: &str) -> InboundMessage {
        InboundMessage {
            handle: cursor.to_owned(),
            cursor: cursor.to_owned(),
            conversation: conversation.to_owned(),
            message_id: cursor.to_owned(),
            target: conversation.to_owned(),
            sender: "ana".to_owned(),
            sender_name: None,
            is_group: false,
            text: String::new(),
            received_at: 0,
        }
    }

    fn cursors(messages: &[InboundMessage]) -> Vec<&str> {
        messages
            .iter()
            .map(|message| message.cursor.as_str())
            .collect()
    }

    fn holding(messages: &[(&str, &str)]) -> Conversations {
        let mut held = Conversations::default();
        for (conversation, cursor) in messages {
            assert_eq!(
                held.offer(message(conversation, cursor), Instant::now()),
                Offer::New
            );
        }
        held
    }

    #[test]
    fn one_message_a_conversation_is_answered_at_a_time_and_in_order() {
        let mut held = holding(&[("a", "a1"), ("a", "a2"), ("b", "b1")]);
        let now = Instant::now();
        assert_eq!(cursors(&held.start(now, 8)), ["a1", "b1"]);
        assert!(held.start(now, 8).is_empty());
        held.settle(&message("a", "a1"), now);
        assert_eq!(cursors(&held.start(now, 8)), ["a2"]);
    }

    #[test]
    fn no_more_are_started_than_there_are_places_and_the_chatty_wait_their_turn() {
        let mut held = holding(&[("a", "a1"), ("a", "a2"), ("b", "b1")]);
        let now = Instant::now();
        assert_eq!(cursors(&held.start(now, 1)), ["a1"]);
        held.settle(&message("a", "a1"), now);
        assert_eq!(cursors(&held.start(now, 1)), ["b1"]);
    }

    #[test]
    fn a_message_handed_out_again_while_held_is_not_answered_twice() {
        let mut held = holding(&[("a", "a1")]);
        held.start(Instant::now(), 8);
        assert_eq!(held.offer(message("a", "a1"), Instant::now()), Offer::Known);
        assert_eq!(held.held().count(), 1);
    }

    #[test]
    fn a_question_asked_before_the_acknowledgement_may_bring_the_message_once_more() {
        let mut held = holding(&[("a", "a1")]);
        let asked_before = Instant::now();
        let settled = asked_before + Duration::from_secs(1);
        held.start(asked_before, 8);
        held.settle(&message("a", "a1"), settled);
        assert_eq!(held.offer(message("a", "a1"), asked_before), Offer::Known);
        let asked_after = settled + Duration::from_secs(1);
        assert_eq!(
            held.offer(message("a", "a1"), asked_after),
            Offer::Forgotten
        );
        assert_eq!(held.held().count(), 0);
    }

    #[test]
    fn what_fails_goes_back_with_all_that_is_behind_it_and_rests_longer_each_time() {
        let mut held = holding(&[("a", "a1"), ("a", "a2")]);
        let mut now = Instant::now();
        for (times, rest) in [(1, 2), (2, 8), (3, 30), (4, 120), (5, 600), (6, 600)] {
            assert_eq!(cursors(&held.start(now, 8)), ["a1"]);
            assert_eq!(held.give_back(&message("a", "a1"), true, now), times);
            assert_eq!(held.held().count(), 0);
            held.offer(message("a", "a1"), now);
            held.offer(message("a", "a2"), now);
            let due = now + Duration::from_secs(rest);
            assert_eq!(held.next_due(), Some(due));
            assert!(held.start(due - Duration::from_millis(1), 8).is_empty());
            now = due;
        }
    }

    #[test]
    fn what_is_given_back_uncounted_may_be_tried_at_once() {
        let mut held = holding(&[("a", "a1")]);
        let now = Instant::now();
        held.start(now, 8);
        assert_eq!(held.give_back(&message("a", "a1"), false, now), 0);
        held.offer(message("a", "a1"), now);
        assert_eq!(cursors(&held.start(now, 8)), ["a1"]);
    }

    #[test]
    fn what_nobody_answers_yet_can_be_taken_away() {
        let mut held = holding(&[("a", "a1"), ("a", "a2"), ("b", "b1")]);
        held.start(Instant::now(), 1);
        assert_eq!(cursors(&held.take_waiting()), ["a2", "b1"]);
        assert_eq!(held.held().count(), 1);
    }
}
