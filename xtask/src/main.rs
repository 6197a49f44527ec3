//! `cargo xtask`: everything a developer or a newcomer runs, each command with its own set-up.
//! It only calls tools; what the product does is decided elsewhere.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool speaks through its terminal"
)]

mod build;
mod checks;
mod dist;
mod fuzz;
mod process;
mod setup;
mod supply_chain;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo           builds everything and runs the main job against a simulated WhatsApp
  test [part…]   builds everything and runs all tests; parts: checks, rust, node
  torture        kills the product in the middle of its work, again and again;
                 --cycles N (500), --seed S
  fuzz           tries what must hold for every input with a million of them and more: proptest,
                 libFuzzer (with a nightly compiler) and fast-check; --cases N (20000) for each
                 property, and ten times as many for each fuzz target; --seconds S (60), the
                 longest for each of these; --seed S; --only <name>, a fuzz target, or a part or
                 a property of the Rust code. What fails is kept in target/fuzz-findings. Ctrl-C
                 ends it with what was counted
  build          target/release/loong, and the component in its place
  dist           target/dist: an archive of what is handed out, with its SHA256SUMS; for the
                 platform that it is built on and no other, so run it once on each. The times in
                 it are the last commit's, or those of SOURCE_DATE_EPOCH
  help           this text

Examples:
  cargo xtask demo
  cargo xtask test
  cargo xtask test node
  cargo xtask torture --cycles 500 --seed 7
  cargo xtask fuzz --seconds 600
  cargo xtask dist
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["build"] => build::product().map(|_| true),
        ["demo"] => build::everything(build::Targets::Binaries).and_then(|built| demo(&built)),
        ["test", parts @ ..] => test::run(parts),
        ["torture", options @ ..] => torture(options),
        ["fuzz", options @ ..] => fuzz::run(options),
        ["dist"] => dist::run().map(|()| true),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["build" | "demo" | "dist" | "help", extra, ..] | [extra, ..] => {
            eprintln!("xtask: does not know {extra:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(built: &build::Built) -> anyhow::Result<bool> {
    process::step("running the demo");
    let mut command = std::process::Command::new(built.binary("demo"));
    let status = built.for_tests(&mut command).status()?;
    Ok(status.success())
}

fn torture(options: &[&str]) -> anyhow::Result<bool> {
    let built = build::everything(build::Targets::Binaries)?;
    build::host_to_kill(&built)?;
    process::step("killing the product, again and again");
    let mut command = std::process::Command::new(built.binary("torture"));
    let status = built.for_tests(command.args(options)).status()?;
    Ok(status.success())
}
