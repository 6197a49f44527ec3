//! The bridges that `bridge run` starts: for each account the whole launch and a token, and before
//! that everything that could be in the way. Starts nothing but an install.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::all_accounts::enabled;
use super::bridge_install;
use super::bridge_places::{Place, apart};
use super::doctor::auth_dir_refusal;
use super::opened::{Opened, auth_dir, ready, selected, working_directory};
use crate::bridge::launcher::Launch;
use crate::bridge::node;
use crate::bridge::token::{Issued, Tokens};
use crate::catalog::account_command;
use crate::cli::{BridgeRunArgs, Global};
use crate::component::bindings::{Account, AccountReport, Operation};
use crate::discovery::roots::Plugin;
use crate::door::BridgeAddress;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

/// Metadata key with the file Node is started with, relative to the manifest.
const ENTRY: &str = "loong_bridge_entry";

/// One bridge, ready to be started.
#[derive(Debug)]
pub(super) struct Bridge {
    /// Of its account, as configured.
    pub(super) label: String,
    /// How it is resumed from another terminal.
    pub(super) resume: String,
    pub(super) launch: Launch,
    /// Lasts as long as the bridge does.
    pub(super) token: Issued,
}

/// The bridges that the command line asks for, at least one.
///
/// # Errors
/// Something that one of them needs is missing; then none may start.
pub(super) async fn prepare(
    global: &Global,
    channel: &str,
    args: &BridgeRunArgs,
    output: &Output,
) -> Result<Vec<Bridge>, Failure> {
    let named = args.account.as_deref();
    let opened = Opened::open(global, channel, named, output).await?;
    let report = opened.report(named, None).await?;
    let (plugin, home) = (&opened.plugin, &opened.survey.home);
    let entries = if args.all_accounts {
        enabled(plugin, &report, output)?
    } else {
        vec![selected(&report)?]
    };
    let places = entries
        .iter()
        .map(|entry| place(plugin, entry, home))
        .collect::<Result<Vec<_>, _>>()?;
    apart(&places)?;
    for (entry, place) in entries.iter().zip(&places) {
        if let Some(refusal) = auth_dir_refusal(&place.auth_dir, &plugin.manifest.channel_id) {
            return Err(about(&entry.account, refusal));
        }
    }
    let path = std::env::var_os("PATH");
    let program = node::node(path.as_deref()).await?;
    let accounts = entries.iter().map(|entry| &entry.account);
    let bridges = accounts
        .zip(places)
        .map(|(account, place)| bridge(&program, &opened, account, place, args))
        .collect::<Result<Vec<_>, _>>()?;
    bridge_install::install(plugin, home, args.skip_install, output).await?;
    for bridge in &bridges {
        output.say(&format!(
            "starting the bridge of {}, account {}",
            plugin.manifest.label, bridge.label
        ));
    }
    Ok(bridges)
}

fn place(plugin: &Plugin, entry: &AccountReport, home: &Home) -> Result<Place, Failure> {
    // What sending needs, a bridge needs too: switched on, and an address.
    ready(plugin, entry, Operation::Send)?;
    let account = &entry.account;
    let about = |failure| about(account, failure);
    // The bridge runs in another folder than we do.
    let auth_dir = home.expand(auth_dir(plugin, account).map_err(about)?);
    let auth_dir = working_directory()?.join(auth_dir);
    Ok(Place {
        account: account.configured_label.clone(),
        address: address(account, &plugin.manifest.config_key).map_err(about)?,
        auth_dir,
    })
}

fn bridge(
    node: &Path,
    opened: &Opened,
    account: &Account,
    place: Place,
    args: &BridgeRunArgs,
) -> Result<Bridge, Failure> {
    let (plugin, home) = (&opened.plugin, &opened.survey.home);
    let settings = serde_json::from_str::<Value>(&account.bridge_settings)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| {
            Failure::fault(
                "plugin_broke_contract",
                "the plugin's settings for the bridge are no JSON object",
            )
            .hint("report this to the plugin's maintainer")
        })?;
    let mut more: Vec<OsString> = Vec::new();
    if let Some(phone) = &args.pairing_code {
        more.extend(["--pairing-code-phone".into(), phone.into()]);
    }
    if let Some(code) = &args.custom_pairing_code {
        more.extend(["--custom-pairing-code".into(), code.into()]);
    }
    let resume = account_command(&plugin.manifest.channel_id, account, "bridge resume");
    let entry = entry(plugin)?;
    let token = Tokens::of(home)
        .issue(home, &place.address)
        .map_err(|failure| about(account, failure))?;
    let launch = Launch {
        program: node.to_path_buf(),
        entry,
        address: place.address,
        auth_dir: place.auth_dir,
        folder: working_directory()?.join(&plugin.directory),
        settings,
        token_file: token.path().to_path_buf(),
        more,
    };
    Ok(Bridge {
        label: place.account,
        resume,
        launch,
        token,
    })
}

/// `failure`, with the account that it is about.
fn about(account: &Account, failure: Failure) -> Failure {
    let message = format!(
        "account `{}`: {}",
        account.configured_label, failure.message
    );
    Failure { message, ..failure }
}

/// Where the account's bridge is, if `bridge run` can start one there.
///
/// # Errors
/// The address is no bridge's.
pub(super) fn address(account: &Account, key: &str) -> Result<BridgeAddress, Failure> {
    let written = account.bridge_url.as_deref().unwrap_or_default();
    let hint = format!("set bridge_url in [{key}] to http://127.0.0.1:<port>/<path>");
    let address = BridgeAddress::parse(written).map_err(|error| {
        Failure::operator(
            "bridge_url_refused",
            "the bridge cannot be started where bridge_url says",
        )
        .because(error)
        .hint(hint.clone())
    })?;
    if address.host() != "localhost" && address.host() != "127.0.0.1" {
        return Err(Failure::operator(
            "bridge_url_refused",
            format!(
                "bridge_url names {}, and a bridge listens on 127.0.0.1 only",
                address.host()
            ),
        )
        .hint(hint));
    }
    Ok(address)
}

/// Whether the plugin has a bridge that can be started from here.
pub(super) fn brings_bridge(plugin: &Plugin) -> bool {
    plugin.manifest.metadata.contains_key(ENTRY)
}

/// The file of the plugin's bridge, relative to its folder.
///
/// # Errors
/// The plugin brings none.
pub(super) fn entry(plugin: &Plugin) -> Result<PathBuf, Failure> {
    let who = format!(
        "plugin {} {}",
        plugin.manifest.plugin_id, plugin.manifest.version
    );
    let written = plugin.manifest.metadata.get(ENTRY).ok_or_else(|| {
        Failure::operator("no_bridge", format!("{who} brings no bridge to start"))
            .hint("start the bridge the way its own documentation says")
    })?;
    let path = Path::new(written);
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if inside && plugin.directory.join(path).is_file() {
        return Ok(path.to_path_buf());
    }
    Err(Failure::operator(
        "no_bridge",
        format!("{who} names `{written}` as its bridge, which is not in its folder"),
    )
    .hint("the plugin is incomplete: get it again"))
}
