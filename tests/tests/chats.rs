//! Who writes, and who may: from everybody to a list, and from refused to let in, while all runs.
#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::{PATIENCE, Scenario};
use serde_json::Value;

const ANA: &str = "15551234567";
const BEN: &str = "15557654321";
const CLEO: &str = "15550102030";

async fn chats(story: &Scenario, words: &[&str]) -> Result<Value> {
    let words = [&["whatsapp-personal", "chats"], words, &["--json"]].concat();
    story.machine.run(&words).await?.succeeded()?.json()
}

fn about<'a>(listed: &'a Value, number: &str) -> Result<&'a Value> {
    let target = format!("whatsapp-personal:default:contact:+{number}");
    let mut items = listed["items"].as_array().into_iter().flatten();
    items
        .find(|item| item["target"] == target)
        .with_context(|| format!("{target} is not listed: {listed}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_becomes_a_list_and_who_was_refused_is_let_in_while_all_runs() -> Result<()> {
    let mut story = Scenario::prepared(&["*"], "").await?;
    let config = story.machine.minimal_config(&["*"], "");
    let config = config.replace(
        "allowed_chat_ids = [\"*\"]",
        "# who may write\nallowed_chat_ids = [\n  \"*\", # until I know them\n]",
    );
    story.machine.configure(&config)?;
    story.starts_bridge()?;
    story.scans().await?;
    story.serves(&["--reply", "echo"])?;
    let ana = story.sim.contact("Ana", ANA);
    let ben = story.sim.contact("Ben", BEN);
    let cleo = story.sim.contact("Cleo", CLEO);
    for person in [&ana, &ben, &cleo] {
        person.says("hello").await?;
        person.next_message(PATIENCE).await?;
    }
    let known = chats(&story, &[]).await?;
    ensure!(known["everybody"] == true, "{known}");
    for (number, name) in [(ANA, "Ana"), (BEN, "Ben"), (CLEO, "Cleo")] {
        let item = about(&known, number)?;
        ensure!(item["name"] == name && item["entry"] == "*", "{item}");
        ensure!(
            item["messages_in"] == 1 && item["messages_out"] == 1,
            "{item}"
        );
    }

    let narrowed = [
        "allow",
        "contact:+1 555 123 4567",
        "contact:+15557654321",
        "--narrow",
        "--yes",
    ];
    let done = chats(&story, &narrowed).await?;
    ensure!(
        done["narrowed"] == true && done["bridge"] == "told",
        "{done}"
    );
    cleo.says("still there?").await?;
    story.bridge().event("message_refused").await?;
    ben.says("and I?").await?;
    ensure!(ben.next_message(PATIENCE).await?.text.contains("and I?"));
    ensure!(cleo.received().len() == 1, "{:?}", cleo.received());
    let refused = chats(&story, &["--refused"]).await?;
    let item = about(&refused, CLEO)?;
    ensure!(
        item["messages_in"] == 1 && item["name"].is_null() && item["allowed"] == false,
        "{item}"
    );
    let known = chats(&story, &[]).await?;
    ensure!(about(&known, CLEO)?["allowed"] == false, "{known}");
    ensure!(about(&known, BEN)?["entry"] == "+15557654321", "{known}");

    let target = item["target"].as_str().context("a target")?;
    let done = chats(&story, &["allow", target]).await?;
    ensure!(
        done["chats"][0]["added"] == true && done["bridge"] == "told",
        "{done}"
    );
    cleo.says("and now?").await?;
    ensure!(cleo.next_message(PATIENCE).await?.text.contains("and now?"));
    ensure!(cleo.received().len() == 2, "{:?}", cleo.received());

    let text = std::fs::read_to_string(story.machine.config_file())?;
    for kept in ["# who may write", "# until I know them"] {
        ensure!(text.contains(kept), "{text}");
    }
    let parsed: toml::Table = toml::from_str(&text)?;
    let list = parsed["whatsapp_personal"]["allowed_chat_ids"].to_string();
    ensure!(
        list == "[\"+15551234567\", \"+15557654321\", \"+15550102030\"]",
        "{list}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_named_while_the_bridge_runs_outlives_its_crash() -> Result<()> {
    let mut story = Scenario::paired(&["+15551234567"], "").await?;
    let ben = story.sim.contact("Ben", BEN);
    story.serves(&["--reply", "echo"])?;
    chats(&story, &["allow", "contact:+15557654321"]).await?;
    let listening = story.bridge().event("listening").await?;
    let pid = listening["pid"].as_i64().context("a process id")?;
    let process = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a process")?;
    rustix::process::kill_process(process, rustix::process::Signal::KILL)?;
    story.bridge().nth_event("connected", 2).await?;
    ben.says("may I?").await?;
    ensure!(ben.next_message(PATIENCE).await?.text.contains("may I?"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_accounts_that_cannot_be_meant_change_nothing() -> Result<()> {
    let story = Scenario::prepared(&["*"], "").await?;
    let accounts = "[whatsapp_personal.accounts.home]\naccount_id = \"home\"\n\n[whatsapp_personal.accounts.work]\naccount_id = \"work\" # mine\n";
    let config = story.machine.minimal_config(&["*"], accounts);
    story.machine.configure(&config)?;
    for (words, said) in [
        (
            &["work:contact:+15551234567", "--account", "home"][..],
            "selected",
        ),
        (&["away:contact:+15551234567"][..], "no account `away`"),
        (&["contact:+15551234567"][..], "several accounts"),
        (&["work:contact:123"][..], "7 to 15 digits"),
        (
            &["work:contact:+15551234567", "home:contact:+15551234567"][..],
            "several accounts",
        ),
    ] {
        let all = [&["whatsapp-personal", "chats", "allow"], words].concat();
        let ran = story.machine.run(&all).await?;
        ensure!(ran.code != Some(0) && ran.stderr.contains(said), "{ran:?}");
        ensure!(std::fs::read_to_string(story.machine.config_file())? == config);
    }

    let done = chats(&story, &["allow", "work:contact:+15551234567"]).await?;
    ensure!(
        done["new_list"] == true
            && done["list"] == "whatsapp_personal.accounts.work.allowed_chat_ids",
        "{done}"
    );
    let text = std::fs::read_to_string(story.machine.config_file())?;
    let own = "account_id = \"work\" # mine\nallowed_chat_ids = [\"*\", \"+15551234567\"]\n";
    ensure!(text.contains(own), "{text}");
    ensure!(text.contains("allowed_chat_ids = [\"*\"]\n"), "{text}");
    Ok(())
}
