//! The grammar of targets. Whether the account exists is known elsewhere.
//!
//! Accepted are `<channel>:<account>:<kind>:<id>`, `<account>:<kind>:<id>` and `<kind>:<id>`, the
//! channel by its id or an alias. Canonical is the first form with the channel's id.

use crate::account::normalised_id;
use crate::channel::{CHANNEL_ID, is_channel_name};
use crate::error::{ChannelError, ErrorKind};
use crate::identity::{IdError, Identity};

/// A target as written: the account may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Normalised.
    pub account: Option<String>,
    pub chat: Identity,
}

impl Target {
    /// Reads a target in any accepted form.
    ///
    /// # Errors
    /// Names the rule that the target breaks.
    pub fn parse(written: &str) -> Result<Self, ChannelError> {
        if written.chars().any(char::is_control) {
            return Err(refused_id(written, IdError::ControlCharacters));
        }
        let written = written.trim();
        if written.is_empty() {
            return Err(refused("target_empty", "the target is empty".to_owned()));
        }
        let (first, rest) = written
            .split_once(':')
            .ok_or_else(|| malformed(written, "it names no kind"))?;
        if let Some(kind) = Kind::parse(first) {
            return Ok(Self {
                account: None,
                chat: kind.read(written, rest)?,
            });
        }
        let (account, rest) = if is_channel_name(first) {
            rest.split_once(':')
                .ok_or_else(|| malformed(written, "it names no account and no kind"))?
        } else {
            (first, rest)
        };
        let (kind, id) = rest
            .split_once(':')
            .ok_or_else(|| malformed(written, "a part is missing"))?;
        let account = normalised_id(account);
        if account.is_empty() {
            return Err(malformed(written, "it names no account"));
        }
        if is_reserved_account(&account) {
            return Err(refused(
                "account_reserved",
                format!(
                    "the target `{written}` names the account `{account}`, a name that belongs to the channel"
                ),
            ));
        }
        let kind = Kind::parse(kind).ok_or_else(|| {
            refused(
                "target_kind_unknown",
                format!(
                    "the target `{written}` has the kind `{kind}`; there are `contact` and `group`"
                ),
            )
        })?;
        Ok(Self {
            account: Some(account),
            chat: kind.read(written, id)?,
        })
    }

    /// Reads a target of an account that is already selected.
    ///
    /// # Errors
    /// As [`Target::parse`], and when the target names another account.
    pub fn parse_for(written: &str, selected: &str) -> Result<Self, ChannelError> {
        let target = Self::parse(written)?;
        match &target.account {
            Some(named) if named != selected => Err(contradiction(named, selected)),
            Some(_) | None => Ok(target),
        }
    }

    /// The form that is printed and sent.
    #[must_use]
    pub fn canonical(&self, account: &str) -> String {
        let kind = if self.chat.is_group() {
            "group"
        } else {
            "contact"
        };
        format!("{CHANNEL_ID}:{account}:{kind}:{}", self.chat)
    }
}

/// The error for a target whose account is not the one selected.
#[must_use]
pub fn contradiction(named: &str, selected: &str) -> ChannelError {
    ChannelError::new(
        ErrorKind::InvalidInput,
        "account_mismatch",
        format!("the target names the account `{named}`, but `{selected}` is selected"),
        "leave one of the two out, or name the same account in both",
    )
}

/// Names that no account may have, because a target could not tell them apart.
#[must_use]
pub fn is_reserved_account(normalised: &str) -> bool {
    Kind::parse(normalised).is_some() || is_channel_name(normalised)
}

#[derive(Clone, Copy)]
enum Kind {
    Contact,
    Group,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "contact" => Some(Self::Contact),
            "group" => Some(Self::Group),
            _ => None,
        }
    }

    fn read(self, written: &str, id: &str) -> Result<Identity, ChannelError> {
        match self {
            Self::Contact => Identity::contact(id),
            Self::Group => Identity::group(id),
        }
        .map_err(|error| refused_id(written, error))
    }
}

const FORMS: &str = "write `contact:+15551234567` or `group:<digits>@g.us`, with `whatsapp-personal:<account>:` in front to name the account";

fn refused_id(written: &str, error: IdError) -> ChannelError {
    let shown = written.escape_debug();
    refused(
        error.code(),
        format!(
            "the target `{shown}` cannot be used, because {}",
            error.rule()
        ),
    )
}

fn malformed(written: &str, why: &str) -> ChannelError {
    refused(
        "target_form",
        format!("the target `{written}` is not complete: {why}"),
    )
}

fn refused(code: &str, message: String) -> ChannelError {
    ChannelError::new(ErrorKind::InvalidInput, code, message, FORMS)
}
