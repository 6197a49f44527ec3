//! The connection states of the bridge contract, in words, and what a person can do about each.
//! States of a later contract have neither.

/// Whether the bridge waits for a person before it goes on.
pub(super) fn rests(state: &str) -> bool {
    matches!(
        state,
        "pairing_expired" | "replaced" | "blocked" | "outdated"
    )
}

/// What the state means; for when the bridge does not say it better.
pub(super) fn words(state: &str) -> Option<&'static str> {
    Some(match state {
        "pairing" => "waiting for the account to be linked",
        "pairing_expired" => "nobody linked the account in time; the bridge rests",
        "connecting" => "reaching for the network",
        "reconnecting" => "the connection broke",
        "logged_out" => "the account was unlinked from the phone; the old login is set aside",
        "replaced" => "another program uses this login; the bridge leaves it the connection",
        "blocked" => "the network refuses this account",
        "outdated" => "the network refuses this version of the bridge",
        _ => return None,
    })
}

/// The next step; none where waiting is all there is to do. `resume` is how to go on.
pub(super) fn next_step(state: &str, resume: &str) -> Option<String> {
    Some(match state {
        "pairing" => "scan the QR code that the bridge shows in its terminal".to_owned(),
        "pairing_expired" => format!("for new codes: {resume}"),
        "logged_out" => {
            "link the account again: the bridge shows a QR code in its terminal".to_owned()
        }
        "replaced" => format!("stop the other program, then: {resume}"),
        "blocked" => format!(
            "open the app on the phone and see what it says about the account; when it works there again: {resume}"
        ),
        "outdated" => {
            "update the plugin; until then its documentation may name a setting for another version"
                .to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_in_which_a_bridge_rests_is_explained_and_has_a_next_step() {
        for state in ["pairing_expired", "replaced", "blocked", "outdated"] {
            assert!(rests(state));
            assert!(words(state).is_some(), "{state}");
            assert!(next_step(state, "resume").is_some(), "{state}");
        }
    }

    #[test]
    fn a_bridge_that_works_or_tries_needs_nobody() {
        for state in [
            "starting",
            "connecting",
            "connected",
            "reconnecting",
            "later",
        ] {
            assert!(!rests(state));
            assert_eq!(next_step(state, "resume"), None);
        }
    }
}
