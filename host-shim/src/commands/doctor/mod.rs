//! `loong doctor`: every check of the installation, what was seen, and what to do. Changes nothing.
//! Each part of the installation has a file; this one collects and prints.

mod bridge;
mod channels;
pub mod check;
mod installation;
mod reply;
mod store;

use serde::Serialize;

use self::check::{Check, Checks, Status};
use super::opened::{Loader, Survey};
use crate::cli::{DoctorArgs, Global};
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

#[derive(Debug, Serialize)]
struct Diagnosis<'a> {
    /// Nothing failed; warnings may be left.
    ok: bool,
    summary: Summary,
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
    let checks = diagnose(global, output).await?;
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
            checks: &checks,
        })?;
    } else {
        show(&checks, output);
        output.data(&format!(
            "{} ok, {} to look at, {} failed",
            summary.ok, summary.warn, summary.fail
        ));
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

/// Every check and its verdict.
///
/// # Errors
/// A fault of ours.
pub(super) async fn diagnose(global: &Global, output: &Output) -> Result<Vec<Check>, Failure> {
    let home = Home::locate()?;
    let mut checks = Checks::default();
    if let Some(survey) = installation::examine(&mut checks, global, &home) {
        examine(&mut checks, &survey, output).await?;
    }
    Ok(checks.into_vec())
}

/// Prints checks for a person.
pub(super) fn show(checks: &[Check], output: &Output) {
    checks.iter().for_each(|check| print(check, output));
}

/// Everything beyond the files: plugins, channels, bridges, and what answers.
async fn examine(checks: &mut Checks, survey: &Survey, output: &Output) -> Result<(), Failure> {
    let loader = Loader::new(&survey.home, output)?;
    channels::examine(checks, survey, &loader).await;
    reply::examine(checks, survey).await;
    Ok(())
}

fn print(check: &Check, output: &Output) {
    let subject = match (&check.channel, &check.account) {
        (Some(channel), Some(account)) => format!(" [{channel} {account}]"),
        (Some(channel), None) => format!(" [{channel}]"),
        (None, _) => String::new(),
    };
    output.data(&format!(
        "{:<4}  {}{subject}: {}",
        check.status.word(),
        check.id,
        check.seen
    ));
    if let Some(hint) = &check.hint {
        output.data(&format!("        {hint}"));
    }
}
