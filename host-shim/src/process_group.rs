//! A child process together with everything it starts, so that none of it outlives its purpose.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Leaders of the groups that are alive, for the one case in which nobody is left to drop them.
static ALIVE: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Kills the whole group when dropped. The child must have been started as the group's leader.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Option<i32>,
}

impl ProcessGroup {
    /// The group led by the child with this id; none when it has ended already.
    pub fn led_by(id: Option<u32>) -> Self {
        let leader = id.and_then(|id| i32::try_from(id).ok());
        alive(|groups| groups.extend(leader));
        Self { leader }
    }

    /// Kills what is left of the group; harmless when nothing is. Works once: later the system may
    /// have given the id to somebody else.
    pub fn kill(&self) {
        if let Some(leader) = self.leader
            && alive(|groups| groups.remove(&leader))
        {
            kill(leader);
        }
    }
}

/// Kills every group there is, because the process ends at once.
pub fn kill_all() {
    for leader in alive(std::mem::take) {
        kill(leader);
    }
}

fn alive<T>(change: impl FnOnce(&mut BTreeSet<i32>) -> T) -> T {
    change(&mut ALIVE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn kill(leader: i32) {
    if let Some(leader) = Pid::from_raw(leader) {
        // An error means that nobody is left, which is what was wanted.
        kill_process_group(leader, Signal::KILL).ok();
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
