//! `loong <channel> chats allow`: entries for the list of chats that may write. Which entry a target
//! means is said by the guest; what is written, by the operator's command alone.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::allowlist_edit::{AccountList, EVERYBODY, checked};
use super::confirm::{can_confirm, confirmed};
use super::opened::{Opened, ready, selected};
use super::running_bridge::RunningBridge;
use crate::bridge::http::AdminCommand;
use crate::cli::{ChatsAllowArgs, Global};
use crate::component::bindings::{AccountReport, Operation, Report};
use crate::config_edit::ConfigEdit;
use crate::error::Failure;
use crate::output::Output;
use crate::plain_text::one_line;

const WAIT: Duration = Duration::from_secs(15);
/// More than any id of a chat has.
const LONGEST_ENTRY: usize = 200;

/// A target and what the guest says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Chat {
    target: String,
    entry: String,
    /// The entry that let it in before.
    #[serde(rename = "was_allowed_by")]
    by: Option<String>,
    added: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done<'a> {
    channel: &'a str,
    account: &'a str,
    config: String,
    /// Dotted path of the list.
    list: String,
    /// The account has that list of its own since now.
    new_list: bool,
    chats: &'a [Chat],
    /// `*` was taken off.
    narrowed: bool,
    /// `*` is still on it.
    everybody: bool,
    bridge: &'static str,
}

/// What became of telling the bridge.
enum Bridge {
    Told,
    NotRunning,
    NotTold(Failure),
}

/// Runs the command.
///
/// # Errors
/// A target cannot be meant, the configuration cannot be changed, or nobody confirmed it; nothing
/// was changed then.
pub(super) async fn run(
    global: &Global,
    channel: &str,
    args: &ChatsAllowArgs,
    output: &Output,
) -> Result<(), Failure> {
    let opened = Opened::open(global, channel, args.account.as_deref(), output).await?;
    let (before, chats) = chats(&opened, args).await?;
    let entry = selected(&before)?;
    let (id, label) = (
        &entry.account.configured_id,
        &entry.account.configured_label,
    );
    let star = entry.account.allowed_chats.iter();
    let star = star.clone().any(|entry| entry.trim() == EVERYBODY);
    let narrowed = args.narrow && star;
    let key = &opened.plugin.manifest.config_key;
    let list = AccountList::of(opened.survey.config.section(key), key, label);
    let fresh: Vec<&str> = chats
        .iter()
        .filter(|chat| chat.added)
        .map(|chat| chat.entry.as_str())
        .collect();

    let mut edit = ConfigEdit::open(&opened.survey.config.path)?;
    list.change(&mut edit, &fresh, narrowed)?;
    let after = checked(&opened, &before, &edit, id, &fresh, narrowed).await?;
    let after = selected(&after)?;
    if narrowed && !args.yes {
        confirm(&after.account.allowed_chats, output).await?;
    }
    let (config, changed) = (edit.path().display().to_string(), edit.is_changed());
    edit.save()?;

    let bridge = tell(&opened, after).await;
    let done = Done {
        channel: &opened.plugin.manifest.channel_id,
        account: id,
        config,
        list: list.path(),
        new_list: changed && list.is_new(),
        chats: &chats,
        narrowed,
        everybody: star && !narrowed,
        bridge: match bridge {
            Bridge::Told => "told",
            Bridge::NotRunning => "not_running",
            Bridge::NotTold(_) => "not_told",
        },
    };
    if args.json {
        output.json(&done)?;
    } else {
        say(&done, args, label, output);
    }
    say_bridge(&bridge, changed, output);
    if let Err(failure) = ready(&opened.plugin, after, Operation::Serve) {
        output.warn(&failure.to_string());
        output.hint(failure.hint.as_deref().unwrap_or("run `loong doctor`"));
    }
    Ok(())
}

/// The report for the account that all targets belong to, and each of them.
async fn chats(opened: &Opened, args: &ChatsAllowArgs) -> Result<(Report, Vec<Chat>), Failure> {
    let mut first: Option<Report> = None;
    let mut chats: Vec<Chat> = Vec::new();
    for target in &args.targets {
        let report = opened.report(args.account.as_deref(), Some(target)).await?;
        let entry = selected(&report)?;
        let chat = chat(opened, entry)?;
        if let Some(first) = &first
            && first.selected.as_ref().ok() != report.selected.as_ref().ok()
        {
            return Err(Failure::usage(
                "account_mismatch",
                "the targets belong to several accounts, so nothing was changed",
            )
            .hint("run the command once for each account"));
        }
        if !chats.iter().any(|known| known.entry == chat.entry) {
            chats.push(chat);
        }
        first.get_or_insert(report);
    }
    let report = first.ok_or_else(|| Failure::usage("target_missing", "no target is named"))?;
    Ok((report, chats))
}

