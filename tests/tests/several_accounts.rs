//! Two accounts, two bridges, two numbers on one machine: what belongs to one never leaves by the other.

#![allow(
    clippy::indexing_slicing,
    reason = "a missing field fails the story, as it should"
)]

use anyhow::{Context, Result, ensure};
use loong_tests::scenario::machine::{free_port, plugin_root};
use loong_tests::scenario::process::{Line, events};
use loong_tests::scenario::{Finished, Machine, PATIENCE, Running, drawn_qr};
use loong_tests::sim::{Contact, Phone, Simulator};
use serde_json::Value;

const ANA: &str = "15551234567";
const RUN_ALL: [&str; 5] = [
    "whatsapp-personal",
    "bridge",
    "run",
    "--all-accounts",
    "--skip-install",
];

/// One machine with the accounts `home` and `work`; each belongs to a phone of its own.
struct Accounts {
    sim: Simulator,
    machine: Machine,
    home: Phone,
    work: Phone,
}

impl Accounts {
    async fn prepared() -> Result<Self> {
        let sim = Simulator::start().await?;
        let machine = Machine::new(Some(&sim.web_url()))?;
        let account = |name: &str| -> Result<String> {
            Ok(format!(
                "[whatsapp_personal.accounts.{name}]\nbridge_url = \"http://127.0.0.1:{}/bridge\"\n\
                 auth_dir = \"~/.loong/whatsapp-personal/{name}\"\n",
                free_port()?
            ))
        };
        machine.configure(&format!(
            "[runtime_plugins]\nenabled = true\nroots = [{:?}]\n[reply]\nengine = \"echo\"\n\
             [whatsapp_personal]\nenabled = true\nallowed_chat_ids = [\"*\"]\n{}{}",
            plugin_root(),
            account("home")?,
            account("work")?,
        ))?;
        let (home, work) = (
            sim.phone().clone(),
            sim.contact("Work", "15550002000").phone(),
        );
        Ok(Self {
            sim,
            machine,
            home,
            work,
        })
    }

    /// Both are linked and online; one process runs both bridges.
    async fn paired() -> Result<(Self, Running)> {
        let story = Self::prepared().await?;
        let bridges = story
            .machine
            .start("bridge run", &[&RUN_ALL[..], &["--json"]].concat())?;
        for (account, phone) in [("home", &story.home), ("work", &story.work)] {
            let qr = nth(&bridges, account, "qr", 1).await?;
            phone.scan(qr["qr"].as_str().context("a payload")?).await?;
        }
        for (account, phone) in [("home", &story.home), ("work", &story.work)] {
            let connected = nth(&bridges, account, "connected", 1).await?;
            let end = phone.number().chars().skip(8).collect::<String>();
            let number = connected["phone"].as_str().context("it has a number")?;
            ensure!(
                number.ends_with(&end) && !number.contains(phone.number()),
                "{account}: {connected}"
            );
            phone.wait_until_online(PATIENCE).await?;
        }
        Ok((story, bridges))
    }

    async fn sends(&self, target: &str, more: &[&str]) -> Result<Finished> {
        let send = ["channels", "send", "whatsapp-personal", "--text", "hello"];
        let target = ["--target", target];
        self.machine.run(&[&send[..], &target, more].concat()).await
    }

    async fn bridge(&self, words: &[&str]) -> Result<Finished> {
        let command = [&["whatsapp-personal", "bridge"], words].concat();
        self.machine.run(&command).await
    }
}

/// What the bridge of this account has told under that name.
fn told(lines: &[Line], account: &str, name: &str) -> Vec<Value> {
    let mut all = events(lines, name);
    all.retain(|event| event["account"] == account);
    all
}

/// Waits for the `n`th (from 1) such event.
async fn nth(bridges: &Running, account: &str, name: &str, n: usize) -> Result<Value> {
    let what = format!("event {name} number {n} of {account}");
    bridges
        .hears(&what, |lines| {
            told(lines, account, name).into_iter().nth(n - 1)
        })
        .await
}

