//! The folder with a record and a lock for every reply loop. Knows which loops
//! live, freeze or are gone; what follows from that is decided by its users.
//!
//! A loop holds its lock as long as its process lives, so no process id is ever trusted: the system
//! gives them to others.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::moment::Moment;
use super::record::{self, Record, Unusable};
use super::requests::{Request, Wanted};
use crate::error::Failure;
use crate::home::{Home, private_dir};
use crate::private_file;

/// A loop that has not been heard of for so long does not run, whatever its process does.
pub const STALE_AFTER: Duration = Duration::from_secs(30);
/// What is left of loops that nobody asked about any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Nothing takes that long to write.
const HALF_WRITTEN_AFTER: Duration = Duration::from_secs(60);
/// How long a start waits for another one that is just looking.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the state of the reply loops of a home is kept.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

/// A loop that has a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub record: Record,
    pub life: Life,
    pub asked: Option<Request>,
}

/// Whether a loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Live,
    /// Its process is there and has not been heard of: stopped, or the machine slept.
    Frozen,
    /// Its process has ended without a word.
    Gone,
}

/// What is in the folder.
#[derive(Debug, Default)]
pub struct Contents {
    pub found: Vec<Found>,
    /// Files in the place of records that are none, and why.
    pub unusable: Vec<(PathBuf, Unusable)>,
}

impl Found {
    /// Whether this loop is, or will be, the one that answers: it lives and was not told to give way.
    pub fn counts(&self) -> bool {
        self.life == Life::Live && !self.gives_way()
    }

    pub fn gives_way(&self) -> bool {
        self.asked
            .as_ref()
            .is_some_and(|request| request.wanted == Wanted::GiveWay)
    }
}

impl Folder {
    pub fn of(home: &Home) -> Self {
        Self {
            path: home.run_path().join("serve"),
        }
    }

    /// Makes the folder when it is missing, for its owner only.
    ///
    /// # Errors
    /// It cannot be made, or something else is in its place.
    pub fn make(&self) -> Result<(), Failure> {
        if let Some(run) = self.path.parent() {
            private_dir(run)?;
        }
        private_dir(&self.path)?;
        self.is_ours().map_err(|why| self.unusable(why))
    }

