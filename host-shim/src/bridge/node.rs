//! Finds Node. Knows nothing of bridges and packages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::error::Failure;

/// The oldest Node that bridges run on.
const OLDEST: u32 = 20;
const GET_NODE: &str = "install Node 20 or newer with npm (https://nodejs.org), then try again";

/// Where `name` is on PATH.
pub fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    std::env::split_paths(path?)
        .map(|folder| folder.join(name))
        .find(|file| {
            std::fs::metadata(file)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

/// Node on PATH, when it is new enough.
///
/// # Errors
/// There is none, it does not say its version, or it is too old; says what to install.
pub async fn node(path: Option<&OsStr>) -> Result<PathBuf, Failure> {
    let Some(node) = find("node", path) else {
        return Err(Failure::operator(
            "node_missing",
            "Node is not installed, and the bridge runs on it",
        )
        .hint(GET_NODE));
    };
    let version = version(&node).await.ok_or_else(|| {
        Failure::operator(
            "node_broken",
            format!("{} does not say its version", node.display()),
        )
        .hint(GET_NODE)
    })?;
    match major(&version) {
        Some(major) if major >= OLDEST => Ok(node),
        _ => Err(Failure::operator(
            "node_too_old",
            format!("Node {version} is too old: the bridge needs {OLDEST} or newer"),
        )
        .hint(GET_NODE)),
    }
}

/// npm on PATH.
///
/// # Errors
/// There is none; says what to install.
pub fn npm(path: Option<&OsStr>) -> Result<PathBuf, Failure> {
    find("npm", path).ok_or_else(|| {
        Failure::operator(
            "npm_missing",
            "npm is not installed, and the bridge's dependencies come with it",
        )
        .hint(GET_NODE)
    })
}

async fn version(node: &Path) -> Option<String> {
    let run = Command::new(node)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(20), run)
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn major(version: &str) -> Option<u32> {
    version
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes a shell script that can be run. Another process does it: a file that this one has
    /// open for writing cannot be run while any other test starts a child.
    pub(crate) fn write_program(file: &Path, script: &str) {
        let status = std::process::Command::new("/bin/sh")
            .args([
                "-c",
                "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"",
                "sh",
            ])
            .arg(file)
            .arg(script)
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn fake(folder: &Path, script: &str) {
        write_program(&folder.join("node"), script);
    }

    #[tokio::test]
    async fn a_missing_broken_or_old_node_is_one_clear_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().as_os_str());
        assert_eq!(node(path).await.unwrap_err().code, "node_missing");
        fake(folder.path(), "exit 1");
        assert_eq!(node(path).await.unwrap_err().code, "node_broken");
        fake(folder.path(), "echo v18.19.1");
        let old = node(path).await.unwrap_err();
        assert!(old.message.contains("v18.19.1") && old.hint.unwrap().contains("nodejs.org"));
        assert_eq!(npm(path).unwrap_err().code, "npm_missing");
    }

    #[tokio::test]
    async fn a_new_enough_node_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        fake(folder.path(), "echo v22.1.0");
        assert_eq!(
            node(Some(folder.path().as_os_str())).await.unwrap(),
            folder.path().join("node")
        );
    }
}
