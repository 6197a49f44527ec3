//! `loong <channel> pause` and `resume`: the switch that lets nothing out. What comes in is kept.

use std::time::Duration;

use serde_json::json;

use super::bridge_status;
use super::running_bridge::{RunningBridge, unix_ms};
use crate::bridge::http::AdminCommand;
use crate::cli::{Global, PauseArgs};
use crate::error::Failure;
use crate::output::Output;

/// The switch is a row in the store.
const WAIT: Duration = Duration::from_secs(15);

/// Lets nothing out any more. Paused already is fine.
///
/// # Errors
/// The bridge cannot be asked.
pub async fn pause(
    global: &Global,
    channel: &str,
    args: &PauseArgs,
    output: &Output,
) -> Result<(), Failure> {
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    let answer = bridge
        .ask(&AdminCommand::post("pause", json!({})), WAIT)
        .await?;
    if args.json {
        return output.json(&answer);
    }
    let how = bridge_status::pause(&answer, unix_ms()).unwrap_or_else(|| "paused".to_owned());
    output.say(&format!(
        "sending is {how}; what comes in is kept and waits"
    ));
    output.hint(&format!("to go on: {}", bridge.command("resume")));
    Ok(())
}

/// Lets out again. Not paused is fine.
///
/// # Errors
/// The bridge cannot be asked.
pub async fn resume(
    global: &Global,
    channel: &str,
    args: &PauseArgs,
    output: &Output,
) -> Result<(), Failure> {
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    let answer = bridge
        .ask(&AdminCommand::post("unpause", json!({})), WAIT)
        .await?;
    if args.json {
        return output.json(&answer);
    }
    output.say("sending goes on; what waited is answered and sent in its order");
    Ok(())
}
