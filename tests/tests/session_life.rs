//! Every way in which a session can end, and what the bridge does about it.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::{finish, plugin_root};
use loong_tests::scenario::process::events;
use loong_tests::scenario::{PATIENCE, Scenario};
use loong_tests::sim::{Disruption, Verdict};
use serde_json::{Value, json};

const ANA: &str = "15551234567";

/// Waits of a bridge in a hurry.
fn quick() -> Value {
    json!({
        "backoffFirstMs": 20, "backoffMaxMs": 100, "replacedRetryMs": 50, "loggedOutRetryMs": 20,
        "silentMs": 1500, "quietMs": 2500, "keepAliveMs": 1000, "closeMs": 200,
        "pairingCodeDelayMs": 100,
    })
}

async fn paired_in_a_hurry() -> Result<Scenario> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(&quick())?;
    story.starts_bridge()?;
    story.scans().await?;
    Ok(story)
}

async fn status(story: &Scenario) -> Result<Value> {
    story
        .machine
        .run(&["whatsapp-personal", "bridge", "status", "--json"])
        .await?
        .succeeded()?
        .json()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_the_connection_it_comes_back_and_messages_flow() -> Result<()> {
    let story = paired_in_a_hurry().await?;
    let ana = story.sim.contact("Ana", ANA);
    let ends = [
        Disruption::TcpDrop,
        Disruption::WsClose,
        Disruption::StreamEnd,
        Disruption::StreamError(503),
        Disruption::StreamError(515),
        Disruption::OtherStreamError,
        Disruption::UnreadableFrame,
        Disruption::Silence,
    ];
    for (round, end) in ends.into_iter().enumerate() {
        story.sim.disrupt(end)?;
        story
            .bridge()
            .nth_event("connected", round + 2)
            .await
            .with_context(|| format!("after {end:?}"))?;
        story.sim.wait_until_online(PATIENCE).await?;
        let text = format!("after {end:?}");
        story
            .sends("contact:+15551234567", &text)
            .await?
            .succeeded()?;
        ensure!(
            ana.next_message(PATIENCE).await?.text == text,
            "after {end:?}"
        );
    }
    let status = status(&story).await?;
    ensure!(status["state"] == "connected", "{status}");
    ensure!(
        status["reconnects"]
            .as_u64()
            .is_some_and(|count| count >= ends.len() as u64),
        "{status}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_in_the_way_of_a_connection_the_bridge_keeps_trying() -> Result<()> {
    let story = paired_in_a_hurry().await?;
    let obstacles = [
        Disruption::Refused,
        Disruption::NoUpgrade,
        Disruption::UpgradeStatus(502),
        Disruption::NoServerHello,
        Disruption::UnreadableServerHello,
        Disruption::SilenceAfterHandshake,
    ];
    for (round, obstacle) in obstacles.into_iter().enumerate() {
        let told = story.states_told();
        story.sim.keep_disrupting(obstacle);
        story.sim.drop_connections();
        // Twice: the first is the drop itself.
        story
            .comes_to("reconnecting", told + 1)
            .await
            .with_context(|| format!("in spite of {obstacle:?}"))?;
        story.sim.heal();
        story
            .bridge()
            .nth_event("connected", round + 2)
            .await
            .with_context(|| format!("after {obstacle:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_trying_cannot_mend_rests_until_resumed() -> Result<()> {
    let story = paired_in_a_hurry().await?;
    for (round, (refusal, state)) in [(403, "blocked"), (405, "outdated")]
        .into_iter()
        .enumerate()
    {
        let told = story.states_told();
        story.sim.keep_disrupting(Disruption::LoginFailure(refusal));
        story.sim.drop_connections();
        story.comes_to(state, told).await?;
        let resting = status(&story).await?;
        ensure!(resting["state"] == state, "{resting}");
        let connections = story.sim.connections_so_far();

        let refused = story
            .sends("contact:+15551234567", "hello")
            .await?
            .ended_with(1)?;
        ensure!(refused.stderr.contains(state), "{refused:?}");
        ensure!(
            story.sim.connections_so_far() == connections,
            "it does not rest"
        );

        story.sim.heal();
        story
            .machine
            .run(&["whatsapp-personal", "bridge", "resume"])
            .await?
            .succeeded()?;
        story.bridge().nth_event("connected", round + 2).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_that_took_over_is_not_fought() -> Result<()> {
    let story = paired_in_a_hurry().await?;

    story.sim.disrupt(Disruption::Conflict)?;
    let first = story.comes_to("replaced", 0).await?;
    ensure!(first["retry_in_ms"].is_number(), "one try is due: {first}");
    story.bridge().nth_event("connected", 2).await?;
    story.sim.wait_until_online(PATIENCE).await?;

    let told = story.states_told();
    story.sim.disrupt(Disruption::Conflict)?;
    let second = story.comes_to("replaced", told).await?;
    ensure!(second["retry_in_ms"].is_null(), "it fights: {second}");

    story
        .machine
        .run(&["whatsapp-personal", "bridge", "resume"])
        .await?
        .succeeded()?;
    story.bridge().nth_event("connected", 3).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_unlinks_us_gets_a_new_qr_to_scan() -> Result<()> {
    let story = paired_in_a_hurry().await?;
    let ana = story.sim.contact("Ana", ANA);

    story.sim.phone().unlinks();
    story.comes_to("logged_out", 0).await?;
    let qrs = events(&story.bridge().lines(), "qr").len();
    let qr = story.bridge().nth_event("qr", qrs.max(1) + 1).await?;
    story
        .sim
        .phone()
        .scan(qr["qr"].as_str().context("a payload")?)
        .await?;

    story.bridge().nth_event("connected", 2).await?;
    story.sim.wait_until_online(PATIENCE).await?;
    story
        .sends("contact:+15551234567", "linked anew")
        .await?
        .succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "linked anew");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_told_to_whatsapp_is_that_of_baileys_until_another_is_configured() -> Result<()>
{
    let mut story = Scenario::prepared(&["*"], "").await?;
    let mut node = story.machine.command("node");
    node.args([
        "--input-type=module",
        "-e",
        "import { DEFAULT_CONNECTION_CONFIG as baked } from '@whiskeysockets/baileys'; process.stdout.write(JSON.stringify(baked.version))",
    ])
    .current_dir(plugin_root().join("whatsapp-personal-bridge"));
    let baked: [u32; 3] = serde_json::from_str(&finish(node).await?.succeeded()?.stdout)?;

    story.starts_bridge()?;
    story.bridge().event("qr").await?;
    ensure!(story.sim.version_shown() == Some(baked), "not {baked:?}");
    story.stops_bridge().await?;

    let config = story.machine.minimal_config(&["*"], "").replace(
        "[whatsapp_personal]\n",
        "[whatsapp_personal]\nwhatsapp_web_version = \"2.3000.1234567\"\n",
    );
    story.machine.configure(&config)?;
    story.starts_bridge()?;
    story.scans().await?;
    let shown = story.sim.version_shown();
    ensure!(shown == Some([2, 3000, 1_234_567]), "{shown:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_tells_whatsapp_and_shows_a_new_qr() -> Result<()> {
    let story = paired_in_a_hurry().await?;

    story
        .machine
        .run(&["whatsapp-personal", "bridge", "logout", "--yes"])
        .await?
        .succeeded()?;

    story.sim.wait_until_logged_out(PATIENCE).await?;
    story.bridge().nth_event("qr", 2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn qr_codes_that_nobody_scans_end_in_a_rest_and_resume_shows_new_ones() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let mut timing = quick();
    timing["qrMs"] = json!(100);
    story.machine.times(&timing)?;
    story.sim.offer_qr_codes(2);
    story.starts_bridge()?;

    story.comes_to("pairing_expired", 0).await?;
    let shown = events(&story.bridge().lines(), "qr");
    ensure!(shown.iter().any(|qr| qr["round"] == 3), "{shown:?}");
    ensure!(
        shown.iter().any(|qr| qr["number"] == 2),
        "it was not renewed: {shown:?}"
    );

    story.sim.offer_qr_codes(6);
    story
        .machine
        .run(&["whatsapp-personal", "bridge", "resume"])
        .await?
        .succeeded()?;
    let fresh = story.bridge().nth_event("qr", shown.len() + 1).await?;
    story
        .sim
        .phone()
        .scan(fresh["qr"].as_str().context("a payload")?)
        .await?;
    story.online().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_links_the_phone_that_cannot_scan() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(&quick())?;
    story.starts_bridge_with(&["--pairing-code", "+1 (555) 000-1000"])?;

    let shown = story.bridge().event("pairing_code").await?;
    let code = shown["code"].as_str().context("a code")?.to_owned();
    ensure!(
        code.len() == 9 && code.as_bytes()[4] == b'-',
        "not grouped: {code}"
    );
    ensure!(
        !events(&story.bridge().lines(), "qr").is_empty(),
        "the QR comes first"
    );

    let wrong = story.sim.phone().enters_code("ZZZZ-9999").await;
    ensure!(wrong.is_err_and(|error| error.to_string().contains("wrong code")));
    story.sim.phone().enters_code(&code).await?;
    story.online().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_pairing_code_is_the_one_that_links() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(&quick())?;
    story.starts_bridge_with(&[
        "--pairing-code",
        "15550001000",
        "--custom-pairing-code",
        "ABCD1234",
    ])?;
    let shown = story.bridge().event("pairing_code").await?;
    ensure!(shown["code"] == "ABCD-1234", "{shown}");
    story.sim.phone().enters_code("ABCD-1234").await?;
    story.online().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_codes_that_cannot_be_are_refused_before_anything_starts() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let wrong: [&[&str]; 5] = [
        &["--custom-pairing-code", "ABCD1234"],
        &[
            "--pairing-code",
            "15550001000",
            "--custom-pairing-code",
            "abcd1234",
        ],
        &[
            "--pairing-code",
            "15550001000",
            "--custom-pairing-code",
            "ABCD123",
        ],
        &["--pairing-code", "0555 000 1000"],
        &["--pairing-code", "12"],
    ];
    for arguments in wrong {
        let mut all = vec!["whatsapp-personal", "bridge", "run", "--skip-install"];
        all.extend(arguments);
        let refused = story.machine.run(&all).await?;
        ensure!(
            refused.code.is_some_and(|code| code == 1 || code == 2),
            "{arguments:?}: {refused:?}"
        );
        ensure!(
            refused.stderr.contains("pairing"),
            "{arguments:?}: {refused:?}"
        );
        ensure!(
            !story.machine.auth_dir().join("bridge.db").exists(),
            "{arguments:?} started something"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_refuses_to_take_is_said() -> Result<()> {
    let story = paired_in_a_hurry().await?;
    let ana = story.sim.contact("Ana", ANA);

    story.sim.judge_next_message(Verdict::Error(463));
    let refused = story
        .sends("contact:+15551234567", "hello")
        .await?
        .ended_with(1)?;

    ensure!(
        refused.stderr.contains("have not written to it"),
        "{refused:?}"
    );
    ensure!(ana.received().is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phone_keeps_ringing_because_we_never_say_that_we_are_available() -> Result<()> {
    let mut story = paired_in_a_hurry().await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;
    ana.says("hello").await?;
    ana.next_message(PATIENCE).await?;

    let sent = story.sim.stanzas_from_companion();
    ensure!(!sent.is_empty());
    for stanza in sent {
        // One without a type says "available", too.
        let kind = stanza.attrs.get("type").map(ToString::to_string);
        ensure!(
            stanza.tag != "presence" || kind.as_deref() == Some("unavailable"),
            "{}",
            loong_tests::sim::to_text(&stanza)
        );
    }
    Ok(())
}
