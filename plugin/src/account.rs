//! Accounts: what the top of the block and one account say together, the environment included,
//! and who the account is at run time. Collects every issue; whether an operation can start is
//! said by `report`.

use crate::allowlist::Allowlist;
use crate::boundary::Environment;
use crate::bridge_settings;
use crate::bridge_url;
use crate::channel::{
    AUTH_DIR_ENV, Account, BRIDGE_URL_ENV, CHANNEL_ID, CONFIG_KEY, DEFAULT_ACCOUNT,
};
use crate::config::{Field, Issue, Pair, Section};
use crate::identity::IdError;
use crate::target::is_reserved_account;

/// An account and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub account: Account,
    /// Whether the run-time identity is more than the last resort.
    pub identified: bool,
    pub issues: Vec<(Field, Issue)>,
}

/// Brings a name of an account to its one form: lower case, `_` and `-` kept, any other run of
/// characters one `-`, none of either at the ends. Empty when nothing is left.
#[must_use]
pub fn normalised_id(written: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut id = String::new();
    let mut in_gap = false;
    for c in written.chars() {
        if kept(c) {
            id.push(c.to_ascii_lowercase());
        } else if !in_gap {
            id.push('-');
        }
        in_gap = !kept(c);
    }
    id.trim_matches(['_', '-']).to_owned()
}

/// Merges the top of the block with one account.
#[must_use]
pub fn merge(name: &str, top: &Section, own: &Section, env: &impl Environment) -> Merged {
    let configured_id = normalised_id(name);
    let mut issues: Vec<(Field, Issue)> = top.issues.clone();
    issues.extend(own.issues.iter().cloned());
    if is_reserved_account(&configured_id) {
        issues.push((Field::Account, reserved(&configured_id, &own.path)));
    }
    let bridge_url = Source::BRIDGE_URL.resolve(top, own, env, &mut issues);
    let authority = bridge_url.as_ref().and_then(|(url, path)| {
        bridge_url::authority(url)
            .map_err(|error| {
                issues.push((
                    Field::BridgeUrl,
                    Issue::error(
                        error.code(),
                        path.as_str(),
                        format!("the bridge URL cannot be used, because {}", error.rule()),
                        "write it as `http://127.0.0.1:39731/bridge`",
                    ),
                ));
            })
            .ok()
    });
    let auth_dir = Source::AUTH_DIR
        .resolve(top, own, env, &mut issues)
        .map(|(dir, _path)| dir);
    let (allowed_chats, told_chats) = allowed_chats(top, own, &mut issues);
    let bridge_settings = bridge_settings::told(top, own, &told_chats, &mut issues);
    let identity = Identity::of(top, own, authority.as_deref(), &mut issues);
    Merged {
        account: Account {
            configured_id,
            configured_label: name.to_owned(),
            runtime_id: identity.id,
            runtime_label: identity.label,
            enabled: top.enabled.unwrap_or(false) && own.enabled.unwrap_or(true),
            bridge_url: authority.and(bridge_url).map(|(url, _path)| url),
            auth_dir,
            allowed_chats,
            bridge_settings,
            ..Account::default()
        },
        identified: identity.known,
        issues,
    }
}

/// Who the account is at run time.
struct Identity {
    id: String,
    label: String,
    known: bool,
}

impl Identity {
    fn of(
        top: &Section,
        own: &Section,
        authority: Option<&str>,
        issues: &mut Vec<(Field, Issue)>,
    ) -> Self {
        let written = own
            .account_id
            .as_ref()
            .map(|id| (id, own))
            .or_else(|| top.account_id.as_ref().map(|id| (id, top)));
        if let Some((written, section)) = written {
            let id = normalised_id(written);
            if !id.is_empty() {
                let label = written.trim().to_owned();
                return Self {
                    id,
                    label,
                    known: true,
                };
            }
            let path = format!("{}.account_id", section.path);
            let message = format!("`{path}` has neither a letter nor a digit");
            let issue = Issue::error(
                "account_id_invalid",
                path,
                message,
                "give it a letter or a digit, or leave it out",
            );
            issues.push((Field::Account, issue));
        }
        match authority {
            Some(authority) => Self {
                id: format!("{CONFIG_KEY}_{}", normalised_id(authority)),
                label: format!("{CHANNEL_ID}:{authority}"),
                known: true,
            },
            None => Self {
                id: DEFAULT_ACCOUNT.to_owned(),
                label: DEFAULT_ACCOUNT.to_owned(),
                known: false,
            },
        }
    }
}

