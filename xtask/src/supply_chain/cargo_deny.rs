//! cargo-deny, at one version, kept below the target directory, and what it says of our crates by
//! deny.toml. Licences, bans and sources need no network; advisories need a database that not every
//! machine can fetch.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use crate::{build, process};

const VERSION: &str = "0.20.2";

pub(super) fn run() -> Result<()> {
    let program = installed(&build::target_directory()?.join("tools"))?;
    process::step("cargo deny: licences, bans and sources of the crates");
    judged(process::output(
        deny(&program).args(["check", "licenses", "bans", "sources"]),
    )?)?;
    refuses_without_exceptions(&program)?;
    process::step("cargo deny: the same of the fuzz targets");
    let mut fuzz = deny(&program);
    fuzz.args([
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--config",
        "deny.toml",
    ]);
    // It is built from fewer crates, so from fewer licences.
    fuzz.args(["check", "-A", "license-not-encountered"]);
    judged(process::output(fuzz.args(["licenses", "bans", "sources"]))?)?;
    let fetched = process::output(deny(&program).args(["fetch", "db"]))?;
    if !fetched.status.success() {
        eprintln!(
            "The database of advisories cannot be fetched here, so known faults and withdrawn versions of crates were not looked for."
        );
        return Ok(());
    }
    process::step("cargo deny: advisories");
    judged(process::output(
        deny(&program).args(["check", "advisories"]),
    )?)
}

/// A deny.toml that refuses nothing would pass for ever: without its exceptions, ours must refuse what the
/// simulator is built on.
fn refuses_without_exceptions(program: &Path) -> Result<()> {
    let config = std::fs::read_to_string(process::root().join("deny.toml"))?;
    let strict = program.with_file_name("deny-without-exceptions.toml");
    std::fs::write(&strict, without_exceptions(&config))?;
    let mut command = deny(program);
    command.arg("--config").arg(&strict);
    let said = process::output(command.args(["check", "bans", "licenses"]))?;
    let words = String::from_utf8_lossy(&said.stderr);
    let words = format!("{words}{}", String::from_utf8_lossy(&said.stdout));
    ensure!(
        words.contains("bans FAILED") && words.contains("licenses FAILED"),
        "deny.toml without its exceptions should refuse wacore-libsignal twice, and does not:\n{words}"
    );
    Ok(())
}

fn without_exceptions(config: &str) -> String {
    let lines = config
        .lines()
        .filter(|line| !line.starts_with("exceptions"));
    let lines: Vec<&str> = lines.collect();
    lines.join("\n").replace("\"loong-tests\"", "\"nobody\"")
}

fn deny(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(process::root())
        .args(["--locked", "--color", "never"]);
    command
}

/// The program, built where it is missing. It decides in seconds either way, so nothing is optimised.
fn installed(tools: &Path) -> Result<PathBuf> {
    let program = tools
        .join("bin/cargo-deny")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let said = process::output(Command::new(&program).arg("--version"));
    if said.is_ok_and(|said| is_ours(&String::from_utf8_lossy(&said.stdout))) {
        return Ok(program);
    }
    let build = tools.join("build");
    process::run(
        "installing cargo-deny (a minute or two, once)",
        process::cargo()
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--force",
                "--debug",
                "--no-default-features",
            ])
            .args(["--version", &format!("={VERSION}")])
            .arg("--root")
            .arg(tools)
            .envs([
                ("CARGO_PROFILE_DEV_DEBUG", "0"),
                ("CARGO_PROFILE_DEV_INCREMENTAL", "false"),
            ])
            .env("CARGO_TARGET_DIR", &build),
    )
    .context("cargo-deny could not be installed: look at the network, then try again")?;
    // 340 MB that nothing reads again.
    std::fs::remove_dir_all(&build).ok();
    Ok(program)
}

fn is_ours(version: &str) -> bool {
    version.trim() == format!("cargo-deny {VERSION}")
}

/// Everything it said when it refuses; else one line for each warning.
fn judged(said: Output) -> Result<()> {
    let words = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() {
        eprintln!("{words}");
        bail!("cargo deny refuses what deny.toml does not allow; it says above what");
    }
    for line in words.lines().filter(|line| line.starts_with("warning[")) {
        eprintln!("  {line}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn exceptions_are_taken_away_and_nothing_else() {
        let config =
            "allow = [\"MIT\"]\nexceptions = [1]\nwrappers = [\"loong-tests\", \"wacore\"]";
        let strict = "allow = [\"MIT\"]\nwrappers = [\"nobody\", \"wacore\"]";
        assert_eq!(without_exceptions(config), strict);
    }

    #[test]
    fn another_version_is_not_taken_for_ours() {
        assert!(is_ours(&format!("cargo-deny {VERSION}\n")));
        assert!(!is_ours("cargo-deny 0.1.0"));
        assert!(!is_ours(""));
    }

    #[test]
    fn what_cargo_deny_refuses_fails_the_check_and_what_it_warns_of_does_not() {
        let said = |code: i32| Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: b"warning[duplicate]: found 2".to_vec(),
        };
        assert!(judged(said(0)).is_ok());
        assert!(judged(said(2)).is_err());
    }
}
