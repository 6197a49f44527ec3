//! The loop against a bridge that leases as the contract says: what is named stays ours, what is
//! not goes back, a lease ends after 120 s. Requests and answers can take their time on the way.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::doubles::{Engine, PATIENCE, Story, refusal, written};
use super::*;
use crate::component::bindings::{
    Batch, DeliveryStatus, ErrorKind, Receipt, Receive, Step, StepOutcome, Verdict,
};
use crate::serve::reply::EngineError;

const LEASE: Duration = Duration::from_secs(120);
const POSTPONED: Duration = Duration::from_secs(2);

/// How long things take on their way: a request before the bridge does it, the answer after.
#[derive(Debug, Clone, Copy, Default)]
struct Lags {
    release: (Duration, Duration),
    settle: (Duration, Duration),
    receive: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting(Instant),
    Leased(Instant),
    Done,
}

#[derive(Debug)]
struct Row {
    message: InboundMessage,
    place: Place,
    batch: usize,
    attempts: u32,
}

#[derive(Debug)]
struct Question {
    at: Instant,
    max: u32,
    in_flight: Vec<String>,
    /// Named, and neither leased nor done: it had gone back.
    stale: Vec<String>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    questions: Vec<Question>,
    replies: Vec<String>,
    leases_ended: usize,
    counted_by_finish: usize,
    lags: VecDeque<Lags>,
    /// That many answers of `receive` get lost on the way.
    losing: usize,
    /// Nothing is answered any more.
    hangs: bool,
}

struct Leasing {
    table: Mutex<Table>,
    changed: Notify,
}

impl Leasing {
    fn with(messages: &[(&str, &str)]) -> Arc<Self> {
        let rows = messages.iter().map(|(conversation, cursor)| Row {
            message: written(conversation, cursor),
            place: Place::Waiting(Instant::now()),
            batch: 0,
            attempts: 0,
        });
        Arc::new(Self {
            table: Mutex::new(Table {
                rows: rows.collect(),
                ..Table::default()
            }),
            changed: Notify::new(),
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let outcome = change(&mut self.table.lock().unwrap());
        self.changed.notify_waiters();
        outcome
    }

    async fn until(&self, happened: impl Fn(&Table) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if happened(&self.table.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("it never happened: {:#?}", self.table.lock().unwrap().rows);
        }
    }

    async fn until_all_done(&self) {
        self.until(|table| table.rows.iter().all(|row| row.place == Place::Done))
            .await;
    }

    /// Nothing was lost, doubled, counted or left to run out.
    #[track_caller]
    fn is_spotless(&self) {
        self.change(|table| {
            let mut seen = table.replies.clone();
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), table.replies.len(), "{:?}", table.replies);
            assert_eq!((table.leases_ended, table.counted_by_finish), (0, 0));
            assert!(
                table.rows.iter().all(|row| row.attempts == 0),
                "{:#?}",
                table.rows
            );
        });
    }

    /// The longest time between two questions that name something.
    fn longest_silence(&self) -> Duration {
        self.change(|table| {
            let named = table.questions.iter().filter(|q| !q.in_flight.is_empty());
            let times: Vec<Instant> = named.map(|q| q.at).collect();
            let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
            gaps.max().unwrap()
        })
    }

    fn lags(&self) -> Lags {
        self.change(|table| table.lags.front().copied().unwrap_or_default())
    }

    async fn way(&self, lag: Duration) {
        if self.change(|table| table.hangs) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(lag).await;
    }

    async fn receive(&self, receive: Receive) -> Result<StepOutcome, CallError> {
        self.way(Duration::ZERO).await;
        let until = Instant::now() + Duration::from_millis(receive.wait.into());
        self.change(|table| table.hear(&receive));
        loop {
            let changed = self.changed.notified();
            let (messages, batch) = self.change_silently(|table| table.hand_out(&receive));
            let now = Instant::now();
            if !messages.is_empty() || now >= until {
                self.way(self.lags().receive).await;
                let lost = self.change_silently(|table| {
                    let lost = table.losing > 0;
                    table.losing -= usize::from(lost);
                    lost
                });
                if lost {
                    return Err(refusal(ErrorKind::BridgeUnreachable));
                }
                return Ok(StepOutcome::Received(Batch {
                    id: (!messages.is_empty()).then(|| batch.to_string()),
                    messages,
                    unreadable: Vec::new(),
                }));
            }
            let due = self.change_silently(|table| table.next_due(now)).min(until);
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    fn change_silently<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.table.lock().unwrap())
    }
}

