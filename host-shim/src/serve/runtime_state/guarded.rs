//! The steps of a loop that may have been replaced while its process slept: then nothing more goes
//! out, not even an excuse, because the bridge would take it for a new loop and free what the other
//! one has.

use std::sync::Arc;

use async_trait::async_trait;

use super::ownership::Witness;
use crate::component::bindings::{Step, StepOutcome};
use crate::component::call_error::CallError;
use crate::serve::steps::Steps;

/// Does `steps` as long as nobody answers in this loop's place; from then on each waits for ever,
/// until [`super::ownership::Ownership::keep`] has noticed it, too.
pub struct GuardedSteps {
    steps: Arc<dyn Steps>,
    witness: Witness,
}

impl GuardedSteps {
    pub fn new(steps: Arc<dyn Steps>, witness: Witness) -> Self {
        Self { steps, witness }
    }
}

#[async_trait]
impl Steps for GuardedSteps {
    async fn step(&self, step: Step) -> Result<StepOutcome, CallError> {
        if self.witness.is_replaced() {
            return std::future::pending().await;
        }
        self.steps.step(step).await
    }
}

impl std::fmt::Debug for GuardedSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedSteps").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::folder::Folder;
    use super::super::moment::Moment;
    use super::super::ownership::claim;
    use super::super::record::served;
    use super::super::requests::{Request, Wanted};
    use super::*;
    use crate::home::Home;

    #[derive(Default)]
    struct Counted(Mutex<usize>);

    #[async_trait]
    impl Steps for Counted {
        async fn step(&self, _step: Step) -> Result<StepOutcome, CallError> {
            *self.0.lock().unwrap() += 1;
            Ok(StepOutcome::Finished)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_replaced_says_nothing_more_to_the_bridge() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path(), place.path());
        let claimed = claim(&home, served("work", "/a"), false, Arc::new(Moment::now)).unwrap();
        let counted = Arc::new(Counted::default());
        let steps = GuardedSteps::new(
            Arc::clone(&counted) as Arc<dyn Steps>,
            claimed.ownership.witness(),
        );
        let step = || Step::Finish("b1".to_owned());
        steps.step(step()).await.unwrap();
        let folder = Folder::of(&home);
        let ours = folder.look(Moment::now()).unwrap().found;
        let request = Request {
            wanted: Wanted::GiveWay,
            by_pid: 8,
            at: Moment::now(),
        };
        folder.ask(&ours[0].record, &request).unwrap();
        let second = std::time::Duration::from_secs(1);
        assert!(
            tokio::time::timeout(second, steps.step(step()))
                .await
                .is_err()
        );
        assert_eq!(*counted.0.lock().unwrap(), 1);
    }
}
