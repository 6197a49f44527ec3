//! The `loong` binary: reads the command line, runs the command, prints a failure once.

use std::process::ExitCode;

use clap::Parser;
use loong::cli::Cli;
use loong::commands::{dispatch, explain};
use loong::error::{ExitCode as Exit, Failure};
use loong::output::Output;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let output = Output::standard();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if explain(&error, &output) => return ExitCode::SUCCESS,
        Err(_printed) => return ExitCode::from(Exit::Usage.code()),
    };
    log_to(&output);
    #[cfg(feature = "failpoints")]
    let _armed = loong::failpoints::arm();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(
                &output,
                &Failure::fault("runtime", "cannot start").because(error),
            );
        }
    };
    let result = runtime.block_on(dispatch(cli, &output));
    // A blocked read of standard input must not hold up the end.
    runtime.shutdown_background();
    match result.err().or_else(|| output.lost_data()) {
        None => ExitCode::SUCCESS,
        Some(failure) => failed(&output, &failure),
    }
}

fn failed(output: &Output, failure: &Failure) -> ExitCode {
    output.failure(failure);
    ExitCode::from(failure.exit.code())
}

/// `LOONG_LOG` says what is logged, in the way of `RUST_LOG`.
fn log_to(output: &Output) {
    let filter = EnvFilter::try_from_env("LOONG_LOG")
        // genai logs requests and answers with its errors; ours tell what happened without them.
        .unwrap_or_else(|_unset| EnvFilter::new("warn,genai=off,loong=info"));
    let output = output.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(move || output.log_writer())
        .init();
}
