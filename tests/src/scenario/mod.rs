//! What a story needs: a simulated WhatsApp, an operator's machine, and the real processes on it.
//! Everything that a process printed is shown when a test fails, and searched for secrets when a story ends.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "stories fail loudly and show what happened"
)]

pub mod browser;
pub mod devtools;
pub mod drawn_qr;
pub mod ledger;
pub mod machine;
pub mod pictured_qr;
pub mod process;
pub mod provider;
pub mod secrecy;
pub mod written;

use std::time::Duration;

use anyhow::{Context, Result};

pub use browser::{Browser, Looks};
pub use machine::{Finished, Machine};
pub use process::{PATIENCE, Running};
pub use secrecy::Leak;

use crate::sim::Simulator;

/// A simulated WhatsApp with one linked account, and a bridge that holds it.
#[derive(Debug)]
pub struct Scenario {
    pub sim: Simulator,
    pub machine: Machine,
    bridge: Option<Running>,
    serve: Option<Running>,
    /// For the story that shows that leaks are found.
    pub leaks_on_purpose: bool,
}

impl Scenario {
    /// Nothing runs yet but WhatsApp; the configuration allows `allowed` chats.
    pub async fn prepared(allowed: &[&str], more_config: &str) -> Result<Self> {
        let sim = Simulator::start().await?;
        let machine = Machine::new(Some(&sim.web_url()))?;
        machine.configure(&machine.minimal_config(allowed, more_config))?;
        Ok(Self {
            sim,
            machine,
            bridge: None,
            serve: None,
            leaks_on_purpose: false,
        })
    }

    /// As [`Scenario::prepared`], with more keys in the channel's block.
    pub async fn prepared_with(allowed: &[&str], keys: &str) -> Result<Self> {
        let story = Self::prepared(allowed, "").await?;
        let config = story.machine.minimal_config(allowed, "");
        let block = format!("[whatsapp_personal]\n{keys}\n");
        let config = config.replace("[whatsapp_personal]\n", &block);
        story.machine.configure(&config)?;
        Ok(story)
    }

    /// The account is linked and the bridge is online.
    pub async fn paired(allowed: &[&str], more_config: &str) -> Result<Self> {
        let mut story = Self::prepared(allowed, more_config).await?;
        story.starts_bridge()?;
        story.scans().await?;
        Ok(story)
    }

    /// As [`Scenario::paired`], with a shell script as the program that answers messages.
    pub async fn paired_with_program(script: &str) -> Result<Self> {
        let mut story = Self::prepared(&["*"], "").await?;
        let program = story.machine.program("answer.sh", script)?;
        let engine = format!("[reply]\nengine = \"command\"\ncommand = [{program:?}]\n");
        let config = story.machine.minimal_config(&["*"], &engine);
        story.machine.configure(&config)?;
        story.starts_bridge()?;
        story.scans().await?;
        Ok(story)
    }

    /// As [`Scenario::paired`], with every message of a group answered, addressed or not.
    pub async fn paired_answering_groups() -> Result<Self> {
        let mut story = Self::prepared_with(&["*"], "group_reply = \"always\"").await?;
        story.starts_bridge()?;
        story.scans().await?;
        Ok(story)
    }

    /// Starts `bridge run`; what it tells machines is on its standard output.
    pub fn starts_bridge(&mut self) -> Result<()> {
        self.starts_bridge_with(&[])
    }

    /// Starts `bridge run` with more arguments.
    pub fn starts_bridge_with(&mut self, more: &[&str]) -> Result<()> {
        let mut arguments = vec![
            "whatsapp-personal",
            "bridge",
            "run",
            "--skip-install",
            "--json",
        ];
        arguments.extend(more);
        self.bridge = Some(self.machine.start("bridge run", &arguments)?);
        Ok(())
    }

    /// Waits until the bridge has said that it is in this state, after the first `seen` states.
    pub async fn comes_to(&self, state: &str, seen: usize) -> Result<serde_json::Value> {
        self.bridge()
            .hears(&format!("state {state}"), |lines| {
                process::events(lines, "state")
                    .into_iter()
                    .skip(seen)
                    .find(|event| event["state"] == state)
            })
            .await
    }

    /// How many states the bridge has told so far.
    #[must_use]
    pub fn states_told(&self) -> usize {
        process::events(&self.bridge().lines(), "state").len()
    }

    /// The owner's phone scans the QR code that the bridge shows; returns when it is online.
    pub async fn scans(&self) -> Result<()> {
        let qr = self.bridge().event("qr").await?;
        let qr = qr
            .get("qr")
            .and_then(|value| value.as_str())
            .context("a qr event carries its payload")?;
        self.sim.phone().scan(qr).await?;
        self.online().await
    }

