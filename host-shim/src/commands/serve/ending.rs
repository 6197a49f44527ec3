//! `channels serve --stop` and `--stop-duplicates`: asks other processes to finish, through the files
//! that they look at, and waits until they have. No signal is sent: a process id may be somebody
//! else's by now.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior};

use super::account::config_name;
use super::owner;
use crate::cli::{Global, ServeArgs};
use crate::commands::opened::{Opened, selected};
use crate::component::bindings::Account;
use crate::config::Config;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::serve::runtime_state::{Folder, Found, Life, Moment, Reclaim, Record, Request, Wanted};

/// A loop finishes what is under way within 10 s.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(250);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Outcome {
    channel: String,
    /// With `--stop-duplicates`: the processes that go on.
    kept: Vec<Process>,
    stopped: Vec<Stopped>,
}

#[derive(Debug, Clone, Serialize)]
struct Process {
    account: String,
    account_id: String,
    pid: u32,
    config: String,
}

#[derive(Debug, Serialize)]
struct Stopped {
    #[serde(flatten)]
    process: Process,
    /// False: it was asked, and still runs.
    ended: bool,
}

/// What is to end, and what goes on.
#[derive(Debug, Default)]
struct Plan {
    kept: Vec<Found>,
    ends: Vec<Found>,
}

/// Runs the command.
///
/// # Errors
/// Nothing serves, or something does not end.
pub async fn end_others(global: &Global, args: &ServeArgs, output: &Output) -> Result<(), Failure> {
    let home = Home::locate()?;
    let folder = Folder::of(&home);
    let config = config_name(&Config::locate(global.config.as_deref(), &home));
    let plan = plan(global, args, &home, &config, output).await?;
    if plan.ends.is_empty() && !args.json {
        for kept in &plan.kept {
            output.data(&format!("process {} serves alone", named(&kept.record)));
        }
    }
    let ended = end(&folder, &plan, args.stop_duplicates, output).await?;
    if args.json {
        output.json(&outcome(&plan, &ended))?;
    } else if !plan.ends.is_empty() {
        for kept in &plan.kept {
            output.data(&format!("kept process {}", named(&kept.record)));
        }
    }
    let left: Vec<&Found> = plan
        .ends
        .iter()
        .zip(&ended)
        .filter(|(found, ended)| !**ended && !(args.stop_duplicates && found.life == Life::Frozen))
        .map(|(found, _)| found)
        .collect();
    match left.first() {
        None => Ok(()),
        Some(first) => Err(still_running(first, left.len())),
    }
}

async fn plan(
    global: &Global,
    args: &ServeArgs,
    home: &Home,
    config: &str,
    output: &Output,
) -> Result<Plan, Failure> {
    let folder = Folder::of(home);
    let all = folder.look(Moment::now())?.found;
    let (channel, accounts) = match accounts(global, args, output).await {
        Ok(known) => known,
        // Whoever breaks the configuration must still be able to stop what serves with it.
        Err(failure) => {
            let ends = by_record(&all, args, config);
            return if args.stop && !ends.is_empty() {
                Ok(Plan {
                    ends,
                    kept: Vec::new(),
                })
            } else {
                Err(failure)
            };
        }
    };
    let mut plan = Plan::default();
    for account in &accounts {
        folder.sweep(&channel, &account.runtime_id, Moment::now());
        let of_account = |found: &&Found| {
            let served = &found.record.served;
            let renamed = served.config == config && served.configured_id == account.configured_id;
            served.channel == channel
                && found.life != Life::Gone
                && (served.account_id == account.runtime_id || (args.stop && renamed))
        };
        let loops: Vec<Found> = all.iter().filter(of_account).cloned().collect();
        if args.stop_duplicates {
            keep_the_newest(loops, &mut plan);
        } else {
            let ours = |found: &Found| found.record.served.config == config;
            plan.kept
                .extend(loops.iter().filter(|found| !ours(found)).cloned());
            plan.ends.extend(loops.into_iter().filter(ours));
        }
    }
    let nothing = plan.ends.is_empty() && (args.stop || plan.kept.is_empty());
    if nothing {
        return Err(not_running(&channel, &accounts, &plan, home));
    }
    if args.stop {
        plan.kept.clear();
    }
    Ok(plan)
}

/// The newest loop that is healthy stays; all others end.
fn keep_the_newest(mut loops: Vec<Found>, plan: &mut Plan) {
    let healthy = |found: &Found| found.life == Life::Live && found.asked.is_none();
    let newest = loops
        .iter()
        .enumerate()
        .filter(|(_, found)| healthy(found))
        .max_by_key(|(_, found)| found.record.started_at)
        .map(|(at, _)| at);
    if let Some(at) = newest {
        plan.kept.push(loops.remove(at));
    }
    plan.ends.extend(loops);
}

/// The channel's id and the accounts that are meant, ready to serve or not.
async fn accounts(
    global: &Global,
    args: &ServeArgs,
    output: &Output,
) -> Result<(String, Vec<Account>), Failure> {
    let account = args.account.as_deref();
    let opened = Opened::open(global, &args.channel, account, output).await?;
    let report = opened.report(account, None).await?;
    let accounts = if args.all_accounts {
        report
            .accounts
            .iter()
            .map(|entry| entry.account.clone())
            .collect()
    } else {
        vec![selected(&report)?.account.clone()]
    };
    Ok((opened.plugin.manifest.channel_id.clone(), accounts))
}

