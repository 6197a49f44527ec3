//! The questions to the bridge: one at a time, when the next one is due, and what it says. What is
//! held stays ours only while it is named, so something held is named often enough whatever else
//! happens. What an answer means is decided by the loop.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tokio::time::Instant;

use super::steps::{Steps, received};
use crate::backoff::Backoff;
use crate::component::bindings::{Batch, Consumer, Receive, Step};
use crate::component::call_error::CallError;

/// How long the bridge may hold a question while nothing is under way.
const LONG_POLL: Duration = Duration::from_secs(25);
/// The same while something is: what is given back must come again soon.
const SHORT_POLL: Duration = Duration::from_secs(2);
/// The least between two questions that brought nothing new.
const PAUSE: Duration = Duration::from_millis(500);
/// What is held is named again after this. A lease lasts 120 s, and a question may take 10 s to
/// fail: so it is asked every 40 s at least, and twice may go wrong.
const RENEWAL: Duration = Duration::from_secs(30);
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// Asks, and knows when to ask again.
pub(super) struct Polling {
    steps: Arc<dyn Steps>,
    consumer: Consumer,
    under_way: Option<BoxFuture<'static, Polled>>,
    /// Messages may be asked for from then on.
    next: Instant,
    /// What is held must be named then.
    renewal: Instant,
    backoff: Backoff,
    pause: Backoff,
}

/// What a question asks for.
pub(super) struct Wanted {
    /// Messages there is room for; 0 only keeps what is held.
    pub(super) room: usize,
    /// Cursors that are ours. The bridge takes the list for the whole truth.
    pub(super) in_flight: Vec<String>,
    /// Not to wait for messages that are not there yet.
    pub(super) at_once: bool,
}

/// A question that was answered, or not.
pub(super) struct Polled {
    pub(super) asked: Instant,
    /// Messages were asked for.
    pub(super) wanted_messages: bool,
    pub(super) batch: Result<Batch, CallError>,
}

impl Polling {
    pub(super) fn new(steps: Arc<dyn Steps>, consumer: Consumer) -> Self {
        let now = Instant::now();
        Self {
            steps,
            consumer,
            under_way: None,
            next: now,
            renewal: now + RENEWAL,
            backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
            pause: Backoff::new(PAUSE, Duration::from_secs(10)),
        }
    }

    pub(super) fn is_asking(&self) -> bool {
        self.under_way.is_some()
    }

    /// When to ask, for one who has room for messages or holds some.
    pub(super) fn due(&self, has_room: bool, holds: bool) -> Option<Instant> {
        if self.is_asking() {
            return None;
        }
        let next = has_room.then_some(self.next);
        let renewal = holds.then_some(self.renewal);
        next.into_iter().chain(renewal).min()
    }

    /// Begins to ask, when it is time to.
    pub(super) fn ask(&mut self, wanted: Wanted) {
        let now = Instant::now();
        let holds = !wanted.in_flight.is_empty();
        if self.due(wanted.room > 0, holds).is_none_or(|due| due > now) {
            return;
        }
        let wait = match (wanted.room, wanted.at_once, holds) {
            (0, _, _) | (_, true, _) => Duration::ZERO,
            (_, false, false) => LONG_POLL,
            (_, false, true) => SHORT_POLL,
        };
        self.renewal = now + RENEWAL;
        let question = self.question(wanted.room, wait, wanted.in_flight);
        let wanted_messages = wanted.room > 0;
        self.under_way = Some(
            async move {
                Polled {
                    asked: now,
                    wanted_messages,
                    batch: question.await,
                }
            }
            .boxed(),
        );
    }

    /// The answer to the question under way; waits for ever when there is none.
    pub(super) async fn answer(&mut self) -> Polled {
        let polled = match &mut self.under_way {
            Some(question) => question.await,
            None => std::future::pending().await,
        };
        self.under_way = None;
        polled
    }

    /// Messages may be asked for at once: there is room again, or something new may be there.
    pub(super) fn hurry(&mut self) {
        self.pause.reset();
        self.next = self.next.min(Instant::now());
    }

    /// The question asked at `asked` brought something new.
    pub(super) fn brought_messages(&mut self) {
        self.backoff.reset();
        self.pause.reset();
        self.next = Instant::now();
    }

    /// It brought nothing new; `known`: what it brought was known. A bridge that does not hold the
    /// question must not be asked without end.
    pub(super) fn brought_nothing(&mut self, asked: Instant, known: bool) {
        self.backoff.reset();
        let pause = if known { self.pause.wait() } else { PAUSE };
        self.next = asked + pause;
    }

    /// It asked for nothing, and was heard.
    pub(super) fn renewed(&mut self) {
        self.backoff.reset();
    }

    /// There was no answer that can be used.
    pub(super) fn failed(&mut self) {
        let again = Instant::now() + self.backoff.wait();
        self.next = again;
        self.renewal = again;
    }

    /// Gives up the question under way: nobody listens to its answer any more.
    pub(super) fn hang_up(&mut self) {
        self.under_way = None;
    }

    /// Says that nothing is held, so that the bridge need not wait for leases to end: an answer that
    /// nobody heard may have brought something.
    pub(super) async fn say_farewell(&mut self) {
        self.hang_up();
        let words = self.question(0, Duration::ZERO, Vec::new());
        match tokio::time::timeout(FAREWELL, words).await {
            Ok(Ok(_batch)) => {}
            Ok(Err(error)) => tracing::debug!(code = error.code(), "the bridge was not told"),
            Err(_elapsed) => tracing::debug!("the bridge does not answer the last words"),
        }
    }

    fn question(
        &self,
        room: usize,
        wait: Duration,
        in_flight: Vec<String>,
    ) -> impl Future<Output = Result<Batch, CallError>> + Send + use<> {
        let receive = Receive {
            max_messages: u32::try_from(room).unwrap_or(1),
            wait: u32::try_from(wait.as_millis()).unwrap_or(0),
            consumer: self.consumer.clone(),
            in_flight,
        };
        let steps = Arc::clone(&self.steps);
        async move { received(steps.step(Step::Receive(receive)).await) }
    }
}
