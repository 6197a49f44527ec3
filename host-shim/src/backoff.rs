//! How long to wait before trying again: doubling, with a ceiling, and jitter so that many hosts
//! do not come back in step. What is tried again, and when to stop, is the caller's.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A growing wait. Full jitter between half and the whole of each step.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    ceiling: Duration,
    step: u32,
}

impl Backoff {
    /// Starts at `first` and never waits longer than `ceiling`.
    pub fn new(first: Duration, ceiling: Duration) -> Self {
        Self {
            first,
            ceiling,
            step: 0,
        }
    }

    /// The next wait; longer each time until [`Backoff::reset`].
    pub fn wait(&mut self) -> Duration {
        let whole = self
            .first
            .saturating_mul(1_u32.checked_shl(self.step).unwrap_or(u32::MAX))
            .min(self.ceiling);
        self.step = self.step.saturating_add(1).min(31);
        let half = whole / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(random().checked_rem(spread.saturating_add(1)).unwrap_or(0))
    }

    /// It worked: the next wait is the first one again.
    pub fn reset(&mut self) {
        self.step = 0;
    }
}

/// A number that nobody can foresee well enough to matter; not for secrets.
pub fn random() -> u64 {
    // Every RandomState is keyed differently, from the system's random source.
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_ceiling_and_fall_back_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for whole in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.wait();
            assert!(
                wait >= Duration::from_millis(whole * 500),
                "{wait:?} of {whole} s"
            );
            assert!(wait <= Duration::from_secs(whole), "{wait:?} of {whole} s");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_secs(1));
    }

    #[test]
    fn two_hosts_do_not_wait_the_same_time() {
        let mut waits: Vec<Duration> = (0..8)
            .map(|_| Backoff::new(Duration::from_secs(60), Duration::from_secs(60)).wait())
            .collect();
        waits.dedup();
        assert!(waits.len() > 1, "{waits:?}");
    }
}
