//! The loop itself: one question to the bridge at a time, answers side by side, and what to do
//! when the bridge or the reply engine is down. All state is here, in one task.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{Answering, Outcome, hint_of};
use super::batches::Batches;
use super::conditions::Conditions;
use super::conversations::{Conversations, Offer};
use super::event::{ChatRef, Listener, ServeEvent, WaitingFor};
use super::history::History;
use super::reply::{EngineError, ReplyEngine};
use super::steps::{Steps, Trouble, received, trouble};
use crate::backoff::{Backoff, random};
use crate::component::bindings::{Batch, Consumer, InboundMessage, Receive, Step};
use crate::component::call_error::CallError;
use crate::error::Failure;

/// Messages held at the same time, answered or waiting for their turn.
const HELD: usize = 100;
/// The most asked for at once.
const BATCH: usize = 20;
/// How long the bridge may hold a question while nothing is under way.
const LONG_POLL: Duration = Duration::from_secs(25);
/// The same while something is: what is given back must come again soon.
const SHORT_POLL: Duration = Duration::from_secs(2);
/// The least between two questions that brought nothing new.
const PAUSE: Duration = Duration::from_millis(500);
/// After a signal: until answers are given up, and until the loop ends whatever happens.
const GRACE: Duration = Duration::from_secs(7);
const LAST_MOMENT: Duration = Duration::from_millis(9_500);

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
    consumer: Consumer,
    shared: Arc<Answering>,
    conversations: Conversations,
    answers: JoinSet<(InboundMessage, Outcome)>,
    /// Messages that are given back, acknowledged again, or batches that are finished.
    errands: JoinSet<()>,
    batches: Batches,
    poll: Option<BoxFuture<'static, Polled>>,
    poll_at: Instant,
    poll_backoff: Backoff,
    pause: Backoff,
    connected: bool,
    engine: EngineState,
    engine_backoff: Backoff,
    /// With `once`: the bridge has nothing more.
    drained: bool,
    unanswered: usize,
}

