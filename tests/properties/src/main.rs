//! The long form: every property with as many cases as are asked for, a line for each. `cargo xtask fuzz`
//! runs it.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers speaks through its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use loong_properties::{Broken, PARTS, Property};

const USAGE: &str =
    "loong-properties [--cases N] [--seed S] [--only <part>::<property>] [--findings <directory>]";

/// What is asked for.
struct Asked {
    cases: u32,
    seed: u64,
    only: Option<String>,
    findings: Option<PathBuf>,
}

fn main() -> ExitCode {
    let asked = match Asked::read(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let (mut tried, mut all_hold) = (0, true);
    for (part, properties) in PARTS {
        for property in *properties {
            let name = format!("{part}::{}", property.name);
            if asked
                .only
                .as_ref()
                .is_none_or(|only| *only == name || only == part)
            {
                tried += 1;
                all_hold &= asked.holds(&name, property);
            }
        }
    }
    if tried == 0 {
        eprintln!("there is no property of that name; without --only all are tried and named");
        return ExitCode::from(2);
    }
    if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Asked {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut asked = Self {
            cases: 1_000,
            seed: since.as_secs(),
            only: None,
            findings: None,
        };
        let mut words = words;
        while let Some(option) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{option} wants a value"))?;
            let number = || format!("{option} wants a whole number, and {value:?} is none");
            match option.as_str() {
                "--cases" => asked.cases = value.parse().map_err(|_none| number())?,
                "--seed" => asked.seed = value.parse().map_err(|_none| number())?,
                "--only" => asked.only = Some(value),
                "--findings" => asked.findings = Some(value.into()),
                _ => return Err(format!("does not know {option:?}")),
            }
        }
        Ok(asked)
    }

    /// Tries one, and says how it went.
    fn holds(&self, name: &str, property: &Property) -> bool {
        let began = Instant::now();
        match property.hold(self.cases, Some(self.seed)) {
            Ok(cases) => {
                println!(
                    "{name}: {cases} cases, {:.1} s",
                    began.elapsed().as_secs_f64()
                );
                true
            }
            Err(broken) => {
                println!(
                    "{name}: BROKEN after {:.1} s",
                    began.elapsed().as_secs_f64()
                );
                self.keep(name, &broken);
                false
            }
        }
    }

    fn keep(&self, name: &str, broken: &Broken) {
        let again = format!(
            "cargo xtask fuzz --only {name} --cases {} --seed {}",
            self.cases, self.seed
        );
        let words = format!(
            "{name}\n\n{}\n\nfor the input\n{}\n\nagain: {again}\n",
            broken.reason, broken.input
        );
        print!("{words}");
        if let Some(folder) = &self.findings {
            let file = folder.join(format!("{}.txt", name.replace("::", "-")));
            match std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, words)) {
                Ok(()) => println!("kept in {}", file.display()),
                Err(error) => println!("cannot be kept in {}: {error}", file.display()),
            }
        }
    }
}
