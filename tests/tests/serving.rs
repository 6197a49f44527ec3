//! Contacts write; Loong answers.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use std::path::Path;

use anyhow::{Result, ensure};
use loong_tests::scenario::provider::{Manner, Provider};
use loong_tests::scenario::{PATIENCE, Scenario, write_script};
use loong_tests::sim::content;
use serde_json::{Value, json};

const ANA: &str = "15551234567";
const BEN: &str = "15557654321";

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_writes_and_the_echo_comes_back_once() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;

    ana.says("first").await?;
    ensure!(ana.next_message(PATIENCE).await?.text.contains("first"));
    ana.says("second").await?;
    ensure!(ana.next_message(PATIENCE).await?.text.contains("second"));

    // Acknowledged: the next one who asks gets nothing, and nobody is answered twice.
    story.stops_serving().await?;
    let (status, left) = story.posts("receive_batch", json!({"wait_ms": 0})).await?;
    ensure!(
        status == 200 && left["payload"]["messages"] == json!([]),
        "left over: {left}"
    );
    ensure!(ana.received().len() == 2, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_once_answers_what_is_there_and_ends() -> Result<()> {
    let story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    for text in ["one", "two", "three"] {
        ana.says(text).await?;
    }
    story.bridge().nth_event("message_in", 3).await?;

    story
        .machine
        .run(&[
            "channels",
            "serve",
            "whatsapp-personal",
            "--once",
            "--reply",
            "echo",
        ])
        .await?
        .succeeded()?;

    let answers: Vec<String> = ana
        .received()
        .into_iter()
        .map(|received| received.text)
        .collect();
    ensure!(answers.len() == 3, "{answers:?}");
    for (answer, text) in answers.iter().zip(["one", "two", "three"]) {
        ensure!(answer.contains(text), "out of order: {answers:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_operator_answers() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let program = write_script(
        story.machine.home(),
        "answer.sh",
        "cat > \"$HOME/question.json\"; echo 'from my program'",
    )?;
    story.machine.configure(&story.machine.minimal_config(
        &["*"],
        &format!("[reply]\nengine = \"command\"\ncommand = [{program:?}]\n"),
    ))?;
    story.starts_bridge()?;
    story.scans().await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&[])?;

    let id = ana.says("what do you know?").await?;

    ensure!(ana.next_message(PATIENCE).await?.text == "from my program");
    let question: Value =
        serde_json::from_slice(&std::fs::read(story.machine.home().join("question.json"))?)?;
    for (field, expected) in [
        ("version", json!(1)),
        ("channel", json!("whatsapp-personal")),
        ("account", json!("default")),
        ("conversation_id", json!("15551234567@s.whatsapp.net")),
        ("message_id", json!(id)),
        ("sender_name", json!("Ana")),
        ("group", json!(false)),
        ("text", json!("what do you know?")),
    ] {
        ensure!(
            question[field] == expected,
            "{field} is not {expected} in {question}"
        );
    }
    ensure!(
        question["received_at"]
            .as_u64()
            .is_some_and(|at| at > 1_600_000_000_000),
        "{question}"
    );
    ensure!(
        question["sender"]
            .as_str()
            .is_some_and(|sender| !sender.is_empty()),
        "{question}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_answer_holds_back_no_other_chat() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    // Ana's answer waits behind a named pipe: a gate that only the story opens.
    let program = write_script(
        story.machine.home(),
        "gate.sh",
        "question=$(cat); case \"$question\" in *slow*) cat \"$HOME/gate\" >/dev/null; echo 'slow answer';; *) echo 'quick answer';; esac",
    )?;
    let gate = story.machine.home().join("gate");
    ensure!(
        std::process::Command::new("mkfifo")
            .arg(&gate)
            .status()?
            .success()
    );
    story.machine.configure(&story.machine.minimal_config(
        &["*"],
        &format!("[reply]\nengine = \"command\"\ncommand = [{program:?}]\n"),
    ))?;
    story.starts_bridge()?;
    story.scans().await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    story.serves(&[])?;

    ana.says("slow question").await?;
    story.bridge().event("message_in").await?;
    for round in 0..3 {
        ben.says(&format!("quick question {round}")).await?;
        ensure!(ben.next_message(PATIENCE).await?.text == "quick answer");
    }
    ensure!(
        ana.received().is_empty(),
        "the gate did not hold: {:?}",
        ana.received()
    );

    // Opening a pipe for writing waits for its reader: never on a thread of the runtime.
    tokio::task::spawn_blocking(move || std::fs::write(gate, "open")).await??;
    ensure!(ana.next_message(PATIENCE).await?.text == "slow answer");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_provider_answers_with_the_history_of_the_chat() -> Result<()> {
    provider_story(Manner::Streamed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_stream_answers_too() -> Result<()> {
    provider_story(Manner::Whole).await
}

async fn provider_story(manner: Manner) -> Result<()> {
    let provider = Provider::answering("I am well, thank you", manner).await?;
    let stream = manner == Manner::Streamed;
    let config = format!(
        "[reply]\nengine = \"provider\"\ninstructions = \"Be kind.\"\n\n[provider]\nkind = \"openai\"\nmodel = \"scripted\"\n\
         base_url = {:?}\napi_key = \"planted-key-123\"\nstream = {stream}\n",
        provider.base_url()
    );
    let mut story = Scenario::paired(&["*"], &config).await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&[])?;

    for question in ["how are you?", "really?"] {
        ana.says(question).await?;
        ensure!(ana.next_message(PATIENCE).await?.text == "I am well, thank you");
    }

    let asked = provider.asked();
    ensure!(asked.len() == 2, "{asked:?}");
    let last = &asked[1];
    ensure!(last["authorization"] == "Bearer planted-key-123", "{last}");
    let messages = last["body"]["messages"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let turns: Vec<(&str, &str)> = messages
        .iter()
        .map(|message| {
            (
                message["role"].as_str().unwrap_or(""),
                message["content"].as_str().unwrap_or(""),
            )
        })
        .collect();
    ensure!(
        turns
            == [
                ("system", "Be kind."),
                ("user", "how are you?"),
                ("assistant", "I am well, thank you"),
                ("user", "really?"),
            ],
        "{turns:?}"
    );
    for line in story.server().lines() {
        ensure!(
            !line.text.contains("planted-key"),
            "the key is shown: {line:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_outside_the_allowlist_is_neither_answered_nor_kept() -> Result<()> {
    let mut story = Scenario::paired(&["+15551234567"], "").await?;
    let (ana, ben) = (story.sim.contact("Ana", ANA), story.sim.contact("Ben", BEN));
    story.serves(&["--reply", "echo"])?;

    ben.says("aubergine secret").await?;
    story.bridge().event("message_refused").await?;
    ana.says("hello").await?;
    ana.next_message(PATIENCE).await?;

    ensure!(
        ben.received().is_empty(),
        "a stranger was answered: {:?}",
        ben.received()
    );
    story.stops_serving().await?;
    story.stops_bridge().await?;
    for file in files_below(&story.machine.home().join(".loong"))? {
        let bytes = std::fs::read(&file)?;
        let found = bytes.windows(9).any(|window| window == b"aubergine");
        ensure!(
            !found,
            "the text of a refused chat was kept in {}",
            file.display()
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_waits_for_a_bridge_that_is_down_and_recovers() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.stops_bridge().await?;
    story.serves(&["--reply", "echo"])?;
    story.server().says("bridge run").await?;

    story.starts_bridge()?;
    story.online().await?;
    ana.says("back again?").await?;

    ensure!(
        ana.next_message(PATIENCE)
            .await?
            .text
            .contains("back again?")
    );
    let complaints = story
        .server()
        .lines()
        .iter()
        .filter(|line| line.text.contains("bridge run"))
        .count();
    ensure!(
        complaints == 1,
        "said {complaints} times:\n{}",
        story.server()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_text_is_answered_by_what_it_is() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;
    let said = [
        (content::image(Some("the garden")), "[image] the garden"),
        (content::image(None), "[image]"),
        (content::video(Some("waves")), "[video] waves"),
        (content::voice_note(), "[audio]"),
        (content::document("offer.pdf", None), "[document] offer.pdf"),
        (content::location(52.5, 13.4, None), "[location]"),
        (content::contact_card("Ben", BEN), "[contact] Ben"),
        (content::sticker(), "[sticker]"),
        (content::extended_text("a link"), "a link"),
        (content::ephemeral(content::text("soon gone")), "soon gone"),
        (
            content::view_once(content::image(Some("only once"))),
            "[image] only once",
        ),
    ];
    for (content, expected) in said {
        ana.sends(content).await?;
        let answer = ana.next_message(PATIENCE).await?;
        ensure!(
            answer.text.contains(expected),
            "{expected:?} is not in {answer:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_from_the_phone_is_not_answered() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    story.serves(&["--reply", "echo"])?;

    story.sim.phone().says_to(&ana, "from my phone").await?;
    ana.says("and from me").await?;

    let answers: Vec<String> = vec![ana.next_message(PATIENCE).await?.text];
    ensure!(
        answers.iter().all(|answer| answer.contains("and from me")),
        "{answers:?}"
    );
    Ok(())
}

fn files_below(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
