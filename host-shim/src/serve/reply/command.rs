//! The operator's own program as the reply engine: one JSON object on standard input, the reply
//! on standard output. Started anew for each message, without a shell, in its own process group,
//! which is killed as a whole when the time is up or the reply is given up.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};

use super::{EngineError, ReplyEngine, ReplyRequest};
use crate::process_group::ProcessGroup;

/// The longest reply that is taken.
const REPLY_LIMIT: usize = 64 * 1024;
/// How much of what the program complains about goes to the log.
const LOG_LINES: usize = 100;
const LOG_LINE_LENGTH: usize = 500;

/// The engine called `command`.
#[derive(Debug, Clone)]
pub struct CommandEngine {
    argv: Vec<String>,
    timeout: Duration,
}

impl CommandEngine {
    /// `argv` is the program and its arguments; one reply may take `timeout`.
    pub fn new(argv: Vec<String>, timeout: Duration) -> Self {
        Self { argv, timeout }
    }

    fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    async fn run(&self, input: String) -> Result<Option<String>, EngineError> {
        let mut child = Command::new(self.program())
            .args(self.argv.iter().skip(1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.cannot_start(&error))?;
        let group = ProcessGroup::led_by(child.id());
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(EngineError::failed(
                "the reply program has no standard streams",
            ));
        };
        let ended = async {
            let status = child.wait().await;
            // What it left running in the background must not keep its output open.
            group.kill();
            status
        };
        let (status, (), output, ()) = tokio::join!(
            ended,
            hand_over(stdin, input),
            read_reply(stdout),
            log_complaints(stderr)
        );
        let status = status
            .map_err(|error| EngineError::failed(format!("the reply program got lost: {error}")))?;
        if !status.success() {
            return Err(EngineError::failed(format!(
                "the reply program ended with {status}"
            )));
        }
        let reply = output?;
        let reply = reply.trim_end();
        Ok((!reply.trim().is_empty()).then(|| reply.to_owned()))
    }

    fn cannot_start(&self, error: &std::io::Error) -> EngineError {
        let reason = format!(
            "cannot start the reply program `{}`: {error}",
            self.program()
        );
        if matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied
        ) {
            let hint =
                "correct reply.command; it names a program and its arguments, no shell reads it";
            return EngineError::down(reason, hint);
        }
        EngineError::failed(reason)
    }
}

#[async_trait]
impl ReplyEngine for CommandEngine {
    async fn reply(&self, request: &ReplyRequest) -> Result<Option<String>, EngineError> {
        let input = json!({
            "version": 1,
            "channel": request.channel,
            "account": request.account,
            "conversation_id": request.conversation,
            "message_id": request.message_id,
            "correlation_id": request.correlation_id,
            "sender": request.sender,
            "sender_name": request.sender_name,
            "group": request.is_group,
            "text": request.text,
            "received_at": request.received_at_ms,
        });
        match tokio::time::timeout(self.timeout, self.run(format!("{input}\n"))).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(EngineError::failed(format!(
                "the reply program took longer than {} s and was killed",
                self.timeout.as_secs()
            ))),
        }
    }

    async fn probe(&self) -> Result<(), EngineError> {
        let program = self.program();
        let found = if program.contains('/') {
            is_executable(std::path::Path::new(program))
        } else {
            std::env::var_os("PATH").is_some_and(|path| {
                std::env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
            })
        };
        if found {
            return Ok(());
        }
        Err(EngineError::down(
            format!("the reply program `{program}` is not there or may not be executed"),
            "correct reply.command, or make the program executable",
        ))
    }
}

fn is_executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

async fn hand_over(mut stdin: ChildStdin, input: String) {
    // A program that needs no input may close it early: that is its business.
    if stdin.write_all(input.as_bytes()).await.is_ok() {
        stdin.shutdown().await.ok();
    }
}

async fn read_reply(stdout: impl AsyncRead + Unpin) -> Result<String, EngineError> {
    let mut bytes = Vec::new();
    let mut limited = stdout.take(REPLY_LIMIT as u64 + 1);
    limited.read_to_end(&mut bytes).await.map_err(|error| {
        EngineError::failed(format!("cannot read from the reply program: {error}"))
    })?;
    if bytes.len() > REPLY_LIMIT {
        // Read on, or the program waits for ever for somebody to take the rest.
        tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink())
            .await
            .ok();
        return Err(EngineError::failed(format!(
            "the reply program wrote more than {} KiB",
            REPLY_LIMIT / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|_invalid| {
        EngineError::failed("the reply program wrote something that is not UTF-8")
    })
}

async fn log_complaints(stderr: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(stderr);
    let mut seen = 0;
    loop {
        let mut line = Vec::new();
        // Bounded, so that a line without end cannot fill the memory.
        match (&mut lines)
            .take(16 * 1024)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        seen += 1;
        if seen <= LOG_LINES {
            let line: String = String::from_utf8_lossy(&line)
                .trim_end()
                .chars()
                .filter(|c| !c.is_control())
                .take(LOG_LINE_LENGTH)
                .collect();
            tracing::warn!(target: "loong::reply_command", "{line}");
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
