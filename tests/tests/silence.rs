//! No key, no text and no number on any output: dependencies of the bridge print session objects
//! with private keys, and ours must never show what people write.

use anyhow::{Result, ensure};
use loong_tests::scenario::{PATIENCE, Running, Scenario};

const ANA: &str = "15551234567";
const PLANTED_QUESTION: &str = "periwinkle-question";
const PLANTED_TEXT: &str = "marmalade-outbound";

/// What libsignal's session objects look like when printed.
const MARKS_OF_KEYS: [&str; 6] = [
    "privKey",
    "Buffer",
    "rootKey",
    "SessionEntry",
    "currentRatchet",
    "Closing session",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_main_job_shows_no_key_no_text_and_no_number() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let bridge = story
        .machine
        .start("bridge run", &["whatsapp-personal", "bridge", "run"])?;
    let qr = bridge
        .hears("a drawn QR code", loong_tests::scenario::drawn_qr::last)
        .await?;
    story.sim.phone().scan(&qr).await?;
    story.sim.wait_until_online(PATIENCE).await?;
    let (ana, ben) = (
        story.sim.contact("Ana", ANA),
        story.sim.contact("Ben", "15557654321"),
    );
    let team = story.sim.group("Team", &[&ana, &ben]);
    story.serves(&["--reply", "echo"])?;

    ana.says(PLANTED_QUESTION).await?;
    ana.next_message(PATIENCE).await?;
    ana.says_in(&team, PLANTED_QUESTION).await?;
    story
        .sends(&format!("group:{}", team.jid()), PLANTED_TEXT)
        .await?
        .succeeded()?;
    let sent = story
        .sends("contact:+15557654321", PLANTED_TEXT)
        .await?
        .succeeded()?;
    // Sessions are closed and replaced across reconnects: the moment when libsignal talks.
    for round in 0..3 {
        story.sim.drop_connections();
        story.sim.wait_until_online(PATIENCE).await?;
        let question = format!("{PLANTED_QUESTION}-{round}");
        ana.says(&question).await?;
        loop {
            if ana.next_message(PATIENCE).await?.text.contains(&question) {
                break;
            }
        }
    }

    silent(&bridge)?;
    silent(story.server())?;
    let everything = format!("{}{}", sent.stdout, sent.stderr);
    ensure!(
        !everything.contains(PLANTED_TEXT),
        "send repeats the text: {everything}"
    );
    Ok(())
}

fn silent(process: &Running) -> Result<()> {
    let secrets = [PLANTED_QUESTION, PLANTED_TEXT, ANA, "5557654321"]
        .into_iter()
        .chain(MARKS_OF_KEYS);
    for secret in secrets {
        for line in process.lines() {
            ensure!(
                !line.text.contains(secret),
                "{secret:?} stands in {line:?}\n{process}"
            );
        }
    }
    ensure!(
        !process.lines().is_empty(),
        "a process that says nothing proves nothing"
    );
    Ok(())
}
