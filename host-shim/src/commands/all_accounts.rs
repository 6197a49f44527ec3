//! The accounts that `--all-accounts` means: every one that is switched on. What is wrong with the
//! block as a whole stops them all, since nobody can say then which accounts were meant.

use crate::component::bindings::{AccountReport, Health, Report, Severity};
use crate::discovery::roots::Plugin;
use crate::error::Failure;
use crate::output::Output;

/// The accounts that are switched on, in the order of the report; the others are named.
///
/// # Errors
/// The channel's block has a fault, or no account is switched on.
pub(super) fn enabled<'a>(
    plugin: &Plugin,
    report: &'a Report,
    output: &Output,
) -> Result<Vec<&'a AccountReport>, Failure> {
    let fault = |severity| severity == Severity::Error;
    if let Some(issue) = report.issues.iter().find(|issue| fault(issue.severity)) {
        return Err(
            Failure::operator(issue.code.as_str(), issue.message.as_str())
                .hint(issue.hint.as_str()),
        );
    }
    let (off, on): (Vec<_>, Vec<_>) = report.accounts.iter().partition(|entry| is_off(entry));
    if on.is_empty() {
        let key = &plugin.manifest.config_key;
        return Err(Failure::operator(
            "no_account_enabled",
            format!("no account of {} is switched on", plugin.manifest.label),
        )
        .hint(format!(
            "set `enabled = true` in [{key}], and in an account's own table if it says otherwise"
        )));
    }
    for entry in off {
        output.say(&format!(
            "account `{}` is switched off and left out",
            entry.account.configured_label
        ));
    }
    Ok(on)
}

fn is_off(entry: &AccountReport) -> bool {
    let mut healths = entry.readiness.iter().map(|readiness| readiness.health);
    healths.any(|health| health == Health::Disabled)
}
