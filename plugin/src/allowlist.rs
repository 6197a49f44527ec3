//! Which chats may write and be written to. An empty list lets nobody through, `*` everybody; a
//! list with an entry that cannot be read lets nobody through either, and says so.

use crate::channel::Account;
use crate::error::{ChannelError, ErrorKind};
use crate::identity::{IdError, Identity};

/// A list that could be read completely.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowlist {
    everybody: bool,
    chats: Vec<Identity>,
}

/// An entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEntry {
    /// Position in the list, from 0.
    pub index: usize,
    pub error: IdError,
}

impl Allowlist {
    /// Reads the entries as the operator wrote them.
    ///
    /// # Errors
    /// Every entry that cannot be read.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<BadEntry>> {
        let mut list = Self::default();
        let mut bad = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            if entry.trim() == "*" {
                list.everybody = true;
                continue;
            }
            match Identity::chat(entry) {
                Ok(chat) => list.chats.push(chat),
                Err(error) => bad.push(BadEntry { index, error }),
            }
        }
        if bad.is_empty() { Ok(list) } else { Err(bad) }
    }

    /// The list of an account, which was checked when the configuration was read.
    ///
    /// # Errors
    /// An entry cannot be read after all.
    pub fn of(account: &Account) -> Result<Self, ChannelError> {
        Self::parse(&account.allowed_chats).map_err(|bad| {
            let positions: Vec<String> = bad.iter().map(|b| b.index.to_string()).collect();
            ChannelError::new(
                ErrorKind::Refused,
                "allowlist_entry_invalid",
                format!(
                    "`allowed_chat_ids` of the account `{}` has entries that cannot be read (positions {})",
                    account.configured_id,
                    positions.join(", ")
                ),
                "see `loong doctor` for what is wrong with them",
            )
        })
    }

    /// Whether one of the chat's ids is on the list.
    pub fn allows<'a>(&self, mut ids: impl Iterator<Item = &'a Identity>) -> bool {
        self.everybody || ids.any(|id| self.chats.contains(id))
    }

    /// The entries in canonical form, `*` first.
    #[must_use]
    pub fn canonical(&self) -> Vec<String> {
        let star = self.everybody.then(|| "*".to_owned());
        star.into_iter()
            .chain(self.chats.iter().map(Identity::to_string))
            .collect()
    }
}

/// The entry that lets a chat in, as it was written; one that names the chat goes before `*`.
/// None also while an entry cannot be read, for then nobody is let in.
#[must_use]
pub fn entry_for<'a>(entries: &'a [String], chat: &Identity) -> Option<&'a str> {
    Allowlist::parse(entries).ok()?;
    let names_it = |entry: &&String| Identity::chat(entry).is_ok_and(|named| named == *chat);
    let everybody = |entry: &&String| entry.trim() == "*";
    let named = entries.iter().find(names_it);
    named
        .or_else(|| entries.iter().find(everybody))
        .map(|entry| entry.trim())
}
