//! What must be on the machine before anything is built: one clear sentence for each thing missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::build::GUEST_TARGET;
use crate::process;

const NODE_AT_LEAST: u32 = 20;
const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
/// Names the browser; the stories read it too.
pub(crate) const CHROMIUM_VARIABLE: &str = "LOONG_TEST_CHROMIUM";

/// Rust can build for the sandbox.
pub(crate) fn rust() -> Result<()> {
    if guest_target_is_there()? {
        return Ok(());
    }
    let installed = process::run(
        &format!("adding the Rust target {GUEST_TARGET}"),
        Command::new("rustup")
            .args(["target", "add", GUEST_TARGET])
            .current_dir(process::root()),
    );
    installed.with_context(|| {
        format!("the Rust target {GUEST_TARGET} is missing: install rustup (https://rustup.rs), then run this command again")
    })
}

/// Node and npm are there and new enough.
pub(crate) fn node() -> Result<()> {
    let Some(version) = version_of("node") else {
        bail!(
            "Node.js is missing: install Node {NODE_AT_LEAST} or newer (https://nodejs.org), then run this command again"
        );
    };
    if major(&version).is_none_or(|major| major < NODE_AT_LEAST) {
        bail!(
            "Node.js {version} is too old: install Node {NODE_AT_LEAST} or newer (https://nodejs.org), then run this command again"
        );
    }
    if version_of("npm").is_none() {
        bail!(
            "npm is missing: it comes with Node.js from https://nodejs.org; with a distribution's Node, install its npm package too"
        );
    }
    Ok(())
}

/// A browser for the stories that happen in one; gives its program.
pub(crate) fn chromium() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(CHROMIUM_VARIABLE) {
        let named = PathBuf::from(named);
        ensure!(
            named.is_file(),
            "{CHROMIUM_VARIABLE} names {}, which is no file: correct it, or unset it",
            named.display()
        );
        return Ok(named);
    }
    if let Some(found) = on_path(&CHROMIUM) {
        return Ok(found);
    }
    const MISSING: &str = "Chromium is missing: install it (as root on Debian: apt-get install chromium), or name a Chromium or Chrome in LOONG_TEST_CHROMIUM; then run this command again";
    // Nobody is asked for a password in the middle of a build.
    ensure!(is_root() && on_path(&["apt-get"]).is_some(), "{MISSING}");
    let apt = |what: &str, words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(what, &mut command)
    };
    apt("asking for the list of packages", &["update", "--quiet"])
        .and_then(|()| {
            let words = [
                "install",
                "--yes",
                "--quiet",
                "--no-install-recommends",
                "chromium",
            ];
            apt("installing Chromium for the stories in a browser", &words)
        })
        .context(MISSING)?;
    on_path(&CHROMIUM).context(MISSING)
}

/// The first of these programs that is on the path.
fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

fn is_root() -> bool {
    let id = process::output(Command::new("id").arg("-u"));
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn guest_target_is_there() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let found = process::output(
        Command::new(rustc)
            .args(["--print", "target-libdir", "--target", GUEST_TARGET])
            .current_dir(process::root()),
    )
    .context("rustc is missing: install Rust with rustup (https://rustup.rs)")?;
    Ok(found.status.success() && Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir())
}

fn version_of(tool: &str) -> Option<String> {
    let found = Command::new(tool).arg("--version").output().ok()?;
    found
        .status
        .success()
        .then(|| String::from_utf8_lossy(&found.stdout).trim().to_owned())
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
mod tests {
    use super::major;

    #[test]
    fn the_major_version_is_read_from_what_node_prints() {
        assert_eq!(major("v20.11.1"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major("not a version"), None);
    }
}
