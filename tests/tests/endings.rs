//! What an operator sees while a session has ended, rests or waits, and what a logout does then.
//! That it comes back by itself is told in `session_life.rs`.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::Finished;
use loong_tests::scenario::process::events;
use loong_tests::scenario::{PATIENCE, Scenario};
use loong_tests::sim::Disruption;
use serde_json::{Value, json};

const ANA: &str = "15551234567";
/// Weeks: nothing happens by itself while a story looks, however small the jitter makes it.
const LONG: u32 = 2_147_483_647;

/// Whatever the bridge waits for, it waits until somebody resumes it.
fn in_no_hurry() -> Value {
    json!({
        "backoffFirstMs": LONG, "backoffMaxMs": LONG, "replacedRetryMs": LONG, "loggedOutRetryMs": LONG,
        "silentMs": 5000, "quietMs": 6000, "keepAliveMs": 2000, "closeMs": 200,
    })
}

async fn paired(timing: &Value) -> Result<Scenario> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(timing)?;
    story.starts_bridge()?;
    story.scans().await?;
    Ok(story)
}

async fn asks(story: &Scenario, arguments: &[&str]) -> Result<Finished> {
    let mut all = vec!["whatsapp-personal", "bridge"];
    all.extend(arguments);
    story.machine.run(&all).await
}

async fn status(story: &Scenario) -> Result<Value> {
    asks(story, &["status", "--json"])
        .await?
        .succeeded()?
        .json()
}

/// Somebody resumes the bridge, and it is connected for the `n`th time.
async fn is_resumed(story: &Scenario, n: usize) -> Result<()> {
    asks(story, &["resume"]).await?.succeeded()?;
    story.bridge().nth_event("connected", n).await?;
    story.sim.wait_until_online(PATIENCE).await
}

