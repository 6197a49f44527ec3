//! A process of a story: started for real, heard line by line, ended by its own id.

use std::fmt::{self, Write as _};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

use super::ledger::Ledger;

/// How long a story waits for anything before it fails: far more than anything takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running process. Killed when dropped.
pub struct Running {
    name: String,
    child: Child,
    keyboard: Option<ChildStdin>,
    heard: Arc<Record>,
    changes: watch::Receiver<usize>,
    /// Of the machine that it runs on.
    ledger: Option<Ledger>,
}

/// Everything a process has printed, in the order in which it arrived.
#[derive(Debug, Default)]
pub(super) struct Record {
    lines: Mutex<Vec<Line>>,
}

/// One printed line.
#[derive(Debug, Clone)]
pub struct Line {
    /// `out` or `err`.
    pub stream: &'static str,
    pub text: String,
}

impl Running {
    /// Starts `command` with its output piped to us and nobody at the keyboard.
    pub fn start(name: &str, command: Command) -> Result<Self> {
        Self::start_with(name, command, Stdio::null())
    }

    /// As [`Running::start`], for one that is typed to.
    pub fn start_typed_to(name: &str, command: Command) -> Result<Self> {
        Self::start_with(name, command, Stdio::piped())
    }

    fn start_with(name: &str, mut command: Command, input: Stdio) -> Result<Self> {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let heard = Arc::new(Record::default());
        let (tell, changes) = watch::channel(0);
        let tell = Arc::new(tell);
        let stdout = child.stdout.take().context("standard output is piped")?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        tokio::spawn(listen("out", stdout, Arc::clone(&heard), Arc::clone(&tell)));
        tokio::spawn(listen("err", stderr, Arc::clone(&heard), tell));
        Ok(Self {
            name: name.to_owned(),
            keyboard: child.stdin.take(),
            child,
            heard,
            changes,
            ledger: None,
        })
    }

    /// Has everything that it prints kept for the end of the story.
    #[must_use]
    pub(super) fn kept_in(mut self, ledger: &Ledger, arguments: Vec<String>) -> Self {
        ledger.process(&self.name, arguments, Arc::clone(&self.heard));
        self.ledger = Some(ledger.clone());
        self
    }

    /// While it still runs: what could others see of it?
    pub(super) fn is_looked_at(&self) {
        if let (Some(ledger), Some(id)) = (&self.ledger, self.child.id()) {
            ledger.looks_at(id);
        }
    }

    /// Every line so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.heard.lines()
    }

    /// Waits until `find` finds something in the lines so far.
    ///
    /// # Errors
    /// After [`PATIENCE`], or when the process has ended without it; the error shows what was heard.
    pub async fn hears<T>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Line]) -> Option<T>,
    ) -> Result<T> {
        let mut changes = self.changes.clone();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = find(&self.lines()) {
                    return Some(found);
                }
                // Both readers gone: the process has closed its output for good.
                if changes.changed().await.is_err() {
                    return find(&self.lines());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!("{} ended without: {what}\n{self}", self.name),
            Err(_) => bail!("{} did not come to: {what}\n{self}", self.name),
        }
    }

    /// Waits for a line that contains `text`.
    pub async fn says(&self, text: &str) -> Result<String> {
        self.hears(text, |lines| {
            lines
                .iter()
                .find(|line| line.text.contains(text))
                .map(|line| line.text.clone())
        })
        .await
    }

    /// Waits for an event of that name among the JSON lines on standard output.
    pub async fn event(&self, name: &str) -> Result<serde_json::Value> {
        self.nth_event(name, 1).await
    }

    /// Waits for the `n`th (from 1) event of that name.
    pub async fn nth_event(&self, name: &str, n: usize) -> Result<serde_json::Value> {
        self.hears(&format!("event {name} number {n}"), |lines| {
            events(lines, name).into_iter().nth(n - 1)
        })
        .await
    }

    /// Types `text`, its line ends included.
    pub async fn types(&mut self, text: &str) -> Result<()> {
        let keyboard = self.keyboard.as_mut();
        let keyboard = keyboard.with_context(|| format!("{} is not typed to", self.name))?;
        keyboard.write_all(text.as_bytes()).await?;
        Ok(keyboard.flush().await?)
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.is_looked_at();
        let id = self
            .child
            .id()
            .with_context(|| format!("{} has already ended", self.name))?;
        let id = Pid::from_raw(i32::try_from(id)?).context("a process id is not 0")?;
        Ok(kill_process(id, signal)?)
    }

    /// Waits until the process has ended by itself.
    pub async fn ends(&mut self) -> Result<ExitStatus> {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not end\n{self}", self.name),
        }
    }

    /// Kills it as the kernel would, and waits until it is gone.
    pub async fn killed(&mut self) -> Result<()> {
        self.is_looked_at();
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }
}

/// The events of that name among JSON lines on standard output.
#[must_use]
pub fn events(lines: &[Line], name: &str) -> Vec<serde_json::Value> {
    lines
        .iter()
        .filter(|line| line.stream == "out")
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line.text).ok())
        .filter(|event| event.get("event").and_then(|value| value.as_str()) == Some(name))
        .collect()
}

impl fmt::Display for Running {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("--- {} printed:\n", self.name);
        for line in self.lines() {
            writeln!(text, "{} {}", line.stream, line.text)?;
        }
        out.write_str(&text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_looked_at();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Running")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Record {
    pub(super) fn lines(&self) -> Vec<Line> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn listen(
    stream: &'static str,
    from: impl AsyncRead + Unpin,
    heard: Arc<Record>,
    tell: Arc<watch::Sender<usize>>,
) {
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes).await, Ok(read) if read > 0) {
        let text = String::from_utf8_lossy(&bytes)
            .trim_end_matches(['\n', '\r'])
            .to_owned();
        bytes.clear();
        heard
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Line { stream, text });
        tell.send_modify(|count| *count += 1);
    }
}
