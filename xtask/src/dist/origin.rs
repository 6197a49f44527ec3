//! What an archive is made from: which version, for which platform, and of what time. Reads only.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// Where this comes from.
#[derive(Debug)]
pub(super) struct Origin {
    /// Of `loong`, and of everything beside it.
    pub(super) version: String,
    /// The platform, in Rust's words.
    pub(super) target: String,
    /// Unix seconds that every file in the archive carries.
    pub(super) time: u64,
    /// Files that no commit holds as they are.
    uncommitted: Vec<String>,
    /// Whether a commit says the time, or somebody who asked for another.
    dated: bool,
}

impl Origin {
    pub(super) fn find() -> Result<Self> {
        let given = std::env::var("SOURCE_DATE_EPOCH").ok();
        let written = match given.filter(|text| !text.trim().is_empty()) {
            Some(text) => Some(seconds(&text)?),
            None => git(&["log", "-1", "--format=%ct"])
                .map(|text| seconds(&text))
                .transpose()?,
        };
        let changes = git(&["status", "--porcelain"]).unwrap_or_default();
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            target: host()?,
            time: written.unwrap_or(0),
            uncommitted: changed(&changes),
            dated: written.is_some(),
        })
    }

    /// What whoever packs should know.
    pub(super) fn tell(&self) {
        if !self.uncommitted.is_empty() {
            process::step(&format!(
                "note: what is packed is in no commit as it is: {}. Commit first for a release",
                self.uncommitted.join(", ")
            ));
        }
        if !self.dated {
            process::step(
                "note: no git here says what time it is of, so its files are of 1970; SOURCE_DATE_EPOCH sets another",
            );
        }
    }
}

fn seconds(text: &str) -> Result<u64> {
    text.trim().parse().with_context(|| {
        format!("SOURCE_DATE_EPOCH is {text:?}: set it to whole seconds since 1970, or unset it to use the commit's time")
    })
}

/// The paths of `git status --porcelain`.
fn changed(status: &str) -> Vec<String> {
    status
        .lines()
        .filter_map(|line| line.get(3..))
        .map(str::to_owned)
        .collect()
}

/// What git says; none without git or outside of a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let said = process::output(
        Command::new("git")
            .args(arguments)
            .current_dir(process::root()),
    )
    .ok()?;
    let text = String::from_utf8_lossy(&said.stdout).trim_end().to_owned();
    (said.status.success() && !text.is_empty()).then_some(text)
}

/// The platform that cargo builds for when nobody names another.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = process::output(Command::new(rustc).arg("-vV").current_dir(process::root()))
        .context("rustc is missing: install Rust with rustup (https://rustup.rs)")?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    match text.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("`rustc -vV` names no host: {text:?}; reinstall the toolchain"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_whole_seconds_or_refused_with_the_way_out() {
        assert_eq!(seconds(" 1700000000\n").unwrap(), 1_700_000_000);
        for wrong in ["yesterday", "-1", "1.5"] {
            let error = seconds(wrong).unwrap_err().to_string();
            assert!(
                error.contains("SOURCE_DATE_EPOCH") && error.contains("unset"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_not_committed_is_named() {
        let status = " M xtask/src/main.rs\n?? notes.txt";
        assert_eq!(changed(status), ["xtask/src/main.rs", "notes.txt"]);
        assert!(changed("").is_empty());
    }
}
