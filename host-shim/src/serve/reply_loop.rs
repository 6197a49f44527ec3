//! The loop itself: one question to the bridge at a time, answers side by side, and what to do
//! when the bridge or the reply engine is down. All state is here, in one task.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answering, Outcome};
use super::batches::Batches;
use super::conditions::Conditions;
use super::conversations::{Conversations, Offer};
use super::errands::Errands;
use super::event::{ChatRef, Listener, ServeEvent, WaitingFor};
use super::history::History;
use super::polling::{Polled, Polling, Wanted};
use super::reply::{EngineError, ReplyEngine};
use super::steps::{Steps, Trouble, trouble};
use crate::backoff::{Backoff, random};
use crate::component::bindings::{Consumer, InboundMessage};
use crate::component::call_error::CallError;
use crate::error::Failure;
use crate::failpoints;

/// Messages held at the same time, answered or waiting for their turn.
const HELD: usize = 100;
/// The most asked for at once.
const BATCH: usize = 20;
/// After a signal: until answers are given up, and until nothing is waited for any more. With the
/// last words to the bridge that is less than 10 s.
const GRACE: Duration = Duration::from_secs(7);
const LAST_MOMENT: Duration = Duration::from_secs(8);

/// Who is served, and how.
#[derive(Debug, Clone)]
pub struct Serving {
    pub channel: String,
    /// The account's name in the configuration.
    pub account: String,
    /// The account's identity at run time.
    pub runtime_id: String,
    /// Conversations answered at the same time.
    pub concurrency: usize,
    /// Answer what is there, then end.
    pub once: bool,
}

/// One reply loop.
pub struct ReplyLoop {
    serving: Serving,
    shared: Arc<Answering>,
    conversations: Conversations,
    answers: JoinSet<(InboundMessage, Outcome)>,
    errands: Errands,
    batches: Batches,
    polling: Polling,
    connected: bool,
    engine: EngineState,
    engine_backoff: Backoff,
    /// With `once`: the bridge has nothing more.
    drained: bool,
    unanswered: usize,
}

enum EngineState {
    Works,
    /// Probed again at that time.
    Down(Instant),
    Probing(BoxFuture<'static, Result<(), EngineError>>),
}

/// What woke the loop.
enum Woken {
    Stop,
    Polled(Polled),
    Answered(InboundMessage, Outcome),
    Probed(Result<(), EngineError>),
    Time,
}

impl ReplyLoop {
    pub fn new(
        serving: Serving,
        steps: Arc<dyn Steps>,
        engine: Arc<dyn ReplyEngine>,
        history: Option<History>,
        tell: Listener,
    ) -> Self {
        let consumer = Consumer {
            id: serving.runtime_id.clone(),
            instance: format!("{:016x}{:016x}", random(), random()),
        };
        let shared = Arc::new(Answering {
            steps,
            engine,
            history,
            conditions: Conditions::new(Arc::clone(&tell)),
            tell,
            channel: serving.channel.clone(),
            account: serving.account.clone(),
            once: serving.once,
            give_up: CancellationToken::new(),
        });
        Self {
            polling: Polling::new(Arc::clone(&shared.steps), consumer),
            errands: Errands::of(Arc::clone(&shared)),
            serving,
            shared,
            conversations: Conversations::default(),
            answers: JoinSet::new(),
            batches: Batches::default(),
            connected: false,
            engine: EngineState::Works,
            engine_backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
            drained: false,
            unanswered: 0,
        }
    }

    /// Serves until `stop` is cancelled, or with `once` until nothing is left. After `stop`, what
    /// is under way is finished or given back within 10 s. However it ends, the bridge is told that
    /// nothing is held any more. Dropping the future ends everything at once; the bridge then hands
    /// the messages out again when it hears of another instance, or their leases end.
    ///
    /// # Errors
    /// The bridge refuses to hand out messages for good; with `once` also anything that left a
    /// message unanswered.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Failure> {
        let done = self.serve(&stop).await;
        self.answers.abort_all();
        if self.connected {
            self.polling.say_farewell().await;
        }
        done
    }

    async fn serve(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        loop {
            self.start_answers();
            self.ask();
            if self.is_done() {
                self.errands.all_done().await;
                return self.verdict();
            }
            match self.wait(stop).await {
                Woken::Stop => {
                    self.wind_down().await;
                    return Ok(());
                }
                Woken::Polled(polled) => self.polled(polled)?,
                Woken::Answered(message, outcome) => self.answered(&message, outcome)?,
                Woken::Probed(Ok(())) => {
                    // Said to have recovered once a message was really answered.
                    self.engine = EngineState::Works;
                    self.polling.hurry();
                }
                Woken::Probed(Err(error)) => {
                    tracing::debug!("the reply engine is still down: {error}");
                    (self.shared.tell)(ServeEvent::StillWaiting {
                        for_what: WaitingFor::Engine,
                    });
                    self.engine = EngineState::Down(Instant::now() + self.engine_backoff.wait());
                }
                Woken::Time => {}
            }
        }
    }

