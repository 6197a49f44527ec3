//! What came while the bridge was away, and a WhatsApp that is slow or repeats itself.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::time::Duration;

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};
use serde_json::json;

const ANA: &str = "15551234567";
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_answered_in_order_unless_it_is_too_old() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    story.sim.mark_late_messages(true);
    let ana = story.sim.contact("Ana", ANA);
    story.stops_bridge().await?;
    for (hours, text) in [(25, "long ago"), (3, "first"), (2, "second"), (1, "third")] {
        story.sim.dates_messages_back(HOUR * hours);
        ana.says(text).await?;
    }
    story.starts_bridge()?;
    story.online().await?;
    story.serves(&["--reply", "echo"])?;

    for expected in ["first", "second", "third"] {
        let answer = ana.next_message(PATIENCE).await?;
        ensure!(answer.text == expected, "{answer:?}");
    }
    ensure!(ana.received().len() == 3, "{:?}", ana.received());
    let status = story
        .machine
        .run(&["whatsapp-personal", "bridge", "status", "--json"])
        .await?
        .succeeded()?
        .json()?;
    ensure!(status["counts"]["ignored"]["too_old"] == 1, "{status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_whatsapp_delivers_twice_is_answered_once() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;

    let id = ana.says("once").await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "once");
    story.sim.wait_until_confirmed(&id, PATIENCE).await?;
    story.sim.repeat(&id).await?;
    story.sim.wait_until_confirmed(&id, PATIENCE).await?;
    ana.says("and this").await?;
    ensure!(ana.next_message(PATIENCE).await?.text == "and this");
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_whatsapp_loses_no_send_and_is_found_where_it_says() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.sim.answer_slowly(Duration::from_secs(1));
    story
        .sends("contact:+15551234567", "slowly")
        .await?
        .succeeded()?;
    ensure!(ana.next_message(PATIENCE).await?.text == "slowly");
    story.sim.heal();

    // Told at one login where to connect, it shows that at the next.
    story.sim.route_clients(b"edge-7");
    for n in 2..4 {
        story.sim.drop_connections();
        story.bridge().nth_event("connected", n).await?;
        story.sim.wait_until_online(PATIENCE).await?;
    }
    ensure!(story.sim.route_shown().as_deref() == Some(b"edge-7".as_slice()));
    let (status, left) = story.posts("receive_batch", json!({"wait_ms": 0})).await?;
    ensure!(
        status == 200 && left["payload"]["messages"] == json!([]),
        "{left}"
    );
    Ok(())
}
