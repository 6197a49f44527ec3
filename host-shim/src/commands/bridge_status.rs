//! A bridge's status as lines for a person. What is known is put first; what a later bridge adds is
//! shown all the same, under its own name.

use serde_json::{Map, Value};

use super::bridge_states::words;
use crate::plain_text::one_line;

/// Shown by the first lines, or by nobody.
const TOLD_APART: [&str; 12] = [
    "state",
    "paused",
    "held",
    "reason",
    "since",
    "retry_at",
    "identity",
    "warnings",
    "contract",
    "version",
    "pid",
    "connected_since",
];
/// What a person looks for first; the rest follows by name.
const FIRST: [&str; 5] = [
    "last_message_at",
    "last_frame_at",
    "reconnects",
    "queue",
    "counts",
];

/// The status, line by line; `now` in Unix milliseconds.
pub(super) fn lines(status: &Map<String, Value>, now: u64) -> Vec<String> {
    let mut lines = vec![line("state", &state(status, now))];
    if let Some(at) = moment(status, "retry_at").filter(|at| *at > now) {
        lines.push(line("next try", &format!("in {}", span(at - now))));
    }
    let who = identity(status).unwrap_or_else(|| "nobody yet".to_owned());
    lines.push(line("linked as", &who));
    if let Some(pause) = pause(status, now) {
        lines.push(line("sending", &pause));
    }
    if let Some(held) = held(status, now) {
        lines.push(line("held back", &held));
    }
    let known = FIRST.into_iter().filter(|key| status.contains_key(*key));
    let others = status
        .keys()
        .map(String::as_str)
        .filter(|key| !TOLD_APART.contains(key) && !FIRST.contains(key));
    for key in known.chain(others) {
        let value = status.get(key).unwrap_or(&Value::Null);
        let name = key.strip_suffix("_at").unwrap_or(key).replace('_', " ");
        lines.push(line(&name, &shown(key, value, now)));
    }
    let about: Vec<String> = ["contract", "version", "pid"]
        .into_iter()
        .filter_map(|key| Some(format!("{key} {}", plain(status.get(key)?))))
        .collect();
    if !about.is_empty() {
        lines.push(line("bridge", &about.join(", ")));
    }
    lines
}

