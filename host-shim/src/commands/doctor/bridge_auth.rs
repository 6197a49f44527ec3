//! Whether the bridge is the one that it should be, and who may use it; see docs/security.md.

use super::check::{Checks, Id};
use crate::bridge::http::Trust;
use crate::commands::shell::who_listens;
use crate::door::BridgeAddress;

/// What the operator wants of a bridge's callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Token,
    Nothing,
    /// The channel's settings do not speak of it: its bridge may know no tokens.
    Unsaid,
}

impl Wanted {
    pub(super) fn of(settings: &str) -> Self {
        let settings = serde_json::from_str::<serde_json::Value>(settings).unwrap_or_default();
        match settings.get("bridge_auth").and_then(|word| word.as_str()) {
            Some("none") => Self::Nothing,
            Some(_) => Self::Token,
            None => Self::Unsaid,
        }
    }
}

/// Whether the bridge and we know the same token; `trust` is none when nobody answered.
pub(super) fn examine(
    checks: &mut Checks,
    command: &str,
    key: &str,
    address: &BridgeAddress,
    wanted: Wanted,
    trust: Option<Trust>,
) {
    const ID: Id = Id::BridgeAuth;
    let port = who_listens(address.port());
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
            format!("see what it is, stop it, then start the bridge:\n{port}\n{command}"),
        ),
        (Some(Trust::Foreign), _) => checks.fail(
            ID,
            format!("the bridge at {address} wants a token that is not known here, so it answers `unauthorized`"),
            format!("use the LOONG_HOME and the user that it was started with, or stop it and start it from here:\n{port}\n{command}"),
        ),
        (Some(Trust::Open), Wanted::Token) => checks.fail(
            ID,
            format!("the bridge at {address} was started by hand, without a token: every program on this machine can use it"),
            format!("stop it and start it anew:\n{port}\n{command}"),
        ),
        (Some(Trust::Proven | Trust::Open), _) | (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    fn authentic(wanted: Wanted, trust: Option<Trust>) -> Vec<(Status, String, String)> {
        let address = BridgeAddress::parse("http://127.0.0.1:1/bridge").unwrap();
        let mut checks = Checks::default();
        let command = "loong pigeon-post bridge run";
        examine(&mut checks, command, "pigeon", &address, wanted, trust);
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

    #[test]
    fn of_a_channel_that_knows_no_tokens_nothing_is_asked() {
        assert_eq!(Wanted::of("{}"), Wanted::Unsaid);
        assert_eq!(Wanted::of("{\"bridge_auth\":\"token\"}"), Wanted::Token);
        assert_eq!(Wanted::of("{\"bridge_auth\":\"none\"}"), Wanted::Nothing);
        assert!(authentic(Wanted::Unsaid, Some(Trust::Open)).is_empty());
        assert!(authentic(Wanted::Token, None).is_empty());
    }
}
