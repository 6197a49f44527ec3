//! The Enter key of whoever watches a bridge. Nothing is read before it is asked for, and never
//! while the process is in the background: that would stop it.

use std::io::{IsTerminal, stdin};

use rustix::process::getpgrp;
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

/// Reads lines from the terminal; without one it never gives any.
pub(super) struct EnterKey {
    lines: Option<Lines<BufReader<Stdin>>>,
}

impl EnterKey {
    pub(super) fn of_terminal() -> Self {
        let lines = stdin()
            .is_terminal()
            .then(|| BufReader::new(tokio::io::stdin()).lines());
        Self { lines }
    }

    /// Whether somebody can press it.
    pub(super) fn exists(&self) -> bool {
        self.lines.is_some()
    }

    /// Whether a read would reach the terminal now.
    pub(super) fn is_at_hand(&self) -> bool {
        self.exists() && tcgetpgrp(stdin()).is_ok_and(|foreground| foreground == getpgrp())
    }

    /// What was pressed before anybody asked was not meant as an answer.
    pub(super) fn forget(&self) {
        tcflush(stdin(), QueueSelector::IFlush).ok();
    }

    /// Waits until it is pressed. Dropped, it loses nothing.
    pub(super) async fn pressed(&mut self) {
        if let Some(lines) = &mut self.lines
            && let Ok(Some(_)) = lines.next_line().await
        {
            return;
        }
        // The terminal has hung up, or there was none.
        self.lines = None;
        std::future::pending().await
    }
}
