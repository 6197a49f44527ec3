//! Who somebody is: by number, by LID, on several devices, in groups, late, or unreadable at first.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};
use loong_tests::sim::{Addressing, content};
use serde_json::json;

const ANA: &str = "15551234567";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_while_the_bridge_was_down_is_answered_once_after_the_restart() -> Result<()>
{
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.stops_bridge().await?;
    story.sim.mark_late_messages(true);
    ana.says("while you were away").await?;
    ana.says("and another").await?;

    story.starts_bridge()?;
    story.online().await?;
    story.serves(&["--reply", "echo"])?;

    for text in ["while you were away", "and another"] {
        let answer = ana.next_message(PATIENCE).await?;
        ensure!(answer.text.contains(text), "{answer:?}");
    }
    story.stops_serving().await?;
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_known_by_lid_is_let_in_by_the_number_on_the_list() -> Result<()> {
    let mut story = Scenario::paired(&["+15551234567"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    ana.writes_by(Addressing::Lid);
    story.serves(&["--reply", "echo"])?;

    ana.says("do you know me?").await?;

    ensure!(
        ana.next_message(PATIENCE)
            .await?
            .text
            .contains("do you know me?")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lid_whose_number_nobody_knows_is_refused_and_explained() -> Result<()> {
    let story = Scenario::paired(&["+15557654321"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    ana.writes_by(Addressing::Lid);
    ana.shows_number(false);

    ana.says("who am I?").await?;

    let refused = story.bridge().event("message_refused").await?;
    ensure!(
        refused["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("lid")),
        "{refused}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_which_entry_lets_a_chat_in_or_would_and_no_number() -> Result<()> {
    let mut story = Scenario::paired(&["+15551234567"], "").await?;
    story.stops_bridge().await?;
    let (ana, ben) = (
        story.sim.contact("Ana", ANA),
        story.sim.contact("Ben", "15557654321"),
    );
    // As an operator starts it: no flag, no variable.
    let bridge = story
        .machine
        .start("bridge run", &["whatsapp-personal", "bridge", "run"])?;
    bridge.says("connected as").await?;

    ana.writes_by(Addressing::Lid);
    ana.says("by LID").await?;
    let told = "chat contact …4567 is let in by the entry +15…567";
    bridge.says(told).await?;
    ben.says("by number").await?;
    let told = "chat contact …4321 is not let in; the entry +15…321 would";
    bridge.says(told).await?;

    for line in bridge.lines() {
        for person in [&ana, &ben] {
            let number = line.text.contains(person.number());
            ensure!(!number, "{} stands in {line:?}", person.name());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_moves_from_number_to_lid_stays_one_conversation() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    ana.says("by number").await?;
    story.bridge().event("message_in").await?;
    story.stops_bridge().await?;
    story.starts_bridge()?;
    story.online().await?;
    ana.writes_by(Addressing::Lid);
    ana.says("by lid").await?;
    story.bridge().event("message_in").await?;

    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (status, batch) = story
            .posts("receive_batch", json!({"wait_ms": 5000}))
            .await?;
        ensure!(status == 200, "{batch}");
        let messages = batch["payload"]["messages"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        ensure!(!messages.is_empty(), "only {seen:?} came");
        for message in messages {
            seen.push((
                message["session"]["conversation_id"].clone(),
                message["reply_target"]["id"].clone(),
            ));
            story
                .posts("ack_inbound", json!({"message": message}))
                .await?;
        }
    }
    ensure!(seen[0] == seen[1], "two conversations: {seen:?}");
    ensure!(seen[0].0 == "15551234567@s.whatsapp.net", "{seen:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_with_two_devices_reads_one_message_on_both() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let tablet = ana.links_device()?;

    story
        .sends("contact:+15551234567", "on every device")
        .await?
        .succeeded()?;

    ensure!(ana.next_message(PATIENCE).await?.text == "on every device");
    ensure!(ana.next_message_on(tablet, PATIENCE).await?.text == "on every device");
    ensure!(ana.received().len() == 1 && ana.received_on(tablet).len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_could_not_read_asks_again_and_is_answered() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    ana.cannot_read(1);

    story
        .sends("contact:+15551234567", "can you read this?")
        .await?
        .succeeded()?;

    ensure!(ana.next_message(PATIENCE).await?.text == "can you read this?");
    ensure!(ana.received().len() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_unreadable_at_first_is_answered_once_it_can_be_read() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;
    ana.garbles(1);

    ana.says("try again").await?;

    story.bridge().event("message_unreadable").await?;
    ensure!(ana.next_message(PATIENCE).await?.text.contains("try again"));
    ensure!(ana.received().len() == 1, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_group_only_what_is_addressed_to_us_is_answered() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let team = story.sim.group("Team", &[&ana]);
    story.serves(&["--reply", "echo"])?;

    ana.says_in(&team, "just talking").await?;
    story.bridge().event("message_left").await?;
    let (number, lid) = (story.sim.phone().pn_jid(), story.sim.phone().lid_jid());
    for (text, me) in [("by number", &number), ("by lid", &lid)] {
        ana.sends_in(&team, content::mention(text, &[me])).await?;
        let answer = ana.next_message(PATIENCE).await?;
        ensure!(
            answer.text.contains(text) && answer.chat == team.jid(),
            "{answer:?}"
        );
    }
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_write_to_ourselves_starts_no_loop() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;

    story.sim.phone().notes("note to self").await?;
    ana.says("hello").await?;

    ensure!(ana.next_message(PATIENCE).await?.text.contains("hello"));
    let echoed = story.sim.phone().received();
    ensure!(
        echoed
            .iter()
            .all(|received| !received.text.contains("note to self")),
        "{echoed:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_two_hundred_messages_comes_in_whole_and_in_order() -> Result<()> {
    let mut story = Scenario::prepared_with(&["*"], "max_messages_per_minute = 6000").await?;
    story.starts_bridge()?;
    story.scans().await?;
    let ana = story.sim.contact("Ana", ANA);
    for number in 0..200 {
        ana.says(&format!("burst {number:03}")).await?;
    }
    story.serves(&["--reply", "echo"])?;
    for number in 0..200 {
        let answer = ana.next_message(PATIENCE).await?;
        ensure!(
            answer.text.contains(&format!("burst {number:03}")),
            "{number}: {answer:?}"
        );
    }
    Ok(())
}
