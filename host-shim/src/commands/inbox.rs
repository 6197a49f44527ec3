//! `loong <channel> inbox …`: what an operator sees and does of the messages that came in. Texts
//! and whole chat ids only when asked for, and never with anything in them that acts on a terminal.

use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::bridge_status::span;
use super::confirm::{can_confirm, confirmed};
use super::running_bridge::{RunningBridge, unix_ms};
use crate::bridge::http::AdminCommand;
use crate::cli::{
    Global, InboxCommand, InboxDropArgs, InboxListArgs, InboxRetryArgs, InboxShowArgs, InboxState,
};
use crate::error::Failure;
use crate::output::Output;
use crate::plain_text::one_line;

const WAIT: Duration = Duration::from_secs(30);

/// Runs one of the commands.
///
/// # Errors
/// The bridge cannot be asked, or knows no such message.
pub async fn run(
    global: &Global,
    channel: &str,
    command: &InboxCommand,
    output: &Output,
) -> Result<(), Failure> {
    let account = match command {
        InboxCommand::List(args) => &args.account,
        InboxCommand::Show(args) => &args.account,
        InboxCommand::Retry(args) => &args.account,
        InboxCommand::Drop(args) => {
            if !args.yes {
                can_confirm("dropping a message")?;
            }
            &args.account
        }
    };
    let bridge = RunningBridge::find(global, channel, account.as_deref(), output).await?;
    match command {
        InboxCommand::List(args) => list(&bridge, args, output).await,
        InboxCommand::Show(args) => show(&bridge, args, output).await,
        InboxCommand::Retry(args) => retry(&bridge, args, output).await,
        InboxCommand::Drop(args) => drop_one(&bridge, args, output).await,
    }
}

async fn list(
    bridge: &RunningBridge,
    args: &InboxListArgs,
    output: &Output,
) -> Result<(), Failure> {
    let answer = bridge
        .ask(&AdminCommand::get("inbox", listed(args)), WAIT)
        .await?;
    if args.json {
        return output.json(&answer);
    }
    let items = answer.get("items").and_then(Value::as_array);
    let items: Vec<&Map<String, Value>> = items
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    let now = unix_ms();
    for item in &items {
        output.data(&row(item, now));
        if let Some(text) = text(item) {
            output.data(&format!("    {text}"));
        }
    }
    if items.is_empty() {
        output.say("there is no such message");
    }
    output.say(&counted(&answer));
    if let Some(after) = answer.get("next_after").and_then(Value::as_u64) {
        output.hint(&format!("there are more: add --after {after}"));
    }
    if args.state.is_empty() && count(&answer, "dead") > 0 {
        output.hint(&format!(
            "dead letters are answered after all with: {}",
            bridge.command("inbox retry --all-dead")
        ));
    }
    Ok(())
}

/// The query that the list asks with.
fn listed(args: &InboxListArgs) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", args.limit.to_string())];
    let names: Vec<String> = args.state.iter().map(state_name).collect();
    if !names.is_empty() {
        query.push(("state", names.join(",")));
    }
    query.extend(args.after.map(|after| ("after", after.to_string())));
    query.extend(args.show_text.then(|| ("show_text", "1".to_owned())));
    query
}