/// A field that stands in the block or in an environment variable.
struct Source {
    field: Field,
    key: &'static str,
    label: &'static str,
    default_env: &'static str,
    of: fn(&Section) -> &Pair,
    example: &'static str,
}

impl Source {
    const BRIDGE_URL: Self = Self {
        field: Field::BridgeUrl,
        key: "bridge_url",
        label: "local bridge url",
        default_env: BRIDGE_URL_ENV,
        of: |section| &section.bridge_url,
        example: "http://127.0.0.1:39731/bridge",
    };
    const AUTH_DIR: Self = Self {
        field: Field::AuthDir,
        key: "auth_dir",
        label: "bridge auth dir",
        default_env: AUTH_DIR_ENV,
        of: |section| &section.auth_dir,
        example: "~/.loong/whatsapp-personal/default",
    };

    /// The value and the path of the key it came from. Nothing but space around it is changed:
    /// the host checks that it stands in the block or in a variable.
    fn resolve(
        &self,
        top: &Section,
        own: &Section,
        env: &impl Environment,
        issues: &mut Vec<(Field, Issue)>,
    ) -> Option<(String, String)> {
        let path =
            |section: &Section, suffix: &str| format!("{}.{}{suffix}", section.path, self.key);
        for section in [own, top] {
            if let Some(value) = &(self.of)(section).inline {
                return Some((value.trim().to_owned(), path(section, "")));
            }
        }
        let pointers = [own, top]
            .into_iter()
            .filter_map(|section| Some(((self.of)(section).env.clone()?, path(section, "_env"))));
        let by_default = (self.default_env.to_owned(), path(own, "_env"));
        let mut unset = Vec::new();
        for (name, path) in pointers.chain([by_default]) {
            let value = env.lookup(&name).filter(|value| !value.trim().is_empty());
            if let Some(value) = value {
                return Some((value.trim().to_owned(), path));
            }
            if !unset.contains(&name) {
                unset.push(name);
            }
        }
        let key = self.key;
        let issue = Issue::error(
            format!("{key}_missing"),
            path(own, ""),
            format!(
                "the {} is not configured, and {} is not set",
                self.label,
                unset.join(", nor ")
            ),
            format!("set `{CONFIG_KEY}.{key} = \"{}\"`", self.example),
        );
        issues.push((self.field, issue));
        None
    }
}

/// The list as written, and what the bridge is told of it. A list with a bad entry is told as it
/// is: the bridge lets nobody through by it, in or out. An empty one would leave sending open.
fn allowed_chats(
    top: &Section,
    own: &Section,
    issues: &mut Vec<(Field, Issue)>,
) -> (Vec<String>, Vec<String>) {
    let (written, section) = match (&own.allowed_chats, &top.allowed_chats) {
        (Some(list), _) => (list.clone(), own),
        (None, Some(list)) => (list.clone(), top),
        (None, None) => (Vec::new(), own),
    };
    let path = format!("{}.allowed_chat_ids", section.path);
    let broken = issues
        .iter()
        .any(|(field, _)| *field == Field::AllowedChats);
    let canonical = match Allowlist::parse(&written) {
        Ok(list) => list.canonical(),
        Err(bad) => {
            for entry in bad {
                let at = format!("{path}[{}]", entry.index);
                issues.push((Field::AllowedChats, bad_entry(&at, entry.error)));
            }
            written.clone()
        }
    };
    if written.is_empty() && !broken {
        let message = "no chat is allowed, so there is nothing to answer".to_owned();
        let hint = format!(
            "list the chats in `{CONFIG_KEY}.allowed_chat_ids`: numbers, group JIDs, or \"*\" for every chat"
        );
        let issue = Issue::error("allowed_chat_ids_missing", path, message, hint);
        issues.push((Field::AnyChat, issue));
    }
    let told = if broken {
        vec![UNREADABLE.to_owned()]
    } else {
        canonical
    };
    (written, told)
}

/// An entry that names no chat, in place of a list that is none.
const UNREADABLE: &str = "";

fn bad_entry(path: &str, error: IdError) -> Issue {
    Issue::error(
        "allowlist_entry_invalid",
        path,
        format!("`{path}` cannot be read, because {}", error.rule()),
        "write a number (+15551234567), <digits>@lid, a group (<digits>@g.us), or \"*\"",
    )
}

fn reserved(name: &str, path: &str) -> Issue {
    Issue::error(
        "account_name_reserved",
        path,
        format!(
            "an account cannot be called `{name}`: targets could not tell it from a part of their own"
        ),
        "give the account another name",
    )
}
