//! A contact whose client keeps to no rule: bytes that are no message, sizes and names that nobody
//! would choose. Everybody else is answered, and nothing of it acts in a terminal.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context as _, Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario, process};
use loong_tests::sim::content;
use serde_json::Value;

const ANA: &str = "15551234567";
const MALLORY: &str = "15557654321";
/// Clears the screen, sets a title, turns the direction of writing, begins a line of its own.
const ACTING: &str =
    "Mal\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\u{2066}\u{9b}31m\rlory\nerror: all is lost\u{200f}";
/// A text whose three bytes are half a character; the padding is one byte.
const HALF_A_CHARACTER: [u8; 6] = [0x0a, 3, 0xed, 0xa0, 0x80, 1];

/// Plaintexts that are no message, or one that nobody would write.
fn no_messages() -> Vec<Vec<u8>> {
    let mut deep = vec![0x0a, 1, b'x'];
    for _ in 0..2_000 {
        // `ephemeral_message` (field 40), and in it `message` (field 1).
        deep = within(&[0xc2, 0x02], &within(&[0x0a], &deep));
    }
    deep.push(1);
    vec![
        vec![0],
        vec![255],
        vec![1],
        vec![17; 17],
        b"no protobuf at all\x01".to_vec(),
        // A text of 127 bytes, of which one is there; a group that never ends; a field of no type.
        vec![0x0a, 0x7f, b'x', 1],
        vec![0x0b, 0x0b, 0x0b, 1],
        vec![0x07, 1],
        // A reaction, a deletion and an edit of nothing; keys for groups that are none.
        vec![0xf2, 0x02, 0, 1],
        vec![0x62, 2, 0x10, 0, 1],
        vec![0x62, 2, 0x10, 14, 1],
        vec![0x12, 0, 1],
        vec![0x12, 4, 0x12, 2, 9, 9, 1],
        deep,
    ]
}

