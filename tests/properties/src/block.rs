//! The channel's block of the configuration and what is reported of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use whatsapp_personal_plugin::allowlist::Allowlist;
use whatsapp_personal_plugin::boundary::Environment;
use whatsapp_personal_plugin::channel::{Account, Operation};
use whatsapp_personal_plugin::config::{Severity, known_keys};
use whatsapp_personal_plugin::report::{Asked, Health, Report, validate};

use crate::input::{Chat, chat, json, like, text, text_with};

const WORDS: &[&str] = &[
    "enabled",
    "account_id",
    "bridge_url",
    "bridge_url_env",
    "auth_dir",
    "auth_dir_env",
    "allowed_chat_ids",
    "group_reply",
    "backlog_max_age",
    "keep_inbound_text",
    "keep_outbound_text",
    "bridge_auth",
    "whatsapp_web_version",
    "default_account",
    "accounts",
    "managed_bridge_plugin_id",
    "default",
    "work",
    "http://127.0.0.1:39731/bridge",
    "http://10.0.0.1/",
    "24h",
    "mention",
    "+15551234567",
    "*",
    "ONE",
    "WHATSAPP_PERSONAL_BRIDGE_URL",
    "$ONE",
    "contact",
    "ground_reply",
];

/// What is found in the environment.
#[derive(Debug, Clone)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Environment for Variables {
    fn lookup(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

properties!(
    no_text_whatever_breaks_the_reading((text_with(JSON), variables()), |(text, env)| {
        sound(&text, &validate(&text, Asked::default(), &env), &env);
    }),
    a_block_of_any_shape_is_reported_soundly(
        (document(), variables(), asked(), asked()),
        |(block, env, account, target)| {
            let asked = Asked {
                account: account.as_deref(),
                target: target.as_deref(),
            };
            let text = block.to_string();
            sound(&text, &validate(&text, asked, &env), &env);
        }
    ),
    what_is_well_written_is_reported_as_it_is_written(
        (accounts(), any::<bool>()),
        |(accounts, enabled)| {
            let block = json!({ "enabled": enabled, "accounts": written(&accounts) });
            let report = validate(&block.to_string(), Asked::default(), &nothing());
            assert!(report.issues.is_empty(), "{report:?}");
            let seen: Vec<&str> = report
                .accounts
                .iter()
                .map(|it| it.account.configured_id.as_str())
                .collect();
            assert_eq!(
                seen,
                accounts.keys().map(String::as_str).collect::<Vec<_>>()
            );
            for (entry, (name, meant)) in report.accounts.iter().zip(&accounts) {
                let account = &entry.account;
                assert_eq!(account.configured_label, *name);
                assert_eq!(account.enabled, enabled && meant.enabled);
                assert_eq!(account.bridge_url.as_deref(), Some(meant.url().as_str()));
                assert_eq!(
                    account.auth_dir.as_deref(),
                    Some(meant.folder(name).as_str())
                );
                assert_eq!(account.allowed_chats, meant.entries());
                let told: Value = serde_json::from_str(&account.bridge_settings).unwrap();
                let canonical: Vec<&str> = meant
                    .chats
                    .iter()
                    .map(|(chat, _)| chat.canonical.as_str())
                    .collect();
                assert_eq!(told["allowed_chat_ids"], json!(canonical));
                let health = if account.enabled {
                    Health::Ready
                } else {
                    Health::Disabled
                };
                assert!(
                    entry.readiness.iter().all(|it| it.health == health),
                    "{entry:?}"
                );
            }
        }
    ),
    a_key_that_nobody_reads_is_warned_of_and_changes_nothing_else(
        (document(), text(), json(WORDS), variables()),
        |(block, key, value, env)| {
            let known = known_keys().0;
            let mut more = block.clone();
            if let Some(fields) = more
                .as_object_mut()
                .filter(|fields| !known.contains(&key) && !fields.contains_key(&key))
            {
                fields.insert(key, value);
                let read = |block: &Value| validate(&block.to_string(), Asked::default(), &env);
                let (before, mut after) = (read(&block), read(&more));
                assert_eq!(after.issues.len(), before.issues.len() + 1);
                after.issues.retain(|issue| before.issues.contains(issue));
                assert_eq!(after.issues, before.issues);
                assert_eq!(
                    (after.accounts, after.selected),
                    (before.accounts, before.selected)
                );
            }
        }
    ),
    a_secret_where_a_name_belongs_is_never_repeated(
        (
            0_usize..6,
            secret(),
            prop::sample::select(vec!["bridge_url_env", "auth_dir_env"])
        ),
        |(form, secret, key)| {
            let written = match form {
                0 => secret.clone(),
                1 => format!("{secret}="),
                2 => format!("NAME={secret}"),
                3 => format!("export NAME={secret}"),
                4 => format!("${secret}"),
                _ => format!("{secret}=="),
            };
            let block = json!({ "enabled": true, key: written });
            let report = validate(&block.to_string(), Asked::default(), &nothing());
            let told = format!("{report:?}");
            assert!(!told.contains(&secret), "{told}");
        }
    ),
    an_account_is_never_let_in_by_more_than_its_list(
        (
            prop::collection::vec(
                prop_oneof![text_with(WORDS), chat().prop_map(|chat| chat.canonical)],
                0..4
            ),
            any::<bool>()
        ),
        |(entries, top)| {
            let block = if top {
                json!({ "allowed_chat_ids": entries })
            } else {
                json!({ "accounts": { "a": { "allowed_chat_ids": entries } } })
            };
            let report = validate(&block.to_string(), Asked::default(), &nothing());
            let account = &report.accounts[0].account;
            let told: Value = serde_json::from_str(&account.bridge_settings).unwrap();
            let expected = Allowlist::parse(&entries)
                .map(|list| list.canonical())
                .unwrap_or(entries.clone());
            assert_eq!(told["allowed_chat_ids"], json!(expected));
            assert_eq!(account.allowed_chats, entries);
        }
    ),
);

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\"accounts\":{",
    "\"bridge_url\":",
    "null",
    "true",
    "1e999",
    "\\u0000",
    "\\ud800",
];

