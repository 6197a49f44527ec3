//! From nothing to an account that answers, by a few questions.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::plugin_root;
use loong_tests::scenario::{Finished, Machine, PATIENCE, drawn_qr};
use loong_tests::sim::Simulator;
use serde_json::Value;

const ANA: &str = "+15551234567";

/// `setup` where nobody can be asked.
async fn setup(machine: &Machine, more: &[&str]) -> Result<Finished> {
    let root = plugin_root();
    let root = root.to_str().context("a path of text")?;
    let mut arguments = vec!["whatsapp-personal", "setup", "--root", root];
    arguments.extend(more);
    machine.run(&arguments).await
}

const ANSWERED: [&str; 6] = ["--allow", ANA, "--reply", "echo", "--yes", "--json"];

fn config(machine: &Machine) -> Option<String> {
    std::fs::read_to_string(machine.config_file()).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_typed_answers_lead_to_an_account_that_answers() -> Result<()> {
    let sim = Simulator::start().await?;
    let machine = Machine::new(Some(&sim.web_url()))?;
    let url = machine.bridge_url();
    let arguments = ["whatsapp-personal", "setup", "--bridge-url", &url];
    let mut setup = machine.at_terminal("setup", &arguments)?;
    let root = plugin_root().display().to_string();
    for (asked, typed) in [
        ("In which folder are the channel plugins?", "./not-there"),
        ("not-there is no folder", &root),
        ("What is the account called? [default]", "group"),
        ("cannot be called `group`", ""),
        ("Which chats may write to the agent", "Ana"),
        ("write a number (+15551234567)", ANA),
        ("What answers the messages", "parrot"),
        ("answer with echo, command or provider", ""),
        ("type yes and Enter to go on", "yes"),
        ("Start the bridge now, and link the account", "yes"),
    ] {
        setup.says(asked).await?;
        setup.types(&format!("{typed}\n")).await?;
    }
    let qr = setup.hears("a drawn QR code", drawn_qr::last).await?;
    sim.phone().scan(&qr).await?;
    sim.wait_until_online(PATIENCE).await?;

    let doctor = machine.run(&["doctor"]).await?;
    ensure!(doctor.code == Some(0), "{doctor:?}");
    let ana = sim.contact("Ana", "15551234567");
    ana.says("are you set up?").await?;
    machine
        .run(&["channels", "serve", "whatsapp-personal", "--once"])
        .await?
        .succeeded()?;
    ensure!(
        ana.next_message(PATIENCE)
            .await?
            .text
            .contains("are you set up?")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_say_yes_changes_nothing() -> Result<()> {
    let machine = Machine::new(None)?;
    let root = plugin_root().display().to_string();
    let arguments = [
        "whatsapp-personal",
        "setup",
        "--root",
        &root,
        "--account",
        "home",
        "--allow",
        ANA,
        "--reply",
        "echo",
    ];
    let mut setup = machine.at_terminal("setup", &arguments)?;
    setup.says("+ [whatsapp_personal.accounts.home]").await?;
    setup.says("type yes and Enter to go on").await?;
    setup.types("no\n").await?;
    setup.says("nothing was changed").await?;
    ensure!(setup.ends().await?.code() == Some(1), "{setup}");
    ensure!(config(&machine).is_none(), "{setup}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_an_empty_home_becomes_one_that_only_lacks_its_bridge() -> Result<()> {
    let machine = Machine::new(None)?;
    let told = setup(&machine, &ANSWERED).await?.succeeded()?.json()?;
    ensure!(told["account"] == "default", "{told}");
    ensure!(
        told["auth_dir"] == "~/.loong/whatsapp-personal/default",
        "{told}"
    );
    let diagnosis = machine.run(&["doctor", "--json"]).await?.json()?;
    for check in diagnosis["checks"].as_array().context("checks")? {
        let id = check["id"].as_str().context("an id")?;
        ensure!(
            check["status"] != "fail" || id.starts_with("bridge"),
            "{check}"
        );
    }
    let text = config(&machine).context("a configuration")?;
    for comment in [
        "# The chats that may write to the agent",
        "# Where the account's bridge answers",
        "# What answers",
    ] {
        ensure!(text.contains(comment), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_account_gets_its_own_port_and_folder_and_takes_nothing_from_the_first()
-> Result<()> {
    let machine = Machine::new(None)?;
    setup(&machine, &ANSWERED).await?.succeeded()?;
    let text = config(&machine).context("a configuration")?;
    let mine = text.replace("enabled = true", "enabled = true # mine");
    machine.configure(&mine)?;
    let before = account(&machine, "default").await?;

    let work = [
        "--account",
        "Work",
        "--allow",
        "120363012345678901@g.us",
        "--yes",
        "--json",
    ];
    let told = setup(&machine, &work).await?.succeeded()?.json()?;
    ensure!(told["account"] == "work", "{told}");
    ensure!(
        told["auth_dir"] == "~/.loong/whatsapp-personal/work",
        "{told}"
    );
    ensure!(told["bridge_url"] != before["api_base_url"], "{told}");

    let after = account(&machine, "default").await?;
    for kept in ["api_base_url", "label", "is_default_account", "operations"] {
        ensure!(after[kept] == before[kept], "{kept}: {after} {before}");
    }
    let work = account(&machine, "work").await?;
    ensure!(work["operations"][1]["health"] == "ready", "{work}");
    let text = config(&machine).context("a configuration")?;
    ensure!(text.matches("enabled = true # mine").count() == 2, "{text}");
    Ok(())
}

/// What the list says of an account.
async fn account(machine: &Machine, id: &str) -> Result<Value> {
    let list = machine
        .run(&["channels", "--json"])
        .await?
        .succeeded()?
        .json()?;
    let accounts = list["channels"].as_array().context("channels")?;
    let mut named = accounts
        .iter()
        .filter(|it| it["configured_account_id"] == id);
    named
        .next()
        .cloned()
        .with_context(|| format!("no {id}: {list}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_rule_and_nothing_changes() -> Result<()> {
    let machine = Machine::new(None)?;
    for (more, why) in [
        (
            &["--account", "contact", "--allow", ANA][..],
            "cannot be called `contact`",
        ),
        (
            &["--account", "!!", "--allow", ANA],
            "neither a letter nor a digit",
        ),
        (&["--allow", "Ana"], "write a number (+15551234567)"),
        (
            &["--allow", ANA, "--bridge-url", "http://192.0.2.1:1/bridge"],
            "must stay on this machine",
        ),
        (&[], "add --allow <chat>, or --allow-all"),
    ] {
        let refused = setup(&machine, &[more, &["--reply", "echo", "--yes"]].concat()).await?;
        let refused = refused.ended_with(2)?;
        ensure!(refused.stderr.contains(why), "{why}: {refused:?}");
        ensure!(config(&machine).is_none(), "{refused:?}");
    }

    setup(&machine, &ANSWERED).await?.succeeded()?;
    let before = config(&machine);
    let port = account(&machine, "default").await?["api_base_url"].clone();
    let url = port.as_str().context("an address")?;
    for (more, why) in [
        (&["--allow", ANA][..], "is set up already"),
        (
            &["--allow", ANA, "--account", "work", "--bridge-url", url],
            "the same identity",
        ),
    ] {
        let refused = setup(&machine, &[more, &["--yes"]].concat())
            .await?
            .ended_with(2)?;
        ensure!(refused.stderr.contains(why), "{why}: {refused:?}");
        ensure!(config(&machine) == before, "{refused:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_the_account_to_everybody_is_said_aloud() -> Result<()> {
    let machine = Machine::new(None)?;
    let open = setup(
        &machine,
        &["--allow-all", "--reply", "echo", "--yes", "--no-pair"],
    )
    .await?;
    let open = open.succeeded()?;
    ensure!(
        open.stderr
            .contains("warning: everybody who can reach this account"),
        "{open:?}"
    );
    ensure!(
        config(&machine)
            .context("a configuration")?
            .contains("[\"*\"]")
    );
    Ok(())
}
