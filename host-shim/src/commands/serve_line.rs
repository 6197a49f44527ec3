//! How the reply loop of an account is, in one line for a person.

use super::bridge_status::span;
use crate::serve::runtime_state::{InstanceState, Moment, ServeRuntime};

/// `running: process 7 for 3 min, last heartbeat 2 s ago`, and what is odd about it.
pub(super) fn serve_line(runtime: &ServeRuntime, now: Moment) -> String {
    let ago = |then: Moment| span(now.0.saturating_sub(then.0));
    let (Some(pid), Some(started_at), Some(heartbeat_at)) =
        (runtime.pid, runtime.started_at, runtime.last_heartbeat_at)
    else {
        return "not running".to_owned();
    };
    let heard = format!("last heartbeat {} ago", ago(heartbeat_at));
    if !runtime.running {
        let is_frozen = |state: InstanceState| state == InstanceState::Frozen;
        let why = if runtime.instances.iter().any(|one| is_frozen(one.state)) {
            "does not react"
        } else {
            "has ended without a word"
        };
        return format!("stale: process {pid} {why}, {heard}; the next start takes over");
    }
    let mut line = format!("running: process {pid} for {}, {heard}", ago(started_at));
    match runtime.active_runs {
        0 => {}
        1 => line.push_str(", 1 answer under way"),
        count => line.push_str(&format!(", {count} answers under way")),
    }
    if let Some(error) = &runtime.last_error {
        let count = runtime.consecutive_failures;
        let times = if count == 1 { "time" } else { "times" };
        line.push_str(&format!(", {error} ({count} {times})"));
    }
    let others: Vec<String> = runtime
        .duplicate_owner_pids
        .iter()
        .filter(|other| **other != pid)
        .map(u32::to_string)
        .collect();
    if !others.is_empty() {
        line.push_str(&format!(
            "; duplicates: process {} (`--stop-duplicates` keeps the newest)",
            others.join(", ")
        ));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::runtime_state::{Instance, read};

    const NOW: Moment = Moment(1_700_000_000_000);

    fn at(seconds_ago: u64) -> Moment {
        Moment(NOW.0 - seconds_ago * 1_000)
    }

    fn running() -> ServeRuntime {
        let nowhere = tempfile::tempdir().unwrap();
        let home = crate::home::Home::at(nowhere.path(), nowhere.path());
        ServeRuntime {
            running: true,
            pid: Some(7),
            started_at: Some(at(180)),
            last_heartbeat_at: Some(at(2)),
            ..read(&home, "pigeon-post", "a", "a", NOW)
        }
    }

    #[test]
    fn each_state_is_one_line() {
        assert_eq!(
            serve_line(&running(), NOW),
            "running: process 7 for 3 min, last heartbeat 2 s ago"
        );
        let busy = ServeRuntime {
            active_runs: 2,
            consecutive_failures: 4,
            last_error: Some("the bridge cannot send".to_owned()),
            duplicate_owner_pids: vec![7, 9],
            ..running()
        };
        assert_eq!(
            serve_line(&busy, NOW),
            "running: process 7 for 3 min, last heartbeat 2 s ago, 2 answers under way, \
             the bridge cannot send (4 times); duplicates: process 9 (`--stop-duplicates` keeps the newest)"
        );
        let idle = ServeRuntime {
            pid: None,
            ..running()
        };
        assert_eq!(serve_line(&idle, NOW), "not running");
    }

    #[test]
    fn what_does_not_react_is_told_apart_from_what_is_gone() {
        let with = |state| ServeRuntime {
            running: false,
            last_heartbeat_at: Some(at(300)),
            instances: vec![Instance {
                pid: 7,
                state,
                config: "/a".to_owned(),
                started_at: at(900),
                last_heartbeat_at: at(300),
                active_runs: 0,
            }],
            ..running()
        };
        assert_eq!(
            serve_line(&with(InstanceState::Gone), NOW),
            "stale: process 7 has ended without a word, last heartbeat 5 min ago; the next start takes over"
        );
        let frozen = serve_line(&with(InstanceState::Frozen), NOW);
        assert!(
            frozen.starts_with("stale: process 7 does not react"),
            "{frozen}"
        );
    }
}
