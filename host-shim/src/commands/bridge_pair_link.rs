//! `loong <channel> bridge pair-link`: a link to the bridge's own page, for whoever cannot scan what
//! the terminal shows, or whose link is used up. What the page shows is the bridge's.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::running_bridge::RunningBridge;
use crate::bridge::http::AdminCommand;
use crate::cli::{BridgePairLinkArgs, Global};
use crate::error::Failure;
use crate::output::Output;

/// A link comes from memory.
const WAIT: Duration = Duration::from_secs(10);

/// Prints a new link; earlier ones open nothing any more.
///
/// # Errors
/// The bridge cannot be asked, or has no such page.
pub async fn run(
    global: &Global,
    channel: &str,
    args: &BridgePairLinkArgs,
    output: &Output,
) -> Result<(), Failure> {
    let bridge = RunningBridge::find(global, channel, args.account.as_deref(), output).await?;
    let answer = bridge
        .ask(&AdminCommand::post("pair-link", json!({})), WAIT)
        .await?;
    let url = answer.get("url").and_then(Value::as_str).ok_or_else(|| {
        Failure::operator("bridge_refused", "the bridge gives no link to a page")
            .hint("use a bridge and a host of the same release, and start both anew")
    })?;
    if args.json {
        return output.json(&answer);
    }
    output.data(url);
    for line in hints(&answer) {
        output.hint(&line);
    }
    Ok(())
}

fn hints(answer: &Map<String, Value>) -> Vec<String> {
    let lasts = answer.get("expires_in_ms").and_then(Value::as_u64);
    let within = lasts.map_or_else(String::new, |ms| {
        format!(", within {} minutes", ms.div_ceil(60_000))
    });
    let mut hints = vec![format!(
        "it opens once{within}, in a browser on this machine"
    )];
    if answer.get("state").and_then(Value::as_str) == Some("connected") {
        hints.push("the account is linked already; the page says as whom".to_owned());
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_long_the_link_lasts_and_that_an_account_is_linked_already() {
        let told = |answer: Value| hints(answer.as_object().unwrap()).join("\n");
        let waiting = told(json!({"expires_in_ms": 3_600_000, "state": "pairing"}));
        assert!(
            waiting.contains("once, within 60 minutes") && !waiting.contains("already"),
            "{waiting}"
        );
        assert!(told(json!({"state": "connected"})).contains("linked already"));
    }
}
