//! `loong doctor`: every check of the installation, what was seen, and what to do. Changes nothing,
//! unless `--fix` asks for the remedies of [`remedy`]; then it looks again and tells what is left.
//! Each part of the installation has a file; an account's parts are called by [`account`].

mod account;
mod auth_dir;
mod bridge;
mod bridge_auth;
mod bridge_work;
mod channels;
pub mod check;
mod component;
mod config;
mod env_pointer;
mod folder;
mod home;
mod ids;
mod package;
mod plugins;
mod reach;
mod remedy;
mod reply;
mod reply_loop;
mod shared;
mod space;
mod store_lock;

use serde::Serialize;

pub(super) use self::auth_dir::refusal as auth_dir_refusal;
use self::check::{Check, Checks, Id, Status, subject};
use self::remedy::{Fix, Remedy};
use super::opened::{Loader, Survey, working_directory};
use crate::cli::{DoctorArgs, Global};
use crate::commands::shell::quoted;
use crate::discovery::nearby::nearby_roots;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

#[derive(Debug, Serialize)]
struct Diagnosis<'a> {
    /// Nothing failed; warnings may be left.
    ok: bool,
    summary: Summary,
    /// What `--fix` did, and what it could not do.
    fixes: &'a [Fix],
    /// As it is now, after the fixes.
    checks: &'a [Check],
}

#[derive(Debug, Serialize)]
struct Summary {
    ok: usize,
    warn: usize,
    fail: usize,
}

/// Runs the command.
///
/// # Errors
/// At least one check failed; the checks have been printed.
pub async fn run(global: &Global, args: &DoctorArgs, output: &Output) -> Result<(), Failure> {
    let mut fixes = Vec::new();
    let mut tried: Vec<Remedy> = Vec::new();
    let checks = loop {
        let (home, checks) = examine(global).await?;
        let Some(home) = home.filter(|_| args.fix && next(&checks, &tried).is_some()) else {
            break checks;
        };
        while let Some((check, remedy)) = next(&checks, &tried) {
            fixes.push(Fix::attempt(check, remedy, &home, output).await);
            tried.push(remedy.clone());
        }
    };
    print(&checks, &fixes, &how_to_fix(global), args, output)
}

/// With the configuration that this run was given, or it would be about another.
fn how_to_fix(global: &Global) -> String {
    let config = global.config.as_deref();
    let config = config.map_or_else(String::new, |path| format!(" --config {}", quoted(path)));
    format!("loong doctor --fix{config}")
}

/// The first remedy that has not been tried yet.
fn next<'a>(checks: &'a [Check], tried: &[Remedy]) -> Option<(&'a Check, &'a Remedy)> {
    checks
        .iter()
        .filter_map(|check| Some((check, check.remedy.as_ref()?)))
        .find(|(_, remedy)| !tried.contains(remedy))
}

/// Looks at everything; later checks are left out when there is nothing for them to go on.
async fn examine(global: &Global) -> Result<(Option<Home>, Vec<Check>), Failure> {
    let mut checks = Checks::default();
    let home = match Home::locate() {
        Ok(home) => home,
        Err(failure) => {
            checks.add(Id::Home, failure);
            return Ok((None, checks.into_vec()));
        }
    };
    self::home::examine(&mut checks, &home);
    installation(&mut checks, global, &home).await?;
    let mut checks = checks.into_vec();
    for check in &mut checks {
        let remedy = check.remedy.as_ref();
        check.fixable = remedy.is_some_and(|remedy| remedy.is_allowed(&home));
    }
    Ok((Some(home), checks))
}

async fn installation(checks: &mut Checks, global: &Global, home: &Home) -> Result<(), Failure> {
    let directory = match working_directory() {
        Ok(directory) => directory,
        Err(failure) => {
            checks.add(Id::Roots, failure);
            return Ok(());
        }
    };
    let nearby = nearby_roots(&directory, std::env::current_exe().ok().as_deref());
    let Some(config) = config::examine(checks, global, home, &nearby) else {
        return Ok(());
    };
    let discovery = plugins::examine(checks, &config, &directory, home, &nearby);
    let mut accounts = Vec::new();
    if let Some(discovery) = discovery {
        let survey = Survey {
            home: home.clone(),
            config: config.clone(),
            discovery,
        };
        for slip in survey.slips() {
            checks.warn(Id::ConfigKeys, slip.message, slip.hint);
        }
        let loader = Loader::without_cache(home)?;
        accounts = channels::examine(checks, &survey, &loader, &directory).await;
    }
    reply::examine(checks, &config, &accounts).await;
    Ok(())
}

fn print(
    checks: &[Check],
    fixes: &[Fix],
    how_to_fix: &str,
    args: &DoctorArgs,
    output: &Output,
) -> Result<(), Failure> {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let summary = Summary {
        ok: count(Status::Ok),
        warn: count(Status::Warn),
        fail: count(Status::Fail),
    };
    let failed = summary.fail;
    if args.json {
        output.json(&Diagnosis {
            ok: failed == 0,
            summary,
            fixes,
            checks,
        })?;
    } else {
        fixes.iter().for_each(|fix| print_fix(fix, output));
        show(checks, output);
        output.data(&format!(
            "{} ok, {} to look at, {} failed",
            summary.ok, summary.warn, summary.fail
        ));
        let fixable = checks
            .iter()
            .filter(|check| check.fixable && check.status != Status::Ok)
            .count();
        if fixable > 0 && !args.fix {
            output.data(&format!("{how_to_fix} can see to {fixable} of these"));
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        let things = if failed == 1 { "check" } else { "checks" };
        Err(
            Failure::operator("doctor_failed", format!("{failed} {things} failed"))
                .hint("each failed check above says what to do"),
        )
    }
}

/// Every check and its verdict; changes nothing.
///
/// # Errors
/// A fault of ours.
pub(super) async fn diagnose(global: &Global) -> Result<Vec<Check>, Failure> {
    examine(global).await.map(|(_home, checks)| checks)
}

/// Prints checks for a person.
pub(super) fn show(checks: &[Check], output: &Output) {
    checks.iter().for_each(|check| print_check(check, output));
}

fn print_fix(fix: &Fix, output: &Output) {
    let word = if fix.fixed { "fixed" } else { "not fixed" };
    let subject = subject(fix.channel.as_deref(), fix.account.as_deref());
    output.data(&format!("{word}  {}{subject}: {}", fix.id.word(), fix.what));
}

fn print_check(check: &Check, output: &Output) {
    output.data(&format!(
        "{:<4}  {}{}: {}",
        check.status.word(),
        check.id.word(),
        check.subject(),
        check.seen
    ));
    for line in check.hint.iter().flat_map(|hint| hint.lines()) {
        output.data(&format!("        {line}"));
    }
}
