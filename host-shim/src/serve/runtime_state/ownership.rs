//! One loop's claim to an account: made at its start, kept up while it lives, given up at its end.
//! Of several loops of one account only one answers; the others stand by. How a loop ends when it
//! is told to, and what a person is told, is decided by its user.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::activity::Activity;
use super::folder::{Folder, Found, Life};
use super::moment::Moment;
use super::record::{Record, Served, VERSION};
use super::requests::{Request, Wanted};
use crate::backoff::random;
use crate::error::Failure;
use crate::home::Home;
use crate::serve::event::ServeEvent;

/// How often requests are looked for.
const TICK: Duration = Duration::from_millis(500);
/// A third of what makes a loop stale.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// The least between two writes of what happens.
const SETTLING: Duration = Duration::from_secs(1);

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A loop that is known to all others. Dropping it removes every trace.
pub struct Ownership {
    inner: Arc<Inner>,
}

/// Looks at a claim and reports to it, without keeping it up.
#[derive(Clone)]
pub struct Witness {
    inner: Arc<Inner>,
}

/// A claim that was granted.
#[derive(Debug)]
pub struct Claimed {
    pub ownership: Ownership,
    /// Loops that did not run any more, and had not said so.
    pub took_over: Vec<Found>,
    /// The loop that answers at the moment, under another configuration file.
    pub stands_by_for: Option<Record>,
}

/// Why a claim was not granted.
#[derive(Debug)]
pub enum NotClaimed {
    /// This loop has it.
    Owned(Box<Record>),
    Impossible(Failure),
}

impl From<Failure> for NotClaimed {
    fn from(failure: Failure) -> Self {
        Self::Impossible(failure)
    }
}

struct Inner {
    folder: Folder,
    clock: Clock,
    record: Mutex<Record>,
    is_dirty: AtomicBool,
    file: Mutex<OnDisk>,
    answers: watch::Sender<bool>,
}

/// Held while files are written: nothing is written after the end.
struct OnDisk {
    lock: File,
    written_at: Moment,
    ended: bool,
}

/// Claims an account. A live loop with the same configuration file refuses it; one with another
/// file lets this one stand by, unless it is to run `once`. Loops that do not run any more are
/// replaced.
///
/// # Errors
/// It is owned, or the folder cannot be used.
pub fn claim(home: &Home, served: Served, once: bool, clock: Clock) -> Result<Claimed, NotClaimed> {
    let folder = Folder::of(home);
    folder.make()?;
    let claiming = folder.claiming()?;
    let now = clock();
    let others = folder.loops_of(&served.channel, &served.account_id, now)?;
    let answering = others
        .iter()
        .filter(|other| other.counts())
        .min_by_key(|other| other.record.standing_by);
    let own = others
        .iter()
        .find(|other| other.counts() && other.record.served.config == served.config);
    if let Some(owner) = own.or(answering.filter(|_| once)) {
        return Err(NotClaimed::Owned(Box::new(owner.record.clone())));
    }
    let stands_by_for = answering.map(|other| other.record.clone());
    let record = Record {
        version: VERSION,
        instance: format!("{:016x}", random()),
        pid: std::process::id(),
        started_at: now,
        heartbeat_at: now,
        standing_by: stands_by_for.is_some(),
        stopping: false,
        served,
        activity: Activity::default(),
    };
    let took_over = replace_all(&folder, others, now)?;
    folder.sweep(&record.served.channel, &record.served.account_id, now);
    let write = || {
        let lock = folder.hold(&record)?;
        folder.write_record(&record)?;
        Ok(lock)
    };
    let lock = write().map_err(|error: std::io::Error| {
        folder.remove(&record);
        Failure::operator("serve_state_unusable", "cannot write down that this serves")
            .because(error)
            .hint(
                "make room in the run folder of the Loong home, or set LOONG_HOME to another place",
            )
    })?;
    drop(claiming);
    Ok(Claimed {
        ownership: Ownership {
            inner: Arc::new(Inner {
                answers: watch::Sender::new(!record.standing_by),
                folder,
                clock,
                record: Mutex::new(record),
                is_dirty: AtomicBool::new(false),
                file: Mutex::new(OnDisk {
                    lock,
                    written_at: now,
                    ended: false,
                }),
            }),
        },
        took_over,
        stands_by_for,
    })
}

/// Tells what is frozen to give way, so that it does not answer when it wakes up; gives back all that
/// did not run any more.
fn replace_all(folder: &Folder, others: Vec<Found>, now: Moment) -> Result<Vec<Found>, Failure> {
    let mut replaced = Vec::new();
    for other in others {
        match other.life {
            Life::Live => continue,
            Life::Gone => {}
            Life::Frozen if other.gives_way() => continue,
            Life::Frozen => folder.ask(
                &other.record,
                &Request {
                    wanted: Wanted::GiveWay,
                    by_pid: std::process::id(),
                    at: now,
                },
            )?,
        }
        replaced.push(other);
    }
    Ok(replaced)
}

impl Witness {
    /// Takes note of what happened; it is written a little later.
    pub fn note(&self, event: &ServeEvent) {
        let now = (self.inner.clock)();
        let mut record = self.inner.record();
        record.stopping |= matches!(event, ServeEvent::Stopping { .. });
        if record.activity.note(event, now) {
            self.inner.is_dirty.store(true, Ordering::Relaxed);
        }
    }

