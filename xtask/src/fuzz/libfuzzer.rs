//! The fuzz targets of `fuzz/`: built by cargo-fuzz with a nightly compiler, run by ourselves, so that each
//! is bounded, counted, and ended with us.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::watched::{self, Ended};
use super::{Session, Tally};
use crate::build::Built;
use crate::process;

const CARGO_FUZZ: &str = "0.13.2";
/// A case that takes longer has hung.
const LONGEST_CASE_SECONDS: u32 = 20;
/// A fuzz target learns from many cases; a property needs fewer.
const RUNS_PER_CASE: u64 = 10;

/// The names of the fuzz targets.
pub(super) fn targets() -> Result<Vec<String>> {
    let folder = process::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}

impl Session {
    /// Builds and runs the targets that are wanted.
    pub(super) fn libfuzzer(&mut self, built: &Built) -> Result<()> {
        let mut targets = targets()?;
        targets.retain(|target| self.options.names_a_target(target));
        if self.interrupt.came() || targets.is_empty() {
            return Ok(());
        }
        if !nightly_is_there() {
            println!(
                "libFuzzer is left out: it needs a nightly compiler, and `rustup toolchain list` has none (rustup toolchain install nightly --profile minimal)"
            );
            return Ok(());
        }
        let programs = self.build(built, &targets)?;
        for target in targets {
            if self.interrupt.came() {
                break;
            }
            self.fuzz(built, &target, &programs.join(&target))?;
        }
        Ok(())
    }

    fn build(&self, built: &Built, targets: &[String]) -> Result<PathBuf> {
        let tools = tools(built)?;
        let folder = built.folder("fuzz");
        let mut command = cargo_fuzz(&tools)?;
        // Our own code has no unsafe code for a sanitizer to look at, and wasmtime and SQLite are not what is tried.
        command
            .args(["build", "--sanitizer", "none", "--target-dir"])
            .arg(&folder);
        // Either one or all of them.
        if let [only] = targets {
            command.arg(only);
        }
        process::run(
            "building the fuzz targets (the first time takes minutes)",
            &mut command,
        )?;
        Ok(folder.join(host()?).join("release"))
    }

    fn fuzz(&mut self, built: &Built, target: &str, program: &Path) -> Result<()> {
        let log = built.folder("fuzz-logs").join(format!("{target}.log"));
        let corpus = built.folder("fuzz-corpus").join(target);
        for folder in [log.parent(), Some(corpus.as_path()), Some(&self.findings)] {
            fs::create_dir_all(folder.context("a log has a folder")?)?;
        }
        let prefix = self.findings.join(format!("{target}-"));
        let runs = u64::from(self.options.cases) * RUNS_PER_CASE;
        // 0 would be a random one.
        let seed = self.options.seed % u64::from(u32::MAX) + 1;
        let mut command = Command::new(program);
        command
            .arg(&corpus)
            .arg(format!("-artifact_prefix={}", prefix.display()))
            .arg(format!("-runs={runs}"))
            .arg(format!("-max_total_time={}", self.options.seconds))
            .arg(format!("-seed={seed}"))
            .arg(format!("-timeout={LONGEST_CASE_SECONDS}"))
            .arg("-print_final_stats=1")
            .stderr(File::create(&log)?);
        let began = Instant::now();
        let ended = watched::run(command, &self.interrupt, |_silent| {})?;
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let cases = executed(&said);
        self.add(cases);
        let seconds = began.elapsed().as_secs_f64();
        match ended {
            Ended::Well | Ended::Interrupted => {
                println!("fuzz target {target}: {cases} cases, {seconds:.1} s");
            }
            Ended::Failed(status) => {
                self.tally.broken += 1;
                println!(
                    "fuzz target {target}: BROKEN after {cases} cases and {seconds:.1} s ({status})"
                );
                report(&said, target, program, &log);
            }
        }
        Ok(())
    }

