//! `loong <channel> backup` and `restore`: the account's store as one file, and back. A bridge that
//! runs writes its backup itself; else one is started for the task, which takes the store's lock.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bridge_launches::entry;
use super::bridge_status::plain;
use super::doctor::auth_dir_refusal;
use super::opened::{Opened, ready, selected, working_directory};
use super::running_bridge::RunningBridge;
use super::{bridge_install, opened};
use crate::bridge::http::AdminCommand;
use crate::bridge::node;
use crate::bridge::task::Task;
use crate::cli::{BackupArgs, Global};
use crate::component::bindings::{AccountReport, Operation};
use crate::error::Failure;
use crate::output::Output;
use crate::plain_text::one_line;

/// A store of gigabytes takes its time.
const WAIT: Duration = Duration::from_secs(600);

/// Writes a backup to a file that is not there yet.
///
/// # Errors
/// The bridge refuses, or cannot be started for it.
pub async fn backup(
    global: &Global,
    channel: &str,
    args: &BackupArgs,
    output: &Output,
) -> Result<(), Failure> {
    let account = args.account.as_deref();
    let opened = Opened::open(global, channel, account, output).await?;
    let report = opened.report(account, None).await?;
    let entry = selected(&report)?;
    let file = working_directory()?.join(&args.file);
    let bridge = RunningBridge::of(&opened, entry)?;
    let written = if bridge.answers().await {
        let path = file.to_str().ok_or_else(|| {
            Failure::usage("file_name", "the file's name is no text")
                .hint("name a file with an ordinary name")
        })?;
        let command = AdminCommand::post("backup", json!({ "file": path }));
        bridge.ask(&command, WAIT).await?
    } else {
        let task = task(
            &opened,
            entry,
            ["--backup".into(), file.clone().into()],
            output,
        )
        .await?;
        task.run("backed_up").await?
    };
    if args.json {
        return output.json(&written);
    }
    let size = written.get("bytes").and_then(Value::as_u64);
    let size = size.map_or_else(String::new, |bytes| format!(", {bytes} bytes"));
    output.say(&format!("the store is written to {}{size}", file.display()));
    output.hint("the file holds the login: keep it as secret as a password");
    Ok(())
}

/// Puts a backup in the place of the account's store.
///
/// # Errors
/// The bridge runs, the store is linked, or the file is no backup; nothing was changed then.
pub async fn restore(
    global: &Global,
    channel: &str,
    args: &BackupArgs,
    output: &Output,
) -> Result<(), Failure> {
    let account = args.account.as_deref();
    let opened = Opened::open(global, channel, account, output).await?;
    let report = opened.report(account, None).await?;
    let entry = selected(&report)?;
    let file = working_directory()?.join(&args.file);
    let task = task(&opened, entry, ["--restore".into(), file.into()], output).await?;
    let restored = task.run("restored").await?;
    if args.json {
        return output.json(&restored);
    }
    output.say(&format!("the store is restored: {}", counted(&restored)));
    let channel = &opened.plugin.manifest.channel_id;
    output.hint(&format!(
        "start the bridge with `loong {channel} bridge run`; what was open is parked: `loong {channel} inbox list --state dead`"
    ));
    Ok(())
}

/// A bridge process for one task on the account's store.
async fn task(
    opened: &Opened,
    entry_of: &AccountReport,
    flags: [OsString; 2],
    output: &Output,
) -> Result<Task, Failure> {
    let (plugin, home) = (&opened.plugin, &opened.survey.home);
    let auth_dir = opened::auth_dir(plugin, &entry_of.account)?;
    if entry_of.account.bridge_url.is_none() {
        ready(plugin, entry_of, Operation::Send)?;
    }
    let folder = working_directory()?;
    // The process runs in another folder than we do.
    let auth_dir = folder.join(home.expand(auth_dir));
    if let Some(refusal) = auth_dir_refusal(&auth_dir, &plugin.manifest.channel_id) {
        return Err(refusal);
    }
    let entry = entry(plugin)?;
    let program = node::node(std::env::var_os("PATH").as_deref()).await?;
    bridge_install::install(plugin, home, false, output).await?;
    Ok(Task {
        program,
        entry,
        auth_dir,
        folder: folder.join(&plugin.directory),
        flags,
    })
}

fn counted(restored: &Map<String, Value>) -> String {
    let words = restored.iter().map(|(key, value)| {
        let name = key.replace('_', " ");
        format!("{} {}", one_line(&name), one_line(&plain(value)))
    });
    words.collect::<Vec<_>>().join(", ")
}
