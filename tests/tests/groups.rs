//! Groups: who wrote, by whatever id, and what of it is answered.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};
use loong_tests::sim::{Addressing, content};
use serde_json::json;

const ANA: &str = "15551234567";

/// A linked account that answers groups so.
async fn answering(group_reply: &str) -> Result<Scenario> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let block = format!("[whatsapp_personal]\ngroup_reply = {group_reply:?}\n");
    let config = story.machine.minimal_config(&["*"], "");
    let config = config.replace("[whatsapp_personal]\n", &block);
    story.machine.configure(&config)?;
    story.starts_bridge()?;
    story.scans().await?;
    Ok(story)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_known_by_number_however_the_group_names_its_members() -> Result<()> {
    let story = answering("always").await?;
    let ana = story.sim.contact("Ana", ANA);
    for addressing in [Addressing::Lid, Addressing::Number] {
        let team = story.sim.group_addressed("Team", &[&ana], addressing);
        ana.says_in(&team, "who am I?").await?;
        let (status, batch) = story
            .posts("receive_batch", json!({"wait_ms": 20_000}))
            .await?;
        let message = &batch["payload"]["messages"][0];
        ensure!(status == 200, "{batch}");
        ensure!(
            message["session"]["conversation_id"] == team.jid(),
            "{message}"
        );
        for sender in [
            &message["session"]["participant_id"],
            &message["delivery"]["sender_principal_key"],
        ] {
            ensure!(*sender == "15551234567@s.whatsapp.net", "{message}");
        }
        story
            .posts("ack_inbound", json!({"message": message}))
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_of_ours_is_answered_and_mere_talk_is_left() -> Result<()> {
    let mut story = answering("mention").await?;
    let ana = story.sim.contact("Ana", ANA);
    let team = story.sim.group("Team", &[&ana]);
    story.serves(&["--reply", "echo"])?;

    let target = format!("group:{}", team.jid());
    story
        .sends(&target, "what do you think?")
        .await?
        .succeeded()?;
    let ours = ana.next_message(PATIENCE).await?;
    let me = story.sim.phone().lid_jid();
    let quote = content::quote(
        "I agree",
        &ours.id,
        &me,
        content::text("what do you think?"),
    );
    ana.sends_in(&team, quote).await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "I agree");

    ana.says_in(&team, "just talking").await?;
    let left = story.bridge().event("message_left").await?;
    ensure!(left["reason"] == "not_addressed", "{left}");
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_never_answers_groups_leaves_even_what_mentions_it() -> Result<()> {
    let mut story = answering("never").await?;
    let ana = story.sim.contact("Ana", ANA);
    let team = story.sim.group("Team", &[&ana]);
    story.serves(&["--reply", "echo"])?;

    let me = story.sim.phone().lid_jid();
    ana.sends_in(&team, content::mention("you there?", &[&me]))
        .await?;
    story.bridge().event("message_left").await?;
    ana.says("and here?").await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "and here?");
    ensure!(ana.received().len() == 1, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_in_a_group_is_not_answered() -> Result<()> {
    let mut story = answering("always").await?;
    let ana = story.sim.contact("Ana", ANA);
    let team = story.sim.group("Team", &[&ana]);
    story.serves(&["--reply", "echo"])?;

    story.sim.phone().says_in(&team, "from my phone").await?;
    ana.says_in(&team, "and from me").await?;

    let answer = ana.next_message(PATIENCE).await?;
    ensure!(answer.text == "and from me", "{answer:?}");
    let events = loong_tests::scenario::process::events(&story.bridge().lines(), "message_in");
    ensure!(events.len() == 1, "the owner's came in, too: {events:?}");
    Ok(())
}
