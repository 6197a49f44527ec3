//! One check and its verdict, and the list that checks are added to.

use serde::Serialize;

pub use super::ids::Id;
use super::remedy::Remedy;
use crate::error::Failure;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ok,
    /// Works, or will; worth a look.
    Warn,
    /// Stands in the way.
    Fail,
}

impl Status {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check found, before it is said whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub status: Status,
    pub seen: String,
    /// What to do; empty when there is nothing to do.
    pub hint: String,
    pub remedy: Option<Remedy>,
}

impl Finding {
    pub fn ok(seen: impl Into<String>) -> Self {
        Self::new(Status::Ok, seen, "")
    }

    pub fn warn(seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Status::Warn, seen, hint)
    }

    pub fn fail(seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Status::Fail, seen, hint)
    }

    pub fn new(status: Status, seen: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status,
            seen: seen.into(),
            hint: hint.into(),
            remedy: None,
        }
    }

    /// The same, and what `--fix` can do about it.
    #[must_use]
    pub fn mended_by(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(remedy);
        self
    }
}

impl From<Failure> for Finding {
    fn from(failure: Failure) -> Self {
        Self::fail(failure.to_string(), failure.hint.unwrap_or_default())
    }
}

/// A verdict; field names and ids are stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub id: Id,
    pub status: Status,
    pub channel: Option<String>,
    pub account: Option<String>,
    pub seen: String,
    /// What to do; none when there is nothing to do.
    pub hint: Option<String>,
    /// Whether `--fix` would see to it.
    pub fixable: bool,
    #[serde(skip)]
    pub remedy: Option<Remedy>,
}

impl Check {
    /// What it is about, as it is shown behind the id.
    pub fn subject(&self) -> String {
        subject(self.channel.as_deref(), self.account.as_deref())
    }
}

/// A channel and an account, as they are shown behind an id.
pub fn subject(channel: Option<&str>, account: Option<&str>) -> String {
    match (channel, account) {
        (Some(channel), Some(account)) => format!(" [{channel} {account}]"),
        (Some(channel), None) => format!(" [{channel}]"),
        (None, _) => String::new(),
    }
}

/// Collects checks, each about the subject set last.
#[derive(Debug, Default)]
pub struct Checks {
    list: Vec<Check>,
    channel: Option<String>,
    account: Option<String>,
}

impl Checks {
    /// What follows is about this channel, and account.
    pub fn about(&mut self, channel: Option<&str>, account: Option<&str>) {
        self.channel = channel.map(str::to_owned);
        self.account = account.map(str::to_owned);
    }

    pub fn ok(&mut self, id: Id, seen: impl Into<String>) {
        self.add(id, Finding::ok(seen));
    }

    pub fn warn(&mut self, id: Id, seen: impl Into<String>, hint: impl Into<String>) {
        self.add(id, Finding::warn(seen, hint));
    }

    pub fn fail(&mut self, id: Id, seen: impl Into<String>, hint: impl Into<String>) {
        self.add(id, Finding::fail(seen, hint));
    }

    pub fn add(&mut self, id: Id, finding: impl Into<Finding>) {
        let finding = finding.into();
        self.list.push(Check {
            id,
            status: finding.status,
            channel: self.channel.clone(),
            account: self.account.clone(),
            seen: finding.seen,
            hint: Some(finding.hint).filter(|hint| !hint.is_empty()),
            // Decided when all is known; see `remedy`.
            fixable: false,
            remedy: finding.remedy,
        });
    }

    pub fn into_vec(self) -> Vec<Check> {
        self.list
    }
}
