//! What an operator has in hand: dead letters, the pause, backup and restore.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context as _, Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};
use loong_tests::sim::Simulator;
use serde_json::{Value, json};

const ANA: &str = "15551234567";
const BEN: &str = "15557654321";

/// Waits between attempts, of a bridge in a hurry.
fn quick() -> Value {
    json!({
        "retry1Ms": 20, "retry2Ms": 20, "retry3Ms": 20, "retry4Ms": 20, "retry5Ms": 20,
        "postponedMs": 20, "backoffFirstMs": 20, "loggedOutRetryMs": 20,
    })
}

/// Runs an operator's command that prints JSON.
async fn told(story: &Scenario, words: &[&str]) -> Result<Value> {
    let words = [&["whatsapp-personal"], words, &["--json"]].concat();
    story.machine.run(&words).await?.succeeded()?.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_nobody_can_answer_is_parked_and_its_neighbours_are_answered() -> Result<()>
{
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(&quick())?;
    story.starts_bridge()?;
    story.scans().await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    ana.says("this is poison").await?;
    story.bridge().event("message_in").await?;
    ana.says("and this is not").await?;
    ben.says("nor is this").await?;
    story.bridge().nth_event("message_in", 3).await?;

    // A plain caller stumbles over the first of its batch, each time.
    for _ in 0..6 {
        let (status, batch) = story
            .posts("receive_batch", json!({"wait_ms": 5000}))
            .await?;
        let first = &batch["payload"]["messages"][0];
        ensure!(
            status == 200 && first["text"] == "this is poison",
            "{batch}"
        );
        // Answered now is only what stands beside it.
        for message in batch["payload"]["messages"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if message["text"] == "nor is this" {
                story
                    .posts("ack_inbound", json!({"message": message}))
                    .await?;
            }
        }
        story.posts("complete_batch", json!({})).await?;
    }
    let dead = story.bridge().event("message_dead").await?;
    ensure!(dead["attempts"] == 6, "{dead}");
    story.serves(&["--reply", "echo"])?;
    ensure!(ana.next_message(PATIENCE).await?.text == "and this is not");

    let listed = told(&story, &["inbox", "list", "--state", "dead"]).await?;
    ensure!(!listed.to_string().contains("poison"), "{listed}");
    let listed = told(&story, &["inbox", "list", "--state", "dead", "--show-text"]).await?;
    ensure!(listed["items"][0]["text"] == "this is poison", "{listed}");

    let cursor = listed["items"][0]["cursor"].as_str().context("a cursor")?;
    told(&story, &["inbox", "retry", cursor]).await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "this is poison");
    let left = told(&story, &["inbox", "list"]).await?;
    ensure!(left["counts"]["dead"] == 0, "{left}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_lets_nothing_out_and_loses_nothing() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;
    story.server().says("connected to the bridge").await?;

    told(&story, &["pause"]).await?;
    ana.says("while paused").await?;
    story.bridge().event("message_in").await?;
    let refused = story.sends("contact:+15551234567", "never").await?;
    ensure!(
        refused.code == Some(1) && refused.stderr.contains("whatsapp-personal resume"),
        "{refused:?}"
    );
    let status = told(&story, &["bridge", "status"]).await?;
    ensure!(status["paused"]["by"] == "operator", "{status}");

    // It outlives the bridge.
    story.stops_bridge().await?;
    story.starts_bridge()?;
    story.online().await?;
    story.bridge().event("paused").await?;
    ensure!(ana.received().is_empty(), "{:?}", ana.received());

    // The owner ends it from the phone, with a note to themselves.
    story.sim.phone().notes("!resume").await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "while paused");
    story.sim.phone().notes("!pause").await?;
    let status = story
        .bridge()
        .nth_event("paused", 2)
        .await
        .context("the owner pauses")?;
    ensure!(status["by"] == "owner", "{status}");
    ensure!(ana.received().len() == 1, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_put_back_on_an_empty_machine_and_repeats_nothing() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    ana.says("open in the backup").await?;
    story.bridge().event("message_in").await?;
    story
        .sends("contact:+15551234567", "sent before")
        .await?
        .succeeded()?;
    ana.next_message(PATIENCE).await?;
    let file = story.machine.home().join("whatsapp.backup");
    let file = file.to_str().context("a path in UTF-8")?;
    told(&story, &["backup", file]).await?;

    // A live login is never overwritten.
    story.stops_bridge().await?;
    let words = ["whatsapp-personal", "restore", file];
    let refused = story.machine.run(&words).await?;
    ensure!(
        refused.code == Some(1) || refused.code == Some(2),
        "{refused:?}"
    );
    ensure!(refused.stderr.contains("log"), "{refused:?}");

    std::fs::remove_dir_all(story.machine.auth_dir())?;
    told(&story, &["restore", file]).await?;
    story.starts_bridge()?;
    story.online().await?;

    // The message that was open may have been answered since: it is parked.
    let dead = told(&story, &["inbox", "list", "--state", "dead"]).await?;
    ensure!(
        dead["counts"]["dead"] == 1 && dead["counts"]["waiting"] == 0,
        "{dead}"
    );
    // And the encryption begins anew, both ways.
    story
        .sends("contact:+15551234567", "sent after")
        .await?
        .succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "sent after");
    story.serves(&["--reply", "echo"])?;
    ana.says("after the restore").await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "after the restore");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_number_was_written_is_not_answered_from_another() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    story.machine.times(&quick())?;
    story.starts_bridge()?;
    story.scans().await?;
    story.sim.contact("Ana", ANA).says("for Olga").await?;
    story.bridge().event("message_in").await?;
    let logout = ["whatsapp-personal", "bridge", "logout", "--yes"];
    story.machine.run(&logout).await?.succeeded()?;
    story.stops_bridge().await?;

    // Another account, on a WhatsApp of its own.
    let elsewhere = Simulator::start_for("Paul", "15550002000", 0).await?;
    story
        .machine
        .sets("LOONG_WHATSAPP_WEB_URL", elsewhere.web_url());
    story.starts_bridge()?;
    let qr = story.bridge().event("qr").await?;
    let payload = qr["qr"].as_str().context("a payload")?;
    elsewhere.phone().scan(payload).await?;
    let warning = story
        .bridge()
        .hears("that another number is linked", |lines| {
            loong_tests::scenario::process::events(lines, "warning")
                .into_iter()
                .find(|event| event["code"] == "account_changed")
        })
        .await?;
    ensure!(!warning.to_string().contains(ANA), "{warning}");
    let dead = told(&story, &["inbox", "list", "--state", "dead"]).await?;
    ensure!(
        dead["counts"]["dead"] == 1 && dead["counts"]["waiting"] == 0,
        "{dead}"
    );
    Ok(())
}
