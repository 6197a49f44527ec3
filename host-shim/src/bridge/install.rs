//! Installs what a bridge needs into its plugin folder, once, and again when the lock file changes
//! or an install was interrupted. Nothing but `node_modules` is written there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::bounded_file;
use crate::error::Failure;
use crate::process_group::ProcessGroup;

/// Written into `node_modules` when an install is complete: the lock file it was made from.
const STAMP: &str = ".loong-lock-sha256";
/// What npm said last, shown when it fails.
const LAST_WORDS: usize = 12;
/// How often it is looked whether another install is done: a lock cannot be waited for and given
/// up at the same time.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What an install tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It begins: why, and how many packages there are.
    Begins {
        why: &'static str,
        packages: usize,
    },
    Fetched {
        done: usize,
        packages: usize,
    },
    /// Another process installs into the same folder.
    WaitsForAnother,
    Done {
        took: Duration,
    },
    /// Not as it should be, but nothing may be installed.
    Skipped {
        why: &'static str,
    },
}

/// Whether a folder has what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It brings no `package.json`.
    NothingNeeded,
    Current,
    Missing,
    /// Not finished, or installed by somebody else.
    Interrupted,
    /// Made from another lock file.
    Outdated,
}

/// Whether `folder` has what its lock file names. Touches nothing.
///
/// # Errors
/// It has no lock file.
pub fn look(folder: &Path) -> Result<Found, Failure> {
    if !folder.join("package.json").is_file() {
        return Ok(Found::NothingNeeded);
    }
    let lock_file = read_lock_file(folder)?;
    Ok(compare(folder, &digest(&lock_file)))
}

/// Makes sure that `folder` has what its lock file names. `npm` is asked for only when it is
/// needed; `locks` is a private folder of ours; `skip` forbids to install. Dropping the future
/// kills npm, and the next run starts over.
///
/// # Errors
/// It is missing and may not be installed, or npm is missing or fails; says what to do.
pub async fn ensure(
    folder: &Path,
    npm: impl Fn() -> Result<PathBuf, Failure>,
    locks: &Path,
    skip: bool,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Failure> {
    if !folder.join("package.json").is_file() {
        return Ok(());
    }
    let bytes = read_lock_file(folder)?;
    let digest = digest(&bytes);
    match (compare(folder, &digest), skip) {
        (Found::Current | Found::NothingNeeded, _) => return Ok(()),
        (Found::Missing, true) => {
            return Err(Failure::operator(
                "not_installed",
                "the bridge's dependencies are not installed, and --skip-install forbids to do it",
            )
            .hint(format!(
                "run `npm ci --ignore-scripts` in {}, or leave --skip-install out",
                folder.display()
            )));
        }
        (found @ (Found::Interrupted | Found::Outdated), true) => {
            tell(Progress::Skipped { why: found.why() });
            return Ok(());
        }
        (Found::Missing | Found::Interrupted | Found::Outdated, false) => {}
    }
    let npm = npm()?;
    let _only_one = lock(folder, locks, tell).await?;
    // Another process may have done it while this one waited.
    let found = compare(folder, &digest);
    if found == Found::Current {
        return Ok(());
    }
    let packages = packages(&bytes);
    let began = Instant::now();
    tell(Progress::Begins {
        why: found.why(),
        packages,
    });
    // Whatever happens from here on, it is not complete before it is stamped again.
    let stamp = folder.join("node_modules").join(STAMP);
    match fs::remove_file(&stamp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(unwritable(folder, &error));
        }
        Ok(()) | Err(_) => {}
    }
    run(&npm, folder, packages, tell).await?;
    write_stamp(folder, &digest).map_err(|error| unwritable(folder, &error))?;
    tell(Progress::Done {
        took: began.elapsed(),
    });
    Ok(())
}

impl Found {
    fn why(self) -> &'static str {
        match self {
            Self::NothingNeeded | Self::Current => "everything is there",
            Self::Missing => "first start",
            Self::Interrupted => "an earlier install was not finished",
            Self::Outdated => "the plugin was updated",
        }
    }
}

/// Bytes: one of hundreds of packages has a tenth of it.
const LARGEST_LOCK: u64 = 8 << 20;

