//! `bridge status --all-accounts`: how every bridge is, one after the other. One that cannot be
//! asked is said where it stands, and makes the whole a failure.

use serde_json::{Value, json};

use super::all_accounts::enabled;
use super::bridge_admin;
use super::opened::Opened;
use super::running_bridge::RunningBridge;
use crate::cli::Global;
use crate::error::Failure;
use crate::output::Output;
use crate::plain_text::one_line;

/// Shows how the bridges of all accounts are that are switched on.
///
/// # Errors
/// A bridge cannot be asked; the others are shown all the same.
pub(super) async fn show(
    global: &Global,
    channel: &str,
    as_json: bool,
    output: &Output,
) -> Result<(), Failure> {
    let opened = Opened::open(global, channel, None, output).await?;
    let report = opened.report(None, None).await?;
    let entries = enabled(&opened.plugin, &report, output)?;
    let count = entries.len();
    let mut list = Vec::new();
    let mut silent = Vec::new();
    for entry in entries {
        let label = &entry.account.configured_label;
        let name = one_line(label);
        let asked = async {
            let bridge = RunningBridge::of(&opened, entry)?;
            let status = bridge.status().await?;
            Ok((bridge, status))
        };
        match asked.await {
            Ok((_, status)) if as_json => {
                list.push(json!({"account": label, "status": status}));
            }
            Ok((bridge, status)) => {
                output.data(&format!("account {name}"));
                bridge_admin::show(&bridge, &status, output);
            }
            Err(failure) => {
                list.push(json!({"account": label, "error": as_value(&failure)}));
                let message = format!("{name}: {}", failure.message);
                output.failure(&Failure { message, ..failure });
                silent.push(format!("`{name}`"));
            }
        }
    }
    if as_json {
        output.json(&list)?;
    }
    if silent.is_empty() {
        return Ok(());
    }
    Err(Failure::operator(
        "bridges_silent",
        format!(
            "{} of {count} bridges gave no status: {}",
            silent.len(),
            silent.join(", ")
        ),
    )
    .hint("what each of them needs is said above"))
}

fn as_value(failure: &Failure) -> Value {
    json!({"code": failure.code, "message": failure.to_string(), "hint": failure.hint})
}