/// What serves by its own word; nothing when it is not clear which of several is meant.
fn by_record(all: &[Found], args: &ServeArgs, config: &str) -> Vec<Found> {
    let is_meant = |found: &&Found| {
        let served = &found.record.served;
        let names = [
            &served.configured_label,
            &served.configured_id,
            &served.account_id,
        ];
        let account = args.account.as_ref();
        found.life != Life::Gone
            && served.channel == args.channel
            && served.config == config
            && account.is_none_or(|account| names.contains(&account))
    };
    let meant: Vec<Found> = all.iter().filter(is_meant).cloned().collect();
    if meant.len() > 1 && !args.all_accounts {
        return Vec::new();
    }
    meant
}

/// Asks, waits, tells; says for each loop whether it has ended.
async fn end(
    folder: &Folder,
    plan: &Plan,
    duplicates: bool,
    output: &Output,
) -> Result<Vec<bool>, Failure> {
    for found in &plan.ends {
        // What is frozen would still answer when it wakes up, beside the one that is kept.
        let give_way = duplicates && found.life == Life::Frozen;
        folder.ask(
            &found.record,
            &Request {
                wanted: if give_way {
                    Wanted::GiveWay
                } else {
                    Wanted::Stop
                },
                by_pid: std::process::id(),
                at: Moment::now(),
            },
        )?;
        let name = named(&found.record);
        output.say(&if give_way {
            format!("process {name} does not react; it ends when it wakes up")
        } else {
            format!("asked process {name} to finish")
        });
    }
    if duplicates {
        note_reclaims(folder, plan)?;
    }
    wait(folder, plan, duplicates, output).await
}

async fn wait(
    folder: &Folder,
    plan: &Plan,
    duplicates: bool,
    output: &Output,
) -> Result<Vec<bool>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let mut ended = vec![false; plan.ends.len()];
    let mut told = vec![0; plan.ends.len()];
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let there = folder.look(Moment::now())?.found;
        let mut waits = false;
        for ((found, ended), told) in plan.ends.iter().zip(&mut ended).zip(&mut told) {
            if *ended {
                continue;
            }
            let now = there.iter().find(|other| {
                other.record.instance == found.record.instance && other.life != Life::Gone
            });
            let Some(now) = now else {
                *ended = true;
                output.say(&format!("process {} has ended", named(&found.record)));
                continue;
            };
            waits |= !(duplicates && now.life == Life::Frozen);
            let under_way = now.record.activity.active_runs;
            if under_way != *told && under_way > 0 {
                output.say(&format!(
                    "process {}: {under_way} under way",
                    named(&found.record)
                ));
            }
            *told = under_way;
        }
        if !waits || Instant::now() >= deadline {
            return Ok(ended);
        }
    }
}

/// Leaves word, for each account, that others were stopped.
fn note_reclaims(folder: &Folder, plan: &Plan) -> Result<(), Failure> {
    for kept in &plan.kept {
        let served = &kept.record.served;
        let stopped_pids: Vec<u32> = plan
            .ends
            .iter()
            .map(|found| &found.record)
            .filter(|record| {
                record.served.channel == served.channel
                    && record.served.account_id == served.account_id
            })
            .map(|record| record.pid)
            .collect();
        if !stopped_pids.is_empty() {
            let reclaim = Reclaim {
                at: Moment::now(),
                stopped_pids,
            };
            folder.note_reclaim(&served.channel, &served.account_id, &reclaim)?;
        }
    }
    Ok(())
}

fn not_running(channel: &str, accounts: &[Account], plan: &Plan, home: &Home) -> Failure {
    let names: Vec<String> = accounts
        .iter()
        .map(|account| format!("`{}`", account.configured_label))
        .collect();
    let (noun, names) = (
        if names.len() == 1 {
            "account"
        } else {
            "accounts"
        },
        names.join(", "),
    );
    let failure = Failure::operator(
        "serve_not_running",
        format!("nothing serves {channel} {noun} {names} with this configuration"),
    );
    match plan.kept.first() {
        None => failure.hint("`loong channels` shows what runs"),
        Some(other) => failure.hint(format!(
            "process {} serves it with another one: `{}` stops it",
            other.record.pid,
            owner::command(&other.record, home, "--stop")
        )),
    }
}

fn still_running(first: &Found, count: usize) -> Failure {
    let pid = first.record.pid;
    let (message, hint) = match first.life {
        Life::Frozen => (
            format!("process {pid} does not react: it was stopped, or the machine slept"),
            format!(
                "continue it (`fg` in its terminal, or `kill -CONT {pid}`): it then ends; or start another `channels serve`, which takes over"
            ),
        ),
        Life::Live | Life::Gone => (
            format!(
                "process {pid} has not ended within {} s",
                PATIENCE.as_secs()
            ),
            format!(
                "it was asked and may still end; look at what it says, or end it with `kill {pid}` if that still is a `loong`"
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

fn outcome(plan: &Plan, ended: &[bool]) -> Outcome {
    let process = |found: &Found| Process {
        account: found.record.served.configured_id.clone(),
        account_id: found.record.served.account_id.clone(),
        pid: found.record.pid,
        config: found.record.served.config.clone(),
    };
    let channel = plan.kept.iter().chain(&plan.ends).next();
    Outcome {
        channel: channel.map_or_else(String::new, |found| found.record.served.channel.clone()),
        kept: plan.kept.iter().map(process).collect(),
        stopped: plan
            .ends
            .iter()
            .zip(ended)
            .map(|(found, ended)| Stopped {
                process: process(found),
                ended: *ended,
            })
            .collect(),
    }
}