fn read_lock_file(folder: &Path) -> Result<Vec<u8>, Failure> {
    let lock_file = folder.join("package-lock.json");
    bounded_file::read(&lock_file, LARGEST_LOCK).map_err(|error| {
        Failure::operator(
            "lock_file_missing",
            format!("cannot read {}", lock_file.display()),
        )
        .because(error)
        .hint("the plugin is incomplete: get it again")
    })
}

fn digest(lock_file: &[u8]) -> String {
    hex::encode(Sha256::digest(lock_file))
}

fn compare(folder: &Path, digest: &str) -> Found {
    let modules = folder.join("node_modules");
    if !modules.is_dir() {
        return Found::Missing;
    }
    match fs::read_to_string(modules.join(STAMP)) {
        Ok(stamp) if stamp.trim() == digest => Found::Current,
        Ok(_) => Found::Outdated,
        Err(_) => Found::Interrupted,
    }
}

/// A lock on a folder until it is dropped.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing alone would leave it to a child that another thread is just starting.
        self.0.unlock().ok();
    }
}

/// One install at a time into one folder, over all processes.
async fn lock(
    folder: &Path,
    locks: &Path,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Held, Failure> {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    let name = hex::encode(Sha256::digest(whole.as_os_str().as_encoded_bytes()));
    let name = name.get(..16).unwrap_or_default();
    let path = locks.join(format!("install-{name}.lock"));
    let unusable = |error: io::Error| {
        Failure::operator("lock_unusable", format!("cannot lock {}", path.display()))
            .because(error)
            .hint("make the folder writable for you, or set LOONG_HOME to another place")
    };
    let file = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(unusable)?;
    let mut waiting = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Held(file)),
            Err(fs::TryLockError::Error(error)) => return Err(unusable(error)),
            Err(fs::TryLockError::WouldBlock) if waiting => {}
            Err(fs::TryLockError::WouldBlock) => {
                waiting = true;
                tell(Progress::WaitsForAnother);
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn run(
    npm: &Path,
    folder: &Path,
    packages: usize,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Failure> {
    let failed = |why: String| {
        Failure::operator("install_failed", "the bridge's dependencies could not be installed")
            .because(why)
            .hint(format!(
                "look at the network and the disk, then try again; by hand: `npm ci --ignore-scripts` in {}",
                folder.display()
            ))
    };
    let mut child = Command::new(npm)
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=http",
        ])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot start {}: {error}", npm.display())))?;
    let group = ProcessGroup::led_by(child.id());
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("npm's output got lost".to_owned()));
    };
    let ended = async {
        let status = child.wait().await;
        group.kill();
        status
    };
    let drained = async {
        let mut stdout = stdout;
        tokio::io::copy(&mut stdout, &mut tokio::io::sink())
            .await
            .ok();
    };
    let (status, words, ()) = tokio::join!(ended, follow(stderr, packages, tell), drained);
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(format!(
            "npm ended with {status}\n{}",
            words.join("\n")
        ))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Counts what npm fetches, and keeps what else it said last.
async fn follow(
    stderr: impl AsyncRead + Unpin,
    packages: usize,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Vec<String> {
    let mut words = Vec::new();
    let mut done = 0;
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("npm http ") {
            if line.contains(".tgz") && done < packages {
                done += 1;
                tell(Progress::Fetched { done, packages });
            }
        } else {
            words.push(line);
            if words.len() > LAST_WORDS {
                words.remove(0);
            }
        }
    }
    words
}

/// How many packages the lock file names.
fn packages(lock_file: &[u8]) -> usize {
    serde_json::from_slice::<serde_json::Value>(lock_file)
        .ok()
        .and_then(|lock| {
            Some(
                lock.get("packages")?
                    .as_object()?
                    .keys()
                    .filter(|key| !key.is_empty())
                    .count(),
            )
        })
        .unwrap_or(0)
}

/// Complete or not there: written beside its place, then moved.
fn write_stamp(folder: &Path, digest: &str) -> io::Result<()> {
    let modules = folder.join("node_modules");
    fs::create_dir_all(&modules)?;
    let beside = modules.join(format!("{STAMP}.new"));
    fs::write(&beside, format!("{digest}\n"))?;
    File::open(&beside)?.sync_all()?;
    fs::rename(&beside, modules.join(STAMP))
}

fn unwritable(folder: &Path, error: &io::Error) -> Failure {
    Failure::operator(
        "install_failed",
        format!("cannot write into {}", folder.display()),
    )
    .because(error)
    .hint("make the plugin's folder writable for you, or install there as the user who may")
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
