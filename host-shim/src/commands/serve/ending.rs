//! `channels serve --stop` and `--stop-duplicates`: asks other processes to finish, through the files
//! that they look at, and waits until they have. No signal is sent: a process id may be somebody
//! else's by now.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};

use super::account::config_name;
use super::plan::{Leaver, Plan};
use crate::cli::{Global, ServeArgs};
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::serve::runtime_state::{Folder, Life, Moment, Reclaim, Record, Request, Wanted};

/// A loop finishes what is under way within 10 s.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(250);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Outcome<'a> {
    channel: Option<&'a str>,
    /// With `--stop-duplicates`: the processes that go on.
    kept: Vec<Process<'a>>,
    stopped: Vec<Stopped<'a>>,
}

#[derive(Debug, Serialize)]
struct Process<'a> {
    account: &'a str,
    account_id: &'a str,
    pid: u32,
    config: &'a str,
}

#[derive(Debug, Serialize)]
struct Stopped<'a> {
    #[serde(flatten)]
    process: Process<'a>,
    /// False: it was asked, and has not ended yet.
    ended: bool,
}

/// Runs the command.
///
/// # Errors
/// Nothing serves, or something does not end.
pub async fn end_others(global: &Global, args: &ServeArgs, output: &Output) -> Result<(), Failure> {
    let home = Home::locate()?;
    let folder = Folder::of(&home);
    let config = config_name(&Config::locate(global.config.as_deref(), &home));
    let mut plan = Plan::make(global, args, &home, &config, output).await?;
    ask(&folder, &plan, output)?;
    wait(&folder, &mut plan, output).await?;
    if args.json {
        output.json(&outcome(&plan))?;
    } else {
        print(&plan, output);
    }
    let left: Vec<&Leaver> = plan.leavers.iter().filter(|it| is_waited_for(it)).collect();
    match left.first() {
        None => Ok(()),
        Some(first) => Err(still_running(first, left.len())),
    }
}

fn ask(folder: &Folder, plan: &Plan, output: &Output) -> Result<(), Failure> {
    for leaver in &plan.leavers {
        let request = Request {
            wanted: leaver.wanted,
            by_pid: std::process::id(),
            at: Moment::now(),
        };
        folder.ask(&leaver.found.record, &request)?;
        let name = named(&leaver.found.record);
        output.say(&match leaver.wanted {
            Wanted::Stop => format!("asked process {name} to finish"),
            Wanted::GiveWay => {
                format!("process {name} does not react; it ends when it wakes up")
            }
        });
    }
    for kept in &plan.kept {
        let served = &kept.served;
        let stopped_pids: Vec<u32> = plan
            .leavers
            .iter()
            .map(|leaver| &leaver.found.record)
            .filter(|record| record.served.account_id == served.account_id)
            .map(|record| record.pid)
            .collect();
        if !stopped_pids.is_empty() {
            let at = Moment::now();
            let reclaim = Reclaim { at, stopped_pids };
            folder.note_reclaim(&served.channel, &served.account_id, &reclaim)?;
        }
    }
    Ok(())
}

/// Waits until all have ended, and says how it goes.
async fn wait(folder: &Folder, plan: &mut Plan, output: &Output) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let there = folder.look(Moment::now())?.found;
        for leaver in plan.leavers.iter_mut().filter(|it| !it.has_ended) {
            let instance = &leaver.found.record.instance;
            let now = there
                .iter()
                .find(|other| other.record.instance == *instance && other.life != Life::Gone);
            let name = named(&leaver.found.record);
            let Some(now) = now else {
                leaver.has_ended = true;
                output.say(&format!("process {name} has ended"));
                continue;
            };
            let under_way = now.record.activity.active_runs;
            if under_way > 0 && under_way != leaver.found.record.activity.active_runs {
                output.say(&format!("process {name} finishes {under_way} under way"));
            }
            leaver.found = now.clone();
        }
        if !plan.leavers.iter().any(is_waited_for) || Instant::now() >= deadline {
            return Ok(());
        }
    }
}

/// What gives way ends when it wakes up, whenever that is.
fn is_waited_for(leaver: &Leaver) -> bool {
    !leaver.has_ended && leaver.wanted == Wanted::Stop
}

fn print(plan: &Plan, output: &Output) {
    let what = if plan.leavers.is_empty() {
        "serves alone"
    } else {
        "goes on"
    };
    for kept in &plan.kept {
        output.data(&format!("process {} {what}", named(kept)));
    }
    for leaver in plan.leavers.iter().filter(|leaver| leaver.has_ended) {
        output.data(&format!("stopped process {}", named(&leaver.found.record)));
    }
}

fn still_running(first: &Leaver, count: usize) -> Failure {
    let pid = first.found.record.pid;
    let (message, hint) = match first.found.life {
        Life::Frozen => (
            format!("process {pid} does not react: it was suspended, or the machine slept"),
            format!(
                "let it go on (`fg` in its terminal, or `kill -CONT {pid}`) and it ends; or start `channels serve` again, which takes over"
            ),
        ),
        Life::Live | Life::Gone => (
            format!(
                "process {pid} has not ended within {} s",
                PATIENCE.as_secs()
            ),
            format!(
                "it was asked and may still end: look at what it says, or end it with `kill {pid}`"
            ),
        ),
    };
    let failure = Failure::operator("serve_still_running", message).hint(hint);
    match count {
        1 => failure,
        count => failure.because(format!("and {} more", count - 1)),
    }
}

fn named(record: &Record) -> String {
    format!(
        "{} (account {})",
        record.pid, record.served.configured_label
    )
}

fn outcome(plan: &Plan) -> Outcome<'_> {
    let leaving = plan.leavers.iter().map(|leaver| &leaver.found.record);
    let channel = plan.kept.iter().chain(leaving).next();
    Outcome {
        channel: channel.map(|record| record.served.channel.as_str()),
        kept: plan.kept.iter().map(process).collect(),
        stopped: plan
            .leavers
            .iter()
            .map(|leaver| Stopped {
                process: process(&leaver.found.record),
                ended: leaver.has_ended,
            })
            .collect(),
    }
}

fn process(record: &Record) -> Process<'_> {
    Process {
        account: &record.served.configured_id,
        account_id: &record.served.account_id,
        pid: record.pid,
        config: &record.served.config,
    }
}