fn within(tag: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut outer = tag.to_vec();
    let mut length = bytes.len();
    while length > 0x7f {
        outer.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    outer.push(u8::try_from(length).unwrap_or_default());
    outer.extend_from_slice(bytes);
    outer
}

/// Whether `c` does something in a terminal instead of showing something.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn shows_nothing_that_acts(what: &str, text: &str) -> Result<()> {
    let found = text.char_indices().find(|(_, c)| acts(*c));
    ensure!(
        found.is_none(),
        "{what} shows {found:?}: {}",
        text.escape_debug()
    );
    // A name must not pass for a line of ours.
    ensure!(
        !text
            .lines()
            .any(|line| line.starts_with("error: all is lost")),
        "{what} shows a forged line: {text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_stop_nobody_and_are_counted() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    story.serves(&["--reply", "echo"])?;
    let ana = story.sim.contact("Ana", ANA);
    let mallory = story.sim.contact("Mallory", MALLORY);
    for plain in no_messages() {
        mallory.sends_bytes(&plain).await?;
    }
    ana.says("still there?").await?;
    let answer = ana.next_message(PATIENCE).await?;
    ensure!(answer.text.contains("still there?"), "{answer:?}");
    mallory.says("and for me?").await?;
    mallory
        .wait_for_messages(PATIENCE, "an answer to an honest message", |all| {
            Ok(all.iter().any(|one| one.text.contains("and for me?")))
        })
        .await?;
    let told = story
        .machine
        .run(&["whatsapp-personal", "bridge", "status", "--json"])
        .await?
        .succeeded()?
        .json()?;
    let text = told.to_string();
    ensure!(text.contains("undecryptable"), "{text}");
    let warnings = process::events(&story.bridge().lines(), "warning");
    ensure!(
        warnings.iter().all(|it| it["code"] != "stray_failure"),
        "the connection is made anew for it: {warnings:?}"
    );

    // What an earlier run could not read does not stop the next one either.
    story.stops_bridge().await?;
    story.starts_bridge()?;
    story.online().await?;
    ana.says("and now?").await?;
    let answer = ana.next_message(PATIENCE).await?;
    ensure!(answer.text.contains("and now?"), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_character_blocks_no_answer_that_holds_it() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let mallory = story.sim.contact("Mallory", MALLORY);
    mallory.sends_bytes(&HALF_A_CHARACTER).await?;
    story.bridge().event("message_in").await?;
    ana.says("after it").await?;
    story.bridge().nth_event("message_in", 2).await?;
    // Both are in one answer of the bridge.
    story.serves(&["--reply", "echo"])?;
    let answer = ana.next_message(PATIENCE).await?;
    ensure!(answer.text.contains("after it"), "{answer:?}");
    let answer = mallory.next_message(PATIENCE).await?;
    ensure!(answer.text.contains('\u{fffd}'), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_sizes_are_cut_and_hold_nobody_up() -> Result<()> {
    let mut story = Scenario::paired(&["*"], "").await?;
    let ana = story.sim.contact("Ana", ANA);
    let mallory = story.sim.contact("Mallory", MALLORY);
    let crowd: Vec<String> = (0..20_000)
        .map(|n| format!("1555{n:07}@s.whatsapp.net"))
        .collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    let cards: Vec<(&str, &str)> = vec![("Nobody\u{1b}[2J", "15550000000"); 2_000];
    mallory.says(&"\u{1}".repeat(400_000)).await?;
    mallory
        .says(&"\u{1f469}\u{200d}\u{1f680}".repeat(20_000))
        .await?;
    mallory.sends(content::mention("look", &crowd)).await?;
    mallory.sends(content::contact_cards(&cards)).await?;
    ana.says("and I?").await?;
    story.bridge().nth_event("message_in", 5).await?;
    for _ in 0..5 {
        let (status, batch) = story
            .posts(
                "receive_batch",
                serde_json::json!({"wait_ms": 20_000, "max_messages": 1}),
            )
            .await?;
        ensure!(status == 200, "{status}");
        let message = batch
            .pointer("/payload/messages/0")
            .context("a message is handed out")?;
        let text = message
            .get("text")
            .and_then(Value::as_str)
            .context("text")?;
        ensure!(text.encode_utf16().count() <= 65_536, "{}", text.len());
        story
            .posts("ack_inbound", serde_json::json!({"message": message}))
            .await?;
    }
    ana.says("still there?").await?;
    story.serves(&["--reply", "echo"])?;
    let answer = ana.next_message(PATIENCE).await?;
    ensure!(answer.text.contains("still there?"), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_texts_that_act_are_shown_as_nothing_that_acts() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let config = story.machine.minimal_config(&["*"], "");
    let config = config.replace(
        "[whatsapp_personal]\n",
        "[whatsapp_personal]\ngroup_reply = \"always\"\n",
    );
    story.machine.configure(&config)?;
    story.starts_bridge()?;
    story.scans().await?;
    let mallory = story.sim.contact(ACTING, MALLORY);
    let team = story.sim.group(ACTING, &[&mallory]);
    mallory.says(ACTING).await?;
    mallory
        .sends(content::document(ACTING, Some(ACTING)))
        .await?;
    mallory.says_in(&team, ACTING).await?;
    story.bridge().nth_event("message_in", 3).await?;
    mallory.says_in(&team, ACTING).await?;
    story.bridge().nth_event("message_in", 4).await?;

    let commands: &[&[&str]] = &[
        &["whatsapp-personal", "chats"],
        &["whatsapp-personal", "inbox", "list"],
        &["whatsapp-personal", "inbox", "list", "--show-text"],
        &["whatsapp-personal", "bridge", "status"],
        &["channels", "list"],
        &["doctor"],
    ];
    for command in commands {
        let plain = story.machine.run(command).await?;
        let all = format!("{}{}", plain.stdout, plain.stderr);
        shows_nothing_that_acts(&command.join(" "), &all)?;
        let json = [*command, &["--json"]].concat();
        let told = story.machine.run(&json).await?;
        shows_nothing_that_acts(&json.join(" "), &format!("{}{}", told.stdout, told.stderr))?;
        told.json()?;
    }
    let listed = story
        .machine
        .run(&[
            "whatsapp-personal",
            "inbox",
            "list",
            "--show-text",
            "--json",
        ])
        .await?;
    ensure!(
        listed.json()?.to_string().contains("\\u001b[2J"),
        "the text is told as it is: {}",
        listed.stdout
    );
    let items = story
        .machine
        .run(&["whatsapp-personal", "chats", "--json"])
        .await?
        .json()?;
    ensure!(items.to_string().contains("Mal [2J"), "{items}");

    // The same for a person who watches, and in both kinds of a log.
    story.stops_bridge().await?;
    for more in [
        &["--log", "trace"][..],
        &["--log", "trace", "--log-format", "json"],
    ] {
        let arguments = [
            &["whatsapp-personal", "bridge", "run", "--skip-install"],
            more,
        ]
        .concat();
        let mut bridge = story.machine.start("bridge run", &arguments)?;
        story.sim.wait_until_online(PATIENCE).await?;
        mallory.says(ACTING).await?;
        let serving = [
            &["channels", "serve", "whatsapp-personal", "--reply", "echo"],
            more,
        ]
        .concat();
        let mut serve = story.machine.start("channels serve", &serving)?;
        mallory.next_message(PATIENCE).await?;
        for (what, running) in [("bridge run", &mut bridge), ("channels serve", &mut serve)] {
            running.interrupt()?;
            running.ends().await?;
            for line in running.lines() {
                shows_nothing_that_acts(what, &line.text)?;
            }
        }
    }
    Ok(())
}
