//! What must hold for every input, tried with as many as time allows (docs/fuzzing.md). Each runner prints
//! its own lines; here they are started one after another, counted, and ended by Ctrl-C.

mod libfuzzer;
mod options;
mod watched;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use self::options::Options;
use self::watched::{Ended, Interrupt};
use crate::{build, process};

/// What was tried so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    cases: u64,
    broken: u64,
}

/// One `cargo xtask fuzz`.
struct Session {
    options: Options,
    interrupt: Interrupt,
    findings: PathBuf,
    tally: Tally,
}

pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let options = Options::read(words)?;
    let interrupt = Interrupt::listen()?;
    let built = build::product()?;
    let mut session = Session {
        findings: built.folder("fuzz-findings"),
        options,
        interrupt,
        tally: Tally::default(),
    };
    println!("seed {}", session.options.seed);
    session.proptest(build::properties(&built)?)?;
    session.libfuzzer(&built)?;
    // What was counted is told also when this cannot be run.
    if let Err(error) = session.fast_check(&built) {
        eprintln!("FAILED properties of the bridge: {error:#}");
        session.tally.broken += 1;
    }
    let Tally { cases, broken } = session.tally;
    let ending = if session.interrupt.came() {
        "interrupted; "
    } else {
        ""
    };
    println!("{ending}{cases} cases in all, {broken} broken");
    Ok(broken == 0 && cases > 0 && ending.is_empty())
}

impl Session {
    fn proptest(&mut self, program: PathBuf) -> Result<()> {
        if self.interrupt.came() || !self.options.names_a_property() {
            return Ok(());
        }
        process::step("trying the properties of the Rust parts");
        let mut command = Command::new(program);
        command
            .args(["--cases", &self.options.cases.to_string()])
            .args(["--seed", &self.options.seed.to_string()])
            .args(self.options.only.iter().flat_map(|name| ["--only", name]))
            .arg("--findings")
            .arg(&self.findings);
        self.count("properties", command)
    }

    fn fast_check(&mut self, built: &build::Built) -> Result<()> {
        if self.interrupt.came() || self.options.only.is_some() {
            return Ok(());
        }
        build::bridge_dependencies(built)?;
        let folder = process::root().join("tests/node-properties");
        process::run(
            "installing what tries the bridge's properties",
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&folder),
        )?;
        process::step("trying the properties of the bridge");
        let mut command = Command::new("node");
        command
            .args(["run.mjs", "--cases", &self.options.cases.to_string()])
            // Theirs have 31 bits.
            .args(["--seed", &(self.options.seed % (1 << 31)).to_string()])
            .current_dir(folder);
        self.count("properties of the bridge", command)
    }

    /// Runs a runner that prints a line for each property, and counts.
    fn count(&mut self, what: &str, command: Command) -> Result<()> {
        let mut cases = 0;
        let ended = watched::run(command, &self.interrupt, |line| {
            println!("{line}");
            cases += told(line).unwrap_or(0);
        })?;
        self.tally.cases += cases;
        if let Ended::Failed(status) = ended {
            eprintln!("FAILED {what}: {status}");
            self.tally.broken += 1;
        }
        Ok(())
    }
}

/// The cases of a line such as `target::a_name: 20000 cases, 1.5 s`.
fn told(line: &str) -> Option<u64> {
    let (_name, figures) = line.rsplit_once(": ")?;
    let (cases, seconds) = figures.split_once(" cases, ")?;
    let seconds = seconds.strip_suffix(" s")?;
    seconds.parse::<f64>().ok()?;
    cases.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_cases_of_a_property_are_counted_and_nothing_else_is() {
        assert_eq!(told("target::a_name: 20000 cases, 1.5 s"), Some(20_000));
        assert_eq!(told("what comes in: 5 cases, 10 s"), Some(5));
        for line in [
            "target::a_name: BROKEN after 1.5 s",
            "total: 25 properties, 360 cases, 3.3 s, 0 failed, seed 7",
            "5 cases",
            "a: x cases, 1 s",
            "",
        ] {
            assert_eq!(told(line), None, "{line:?}");
        }
    }
}