    fn add(&mut self, cases: u64) {
        let Tally { cases: so_far, .. } = &mut self.tally;
        *so_far += cases;
    }
}

/// Where the failing input is, and how to try it again.
fn report(said: &str, target: &str, program: &Path, log: &Path) {
    let words = said.lines().filter(|line| line.contains("panicked at"));
    for line in words {
        println!("{line}");
    }
    match kept(said) {
        Some(input) => println!(
            "kept in {input}\nagain: {} {input}\n   or: cargo +nightly fuzz run --sanitizer none --target-dir target/fuzz {target} {input}",
            program.display()
        ),
        None => println!("no input was kept"),
    }
    println!("all that libFuzzer said: {}", log.display());
}

fn nightly_is_there() -> bool {
    let listed = process::output(Command::new("rustup").args(["toolchain", "list"]));
    listed.is_ok_and(|listed| {
        let listed = String::from_utf8_lossy(&listed.stdout);
        listed.lines().any(|line| line.starts_with("nightly"))
    })
}

/// The folder of cargo-fuzz, which is installed when it is missing.
fn tools(built: &Built) -> Result<PathBuf> {
    let tools = built.folder("tools");
    let program = tools.join("bin/cargo-fuzz");
    let version = process::output(Command::new(&program).arg("fuzz").arg("--version"));
    let is_there =
        version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains(CARGO_FUZZ));
    if !is_there {
        process::run(
            "installing cargo-fuzz (about a minute)",
            process::cargo()
                .args(["install", "cargo-fuzz", "--locked", "--force"])
                .args(["--version", CARGO_FUZZ, "--root"])
                .arg(&tools),
        )?;
    }
    Ok(tools.join("bin"))
}

/// `cargo +nightly fuzz`, through rustup, which alone knows what `+nightly` is.
fn cargo_fuzz(tools: &Path) -> Result<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(tools.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("cargo");
    command
        .args(["+nightly", "fuzz"])
        .env("PATH", std::env::join_paths(path)?)
        .env("RUSTUP_AUTO_INSTALL", "0")
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .current_dir(process::root());
    Ok(command)
}

fn host() -> Result<String> {
    let asked = process::output(
        Command::new("rustc")
            .arg("-vV")
            .current_dir(process::root()),
    )?;
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say what it runs on")?;
    ensure!(!host.is_empty(), "rustc does not say what it runs on");
    Ok(host.to_owned())
}

/// How many cases were tried, as the final statistics say; the last count of a line before them when there
/// are none, because it crashed.
fn executed(said: &str) -> u64 {
    let stated = said.lines().find_map(|line| {
        line.strip_prefix("stat::number_of_executed_units:")?
            .trim()
            .parse()
            .ok()
    });
    let counted = || {
        let lines = said.lines().rev();
        lines
            .filter_map(|line| {
                line.strip_prefix('#')?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .next()
    };
    stated.or_else(counted).unwrap_or(0)
}

/// The file that holds the failing input.
fn kept(said: &str) -> Option<&str> {
    said.lines().find_map(|line| {
        line.split_once("Test unit written to ")
            .map(|(_, file)| file.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::{executed, kept, targets};

    #[test]
    fn what_libfuzzer_says_is_counted() {
        let well = "#2\tINITED cov: 5\n#4096\tpulse\nDone 5000 runs in 1 second(s)\nstat::number_of_executed_units: 5000\n";
        assert_eq!((executed(well), kept(well)), (5_000, None));
        let crashed = "#2\tINITED\n#77\tNEW    cov: 9\nthread 'x' panicked at a.rs:1\nartifact_prefix='f/'; Test unit written to f/t-crash-00\n";
        assert_eq!(
            (executed(crashed), kept(crashed)),
            (77, Some("f/t-crash-00"))
        );
        assert_eq!(executed(""), 0);
    }

    #[test]
    fn the_targets_are_those_of_the_folder() {
        assert!(targets().unwrap().contains(&"target_grammar".to_owned()));
    }
}
