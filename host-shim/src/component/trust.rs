//! What the host believes of a guest's report: an address, a folder or a chat only when the operator
//! wrote it, in the channel's block or in a variable that the block or the manifest names; and no
//! account that the operator switched off.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bindings::{Account, Report};
use super::state::Variables;
use crate::door::without_secrets;
use crate::plain_text::quoted_value;

/// Keys that every channel's block has in common: where a block or an account is switched off, and
/// where its accounts stand.
const ENABLED: &str = "enabled";
const ACCOUNTS: &str = "accounts";

/// The strings of a channel's block, and the variables it points at.
#[derive(Debug, Clone, Default)]
pub struct Written {
    strings: BTreeSet<String>,
    variable_names: BTreeSet<String>,
    /// The whole channel is switched off.
    off: bool,
    /// Names of accounts that are, as written.
    accounts_off: BTreeSet<String>,
}

impl Written {
    /// Reads a channel's `block`; `manifest_names` are variables the manifest declares.
    pub fn of(block: &Value, manifest_names: &[String]) -> Self {
        let mut written = Self {
            strings: BTreeSet::new(),
            variable_names: manifest_names.iter().cloned().collect(),
            off: is_off(block),
            accounts_off: BTreeSet::new(),
        };
        let accounts = block.get(ACCOUNTS).and_then(Value::as_object);
        let off = accounts
            .into_iter()
            .flatten()
            .filter(|(_, own)| is_off(own));
        written.accounts_off = off.map(|(name, _)| name.clone()).collect();
        written.collect(None, block);
        written
    }

    /// Variables the guest may look up.
    pub fn variable_names(&self) -> &BTreeSet<String> {
        &self.variable_names
    }

    /// The first field of `report` that nobody wrote, with its value.
    pub fn first_invented(
        &self,
        report: &Report,
        variables: &Variables,
    ) -> Option<(&'static str, String)> {
        let mut allowed: BTreeSet<&str> = self.strings.iter().map(|text| text.trim()).collect();
        let values: Vec<String> = self
            .variable_names
            .iter()
            .filter_map(|name| variables.get(name))
            .collect();
        allowed.extend(values.iter().map(|value| value.trim()));
        let accounts = report.accounts.iter().map(|entry| &entry.account);
        accounts
            .flat_map(|account| self.settings(account))
            .find(|(field, value)| *field == ENABLED || !allowed.contains(value.trim()))
            .map(|(field, value)| (field, shown(field, value)))
    }

    /// What of `account` must have been written; that it is enabled only where it must not be.
    fn settings<'a>(&self, account: &'a Account) -> impl Iterator<Item = (&'static str, &'a str)> {
        let off = self.off || self.accounts_off.contains(&account.configured_label);
        let chats = account.allowed_chats.iter();
        [
            ("bridge_url", account.bridge_url.as_deref()),
            ("auth_dir", account.auth_dir.as_deref()),
            (ENABLED, (off && account.enabled).then_some("true")),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)))
        .chain(chats.map(|chat| ("allowed_chats", chat.as_str())))
    }

    fn collect(&mut self, key: Option<&str>, value: &Value) {
        match value {
            Value::String(text) => {
                if key.is_some_and(|key| key.ends_with("_env")) && !text.trim().is_empty() {
                    self.variable_names.insert(text.trim().to_owned());
                }
                self.strings.insert(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(None, item)),
            Value::Object(fields) => fields
                .iter()
                .for_each(|(key, value)| self.collect(Some(key), value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What may be told of a value: neither a secret path nor a whole number.
fn shown(field: &str, value: &str) -> String {
    match field {
        "bridge_url" => quoted_value(&without_secrets(value)),
        "allowed_chats" if value != "*" => "…".to_owned(),
        _ => quoted_value(value),
    }
}

fn is_off(table: &Value) -> bool {
    table.get(ENABLED) == Some(&Value::Bool(false))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::component::bindings::{Account, AccountReport};

    fn report(bridge_url: Option<&str>, auth_dir: Option<&str>) -> Report {
        Report {
            accounts: vec![AccountReport {
                account: Account {
                    configured_id: "a".into(),
                    configured_label: "a".into(),
                    runtime_id: "a".into(),
                    runtime_label: "a".into(),
                    is_default: true,
                    default_source: None,
                    enabled: true,
                    bridge_url: bridge_url.map(Into::into),
                    auth_dir: auth_dir.map(Into::into),
                    allowed_chats: vec![],
                    bridge_settings: "{}".into(),
                },
                readiness: vec![],
                notes: vec![],
            }],
            selected: Ok("a".into()),
            issues: vec![],
            operations: vec![],
            targets: vec![],
        }
    }

    fn variables() -> Variables {
        Variables::fixed([
            ("PIGEON_URL", "http://127.0.0.1:2/"),
            ("PIGEON_DIR", "/from/manifest"),
            ("SECRET", "http://127.0.0.1:3/"),
        ])
    }

    #[test]
    fn what_the_operator_wrote_is_believed_wherever_it_stands() {
        let block = json!({"bridge_url": " http://127.0.0.1:1/ ", "accounts": {"a": {"bridge_url_env": "PIGEON_URL", "auth_dir": "~/a"}}});
        let written = Written::of(&block, &["PIGEON_DIR".to_owned()]);
        for (url, dir) in [
            (Some("http://127.0.0.1:1/"), Some("~/a")),
            (Some("http://127.0.0.1:2/"), Some("/from/manifest")),
            (None, None),
        ] {
            assert_eq!(
                written.first_invented(&report(url, dir), &variables()),
                None
            );
        }
    }

    #[test]
    fn what_nobody_wrote_is_named() {
        let block = json!({"bridge_url": "http://127.0.0.1:1/", "note_env": 5, "url": "SECRET"});
        let written = Written::of(&block, &[]);
        let url = "http://127.0.0.1:3/a-secret-path";
        assert_eq!(
            written.first_invented(&report(Some(url), None), &variables()),
            Some(("bridge_url", "http://127.0.0.1:3".to_owned()))
        );
        assert_eq!(
            written.first_invented(&report(None, Some("/etc")), &variables()),
            Some(("auth_dir", "/etc".to_owned()))
        );
        assert!(
            !written.variable_names().contains("SECRET"),
            "only *_env keys name variables"
        );
    }
}