    /// How many more answers may be begun now.
    fn places(&self) -> usize {
        match self.engine {
            EngineState::Works => self.serving.concurrency.saturating_sub(self.answers.len()),
            EngineState::Down(_) | EngineState::Probing(_) => 0,
        }
    }

    fn start_answers(&mut self) {
        let places = self.places();
        let started = self.conversations.start(Instant::now(), places);
        if started.is_empty() {
            return;
        }
        for message in started {
            let shared = Arc::clone(&self.shared);
            self.answers.spawn(async move {
                let outcome = shared.answer(&message).await;
                (message, outcome)
            });
        }
        self.tell_under_way();
    }

    fn tell_under_way(&self) {
        (self.shared.tell)(ServeEvent::UnderWay {
            answers: self.answers.len(),
        });
    }

    /// How many messages may be asked for now. None while some are on their way back: they would
    /// be handed out again before the bridge hears of it, and then be taken away from us.
    fn room(&self) -> usize {
        match self.engine {
            EngineState::Works if !self.drained && !self.errands.give_back() => HELD
                .saturating_sub(self.conversations.held().count())
                .min(BATCH),
            EngineState::Works | EngineState::Down(_) | EngineState::Probing(_) => 0,
        }
    }

    /// Whether a question has something to name.
    fn holds(&self) -> bool {
        self.conversations.held().next().is_some() || self.errands.acknowledge()
    }

    /// Begins to ask the bridge, and the engine when it was down, when it is time to.
    fn ask(&mut self) {
        let now = Instant::now();
        if let EngineState::Down(at) = self.engine
            && at <= now
        {
            let engine = Arc::clone(&self.shared.engine);
            self.engine = EngineState::Probing(async move { engine.probe().await }.boxed());
        }
        let held = self.conversations.held();
        let in_flight = held.map(|message| message.cursor.clone());
        self.polling.ask(Wanted {
            room: self.room(),
            in_flight: in_flight.chain(self.errands.acknowledged()).collect(),
            at_once: self.serving.once,
        });
    }

    /// When there is something to do even if nothing happens.
    fn wake_at(&self) -> Option<Instant> {
        let probe = match self.engine {
            EngineState::Down(at) => Some(at),
            EngineState::Works | EngineState::Probing(_) => None,
        };
        // Without a place a rested message goes on waiting: its time is no reason to wake.
        let due = (self.places() > 0).then(|| self.conversations.next_due());
        let ask = self.polling.due(self.room() > 0, self.holds());
        probe.into_iter().chain(due.flatten()).chain(ask).min()
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Woken {
        let wake = self.wake_at();
        let engine = &mut self.engine;
        tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Stop,
            Some(answered) = self.answers.join_next(), if !self.answers.is_empty() => match answered {
                Ok((message, outcome)) => Woken::Answered(message, outcome),
                // Only our own abort or a panic end here; the latter is reported by the runtime.
                Err(_lost) => Woken::Time,
            },
            probed = async {
                match engine {
                    EngineState::Probing(probe) => probe.await,
                    EngineState::Works | EngineState::Down(_) => std::future::pending().await,
                }
            } => Woken::Probed(probed),
            // Before an answer of the bridge: it may be about what was on its way.
            () = self.errands.one_done() => Woken::Time,
            polled = self.polling.answer() => Woken::Polled(polled),
            () = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => Woken::Time,
        }
    }

    fn polled(&mut self, polled: Polled) -> Result<(), Failure> {
        let batch = match polled.batch {
            Ok(batch) => batch,
            Err(error) => return self.poll_failed(error, polled.wanted_messages),
        };
        self.shared.conditions.up(WaitingFor::Bridge);
        self.shared.conditions.up(WaitingFor::Messages);
        if !self.connected {
            self.connected = true;
            (self.shared.tell)(ServeEvent::Connected);
        }
        let was_empty = batch.messages.is_empty() && batch.unreadable.is_empty();
        let cursors: Vec<String> = batch.messages.iter().map(|m| m.cursor.clone()).collect();
        let mut new = false;
        for message in batch.messages {
            // With `once`, what has failed in this run stays with the bridge.
            if self.serving.once && self.conversations.failures(&message.cursor) > 0 {
                continue;
            }
            let first = self.conversations.failures(&message.cursor) == 0;
            match self.conversations.offer(message.clone(), polled.asked) {
                Offer::New => {
                    new = true;
                    if first {
                        self.tell_of(&message, |chat, cursor| ServeEvent::MessageIn {
                            chat,
                            cursor,
                        });
                    }
                }
                Offer::Known => {}
                Offer::Forgotten => self.errands.acknowledge_again(message),
            }
        }
        for unreadable in batch.unreadable {
            self.shared.conditions.unreadable(unreadable);
        }
        if new {
            failpoints::reach("after-lease");
            self.polling.brought_messages();
            if let Some(id) = batch.id {
                // Also what was known and is held: the bridge counts it to this batch now.
                let held = |cursor: &String| self.conversations.holds(cursor);
                let ours = cursors.into_iter().filter(held).collect();
                self.batches.begin(id, ours);
            }
        } else if polled.wanted_messages {
            self.drained = self.serving.once && self.conversations.held().next().is_none();
            self.polling.brought_nothing(polled.asked, !was_empty);
        } else {
            self.polling.renewed();
        }
        if !matches!(self.engine, EngineState::Works) {
            self.give_back_waiting();
        }
        Ok(())
    }

