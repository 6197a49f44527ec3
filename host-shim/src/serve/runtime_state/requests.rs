//! What processes leave for one another in the folder: a request to end, word of duplicates that were
//! stopped. No signals: a process id may be somebody else's by now.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::folder::{Folder, key};
use super::moment::Moment;
use super::record::{self, Record};
use crate::error::Failure;

/// What a loop is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub wanted: Wanted,
    pub by_pid: u32,
    pub at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Finish what is under way, and end.
    Stop,
    /// End at once: another loop answers in its place.
    GiveWay,
}

/// The last time that somebody stopped all but one of an account's loops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    pub at: Moment,
    pub stopped_pids: Vec<u32>,
}

impl Folder {
    /// Asks a loop for something. To give way is never taken back.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn ask(&self, record: &Record, request: &Request) -> Result<(), Failure> {
        let giving_way = self
            .request(record)
            .is_some_and(|known| known.wanted == Wanted::GiveWay);
        if giving_way {
            return Ok(());
        }
        self.write(&self.request_path(record), request)
            .map_err(|error| self.unusable(error))
    }

    /// What a loop was asked for. A request that cannot be read is one to stop: somebody who may
    /// write here wanted something.
    pub fn request(&self, record: &Record) -> Option<Request> {
        let path = self.request_path(record);
        fs::symlink_metadata(&path).ok()?;
        match record::read_json(&path) {
            Ok(request) => request,
            Err(_unusable) => Some(Request {
                wanted: Wanted::Stop,
                by_pid: 0,
                at: record.heartbeat_at,
            }),
        }
    }

    /// The last time that duplicates of this account were stopped.
    pub fn reclaim(&self, channel: &str, account_id: &str) -> Option<Reclaim> {
        record::read_json(&self.reclaim_path(channel, account_id)).ok()?
    }

    /// # Errors
    /// The folder cannot be written to.
    pub fn note_reclaim(
        &self,
        channel: &str,
        account_id: &str,
        reclaim: &Reclaim,
    ) -> Result<(), Failure> {
        self.write(&self.reclaim_path(channel, account_id), reclaim)
            .map_err(|error| self.unusable(error))
    }

    pub(super) fn request_path(&self, record: &Record) -> PathBuf {
        self.file(record, "request")
    }

    pub(super) fn reclaim_path(&self, channel: &str, account_id: &str) -> PathBuf {
        self.named(&format!("{}.reclaim", key(channel, account_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::sample;
    use super::*;
    use crate::home::Home;

    const NOW: Moment = Moment(1_700_000_000_000);

    fn place() -> (tempfile::TempDir, Folder) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"), folder.path());
        let serve = Folder::of(&home);
        serve.make().unwrap();
        (folder, serve)
    }

    #[test]
    fn a_request_is_read_and_to_give_way_is_never_taken_back() {
        let (_place, serve) = place();
        let record = sample("00ff", 7, "/a", NOW);
        assert_eq!(serve.request(&record), None);
        let request = |wanted| Request {
            wanted,
            by_pid: 8,
            at: NOW,
        };
        serve.ask(&record, &request(Wanted::Stop)).unwrap();
        assert_eq!(serve.request(&record), Some(request(Wanted::Stop)));
        serve.ask(&record, &request(Wanted::GiveWay)).unwrap();
        serve.ask(&record, &request(Wanted::Stop)).unwrap();
        assert_eq!(serve.request(&record), Some(request(Wanted::GiveWay)));
    }

    #[test]
    fn a_request_that_cannot_be_read_is_one_to_stop() {
        let (_place, serve) = place();
        let record = sample("00ff", 7, "/a", NOW);
        fs::write(serve.request_path(&record), "stop it").unwrap();
        let wanted = serve.request(&record).map(|request| request.wanted);
        assert_eq!(wanted, Some(Wanted::Stop));
    }

    #[test]
    fn the_last_reclaim_is_remembered_as_long_as_somebody_serves() {
        let (_place, serve) = place();
        let live = sample("00bb", 8, "/b", NOW);
        serve.write_record(&live).unwrap();
        let lock = serve.hold(&live).unwrap();
        let reclaim = Reclaim {
            at: NOW,
            stopped_pids: vec![5, 6],
        };
        serve
            .note_reclaim("pigeon-post", "pigeon_work", &reclaim)
            .unwrap();
        serve.sweep("pigeon-post", "pigeon_work", NOW);
        assert_eq!(serve.reclaim("pigeon-post", "pigeon_work"), Some(reclaim));
        drop(lock);
        serve.sweep("pigeon-post", "pigeon_work", NOW);
        assert_eq!(serve.reclaim("pigeon-post", "pigeon_work"), None);
    }
}
