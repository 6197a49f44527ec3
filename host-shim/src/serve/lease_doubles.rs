//! A bridge that leases as the contract says: what is named stays out, what is not goes back, a
//! lease ends after 120 s. Requests and answers can take their time on the way.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::doubles::{PATIENCE, refusal, written};
use super::*;
use crate::component::bindings::{
    Batch, DeliveryStatus, ErrorKind, Receipt, Receive, Step, StepOutcome, Verdict,
};

const LEASE: Duration = Duration::from_secs(120);
const POSTPONED: Duration = Duration::from_secs(2);

/// How long things take on their way: a request before the bridge does it, the answer after.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lags {
    pub(super) release: (Duration, Duration),
    pub(super) settle: (Duration, Duration),
    pub(super) receive: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Waiting(Instant),
    Leased(Instant),
    Done,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) message: InboundMessage,
    pub(super) place: Place,
    pub(super) batch: usize,
    pub(super) attempts: u32,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) at: Instant,
    pub(super) max: u32,
    pub(super) in_flight: Vec<String>,
    /// Named, and neither leased nor done: it had gone back.
    pub(super) stale: Vec<String>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) questions: Vec<Question>,
    pub(super) replies: Vec<String>,
    pub(super) leases_ended: usize,
    pub(super) counted_by_finish: usize,
    pub(super) lags: VecDeque<Lags>,
    /// That many answers of `receive` get lost on the way.
    pub(super) losing: usize,
    /// Nothing is answered any more.
    pub(super) hangs: bool,
}

pub(super) struct Leasing {
    table: Mutex<Table>,
    changed: Notify,
}

impl Leasing {
    pub(super) fn with(messages: &[(&str, &str)]) -> Arc<Self> {
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

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let outcome = change(&mut self.table.lock().unwrap());
        self.changed.notify_waiters();
        outcome
    }

    pub(super) async fn until(&self, happened: impl Fn(&Table) -> bool) {
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

    pub(super) async fn until_all_done(&self) {
        self.until(|table| table.rows.iter().all(|row| row.place == Place::Done))
            .await;
    }

    /// Nothing was lost, doubled, counted or left to run out.
    #[track_caller]
    pub(super) fn is_spotless(&self) {
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
    pub(super) fn longest_silence(&self) -> Duration {
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
