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

/// A running bridge as it is looked at from here.
struct Watched {
    label: String,
    screen: Screen,
    control: Control,
    failed: Option<Failure>,
}

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
    let mut stage = Stage::new(output);
    let mut watched = Vec::new();
    let mut running = FuturesUnordered::new();
    let (tell, mut told) = unbounded_channel();
    for (index, bridge) in bridges.into_iter().enumerate() {
        let label = args.all_accounts.then(|| bridge.label.clone());
        let resume = how_to_resume(&bridge.resume, enter.exists());
        let control = Control::default();
        watched.push(Watched {
            label: bridge.label.clone(),
            screen: Screen::new(index, label, args.json, resume),
            control: control.clone(),
            failed: None,
        });
        running.push(run_one(index, bridge, tell.clone(), control));
    }
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            // What was said before it ended is shown before it is said to have ended.
            biased;
            Some((index, more)) = told.recv() => {
                if let Some(one) = watched.get_mut(index) {
                    one.screen.show(more, &mut stage);
                }
                give_missed_turns(&mut watched, &stage);
            }
            Some((index, done)) = running.next() => {
                while let Ok((index, more)) = told.try_recv() {
                    if let Some(one) = watched.get_mut(index) {
                        one.screen.show(more, &mut stage);
                    }
                }
                if let Some(one) = watched.get_mut(index) {
                    one.failed = done.err();
                    let said = one.failed.as_ref().filter(|_| args.all_accounts);
                    one.screen.ended(said, &mut stage);
                }
                give_missed_turns(&mut watched, &stage);
                if running.is_empty() {
                    return outcome(watched, args.all_accounts);
                }
            }
            () = signals.next() => {
                stage.close();
                if stopping {
                    return Err(Failure::interrupted());
                }
                stopping = true;
                let what = if running.len() == 1 { "the bridge" } else { "the bridges" };
                stage.say(&format!("stopping {what}; once more ends at once"));
                watched.iter().for_each(|one| one.control.stop.cancel());
            }
            () = enter.pressed(), if asked => {
                asked = false;
                for one in watched.iter().filter(|one| one.screen.rests()) {
                    one.screen.say(&mut stage, "the bridge is asked to go on");
                    one.control.resume();
                }
            }
            _ = second.tick() => {
                // A read that has begun goes on, whatever the state is by then.
                if !asked && watched.iter().any(|one| one.screen.rests()) && enter.is_at_hand() {
                    enter.forget();
                    asked = true;
                }
                stage.tick();
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

/// Wakes those that came to rest while others had the stage, now that it is free.
fn give_missed_turns(watched: &mut [Watched], stage: &Stage<'_>) {
    if stage.is_free() {
        for one in watched {
            if one.screen.takes_missed_turn() {
                one.control.resume();
            }
        }
    }
}

/// What all of it has come to: of several bridges each failure has been said when it came.
fn outcome(watched: Vec<Watched>, several: bool) -> Result<(), Failure> {
    let count = watched.len();
    let failed: Vec<(String, Failure)> = watched
        .into_iter()
        .filter_map(|one| Some((format!("`{}`", one.label), one.failed?)))
        .collect();
    if several && !failed.is_empty() {
        let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Failure::operator(
            "bridges_failed",
            format!(
                "{} of {count} bridges could not go on: {}",
                failed.len(),
                names.join(", ")
            ),
        )
        .hint("what each of them needs is said above"));
    }
    failed
        .into_iter()
        .next()
        .map_or(Ok(()), |(_, failure)| Err(failure))
}

fn how_to_resume(command: &str, enter: bool) -> String {
    if enter {
        format!("press Enter here, or run `{command}` in another terminal")
    } else {
        format!("run `{command}`")
    }
}
