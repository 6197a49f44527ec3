//! An account's bridge: whether its address may be used, whether it answers, and its state.

use super::check::Checks;
use crate::bridge::http::{Health, HttpDoor};
use crate::catalog::bridge_command;
use crate::discovery::manifest::Manifest;
use crate::door::{BridgeAddress, DoorError};

/// Asks the bridge how it is.
pub(super) async fn examine(checks: &mut Checks, door: &HttpDoor, manifest: &Manifest, url: &str) {
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
    let health = door.health(&address).await;
    verdict(
        checks,
        &bridge_command(&manifest.channel_id),
        &address,
        health,
    );
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
        Err(
            error @ (DoorError::TimedOut
            | DoorError::TooLarge(_)
            | DoorError::Broken(_)
            | DoorError::Refused(_)),
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
        "pairing_expired" | "logged_out" => {
            checks.fail(
                "bridge",
                seen,
                format!("start it again and link the account: {command}"),
            );
        }
        "replaced" => checks.fail(
            "bridge",
            seen,
            format!("stop what else uses this login, then start again: {command}"),
        ),
        "blocked" | "outdated" => {
            checks.fail("bridge", seen, "read what the bridge says in its terminal")
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
            let (status, hint) = judge(Ok(Health {
                state: state.into(),
            }));
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
}