impl Table {
    fn hear(&mut self, receive: &Receive) {
        let now = Instant::now();
        let (mut stale, mut ended) = (Vec::new(), 0);
        for row in &mut self.rows {
            let named = receive.in_flight.contains(&row.message.cursor);
            match row.place {
                Place::Leased(until) if until <= now => {
                    ended += 1;
                    row.attempts += 1;
                    row.place = Place::Waiting(now);
                }
                Place::Leased(_) if named => row.place = Place::Leased(now + LEASE),
                Place::Leased(_) => row.place = Place::Waiting(now),
                Place::Waiting(_) if named => stale.push(row.message.cursor.clone()),
                Place::Waiting(_) | Place::Done => {}
            }
        }
        self.leases_ended += ended;
        self.questions.push(Question {
            at: now,
            max: receive.max_messages,
            in_flight: receive.in_flight.clone(),
            stale,
        });
    }

    fn hand_out(&mut self, receive: &Receive) -> (Vec<InboundMessage>, usize) {
        let (now, batch) = (Instant::now(), self.questions.len());
        let (mut out, mut blocked) = (Vec::new(), Vec::new());
        for row in &mut self.rows {
            let conversation = row.message.conversation.clone();
            match row.place {
                Place::Done => continue,
                Place::Waiting(from)
                    if from <= now
                        && !blocked.contains(&conversation)
                        && out.len() < receive.max_messages as usize =>
                {
                    row.place = Place::Leased(now + LEASE);
                    row.batch = batch;
                    out.push(row.message.clone());
                }
                Place::Waiting(_) => blocked.push(conversation),
                // Behind one of ours the next may come: the host keeps the order.
                Place::Leased(_) => {}
            }
        }
        (out, batch)
    }

    fn next_due(&self, now: Instant) -> Instant {
        let waiting = self.rows.iter().filter_map(|row| match row.place {
            Place::Waiting(from) if from > now => Some(from),
            Place::Waiting(_) | Place::Leased(_) | Place::Done => None,
        });
        waiting.min().unwrap_or(now + LEASE)
    }

    fn release(&mut self, cursor: &str, counts: bool) {
        let now = Instant::now();
        let Some(at) = self
            .rows
            .iter()
            .position(|row| row.message.cursor == cursor)
        else {
            return;
        };
        if !matches!(self.rows[at].place, Place::Leased(_)) {
            return;
        }
        self.rows[at].place = Place::Waiting(now + POSTPONED);
        self.rows[at].attempts += u32::from(counts);
        let conversation = self.rows[at].message.conversation.clone();
        for row in &mut self.rows[at + 1..] {
            if row.message.conversation == conversation && matches!(row.place, Place::Leased(_)) {
                row.place = Place::Waiting(now);
            }
        }
    }
}

#[async_trait::async_trait]
impl Steps for Leasing {
    async fn step(&self, step: Step) -> Result<StepOutcome, CallError> {
        match step {
            Step::Receive(receive) => self.receive(receive).await,
            Step::Settle(settlement) => {
                let (cursor, lags) = (settlement.handle, self.lags());
                let (before, after) = match settlement.verdict {
                    Verdict::Later(_) => lags.release,
                    Verdict::Reply(_) | Verdict::NoReply => lags.settle,
                };
                self.way(before).await;
                let receipt = self.change(|table| {
                    let sent = match settlement.verdict {
                        Verdict::Later(later) => {
                            table.release(&cursor, later.counts);
                            return None;
                        }
                        Verdict::Reply(_) => true,
                        Verdict::NoReply => false,
                    };
                    if sent {
                        table.replies.push(cursor.clone());
                    }
                    let row = table
                        .rows
                        .iter_mut()
                        .find(|row| row.message.cursor == cursor);
                    row.unwrap().place = Place::Done;
                    sent.then(|| Receipt {
                        target: cursor.clone(),
                        message_id: "out".to_owned(),
                        message_ids: vec!["out".to_owned()],
                        status: DeliveryStatus::Sent,
                    })
                });
                self.way(after).await;
                Ok(StepOutcome::Settled(receipt))
            }
            Step::Finish(batch) => {
                self.way(Duration::ZERO).await;
                self.change(|table| {
                    let left = table.rows.iter_mut().find(|row| {
                        row.batch.to_string() == batch && matches!(row.place, Place::Leased(_))
                    });
                    if let Some(row) = left {
                        row.attempts += 1;
                        row.place = Place::Waiting(Instant::now());
                        table.counted_by_finish += 1;
                    }
                });
                Ok(StepOutcome::Finished)
            }
        }
    }
}

