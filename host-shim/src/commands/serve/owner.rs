//! Who serves already, in words: for the one who wanted to, and what to do about it.

use std::path::Path;

use crate::commands::bridge_status::span;
use crate::commands::shell::quoted;
use crate::error::Failure;
use crate::home::Home;
use crate::serve::runtime_state::{Found, Life, Moment, Record};

/// `process 7 (for 3 min, last heartbeat 2 s ago)`.
pub(super) fn described(record: &Record, now: Moment) -> String {
    format!(
        "process {} (for {}, last heartbeat {} ago)",
        record.pid,
        span(now.0.saturating_sub(record.started_at.0)),
        span(now.0.saturating_sub(record.heartbeat_at.0)),
    )
}

/// A loop that was replaced because it did not run any more.
pub(super) fn taken_over(found: &Found, now: Moment) -> String {
    let why = match found.life {
        Life::Gone => "has ended without a word",
        Life::Frozen | Life::Live => "does not react; if it wakes up, it ends",
    };
    let (pid, ago) = (
        found.record.pid,
        span(now.0.saturating_sub(found.record.heartbeat_at.0)),
    );
    format!("taking over from process {pid}, which {why} (last heartbeat {ago} ago)")
}

/// Why a start is refused.
pub(super) fn refused(channel_label: &str, owner: &Record, home: &Home, now: Moment) -> Failure {
    let served = &owner.served;
    let state = if owner.stopping {
        "; it is just stopping"
    } else {
        ""
    };
    Failure::operator(
        "serve_running",
        format!(
            "{channel_label} account `{}` is already served by {}{state}, with the configuration {}",
            served.configured_label,
            described(owner, now),
            served.config,
        ),
    )
    .hint(format!(
        "leave it running, or stop it first with `{}`",
        command(owner, home, "--stop")
    ))
}

/// A `channels serve` for the account of `record`, to be typed.
pub(super) fn command(record: &Record, home: &Home, flag: &str) -> String {
    let served = &record.served;
    let mut words = format!(
        "loong channels serve {} --account {}",
        served.channel,
        quoted(&served.configured_label)
    );
    let default = home.default_config();
    if Path::new(&served.config) != std::fs::canonicalize(&default).unwrap_or(default) {
        words.push_str(&format!(" --config {}", quoted(&served.config)));
    }
    format!("{words} {flag}")
}
