//! What is known about the reply loops of an account, across processes: who serves, since when, how
//! it goes. Read by listings and checks; told to them in the words that other hosts use.
//!
//! `<home>/run/serve` holds a record, a lock and perhaps a request for each loop.

mod activity;
mod folder;
mod guarded;
mod moment;
mod ownership;
mod record;
mod requests;

use serde::Serialize;

pub use self::activity::{Activity, Incident, IncidentKind};
pub use self::folder::{Contents, Folder, Found, Life, STALE_AFTER};
pub use self::guarded::GuardedSteps;
pub use self::moment::Moment;
pub use self::ownership::{Claimed, Clock, NotClaimed, Ownership, Witness, claim};
pub use self::record::{Record, Served, Unusable};
pub use self::requests::{Reclaim, Request, Wanted};
use crate::home::Home;

/// The state of an account's reply loop. The first fields are those of other hosts; times are Unix
/// milliseconds, and null for what never happened or when nothing serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServeRuntime {
    /// A loop is heard of.
    pub running: bool,
    /// None is, and one has not said that it ended.
    pub stale: bool,
    /// Answers are under way.
    pub busy: bool,
    pub active_runs: usize,
    pub consecutive_failures: u32,
    pub last_run_activity_at: Option<Moment>,
    pub last_heartbeat_at: Option<Moment>,
    pub last_failure_at: Option<Moment>,
    pub last_recovery_at: Option<Moment>,
    pub last_error: Option<String>,
    pub last_duplicate_reclaim_at: Option<Moment>,
    pub pid: Option<u32>,
    pub account_id: String,
    pub account_label: String,
    pub instance_count: usize,
    pub running_instances: usize,
    pub stale_instances: usize,
    /// All of the account's processes that run, when there are several.
    pub duplicate_owner_pids: Vec<u32>,
    pub last_duplicate_reclaim_cleanup_owner_pids: Vec<u32>,
    pub recent_incidents: Vec<Incident>,
    // What follows is ours.
    pub started_at: Option<Moment>,
    /// The configuration file of the loop that answers.
    pub config: Option<String>,
    pub instances: Vec<Instance>,
    /// Why state files of the account cannot be read.
    pub problems: Vec<String>,
}

/// One loop of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    pub pid: u32,
    pub state: InstanceState,
    pub config: String,
    pub started_at: Moment,
    pub last_heartbeat_at: Moment,
    pub active_runs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    Serving,
    /// Waits for another configuration's loop to end.
    StandingBy,
    /// Finishes what is under way.
    Stopping,
    /// Its process is there and has not been heard of for 30 s.
    Frozen,
    /// Its process has ended without a word.
    Gone,
}

/// Reads the state of one account's reply loops at `now`. Never fails: what cannot be read is among
/// the problems.
pub fn read(
    home: &Home,
    channel: &str,
    account_id: &str,
    account_label: &str,
    now: Moment,
) -> ServeRuntime {
    let folder = Folder::of(home);
    let (found, problems) = match folder.look(now) {
        Ok(contents) => {
            let key = folder::key(channel, account_id);
            let problems = contents
                .unusable
                .iter()
                .filter(|(path, _)| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    name.starts_with(&key)
                })
                .map(|(path, why)| format!("{}: {why}", path.display()))
                .collect();
            let ours = |found: &Found| {
                found.record.served.channel == channel
                    && found.record.served.account_id == account_id
            };
            (contents.found.into_iter().filter(ours).collect(), problems)
        }
        Err(failure) => (Vec::new(), vec![failure.to_string()]),
    };
    let reclaim = folder.reclaim(channel, account_id);
    summary(found, reclaim, account_id, account_label, problems)
}

fn summary(
    found: Vec<Found>,
    reclaim: Option<Reclaim>,
    account_id: &str,
    account_label: &str,
    problems: Vec<String>,
) -> ServeRuntime {
    let of = |life: Life| found.iter().filter(move |one| one.life == life);
    let running_instances = of(Life::Live).count();
    let mut running_pids: Vec<u32> = of(Life::Live).map(|one| one.record.pid).collect();
    running_pids.sort_unstable();
    running_pids.dedup();
    // The one that answers speaks for all; else the one that was heard of last.
    let speaker = found.iter().max_by_key(|one| {
        (
            one.life == Life::Live,
            !one.record.standing_by,
            one.record.heartbeat_at,
        )
    });
    let record = speaker.map(|one| &one.record);
    let activity = record.map(|record| &record.activity);
    let active_runs = if running_instances > 0 {
        activity.map_or(0, |activity| activity.active_runs)
    } else {
        0
    };
    let mut recent_incidents =
        activity.map_or_else(Vec::new, |activity| activity.recent_incidents.clone());
    // Without a loop there is nothing to tell.
    let reclaim = reclaim.filter(|_| speaker.is_some());
    if let Some(reclaim) = &reclaim {
        recent_incidents.push(Incident {
            at_ms: reclaim.at,
            kind: IncidentKind::DuplicateReclaim,
            detail: Some("other loops of the account were asked to end".to_owned()),
            owner_pids: reclaim.stopped_pids.clone(),
        });
        activity::newest(&mut recent_incidents);
    }
    ServeRuntime {
        running: running_instances > 0,
        stale: running_instances == 0 && !found.is_empty(),
        busy: active_runs > 0,
        active_runs,
        consecutive_failures: activity.map_or(0, |activity| activity.consecutive_failures),
        last_run_activity_at: activity.and_then(|activity| activity.last_run_activity_at),
        last_heartbeat_at: record.map(|record| record.heartbeat_at),
        last_failure_at: activity.and_then(|activity| activity.last_failure_at),
        last_recovery_at: activity.and_then(|activity| activity.last_recovery_at),
        last_error: activity.and_then(|activity| activity.last_error.clone()),
        last_duplicate_reclaim_at: reclaim.as_ref().map(|reclaim| reclaim.at),
        pid: record.map(|record| record.pid),
        account_id: account_id.to_owned(),
        account_label: account_label.to_owned(),
        instance_count: found.len(),
        running_instances,
        stale_instances: found.len() - running_instances,
        duplicate_owner_pids: if running_instances > 1 {
            running_pids
        } else {
            Vec::new()
        },
        last_duplicate_reclaim_cleanup_owner_pids: reclaim
            .map(|reclaim| reclaim.stopped_pids)
            .unwrap_or_default(),
        recent_incidents,
        started_at: record.map(|record| record.started_at),
        config: record.map(|record| record.served.config.clone()),
        instances: found.iter().map(instance).collect(),
        problems,
    }
}

fn instance(found: &Found) -> Instance {
    let record = &found.record;
    let state = match found.life {
        Life::Gone => InstanceState::Gone,
        Life::Frozen => InstanceState::Frozen,
        Life::Live if record.stopping || found.asked.is_some() => InstanceState::Stopping,
        Life::Live if record.standing_by => InstanceState::StandingBy,
        Life::Live => InstanceState::Serving,
    };
    Instance {
        pid: record.pid,
        state,
        config: record.served.config.clone(),
        started_at: record.started_at,
        last_heartbeat_at: record.heartbeat_at,
        active_runs: record.activity.active_runs,
    }
}

#[cfg(test)]
#[path = "runtime_state_tests.rs"]
mod tests;
