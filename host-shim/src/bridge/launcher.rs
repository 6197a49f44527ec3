//! The life of a bridge process (docs/bridge-process.md): start it, hear what it says, start it
//! again when it crashes, stop it cleanly. Installs nothing, and shows nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::events::{BridgeEvent, LONGEST_LINE, Line, read};
use crate::backoff::Backoff;
use crate::door::BridgeAddress;
use crate::error::Failure;
use crate::process_group::ProcessGroup;

/// How long a bridge may take to stop when it is told to.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// A bridge that ran this long had no trouble starting.
const SETTLED: Duration = Duration::from_secs(60);
/// Exit statuses that starting again does not change: usage, store, address.
const HOPELESS: [i32; 3] = [WRONG_USAGE, 3, 4];
const WRONG_USAGE: i32 = 2;
/// What the bridge gets to see of our environment: nothing that could hold somebody else's secret.
pub(super) const VARIABLES: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "LOONG_WHATSAPP_WEB_URL",
    "LOONG_TEST_TIMING",
];

/// One bridge, ready to be started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Node itself.
    pub program: PathBuf,
    /// The plugin's folder.
    pub folder: PathBuf,
    /// The entry file within it.
    pub entry: PathBuf,
    /// Where it has to answer.
    pub address: BridgeAddress,
    /// Where its store is, `~` expanded.
    pub auth_dir: PathBuf,
    /// The channel's own object for the start command.
    pub settings: Value,
    /// Holds the token that its callers must know.
    pub token_file: PathBuf,
    /// More flags, such as those of a pairing code.
    pub more: Vec<OsString>,
}

/// What a running bridge is asked to do. Clones ask the same bridge.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Cancelled, the bridge ends.
    pub stop: CancellationToken,
    resume: Arc<Notify>,
}

impl Control {
    /// Has a bridge that rests go on.
    pub fn resume(&self) {
        self.resume.notify_one();
    }
}

/// What is heard of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A line as it came. It may hold a QR payload: for machines that asked for it, and no log.
    Line(String),
    Event(BridgeEvent),
    /// It writes something that is no event; said once for each process.
    Garbage,
    /// It ended by itself and is started again.
    Restarting {
        status: String,
        after: Duration,
    },
}

