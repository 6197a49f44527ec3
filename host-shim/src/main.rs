//! The `loong` binary: reads the command line, runs the command, prints a failure once.

use std::process::ExitCode;

use loong::commands::{Invocation, dispatch};
use loong::error::Failure;
use loong::logging::Logging;
use loong::output::Output;

fn main() -> ExitCode {
    let output = Output::standard();
    let invocation = match Invocation::read(std::env::args_os(), &output) {
        Ok(Some(invocation)) => invocation,
        Ok(None) => return ExitCode::SUCCESS,
        Err(failure) => return failed(&output, &failure),
    };
    let output = match Logging::of(&invocation.global, |name| {
        // One that is no text is told as a wrong one, not passed over.
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }) {
        Ok(logging) => logging.begin(&output),
        Err(failure) => return failed(&output, &failure),
    };
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
    let result = runtime.block_on(dispatch(invocation, &output));
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