fn many(conversation: &str, count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|n| (conversation.to_owned(), format!("{conversation}{n:03}")))
        .collect()
}

fn borrowed(messages: &[(String, String)]) -> Vec<(&str, &str)> {
    messages
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn during_a_long_answer_all_that_is_held_is_named_every_40_s_also_without_room_for_more() {
    let bridge = Leasing::with(&borrowed(&many("ana", HELD + 50)));
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&["ana"]), |_| {});
    tokio::time::sleep(Duration::from_secs(3_000)).await;
    assert!(bridge.longest_silence() <= Duration::from_secs(40));
    bridge.change(|table| {
        let last = table.questions.last().unwrap();
        assert_eq!((last.max, last.in_flight.len()), (0, HELD));
        assert!(
            table
                .questions
                .iter()
                .all(|question| question.stale.is_empty())
        );
    });
    story.engine.open("ana");
    bridge.until_all_done().await;
    bridge.is_spotless();
    let order: Vec<String> = many("ana", HELD + 50).into_iter().map(|(_, c)| c).collect();
    assert_eq!(bridge.change(|table| table.replies.clone()), order);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_down_an_answer_that_still_runs_is_named_and_nothing_else_is() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1"), ("ben", "b2")]);
    let engine = Engine::with_gates(&["ana"]);
    engine.is(Some(EngineError::down("refused", "start it")));
    let story = Story::of(Arc::clone(&bridge), engine, |_| {});
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(bridge.longest_silence() <= Duration::from_secs(40));
    bridge.change(|table| {
        // The first brought them, the second was asked before the engine was heard.
        for question in table.questions.iter().skip(2) {
            assert_eq!(question.max, 0);
            assert_eq!(question.in_flight, ["a1"], "{question:?}");
        }
        assert!(table.questions.len() > 15);
    });
    story.engine.is(None);
    story.engine.open("ana");
    bridge.until_all_done().await;
    bridge.is_spotless();
    assert_eq!(bridge.change(|table| table.replies.len()), 3);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn with_once_a_long_answer_keeps_its_lease_too() {
    let bridge = Leasing::with(&[("ana", "a1")]);
    let story = Story::of(
        Arc::clone(&bridge),
        Engine::with_gates(&["ana"]),
        |serving| serving.once = true,
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    story.engine.open("ana");
    story.ends().await.unwrap();
    bridge.is_spotless();
    assert_eq!(bridge.change(|table| table.replies.clone()), ["a1"]);
}

#[tokio::test(start_paused = true)]
async fn what_went_back_is_named_no_more_until_it_is_handed_out_again() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ana", "a2")]);
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::failed("no idea")));
    let story = Story::of(Arc::clone(&bridge), engine, |_| {});
    bridge.until(|table| table.rows[0].attempts == 3).await;
    story.engine.is(None);
    bridge.until_all_done().await;
    bridge.change(|table| {
        assert!(
            table.questions.iter().all(|q| q.stale.is_empty()),
            "{:#?}",
            table.questions
        );
        assert_eq!((table.rows[0].attempts, table.rows[1].attempts), (3, 0));
        assert_eq!(table.replies, ["a1", "a2"]);
    });
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn while_something_is_on_its_way_back_it_is_not_taken_again() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1"), ("cleo", "c1")]);
    let slow = (Duration::from_secs(5), Duration::ZERO);
    bridge.change(|table| {
        table.lags.push_back(Lags {
            release: slow,
            ..Lags::default()
        });
    });
    let engine = Engine::with_gates(&["ben", "cleo"]);
    engine.is(Some(EngineError::down("refused", "start it")));
    let story = Story::of(Arc::clone(&bridge), engine, |serving| {
        serving.concurrency = 1;
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Works again while what was held still goes back.
    story.engine.is(None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    bridge.change(|table| {
        let stale = table.questions.iter().flat_map(|question| &question.stale);
        assert_eq!(stale.count(), 0, "{:#?}", table.questions);
    });
    story.engine.open("ben");
    story.engine.open("cleo");
    bridge.until_all_done().await;
    bridge.is_spotless();
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_bridge_that_is_lost_costs_its_messages_nothing() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1")]);
    bridge.change(|table| table.losing = 3);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&[]), |_| {});
    bridge.until_all_done().await;
    bridge.is_spotless();
    assert_eq!(story.engine.asked.lock().unwrap().len(), 2);
    assert_eq!(story.waits(WaitingFor::Bridge), 1);
    story.stops().await;
}

