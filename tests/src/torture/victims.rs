//! The product under torture: its processes, how one is killed, and how it is started again as an
//! operator's service manager would.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::kill::Kill;
use crate::scenario::Scenario;
use crate::scenario::machine::{self, Machine};
use crate::scenario::process::{PATIENCE, Running, events};
use crate::sim::Verdict;

/// `bridge run` starts a crashed bridge again by itself, and waits longer each time; after so many
/// crashes the story starts a new one, which is faster and has to work, too.
const CRASHES_OF_ONE_RUN: usize = 2;
/// What `bridge run` says when its bridge has died.
const CRASHED: &str = "it starts again";

pub(super) struct Victims {
    pub(super) story: Scenario,
    serve: Option<Running>,
    /// Holds the name of the point at which the bridge is to die.
    kill_file: PathBuf,
}

impl Victims {
    /// Links the account, and starts bridge and host.
    pub(super) async fn start() -> Result<Self> {
        let mut story = Scenario::prepared(&["*"], "[reply]\nengine = \"echo\"\n").await?;
        let config = story
            .machine
            .minimal_config(&["*"], "[reply]\nengine = \"echo\"\n");
        story.machine.configure(&config.replace(
            "[whatsapp_personal]\n",
            "[whatsapp_personal]\ngroup_reply = \"always\"\nmax_messages_per_minute = 6000\n",
        ))?;
        story.machine.times(&json!({
            "backoffFirstMs": 20, "backoffMaxMs": 200, "closeMs": 200, "ackMs": 1000,
            "leaseMs": 5000, "postponedMs": 50,
            "retry1Ms": 50, "retry2Ms": 100, "retry3Ms": 200, "retry4Ms": 400, "retry5Ms": 800,
        }))?;
        // As WhatsApp does: what waited for us comes as backlog.
        story.sim.mark_late_messages(true);
        let kill_file = story.machine.home().join("kill-point");
        let path = path_with_deadly_node(&story.machine, &kill_file)?;
        story.machine.sets("PATH", path);
        story.starts_bridge()?;
        story.scans().await?;
        let mut victims = Self {
            story,
            serve: None,
            kill_file,
        };
        victims.start_serve(None)?;
        Ok(victims)
    }

    /// Prepares what must be in place before the messages are written.
    pub(super) async fn arm(&mut self, kill: Kill) -> Result<()> {
        match kill {
            Kill::Bridge(point) => std::fs::write(&self.kill_file, point.name())?,
            Kill::Host(point) => {
                self.kill_serve().await?;
                self.start_serve(Some(point.name()))?;
            }
            Kill::BridgeBetweenSendAndAck => self.story.sim.judge_next_message(Verdict::NoAck),
            Kill::BridgeAnytime | Kill::HostAnytime | Kill::BothAnytime => {}
        }
        Ok(())
    }

    /// Waits until what was armed has happened, or kills after `wait`.
    pub(super) async fn strike(&mut self, kill: Kill, wait: Duration) -> Result<()> {
        let crashes = self.crashes();
        match kill {
            // It may have died while the messages were still being written.
            Kill::Bridge(_) => {
                self.bridge_dies(|victims| !victims.kill_file.exists())
                    .await
            }
            Kill::Host(_) => {
                let status = self.serve.as_mut().context("serve runs")?.ends().await?;
                self.serve = None;
                ensure!(status.code().is_none(), "serve ended by itself: {status}");
                Ok(())
            }
            Kill::BridgeBetweenSendAndAck => {
                self.story
                    .sim
                    .wait_until_verdicts_are_used(PATIENCE)
                    .await?;
                self.kill_bridge()?;
                self.bridge_dies(|victims| victims.crashes() > crashes)
                    .await
            }
            Kill::BridgeAnytime => {
                tokio::time::sleep(wait).await;
                self.kill_bridge()?;
                self.bridge_dies(|victims| victims.crashes() > crashes)
                    .await
            }
            Kill::HostAnytime => {
                tokio::time::sleep(wait).await;
                self.kill_serve().await
            }
            Kill::BothAnytime => {
                tokio::time::sleep(wait).await;
                self.kill_serve().await?;
                self.kill_bridge_run().await
            }
        }
    }

    /// Starts again what is gone, and waits until the account is online.
    pub(super) async fn revive(&mut self) -> Result<()> {
        std::fs::remove_file(&self.kill_file).ok();
        if self.crashes() >= CRASHES_OF_ONE_RUN {
            self.kill_bridge_run().await?;
        }
        if !self.story.has_bridge() {
            self.story.starts_bridge()?;
        }
        if self.serve.is_none() {
            self.start_serve(None)?;
        }
        self.story.sim.wait_until_online(PATIENCE).await
    }