/// What must hold of every report, whatever the block.
fn sound(text: &str, report: &Report, env: &Variables) {
    let mut written = BTreeSet::new();
    if let Ok(block) = serde_json::from_str(text) {
        collect(&block, &mut written);
    }
    written.extend(env.0.values().map(|value| value.trim().to_owned()));
    let ids: Vec<&String> = report
        .accounts
        .iter()
        .map(|it| &it.account.configured_id)
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert!(
        report
            .accounts
            .iter()
            .filter(|it| it.account.is_default)
            .count()
            <= 1
    );
    match &report.selected {
        Ok(id) => assert!(ids.contains(&id)),
        Err(error) => {
            assert!(!error.code.is_empty() && !error.message.is_empty() && !error.hint.is_empty())
        }
    }
    let of_accounts = report
        .accounts
        .iter()
        .flat_map(|it| it.readiness.iter().flat_map(|it| &it.issues));
    for issue in report.issues.iter().chain(of_accounts) {
        assert!(
            !issue.code.is_empty() && !issue.message.is_empty() && !issue.hint.is_empty(),
            "{issue:?}"
        );
        assert!(issue.code != "unknown_key" || issue.severity == Severity::Warning);
    }
    for entry in &report.accounts {
        let account = &entry.account;
        for value in [&account.bridge_url, &account.auth_dir]
            .into_iter()
            .flatten()
        {
            assert!(written.contains(value), "nobody wrote {value:?}");
        }
        let told: Value = serde_json::from_str(&account.bridge_settings).unwrap();
        let told = told.as_object().unwrap();
        let chats: Vec<String> = serde_json::from_value(told["allowed_chat_ids"].clone()).unwrap();
        // A list that the bridge cannot read lets nobody through, in or out.
        if let Ok(list) = Allowlist::parse(&chats) {
            let written = Allowlist::parse(&account.allowed_chats).unwrap();
            assert_eq!(list.canonical(), written.canonical());
        }
        for readiness in &entry.readiness {
            let broken = readiness
                .issues
                .iter()
                .any(|issue| issue.severity == Severity::Error);
            match readiness.health {
                Health::Ready => assert!(ready(account, readiness.operation), "{entry:?}"),
                Health::Disabled => assert!(!account.enabled),
                Health::Misconfigured => assert!(broken, "{entry:?}"),
            }
        }
    }
}

