//! All tests of all runners, and one count over them as the last line.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{build, checks, dist, process, setup};

/// How many tests passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    pub(crate) fn check(&mut self, name: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(error) => {
                eprintln!("FAILED {name}: {error:#}");
                self.failed += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

const PARTS: [&str; 3] = ["checks", "node", "rust"];

pub(crate) fn run(parts: &[&str]) -> Result<bool> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        bail!(
            "there is no part {unknown:?}; parts are: {}",
            PARTS.join(", ")
        );
    }
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    // Whatever is missing is said before minutes of building.
    let chromium = wanted("rust").then(setup::chromium).transpose()?;
    let built = build::everything(build::Targets::BinariesAndTests)?;
    let mut total = Count::default();
    if wanted("checks") {
        total.add(checks::run()?);
    }
    if wanted("node") {
        let npm_test = |what: &str, folder: &Path| {
            let mut command = Command::new("npm");
            counted(what, command.args(["test", "--silent"]).current_dir(folder))
        };
        total.add(npm_test("testing the bridge", &build::plugin_folder())?);
        let properties = build::node_properties();
        build::node_packages("installing what draws cases", &properties)?;
        total.add(npm_test("holding the bridge's properties", &properties)?);
    }
    if wanted("rust") {
        // Before another loong takes its place for a while.
        let packed = dist::pack(&built);
        build::host_to_kill(&built)?;
        let mut tests = process::cargo();
        if let Ok(archive) = &packed {
            tests.env("LOONG_DIST", archive);
        }
        total.check("dist", packed.map(drop));
        built
            .for_tests(&mut tests)
            .args(["test", "--release", "--workspace", "--no-fail-fast"])
            .envs(chromium.map(|program| (setup::CHROMIUM_VARIABLE, program)));
        total.add(counted(
            "testing the Rust crates and telling the stories",
            &mut tests,
        )?);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0 && total.passed > 0)
}

/// Runs a test runner, shows what it prints, and counts what it counted. A runner that fails
/// without a failed test (it did not compile, it crashed) counts as one failure.
fn counted(what: &str, command: &mut Command) -> Result<Count> {
    process::step(what);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", process::shown(command)))?;
    let output = child.stdout.take().context("the output was piped")?;
    let mut count = Count::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        count.add(tally(&line));
    }
    if !child.wait()?.success() && count.failed == 0 {
        eprintln!("FAILED {what}: {}", process::shown(command));
        count.failed = 1;
    }
    Ok(count)
}

/// What a closing line of libtest (`test result: ok. 3 passed; 1 failed; …`) or of Node's spec
/// reporter (`ℹ pass 3`, `ℹ fail 1`) adds; nothing for any other line.
fn tally(line: &str) -> Count {
    let mut count = Count::default();
    if let Some(result) = line.strip_prefix("test result: ") {
        let counted = |word: &str| -> u64 {
            result
                .split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
                .unwrap_or(0)
        };
        count = Count {
            passed: counted("passed"),
            failed: counted("failed"),
        };
    } else if let Some(passed) = line.strip_prefix("ℹ pass ") {
        count.passed = passed.trim().parse().unwrap_or(0);
    } else if let Some(failed) = line.strip_prefix("ℹ fail ") {
        count.failed = failed.trim().parse().unwrap_or(0);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{Count, tally};

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        let libtest = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            tally(libtest),
            Count {
                passed: 12,
                failed: 3
            }
        );
        assert_eq!(
            tally("ℹ pass 7"),
            Count {
                passed: 7,
                failed: 0
            }
        );
        assert_eq!(
            tally("ℹ fail 2"),
            Count {
                passed: 0,
                failed: 2
            }
        );
    }

    #[test]
    fn any_other_line_counts_nothing() {
        for line in ["running 3 tests", "test a ... ok", "ℹ tests 9", ""] {
            assert_eq!(tally(line), Count::default(), "{line:?}");
        }
    }
}
