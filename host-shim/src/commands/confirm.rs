//! Asking a person whether something is meant, before it is done.

use std::io::{BufRead, IsTerminal};

use crate::error::Failure;
use crate::output::Output;

/// Whether there is somebody to ask.
///
/// # Errors
/// There is no terminal; `what` must be confirmed by a flag then.
pub(super) fn can_confirm(what: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        "confirmation_needed",
        format!("{what} must be confirmed, and there is no terminal to ask on"),
    )
    .hint("add --yes when you mean it; nothing was changed"))
}

/// Asks for a yes; what it is about has been said.
///
/// # Errors
/// The answer was something else.
pub(super) async fn confirmed(output: &Output) -> Result<(), Failure> {
    output.say("type yes and Enter to go on:");
    if typed_line().await.is_some_and(|typed| confirms(&typed)) {
        return Ok(());
    }
    Err(Failure::operator(
        "not_confirmed",
        "not confirmed, so nothing was changed",
    ))
}

/// What is typed next, up to Enter; none when standard input has ended.
pub(super) async fn typed_line() -> Option<String> {
    // On a thread of its own: somebody may never type, and Ctrl-C must be heard.
    let typed = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.map(|count| (count > 0).then_some(line))
    });
    typed.await.ok()?.ok()?
}

fn confirms(typed: &str) -> bool {
    typed.trim().eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_confirms() {
        for yes in ["yes\n", "Yes\n", " YES \n"] {
            assert!(confirms(yes), "{yes}");
        }
        for no in ["", "\n", "no\n", "y\n", "ye\n", "yes please\n"] {
            assert!(!confirms(no), "{no}");
        }
    }
}
