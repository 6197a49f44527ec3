//! `loong <channel> bridge status`, `metrics`, `logout` and `resume`: what an operator asks of a running
//! bridge, over its own endpoint, with its token. The answers are shown as they come.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bridge_states::next_step;
use super::bridge_status;
use super::bridge_statuses;
use super::confirm::{can_confirm, confirmed};
use super::running_bridge::{RunningBridge, unix_ms};
use crate::bridge::http::AdminCommand;
use crate::cli::{BridgeLogoutArgs, BridgeMetricsArgs, BridgeResumeArgs, BridgeStatusArgs, Global};
use crate::error::Failure;
use crate::output::Output;

/// Long enough for the network to confirm that an account is unlinked.
const COMMAND_WAIT: Duration = Duration::from_secs(45);

/// Shows how the bridge is.
///
/// # Errors
/// The bridge cannot be asked.
pub async fn status(
    global: &Global,
    channel: &str,
    args: &BridgeStatusArgs,
    output: &Output,
) -> Result<(), Failure> {
    if args.all_accounts {
        return bridge_statuses::show(global, channel, args.json, output).await;
    }
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    let status = bridge.status().await?;
    if args.json {
        return output.json(&status);
    }
    show(&bridge, &status, output);
    Ok(())
}

/// One status for a person, with what to do about it.
pub(super) fn show(bridge: &RunningBridge, status: &Map<String, Value>, output: &Output) {
    for line in bridge_status::lines(status, unix_ms()) {
        output.data(&line);
    }
    for warning in bridge_status::warnings(status) {
        output.warn(&warning);
    }
    if bridge_status::pause(status, unix_ms()).is_some() {
        output.hint(&format!(
            "nothing is sent until: {}",
            bridge.command("resume")
        ));
    }
    if bridge_status::dead_letters(status) > 0 {
        let list = bridge.command("inbox list --state dead");
        output.hint(&format!("parked messages, which nobody answered: {list}"));
    }
    let state = status.get("state").and_then(Value::as_str);
    if let Some(step) = state.and_then(|state| next_step(state, &bridge.command("bridge resume"))) {
        output.hint(&step);
    }
}

/// Shows the bridge's numbers as it writes them: they are for a program already.
///
/// # Errors
/// The bridge cannot be asked, or has none.
pub async fn metrics(
    global: &Global,
    channel: &str,
    args: &BridgeMetricsArgs,
    output: &Output,
) -> Result<(), Failure> {
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    output.data(bridge.metrics().await?.trim_end());
    Ok(())
}

/// Ends the login: at the network when it is connected, and here.
///
/// # Errors
/// Nobody confirmed it, or the bridge cannot be asked.
pub async fn logout(
    global: &Global,
    channel: &str,
    args: &BridgeLogoutArgs,
    output: &Output,
) -> Result<(), Failure> {
    if !args.yes {
        can_confirm("a logout")?;
    }
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    if !args.yes {
        let status = bridge.status().await?;
        let who = bridge_status::identity(&status).unwrap_or_else(|| "nobody yet".to_owned());
        output.say(&format!(
            "the bridge at {} is linked as {who}; a logout ends that, and the account must be linked again",
            bridge.address
        ));
        confirmed(output).await?;
    }
    let answer = bridge
        .ask(&AdminCommand::post("logout", json!({})), COMMAND_WAIT)
        .await?;
    for line in logged_out(&answer) {
        output.say(line);
    }
    Ok(())
}

/// Has a bridge that rests go on.
///
/// # Errors
/// The bridge cannot be asked.
pub async fn resume(
    global: &Global,
    channel: &str,
    args: &BridgeResumeArgs,
    output: &Output,
) -> Result<(), Failure> {
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    let answer = bridge
        .ask(&AdminCommand::post("resume", json!({})), COMMAND_WAIT)
        .await?;
    match answer.get("state").and_then(Value::as_str) {
        Some(state) => output.say(&format!(
            "the bridge goes on; it is {}",
            state.replace('_', " ")
        )),
        None => output.say("the bridge goes on"),
    }
    Ok(())
}

fn logged_out(answer: &Map<String, Value>) -> Vec<&'static str> {
    let says = |key: &str| answer.get(key).and_then(Value::as_bool) == Some(true);
    let (network, here) = match (says("unlinked"), says("set_aside")) {
        (true, _) => (
            "the account is unlinked at the network",
            "its login is set aside in the store",
        ),
        (false, true) => (
            "the network could not be told: remove this device on the phone, under linked devices",
            "the login is set aside in the store",
        ),
        (false, false) => (
            "no account was linked, so there was nothing to unlink",
            "nothing was changed in the store",
        ),
    };
    vec![
        network,
        here,
        "the bridge shows a QR code in its terminal, to link an account again",
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_logout_that_the_network_did_not_hear_says_what_is_left_to_do() {
        let told = |answer: Value| logged_out(answer.as_object().unwrap()).join("\n");
        let whole = told(json!({"ok": true, "unlinked": true, "set_aside": true}));
        assert!(whole.contains("unlinked at the network") && !whole.contains("remove this device"));
        let half = told(json!({"ok": true, "unlinked": false, "set_aside": true}));
        assert!(half.contains("remove this device on the phone"), "{half}");
        let nobody = told(json!({"ok": true, "unlinked": false, "set_aside": false}));
        assert!(nobody.contains("nothing to unlink") && !nobody.contains("remove"));
    }
}
