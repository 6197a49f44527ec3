//! `loong <channel> bridge run`: everything a bridge needs, then the bridge, until stopped.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::unbounded_channel;

use super::bridge_install;
use super::bridge_screen::Screen;
use super::enter_key::EnterKey;
use super::opened::{Opened, auth_dir, ready, selected, working_directory};
use super::signals::Signals;
use crate::bridge::launcher::{Control, Launch};
use crate::bridge::node;
use crate::bridge::token::{Issued, Tokens};
use crate::cli::{BridgeRunArgs, Global};
use crate::component::bindings::{Account, Operation};
use crate::discovery::roots::Plugin;
use crate::door::BridgeAddress;
use crate::error::Failure;
use crate::home::Home;
use crate::output::Output;

/// Metadata key with the file Node is started with, relative to the manifest.
const ENTRY: &str = "loong_bridge_entry";

/// Runs the command.
///
/// # Errors
/// Something it needs is missing, the bridge cannot work, or a second signal ended it.
pub async fn run(
    global: &Global,
    channel: &str,
    args: &BridgeRunArgs,
    output: &Output,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    // The token lasts as long as this call, however that ends.
    let (launch, _token, channel) = tokio::select! {
        prepared = prepare(global, channel, args, output) => prepared?,
        () = signals.next() => return Err(Failure::interrupted()),
    };
    let mut enter = EnterKey::of_terminal();
    let mut asked = false;
    let mut screen = Screen::new(output, args.json, how_to_resume(&channel, enter.exists()));
    let control = Control::default();
    let (tell, mut told) = unbounded_channel();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let running = launch.run(&tell, &control);
    tokio::pin!(running);
    loop {
        tokio::select! {
            // What was said before it ended is shown before it is said to have ended.
            biased;
            Some(more) = told.recv() => screen.show(more),
            done = &mut running => {
                while let Ok(more) = told.try_recv() {
                    screen.show(more);
                }
                screen.wipe();
                return done;
            }
            () = signals.next() => {
                if control.stop.is_cancelled() {
                    screen.wipe();
                    return Err(Failure::interrupted());
                }
                screen.wipe();
                screen.say("stopping the bridge; once more ends at once");
                control.stop.cancel();
            }
            () = enter.pressed(), if asked => {
                asked = false;
                if screen.rests() {
                    screen.say("the bridge is asked to go on");
                    control.resume();
                }
            }
            _ = second.tick() => {
                // A read that has begun goes on, whatever the state is by then.
                if !asked && screen.rests() && enter.is_at_hand() {
                    enter.forget();
                    asked = true;
                }
                screen.tick();
            }
        }
    }
}

async fn prepare(
    global: &Global,
    channel: &str,
    args: &BridgeRunArgs,
    output: &Output,
) -> Result<(Launch, Issued, String), Failure> {
    let named = args.account.as_deref();
    let opened = Opened::open(global, channel, named, output).await?;
    let report = opened.report(named, None).await?;
    let entry = selected(&report)?;
    let (plugin, account) = (&opened.plugin, &entry.account);
    // What sending needs, a bridge needs too: switched on, and an address.
    ready(plugin, entry, Operation::Send)?;
    let home = &opened.survey.home;
    let address = address(account, &plugin.manifest.config_key)?;
    let token = Tokens::of(home).issue(home, &address)?;
    let launch = launch(plugin, account, args, home, address, token.path())?;
    let path = std::env::var_os("PATH");
    let program = node::node(path.as_deref()).await?;
    bridge_install::install(plugin, home, args.skip_install, output).await?;
    output.say(&format!(
        "starting the bridge of {}, account {}",
        plugin.manifest.label, account.configured_label
    ));
    let channel = plugin.manifest.channel_id.clone();
    Ok((Launch { program, ..launch }, token, channel))
}

/// Everything about the launch that the configuration decides; Node itself is not looked for yet.
fn launch(
    plugin: &Plugin,
    account: &Account,
    args: &BridgeRunArgs,
    home: &Home,
    address: BridgeAddress,
    token_file: &Path,
) -> Result<Launch, Failure> {
    let auth_dir = auth_dir(plugin, account)?;
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
    let folder = working_directory()?;
    let mut more: Vec<OsString> = Vec::new();
    if let Some(phone) = &args.pairing_code {
        more.extend(["--pairing-code-phone".into(), phone.into()]);
    }
    if let Some(code) = &args.custom_pairing_code {
        more.extend(["--custom-pairing-code".into(), code.into()]);
    }
    Ok(Launch {
        program: PathBuf::from("node"),
        entry: entry(plugin)?,
        address,
        // The bridge runs in another folder than we do.
        auth_dir: folder.join(home.expand(auth_dir)),
        folder: folder.join(&plugin.directory),
        settings,
        token_file: token_file.to_path_buf(),
        more,
    })
}

fn how_to_resume(channel: &str, enter: bool) -> String {
    let command = format!("`loong {channel} bridge resume`");
    if enter {
        format!("press Enter here, or run {command} in another terminal")
    } else {
        format!("run {command}")
    }
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