    /// Everything that came in is settled, and everything that was to go out has gone.
    pub(super) async fn nothing_left(&self) -> Result<()> {
        let (status, answer) = self.story.posts("bridge_status", json!({})).await?;
        let count = |of: &str| answer.pointer(of).and_then(serde_json::Value::as_u64);
        let left = [
            "/payload/inbox/waiting",
            "/payload/dead_letters",
            "/payload/outbox/pending",
            "/payload/outbox/failed",
        ];
        ensure!(
            status == 200 && left.into_iter().all(|of| count(of) == Some(0)),
            "something is left: {answer}"
        );
        Ok(())
    }

    /// Ctrl-C for both.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let mut serve = self.serve.take().context("serve runs")?;
        serve.interrupt()?;
        serve.ends().await?;
        self.story.stops_bridge().await
    }

    fn start_serve(&mut self, fail_point: Option<&str>) -> Result<()> {
        let arguments = ["channels", "serve", "whatsapp-personal"];
        let machine = &self.story.machine;
        let command = match fail_point {
            None => machine.loong(&arguments),
            // The `loong` that is handed out has no such points.
            Some(point) => {
                let mut command = machine.command(machine::test_components().join("loong-to-kill"));
                command
                    .args(arguments)
                    .env("FAILPOINTS", format!("{point}=return"));
                command
            }
        };
        self.serve = Some(Running::start("channels serve", command)?);
        Ok(())
    }

    async fn kill_serve(&mut self) -> Result<()> {
        if let Some(mut serve) = self.serve.take() {
            serve.killed().await?;
        }
        Ok(())
    }

    /// SIGKILL for the bridge itself; `bridge run` sees it and starts another.
    fn kill_bridge(&self) -> Result<()> {
        // It may be gone already.
        kill_process(self.bridge_process()?, Signal::KILL).ok();
        Ok(())
    }

    /// SIGKILL for `bridge run` and the bridge at once.
    async fn kill_bridge_run(&mut self) -> Result<()> {
        let mut bridge = self.story.takes_bridge()?;
        let process = last_process(&bridge)?;
        bridge.killed().await?;
        kill_process(process, Signal::KILL).ok();
        self.story.sim.wait_until_offline(PATIENCE).await
    }

    async fn bridge_dies(&self, has_died: impl Fn(&Self) -> bool) -> Result<()> {
        self.story
            .bridge()
            .hears("the bridge died", |_| has_died(self).then_some(()))
            .await
    }

    /// How often the bridge of the running `bridge run` has died.
    fn crashes(&self) -> usize {
        if !self.story.has_bridge() {
            return 0;
        }
        let lines = self.story.bridge().lines();
        lines
            .iter()
            .filter(|line| line.text.contains(CRASHED))
            .count()
    }

    fn bridge_process(&self) -> Result<Pid> {
        last_process(self.story.bridge())
    }
}

impl fmt::Display for Victims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.story.sim.transcript().iter().rev().take(60).rev() {
            writeln!(out, "sim {line}")?;
        }
        if self.story.has_bridge() {
            write!(out, "{}", self.story.bridge())?;
        }
        self.serve
            .as_ref()
            .map_or(Ok(()), |serve| write!(out, "{serve}"))
    }
}

impl fmt::Debug for Victims {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Victims").finish_non_exhaustive()
    }
}

fn last_process(bridge: &Running) -> Result<Pid> {
    let listening = events(&bridge.lines(), "listening");
    let id = listening
        .last()
        .and_then(|event| event.get("pid")?.as_i64());
    id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
        .context("the bridge has said its process id")
}

/// A PATH whose `node` dies at the point that `kill_file` names. The product finds Node on PATH
/// and passes nothing else on, so this is the only way in.
fn path_with_deadly_node(machine: &Machine, kill_file: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let node = std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|file| file.is_file())
        .context("node is on PATH")?;
    let preload = Path::new(env!("CARGO_MANIFEST_DIR")).join("kill-points/preload.mjs");
    let package = machine::plugin_root().join("whatsapp-personal-bridge/package.json");
    let deadly = machine.program(
        "node",
        &format!(
            "export LOONG_KILL_FILE='{}' LOONG_KILL_PACKAGE='{}'\nexec '{}' --import '{}' \"$@\"",
            kill_file.display(),
            package.display(),
            node.display(),
            preload.display(),
        ),
    )?;
    let folder = deadly.parent().context("a program is in a folder")?;
    Ok(std::env::join_paths(
        std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path)),
    )?)
}
