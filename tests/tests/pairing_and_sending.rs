//! The owner links the account by QR and writes first.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario, drawn_qr};

const ANA: &str = "15551234567";

#[tokio::test(flavor = "multi_thread")]
async fn the_qr_drawn_in_the_terminal_links_the_account() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let bridge = story
        .machine
        .start("bridge run", &["whatsapp-personal", "bridge", "run"])?;

    let qr = bridge.hears("a drawn QR code", drawn_qr::last).await?;
    story.sim.phone().scan(&qr).await?;

    bridge.says("connected").await?;
    story.sim.wait_until_online(PATIENCE).await?;
    for line in bridge.lines() {
        let drawn = line.text.contains('█');
        ensure!(
            !drawn || line.text.chars().count() <= 80,
            "wider than a terminal: {:?}",
            line.text
        );
        ensure!(
            !line.text.contains(&qr),
            "the QR payload stands in words: {:?}",
            line.text
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linked_account_comes_back_without_a_qr() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    story.stops_bridge().await?;

    story.starts_bridge()?;
    story.online().await?;

    let shown = loong_tests::scenario::process::events(&story.bridge().lines(), "qr");
    ensure!(shown.is_empty(), "a linked account was asked to link again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_sent_to_a_number_arrives_decrypted() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);

    let sent = story
        .machine
        .run(&[
            "channels",
            "send",
            "whatsapp-personal",
            "--target",
            "contact:+15551234567",
            "--text",
            "hello Ana",
            "--json",
        ])
        .await?
        .succeeded()?
        .json()?;

    let received = ana.next_message(PATIENCE).await?;
    ensure!(received.text == "hello Ana", "{received:?}");
    ensure!(
        sent["target"] == "whatsapp-personal:default:contact:+15551234567",
        "{sent}"
    );
    ensure!(
        sent["message_id"] == received.id,
        "{sent} is not {received:?}"
    );
    ensure!(sent["status"] == "sent", "{sent}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn alias_short_and_long_targets_reach_the_same_contact() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let forms = [
        ("wa-personal", "contact:+1 (555) 123-4567"),
        ("whatsapp-web", "default:contact:15551234567@s.whatsapp.net"),
        (
            "whatsapp-personal-bridge",
            "whatsapp-personal:default:contact:15551234567",
        ),
    ];
    for (channel, target) in forms {
        story
            .machine
            .run(&[
                "channels", "send", channel, "--target", target, "--text", target,
            ])
            .await?
            .succeeded()?;
        let received = ana.next_message(PATIENCE).await?;
        ensure!(received.text == target, "{received:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_written_to_and_answered() -> Result<()> {
    let mut story = Scenario::paired_answering_groups().await?;
    let (ana, ben) = (
        story.sim.contact("Ana", ANA),
        story.sim.contact("Ben", "15557654321"),
    );
    let team = story.sim.group("Team", &[&ana, &ben]);

    story
        .sends(&format!("group:{}", team.jid()), "hello team")
        .await?
        .succeeded()?;
    for member in [&ana, &ben] {
        let received = member.next_message(PATIENCE).await?;
        ensure!(
            received.text == "hello team" && received.chat == team.jid(),
            "{received:?}"
        );
    }

    story.serves(&["--reply", "echo"])?;
    ana.says_in(&team, "anyone there?").await?;
    let heard = loop {
        // Ben sees Ana's question, then the answer.
        let heard = ben.next_message(PATIENCE).await?;
        if heard.from != ana.pn_jid() && heard.from != ana.lid_jid() {
            break heard;
        }
    };
    ensure!(heard.text.contains("anyone there?"), "{heard:?}");
    ensure!(
        heard.chat == team.jid(),
        "the answer went elsewhere: {heard:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_while_the_bridge_is_down_fails_and_says_what_to_do() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;

    let failed = story
        .sends("contact:+15551234567", "hello")
        .await?
        .ended_with(1)?;

    ensure!(failed.stdout.is_empty(), "{failed:?}");
    ensure!(
        failed.stderr.contains("loong whatsapp-personal bridge run"),
        "no next step: {failed:?}"
    );
    ensure!(
        !failed.stderr.contains("hello"),
        "the text stands in the error: {failed:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_before_linking_says_that_a_qr_waits_to_be_scanned() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.starts_bridge()?;
    story.bridge().event("qr").await?;

    let failed = story
        .sends("contact:+15551234567", "hello")
        .await?
        .ended_with(1)?;

    ensure!(
        failed.stderr.to_lowercase().contains("scan"),
        "no next step: {failed:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_outside_the_allowlist_is_written_to() -> Result<()> {
    let story = Scenario::paired(&["+15551234567"], "").await?;
    let ben = story.sim.contact("Ben", "15557654321");

    let refused = story
        .sends("contact:+15557654321", "hello")
        .await?
        .ended_with(1)?;

    ensure!(
        refused.stderr.contains("allowed_chat_ids"),
        "names no key: {refused:?}"
    );
    ensure!(ben.received().is_empty(), "written to all the same");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_survives_a_dropped_connection() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);

    story.sim.drop_connections();
    story
        .bridge()
        .nth_event("connected", 2)
        .await
        .context("reconnected")?;
    story.sim.wait_until_online(PATIENCE).await?;

    story
        .sends("contact:+15551234567", "still here")
        .await?
        .succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "still here");
    Ok(())
}
