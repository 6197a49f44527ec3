//! How a command fails: one sentence of what failed, why, what to do next, and the exit code.
//! Libraries inside the host have their own error enums; a command turns them into this.

use std::fmt;

/// What the process ends with when it does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// The operator can fix it.
    Operator,
    /// The command line is wrong.
    Usage,
    /// A fault of ours.
    Fault,
    /// Stopped by a signal before it was done.
    Interrupted,
}

impl ExitCode {
    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Operator => 1,
            Self::Usage => 2,
            Self::Fault => 3,
            Self::Interrupted => 130,
        }
    }
}

/// A failed command, ready to be printed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable, `snake_case`.
    pub code: String,
    /// What failed.
    pub message: String,
    /// Why, when that is not in the message.
    pub cause: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    pub exit: ExitCode,
}

impl Failure {
    /// Something the operator can fix.
    pub fn operator(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ExitCode::Operator, code, message)
    }

    /// A command line that cannot be meant.
    pub fn usage(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, code, message)
    }

    /// A fault of ours.
    pub fn fault(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ExitCode::Fault, code, message)
    }

    /// Stopped by a signal.
    pub fn interrupted() -> Self {
        Self::new(ExitCode::Interrupted, "interrupted", "interrupted")
    }

    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self
    }

    fn new(exit: ExitCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            cause: None,
            hint: None,
            exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// `error` and everything under it, in one line, each cause said once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !line.contains(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        next = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_fail_has_its_own_exit_code() {
        let codes = [
            ExitCode::Operator,
            ExitCode::Usage,
            ExitCode::Fault,
            ExitCode::Interrupted,
        ]
        .map(ExitCode::code);
        assert_eq!(codes, [1, 2, 3, 130]);
    }

    #[test]
    fn a_failure_reads_as_what_then_why() {
        let failure = Failure::operator("x", "cannot read the file").because("it is a folder");
        assert_eq!(failure.to_string(), "cannot read the file: it is a folder");
    }

    #[test]
    fn an_empty_hint_is_no_hint() {
        assert_eq!(Failure::usage("x", "y").hint("").hint, None);
    }
}
