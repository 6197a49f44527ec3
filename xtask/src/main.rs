//! `cargo xtask`: everything a developer or a newcomer runs, each command with its own set-up.
//! It only calls tools; what the product does is decided elsewhere.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a build tool speaks through its terminal"
)]

mod build;
mod checks;
mod process;
mod setup;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  demo           builds everything and runs the main job against a simulated WhatsApp
  test [part…]   builds everything and runs all tests; parts: checks, rust, node
  build          target/release/loong, and the component in its place
  help           this text

Examples:
  cargo xtask demo
  cargo xtask test
  cargo xtask test node
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["build"] => build::product().map(|_| true),
        ["demo"] => build::everything(build::Targets::Binaries).and_then(|built| demo(&built)),
        ["test", parts @ ..] => test::run(parts),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["build" | "demo" | "help", extra, ..] | [extra, ..] => {
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
    let status = built
        .for_tests(std::process::Command::new(built.binary("demo")))
        .status()?;
    Ok(status.success())
}
