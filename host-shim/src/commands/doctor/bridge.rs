//! An account's bridge: whether its address may be used, whether it answers, whether it is the one
//! that it should be, and its state.

use std::time::Duration;

use serde_json::{Map, Value};

use super::check::Checks;
use crate::bridge::http::{AdminCommand, Health, HttpDoor, Trust};
use crate::catalog::bridge_command;
use crate::commands::bridge_states::{next_step, words};
use crate::commands::bridge_status;
use crate::commands::running_bridge::unix_ms;
use crate::discovery::manifest::Manifest;
use crate::door::{BridgeAddress, DoorError};

/// A status comes from memory.
const STATUS_WAIT: Duration = Duration::from_secs(10);

/// Asks the bridge how it is.
pub(super) async fn examine(
    checks: &mut Checks,
    door: &HttpDoor,
    manifest: &Manifest,
    url: &str,
    settings: &str,
) {
    let address = match BridgeAddress::parse(url) {
        Ok(address) => address,
        Err(error) => {
            return checks.fail(
                "bridge",
                error.to_string(),
                format!(
                    "set [{}] bridge_url to http://127.0.0.1:<port>/<path>",
                    manifest.config_key
                ),
            );
        }
    };
    let command = bridge_command(&manifest.channel_id);
    let (health, trust) = match door.health(&address).await {
        Ok((health, trust)) => (Ok(health), Some(trust)),
        Err(error) => (Err(error), None),
    };
    let wanted = Wanted::of(settings);
    authenticity(
        checks,
        &command,
        &manifest.config_key,
        &address,
        wanted,
        trust,
    );
    if trust != Some(Trust::Impostor) {
        verdict(checks, &command, &address, health);
    }
    if trust == Some(Trust::Proven) {
        match status(door, &address).await {
            Some(status) => work(checks, &manifest.channel_id, &status, unix_ms()),
            None => checks.warn(
                "bridge_status",
                format!("the bridge at {address} does not say how it is"),
                "use a bridge and a host of the same release, and start both anew",
            ),
        }
    }
}

/// What the bridge says of itself to the operator.
async fn status(door: &HttpDoor, address: &BridgeAddress) -> Option<Map<String, Value>> {
    let command = AdminCommand::get("status", Vec::new());
    let answer = door.admin(address, &command, STATUS_WAIT).await.ok()?;
    match serde_json::from_str(&answer.body) {
        Ok(Value::Object(status)) if answer.status == 200 => Some(status),
        Ok(_) | Err(_) => None,
    }
}

/// Whether what came in is answered: nothing is parked, and sending is not paused.
fn work(checks: &mut Checks, channel: &str, status: &Map<String, Value>, now: u64) {
    match bridge_status::dead_letters(status) {
        0 => checks.ok("dead_letters", "no message is parked"),
        dead => checks.warn(
            "dead_letters",
            format!(
                "{dead} {} parked: nobody answered, and nobody will by itself",
                if dead == 1 { "message is" } else { "messages are" }
            ),
            format!("loong {channel} inbox list --state dead, then: loong {channel} inbox retry --all-dead"),
        ),
    }
    match bridge_status::pause(status, now) {
        None => checks.ok("sending", "not paused"),
        Some(how) => checks.warn(
            "sending",
            format!("{how}: nothing is sent, what comes in is kept"),
            format!("to go on: loong {channel} resume"),
        ),
    }
}

/// What the operator wants of a bridge's callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Token,
    Nothing,
    /// The channel's settings do not speak of it: its bridge may know no tokens.
    Unsaid,
}

impl Wanted {
    fn of(settings: &str) -> Self {
        let settings = serde_json::from_str::<serde_json::Value>(settings).unwrap_or_default();
        match settings.get("bridge_auth").and_then(|word| word.as_str()) {
            Some("none") => Self::Nothing,
            Some(_) => Self::Token,
            None => Self::Unsaid,
        }
    }
}