    /// Reads all records at `now`. A folder that is not there is empty.
    ///
    /// # Errors
    /// It cannot be read, or something else is in its place.
    pub fn look(&self, now: Moment) -> Result<Contents, Failure> {
        let mut contents = Contents::default();
        let entries = match self.is_ours().and_then(|()| fs::read_dir(&self.path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(contents),
            Err(error) => return Err(self.unusable(error)),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((account, instance)) = name
                .strip_suffix(".json")
                .and_then(|stem| stem.split_once('-'))
            else {
                continue;
            };
            match record::read(&path) {
                Ok(Some(record))
                    if record.instance == instance && account == account_key(&record) =>
                {
                    let life = self.life(&record, now);
                    // It may just have ended: then nothing of it is left.
                    if life == Life::Gone && !path.exists() {
                        continue;
                    }
                    let asked = self.request(&record);
                    contents.found.push(Found {
                        record,
                        life,
                        asked,
                    });
                }
                Ok(Some(_foreign)) => contents.unusable.push((path, Unusable::Garbled)),
                Ok(None) => {}
                Err(why) => contents.unusable.push((path, why)),
            }
        }
        contents.found.sort_by(|a, b| {
            (a.record.started_at, a.record.pid).cmp(&(b.record.started_at, b.record.pid))
        });
        Ok(contents)
    }

    /// The loops of one account, under whatever configuration.
    ///
    /// # Errors
    /// As [`Folder::look`].
    pub fn loops_of(
        &self,
        channel: &str,
        account_id: &str,
        now: Moment,
    ) -> Result<Vec<Found>, Failure> {
        let mut found = self.look(now)?.found;
        found.retain(|found| {
            found.record.served.channel == channel && found.record.served.account_id == account_id
        });
        Ok(found)
    }

    /// Whether the loop still runs: its process lives and is heard of.
    pub fn life(&self, record: &Record, now: Moment) -> Life {
        let heard_of = record.heartbeat_at.apart(now) <= STALE_AFTER;
        match (is_held(&self.lock_path(record)), heard_of) {
            (false, _) => Life::Gone,
            (true, true) => Life::Live,
            (true, false) => Life::Frozen,
        }
    }

    /// Removes what is left of loops that are gone: of this account, and of all others after a while.
    pub fn sweep(&self, channel: &str, account_id: &str, now: Moment) {
        let Ok(contents) = self.look(now) else {
            return;
        };
        self.sweep_half_files(now);
        let ours =
            |served: &record::Served| served.channel == channel && served.account_id == account_id;
        let mut others_ran = false;
        for found in &contents.found {
            let old = found.record.heartbeat_at.apart(now) > FORGOTTEN_AFTER;
            if found.life == Life::Gone && (old || ours(&found.record.served)) {
                self.remove(&found.record);
            } else {
                others_ran |= ours(&found.record.served);
            }
        }
        if !others_ran {
            fs::remove_file(self.reclaim_path(channel, account_id)).ok();
        }
    }

    /// What a process left that died while it wrote.
    fn sweep_half_files(&self, now: Moment) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let is_half = entry.file_name().to_string_lossy().starts_with(".tmp");
            let written = entry.metadata().ok().map(|seen| {
                let seconds = u64::try_from(seen.mtime()).unwrap_or(0);
                Moment(seconds.saturating_mul(1_000))
            });
            if is_half && written.is_some_and(|written| written.apart(now) > HALF_WRITTEN_AFTER) {
                fs::remove_file(entry.path()).ok();
            }
        }
    }

    /// Removes everything of a loop, its lock last: without a record it is not looked for.
    pub(super) fn remove(&self, record: &Record) {
        for path in [
            self.record_path(record),
            self.request_path(record),
            self.lock_path(record),
        ] {
            fs::remove_file(path).ok();
        }
    }

    pub(super) fn write_record(&self, record: &Record) -> io::Result<()> {
        self.write(&self.record_path(record), record)
    }

    /// Makes and holds the lock of a loop.
    pub(super) fn hold(&self, record: &Record) -> io::Result<File> {
        let lock = lock_file(&self.lock_path(record))?;
        lock.try_lock()?;
        Ok(lock)
    }

    /// Whether `lock` is still the one that others find.
    pub(super) fn is_current(&self, record: &Record, lock: &File) -> bool {
        match (
            fs::symlink_metadata(self.lock_path(record)),
            lock.metadata(),
        ) {
            (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
            (Ok(_) | Err(_), _) => false,
        }
    }

    /// Keeps every other process from claiming anything as long as the result lives.
    ///
    /// # Errors
    /// Another one does not come to an end with it, or the folder cannot be written to.
    pub(super) fn claiming(&self) -> Result<File, Failure> {
        let lock =
            lock_file(&self.path.join("claim.lock")).map_err(|error| self.unusable(error))?;
        let since = std::time::Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::operator(
                        "serve_state_busy",
                        "another `channels serve` is just starting and does not get on",
                    )
                    .hint(
                        "try again; if it stays, look for a `loong` that was suspended with Ctrl-Z",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(self.unusable(error)),
            }
        }
    }

    fn is_ours(&self) -> io::Result<()> {
        let seen = fs::symlink_metadata(&self.path)?;
        if seen.is_dir() && seen.uid() == rustix::process::geteuid().as_raw() {
            Ok(())
        } else {
            Err(io::Error::other("it is no folder of yours"))
        }
    }

    pub(super) fn unusable(&self, why: impl std::fmt::Display) -> Failure {
        let path = self.path.display();
        Failure::operator(
            "serve_state_unusable",
            format!("cannot keep or read what serves in {path}"),
        )
        .because(why)
        .hint(format!(
            "make {path} a folder of yours, with room in it; it may be removed while nothing serves"
        ))
    }

    pub(super) fn write(&self, path: &Path, value: &impl Serialize) -> io::Result<()> {
        private_file::replace(path, &serde_json::to_vec_pretty(value)?)
    }

    fn record_path(&self, record: &Record) -> PathBuf {
        self.file(record, "json")
    }

    fn lock_path(&self, record: &Record) -> PathBuf {
        self.file(record, "lock")
    }

    pub(super) fn file(&self, record: &Record, kind: &str) -> PathBuf {
        let (account, instance) = (account_key(record), &record.instance);
        self.named(&format!("{account}-{instance}.{kind}"))
    }

    pub(super) fn named(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn account_key(record: &Record) -> String {
    key(&record.served.channel, &record.served.account_id)
}

/// A name for files: what a guest calls its accounts is no file name.
pub(super) fn key(channel: &str, account_id: &str) -> String {
    let digest = Sha256::digest(format!("{channel}\0{account_id}"));
    hex::encode(digest.get(..8).unwrap_or_default())
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(no_links())
        .open(path)
}

/// Whether a living process holds the lock. What cannot be tried counts as held: then the heartbeat
/// decides.
fn is_held(path: &Path) -> bool {
    let opened = File::options()
        .read(true)
        .custom_flags(no_links())
        .open(path);
    match opened {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(file) => file.try_lock_shared().is_err(),
    }
}

fn no_links() -> i32 {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    i32::try_from(flags.bits()).unwrap_or(0)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