struct Polled {
    asked: Instant,
    batch: Result<Batch, CallError>,
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
        let backoff = || Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        Self {
            serving,
            consumer,
            shared,
            conversations: Conversations::default(),
            answers: JoinSet::new(),
            errands: JoinSet::new(),
            batches: Batches::default(),
            poll: None,
            poll_at: Instant::now(),
            poll_backoff: backoff(),
            pause: Backoff::new(PAUSE, Duration::from_secs(10)),
            connected: false,
            engine: EngineState::Works,
            engine_backoff: backoff(),
            drained: false,
            unanswered: 0,
        }
    }

    /// Serves until `stop` is cancelled, or with `once` until nothing is left. After `stop`, what
    /// is under way is finished or given back within 10 s. Dropping the future ends everything at
    /// once; the bridge then hands the messages out again.
    ///
    /// # Errors
    /// The bridge refuses to hand out messages for good; with `once` also anything that left a
    /// message unanswered.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Failure> {
        loop {
            self.start_answers();
            self.ask();
            if self.is_done() {
                while self.errands.join_next().await.is_some() {}
                return self.verdict();
            }
            match self.wait(&stop).await {
                Woken::Stop => {
                    self.wind_down().await;
                    return Ok(());
                }
                Woken::Polled(polled) => self.polled(polled)?,
                Woken::Answered(message, outcome) => self.answered(&message, outcome)?,
                Woken::Probed(Ok(())) => {
                    // Said to have recovered once a message was really answered.
                    self.engine = EngineState::Works;
                    self.poll_at = Instant::now();
                }
                Woken::Probed(Err(error)) => {
                    tracing::debug!("the reply engine is still down: {error}");
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
        for message in self.conversations.start(Instant::now(), places) {
            let shared = Arc::clone(&self.shared);
            self.answers.spawn(async move {
                let outcome = shared.answer(&message).await;
                (message, outcome)
            });
        }
    }

    /// How many messages may be asked for now.
    fn room(&self) -> usize {
        match self.engine {
            EngineState::Works if !self.drained => HELD
                .saturating_sub(self.conversations.held().count())
                .min(BATCH),
            EngineState::Works | EngineState::Down(_) | EngineState::Probing(_) => 0,
        }
    }

    /// Begins to ask the bridge, when it is time to, there is room, and the engine works.
    fn ask(&mut self) {
        let now = Instant::now();
        if let EngineState::Down(at) = self.engine
            && at <= now
        {
            let engine = Arc::clone(&self.shared.engine);
            self.engine = EngineState::Probing(async move { engine.probe().await }.boxed());
        }
        let room = self.room();
        if room == 0 || self.poll.is_some() || self.poll_at > now {
            return;
        }
        let wait = match (self.serving.once, self.conversations.held().next()) {
            (true, _) => Duration::ZERO,
            (false, None) => LONG_POLL,
            (false, Some(_)) => SHORT_POLL,
        };
        let receive = Step::Receive(Receive {
            max_messages: u32::try_from(room).unwrap_or(1),
            wait: u32::try_from(wait.as_millis()).unwrap_or(0),
            consumer: self.consumer.clone(),
            in_flight: self
                .conversations
                .held()
                .map(|message| message.cursor.clone())
                .collect(),
        });
        let steps = Arc::clone(&self.shared.steps);
        let question = async move {
            let batch = received(steps.step(receive).await);
            Polled { asked: now, batch }
        };
        self.poll = Some(question.boxed());
    }

    /// When there is something to do even if nothing happens.
    fn wake_at(&self) -> Option<Instant> {
        if let EngineState::Down(at) = self.engine {
            // Nothing else is done before the engine works.
            return Some(at);
        }
        // Without a place a rested message goes on waiting: its time is no reason to wake.
        let due = (self.places() > 0).then(|| self.conversations.next_due());
        let ask = (self.poll.is_none() && self.room() > 0).then_some(self.poll_at);
        due.flatten().into_iter().chain(ask).min()
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Woken {
        let wake = self.wake_at();
        let poll = &mut self.poll;
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
            polled = async {
                match poll {
                    Some(question) => question.await,
                    None => std::future::pending().await,
                }
            } => {
                self.poll = None;
                Woken::Polled(polled)
            }
            Some(_) = self.errands.join_next(), if !self.errands.is_empty() => Woken::Time,
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
            Err(error) => return self.poll_failed(error),
        };
        self.poll_backoff.reset();
        self.shared.conditions.up(WaitingFor::Bridge);
        self.shared.conditions.up(WaitingFor::Messages);
        if !self.connected {
            self.connected = true;
            (self.shared.tell)(ServeEvent::Connected);
        }
        let was_empty = batch.messages.is_empty() && batch.unreadable.is_empty();
        let mut new = Vec::new();
        for message in batch.messages {
            // With `once`, what has failed in this run stays with the bridge.
            if self.serving.once && self.conversations.failures(&message.cursor) > 0 {
                continue;
            }
            let (chat, message_id) = (
                ChatRef::of(&message.conversation),
                message.message_id.clone(),
            );
            let cursor = message.cursor.clone();
            let first = self.conversations.failures(&cursor) == 0;
            match self.conversations.offer(message.clone(), polled.asked) {
                Offer::New => {
                    new.push(cursor);
                    if first {
                        (self.shared.tell)(ServeEvent::MessageIn { chat, message_id });
                    }
                }
                Offer::Known => {}
                Offer::Forgotten => {
                    let shared = Arc::clone(&self.shared);
                    self.errands
                        .spawn(async move { shared.acknowledge_again(&message).await });
                }
            }
        }
        for unreadable in batch.unreadable {
            self.shared.conditions.unreadable(unreadable);
        }
        if new.is_empty() {
            self.drained = self.serving.once && self.conversations.held().next().is_none();
            // A bridge that does not hold the question must not be asked without end.
            let pause = if was_empty { PAUSE } else { self.pause.wait() };
            self.poll_at = polled.asked + pause;
        } else {
            self.pause.reset();
            self.poll_at = Instant::now();
            if let Some(id) = batch.id {
                self.batches.begin(id, new);
            }
        }
        if !matches!(self.engine, EngineState::Works) {
            self.give_back_waiting();
        }
        Ok(())
    }

    fn poll_failed(&mut self, error: CallError) -> Result<(), Failure> {
        let waiting_for = match trouble(&error) {
            Trouble::Refused => return Err(error.into()),
            Trouble::Unreachable => WaitingFor::Bridge,
            Trouble::Unavailable | Trouble::Broken => WaitingFor::Messages,
        };
        if self.serving.once {
            return Err(error.into());
        }
        self.shared
            .conditions
            .down(waiting_for, error.to_string(), hint_of(&error));
        self.poll_at = Instant::now() + self.poll_backoff.wait();
        Ok(())
    }

    fn answered(&mut self, message: &InboundMessage, outcome: Outcome) -> Result<(), Failure> {
        let now = Instant::now();
        // What was settled or given back makes room, and may let something new come.
        self.pause.reset();
        if self.poll.is_none() && self.connected && !matches!(outcome, Outcome::GivenBack) {
            self.poll_at = self.poll_at.min(now);
        }
        match outcome {
            Outcome::Settled => {
                self.engine_backoff.reset();
                self.conversations.settle(message, now);
                self.finish_batches(&message.cursor);
            }
            Outcome::Failed { reason } => {
                self.unanswered += 1;
                let attempt = self.conversations.give_back(message, true, now);
                (self.shared.tell)(ServeEvent::AttemptFailed {
                    chat: ChatRef::of(&message.conversation),
                    message_id: message.message_id.clone(),
                    attempt,
                    reason,
                });
            }
            Outcome::GivenBack => {
                self.unanswered += 1;
                self.conversations.give_back(message, false, now);
                if self.serving.once {
                    return Err(Failure::operator("bridge_unavailable", "the bridge does not take the replies")
                        .hint("what is not answered stays with the bridge; serve again when it is connected"));
                }
            }
            Outcome::EngineDown { reason, hint } => {
                self.conversations.give_back(message, false, now);
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

    fn give_back_waiting(&mut self) {
        let waiting = self.conversations.take_waiting();
        if waiting.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        // One after the other, so that the bridge sees them in order.
        self.errands.spawn(async move {
            for message in waiting {
                shared
                    .release(&message, "not answered at the moment", false)
                    .await;
            }
        });
    }

    fn finish_batches(&mut self, cursor: &str) {
        for id in self.batches.settle(cursor) {
            let steps = Arc::clone(&self.shared.steps);
            self.errands.spawn(async move {
                if let Err(error) = steps.step(Step::Finish(id)).await {
                    tracing::debug!(
                        code = error.code(),
                        "the bridge did not take the end of a batch"
                    );
                }
            });
        }
    }

    fn is_done(&self) -> bool {
        self.serving.once && self.drained && self.answers.is_empty() && self.poll.is_none()
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
    async fn wind_down(mut self) {
        let since = Instant::now();
        self.poll = None;
        self.give_back_waiting();
        if !self.answers.is_empty() {
            (self.shared.tell)(ServeEvent::Stopping {
                under_way: self.answers.len(),
            });
        }
        let give_up = self.shared.give_up.clone();
        let last_words = async {
            while self.answers.join_next().await.is_some() {}
            while self.errands.join_next().await.is_some() {}
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
#[path = "reply_loop_tests.rs"]
mod tests;
