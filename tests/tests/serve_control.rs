//! Who serves, since when, and how to stop it, against the real bridge.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::{Finished, Machine, PATIENCE, Running, Scenario};
use serde_json::{Value, json};

const ANA: &str = "15551234567";
const SERVE: [&str; 3] = ["channels", "serve", "whatsapp-personal"];

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_is_told_which_process_serves() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    ensure!(runtime(&story.machine).await?["running"] == false);
    story.serves(&["--reply", "echo"])?;
    story.server().says("connected to the bridge").await?;
    let pid = story.server().id().context("serve runs")?;

    let second = serve(&story.machine, &["--reply", "echo"]).await?;
    let second = second.ended_with(1)?;
    let owner = format!("already served by process {pid}");
    ensure!(second.stderr.contains(&owner), "{second:?}");
    ensure!(
        second
            .stderr
            .contains("loong channels serve whatsapp-personal --account default --stop"),
        "{second:?}"
    );
    let running = runtime(&story.machine).await?;
    ensure!(
        running["running"] == true && running["pid"] == json!(pid),
        "{running}"
    );
    let words = story.machine.run(&["channels"]).await?.succeeded()?;
    ensure!(
        words.stdout.contains(&format!("running: process {pid} ")),
        "{words:?}"
    );

    story.stops_serving().await?;
    let ended = runtime(&story.machine).await?;
    ensure!(
        ended["running"] == false && ended["pid"].is_null() && ended["instance_count"] == 0,
        "{ended}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_takes_over_from_a_process_that_was_killed() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let mut killed = starts(&story.machine)?;
    killed.says("connected to the bridge").await?;
    let pid = killed.id().context("serve runs")?;
    killed.killed().await?;
    let stale = runtime(&story.machine).await?;
    ensure!(
        stale["stale"] == true && stale["running"] == false && stale["pid"] == json!(pid),
        "{stale}"
    );

    ana.says("anybody there?").await?;
    let mut next = starts(&story.machine)?;
    next.says(&format!("taking over from process {pid}"))
        .await?;
    ensure!(
        ana.next_message(PATIENCE)
            .await?
            .text
            .contains("anybody there?")
    );
    let running = runtime(&story.machine).await?;
    ensure!(running["instance_count"] == 1, "{running}");
    next.interrupt()?;
    ensure!(next.ends().await?.code() == Some(0), "{next}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_while_a_message_is_under_way_it_is_answered_first_and_nothing_is_lost()
-> Result<()> {
    // The answer waits behind a named pipe: a gate that only the story opens.
    let mut story =
        Scenario::paired_with_program("cat >/dev/null; cat \"$HOME/gate\" >/dev/null; echo done")
            .await?;
    let gate = story.machine.home().join("gate");
    ensure!(
        std::process::Command::new("mkfifo")
            .arg(&gate)
            .status()?
            .success()
    );
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&[])?;
    ana.says("take your time").await?;
    story.server().says("in   chat").await?;

    let mut stop = story
        .machine
        .start("serve --stop", &[&SERVE[..], &["--stop"]].concat())?;
    story.server().says("finishing 1 under way").await?;
    // Opening a pipe for writing waits for its reader: never on a thread of the runtime.
    let opened = gate.clone();
    tokio::task::spawn_blocking(move || std::fs::write(opened, "open")).await??;

    ensure!(ana.next_message(PATIENCE).await?.text == "done");
    ana.says("one more").await?;
    story.bridge().nth_event("message_in", 2).await?;
    ensure!(stop.ends().await?.code() == Some(0), "{stop}");
    stop.says("has ended").await?;
    let (_, status) = story.posts("bridge_status", json!({})).await?;
    ensure!(
        status["payload"]["inbox"]["waiting"] == 1 && status["payload"]["inbox"]["leased"] == 0,
        "{status}"
    );

    std::fs::remove_file(&gate)?;
    std::fs::write(&gate, "open")?;
    serve(&story.machine, &["--once"]).await?.succeeded()?;
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    serve(&story.machine, &["--stop"]).await?.ended_with(1)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_configurations_only_one_answers_and_the_newest_can_be_kept() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let other = story.machine.home().join("other.toml");
    std::fs::copy(story.machine.config_file(), &other)?;
    let other = other.to_string_lossy().into_owned();
    let mut old = starts(&story.machine)?;
    old.says("connected to the bridge").await?;
    let mut new = story.machine.start(
        "the newer serve",
        &[&SERVE[..], &["--reply", "echo", "--config", &other]].concat(),
    )?;
    new.says("stands by").await?;
    let pids = runtime(&story.machine).await?["duplicate_owner_pids"].clone();
    ensure!(
        pids.as_array().is_some_and(|pids| pids.len() == 2),
        "{pids}"
    );
    ana.says("who answers?").await?;
    ensure!(
        ana.next_message(PATIENCE)
            .await?
            .text
            .contains("who answers?")
    );

    let stopped = serve(&story.machine, &["--stop-duplicates", "--json"]).await?;
    let stopped = stopped.succeeded()?.json()?;
    ensure!(stopped["kept"][0]["pid"] == json!(new.id()), "{stopped}");
    ensure!(stopped["stopped"][0]["ended"] == true, "{stopped}");
    ensure!(old.ends().await?.code() == Some(0), "{old}");
    new.says("this one answers now").await?;
    ana.says("and now?").await?;
    ensure!(ana.next_message(PATIENCE).await?.text.contains("and now?"));
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    new.interrupt()?;
    ensure!(new.ends().await?.code() == Some(0), "{new}");
    Ok(())
}

fn starts(machine: &Machine) -> Result<Running> {
    machine.start(
        "channels serve",
        &[&SERVE[..], &["--reply", "echo"]].concat(),
    )
}

async fn serve(machine: &Machine, more: &[&str]) -> Result<Finished> {
    machine.run(&[&SERVE[..], more].concat()).await
}

/// What the listing says about the account's reply loop.
async fn runtime(machine: &Machine) -> Result<Value> {
    let listing = machine.run(&["channels", "--json"]).await?.succeeded()?;
    Ok(listing.json()?["channels"][0]["operations"][1]["runtime"].clone())
}
