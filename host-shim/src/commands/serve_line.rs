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
