//! The fence below the agent: how much leaves, and to whom, whatever a caller asks for.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::time::Instant;

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};
use serde_json::{Value, json};

const ANA: &str = "15551234567";
const BEN: &str = "15557654321";
const CLEO: &str = "15550102030";

/// A linked account with `keys` in its block, whose minute is `minute_ms` long.
async fn paired(allowed: &[&str], keys: &str, minute_ms: u64) -> Result<Scenario> {
    let mut story = Scenario::prepared_with(allowed, keys).await?;
    story
        .machine
        .times(&json!({ "minuteMs": minute_ms, "backoffFirstMs": 20 }))?;
    story.starts_bridge()?;
    story.scans().await?;
    Ok(story)
}

/// A plain send, as an agent's program would make it; its request allows every chat.
async fn writes(story: &Scenario, number: &str, key: &str) -> Result<(u16, Value)> {
    let target = json!({
        "platform": "whatsapp", "kind": "conversation", "id": format!("contact:+{number}"),
        "options": { "idempotency_key": key },
    });
    let payload = json!({ "target": target, "message": { "Text": format!("hello {number}") } });
    let (status, mut answer) = story.posts("send_message", payload).await?;
    Ok((status, answer["payload"].take()))
}

async fn status(story: &Scenario) -> Result<Value> {
    let words = ["whatsapp-personal", "bridge", "status", "--json"];
    story.machine.run(&words).await?.succeeded()?.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_over_the_cap_arrive_later_all_of_them_in_order_and_once_also_after_a_restart()
-> Result<()> {
    let minute_ms = 6_000;
    let mut story = paired(&["*"], "max_messages_per_minute = 3", minute_ms).await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    story.serves(&["--reply", "echo"])?;
    story.server().says("connected to the bridge").await?;

    let began = Instant::now();
    let texts: Vec<String> = (1..=7).map(|number| format!("message {number}")).collect();
    for text in &texts {
        ana.says(text).await?;
    }
    ben.says("and mine").await?;
    // Serve has its answer for each, and none is refused.
    story.bridge().nth_event("message_done", 8).await?;
    let capped = story.bridge().event("cap_reached").await?;
    ensure!(capped["cap"] == "messages_per_minute", "{capped}");
    ensure!(
        capped.as_object().is_some_and(|it| it.len() == 3),
        "{capped}"
    );
    let shown = status(&story).await?;
    ensure!(
        shown["held"]["messages"].as_u64() >= Some(1) && shown["held"]["since"].is_u64(),
        "{shown}"
    );
    ensure!(shown["caps"]["messages_per_minute"]["used"] == 3, "{shown}");

    // Nobody answers any more; what was accepted is the bridge's, over its restart, too.
    story.stops_serving().await?;
    story.stops_bridge().await?;
    story.starts_bridge()?;
    story.online().await?;
    for text in &texts {
        let answer = ana.next_message(PATIENCE).await?.text;
        ensure!(&answer == text, "{answer} came before {text}");
    }
    ensure!(ben.next_message(PATIENCE).await?.text == "and mine");
    // 8 messages, 3 a minute: the last ones belong to the third minute.
    let took = began.elapsed().as_millis();
    ensure!(
        took >= 2 * u128::from(minute_ms),
        "all of it took {took} ms"
    );
    ensure!(ana.received().len() == texts.len(), "{:?}", ana.received());
    ensure!(ben.received().len() == 1, "{:?}", ben.received());
    let shown = status(&story).await?;
    ensure!(
        shown["held"].is_null() && shown["queue"]["pending_out"] == 0,
        "{shown}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_burst_to_strangers_is_refused_after_so_many_and_whom_it_knows_it_still_reaches()
-> Result<()> {
    let mut story = paired(&["*"], "max_new_chats_per_day = 2", 60_000).await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    let cleo = story.sim.contact("Cleo", CLEO);
    ensure!(writes(&story, ANA, "1").await?.0 == 200);
    ensure!(writes(&story, BEN, "2").await?.0 == 200);
    let (refused, answer) = writes(&story, CLEO, "3").await?;
    ensure!(
        refused == 429 && answer["code"] == "rate_limited" && answer["retryable"] == true,
        "{answer}"
    );
    ensure!(answer["retry_after_ms"].as_u64() > Some(0), "{answer}");
    // The operator's own command is no other caller, and hears why.
    let sent = story.sends(&format!("contact:+{CLEO}"), "hello").await?;
    let sent = sent.ended_with(1)?;
    ensure!(sent.stderr.contains("max_new_chats_per_day"), "{sent:?}");

    // Who writes first is answered.
    story.serves(&["--reply", "echo"])?;
    cleo.says("who are you?").await?;
    ensure!(cleo.next_message(PATIENCE).await?.text == "who are you?");
    ensure!(writes(&story, CLEO, "3").await?.0 == 200, "no stranger now");
    ensure!(cleo.next_message(PATIENCE).await?.text.starts_with("hello"));
    for contact in [&ana, &ben] {
        contact.next_message(PATIENCE).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_not_on_the_bridges_own_list_is_not_written_to_though_the_request_allows_all()
-> Result<()> {
    let story = paired(&[&format!("+{BEN}")], "", 60_000).await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    let (refused, answer) = writes(&story, ANA, "1").await?;
    ensure!(
        refused == 403 && answer["code"] == "chat_not_allowed" && answer["retryable"] == false,
        "{answer}"
    );
    ensure!(
        answer["error"].to_string().contains("chats allow"),
        "{answer}"
    );
    ensure!(writes(&story, BEN, "2").await?.0 == 200);
    ben.next_message(PATIENCE).await?;
    ensure!(ana.received().is_empty(), "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_chat_that_is_taken_off_the_list_never_leaves() -> Result<()> {
    let mut story = paired(&["*"], "max_messages_per_minute = 1", 15_000).await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    story.serves(&["--reply", "echo"])?;
    ben.says("first").await?;
    ben.next_message(PATIENCE).await?;
    ana.says("this waits").await?;
    story.bridge().nth_event("message_done", 2).await?;
    ben.says("and this, too").await?;

    let target = format!("contact:+{BEN}");
    let words = [
        "whatsapp-personal",
        "chats",
        "allow",
        &target,
        "--narrow",
        "--yes",
    ];
    story.machine.run(&words).await?.succeeded()?;
    let withheld = story.bridge().event("message_withheld").await?;
    ensure!(!withheld.to_string().contains(ANA), "{withheld}");
    ensure!(ben.next_message(PATIENCE).await?.text == "and this, too");
    ensure!(ana.received().is_empty(), "{:?}", ana.received());
    let (_, told) = story.posts("bridge_status", json!({})).await?;
    let outbox = &told["payload"]["outbox"];
    ensure!(outbox["failed"] == 1 && outbox["pending"] == 0, "{told}");
    Ok(())
}
