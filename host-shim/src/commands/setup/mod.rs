//! `loong <channel> setup`: asks what a channel's configuration needs, shows what it would write,
//! writes it on a yes, and has doctor look at the outcome. Knows no channel: its plugin says what the
//! keys are called, and its component judges the answers.

mod account;
mod address;
mod changes;
mod guest;
mod outcome;
mod place;
mod question;
mod reply;

use self::account::Desk;
use self::guest::Guest;
use self::outcome::Outcome;
use self::question::{Asker, Question, refused};
use super::confirm::{can_confirm, confirmed};
use super::doctor::diagnose;
use super::opened::{Loader, unloadable};
use crate::cli::{BridgeRunArgs, Global, SetupArgs};
use crate::component::bindings::Account;
use crate::config::Config;
use crate::config_edit::ConfigEdit;
use crate::error::Failure;
use crate::home::{Home, private_dir};
use crate::output::Output;

/// Runs the command. Gives what to start the bridge with, when that is wanted.
///
/// # Errors
/// An answer is missing or refused, or the changes are not confirmed: then nothing was written.
pub async fn run(
    global: &Global,
    channel: &str,
    args: &SetupArgs,
    output: &Output,
) -> Result<Option<BridgeRunArgs>, Failure> {
    let home = Home::locate()?;
    let asker = Asker::new(output);
    let mut edit = ConfigEdit::open(&Config::locate(global.config.as_deref(), &home))?;
    let before = edit.text();
    let config = Config::parse(edit.path(), before.clone())?;
    let place = place::find(channel, args.root.as_deref(), &config, &home, &asker).await?;
    plugins(&mut edit, place.root.as_deref())?;
    let component = Loader::new(&home, output)?.load(&place.plugin).await;
    let component = component.map_err(|error| unloadable(&place.plugin, &error))?;
    let guest = Guest::new(&place.plugin, component)?;
    let desk = Desk {
        keys: guest.keys().await?,
        guest: &guest,
        args,
        home: &home,
        asker: &asker,
        output,
    };
    let account = desk.write(&mut edit).await?.account;
    let reply = reply::write(&mut edit, args, &asker, output).await?;

    let config = edit.path().to_path_buf();
    let changed = write(edit, &before, args, output).await?;
    let global = Global {
        config: Some(config.clone()),
        ..global.clone()
    };
    let outcome = Outcome {
        changed,
        channel: &place.plugin.manifest.channel_id,
        account: &account.configured_id,
        is_default: account.is_default,
        bridge_url: account.bridge_url.as_deref(),
        auth_dir: account.auth_dir.as_deref(),
        allowed_chats: &account.allowed_chats,
        reply,
        checks: diagnose(&global).await?,
        config,
    };
    outcome.tell(args.json, output)?;
    pair(args, &account, &asker).await
}

/// Shows what changes, and writes it once it is confirmed. False: there is nothing to change.
async fn write(
    edit: ConfigEdit,
    before: &str,
    args: &SetupArgs,
    output: &Output,
) -> Result<bool, Failure> {
    if !edit.is_changed() {
        output.say("the configuration says so already");
        return Ok(false);
    }
    let file = edit.path().to_path_buf();
    output.say(&format!("this changes in {}:", file.display()));
    for line in changes::changes(before, &edit.text()) {
        output.say(&format!("  {line}"));
    }
    if !args.yes {
        can_confirm("changing the configuration")?;
        confirmed(output).await?;
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
        private_dir(folder)?;
    }
    edit.save()?;
    output.say(&format!("written: {}", file.display()));
    Ok(true)
}

/// Switches plugins on, and adds the root in which the channel's was found.
fn plugins(edit: &mut ConfigEdit, root: Option<&str>) -> Result<(), Failure> {
    const TABLE: &[&str] = &["runtime_plugins"];
    edit.describe_table(TABLE, "Where channel plugins come from.")?;
    edit.describe(TABLE, "enabled", true, "")?;
    if let Some(root) = root {
        edit.add_to_list(TABLE, "roots", root)?;
    }
    Ok(())
}

async fn pair(
    args: &SetupArgs,
    account: &Account,
    asker: &Asker<'_>,
) -> Result<Option<BridgeRunArgs>, Failure> {
    let pairing = BridgeRunArgs {
        account: Some(account.configured_id.clone()),
        ..BridgeRunArgs::default()
    };
    if args.pair {
        return Ok(Some(pairing));
    }
    if args.no_pair || args.json || !asker.is_at_terminal() {
        return Ok(None);
    }
    let question = Question {
        words: "Start the bridge now, and link the account (yes or no)",
        default: Some("yes"),
        flag: "--pair or --no-pair",
    };
    let wanted = async |typed: &str| match typed.to_ascii_lowercase().as_str() {
        "yes" | "y" => Ok(true),
        "no" | "n" => Ok(false),
        _ => Err(refused("answer with yes or no")),
    };
    let wanted = asker.answer(question, None, wanted).await?;
    Ok(wanted.then_some(pairing))
}
