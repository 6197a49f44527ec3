//! The lock that a bridge puts into its account's folder (docs/bridge-process.md): who holds the
//! store while nobody answers where the bridge should.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, test_kill_process};
use serde::Deserialize;

use super::check::{Checks, Finding, Id};
use crate::bounded_file::read_text;
use crate::catalog::bridge_command;

const FILE: &str = "bridge.lock";

/// What a lock says of its holder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Lock {
    pid: i32,
    /// In ticks since the machine was started; a number alone may belong to another by now.
    #[serde(default)]
    started: Option<String>,
}

/// Looks at the lock in `folder`; `answers` tells whether the account's bridge does.
pub(super) fn examine(checks: &mut Checks, folder: &Path, channel: &str, answers: bool) {
    // A few words; whatever else lies there is no lock.
    let Ok(text) = read_text(&folder.join(FILE), 4_096) else {
        return;
    };
    let holder = serde_json::from_str::<Lock>(&text).ok();
    let alive = holder.as_ref().is_some_and(is_alive);
    let pid = holder.map(|lock| lock.pid);
    checks.add(Id::StoreLock, judge(pid, alive, answers, channel));
}

fn judge(pid: Option<i32>, alive: bool, answers: bool, channel: &str) -> Finding {
    let start = bridge_command(channel);
    match (pid, alive, answers) {
        (Some(pid), true, true) => Finding::ok(format!("held by process {pid}")),
        (Some(pid), true, false) => Finding::fail(
            format!("process {pid} holds the account's store, and no bridge answers at bridge_url"),
            format!(
                "it may be a bridge that was started with another bridge_url. Stop it, then start the bridge:\nkill {pid}\n{start}"
            ),
        ),
        (Some(pid), false, _) => Finding::ok(format!(
            "left by process {pid}, which is gone: the next bridge takes it over"
        )),
        (None, _, _) => {
            Finding::ok("left unreadable by a bridge that is gone: the next one takes it over")
        }
    }
}

fn is_alive(lock: &Lock) -> bool {
    let Some(pid) = Pid::from_raw(lock.pid).filter(|_| lock.pid > 0) else {
        return false;
    };
    match test_kill_process(pid) {
        Ok(()) | Err(rustix::io::Errno::PERM) => {}
        Err(_gone) => return false,
    }
    let Some(now) = fs::read_to_string(format!("/proc/{}/stat", lock.pid))
        .ok()
        .and_then(|stat| seen(&stat))
    else {
        return true;
    };
    let same = lock
        .started
        .as_ref()
        .is_none_or(|started| *started == now.1);
    // One that was killed stands in the list until its parent has looked.
    same && !matches!(now.0, 'Z' | 'X')
}

/// A process's state and when it was started.
fn seen(stat: &str) -> Option<(char, String)> {
    // The name in parentheses may hold blanks; what follows it begins with the third field.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some((
        fields.first()?.chars().next()?,
        (*fields.get(19)?).to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn only_a_living_holder_without_an_answering_bridge_stands_in_the_way() {
        let table = [
            (Some(7), true, true, Status::Ok),
            (Some(7), true, false, Status::Fail),
            (Some(7), false, false, Status::Ok),
            (None, false, false, Status::Ok),
        ];
        for (pid, alive, answers, status) in table {
            let found = judge(pid, alive, answers, "pigeon-post");
            assert_eq!(found.status, status, "{found:?}");
            if status == Status::Fail {
                assert!(
                    found.hint.ends_with("kill 7\nloong pigeon-post bridge run"),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn a_process_is_the_holder_when_it_lives_and_was_started_at_the_same_time() {
        let me = i32::try_from(std::process::id()).unwrap();
        let lock = |pid, started: Option<&str>| Lock {
            pid,
            started: started.map(str::to_owned),
        };
        assert!(is_alive(&lock(me, None)));
        let child = std::process::Command::new("true").spawn().unwrap();
        let gone = i32::try_from(child.id()).unwrap();
        child.wait_with_output().unwrap();
        for dead in [lock(gone, None), lock(0, None), lock(-1, None)] {
            assert!(!is_alive(&dead), "{dead:?}");
        }
        if Path::new("/proc/self/stat").exists() {
            assert!(
                !is_alive(&lock(me, Some("1"))),
                "the number belongs to another now"
            );
        }
    }

    #[test]
    fn a_process_may_be_called_whatever_it_likes() {
        let stat = format!("7 (a ) b) S 1 {}4242 rest", "0 ".repeat(17));
        assert_eq!(seen(&stat), Some(('S', "4242".to_owned())));
        assert_eq!(seen("junk"), None);
    }
}
