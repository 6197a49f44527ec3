//! `loong <channel> bridge run`: everything that bridges need, then the bridges, side by side, until
//! stopped or until the last has ended. One account is the case of one bridge.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::bridge_launches::{Bridge, prepare};
use super::bridge_screen::Screen;
use super::bridge_stage::Stage;
use super::enter_key::EnterKey;
use super::signals::Signals;
use crate::bridge::launcher::{Control, Told};
use crate::cli::{BridgeRunArgs, Global};
use crate::error::Failure;
use crate::output::Output;

/// Runs the command.
///
/// # Errors
/// Something that a bridge needs is missing, a bridge could not work, or a second signal ended it.
pub async fn run(
    global: &Global,
    channel: &str,
    args: &BridgeRunArgs,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let bridges = tokio::select! {
        prepared = prepare(global, channel, args, output) => prepared?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let mut enter = EnterKey::of_terminal();
    let mut asked = false;
    let mut stopping = false;
    let mut watch = Watch::new(output, args.all_accounts);
    let mut running = FuturesUnordered::new();
    let (tell, mut told) = unbounded_channel();
    for bridge in bridges {
        let (index, control) = watch.begin(&bridge, args.json, enter.exists());
        running.push(run_one(index, bridge, tell.clone(), control));
    }
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            // What was said before it ended is shown before it is said to have ended.
            biased;
            Some((index, more)) = told.recv() => watch.show(index, more),
            Some((index, done)) = running.next() => {
                while let Ok((index, more)) = told.try_recv() {
                    watch.show(index, more);
                }
                watch.ended(index, done);
                if running.is_empty() {
                    return watch.outcome();
                }
            }
            () = signals.next() => {
                watch.stage.close();
                if stopping {
                    return Err(Failure::interrupted());
                }
                stopping = true;
                watch.stop();
            }
            () = enter.pressed(), if asked => {
                asked = false;
                watch.resume();
            }
            _ = second.tick() => {
                // A read that has begun goes on, whatever the state is by then.
                if !asked && watch.rests() && enter.is_at_hand() {
                    enter.forget();
                    asked = true;
                }
                watch.stage.tick();
            }
        }
    }
}

/// Runs one bridge to its end; another run can have its address from then on.
async fn run_one(
    index: usize,
    bridge: Bridge,
    tell: UnboundedSender<(usize, Told)>,
    control: Control,
) -> (usize, Result<(), Failure>) {
    let Bridge { launch, token, .. } = bridge;
    let tell = |more| {
        tell.send((index, more)).ok();
    };
    let done = launch.run(&tell, &control).await;
    drop(token);
    (index, done)
}

/// The running bridges as they are looked at from here.
struct Watch<'a> {
    stage: Stage<'a>,
    bridges: Vec<Watched>,
    /// Accounts are named, and no failure is everybody's.
    several: bool,
}

/// One of them, and how it ended.
struct Watched {
    label: String,
    screen: Screen,
    control: Control,
    failed: Option<Failure>,
}

impl<'a> Watch<'a> {
    fn new(output: &'a Output, several: bool) -> Self {
        Self {
            stage: Stage::new(output),
            bridges: Vec::new(),
            several,
        }
    }

    /// Looks at one more: by which index, and how it is asked for something.
    fn begin(&mut self, bridge: &Bridge, json: bool, enter: bool) -> (usize, Control) {
        let index = self.bridges.len();
        let label = self.several.then(|| bridge.label.clone());
        let resume = how_to_resume(&bridge.resume, enter);
        let control = Control::default();
        self.bridges.push(Watched {
            label: bridge.label.clone(),
            screen: Screen::new(index, label, json, resume),
            control: control.clone(),
            failed: None,
        });
        (index, control)
    }

    fn show(&mut self, index: usize, told: Told) {
        if let Some(one) = self.bridges.get_mut(index) {
            one.screen.show(told, &mut self.stage);
        }
        self.give_missed_turns();
    }

    /// One has ended for good. Of several it is said at once, of one by whoever called.
    fn ended(&mut self, index: usize, done: Result<(), Failure>) {
        if let Some(one) = self.bridges.get_mut(index) {
            one.failed = done.err();
            let said = one.failed.as_ref().filter(|_| self.several);
            one.screen.ended(said, &mut self.stage);
        }
        self.give_missed_turns();
    }

    fn stop(&mut self) {
        let what = if self.several {
            "the bridges"
        } else {
            "the bridge"
        };
        self.stage
            .say(&format!("stopping {what}; once more ends at once"));
        for one in &self.bridges {
            one.control.stop.cancel();
        }
    }

    /// Whether one waits for a person.
    fn rests(&self) -> bool {
        self.bridges.iter().any(|one| one.screen.rests())
    }

    /// Has all that rest go on.
    fn resume(&mut self) {
        for one in self.bridges.iter().filter(|one| one.screen.rests()) {
            one.screen
                .say(&mut self.stage, "the bridge is asked to go on");
            one.control.resume();
        }
    }

    /// Wakes those that came to rest while others had the stage, once it is free.
    fn give_missed_turns(&mut self) {
        if self.stage.is_free() {
            for one in &mut self.bridges {
                if one.screen.takes_missed_turn() {
                    one.control.resume();
                }
            }
        }
    }

    /// What all of it has come to.
    fn outcome(self) -> Result<(), Failure> {
        let count = self.bridges.len();
        let failed: Vec<(String, Failure)> = self
            .bridges
            .into_iter()
            .filter_map(|one| Some((format!("`{}`", one.label), one.failed?)))
            .collect();
        if self.several && !failed.is_empty() {
            let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
            let (failed, names) = (failed.len(), names.join(", "));
            return Err(Failure::operator(
                "bridges_failed",
                format!("{failed} of {count} bridges could not go on: {names}"),
            )
            .hint("what each of them needs is said above"));
        }
        match failed.into_iter().next() {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }
}

fn how_to_resume(command: &str, enter: bool) -> String {
    if enter {
        format!("press Enter here, or run `{command}` in another terminal")
    } else {
        format!("run `{command}`")
    }
}
