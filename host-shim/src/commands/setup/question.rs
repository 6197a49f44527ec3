//! One question and its answer: from a flag, else from whoever sits at the terminal, else the default.
//! A bad answer is asked for again at a terminal, with the rule; anywhere else it is refused.

use std::io::IsTerminal;

use crate::commands::confirm::typed_line;
use crate::error::{ExitCode, Failure};
use crate::output::Output;

/// What is to be known.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    /// As it is asked, without a question mark.
    pub(super) words: &'a str,
    /// Taken when nothing is typed, or there is nobody to ask.
    pub(super) default: Option<&'a str>,
    /// The flag that answers it.
    pub(super) flag: &'a str,
}

/// Who is asked.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    output: &'a Output,
    terminal: bool,
}

impl<'a> Asker<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        let terminal = std::io::stdin().is_terminal();
        Self { output, terminal }
    }

    /// Whether somebody can be asked.
    pub(super) fn is_at_terminal(&self) -> bool {
        self.terminal
    }

    /// The answer as `check` makes something of it. `given` is what the flag says.
    ///
    /// # Errors
    /// A given answer does not pass `check`, there is none and nobody to ask, or a fault of ours.
    pub(super) async fn answer<T>(
        &self,
        question: Question<'_>,
        given: Option<&str>,
        mut check: impl AsyncFnMut(&str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(given) = given {
            return check(given.trim()).await;
        }
        if !self.terminal {
            return match question.default {
                Some(default) => check(default).await,
                None => Err(missing(&question)),
            };
        }
        loop {
            let typed = self.typed(&question).await?;
            match check(&typed).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.exit == ExitCode::Fault => return Err(failure),
                Err(failure) => {
                    self.output.say(&failure.to_string());
                    if let Some(hint) = failure.hint {
                        self.output.hint(&hint);
                    }
                }
            }
        }
    }

    async fn typed(&self, question: &Question<'_>) -> Result<String, Failure> {
        let default = question.default.filter(|default| !default.is_empty());
        let offer = default.map_or_else(String::new, |default| format!(" [{default}]"));
        self.output.say(&format!("{}?{offer}", question.words));
        let Some(typed) = typed_line().await else {
            return Err(Failure::operator(
                "setup_ended",
                "the terminal is gone, so nothing was changed",
            ));
        };
        let typed = typed.trim();
        match question.default {
            Some(default) if typed.is_empty() => Ok(default.to_owned()),
            Some(_) | None => Ok(typed.to_owned()),
        }
    }
}

fn missing(question: &Question<'_>) -> Failure {
    Failure::usage(
        "setup_answer_missing",
        format!("{}? There is no terminal to ask on", question.words),
    )
    .hint(format!("add {}; nothing was changed", question.flag))
}

/// An answer that cannot be taken.
pub(super) fn refused(why: impl Into<String>) -> Failure {
    Failure::usage("setup_answer_refused", why)
}
