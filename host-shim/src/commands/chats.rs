//! `loong <channel> chats`: who writes, who is let in and by which entry of the list, who was
//! refused. What people call themselves is shown as one line in which nothing acts.

use std::time::Duration;

use serde_json::{Map, Value};

use super::bridge_status::span;
use super::chats_allow;
use super::opened::{Opened, selected};
use super::running_bridge::{RunningBridge, unix_ms};
use crate::bridge::http::AdminCommand;
use crate::cli::{ChatsArgs, ChatsCommand, ChatsListArgs, Global};
use crate::error::Failure;
use crate::output::Output;
use crate::plain_text::one_line;

const WAIT: Duration = Duration::from_secs(30);

/// Lists, or does what the command under it says.
///
/// # Errors
/// The bridge cannot be asked; or the list cannot be changed.
pub async fn run(
    global: &Global,
    channel: &str,
    args: &ChatsArgs,
    output: &Output,
) -> Result<(), Failure> {
    match &args.command {
        None => list(global, channel, &args.list, output).await,
        Some(ChatsCommand::Allow(args)) => chats_allow::run(global, channel, args, output).await,
    }
}

async fn list(
    global: &Global,
    channel: &str,
    args: &ChatsListArgs,
    output: &Output,
) -> Result<(), Failure> {
    let account = args.account.as_deref();
    let opened = Opened::open(global, channel, account, output).await?;
    let report = opened.report(account, None).await?;
    let entry = selected(&report)?;
    let bridge = RunningBridge::of(&opened, entry)?;
    let query = query(args, &entry.account.configured_id);
    let answer = bridge.ask(&AdminCommand::get("chats", query), WAIT).await?;
    if args.json {
        return output.json(&answer);
    }
    let items = answer.get("items").and_then(Value::as_array);
    let items: Vec<&Map<String, Value>> = items
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect();
    for line in table(&items, args.refused, unix_ms()) {
        output.data(&line);
    }
    for line in words(&answer, args.refused, items.len()) {
        output.say(&line);
    }
    for hint in hints(&answer, args.refused, &bridge) {
        output.hint(&hint);
    }
    Ok(())
}

fn query(args: &ChatsListArgs, account: &str) -> Vec<(&'static str, String)> {
    let mut query = vec![
        ("account", account.to_owned()),
        ("limit", args.limit.to_string()),
    ];
    query.extend(args.refused.then(|| ("refused", "1".to_owned())));
    query.extend(args.after.clone().map(|after| ("after", after)));
    query
}

/// A heading and a line for each chat; nothing when there is none.
fn table(items: &[&Map<String, Value>], refused: bool, now: u64) -> Vec<String> {
    if items.is_empty() {
        return Vec::new();
    }
    // What has no known width comes last.
    let heading: &[&str] = if refused {
        &["ALLOWED", "REFUSED", "LAST", "TARGET"]
    } else {
        &["ALLOWED", "BY", "IN", "OUT", "LAST", "TARGET", "NAME"]
    };
    let mut rows = vec![heading.iter().map(|&word| word.to_owned()).collect()];
    rows.extend(items.iter().map(|item| row(item, refused, now)));
    aligned(&rows)
}

fn row(item: &Map<String, Value>, refused: bool, now: u64) -> Vec<String> {
    let word = |key: &str| item.get(key).and_then(Value::as_str).map(one_line);
    let number = |key: &str| {
        item.get(key)
            .and_then(Value::as_u64)
            .unwrap_or(0)
            .to_string()
    };
    let allowed = item.get("allowed").and_then(Value::as_bool) == Some(true);
    let last = item.get("last_seen").and_then(Value::as_u64);
    let last = last.map_or_else(
        || "-".to_owned(),
        |at| format!("{} ago", span(now.saturating_sub(at))),
    );
    let target = word("target").unwrap_or_else(|| "unknown".to_owned());
    let is_allowed = if allowed { "yes" } else { "no" }.to_owned();
    if refused {
        return vec![is_allowed, number("messages_in"), last, target];
    }
    let by = word("entry").filter(|_| allowed);
    vec![
        is_allowed,
        by.unwrap_or_else(|| "-".to_owned()),
        number("messages_in"),
        number("messages_out"),
        last,
        target,
        word("name").unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The rows with their columns below one another.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate();
        let padded: Vec<String> = cells
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn words(answer: &Map<String, Value>, refused: bool, shown: usize) -> Vec<String> {
    let mut words = Vec::new();
    if shown == 0 {
        let none = if refused {
            "nobody was refused so far"
        } else {
            "nobody has written so far"
        };
        words.push(none.to_owned());
    }
    words.push(format!(
        "chats: {} known, {} refused",
        count(answer, "known"),
        count(answer, "refused")
    ));
    words
}

fn hints(answer: &Map<String, Value>, refused: bool, bridge: &RunningBridge) -> Vec<String> {
    let mut hints = Vec::new();
    if let Some(after) = answer.get("next_after").and_then(Value::as_str) {
        hints.push(format!("there are more: add --after {}", one_line(after)));
    }
    let everybody = answer.get("everybody").and_then(Value::as_bool) == Some(true);
    if everybody {
        hints.push(format!(
            "everybody is let in, by `*`; to let in only some: {}",
            bridge.command("chats allow <TARGET>... --narrow")
        ));
    }
    match (refused, count(answer, "refused")) {
        (_, 0) => {}
        (false, _) => hints.push(format!(
            "who was refused: {}",
            bridge.command("chats --refused")
        )),
        (true, _) if everybody => {}
        (true, _) => hints.push(format!(
            "to let one in: {}",
            bridge.command("chats allow <TARGET>")
        )),
    }
    hints
}

fn count(answer: &Map<String, Value>, kind: &str) -> u64 {
    let counts = answer.get("counts").and_then(|counts| counts.get(kind));
    counts.and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn shown(items: &[Value], refused: bool) -> String {
        let items: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
        table(&items, refused, NOW).join("\n")
    }

    #[test]
    fn a_chat_is_one_line_whatever_it_calls_itself() {
        let ana = json!({
            "target": "pigeon-post/north", "name": "Ana\u{1b}[2J\nyes", "messages_in": 12, "messages_out": 3,
            "last_seen": NOW - 120_000, "allowed": true, "entry": "*"
        });
        let ben = json!({
            "target": "pigeon-post/far", "name": null, "messages_in": 1, "messages_out": 0,
            "last_seen": NOW - 1_000, "allowed": false, "entry": "far"
        });
        assert_eq!(
            shown(&[ana, ben], false),
            "ALLOWED  BY  IN  OUT  LAST       TARGET             NAME\n\
             yes      *   12  3    2 min ago  pigeon-post/north  Ana\\u{1b}[2J\\nyes\n\
             no       -   1   0    1 s ago    pigeon-post/far    -"
        );
    }

    #[test]
    fn of_a_refused_chat_there_is_no_name() {
        let ben = json!({
            "target": "pigeon-post/far", "name": "Ben", "messages_in": 4, "last_seen": NOW, "allowed": false
        });
        assert_eq!(
            shown(&[ben], true),
            "ALLOWED  REFUSED  LAST     TARGET\nno       4        0 s ago  pigeon-post/far"
        );
        assert_eq!(shown(&[], true), "");
    }

    #[test]
    fn the_question_says_which_account_and_from_where_on() {
        let args = ChatsListArgs {
            refused: true,
            limit: 2,
            after: Some("5-1".to_owned()),
            ..ChatsListArgs::default()
        };
        let told: Vec<String> = query(&args, "work")
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(told, ["account=work", "limit=2", "refused=1", "after=5-1"]);
    }
}
