//! The long proof by killing: `cargo xtask torture --cycles N [--seed S]`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a proof that runs for hours says how far it is"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use loong_tests::torture::Torture;

const HELP: &str = "\
torture [--cycles N] [--seed S]

Kills the bridge, the host or both in the middle of their work, N times (500), at named points and
at random times, and checks that every message was answered once and in order. The same seed gives
the same messages and kills.

Examples:
  torture --cycles 20
  torture --cycles 500 --seed 7
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .iter()
        .any(|each| each == "--help" || each == "-h")
    {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match read(&arguments) {
        Err(error) => {
            eprintln!("torture: {error:#}\n\n{HELP}");
            ExitCode::from(2)
        }
        Ok((cycles, seed)) => match run(cycles, seed).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("torture with seed {seed}: {error:?}");
                ExitCode::FAILURE
            }
        },
    }
}

fn read(arguments: &[String]) -> Result<(usize, u64)> {
    let (mut cycles, mut seed) = (500, rand::random());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{word} needs a number"));
        match word.as_str() {
            "--cycles" => cycles = value?.parse().context("--cycles wants a number")?,
            "--seed" => seed = value?.parse().context("--seed wants a number")?,
            _ => bail!("does not know {word:?}"),
        }
    }
    Ok((cycles, seed))
}

async fn run(cycles: usize, seed: u64) -> Result<()> {
    println!("torture: {cycles} cycles, seed {seed}");
    let begun = Instant::now();
    let mut torture = Torture::begin(seed).await?;
    let mut slowest = Duration::ZERO;
    for _ in 0..cycles {
        let kill = torture.any_kill();
        let cycle = torture.cycle(kill).await?;
        slowest = slowest.max(cycle.took);
        println!(
            "{:>4}  {:<44} {:>2} messages  {:>6.2} s",
            cycle.number,
            kill.to_string(),
            cycle.messages,
            cycle.took.as_secs_f64()
        );
    }
    let messages = torture.end().await?;
    println!(
        "{cycles} cycles, {messages} messages: each answered once and in order. Slowest cycle {slowest:.1?}, all in {:.0?}, seed {seed}.",
        begun.elapsed()
    );
    Ok(())
}