/// The next message that reaches `contact` comes from the number of `phone`.
async fn hears_from(contact: &Contact, phone: &Phone, text: &str) -> Result<()> {
    let received = contact.next_message(PATIENCE).await?;
    ensure!(received.from == phone.pn_jid(), "{received:?}");
    ensure!(received.text.contains(text), "{received:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_number_answers_what_was_written_to_it() -> Result<()> {
    let (story, mut bridges) = Accounts::paired().await?;
    let ana = story.sim.contact("Ana", ANA);
    let serve = |account| {
        let words = [
            "channels",
            "serve",
            "whatsapp-personal",
            "--account",
            account,
        ];
        story.machine.start(&format!("serve {account}"), &words)
    };
    let _both = [serve("home")?, serve("work")?];

    ana.says_to(&story.home, "are you at home?").await?;
    hears_from(&ana, &story.home, "are you at home?").await?;
    ana.says_to(&story.work, "are you at work?").await?;
    hears_from(&ana, &story.work, "are you at work?").await?;
    ana.says_to(&story.home, "and now?").await?;
    hears_from(&ana, &story.home, "and now?").await?;

    bridges.interrupt()?;
    let status = bridges.ends().await?;
    ensure!(status.code() == Some(0), "{status}\n{bridges}");
    for account in ["home", "work"] {
        nth(&bridges, account, "stopped", 1).await?;
    }
    ensure!(ana.received().len() == 3, "{:?}", ana.received());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_an_account_leaves_from_the_number_of_that_account() -> Result<()> {
    let (story, bridges) = Accounts::paired().await?;
    let ana = story.sim.contact("Ana", ANA);
    for (account, phone) in [("work", &story.work), ("home", &story.home)] {
        let target = format!("whatsapp-personal:{account}:contact:+{ANA}");
        let sent = story.sends(&target, &["--json"]).await?.succeeded()?;
        let sent = sent.json()?;
        ensure!(
            sent["account"] == account && sent["target"] == *target,
            "{sent}"
        );
        hears_from(&ana, phone, "hello").await?;
    }
    let named = ["--account", "work"];
    story
        .sends("contact:+15551234567", &named)
        .await?
        .succeeded()?;
    hears_from(&ana, &story.work, "hello").await?;
    // Each is one of the contacts of the other.
    let to_home = format!("work:contact:{}", story.home.number());
    story.sends(&to_home, &[]).await?.succeeded()?;
    nth(&bridges, "home", "message_in", 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_contradicts_the_target_is_refused() -> Result<()> {
    let story = Accounts::prepared().await?;
    let target = "whatsapp-personal:work:contact:+15551234567";
    let refused = story.sends(target, &["--account", "home"]).await?;
    let refused = refused.ended_with(2)?;
    for word in ["`work`", "`home`", "hint: "] {
        ensure!(refused.stderr.contains(word), "{word}: {refused:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_default_nobody_guesses_which_account_is_meant() -> Result<()> {
    let story = Accounts::prepared().await?;
    let send = story.sends("contact:+15551234567", &[]).await?;
    let serve = ["channels", "serve", "whatsapp-personal", "--once"];
    let serve = story.machine.run(&serve).await?;
    let run = story.bridge(&["run", "--skip-install"]).await?;
    for refused in [send, serve, run] {
        let refused = refused.ended_with(2)?;
        for word in ["`home`", "`work`", "--account", "default_account"] {
            ensure!(refused.stderr.contains(word), "{word}: {refused:?}");
        }
        ensure!(refused.stdout.is_empty(), "{refused:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_bridge_comes_back_and_the_other_goes_on_undisturbed() -> Result<()> {
    let (story, bridges) = Accounts::paired().await?;
    let ana = story.sim.contact("Ana", ANA);
    let listening = nth(&bridges, "home", "listening", 1).await?;
    let pid = listening["pid"].as_i64().context("a process id")?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a process id")?;
    let before = told(&bridges.lines(), "work", "state").len();

    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    story
        .sends("work:contact:+15551234567", &[])
        .await?
        .succeeded()?;
    hears_from(&ana, &story.work, "hello").await?;

    bridges.says("home: the bridge ended").await?;
    nth(&bridges, "home", "connected", 2).await?;
    story.home.wait_until_online(PATIENCE).await?;
    story
        .sends("home:contact:+15551234567", &[])
        .await?
        .succeeded()?;
    hears_from(&ana, &story.home, "hello").await?;
    let after = told(&bridges.lines(), "work", "state").len();
    ensure!(after == before, "work was disturbed\n{bridges}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_of_one_account_leaves_the_other_linked() -> Result<()> {
    let (story, bridges) = Accounts::paired().await?;
    let ana = story.sim.contact("Ana", ANA);
    let logout = ["logout", "--account", "work", "--yes"];
    story.bridge(&logout).await?.succeeded()?;
    // It asks to be linked again, and has lost its place at WhatsApp.
    nth(&bridges, "work", "qr", 2).await?;
    ensure!(story.work.linked_device().is_none(), "still linked");

    let all = story
        .bridge(&["status", "--all-accounts", "--json"])
        .await?;
    let all = all.succeeded()?.json()?;
    ensure!(all[0]["account"] == "home", "{all}");
    ensure!(all[0]["status"]["state"] == "connected", "{all}");
    ensure!(all[1]["account"] == "work", "{all}");
    ensure!(all[1]["status"]["state"] == "pairing", "{all}");
    story
        .sends("home:contact:+15551234567", &[])
        .await?
        .succeeded()?;
    hears_from(&ana, &story.home, "hello").await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_one_account_after_the_other_is_linked() -> Result<()> {
    let story = Accounts::prepared().await?;
    let mut bridges = story.machine.at_terminal("bridge run", &RUN_ALL)?;
    let mut scanned = Vec::new();
    for round in 1..=2 {
        let (account, qr) = bridges
            .hears(&format!("codes of account number {round}"), |lines| {
                let title = |line: &Line| {
                    let name = line.text.rsplit("account ").next()?.trim();
                    let is_title = line.text.trim().ends_with(&format!("account {name}"))
                        && !line.text.contains("starting");
                    is_title.then(|| name.to_owned())
                };
                let titled = lines.iter().rposition(|line| title(line).is_some())?;
                let name = title(&lines[titled])?;
                let qr = drawn_qr::last(&lines[titled..])?;
                (!scanned.contains(&name)).then_some((name, qr))
            })
            .await?;
        if round == 1 {
            bridges.says("waits to be linked").await?;
        }
        let phone = if account == "home" {
            &story.home
        } else {
            &story.work
        };
        phone.scan(&qr).await?;
        bridges.says(&format!("{account}: connected as")).await?;
        scanned.push(account);
    }
    for phone in [&story.home, &story.work] {
        phone.wait_until_online(PATIENCE).await?;
    }
    bridges.types("\u{3}").await?;
    let status = bridges.ends().await?;
    ensure!(status.code() == Some(0), "{status}\n{bridges}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_stops_its_own_bridge_only() -> Result<()> {
    let story = Accounts::prepared().await?;
    let config = std::fs::read_to_string(story.machine.config_file())?;
    let config: toml::Value = toml::from_str(&config)?;
    let url = config["whatsapp_personal"]["accounts"]["work"]["bridge_url"].as_str();
    let url = reqwest::Url::parse(url.context("an address")?)?;
    let _taken = std::net::TcpListener::bind(("127.0.0.1", url.port().context("a port")?))?;

    let mut bridges = story
        .machine
        .start("bridge run", &[&RUN_ALL[..], &["--json"]].concat())?;
    bridges.says("error: work: ").await?;
    let qr = nth(&bridges, "home", "qr", 1).await?;
    story
        .home
        .scan(qr["qr"].as_str().context("a payload")?)
        .await?;
    story.home.wait_until_online(PATIENCE).await?;

    bridges.interrupt()?;
    let status = bridges.ends().await?;
    ensure!(status.code() == Some(1), "{status}\n{bridges}");
    bridges
        .says("1 of 2 bridges could not go on: `work`")
        .await?;
    Ok(())
}
