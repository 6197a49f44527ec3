//! A change of an account's list of chats in the configuration: which list it is, what happens to
//! it, and whether the guest reads from it what was meant. Writes nothing, prints nothing.

use std::collections::BTreeSet;

use super::opened::{Opened, document, to_json};
use crate::component::bindings::{Issue, Report, Severity};
use crate::config::Config;
use crate::config_edit::ConfigEdit;
use crate::error::Failure;

/// The key of the list, in the channel's block and in its accounts.
const LIST: &str = "allowed_chat_ids";
/// The entry that lets everybody in.
pub(super) const EVERYBODY: &str = "*";

/// The list that an account goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountList {
    /// Keys of the table that it stands in.
    table: Vec<String>,
    /// The block's list has to be copied there first: other accounts go by it, too.
    copied_from: Option<Vec<String>>,
}

impl AccountList {
    /// The account's own list where it has one; else the block's, unless that is other accounts'
    /// list, too: a change for one account must not change who reaches another.
    pub(super) fn of(block: Option<&toml::Value>, key: &str, label: &str) -> Self {
        let in_block = Self {
            table: vec![key.to_owned()],
            copied_from: None,
        };
        let accounts = block
            .and_then(|block| block.get("accounts"))
            .and_then(toml::Value::as_table);
        let Some((accounts, own)) =
            accounts.and_then(|accounts| Some((accounts, accounts.get(label)?)))
        else {
            return in_block;
        };
        let has_list = |account: &toml::Value| account.get(LIST).is_some();
        let shared = accounts
            .iter()
            .any(|(name, account)| name != label && !has_list(account));
        if !has_list(own) && !shared {
            return in_block;
        }
        Self {
            table: vec![key.to_owned(), "accounts".to_owned(), label.to_owned()],
            copied_from: (!has_list(own)).then(|| vec![key.to_owned()]),
        }
    }

    /// Where it stands, as a dotted path.
    pub(super) fn path(&self) -> String {
        format!("{}.{LIST}", self.table.join("."))
    }

    /// Whether the account gets a list of its own by a change.
    pub(super) fn is_new(&self) -> bool {
        self.copied_from.is_some()
    }

    /// Adds `entries` to the list, and takes `*` out when it is to be narrowed.
    ///
    /// # Errors
    /// What stands there is no list.
    pub(super) fn change(
        &self,
        edit: &mut ConfigEdit,
        entries: &[&str],
        narrow: bool,
    ) -> Result<(), Failure> {
        if entries.is_empty() && !narrow {
            return Ok(());
        }
        let table: Vec<&str> = self.table.iter().map(String::as_str).collect();
        if let Some(from) = &self.copied_from {
            let from: Vec<&str> = from.iter().map(String::as_str).collect();
            edit.copy_list(&from, &table, LIST)?;
        }
        for entry in entries {
            edit.add_to_list(&table, LIST, entry)?;
        }
        if narrow {
            edit.remove_from_list(&table, LIST, EVERYBODY)?;
        }
        Ok(())
    }
}

/// Has the guest read the changed configuration.
///
/// # Errors
/// It would be wrong where it was not before, or mean something else than `entries` more for
/// `account` and nothing for the others.
pub(super) async fn checked(
    opened: &Opened,
    before: &Report,
    edit: &ConfigEdit,
    account: &str,
    entries: &[&str],
    narrow: bool,
) -> Result<Report, Failure> {
    let config = Config::parse(edit.path(), edit.text())?;
    let block = config.section(&opened.plugin.manifest.config_key);
    let block = block.map_or_else(|| serde_json::json!({}), to_json);
    let after = opened
        .channel
        .validate_config(document(&block, Some(account), None))
        .await?;
    let known: BTreeSet<_> = errors(before).map(identity).collect();
    if let Some(fresh) = errors(&after).find(|issue| !known.contains(&identity(issue))) {
        return Err(Failure::operator(
            fresh.code.clone(),
            format!(
                "the changed configuration would be wrong ({}), so nothing was changed",
                fresh.config_path
            ),
        )
        .because(&fresh.message)
        .hint(fresh.hint.clone()));
    }
    if is_meant(before, &after, account, entries, narrow) {
        return Ok(after);
    }
    Err(Failure::operator(
        "list_not_meant",
        "the changed configuration would let in others than are meant, so nothing was changed",
    )
    .hint("change the list by hand, then run `loong doctor`"))
}

fn is_meant(
    before: &Report,
    after: &Report,
    account: &str,
    entries: &[&str],
    narrow: bool,
) -> bool {
    let lists = |report: &Report| -> Vec<(String, Vec<String>)> {
        let accounts = report.accounts.iter().map(|entry| &entry.account);
        accounts
            .map(|account| (account.configured_id.clone(), account.allowed_chats.clone()))
            .collect()
    };
    let others = |report: &Report| -> Vec<_> {
        let lists = lists(report).into_iter();
        lists.filter(|(id, _)| id != account).collect()
    };
    let own = |report: &Report| {
        let mut lists = lists(report).into_iter();
        lists.find(|(id, _)| id == account).map(|(_, list)| list)
    };
    let (Some(was), Some(is)) = (own(before), own(after)) else {
        return false;
    };
    let added = |entry: &String| was.contains(entry) || entries.contains(&entry.as_str());
    let star = |entry: &String| entry.trim() == EVERYBODY;
    // Where no list at all lets everybody in, a first entry would keep them out.
    let kept = |entry: &String| is.contains(entry) || (narrow && star(entry));
    others(before) == others(after)
        && is.iter().all(added)
        && !(narrow && is.iter().any(star))
        && was.iter().all(kept)
        && entries.iter().all(|&entry| is.iter().any(|it| it == entry))
}

fn errors(report: &Report) -> impl Iterator<Item = &Issue> {
    let accounts = report.accounts.iter().flat_map(|entry| &entry.readiness);
    let of_operations = accounts.flat_map(|readiness| &readiness.issues);
    of_operations
        .chain(&report.issues)
        .filter(|issue| issue.severity == Severity::Error)
}

fn identity(issue: &Issue) -> (String, String) {
    (issue.code.clone(), issue.config_path.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(block: &str, label: &str) -> (String, bool) {
        let block: toml::Value = toml::from_str(block).unwrap();
        let list = AccountList::of(Some(&block), "pigeon", label);
        (list.path(), list.is_new())
    }

    #[test]
    fn an_accounts_own_list_is_changed_else_the_blocks() {
        let block = "pigeon.allowed_chat_ids".to_owned();
        let own = "pigeon.accounts.work.allowed_chat_ids".to_owned();
        assert_eq!(list("", "flock"), (block.clone(), false));
        assert_eq!(list("[accounts.work]", "work"), (block.clone(), false));
        assert_eq!(
            list(
                "allowed_chat_ids = []\n[accounts.work]\nallowed_chat_ids = []",
                "work"
            ),
            (own, false)
        );
        assert_eq!(
            list(
                "[accounts.work]\n[accounts.home]\nallowed_chat_ids = []",
                "work"
            ),
            (block, false),
            "nobody else goes by the block's list"
        );
        let none = AccountList::of(None, "pigeon", "flock");
        assert_eq!(none.path(), "pigeon.allowed_chat_ids");
    }

    #[test]
    fn an_account_that_shares_the_blocks_list_gets_its_own() {
        assert_eq!(
            list(
                "allowed_chat_ids = ['*']\n[accounts.work]\n[accounts.home]",
                "work"
            ),
            ("pigeon.accounts.work.allowed_chat_ids".to_owned(), true)
        );
    }
}