/// Whatever is on its way while the bridge is asked: each message is replied to once, in order, and
/// no more attempts are counted than the engine failed.
#[tokio::test(start_paused = true)]
async fn requests_that_cross_on_the_way_lose_double_and_count_nothing() {
    let steps = [0, 300, 1_900, 2_100, 7_000].map(Duration::from_millis);
    for before in steps {
        for after in steps {
            for receive in [0, 700, 2_500].map(Duration::from_millis) {
                let lags = Lags {
                    release: (before, after),
                    settle: (after, before),
                    receive,
                };
                let told = format!("{lags:?}");
                crossing(lags).await;
                tracing::debug!("{told}");
            }
        }
    }
}

async fn crossing(lags: Lags) {
    let all: Vec<(String, String)> = ["ana", "ben", "cleo"]
        .into_iter()
        .flat_map(|conversation| many(conversation, 4))
        .collect();
    let bridge = Leasing::with(&borrowed(&all));
    bridge.change(|table| table.lags.push_back(lags));
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::failed("no idea")));
    let story = Story::of(Arc::clone(&bridge), engine, |serving| {
        serving.concurrency = 2
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    story
        .engine
        .is(Some(EngineError::down("refused", "start it")));
    tokio::time::sleep(Duration::from_secs(60)).await;
    story.engine.is(None);
    bridge.until_all_done().await;
    bridge.change(|table| {
        assert_eq!(
            (table.leases_ended, table.counted_by_finish),
            (0, 0),
            "{lags:?}"
        );
        assert_eq!(
            table.replies.len(),
            all.len(),
            "{lags:?}: {:?}",
            table.replies
        );
        for conversation in ["ana", "ben", "cleo"] {
            let mine = table
                .replies
                .iter()
                .filter(|cursor| cursor.starts_with(conversation));
            let order: Vec<String> = many(conversation, 4).into_iter().map(|(_, c)| c).collect();
            assert_eq!(mine.cloned().collect::<Vec<_>>(), order, "{lags:?}");
        }
        let counted: u32 = table.rows.iter().map(|row| row.attempts).sum();
        let failed = story.count(|event| matches!(event, ServeEvent::AttemptFailed { .. }));
        assert!(
            counted as usize <= failed,
            "{lags:?}: {counted} of {failed}"
        );
        assert!(counted > 0, "{lags:?}");
    });
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn stopped_nothing_stays_leased_not_even_what_an_unheard_answer_brought() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1"), ("ben", "b2")]);
    let story = Story::of(
        Arc::clone(&bridge),
        Engine::with_gates(&["ana", "ben"]),
        |serving| serving.concurrency = 1,
    );
    bridge
        .until(|table| matches!(table.rows[2].place, Place::Leased(_)))
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    bridge.change(|table| {
        let receive = Duration::from_secs(5);
        table.lags.push_back(Lags {
            receive,
            ..Lags::default()
        });
        table.rows.push(Row {
            message: written("cleo", "c1"),
            place: Place::Waiting(Instant::now()),
            batch: 0,
            attempts: 0,
        });
    });
    bridge
        .until(|table| matches!(table.rows[3].place, Place::Leased(_)))
        .await;
    let began = Instant::now();
    story.stops().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    bridge.is_spotless();
    bridge.change(|table| {
        assert!(
            table
                .rows
                .iter()
                .all(|row| matches!(row.place, Place::Waiting(_))),
            "{:#?}",
            table.rows
        );
        assert!(table.replies.is_empty());
    });
}

#[tokio::test(start_paused = true)]
async fn stopped_with_a_bridge_that_hangs_the_loop_ends_within_10_s() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1")]);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&["ana"]), |_| {});
    bridge
        .until(|table| matches!(table.rows[0].place, Place::Leased(_)))
        .await;
    bridge.change(|table| table.hangs = true);
    let began = Instant::now();
    story.stops().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