fn ready(account: &Account, operation: Operation) -> bool {
    let reachable =
        account.enabled && account.bridge_url.is_some() && !account.configured_id.is_empty();
    match operation {
        Operation::Send => reachable && Allowlist::parse(&account.allowed_chats).is_ok(),
        Operation::Serve => {
            let chats = Allowlist::parse(&account.allowed_chats).map(|list| list.canonical());
            reachable && account.auth_dir.is_some() && chats.is_ok_and(|chats| !chats.is_empty())
        }
    }
}

fn collect(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            texts.insert(text.trim().to_owned());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A block of keys that are known, with values that mostly fit, and some of any shape.
fn document() -> impl Strategy<Value = Value> {
    let section = || {
        let field = (
            prop::sample::select(WORDS),
            prop_oneof![3 => fitting().boxed(), 1 => json(WORDS).boxed()],
        );
        prop::collection::vec(field, 0..8).prop_map(|fields| {
            fields
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Map<_, _>>()
        })
    };
    let accounts =
        prop::collection::vec((text_with(WORDS), section()), 0..4).prop_map(|accounts| {
            accounts
                .into_iter()
                .map(|(name, of)| (name, Value::Object(of)))
                .collect::<Map<_, _>>()
        });
    prop_oneof![
        4 => (section(), prop::option::of(accounts)).prop_map(|(mut block, accounts)| {
            block.extend(accounts.map(|accounts| ("accounts".to_owned(), Value::Object(accounts))));
            Value::Object(block)
        }),
        1 => json(WORDS),
    ]
}

fn fitting() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        prop::collection::vec(prop::sample::select(WORDS), 0..4).prop_map(Value::from),
        chat().prop_map(|chat| json!(chat.spellings)),
        (1_u16..).prop_map(|port| json!(format!(" http://127.0.0.1:{port}/x "))),
        text().prop_map(Value::from),
    ]
}

fn variables() -> impl Strategy<Value = Variables> {
    let name = prop::sample::select(vec![
        "ONE",
        "TWO",
        "WHATSAPP_PERSONAL_BRIDGE_URL",
        "WHATSAPP_PERSONAL_AUTH_DIR",
    ]);
    let value = prop_oneof![
        Just("http://127.0.0.1:1/".to_owned()),
        Just("~/here ".to_owned()),
        text()
    ];
    prop::collection::vec((name, value), 0..4).prop_map(|pairs| {
        Variables(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    })
}

fn nothing() -> Variables {
    Variables(BTreeMap::new())
}

fn asked() -> impl Strategy<Value = Option<String>> {
    prop::option::of(text_with(WORDS))
}

fn secret() -> impl Strategy<Value = String> {
    (
        like("[a-zA-Z0-9]{9,30}"),
        like("[a-z]"),
        like("[0-9]"),
        like("[a-zA-Z0-9]{9,30}"),
    )
        .prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}"))
}

/// One account that is well written.
#[derive(Debug, Clone)]
struct Meant {
    enabled: bool,
    port: u16,
    chats: Vec<(Chat, prop::sample::Index)>,
}

impl Meant {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/bridge", self.port)
    }

    fn folder(&self, name: &str) -> String {
        format!("~/.loong/{name}")
    }

    fn entries(&self) -> Vec<String> {
        self.chats
            .iter()
            .map(|(chat, of)| of.get(&chat.spellings).clone())
            .collect()
    }
}

fn accounts() -> impl Strategy<Value = BTreeMap<String, Meant>> {
    let chats = prop::collection::vec((chat(), any::<prop::sample::Index>()), 1..4);
    let account = (like("x[a-z0-9]{0,6}"), any::<bool>(), chats);
    // One port each: two accounts on one would be an issue.
    prop::collection::vec(account, 1..5).prop_map(|accounts| {
        let mut named = BTreeMap::new();
        for (port, (name, enabled, chats)) in (1_001..).zip(accounts) {
            named.insert(
                name,
                Meant {
                    enabled,
                    port,
                    chats,
                },
            );
        }
        // An account called `default`, so that one of several is it.
        if let Some((_, first)) = named.pop_first() {
            named.insert("default".to_owned(), first);
        }
        named
    })
}

fn written(accounts: &BTreeMap<String, Meant>) -> Value {
    let of = |(name, meant): (&String, &Meant)| {
        let account = json!({
            "enabled": meant.enabled,
            "bridge_url": meant.url(),
            "auth_dir": meant.folder(name),
            "allowed_chat_ids": meant.entries(),
        });
        (name.clone(), account)
    };
    Value::Object(accounts.iter().map(of).collect())
}
