//! A bridge process that is started for one task and ends: a backup, a restore. It takes the
//! store's lock like any other, so it refuses by itself while another one runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Map, Value};
use tokio::io::BufReader;
use tokio::process::Command;

use super::events::{BridgeEvent, Line, read};
use super::launcher::{VARIABLES, count, hopeless, next_line};
use crate::error::Failure;
use crate::process_group::ProcessGroup;

/// What is started, and for what.
#[derive(Debug, Clone)]
pub struct Task {
    /// Node itself.
    pub program: PathBuf,
    /// The plugin's folder.
    pub folder: PathBuf,
    /// The entry file within it.
    pub entry: PathBuf,
    /// Where the store is, `~` expanded.
    pub auth_dir: PathBuf,
    /// The flag that names the task, and its value.
    pub flags: [OsString; 2],
}

impl Task {
    /// Runs it to its end; answers the event called `done`, without its name and time. Dropping the
    /// future ends the process.
    ///
    /// # Errors
    /// It cannot be started, or says why it did not do it.
    pub async fn run(&self, done: &str) -> Result<Map<String, Value>, Failure> {
        let lost = || Failure::fault("bridge_process", "the bridge process got lost");
        let mut child = self.command().spawn().map_err(|error| {
            Failure::operator(
                "bridge_not_started",
                format!("cannot start {}", self.program.display()),
            )
            .because(error)
            .hint("install Node 20 or newer (https://nodejs.org), or correct PATH")
        })?;
        let group = ProcessGroup::led_by(child.id());
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(lost());
        };
        let heard = async {
            let mut lines = BufReader::new(stdout);
            let (mut outcome, mut fatal) = (None, None);
            while let Some(line) = next_line(&mut lines).await {
                let line = line.unwrap_or_default();
                if let Line::Event(event @ BridgeEvent::Fatal { .. }) = read(&line) {
                    fatal = Some(event);
                }
                outcome = event(&line, done).or(outcome);
            }
            (outcome, fatal)
        };
        let (status, (outcome, fatal), ()) = tokio::join!(child.wait(), heard, count(stderr));
        group.kill();
        let status = status.map_err(|error| lost().because(error))?;
        match outcome {
            Some(outcome) if status.success() => Ok(outcome),
            Some(_) | None => Err(hopeless(status, fatal)),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(self.folder.join(&self.entry))
            .args(&self.flags)
            .arg("--auth-dir")
            .arg(&self.auth_dir)
            .args(["--events", "ndjson"])
            .current_dir(&self.folder)
            .env_clear()
            .envs(
                VARIABLES
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// The fields of `line` when it is the event called `name`.
fn event(line: &str, name: &str) -> Option<Map<String, Value>> {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return None;
    };
    if fields.get("event").and_then(Value::as_str) != Some(name) {
        return None;
    }
    fields.retain(|key, _value| key != "event" && key != "at");
    Some(fields)
}
