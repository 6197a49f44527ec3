//! The file in which one reply loop says who it is and how it is. Whatever is found in its place is
//! taken for a record only when it can be one.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::activity::Activity;
use super::moment::Moment;

/// The format of the file.
pub(super) const VERSION: u32 = 1;
/// Far more than a record has.
const LARGEST: u64 = 64 << 10;

/// What is served, and by which configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    pub channel: String,
    /// The account's name in the configuration.
    pub configured_id: String,
    pub configured_label: String,
    /// The account's identity at run time.
    pub account_id: String,
    pub account_label: String,
    /// The configuration file, absolute.
    pub config: String,
}

/// One reply loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    /// A name that no other loop ever has.
    pub instance: String,
    pub pid: u32,
    pub started_at: Moment,
    pub heartbeat_at: Moment,
    /// Another one answers, under another configuration file.
    #[serde(default)]
    pub standing_by: bool,
    /// Finishing what is under way.
    #[serde(default)]
    pub stopping: bool,
    #[serde(flatten)]
    pub served: Served,
    #[serde(flatten)]
    pub activity: Activity,
}

/// Why a file is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("it is no ordinary file")]
    NotAFile,
    #[error("it belongs to another user")]
    NotOurs,
    #[error("it is larger than a state file can be")]
    TooLarge,
    #[error("it does not hold what a reply loop writes")]
    Garbled,
    #[error("it was written by a later version of loong")]
    Later,
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// Reads the record at `path`; none when there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Record>, Unusable> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Some(text) = text(path)? else {
        return Ok(None);
    };
    let versioned: Versioned = parse(&text)?;
    if versioned.version > VERSION {
        return Err(Unusable::Later);
    }
    parse(&text).map(Some)
}

/// Reads the JSON at `path`; none when there is no file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Unusable> {
    text(path)?.map(|text| parse(&text)).transpose()
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unusable> {
    serde_json::from_str(text).map_err(|_its_words_could_quote_the_file| Unusable::Garbled)
}

/// Never follows a link, waits for a pipe, or reads what somebody else has put there.
fn text(path: &Path) -> Result<Option<String>, Unusable> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP | Errno::MLINK) => return Err(Unusable::NotAFile),
        Err(error) => return Err(Unusable::Unreadable(error.into())),
    };
    let seen = file.metadata()?;
    if !seen.is_file() {
        return Err(Unusable::NotAFile);
    }
    if seen.uid() != rustix::process::geteuid().as_raw() {
        return Err(Unusable::NotOurs);
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Unusable::TooLarge);
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_no_text| Unusable::Garbled)
}

#[cfg(test)]
pub(super) fn sample(instance: &str, pid: u32, config: &str, now: Moment) -> Record {
    Record {
        version: VERSION,
        instance: instance.to_owned(),
        pid,
        started_at: now,
        heartbeat_at: now,
        standing_by: false,
        stopping: false,
        served: served("work", config),
        activity: Activity::default(),
    }
}

#[cfg(test)]
pub(super) fn served(account: &str, config: &str) -> Served {
    Served {
        channel: "pigeon-post".to_owned(),
        configured_id: account.to_owned(),
        configured_label: account.to_owned(),
        account_id: format!("pigeon_{account}"),
        account_label: format!("the flock of {account}"),
        config: config.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let record = sample("00ff", 7, "/etc/loong.toml", Moment(5));
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), Some(record));
        assert_eq!(read(&folder.path().join("none.json")).unwrap(), None);
    }

    #[test]
    fn half_a_file_a_later_one_and_nonsense_are_told_apart_from_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let whole = serde_json::to_string(&sample("00ff", 7, "/x", Moment(5))).unwrap();
        let later = whole.replace("\"version\":1", "\"version\":2");
        let wrong = whole.replace("\"pid\":7", "\"pid\":-7");
        for (content, expected) in [
            (&whole[..whole.len() / 2], "does not hold"),
            ("", "does not hold"),
            ("[]", "does not hold"),
            ("{\"version\":1}", "does not hold"),
            (wrong.as_str(), "does not hold"),
            (later.as_str(), "later version"),
        ] {
            fs::write(&path, content).unwrap();
            let words = read(&path).unwrap_err().to_string();
            assert!(words.contains(expected), "{content}: {words}");
        }
        fs::write(&path, [0xff, 0xfe, 0]).unwrap();
        assert!(matches!(read(&path), Err(Unusable::Garbled)));
        fs::write(&path, " ".repeat(70_000)).unwrap();
        assert!(matches!(read(&path), Err(Unusable::TooLarge)));
    }

    #[test]
    fn links_folders_and_pipes_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "{}").unwrap();
        symlink(&file, &link).unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [&link, &pipe, &folder.path().to_path_buf()] {
            assert!(
                matches!(read(path), Err(Unusable::NotAFile)),
                "{}",
                path.display()
            );
        }
    }
}