    fn poll_failed(&mut self, error: CallError, wanted_messages: bool) -> Result<(), Failure> {
        let waiting_for = match trouble(&error) {
            Trouble::Refused => return Err(error.into()),
            Trouble::Unreachable => WaitingFor::Bridge,
            Trouble::Unavailable | Trouble::Broken => WaitingFor::Messages,
        };
        if self.serving.once && wanted_messages {
            return Err(error.into());
        }
        self.shared
            .conditions
            .down(waiting_for, error.to_string(), error.hint().to_owned());
        self.polling.failed();
        Ok(())
    }

    fn answered(&mut self, message: &InboundMessage, outcome: Outcome) -> Result<(), Failure> {
        let now = Instant::now();
        self.tell_under_way();
        // What was settled or given back makes room, and may let something new come.
        if self.connected && !matches!(outcome, Outcome::GivenBack) {
            self.polling.hurry();
        }
        match outcome {
            Outcome::Settled => {
                self.engine_backoff.reset();
                self.conversations.settle(message, now);
                for id in self.batches.settle(&message.cursor) {
                    self.errands.finish(id);
                }
            }
            Outcome::Failed { reason } => {
                self.unanswered += 1;
                let attempt = self.take_off(message, true, now);
                self.tell_of(message, |chat, cursor| ServeEvent::AttemptFailed {
                    chat,
                    cursor,
                    attempt,
                    reason,
                });
            }
            Outcome::GivenBack => {
                self.unanswered += 1;
                self.take_off(message, false, now);
                if self.serving.once {
                    return Err(Failure::operator("bridge_unavailable", "the bridge does not take the replies")
                        .hint("what is not answered stays with the bridge; serve again when it is connected"));
                }
            }
            Outcome::EngineDown { reason, hint } => {
                self.take_off(message, false, now);
                if self.serving.once {
                    return Err(Failure::operator("engine_down", "the reply engine is down")
                        .because(reason)
                        .hint(hint));
                }
                if matches!(self.engine, EngineState::Works) {
                    self.engine = EngineState::Down(now + self.engine_backoff.wait());
                    self.shared
                        .conditions
                        .down(WaitingFor::Engine, reason, hint);
                    self.give_back_waiting();
                }
            }
        }
        Ok(())
    }

    fn tell_of(&self, message: &InboundMessage, event: impl FnOnce(ChatRef, String) -> ServeEvent) {
        let chat = ChatRef::of(&message.conversation);
        let event = event(chat, message.cursor.clone());
        self.shared
            .span(message)
            .in_scope(|| (self.shared.tell)(event));
    }

    /// `message` went back, and with it everything behind it; answers how often it has failed.
    fn take_off(&mut self, message: &InboundMessage, counted: bool, now: Instant) -> u32 {
        let before: Vec<String> = self.conversations.of(&message.conversation);
        let failed = self.conversations.give_back(message, counted, now);
        for cursor in before {
            self.batches.give_back(&cursor);
        }
        failed
    }

    fn give_back_waiting(&mut self) {
        let waiting = self.conversations.take_waiting();
        for message in &waiting {
            self.batches.give_back(&message.cursor);
        }
        self.errands.release(waiting);
    }

    fn is_done(&self) -> bool {
        self.serving.once && self.drained && self.answers.is_empty() && !self.polling.is_asking()
    }

    fn verdict(&self) -> Result<(), Failure> {
        match self.unanswered {
            0 => Ok(()),
            count => Err(Failure::operator(
                "not_all_answered",
                format!("{count} of the messages could not be answered"),
            )
            .hint("they stay with the bridge and come again at the next serve")),
        }
    }

    /// Finishes what is under way, or gives it back, within 10 s.
    async fn wind_down(&mut self) {
        let since = Instant::now();
        self.polling.hang_up();
        self.give_back_waiting();
        if !self.answers.is_empty() {
            (self.shared.tell)(ServeEvent::Stopping {
                under_way: self.answers.len(),
            });
        }
        let give_up = self.shared.give_up.clone();
        let last_words = async {
            while self.answers.join_next().await.is_some() {
                (self.shared.tell)(ServeEvent::UnderWay {
                    answers: self.answers.len(),
                });
            }
            self.errands.all_done().await;
        };
        tokio::pin!(last_words);
        tokio::select! {
            () = &mut last_words => return,
            () = tokio::time::sleep_until(since + GRACE) => give_up.cancel(),
        }
        tokio::time::timeout_at(since + LAST_MOMENT, last_words)
            .await
            .ok();
    }
}

impl std::fmt::Debug for ReplyLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyLoop")
            .field("serving", &self.serving)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "reply_loop_doubles.rs"]
mod doubles;

#[cfg(test)]
#[path = "reply_loop_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "lease_doubles.rs"]
mod lease_doubles;

#[cfg(test)]
#[path = "lease_tests.rs"]
mod lease_tests;
