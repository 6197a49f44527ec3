//! The behaviour tables in `tests/fixtures`, row by row. The bridge reads two of them too.

use crate::support::{Variables, cases, strings};
use serde_json::{Value, json};
use whatsapp_personal_plugin::allowlist::Allowlist;
use whatsapp_personal_plugin::bridge_url::{authority, listener};
use whatsapp_personal_plugin::config::Issue;
use whatsapp_personal_plugin::identity::Identity;
use whatsapp_personal_plugin::report::{AccountReport, Asked, Health, Readiness, validate};
use whatsapp_personal_plugin::target::Target;

#[test]
fn every_row_of_the_target_table_is_read_as_it_says() {
    for case in cases("targets.json") {
        let account = case["account"].as_str().unwrap_or("default");
        let read = Target::parse_for(case["target"].as_str().unwrap(), account);
        let seen = match read {
            Ok(target) => json!({ "canonical": target.canonical(account) }),
            Err(error) => {
                assert!(
                    !error.message.is_empty() && !error.hint.is_empty(),
                    "{case}"
                );
                json!({ "error": error.code })
            }
        };
        for key in ["canonical", "error"] {
            assert_eq!(seen.get(key), case.get(key), "{case}");
        }
    }
}

#[test]
fn a_canonical_target_is_read_as_itself() {
    for case in cases("targets.json") {
        let Some(canonical) = case["canonical"].as_str() else {
            continue;
        };
        let account = case["account"].as_str().unwrap_or("default");
        let target = Target::parse_for(canonical, account).unwrap();
        assert_eq!(target.canonical(account), canonical);
    }
}

#[test]
fn every_row_of_the_allowlist_table_is_decided_as_it_says() {
    for case in cases("allowlist.json") {
        let aliases: Vec<Identity> = strings(&case["chat_aliases"])
            .iter()
            .map(|id| Identity::chat(id).unwrap())
            .collect();
        let seen = match Allowlist::parse(&strings(&case["entries"])) {
            Ok(list) => json!(list.allows(aliases.iter())),
            Err(_) => json!("error"),
        };
        assert_eq!(seen, case["allowed"], "{case}");
    }
}

#[test]
fn every_row_of_the_account_table_is_reported_as_it_says() {
    for case in cases("accounts.json") {
        let env = serde_json::from_value(case["env"].clone()).unwrap();
        let asked = Asked {
            account: case["account"].as_str(),
            target: case["target"].as_str(),
        };
        let report = validate(&case["config"].to_string(), asked, &Variables(env));
        let expected = &case["expect"];
        if let Some(issues) = expected.get("issues") {
            assert_eq!(&json!(brief(&report.issues)), issues, "{case}");
        }
        if let Some(selected) = expected.get("selected") {
            match (&report.selected, selected.get("error")) {
                (Ok(id), None) => assert_eq!(&json!(id), selected, "{case}"),
                (Err(error), Some(code)) => {
                    assert_eq!(&json!(error.code), code, "{case}");
                    let hint = selected["hint"].as_str().unwrap_or_default();
                    assert!(error.hint.contains(hint), "{case}: {error:?}");
                    for word in selected.get("says").map(strings).unwrap_or_default() {
                        assert!(error.message.contains(&word), "{case}: {error:?}");
                    }
                }
                (seen, _) => panic!("{case}: {seen:?}"),
            }
        }
        if let Some(accounts) = expected["accounts"].as_array() {
            let seen: Vec<Value> = report
                .accounts
                .iter()
                .zip(accounts)
                .map(|(a, e)| shown(a, e))
                .collect();
            assert_eq!(report.accounts.len(), accounts.len(), "{case}");
            assert_eq!(&seen, accounts, "{case}");
        }
    }
}

/// The parts of a report that a row speaks about, written as the row writes them.
fn shown(report: &AccountReport, expected: &Value) -> Value {
    let account = &report.account;
    let [send, serve] = report.readiness.as_slice() else {
        panic!("{report:?}");
    };
    let words: Vec<&Issue> = send.issues.iter().chain(&serve.issues).collect();
    let mut seen = serde_json::Map::new();
    for (key, wanted) in expected.as_object().unwrap() {
        let value = match key.as_str() {
            "id" => json!(account.configured_id),
            "label" => json!(account.configured_label),
            "runtime_id" => json!(account.runtime_id),
            "runtime_label" => json!(account.runtime_label),
            "default" => {
                assert_eq!(account.is_default, account.default_source.is_some());
                json!(account.default_source)
            }
            "enabled" => json!(account.enabled),
            "bridge_url" => json!(account.bridge_url),
            "auth_dir" => json!(account.auth_dir),
            "allowed_chats" => json!(account.allowed_chats),
            "settings" => serde_json::from_str(&account.bridge_settings).unwrap(),
            "send" => health(send),
            "serve" => health(serve),
            "hint" => {
                let hint = wanted.as_str().unwrap();
                let given = words.iter().any(|issue| issue.hint.contains(hint));
                if given {
                    wanted.clone()
                } else {
                    json!(words.iter().map(|i| &i.hint).collect::<Vec<_>>())
                }
            }
            "silent" => {
                for secret in strings(wanted) {
                    let told = format!("{words:?}");
                    assert!(!told.contains(&secret), "{secret} in {told}");
                }
                wanted.clone()
            }
            other => panic!("the table has a key that nobody checks: {other}"),
        };
        seen.insert(key.clone(), value);
    }
    Value::Object(seen)
}

fn health(readiness: &Readiness) -> Value {
    match readiness.health {
        Health::Ready => {
            assert!(readiness.issues.is_empty(), "{readiness:?}");
            json!("ready")
        }
        Health::Disabled => json!("disabled"),
        Health::Misconfigured => json!(brief(&readiness.issues)),
    }
}

fn brief(issues: &[Issue]) -> Vec<String> {
    for issue in issues {
        assert!(
            !issue.message.is_empty() && !issue.hint.is_empty(),
            "{issue:?}"
        );
    }
    issues
        .iter()
        .map(|i| format!("{} {}", i.code, i.config_path))
        .collect()
}

#[test]
fn a_bridge_url_connects_to_what_the_table_says_or_is_refused() {
    for case in cases("bridge-urls.json") {
        let url = case["url"].as_str().unwrap();
        let seen = authority(url).map(|authority| listener(&authority));
        let seen = seen.map_or(
            Value::Null,
            |(host, port)| json!({ "host": host, "port": port }),
        );
        assert_eq!(seen, case["connects"], "{url:?}");
    }
}