fn state_name(state: &InboxState) -> String {
    state
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

async fn show(
    bridge: &RunningBridge,
    args: &InboxShowArgs,
    output: &Output,
) -> Result<(), Failure> {
    let query = args.show_text.then(|| ("show_text", "1".to_owned()));
    let what = format!("inbox/{}", args.cursor);
    let command = AdminCommand::get(what, query.into_iter().collect());
    let item = bridge.ask(&command, WAIT).await?;
    if args.json {
        return output.json(&item);
    }
    for line in told(&item, unix_ms()) {
        output.data(&line);
    }
    if word(&item, "state") == "dead" {
        let words = format!("inbox retry {}", args.cursor);
        output.hint(&format!(
            "to have it answered after all: {}",
            bridge.command(&words)
        ));
    }
    Ok(())
}

async fn retry(
    bridge: &RunningBridge,
    args: &InboxRetryArgs,
    output: &Output,
) -> Result<(), Failure> {
    let body = match &args.cursor {
        Some(cursor) => json!({ "cursor": cursor }),
        None => json!({ "all_dead": true }),
    };
    let answer = bridge
        .ask(&AdminCommand::post("inbox/retry", body), WAIT)
        .await?;
    if args.json {
        return output.json(&answer);
    }
    match answer.get("retried").and_then(Value::as_u64) {
        Some(0) => output.say("there was no dead letter to put back"),
        Some(1) => output.say("one message is put back, to be answered again"),
        Some(more) => output.say(&format!(
            "{more} messages are put back, to be answered again"
        )),
        None => output.say("put back, to be answered again"),
    }
    Ok(())
}

async fn drop_one(
    bridge: &RunningBridge,
    args: &InboxDropArgs,
    output: &Output,
) -> Result<(), Failure> {
    if !args.yes {
        let command = AdminCommand::get(format!("inbox/{}", args.cursor), Vec::new());
        let item = bridge.ask(&command, WAIT).await?;
        output.say(&row(&item, unix_ms()));
        output.say("it is given up: never answered, its text removed");
        confirmed(output).await?;
    }
    let command = AdminCommand::post("inbox/drop", json!({ "cursor": args.cursor }));
    let answer = bridge.ask(&command, WAIT).await?;
    if args.json {
        return output.json(&answer);
    }
    match answer.get("dropped").and_then(Value::as_u64) {
        Some(0) => output.say("it was answered or dropped before; nothing was changed"),
        Some(_) | None => output.say("the message is dropped"),
    }
    Ok(())
}

/// A message in one line.
fn row(item: &Map<String, Value>, now: u64) -> String {
    let mut parts = vec![
        word(item, "cursor"),
        format!("{:<7}", word(item, "state")),
        format!("chat {}", word(item, "chat")),
    ];
    parts.extend(item.get("kind").and_then(Value::as_str).map(one_line));
    if let Some(at) = moment(item, "stored_at") {
        parts.push(ago(at, now));
    }
    match item.get("attempts").and_then(Value::as_u64) {
        Some(0) | None => {}
        Some(1) => parts.push("1 attempt".to_owned()),
        Some(more) => parts.push(format!("{more} attempts")),
    }
    if let Some(at) = moment(item, "next_at") {
        parts.push(format!("next {}", ago(at, now)));
    }
    parts.extend(item.get("reason").and_then(Value::as_str).map(one_line));
    parts.join("  ")
}

/// A message with all that is told of it, line by line.
fn told(item: &Map<String, Value>, now: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: String| lines.push(format!("{name:<13} {value}"));
    for (key, name) in [
        ("cursor", "cursor"),
        ("state", "state"),
        ("chat", "chat"),
        ("conversation", "conversation"),
        ("kind", "kind"),
    ] {
        if item.get(key).is_some_and(Value::is_string) {
            add(name, word(item, key));
        }
    }
    if let Some(group) = item.get("group").and_then(Value::as_bool) {
        add("group", if group { "yes" } else { "no" }.to_owned());
    }
    for (key, name) in [
        ("sent_at", "sent"),
        ("stored_at", "stored"),
        ("next_at", "next attempt"),
    ] {
        if let Some(at) = moment(item, key) {
            add(name, ago(at, now));
        }
    }
    if let Some(attempts) = item.get("attempts").and_then(Value::as_u64) {
        add("attempts", attempts.to_string());
    }
    if item.get("reason").is_some_and(Value::is_string) {
        add("reason", word(item, "reason"));
    }
    if let Some(text) = text(item) {
        add("text", text);
    }
    lines
}

/// The text, when it was asked for and is still there.
fn text(item: &Map<String, Value>) -> Option<String> {
    match item.get("text")? {
        Value::String(text) => Some(format!("\"{}\"", one_line(text))),
        Value::Null => Some("(its text is gone)".to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn counted(answer: &Map<String, Value>) -> String {
    let states = ["waiting", "leased", "dead", "done"];
    let counts = states.map(|state| format!("{} {state}", count(answer, state)));
    format!("in the inbox: {}", counts.join(", "))
}

fn count(answer: &Map<String, Value>, state: &str) -> u64 {
    let counts = answer.get("counts").and_then(|counts| counts.get(state));
    counts.and_then(Value::as_u64).unwrap_or(0)
}

fn word(item: &Map<String, Value>, key: &str) -> String {
    one_line(item.get(key).and_then(Value::as_str).unwrap_or("unknown"))
}

fn moment(item: &Map<String, Value>, key: &str) -> Option<u64> {
    item.get(key).and_then(Value::as_u64)
}

fn ago(at: u64, now: u64) -> String {
    if at <= now {
        format!("{} ago", span(now - at))
    } else {
        format!("in {}", span(at - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn dead() -> Map<String, Value> {
        let item = json!({
            "cursor": "c7", "chat": "a1b2c3", "state": "dead", "kind": "text", "group": true,
            "attempts": 6, "reason": "no idea\nwhat", "stored_at": NOW - 120_000, "next_at": null,
            "sent_at": NOW - 130_000, "conversation": "15550100@s.whatsapp.net",
            "text": "hi\u{1b}[2J\nstate  done"
        });
        item.as_object().unwrap().clone()
    }

    #[test]
    fn a_message_is_one_line_whatever_stands_in_it() {
        assert_eq!(
            row(&dead(), NOW),
            "c7  dead     chat a1b2c3  text  2 min ago  6 attempts  no idea\\nwhat"
        );
    }

    #[test]
    fn all_that_is_told_of_a_message_is_shown_and_nothing_in_it_acts() {
        assert_eq!(
            told(&dead(), NOW).join("\n"),
            "cursor        c7\n\
             state         dead\n\
             chat          a1b2c3\n\
             conversation  15550100@s.whatsapp.net\n\
             kind          text\n\
             group         yes\n\
             sent          2 min ago\n\
             stored        2 min ago\n\
             attempts      6\n\
             reason        no idea\\nwhat\n\
             text          \"hi\\u{1b}[2J\\nstate  done\""
        );
    }

    #[test]
    fn a_text_is_shown_only_when_the_bridge_was_asked_for_it() {
        let mut item = dead();
        item.insert("text".to_owned(), Value::Null);
        assert_eq!(text(&item).unwrap(), "(its text is gone)");
        item.remove("text");
        assert_eq!(text(&item), None);
        let plain = InboxListArgs {
            limit: 50,
            ..InboxListArgs::default()
        };
        assert_eq!(listed(&plain), [("limit", "50".to_owned())]);
        let all = InboxListArgs {
            state: vec![InboxState::Dead, InboxState::Waiting],
            limit: 2,
            after: Some(9),
            show_text: true,
            ..InboxListArgs::default()
        };
        let told: Vec<String> = listed(&all)
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(
            told,
            ["limit=2", "state=dead,waiting", "after=9", "show_text=1"]
        );
    }
}
