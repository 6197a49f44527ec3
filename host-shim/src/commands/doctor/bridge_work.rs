//! How a running bridge does its work, by what it tells an operator: how fast it answers, whether
//! the network still speaks to it, what waits, what is parked, and what it complains about.

use std::time::Duration;

use serde_json::{Map, Value};

use super::check::{Checks, Finding, Id};
use crate::bridge::http::{AdminCommand, HttpDoor};
use crate::commands::bridge_status::{self, span};
use crate::door::BridgeAddress;

/// A status comes from memory.
const WAIT: Duration = Duration::from_secs(10);
/// On one machine an answer takes milliseconds.
const SLOW: Duration = Duration::from_secs(1);
/// Longer than a bridge stays with a connection that is silent.
const QUIET_MS: u64 = 120_000;
/// Messages are fetched at once when somebody serves.
const LEFT_LYING_MS: u64 = 300_000;
/// Clocks of one machine are one clock.
const AHEAD_MS: u64 = 5_000;

type Status = Map<String, Value>;

/// Asks for an object below `admin/`; none when there is no answer that can be used.
pub(super) async fn ask(
    door: &HttpDoor,
    address: &BridgeAddress,
    what: &str,
    query: Vec<(&'static str, String)>,
) -> Option<Status> {
    let command = AdminCommand::get(what, query);
    let answer = door.admin(address, &command, WAIT).await.ok()?;
    match serde_json::from_str(&answer.body) {
        Ok(Value::Object(fields)) if answer.status == 200 => Some(fields),
        Ok(_) | Err(_) => None,
    }
}

/// Since when the message waits that has waited longest; none when none does or nobody knows.
pub(super) async fn oldest_waiting(
    door: &HttpDoor,
    address: &BridgeAddress,
    status: &Status,
) -> Option<u64> {
    if depth(status, "waiting") == 0 {
        return None;
    }
    let first = vec![("state", "waiting".to_owned()), ("limit", "1".to_owned())];
    let page = ask(door, address, "inbox", first).await?;
    page.get("items")?.get(0)?.get("stored_at")?.as_u64()
}

/// Whether the bridge answers an operator, and how fast.
pub(super) fn round_trip(
    address: &BridgeAddress,
    command: &str,
    answered: bool,
    took: Duration,
) -> Finding {
    let ms = took.as_millis();
    if !answered {
        Finding::warn(
            format!("the bridge at {address} does not say how it is"),
            format!("use a bridge and a host of the same release, and start both anew: {command}"),
        )
    } else if took >= SLOW {
        Finding::warn(
            format!("an answer takes {ms} ms"),
            "see whether this machine is short of processor time or memory (top), or its disk is slow",
        )
    } else {
        Finding::ok(format!("the token is taken, an answer takes {ms} ms"))
    }
}

/// Judges a status; `oldest` is since when the longest waiting message waits.
pub(super) fn examine(
    checks: &mut Checks,
    channel: &str,
    status: &Status,
    oldest: Option<u64>,
    now: u64,
) {
    if let Some(found) = last_frame(channel, status, now) {
        checks.add(Id::LastFrame, found);
    }
    checks.add(Id::Queue, queue(channel, status, oldest, now));
    checks.add(Id::DeadLetters, dead_letters(channel, status));
    checks.add(Id::Sending, sending(channel, status, now));
    if let Some(found) = caps(status, now) {
        checks.add(Id::Caps, found);
    }
    checks.add(Id::Clock, clock(status, now));
    let warnings = bridge_status::warnings(status);
    if warnings.is_empty() {
        checks.ok(Id::BridgeWarnings, "none");
    }
    for warning in warnings {
        checks.warn(
            Id::BridgeWarnings,
            warning,
            format!("see what the bridge says in its terminal, and: loong {channel} bridge status"),
        );
    }
}

/// Only who is connected can be expected to hear something.
fn last_frame(channel: &str, status: &Status, now: u64) -> Option<Finding> {
    if status.get("state").and_then(Value::as_str) != Some("connected") {
        return None;
    }
    let at = status.get("last_frame_at").and_then(Value::as_u64)?;
    let age = now.saturating_sub(at);
    let seen = format!("the network last said something {} ago", span(age));
    Some(if age > QUIET_MS {
        let hint = format!(
            "have the bridge connect anew: stop it, then start it with loong {channel} bridge run"
        );
        Finding::warn(seen, hint)
    } else {
        Finding::ok(seen)
    })
}

fn queue(channel: &str, status: &Status, oldest: Option<u64>, now: u64) -> Finding {
    let mut seen = format!(
        "{} waiting, {} handed out, {} on the way out",
        depth(status, "waiting"),
        depth(status, "handed_out"),
        depth(status, "pending_out")
    );
    let age = oldest.map(|at| now.saturating_sub(at));
    if let Some(age) = age {
        seen.push_str(&format!("; the oldest has waited {}", span(age)));
    }
    let paused = bridge_status::pause(status, now).is_some();
    if age.is_some_and(|age| age > LEFT_LYING_MS) && !paused {
        Finding::warn(
            seen,
            format!("have them answered: loong channels serve {channel}"),
        )
    } else {
        Finding::ok(seen)
    }
}

fn dead_letters(channel: &str, status: &Status) -> Finding {
    match bridge_status::dead_letters(status) {
        0 => Finding::ok("no message is parked"),
        dead => Finding::warn(
            format!(
                "{dead} {} parked: nobody answered, and nobody will by itself",
                if dead == 1 {
                    "message is"
                } else {
                    "messages are"
                }
            ),
            format!(
                "loong {channel} inbox list --state dead, then: loong {channel} inbox retry --all-dead"
            ),
        ),
    }
}

fn sending(channel: &str, status: &Status, now: u64) -> Finding {
    match bridge_status::pause(status, now) {
        None => Finding::ok("not paused"),
        Some(how) => Finding::warn(
            format!("{how}: nothing is sent, what comes in is kept"),
            format!("to go on: loong {channel} resume"),
        ),
    }
}

/// Only a bridge that has caps tells of them.
fn caps(status: &Status, now: u64) -> Option<Finding> {
    let used = bridge_status::plain(status.get("caps")?);
    Some(match bridge_status::held(status, now) {
        None => Finding::ok(used),
        Some(held) => Finding::warn(
            format!("{held} ({used})"),
            "nothing is lost, they leave by themselves; raise `max_messages_per_minute` when this happens often",
        ),
    })
}

/// What the bridge has seen cannot lie ahead of us.
fn clock(status: &Status, now: u64) -> Finding {
    let times = [
        "since",
        "connected_since",
        "last_frame_at",
        "last_message_at",
    ];
    let latest = times
        .iter()
        .filter_map(|key| status.get(*key).and_then(Value::as_u64))
        .max();
    match latest
        .map(|at| at.saturating_sub(now))
        .filter(|ahead| *ahead > AHEAD_MS)
    {
        None => Finding::ok("the bridge's times and ours agree"),
        Some(ahead) => Finding::warn(
            format!(
                "what the bridge has seen lies {} ahead: the clock was set back, or the bridge runs with another",
                span(ahead)
            ),
            "set the clock (date shows it, timedatectl sets it), then start the bridge anew",
        ),
    }
}

fn depth(status: &Status, key: &str) -> u64 {
    let depth = status.get("queue").and_then(|queue| queue.get(key));
    depth.and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::check::Status::{Ok as Fine, Warn};
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn judged(
        status: Value,
        oldest: Option<u64>,
    ) -> Vec<(Id, super::super::check::Status, String, String)> {
        let mut checks = Checks::default();
        examine(
            &mut checks,
            "pigeon-post",
            status.as_object().unwrap(),
            oldest,
            NOW,
        );
        let checks = checks.into_vec().into_iter();
        checks
            .map(|check| {
                (
                    check.id,
                    check.status,
                    check.seen,
                    check.hint.unwrap_or_default(),
                )
            })
            .collect()
    }

    #[test]
    fn a_bridge_at_work_has_nothing_to_look_at() {
        let status = json!({
            "state": "connected", "since": NOW - 9, "last_frame_at": NOW - 119_000, "paused": null, "warnings": [],
            "queue": {"waiting": 2, "handed_out": 1, "dead": 0, "pending_out": 3},
            "held": null, "caps": {"messages_per_minute": {"most": 30, "used": 4}}
        });
        let found = judged(status, Some(NOW - 299_000));
        assert_eq!(found.len(), 7);
        for (_, status, seen, hint) in &found {
            assert_eq!((*status, hint.as_str()), (Fine, ""), "{seen}");
        }
        assert!(
            found[1]
                .2
                .starts_with("2 waiting, 1 handed out, 3 on the way out"),
            "{found:?}"
        );
    }

    #[test]
    fn each_thing_that_deserves_a_look_is_told_with_the_command_that_helps() {
        let table = [
            (
                json!({"state": "connected", "last_frame_at": NOW - 121_000}),
                None,
                Id::LastFrame,
                "2 min ago",
                "bridge run",
            ),
            (
                json!({"queue": {"waiting": 1}}),
                Some(NOW - 301_000),
                Id::Queue,
                "has waited 5 min",
                "loong channels serve pigeon-post",
            ),
            (
                json!({"queue": {"dead": 2}}),
                None,
                Id::DeadLetters,
                "2 messages are parked",
                "loong pigeon-post inbox list --state dead",
            ),
            (
                json!({"paused": {"since": NOW, "by": "owner"}}),
                None,
                Id::Sending,
                "by the owner",
                "loong pigeon-post resume",
            ),
            (
                json!({"held": {"messages": 3, "since": NOW - 12_000}, "caps": {"messages_per_minute": {"most": 30, "used": 30}}}),
                None,
                Id::Caps,
                "3 messages wait for room, the oldest for 12 s: more than a minute takes (messages per minute (most 30, used 30))",
                "max_messages_per_minute",
            ),
            (
                json!({"last_message_at": NOW + 7_200_000}),
                None,
                Id::Clock,
                "2 h 0 min ahead",
                "timedatectl",
            ),
            (
                json!({"warnings": [{"code": "odd", "message": "something odd"}]}),
                None,
                Id::BridgeWarnings,
                "something odd (odd)",
                "loong pigeon-post bridge status",
            ),
        ];
        for (status, oldest, id, seen, hint) in table {
            let found = judged(status, oldest);
            let warned: Vec<_> = found.iter().filter(|check| check.1 == Warn).collect();
            assert_eq!(warned.len(), 1, "{found:?}");
            assert_eq!(warned[0].0, id);
            assert!(warned[0].2.contains(seen), "{warned:?}");
            assert!(warned[0].3.contains(hint), "{warned:?}");
        }
    }

    #[test]
    fn who_is_not_connected_need_not_hear_and_who_is_paused_need_not_fetch() {
        let silent = json!({"state": "pairing", "last_frame_at": NOW - 999_000});
        assert!(
            judged(silent, None)
                .iter()
                .all(|check| check.0 != Id::LastFrame)
        );
        let paused = json!({"paused": {"since": NOW}, "queue": {"waiting": 1}});
        let found = judged(paused, Some(NOW - 999_000));
        assert!(
            found
                .iter()
                .any(|check| (check.0, check.1) == (Id::Queue, Fine)),
            "{found:?}"
        );
    }

    #[test]
    fn an_answer_that_is_slow_or_none_is_worth_a_look() {
        let address = BridgeAddress::parse("http://127.0.0.1:1/b").unwrap();
        let trip = |answered, ms| round_trip(&address, "c", answered, Duration::from_millis(ms));
        assert_eq!(trip(true, 12).status, Fine);
        assert!(trip(true, 12).seen.contains("12 ms"));
        assert_eq!(trip(true, 1_000).status, Warn);
        assert_eq!(trip(false, 1).status, Warn);
    }
}
