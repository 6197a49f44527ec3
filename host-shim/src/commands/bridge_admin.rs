//! `loong <channel> bridge status`, `logout` and `resume`: what an operator asks of a running
//! bridge, over its own endpoint, with its token. The answers are shown as they come.

use std::io::{BufRead, IsTerminal};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Map, Value};

use super::bridge_run::address;
use super::bridge_states::next_step;
use super::bridge_status;
use super::opened::{Opened, ready, selected};
use crate::bridge::http::HttpDoor;
use crate::bridge::token::Tokens;
use crate::catalog::bridge_command;
use crate::cli::{BridgeLogoutArgs, BridgeResumeArgs, BridgeStatusArgs, Global};
use crate::component::bindings::Operation;
use crate::door::{BridgeAddress, DoorError};
use crate::error::Failure;
use crate::output::Output;

/// A status comes from memory.
const STATUS_WAIT: Duration = Duration::from_secs(10);
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
    let bridge = Bridge::find(global, channel, args.account.as_deref(), output).await?;
    let status = bridge.status().await?;
    if args.json {
        return output.json(&status);
    }
    for line in bridge_status::lines(&status, unix_ms()) {
        output.data(&line);
    }
    for warning in bridge_status::warnings(&status) {
        output.warn(&warning);
    }
    let state = status.get("state").and_then(Value::as_str);
    if let Some(step) = state.and_then(|state| next_step(state, &bridge.resume())) {
        output.hint(&step);
    }
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
    let at_terminal = std::io::stdin().is_terminal();
    if !args.yes && !at_terminal {
        return Err(Failure::usage(
            "confirmation_needed",
            "a logout must be confirmed, and there is no terminal to ask on",
        )
        .hint("add --yes when you mean it; nothing was changed"));
    }
    let bridge = Bridge::find(global, channel, args.account.as_deref(), output).await?;
    if !args.yes {
        let status = bridge.status().await?;
        let who = bridge_status::identity(&status).unwrap_or_else(|| "nobody yet".to_owned());
        output.say(&format!(
            "the bridge at {} is linked as {who}; a logout ends that, and the account must be linked again",
            bridge.address
        ));
        output.say("type yes and Enter to go on:");
        let typed = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        let typed = typed.await.ok().and_then(Result::ok).unwrap_or_default();
        if !confirms(&typed) {
            return Err(Failure::operator(
                "not_confirmed",
                "not confirmed, so nothing was changed",
            ));
        }
    }
    let answer = bridge.ask(Method::POST, "logout", COMMAND_WAIT).await?;
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
    let bridge = Bridge::find(global, channel, args.account.as_deref(), output).await?;
    let answer = bridge.ask(Method::POST, "resume", COMMAND_WAIT).await?;
    match answer.get("state").and_then(Value::as_str) {
        Some(state) => output.say(&format!(
            "the bridge goes on; it is {}",
            state.replace('_', " ")
        )),
        None => output.say("the bridge goes on"),
    }
    Ok(())
}

/// A running bridge, by its address.
struct Bridge {
    channel: String,
    address: BridgeAddress,
    door: HttpDoor,
    tokens: Tokens,
}

impl Bridge {
    async fn find(
        global: &Global,
        channel: &str,
        account: Option<&str>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let opened = Opened::open(global, channel, account, output).await?;
        let report = opened.report(account, None).await?;
        let entry = selected(&report)?;
        let manifest = &opened.plugin.manifest;
        if entry.account.bridge_url.is_none() {
            // Says better what is missing.
            ready(&opened.plugin, entry, Operation::Send)?;
        }
        let tokens = Tokens::of(&opened.survey.home);
        Ok(Self {
            channel: manifest.channel_id.clone(),
            address: address(&entry.account, &manifest.config_key)?,
            door: HttpDoor::new(tokens.clone())?,
            tokens,
        })
    }

    async fn status(&self) -> Result<Map<String, Value>, Failure> {
        self.ask(Method::GET, "status", STATUS_WAIT).await
    }

    async fn ask(
        &self,
        method: Method,
        what: &str,
        wait: Duration,
    ) -> Result<Map<String, Value>, Failure> {
        if self
            .tokens
            .read(&self.address)
            .is_ok_and(|token| token.is_none())
        {
            return Err(self.without_token().await);
        }
        let answer = self
            .door
            .admin(&self.address, method, what, wait)
            .await
            .map_err(|error| self.unasked(&error))?;
        let body = match serde_json::from_str(&answer.body) {
            Ok(Value::Object(body)) => body,
            Ok(_) | Err(_) => Map::new(),
        };
        match answer.status {
            200..300 if !body.is_empty() => Ok(body),
            401 => Err(self.refused(&body, 401).hint(format!(
                "the bridge does not take this token: stop it, then start it with `{}`",
                bridge_command(&self.channel)
            ))),
            status => Err(self.refused(&body, status)),
        }
    }

    fn refused(&self, body: &Map<String, Value>, status: u16) -> Failure {
        let word = |key: &str| body.get(key).and_then(Value::as_str);
        let code = word("code").unwrap_or("bridge_refused").to_owned();
        match word("error") {
            Some(sentence) => Failure::operator(code, format!("the bridge refuses: {sentence}")),
            None => Failure::operator(
                code,
                format!("the bridge gives no answer that can be used (HTTP status {status})"),
            )
            .hint("use a bridge and a host of the same release, and start both anew"),
        }
    }

    /// Without a token there is nothing to ask with; why there is none depends on who answers.
    async fn without_token(&self) -> Failure {
        match self.door.health(&self.address).await {
            Ok(_) => Failure::operator(
                "bridge_without_token",
                format!(
                    "the bridge at {} takes no commands from here: no `bridge run` of this LOONG_HOME started it",
                    self.address
                ),
            )
            .hint(format!(
                "stop it, then start it with `{}`; or use the LOONG_HOME that it was started with",
                bridge_command(&self.channel)
            )),
            Err(error) => self.unasked(&error),
        }
    }

    fn unasked(&self, error: &DoorError) -> Failure {
        let start = bridge_command(&self.channel);
        let (code, hint) = match error {
            DoorError::Unreachable(_) => (
                "bridge_unreachable",
                format!("start the bridge with `{start}`"),
            ),
            DoorError::TimedOut => (
                "bridge_timeout",
                format!(
                    "look at the bridge's terminal; when it hangs, stop it and start it with `{start}`"
                ),
            ),
            DoorError::Impostor(_) => (
                "bridge_impostor",
                format!(
                    "look what uses that port and stop it, then start the bridge with `{start}`; it was told nothing"
                ),
            ),
            DoorError::TooLarge(_) | DoorError::Broken(_) => (
                "bridge_broken",
                format!("look what uses that port; the bridge starts with `{start}`"),
            ),
            DoorError::Refused(_) => (
                "bridge_token_unusable",
                format!("stop the bridge and start it with `{start}`: it makes a new token"),
            ),
        };
        Failure::operator(code, error.to_string()).hint(hint)
    }

    fn resume(&self) -> String {
        format!("loong {} bridge resume", self.channel)
    }
}

fn confirms(typed: &str) -> bool {
    typed.trim().eq_ignore_ascii_case("yes")
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

fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_clear_yes_confirms() {
        for yes in ["yes\n", "Yes\n", " YES \n"] {
            assert!(confirms(yes), "{yes}");
        }
        for no in ["", "\n", "no\n", "y\n", "ye\n", "yes please\n"] {
            assert!(!confirms(no), "{no}");
        }
    }

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