    /// Whether another loop answers in this one's place. Asked before each word to the bridge: a
    /// process that slept does not know how long.
    pub fn is_replaced(&self) -> bool {
        let record = self.inner.record().clone();
        self.inner
            .folder
            .request(&record)
            .is_some_and(|request| request.wanted == Wanted::GiveWay)
    }
}

impl Ownership {
    pub fn witness(&self) -> Witness {
        Witness {
            inner: Arc::clone(&self.inner),
        }
    }

    /// Waits until this loop is the one that answers.
    pub async fn its_turn(&self) {
        let mut answers = self.inner.answers.subscribe();
        // The sender lives as long as we do.
        answers.wait_for(|answers| *answers).await.ok();
    }

    /// Keeps the claim up and passes on, once, that somebody asks this loop to stop. Returns the
    /// request of the one who answers in its place.
    pub async fn keep(&self, mut asked: impl FnMut(&Request)) -> Request {
        let mut passed_on = false;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let inner = Arc::clone(&self.inner);
            // On disk, and that may be slow.
            let seen = tokio::task::spawn_blocking(move || inner.look_around()).await;
            match seen {
                Ok(Some(request)) if request.wanted == Wanted::GiveWay => return request,
                Ok(Some(request)) if !passed_on => {
                    passed_on = true;
                    asked(&request);
                }
                Ok(Some(_) | None) | Err(_) => {}
            }
        }
    }
}

impl Inner {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, OnDisk> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to be done every now and then; gives back what this loop is asked for.
    fn look_around(&self) -> Option<Request> {
        let now = (self.clock)();
        let record = self.record().clone();
        let mut asked = self.folder.request(&record);
        if asked.is_none() {
            asked = self.defend(&record, now).unwrap_or_else(|failure| {
                tracing::warn!("{failure}");
                None
            });
        }
        self.beat(now);
        asked
    }

    /// Sees to it that others find this loop, and that it answers when it should.
    fn defend(&self, record: &Record, now: Moment) -> Result<Option<Request>, Failure> {
        let replaced = self.restore(record, now)?;
        if replaced.is_none() && record.standing_by {
            self.step_in(record, now)?;
        }
        Ok(replaced)
    }

    /// Answers from now on, when nobody else of the account does.
    fn step_in(&self, record: &Record, now: Moment) -> Result<(), Failure> {
        let others = self.others(record, now)?;
        if others.iter().any(answers) {
            return Ok(());
        }
        let _claiming = self.folder.claiming()?;
        let others = self.others(record, now)?;
        if others.iter().any(answers) {
            return Ok(());
        }
        replace_all(&self.folder, others, now)?;
        self.record().standing_by = false;
        self.write(now);
        self.answers.send_replace(true);
        Ok(())
    }

    /// Puts record and lock back when somebody has removed them; unless another loop has taken the
    /// account since, which is then asked for.
    fn restore(&self, record: &Record, now: Moment) -> Result<Option<Request>, Failure> {
        if self.folder.is_current(record, &self.file().lock) {
            return Ok(None);
        }
        self.folder.make()?;
        let _claiming = self.folder.claiming()?;
        if let Some(other) = self
            .others(record, now)?
            .iter()
            .find(|other| answers(other))
        {
            return Ok(Some(Request {
                wanted: Wanted::GiveWay,
                by_pid: other.record.pid,
                at: now,
            }));
        }
        let mut file = self.file();
        if !file.ended
            && let Ok(lock) = self.folder.hold(record)
        {
            file.lock = lock;
            self.is_dirty.store(true, Ordering::Relaxed);
        }
        Ok(None)
    }

    fn others(&self, record: &Record, now: Moment) -> Result<Vec<Found>, Failure> {
        let served = &record.served;
        let mut loops = self
            .folder
            .loops_of(&served.channel, &served.account_id, now)?;
        loops.retain(|other| other.record.instance != record.instance);
        Ok(loops)
    }

    /// Writes when a heartbeat is due, or something has happened.
    fn beat(&self, now: Moment) {
        let age = self.file().written_at.apart(now);
        if age >= HEARTBEAT || (age >= SETTLING && self.is_dirty.load(Ordering::Relaxed)) {
            self.write(now);
        }
    }

    fn write(&self, now: Moment) {
        let mut file = self.file();
        if file.ended {
            return;
        }
        self.is_dirty.store(false, Ordering::Relaxed);
        let record = {
            let mut record = self.record();
            record.heartbeat_at = now;
            record.clone()
        };
        match self.folder.write_record(&record) {
            Ok(()) => file.written_at = now,
            Err(error) => tracing::warn!("cannot write down that this serves: {error}"),
        }
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        let mut file = self.inner.file();
        file.ended = true;
        self.inner.folder.remove(&self.inner.record());
        // Closing alone would leave it to a child that another thread is just starting.
        file.lock.unlock().ok();
    }
}

impl std::fmt::Debug for Ownership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ownership")
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness")
    }
}

/// Whether a loop answers, or is about to when it is heard of again.
fn answers(other: &Found) -> bool {
    other.counts() && !other.record.standing_by
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
