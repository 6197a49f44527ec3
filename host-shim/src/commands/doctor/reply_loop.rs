//! Who answers the account's messages, as the records of all reply loops tell it. That none runs is no
//! fault: an account may be there for sending alone.

use super::check::{Checks, Finding, Id};
use crate::commands::serve_line::serve_line;
use crate::component::bindings::Account;
use crate::home::Home;
use crate::serve::runtime_state::{Moment, ServeRuntime, read};

/// Looks at the records of the account's loops.
pub(super) fn examine(checks: &mut Checks, home: &Home, channel: &str, account: &Account) {
    let now = Moment::now();
    let (id, label) = (&account.runtime_id, &account.runtime_label);
    let runtime = read(home, channel, id, label, now);
    let command = format!(
        "loong channels serve {channel} --account {}",
        account.configured_id
    );
    checks.add(Id::ReplyLoop, judge(&runtime, &command, now));
    for problem in &runtime.problems {
        checks.warn(
            Id::ReplyLoop,
            problem.clone(),
            "remove that file once no reply loop runs: it tells nothing that can be used",
        );
    }
}

fn judge(runtime: &ServeRuntime, command: &str, now: Moment) -> Finding {
    let seen = serve_line(runtime, now);
    if runtime.pid.is_none() {
        Finding::ok(format!("{seen}; messages are answered by `{command}`"))
    } else if !runtime.running {
        Finding::warn(seen, command)
    } else if runtime.duplicate_owner_pids.len() > 1 {
        Finding::warn(seen, format!("{command} --stop-duplicates"))
    } else if runtime.consecutive_failures > 0 {
        Finding::warn(
            seen,
            "it tries again by itself; what it says on its terminal tells more",
        )
    } else {
        Finding::ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    const NOW: Moment = Moment(1_700_000_000_000);

    fn running() -> ServeRuntime {
        let nowhere = tempfile::tempdir().unwrap();
        let home = Home::at(nowhere.path(), nowhere.path());
        ServeRuntime {
            running: true,
            pid: Some(7),
            started_at: Some(NOW),
            last_heartbeat_at: Some(NOW),
            ..read(&home, "pigeon-post", "a", "a", NOW)
        }
    }

    #[test]
    fn a_loop_that_is_well_is_fine_and_so_is_none_and_the_rest_says_what_to_do() {
        let idle = ServeRuntime {
            running: false,
            pid: None,
            ..running()
        };
        let stale = ServeRuntime {
            running: false,
            ..running()
        };
        let doubled = ServeRuntime {
            duplicate_owner_pids: vec![7, 9],
            ..running()
        };
        let failing = ServeRuntime {
            consecutive_failures: 2,
            last_error: Some("the bridge does not answer".to_owned()),
            ..running()
        };
        for (runtime, status, hint) in [
            (running(), Status::Ok, ""),
            (idle, Status::Ok, ""),
            (stale, Status::Warn, "serve"),
            (doubled, Status::Warn, "serve --stop-duplicates"),
            (failing, Status::Warn, "it tries again"),
        ] {
            let found = judge(&runtime, "serve", NOW);
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.hint.starts_with(hint), "{found:?}");
        }
    }
}