    /// Waits until the bridge says that it is connected.
    pub async fn online(&self) -> Result<()> {
        self.bridge().event("connected").await?;
        self.sim.wait_until_online(PATIENCE).await
    }

    /// Whether a bridge was started and not taken away.
    #[must_use]
    pub fn has_bridge(&self) -> bool {
        self.bridge.is_some()
    }

    #[must_use]
    pub fn bridge(&self) -> &Running {
        self.bridge
            .as_ref()
            .unwrap_or_else(|| panic!("the story has no bridge yet"))
    }

    /// Hands the bridge's process over to the story.
    pub fn takes_bridge(&mut self) -> Result<Running> {
        self.bridge.take().context("the bridge runs")
    }

    /// Ctrl-C for the bridge, and the wait for its end.
    pub async fn stops_bridge(&mut self) -> Result<()> {
        let mut bridge = self.bridge.take().context("the bridge runs")?;
        bridge.interrupt()?;
        let status = bridge.ends().await?;
        anyhow::ensure!(
            status.code() == Some(0),
            "the bridge ended with {status}\n{bridge}"
        );
        println!("{bridge}");
        Ok(())
    }

    /// Starts `channels serve` with the arguments given.
    pub fn serves(&mut self, arguments: &[&str]) -> Result<()> {
        let mut all = vec!["channels", "serve", "whatsapp-personal"];
        all.extend(arguments);
        self.serve = Some(self.machine.start("channels serve", &all)?);
        Ok(())
    }

    #[must_use]
    pub fn server(&self) -> &Running {
        self.serve
            .as_ref()
            .unwrap_or_else(|| panic!("nothing serves in this story yet"))
    }

    /// Ctrl-C for `serve`, and the wait for its end.
    pub async fn stops_serving(&mut self) -> Result<()> {
        let mut serve = self.serve.take().context("serve runs")?;
        serve.interrupt()?;
        let status = serve.ends().await?;
        anyhow::ensure!(
            status.code() == Some(0),
            "serve ended with {status}\n{serve}"
        );
        println!("{serve}");
        Ok(())
    }

    /// `channels send` to a target.
    pub async fn sends(&self, target: &str, text: &str) -> Result<Finished> {
        self.machine
            .run(&[
                "channels",
                "send",
                "whatsapp-personal",
                "--target",
                target,
                "--text",
                text,
            ])
            .await
    }

    /// Posts a plain operation to the bridge, with its token.
    pub async fn posts(
        &self,
        operation: &str,
        payload: serde_json::Value,
    ) -> Result<(u16, serde_json::Value)> {
        let mut payload = payload;
        payload
            .as_object_mut()
            .context("a payload is an object")?
            .insert("runtime_context".to_owned(), self.runtime_context());
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()?
            .post(self.machine.bridge_url())
            .timeout(Duration::from_secs(30))
            .bearer_auth(self.machine.token()?.trim())
            .json(&serde_json::json!({
                "method": "tools/call",
                "id": format!("whatsapp-personal-bridge:whatsapp-personal:{operation}"),
                "provider_id": "whatsapp-personal-bridge",
                "channel_id": "whatsapp-personal",
                "operation": operation,
                "payload": payload,
            }))
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    fn runtime_context(&self) -> serde_json::Value {
        serde_json::json!({
            "channel_id": "whatsapp-personal",
            "account": {
                "configured_account_id": "default",
                "configured_account_label": "default",
                "account_id": "whatsapp_personal_test",
                "account_label": "whatsapp-personal:test",
                "config": {
                    "bridge_url": self.machine.bridge_url(),
                    "auth_dir": self.machine.auth_dir(),
                    "allowed_chat_ids": ["*"],
                },
            },
        })
    }
}

impl Scenario {
    /// Where a secret, a number or a text stands that must not: in what was printed, in a record of who serves, in
    /// the arguments or the environment of a process that `loong` started.
    #[must_use]
    pub fn leaks(&self) -> Vec<Leak> {
        for process in [&self.bridge, &self.serve].into_iter().flatten() {
            process.is_looked_at();
        }
        self.machine.keeps_secret(self.sim.secrets());
        self.machine.leaks()
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        let leaks = self.leaks();
        // Shown by the test runner for a failed test only.
        for process in [&self.bridge, &self.serve].into_iter().flatten() {
            println!("{process}");
        }
        // A story that fails already says why.
        let told: Vec<String> = leaks.iter().map(Leak::to_string).collect();
        if !std::thread::panicking() && !self.leaks_on_purpose {
            assert!(told.is_empty(), "the story leaks:\n{}", told.join("\n"));
        }
    }
}