/// The phone scans the `n`th QR code, and the bridge is connected for the `connected`th time.
async fn is_linked_anew(story: &Scenario, n: usize, connected: usize) -> Result<()> {
    let qr = story.bridge().nth_event("qr", n).await?;
    let qr = qr["qr"].as_str().context("a payload")?;
    story.sim.phone().scan(qr).await?;
    story.bridge().nth_event("connected", connected).await?;
    story.sim.wait_until_online(PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_with_its_reason_until_it_is_back() -> Result<()> {
    let story = paired(&in_no_hurry()).await?;
    let ends = [
        (Disruption::TcpDrop, "code_428"),
        (Disruption::WsClose, "code_428"),
        (Disruption::StreamEnd, "code_428"),
        (Disruption::StreamError(503), "code_503"),
        (Disruption::StreamError(516), "code_516"),
        (Disruption::OtherStreamError, "code_500"),
        (Disruption::UnreadableFrame, "stray_failure"),
        // Noticed by Baileys' ping or by our own watchdog, whichever looks first.
        (Disruption::Silence, "code_408 silence"),
    ];
    for (round, (end, reason)) in ends.into_iter().enumerate() {
        let told = story.states_told();
        story.sim.disrupt(end)?;
        story
            .comes_to("reconnecting", told)
            .await
            .with_context(|| format!("after {end:?}"))?;
        let seen = status(&story).await?;
        ensure!(seen["state"] == "reconnecting", "after {end:?}: {seen}");
        let told = seen["reason"].as_str().unwrap_or("nothing");
        ensure!(
            reason.split(' ').any(|one| one == told),
            "after {end:?}: {seen}"
        );
        ensure!(seen["retry_at"].is_number(), "after {end:?}: {seen}");
        ensure!(
            seen["identity"].is_object(),
            "{end:?} cost the login: {seen}"
        );
        is_resumed(&story, round + 2).await?;
        let seen = status(&story).await?;
        ensure!(seen["state"] == "connected", "after {end:?}: {seen}");
        ensure!(seen["retry_at"].is_null(), "after {end:?}: {seen}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_come_about_is_told_with_its_reason() -> Result<()> {
    let story = paired(&in_no_hurry()).await?;
    let obstacles = [
        (Disruption::Refused, "code_408"),
        (Disruption::UpgradeStatus(502), "upgrade_refused"),
        (Disruption::NoUpgrade, "no_answer"),
        (Disruption::NoServerHello, "no_answer"),
        (Disruption::UnreadableServerHello, "connection_lost"),
        (Disruption::SilenceAfterHandshake, "no_answer"),
    ];
    for (round, (obstacle, reason)) in obstacles.into_iter().enumerate() {
        let told = story.states_told();
        story.sim.keep_disrupting(obstacle);
        story.sim.drop_connections();
        story.comes_to("reconnecting", told).await?;
        let told = story.states_told();
        asks(&story, &["resume"]).await?.succeeded()?;
        story
            .comes_to("reconnecting", told)
            .await
            .with_context(|| format!("in spite of {obstacle:?}"))?;
        let seen = status(&story).await?;
        ensure!(seen["state"] == "reconnecting", "{obstacle:?}: {seen}");
        ensure!(seen["reason"] == reason, "{obstacle:?}: {seen}");
        story.sim.heal();
        is_resumed(&story, round + 2).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_whatsapp_ends_is_told_and_linked_anew() -> Result<()> {
    let story = paired(&in_no_hurry()).await?;
    let ana = story.sim.contact("Ana", ANA);
    for (round, refused) in [true, false].into_iter().enumerate() {
        let told = story.states_told();
        if refused {
            story.sim.disrupt(Disruption::LoginFailure(401))?;
            story.sim.drop_connections();
            story.comes_to("reconnecting", told).await?;
            asks(&story, &["resume"]).await?.succeeded()?;
        } else {
            story.sim.disrupt(Disruption::Downgrade)?;
        }
        story.comes_to("logged_out", told).await?;
        let seen = status(&story).await?;
        ensure!(seen["state"] == "logged_out", "{seen}");
        ensure!(seen["identity"].is_null(), "the login is kept: {seen}");
        ensure!(seen["retry_at"].is_number(), "no QR is due: {seen}");
        let qrs = events(&story.bridge().lines(), "qr").len();

        asks(&story, &["resume"]).await?.succeeded()?;
        is_linked_anew(&story, qrs + 1, round + 2).await?;
        let text = format!("linked anew, {round}");
        let sent = story.sends("contact:+15551234567", &text).await?;
        sent.succeeded()?;
        ensure!(ana.next_message(PATIENCE).await?.text == text);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_taken_over_at_every_connection_is_tried_once_and_then_left() -> Result<()> {
    let mut timing = in_no_hurry();
    timing["replacedRetryMs"] = json!(50);
    let story = paired(&timing).await?;
    story.sim.keep_disrupting(Disruption::Conflict);
    story.sim.disrupt(Disruption::Conflict)?;

    let rests = story.bridge().hears("a rest", |lines| {
        let states = events(lines, "state");
        let last = states.iter().rfind(|it| it["state"] == "replaced");
        last.filter(|it| it["retry_in_ms"].is_null()).cloned()
    });
    rests.await?;
    let states = events(&story.bridge().lines(), "state");
    let tries = states.iter().filter(|it| it["state"] == "replaced").count();
    ensure!(tries == 2, "{states:?}");
    let connections = story.sim.connections_so_far();
    let seen = status(&story).await?;
    ensure!(seen["state"] == "replaced", "{seen}");
    ensure!(seen["reason"] == "replaced_again", "{seen}");
    ensure!(seen["retry_at"].is_null(), "it fights: {seen}");
    ensure!(seen["identity"].is_object(), "it cost the login: {seen}");
    ensure!(story.sim.connections_so_far() == connections, "it fights");

    story.sim.heal();
    let so_far = events(&story.bridge().lines(), "connected").len();
    is_resumed(&story, so_far + 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_whatsapp_cannot_hear_says_what_is_left_to_do() -> Result<()> {
    let story = paired(&in_no_hurry()).await?;
    story.sim.drop_connections();
    story.comes_to("reconnecting", 0).await?;

    let left = asks(&story, &["logout", "--yes"]).await?.succeeded()?;

    let told = left.stderr.contains("remove this device on the phone");
    ensure!(told, "{left:?}");
    ensure!(story.sim.linked_device() == Some(1), "it did hear");
    story.bridge().nth_event("qr", 2).await?;
    ensure!(status(&story).await?["identity"].is_null());
    is_linked_anew(&story, 2, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_while_nobody_is_linked_changes_nothing_and_resume_still_works() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let mut timing = in_no_hurry();
    timing["qrMs"] = json!(3000);
    story.machine.times(&timing)?;
    story.sim.offer_qr_codes(1);
    story.starts_bridge()?;

    for state in ["pairing", "pairing_expired"] {
        story.comes_to(state, 0).await?;
        let left = asks(&story, &["logout", "--yes"]).await?.succeeded()?;
        ensure!(left.stderr.contains("no account was linked"), "{left:?}");
    }
    let seen = status(&story).await?;
    ensure!(seen["state"] == "pairing_expired", "{seen}");

    story.sim.offer_qr_codes(6);
    let qrs = events(&story.bridge().lines(), "qr").len();
    asks(&story, &["resume"]).await?.succeeded()?;
    is_linked_anew(&story, qrs + 1, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_for_a_bridge_that_does_not_run_say_how_to_start_it() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let commands: [&[&str]; 3] = [&["status", "--json"], &["resume"], &["logout", "--yes"]];
    for command in commands {
        let failed = asks(&story, command).await?.ended_with(1)?;
        ensure!(failed.stdout.is_empty(), "{failed:?}");
        let next = "loong whatsapp-personal bridge run";
        ensure!(failed.stderr.contains(next), "no next step: {failed:?}");
    }
    Ok(())
}