fn chat(opened: &Opened, entry: &AccountReport) -> Result<Chat, Failure> {
    let note = |key: &str| {
        let mut notes = entry.notes.iter();
        notes.find_map(|note| note.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
    };
    let manifest = &opened.plugin.manifest;
    let (Some(target), Some(entry)) = (note("target"), note("allow_entry")) else {
        return Err(Failure::operator(
            "allow_unsupported",
            format!(
                "plugin {} {} does not say which entry of the list a target means",
                manifest.plugin_id, manifest.version
            ),
        )
        .hint("write the entry into allowed_chat_ids by hand"));
    };
    // A guest may name one chat, and neither open the list nor write what nobody can read.
    let fits = !entry.is_empty() && entry.chars().count() <= LONGEST_ENTRY;
    if !fits || entry.trim() == EVERYBODY || one_line(&entry) != entry {
        return Err(Failure::fault(
            "plugin_broke_contract",
            format!(
                "plugin {} {} names no entry that can be written",
                manifest.plugin_id, manifest.version
            ),
        )
        .hint("report this to the plugin's maintainer"));
    }
    let by = note("allowed_by");
    let added = by.as_deref().is_none_or(|by| by == EVERYBODY);
    Ok(Chat {
        target,
        entry,
        by,
        added,
    })
}

async fn confirm(list: &[String], output: &Output) -> Result<(), Failure> {
    can_confirm("narrowing the list")?;
    output.say(
        "from then on only these chats are let in; what others write is refused, and not kept:",
    );
    for entry in list {
        output.say(&format!("  {}", one_line(entry)));
    }
    confirmed(output).await
}

async fn tell(opened: &Opened, entry: &AccountReport) -> Bridge {
    let Ok(bridge) = RunningBridge::of(opened, entry) else {
        return Bridge::NotRunning;
    };
    if !bridge.answers().await {
        return Bridge::NotRunning;
    }
    let list = json!({ "allowed_chat_ids": entry.account.allowed_chats });
    let command = AdminCommand::post("allowlist", list);
    match bridge.ask(&command, WAIT).await {
        Ok(_followed) => Bridge::Told,
        Err(failure) => Bridge::NotTold(failure),
    }
}

fn say(done: &Done<'_>, args: &ChatsAllowArgs, label: &str, output: &Output) {
    for chat in done.chats {
        output.data(&format!("{}  {}", one_line(&chat.target), chat.entry));
        match (&chat.by, chat.added) {
            (Some(by), false) => {
                output.say(&format!("it is let in already, by `{}`", one_line(by)));
            }
            (_, true) | (None, false) => {
                output.say(&format!("`{}` is added to {}", chat.entry, done.list));
            }
        }
    }
    if done.new_list {
        output.say(&format!(
            "the account {label} has a list of its own now, begun with the block's: the other accounts go by that, as before"
        ));
    }
    if done.narrowed {
        output.say(&format!(
            "`*` is gone from {}: nobody else is let in",
            done.list
        ));
    } else if done.everybody {
        output.say("everybody is let in anyway, by `*`: the entries count once that is gone");
        output.hint(&format!(
            "to let in nobody else: loong {} chats allow {} --narrow",
            done.channel,
            args.targets.join(" ")
        ));
    } else if args.narrow {
        output.say("there is no `*` on the list, so nobody else was let in before, either");
    }
}

fn say_bridge(bridge: &Bridge, changed: bool, output: &Output) {
    match bridge {
        Bridge::Told => {
            output.say("the running bridge goes by it at once, and so does `channels serve`");
        }
        Bridge::NotRunning if changed => output.say("it counts when the bridge is started"),
        Bridge::NotRunning => {}
        Bridge::NotTold(failure) => {
            output.warn(&format!("the running bridge was not told: {failure}"));
            output.hint("stop the bridge and start it again: then it goes by the new list");
        }
    }
}
