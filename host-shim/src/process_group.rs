//! A child process together with everything it starts, so that none of it outlives its purpose.

use rustix::process::{Pid, Signal, kill_process_group};

/// Kills the whole group when dropped. The child must have been started as the group's leader.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Option<Pid>,
}

impl ProcessGroup {
    /// The group led by the child with this id; none when it has ended already.
    pub fn led_by(id: Option<u32>) -> Self {
        Self {
            leader: id
                .and_then(|id| i32::try_from(id).ok())
                .and_then(Pid::from_raw),
        }
    }

    /// Kills what is left of the group; harmless when nothing is.
    pub fn kill(&self) {
        if let Some(leader) = self.leader {
            // An error means that nobody is left, which is what was wanted.
            kill_process_group(leader, Signal::KILL).ok();
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