/// Whether the bridge and we know the same token; `trust` is none when nobody answered.
fn authenticity(
    checks: &mut Checks,
    command: &str,
    key: &str,
    address: &BridgeAddress,
    wanted: Wanted,
    trust: Option<Trust>,
) {
    const ID: &str = "bridge_auth";
    if wanted == Wanted::Nothing {
        checks.warn(
            ID,
            format!("bridge_auth is \"none\": every program on this machine can read and write as the account at {address}"),
            format!("remove bridge_auth from [{key}] when no other host needs it, then start again: {command}"),
        );
    }
    match (trust, wanted) {
        (Some(Trust::Proven), Wanted::Token | Wanted::Unsaid) => {
            checks.ok(ID, format!("{address} knows the token"));
        }
        (Some(Trust::Impostor), _) => checks.fail(
            ID,
            format!("something else answers at {address}: it does not know the token of the bridge that was started there"),
            format!("look what uses that port and stop it, then start the bridge: {command}"),
        ),
        (Some(Trust::Foreign), _) => checks.fail(
            ID,
            format!("the bridge at {address} wants a token that is not known here, so it answers `unauthorized`"),
            format!("use the LOONG_HOME and the user that it was started with, or stop it and start it from here: {command}"),
        ),
        (Some(Trust::Open), Wanted::Token) => checks.fail(
            ID,
            format!("the bridge at {address} was started by hand, without a token: every program on this machine can use it"),
            format!("stop it and start it with: {command}"),
        ),
        (Some(Trust::Proven | Trust::Open), _) | (None, _) => {}
    }
}