/// What the bridge wants the operator to know.
pub(super) fn warnings(status: &Map<String, Value>) -> Vec<String> {
    let list = status.get("warnings").and_then(Value::as_array);
    let words = |warning: &Value| {
        let field = |key: &str| warning.get(key).and_then(Value::as_str);
        match (field("message"), field("code")) {
            (Some(message), Some(code)) => format!("{message} ({code})"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => plain(warning),
        }
    };
    list.into_iter().flatten().map(words).collect()
}

/// Since when nothing is sent, and who wanted it; none when it is not paused.
pub(super) fn pause(status: &Map<String, Value>, now: u64) -> Option<String> {
    let pause = status.get("paused")?.as_object()?;
    let since = pause.get("since").and_then(Value::as_u64);
    let by = pause.get("by").and_then(Value::as_str);
    let mut text = "paused".to_owned();
    if let Some(since) = since {
        text.push_str(&format!(" for {}", span(now.saturating_sub(since))));
    }
    if let Some(by) = by {
        text.push_str(&format!(" by the {by}"));
    }
    Some(text)
}

/// What waits for room under the cap of a minute; none when nothing does.
pub(super) fn held(status: &Map<String, Value>, now: u64) -> Option<String> {
    let held = status.get("held")?.as_object()?;
    let messages = held.get("messages").and_then(Value::as_u64)?;
    let (who, wait) = match messages {
        1 => ("message waits", "it has waited"),
        _ => ("messages wait", "the oldest"),
    };
    let since = held.get("since").and_then(Value::as_u64).unwrap_or(now);
    let age = span(now.saturating_sub(since));
    Some(format!(
        "{messages} {who} for room, {wait} for {age}: more than a minute takes"
    ))
}

/// How many messages are parked.
pub(super) fn dead_letters(status: &Map<String, Value>) -> u64 {
    let dead = status.get("queue").and_then(|queue| queue.get("dead"));
    dead.and_then(Value::as_u64).unwrap_or(0)
}

/// Who is linked, as the bridge shortens it; none when nobody is.
pub(super) fn identity(status: &Map<String, Value>) -> Option<String> {
    let who = status.get("identity")?.as_object()?;
    let word = |key: &str| who.get(key).and_then(Value::as_str);
    let known: Vec<&str> = [word("name"), word("phone")]
        .into_iter()
        .flatten()
        .collect();
    Some(if known.is_empty() {
        "an account without a name".to_owned()
    } else {
        known.join(", ")
    })
}

fn state(status: &Map<String, Value>, now: u64) -> String {
    let state = status
        .get("state")
        .and_then(Value::as_str)
        .unwrap_or("unknown");
    let mut text = state.replace('_', " ");
    let since = match state {
        "connected" => moment(status, "connected_since"),
        _ => None,
    };
    if let Some(since) = since.or_else(|| moment(status, "since")) {
        text.push_str(&format!(" for {}", span(now.saturating_sub(since))));
    }
    if let Some(meaning) = words(state) {
        text.push_str(&format!(": {meaning}"));
    }
    if let Some(reason) = status.get("reason").and_then(Value::as_str) {
        text.push_str(&format!(" ({reason})"));
    }
    text
}

fn line(name: &str, value: &str) -> String {
    format!("{:<13} {}", one_line(name), one_line(value))
}

fn moment(status: &Map<String, Value>, key: &str) -> Option<u64> {
    status.get(key).and_then(Value::as_u64)
}

fn shown(key: &str, value: &Value, now: u64) -> String {
    if !key.ends_with("_at") && !key.ends_with("since") {
        return plain(value);
    }
    match value.as_u64() {
        Some(at) if at <= now => format!("{} ago", span(now - at)),
        Some(at) => format!("in {}", span(at - now)),
        None if value.is_null() => "never".to_owned(),
        None => plain(value),
    }
}

/// A value without JSON's punctuation.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let nested = value.as_object().is_some_and(|inner| !inner.is_empty());
                let (name, value) = (key.replace('_', " "), plain(value));
                if nested {
                    format!("{name} ({value})")
                } else {
                    format!("{name} {value}")
                }
            })
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// The two largest units, which is as exact as a person asks.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn text(status: Value) -> String {
        lines(status.as_object().unwrap(), NOW).join("\n")
    }

    #[test]
    fn a_healthy_bridge_is_told_in_full() {
        let status = json!({
            "contract": "loong_channel_bridge_v1", "version": "0.1.0", "pid": 7, "state": "connected",
            "reason": null, "since": NOW - 5_000, "connected_since": NOW - 11_100_000,
            "identity": {"phone": "+155…1000", "lid_known": true, "name": "Ana"},
            "last_frame_at": NOW - 12_000, "last_message_at": null, "reconnects": 2, "retry_at": null,
            "queue": {"handed_out": 1, "pending_out": 0, "waiting": 0},
            "counts": {"ignored": {"status": 2}, "not_addressed": 4, "refused": 3, "undecryptable": 0},
            "warnings": []
        });
        assert_eq!(
            text(status),
            "state         connected for 3 h 5 min\n\
             linked as     Ana, +155…1000\n\
             last message  never\n\
             last frame    12 s ago\n\
             reconnects    2\n\
             queue         handed out 1, pending out 0, waiting 0\n\
             counts        ignored (status 2), not addressed 4, refused 3, undecryptable 0\n\
             bridge        contract loong_channel_bridge_v1, version 0.1.0, pid 7"
        );
    }

    #[test]
    fn a_bridge_that_waits_says_for_what_and_how_long() {
        let text = text(json!({
            "state": "replaced", "reason": "conflict", "since": NOW - 90_000, "retry_at": NOW + 210_000, "identity": null
        }));
        assert!(
            text.starts_with("state         replaced for 1 min: another program"),
            "{text}"
        );
        assert!(text.contains("(conflict)"), "{text}");
        assert!(text.contains("next try      in 3 min"), "{text}");
        assert!(text.contains("linked as     nobody yet"), "{text}");
    }

    #[test]
    fn what_a_later_bridge_adds_is_shown_under_its_own_name() {
        let text = text(
            json!({"state": "levitating", "dead_letters": 4, "paused_at": NOW - 172_800_000, "chats": ["a", "b"]}),
        );
        for line in [
            "state         levitating",
            "dead letters  4",
            "paused        2 d 0 h ago",
            "chats         a, b",
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line}: {text}");
        }
    }

    #[test]
    fn a_pause_is_told_with_its_age_and_by_whom_and_parked_messages_are_counted() {
        let status = json!({
            "state": "connected", "since": NOW, "paused": {"since": NOW - 120_000, "by": "owner"},
            "queue": {"waiting": 3, "dead": 2}
        });
        let fields = status.as_object().unwrap();
        assert_eq!(dead_letters(fields), 2);
        assert_eq!(dead_letters(&Map::new()), 0);
        let text = text(status);
        let told = "sending       paused for 2 min by the owner";
        assert!(text.lines().any(|line| line == told), "{text}");
        assert!(text.contains("dead 2"), "{text}");
    }

    #[test]
    fn what_waits_for_room_is_told_with_its_age_and_what_is_used_of_the_caps() {
        let told = text(json!({
            "state": "connected", "held": {"messages": 3, "since": NOW - 12_000},
            "caps": {"messages_per_minute": {"most": 30, "used": 30}, "new_chats_per_day": {"most": 20, "used": 1}}
        }));
        for line in [
            "held back     3 messages wait for room, the oldest for 12 s: more than a minute takes",
            "caps          messages per minute (most 30, used 30), new chats per day (most 20, used 1)",
        ] {
            assert!(told.lines().any(|seen| seen == line), "{line}: {told}");
        }
        let none = text(json!({"state": "connected", "held": null}));
        assert!(!none.contains("held"), "{none}");
    }

    #[test]
    fn a_name_can_forge_no_line() {
        let text =
            text(json!({"state": "connected", "identity": {"name": "Ana\nstate  fine\u{1b}[2J"}}));
        assert!(
            text.contains("linked as     Ana\\nstate  fine\\u{1b}[2J"),
            "{text}"
        );
    }

    #[test]
    fn warnings_are_words_whatever_their_form() {
        let status =
            json!({"warnings": [{"code": "open_bridge", "message": "anybody can call it"}, "old"]});
        assert_eq!(
            warnings(status.as_object().unwrap()),
            ["anybody can call it (open_bridge)", "old"]
        );
        assert!(warnings(&Map::new()).is_empty());
    }
}
