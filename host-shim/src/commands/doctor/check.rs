//! One check and its verdict, and the list that checks are added to.

use serde::Serialize;

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

/// A verdict; field names and ids are stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub id: &'static str,
    pub status: Status,
    pub channel: Option<String>,
    pub account: Option<String>,
    pub seen: String,
    /// What to do; none when there is nothing to do.
    pub hint: Option<String>,
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

    pub fn ok(&mut self, id: &'static str, seen: impl Into<String>) {
        self.add(id, Status::Ok, seen.into(), String::new());
    }

    pub fn warn(&mut self, id: &'static str, seen: impl Into<String>, hint: impl Into<String>) {
        self.add(id, Status::Warn, seen.into(), hint.into());
    }

    pub fn fail(&mut self, id: &'static str, seen: impl Into<String>, hint: impl Into<String>) {
        self.add(id, Status::Fail, seen.into(), hint.into());
    }

    pub fn into_vec(self) -> Vec<Check> {
        self.list
    }

    fn add(&mut self, id: &'static str, status: Status, seen: String, hint: String) {
        self.list.push(Check {
            id,
            status,
            channel: self.channel.clone(),
            account: self.account.clone(),
            seen,
            hint: Some(hint).filter(|hint| !hint.is_empty()),
        });
    }
}