/// The states are those of the bridge contract; see docs/bridge-contract.md.
fn verdict(
    checks: &mut Checks,
    command: &str,
    address: &BridgeAddress,
    health: Result<Health, DoorError>,
) {
    let state = match health {
        Ok(health) => health.state,
        Err(error @ DoorError::Unreachable(_)) => {
            return checks.fail("bridge", error.to_string(), format!("start it: {command}"));
        }
        Err(DoorError::Refused(reason)) => {
            return checks.fail(
                "bridge",
                reason,
                format!("stop the bridge and start it again: {command}"),
            );
        }
        Err(
            error @ (DoorError::TimedOut
            | DoorError::TooLarge(_)
            | DoorError::Broken(_)
            | DoorError::Impostor(_)),
        ) => {
            return checks.fail(
                "bridge",
                format!("what listens at {address} does not answer like a bridge: {error}"),
                format!("look what uses that port, stop it, then start the bridge: {command}"),
            );
        }
    };
    let seen = format!("{address} is {state}");
    match state.as_str() {
        "connected" => checks.ok("bridge", seen),
        "pairing" => checks.warn(
            "bridge",
            seen,
            "scan the QR code that the bridge shows in its terminal",
        ),
        "starting" | "connecting" | "reconnecting" => {
            checks.warn("bridge", seen, "wait until it is connected, then ask again");
        }
        "pairing_expired" | "logged_out" | "replaced" | "blocked" | "outdated" => {
            let resume = format!("{} resume", command.trim_end_matches(" run"));
            let step = next_step(&state, &resume).unwrap_or_default();
            let seen = match words(&state) {
                Some(words) => format!("{seen}: {words}"),
                None => seen,
            };
            checks.fail("bridge", seen, step);
        }
        _unknown => checks.warn(
            "bridge",
            seen,
            "this host does not know that state: use a bridge of the same release",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn judge(health: Result<Health, DoorError>) -> (Status, String) {
        let address = BridgeAddress::parse("http://127.0.0.1:1/bridge").unwrap();
        let mut checks = Checks::default();
        verdict(
            &mut checks,
            "loong pigeon-post bridge run",
            &address,
            health,
        );
        let check = checks.into_vec().remove(0);
        (check.status, check.hint.unwrap_or_default())
    }

    #[test]
    fn every_state_of_the_contract_has_a_verdict_and_all_but_connected_a_next_step() {
        let table = [
            ("connected", Status::Ok),
            ("starting", Status::Warn),
            ("pairing", Status::Warn),
            ("connecting", Status::Warn),
            ("reconnecting", Status::Warn),
            ("pairing_expired", Status::Fail),
            ("logged_out", Status::Fail),
            ("replaced", Status::Fail),
            ("blocked", Status::Fail),
            ("outdated", Status::Fail),
            ("levitating", Status::Warn),
        ];
        for (state, expected) in table {
            let health = serde_json::from_value(serde_json::json!({ "state": state })).unwrap();
            let (status, hint) = judge(Ok(health));
            assert_eq!(status, expected, "{state}");
            assert_eq!(hint.is_empty(), state == "connected", "{state}");
        }
    }

    fn authentic(wanted: Wanted, trust: Option<Trust>) -> Vec<(Status, String, String)> {
        let address = BridgeAddress::parse("http://127.0.0.1:1/bridge").unwrap();
        let mut checks = Checks::default();
        let command = "loong pigeon-post bridge run";
        authenticity(&mut checks, command, "pigeon", &address, wanted, trust);
        let checks = checks.into_vec().into_iter();
        checks
            .map(|check| (check.status, check.seen, check.hint.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn a_proven_token_is_fine_and_everything_else_that_answers_is_not() {
        for wanted in [Wanted::Token, Wanted::Unsaid] {
            let proven = authentic(wanted, Some(Trust::Proven));
            assert_eq!((proven.len(), proven[0].0), (1, Status::Ok));
        }
        for (trust, seen) in [
            (Trust::Impostor, "something else answers"),
            (Trust::Foreign, "`unauthorized`"),
            (Trust::Open, "without a token"),
        ] {
            let failed = authentic(Wanted::Token, Some(trust));
            assert_eq!(failed.len(), 1);
            let (status, words, hint) = &failed[0];
            assert_eq!(*status, Status::Fail);
            assert!(words.contains(seen), "{words}");
            assert!(hint.contains("loong pigeon-post bridge run"), "{hint}");
        }
    }

    #[test]
    fn a_bridge_that_is_open_because_the_operator_wrote_so_is_a_warning() {
        for trust in [None, Some(Trust::Open), Some(Trust::Proven)] {
            let warned = authentic(Wanted::Nothing, trust);
            assert_eq!((warned.len(), warned[0].0), (1, Status::Warn));
            assert!(warned[0].2.contains("remove bridge_auth"), "{warned:?}");
        }
        let impostor = authentic(Wanted::Nothing, Some(Trust::Impostor));
        assert_eq!(impostor.last().unwrap().0, Status::Fail);
    }

    fn working(status: serde_json::Value) -> Vec<(&'static str, Status, String)> {
        let mut checks = Checks::default();
        work(
            &mut checks,
            "pigeon-post",
            status.as_object().unwrap(),
            120_000,
        );
        let checks = checks.into_vec().into_iter();
        checks
            .map(|check| (check.id, check.status, check.hint.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn parked_messages_and_a_pause_are_warnings_with_the_command_that_helps() {
        let fine = working(serde_json::json!({"paused": null, "queue": {"dead": 0}}));
        assert!(
            fine.iter().all(|(_, status, _)| *status == Status::Ok),
            "{fine:?}"
        );
        let status =
            serde_json::json!({"paused": {"since": 0, "by": "owner"}, "queue": {"dead": 2}});
        let [dead, paused] = working(status).try_into().unwrap();
        assert_eq!((dead.0, dead.1), ("dead_letters", Status::Warn));
        assert!(
            dead.2.contains("loong pigeon-post inbox list --state dead"),
            "{dead:?}"
        );
        assert_eq!((paused.0, paused.1), ("sending", Status::Warn));
        assert!(paused.2.contains("loong pigeon-post resume"), "{paused:?}");
    }

    #[test]
    fn of_a_channel_that_knows_no_tokens_nothing_is_asked() {
        assert_eq!(Wanted::of("{}"), Wanted::Unsaid);
        assert_eq!(Wanted::of("{\"bridge_auth\":\"token\"}"), Wanted::Token);
        assert_eq!(Wanted::of("{\"bridge_auth\":\"none\"}"), Wanted::Nothing);
        assert!(authentic(Wanted::Unsaid, Some(Trust::Open)).is_empty());
        assert!(authentic(Wanted::Token, None).is_empty());
    }

    #[test]
    fn a_bridge_that_is_not_there_fails_with_the_command_that_starts_it() {
        for error in [
            DoorError::Unreachable("x".into()),
            DoorError::TimedOut,
            DoorError::Broken("x".into()),
        ] {
            let (status, hint) = judge(Err(error));
            assert_eq!(status, Status::Fail);
            assert!(hint.contains("loong pigeon-post bridge run"));
        }
    }
}