impl Launch {
    /// Runs the bridge until `control` stops it, or it ends for good. What it says goes to `tell`.
    /// Dropping the future kills the process at once.
    ///
    /// # Errors
    /// It cannot be started, or ends in a way that starting it again does not change.
    pub async fn run(&self, tell: &impl Fn(Told), control: &Control) -> Result<(), Failure> {
        let stop = &control.stop;
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            let started = Instant::now();
            let (status, fatal) = self.run_once(tell, control).await?;
            if stop.is_cancelled() || status.success() {
                return Ok(());
            }
            if status.code().is_some_and(|code| HOPELESS.contains(&code)) {
                return Err(hopeless(status, fatal));
            }
            if started.elapsed() >= SETTLED {
                backoff.reset();
            }
            let after = backoff.wait();
            tell(Told::Restarting {
                status: status.to_string(),
                after,
            });
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(after) => {}
            }
        }
    }

    async fn run_once(
        &self,
        tell: &impl Fn(Told),
        control: &Control,
    ) -> Result<(ExitStatus, Option<BridgeEvent>), Failure> {
        let lost =
            |what: &str| Failure::fault("bridge_process", format!("the bridge's {what} got lost"));
        let mut child = self.command().spawn().map_err(|error| {
            Failure::operator(
                "bridge_not_started",
                format!("cannot start {}", self.program.display()),
            )
            .because(error)
            .hint("install Node 20 or newer (https://nodejs.org), or correct PATH")
        })?;
        let group = ProcessGroup::led_by(child.id());
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(lost("standard streams"));
        };
        let start = json!({
            "command": "start",
            "settings": self.settings,
            "token_file": self.token_file,
        });
        say(&mut stdin, &start).await;
        let heard = hear(stdout, tell);
        let ended = async {
            let stopped = async {
                loop {
                    tokio::select! {
                        () = control.stop.cancelled() => break,
                        () = control.resume.notified() => {
                            say(&mut stdin, &json!({"command": "resume"})).await;
                        }
                    }
                }
                say(&mut stdin, &json!({"command": "stop"})).await;
                tokio::time::sleep(STOP_TIMEOUT).await;
            };
            let status = tokio::select! {
                status = child.wait() => status,
                () = stopped => {
                    group.kill();
                    child.wait().await
                }
            };
            // What it left behind must not keep its output open.
            group.kill();
            status
        };
        let (status, fatal, ()) = tokio::join!(ended, heard, count(stderr));
        match status {
            Ok(status) => Ok((status, fatal)),
            Err(error) => Err(lost("process").because(error)),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(self.folder.join(&self.entry))
            // By contract the bridge listens on this address, whatever name the operator wrote.
            .args(["--host", "127.0.0.1"])
            .args(["--port", &self.address.port().to_string()])
            .args(["--path", self.address.path()])
            .arg("--auth-dir")
            .arg(&self.auth_dir)
            .args(["--events", "ndjson", "--control", "stdin"])
            .args(&self.more)
            .current_dir(&self.folder)
            .env_clear()
            .envs(
                VARIABLES
                    .iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is for us: the bridge is told to stop, not interrupted.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

/// Passes on what the bridge says, and keeps the reason it gives for its end.
async fn hear(stdout: impl AsyncRead + Unpin, tell: &impl Fn(Told)) -> Option<BridgeEvent> {
    let mut lines = BufReader::new(stdout);
    let mut fatal = None;
    let mut complained = false;
    while let Some(line) = next_line(&mut lines).await {
        let read = line.as_deref().map_or(Line::Garbage, read);
        match read {
            Line::Event(event) => {
                if matches!(event, BridgeEvent::Fatal { .. }) {
                    fatal = Some(event.clone());
                }
                tell(Told::Event(event));
            }
            Line::Unknown => {}
            Line::Garbage => {
                if !complained {
                    complained = true;
                    tell(Told::Garbage);
                }
                continue;
            }
        }
        tell(Told::Line(line.unwrap_or_default()));
    }
    fatal
}

/// The next line; inner none when it is too long or no text; none at the end.
pub(super) async fn next_line(
    lines: &mut (impl AsyncBufReadExt + Unpin),
) -> Option<Option<String>> {
    let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    if (&mut *lines)
        .take(limit)
        .read_until(b'\n', &mut line)
        .await
        .ok()?
        == 0
    {
        return None;
    }
    if line.last() != Some(&b'\n') && line.len() == LONGEST_LINE {
        skip_line(lines).await;
        return Some(None);
    }
    Some(
        String::from_utf8(line)
            .ok()
            .map(|line| line.trim_end().to_owned()),
    )
}

async fn skip_line(lines: &mut (impl AsyncBufReadExt + Unpin)) {
    let mut rest = Vec::new();
    loop {
        rest.clear();
        match (&mut *lines)
            .take(8 * 1024)
            .read_until(b'\n', &mut rest)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) if rest.last() == Some(&b'\n') => return,
            Ok(_) => {}
        }
    }
}

/// Never shown: the libraries under the bridge are known to print keys.
pub(super) async fn count(mut stderr: impl AsyncRead + Unpin) {
    if let Ok(bytes) = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await
        && bytes > 0
    {
        tracing::debug!("the bridge wrote {bytes} bytes on standard error");
    }
}

async fn say(stdin: &mut ChildStdin, command: &Value) {
    let line = format!("{command}\n");
    // A bridge that no longer listens is about to end, which is noticed elsewhere.
    if stdin.write_all(line.as_bytes()).await.is_ok() {
        stdin.flush().await.ok();
    }
}

/// Why a bridge that is not started again has ended: in its own words, when it gave some.
pub(super) fn hopeless(status: ExitStatus, fatal: Option<BridgeEvent>) -> Failure {
    match fatal {
        Some(BridgeEvent::Fatal {
            code,
            message,
            hint,
        }) if status.code() == Some(WRONG_USAGE) => Failure::usage(code, message).hint(hint),
        Some(BridgeEvent::Fatal {
            code,
            message,
            hint,
        }) => Failure::operator(code, message).hint(hint),
        _ => Failure::operator(
            "bridge_ended",
            format!("the bridge ended with {status} and gave no reason"),
        )
        .hint("run `loong doctor`; it looks at the store and the address"),
    }
}

#[cfg(test)]
#[path = "launcher_tests.rs"]
mod tests;
