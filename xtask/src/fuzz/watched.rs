//! A program whose lines are read while it runs, and which Ctrl-C ends together with us: a first one asks it
//! to end, a second one ends us at once.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::process;

/// In a terminal Ctrl-C reaches the program, too; one that ends by itself is not asked.
const ASKED_AFTER: Duration = Duration::from_secs(1);
/// How long a program may take to end.
const PATIENCE: Duration = Duration::from_secs(8);
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// Whether we were asked to end.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Failed(ExitStatus),
    Interrupted,
}

impl Interrupt {
    pub(super) fn listen() -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&came))?;
            flag::register(signal, Arc::clone(&came))?;
        }
        Ok(Self(came))
    }

    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `command` and gives its standard output to `each_line`.
pub(super) fn run(
    mut command: Command,
    interrupt: &Interrupt,
    mut each_line: impl FnMut(&str),
) -> Result<Ended> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", process::shown(&command)))?;
    let output = child.stdout.take().context("the output was piped")?;
    let (sender, lines) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut interrupted = None;
    let mut asked = false;
    loop {
        match lines.recv_timeout(LOOK_AROUND) {
            Ok(line) => each_line(&line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if interrupt.came() {
            let since = interrupted.get_or_insert_with(Instant::now).elapsed();
            if since > ASKED_AFTER && !asked {
                ask(&child);
                asked = true;
            }
            if since > PATIENCE {
                child.kill().ok();
                break;
            }
        }
    }
    let status = child.wait()?;
    reader.join().ok();
    Ok(match status {
        _ if interrupt.came() => Ended::Interrupted,
        status if status.success() => Ended::Well,
        status => Ended::Failed(status),
    })
}

/// When the signal came to us alone.
fn ask(child: &Child) {
    let id = child.id().to_string();
    process::output(Command::new("kill").args(["-INT", &id])).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_are_given_on_and_the_end_is_told() {
        let quiet = Interrupt(Arc::default());
        let mut lines = Vec::new();
        let ended = run(shell("echo one; echo two"), &quiet, |line| {
            lines.push(line.to_owned());
        });
        assert_eq!((ended.unwrap(), lines.len()), (Ended::Well, 2));
        let ended = run(shell("exit 3"), &quiet, |_line| {}).unwrap();
        assert!(matches!(ended, Ended::Failed(status) if status.code() == Some(3)));
    }

    #[test]
    fn whoever_is_interrupted_ends_what_it_started() {
        let came = Interrupt(Arc::default());
        let ended = run(shell("echo begun; exec sleep 600"), &came, |_begun| {
            came.0.store(true, Ordering::Relaxed);
        });
        assert_eq!(ended.unwrap(), Ended::Interrupted);
    }
}
