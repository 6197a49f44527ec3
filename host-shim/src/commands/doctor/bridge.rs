//! An account's bridge: whether its address may be used, what answers there, and in which state it
//! is. Who may use it and how it does its work have files of their own.

use std::time::Instant;

use super::bridge_auth::{self, Wanted};
use super::check::{Checks, Finding, Id};
use super::{bridge_work, check::Status};
use crate::bridge::http::{Health, HttpDoor, Trust};
use crate::catalog::bridge_command;
use crate::commands::bridge_launches::{address, brings_bridge};
use crate::commands::bridge_states::{next_step, words};
use crate::commands::running_bridge::unix_ms;
use crate::commands::shell::who_listens;
use crate::component::bindings::Account;
use crate::discovery::roots::Plugin;
use crate::door::{BridgeAddress, DoorError};
use crate::error::Failure;

/// Where the account's bridge is; none, and a failed check, when it can be nowhere.
pub(super) fn located(
    checks: &mut Checks,
    plugin: &Plugin,
    account: &Account,
) -> Option<BridgeAddress> {
    let url = account.bridge_url.as_deref()?;
    let key = &plugin.manifest.config_key;
    let found = if brings_bridge(plugin) {
        address(account, key)
    } else {
        BridgeAddress::parse(url).map_err(|error| {
            Failure::operator("bridge_url_refused", error.to_string()).hint(format!(
                "set bridge_url in [{key}] to http://127.0.0.1:<port>/<path>"
            ))
        })
    };
    match found {
        Ok(address) => {
            checks.ok(Id::BridgeUrl, address.to_string());
            Some(address)
        }
        Err(failure) => {
            checks.add(Id::BridgeUrl, failure);
            None
        }
    }
}

/// Asks the bridge how it is; true when something answered that may be it.
pub(super) async fn examine(
    checks: &mut Checks,
    door: &HttpDoor,
    plugin: &Plugin,
    address: &BridgeAddress,
    settings: &str,
) -> bool {
    let manifest = &plugin.manifest;
    let command = bridge_command(&manifest.channel_id);
    let (health, trust) = match door.health(address).await {
        Ok((health, trust)) => (Ok(health), Some(trust)),
        Err(error) => (Err(error), None),
    };
    let wanted = Wanted::of(settings);
    bridge_auth::examine(
        checks,
        &command,
        &manifest.config_key,
        address,
        wanted,
        trust,
    );
    if trust == Some(Trust::Impostor) {
        return false;
    }
    if let Ok(health) = &health
        && let Some(found) = version(&command, &manifest.version, health)
    {
        checks.add(Id::BridgeVersion, found);
    }
    let answers = health.is_ok();
    checks.add(Id::Bridge, verdict(&command, address, health));
    if trust == Some(Trust::Proven) {
        let asked = Instant::now();
        let status = bridge_work::ask(door, address, "status", Vec::new()).await;
        let took = asked.elapsed();
        checks.add(
            Id::RoundTrip,
            bridge_work::round_trip(address, &command, status.is_some(), took),
        );
        if let Some(status) = status {
            let oldest = bridge_work::oldest_waiting(door, address, &status).await;
            bridge_work::examine(checks, &manifest.channel_id, &status, oldest, unix_ms());
        }
    }
    answers
}

/// None for a bridge that does not say its version.
fn version(command: &str, installed: &str, health: &Health) -> Option<Finding> {
    let running = health.version.as_deref()?;
    Some(if running == installed {
        Finding::ok(format!("{running}, as the plugin"))
    } else {
        Finding::warn(
            format!(
                "the bridge that runs is {running}, the plugin that is installed is {installed}"
            ),
            format!("stop the bridge, then start the one that is installed: {command}"),
        )
    })
}

/// The states are those of the bridge contract; see docs/bridge-contract.md.
fn verdict(command: &str, address: &BridgeAddress, health: Result<Health, DoorError>) -> Finding {
    let state = match health {
        Ok(health) => health.state,
        Err(error @ DoorError::Unreachable(_)) => {
            return Finding::fail(error.to_string(), format!("start it: {command}"));
        }
        Err(DoorError::Refused(reason)) => {
            return Finding::fail(
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
            return Finding::fail(
                format!("what listens at {address} does not answer like a bridge: {error}"),
                format!(
                    "see what it is, stop it, then start the bridge:\n{}\n{command}",
                    who_listens(address.port())
                ),
            );
        }
    };
    let seen = format!("{address} is {state}");
    match state.as_str() {
        "connected" => Finding::ok(seen),
        "pairing" => Finding::warn(
            seen,
            "scan the QR code that the bridge shows in its terminal",
        ),
        "starting" | "connecting" | "reconnecting" => Finding::warn(
            seen,
            "wait until it is connected, then ask again: loong doctor",
        ),
        "pairing_expired" | "logged_out" | "replaced" | "blocked" | "outdated" => {
            let resume = format!("{} resume", command.trim_end_matches(" run"));
            let step = next_step(&state, &resume).unwrap_or_default();
            let seen = match words(&state) {
                Some(words) => format!("{seen}: {words}"),
                None => seen,
            };
            Finding::new(Status::Fail, seen, step)
        }
        _unknown => Finding::warn(
            seen,
            "this host does not know that state: use a bridge of the same release",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(health: Result<Health, DoorError>) -> (Status, String) {
        let address = BridgeAddress::parse("http://127.0.0.1:1/bridge").unwrap();
        let found = verdict("loong pigeon-post bridge run", &address, health);
        (found.status, found.hint)
    }

    fn health(json: serde_json::Value) -> Health {
        serde_json::from_value(json).unwrap()
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
            let (status, hint) = judge(Ok(health(serde_json::json!({ "state": state }))));
            assert_eq!(status, expected, "{state}");
            assert_eq!(hint.is_empty(), state == "connected", "{state}");
        }
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

    #[test]
    fn a_bridge_of_another_version_than_the_plugin_is_to_be_started_anew() {
        let found = |json| version("loong pigeon-post bridge run", "1.2.3", &health(json));
        assert_eq!(found(serde_json::json!({"state": "x"})), None);
        let same = found(serde_json::json!({"state": "x", "version": "1.2.3"})).unwrap();
        assert_eq!(same.status, Status::Ok);
        let older = found(serde_json::json!({"state": "x", "version": "1.2.2"})).unwrap();
        assert_eq!(older.status, Status::Warn);
        assert!(
            older.hint.contains("bridge run") && older.seen.contains("1.2.2"),
            "{older:?}"
        );
    }
}
