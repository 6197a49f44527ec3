//! `bridge run` as an operator meets it: first run, faults, and the end.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::plugin_root;
use loong_tests::scenario::{PATIENCE, Scenario};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_run_installs_what_the_bridge_needs_and_shows_a_qr() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let root = story.machine.home().join("runtime-plugins");
    copy_without_dependencies(&plugin_root(), &root)?;
    let config = story.machine.minimal_config(&["*"], "");
    let shipped = format!("{:?}", plugin_root());
    story
        .machine
        .configure(&config.replace(&shipped, &format!("{root:?}")))?;

    let refused = story
        .machine
        .run(&["whatsapp-personal", "bridge", "run", "--skip-install"])
        .await?
        .ended_with(1)?;
    ensure!(
        refused.stderr.contains("bridge install")
            || refused.stderr.contains("npm ci --ignore-scripts"),
        "no next step: {refused:?}"
    );

    let mut bridge = story.machine.start(
        "first bridge run",
        &["whatsapp-personal", "bridge", "run", "--json"],
    )?;
    bridge
        .event("qr")
        .await
        .context("a QR after the first install")?;
    bridge.interrupt()?;
    ensure!(bridge.ends().await?.code() == Some(0), "{bridge}");
    ensure!(
        root.join("whatsapp-personal-bridge/node_modules/libsql")
            .is_dir()
    );
    ensure!(
        !root
            .join("whatsapp-personal-bridge/node_modules/sharp")
            .exists(),
        "sharp came along"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let url = reqwest::Url::parse(&story.machine.bridge_url())?;
    let port = url.port().context("a port")?;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port))?;

    let failed = story
        .machine
        .run(&["whatsapp-personal", "bridge", "run", "--skip-install"])
        .await?
        .ended_with(1)?;

    ensure!(
        failed.stderr.contains(&port.to_string()),
        "does not name the port: {failed:?}"
    );
    ensure!(failed.stderr.contains("in use"), "{failed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_stops_the_bridge_and_is_left_as_it_is() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    story.stops_bridge().await?;
    let store = story.machine.auth_dir().join("bridge.db");
    let mut bytes = std::fs::read(&store)?;
    ensure!(bytes.len() > 8192, "a paired store is larger than that");
    for byte in bytes.iter_mut().skip(100).take(8000) {
        *byte ^= 0x5a;
    }
    std::fs::write(&store, &bytes)?;

    let failed = story
        .machine
        .run(&[
            "whatsapp-personal",
            "bridge",
            "run",
            "--skip-install",
            "--json",
        ])
        .await?
        .ended_with(1)?;

    ensure!(
        !failed.stdout.contains("\"qr\""),
        "it paired anew by itself: {failed:?}"
    );
    ensure!(
        failed.stderr.contains("bridge.db"),
        "does not name the file: {failed:?}"
    );
    ensure!(
        std::fs::read(&store)? == bytes,
        "the damaged store was changed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_bridge_is_started_again() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let listening = story.bridge().event("listening").await?;
    let pid = listening["pid"]
        .as_i64()
        .context("listening names its process")?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a process id")?;

    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;

    story.bridge().nth_event("connected", 2).await?;
    story.sim.wait_until_online(PATIENCE).await?;
    let ana = story.sim.contact("Ana", "15551234567");
    story
        .sends("contact:+15551234567", "I am back")
        .await?
        .succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "I am back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_dies_with_a_killed_launcher() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let url = story.machine.bridge_url();
    let mut orphan = story.takes_bridge()?;
    orphan.killed().await?;

    // The port is free again only when the Node process is gone; then a new bridge comes up on it.
    story.starts_bridge()?;
    story.online().await?;
    let health = reqwest::get(format!("{url}/health")).await?.text().await?;
    ensure!(health.contains("connected"), "{health}");
    Ok(())
}

/// What doctor can only know of a bridge that runs and takes its token.
const LIVE: [&str; 10] = [
    "bridge_auth",
    "bridge",
    "bridge_version",
    "store_lock",
    "round_trip",
    "last_frame",
    "queue",
    "dead_letters",
    "sending",
    "clock",
];

#[tokio::test(flavor = "multi_thread")]
async fn doctor_is_content_with_a_linked_account_and_names_a_bridge_that_is_down() -> Result<()> {
    let mut story = Scenario::paired(&["+15551234567"], "[reply]\nengine = \"echo\"\n").await?;
    let healthy = story
        .machine
        .run(&["doctor", "--json"])
        .await?
        .succeeded()?
        .json()?;
    let checks = healthy["checks"].as_array().context("a list of checks")?;
    ensure!(checks.len() >= 8, "{healthy}");
    ensure!(
        checks.iter().all(|check| check["status"] != "fail"),
        "{healthy}"
    );
    for id in LIVE {
        ensure!(
            checks
                .iter()
                .any(|check| check["id"] == id && check["status"] == "ok"),
            "{id}: {healthy}"
        );
    }

    story.stops_bridge().await?;
    let down = story.machine.run(&["doctor"]).await?.ended_with(1)?;
    ensure!(down.stdout.contains("bridge run"), "no next step: {down:?}");
    Ok(())
}

fn copy_without_dependencies(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (source, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name())
        };
        if name == "node_modules" {
            continue;
        }
        if source.is_dir() {
            copy_without_dependencies(&source, &to.join(name))?;
        } else {
            std::fs::copy(&source, to.join(name))?;
        }
    }
    Ok(())
}
