//! What the report says of the target that the operator named: how it is written, and which entry
//! of the list is about it.

use std::collections::BTreeMap;

use crate::support::Variables;
use serde_json::{Value, json};
use whatsapp_personal_plugin::report::{Asked, Report, validate};

fn asked(config: &Value, account: Option<&str>, target: Option<&str>) -> Report {
    let asked = Asked { account, target };
    validate(&config.to_string(), asked, &Variables(BTreeMap::new()))
}

/// The notes about the target, of every account.
fn told(report: &Report) -> Vec<&str> {
    let about_target = |note: &&str| {
        ["target=", "allow_entry=", "allowed_by="]
            .iter()
            .any(|key| note.starts_with(key))
    };
    let accounts = report.accounts.iter();
    accounts
        .flat_map(|entry| entry.notes.iter().map(String::as_str))
        .filter(about_target)
        .collect()
}

#[test]
fn a_target_is_told_in_its_canonical_form_with_the_entry_that_would_let_it_in() {
    let config = json!({ "enabled": true, "allowed_chat_ids": ["+15557654321"] });
    for (written, target, entry) in [
        (
            "contact:+1 (555) 123-4567",
            "contact:+15551234567",
            "+15551234567",
        ),
        (
            "wa-personal:default:contact:15551234567:3@s.whatsapp.net",
            "contact:+15551234567",
            "+15551234567",
        ),
        (
            "contact:123456789012345@lid",
            "contact:123456789012345@lid",
            "123456789012345@lid",
        ),
        (
            "group:120363012345678901",
            "group:120363012345678901@g.us",
            "120363012345678901@g.us",
        ),
    ] {
        let report = asked(&config, None, Some(written));
        let expected = [
            format!("target=whatsapp-personal:default:{target}"),
            format!("allow_entry={entry}"),
        ];
        assert_eq!(told(&report), expected, "{written}");
    }
}

#[test]
fn the_entry_that_lets_it_in_is_told_as_it_is_written_and_before_a_star() {
    let by = |list: Value| {
        let config = json!({ "enabled": true, "allowed_chat_ids": list });
        let report = asked(&config, None, Some("contact:+15551234567"));
        let notes = told(&report).into_iter();
        notes
            .filter_map(|note| note.strip_prefix("allowed_by="))
            .map(str::to_owned)
            .next()
    };
    assert_eq!(
        by(json!(["*", "1 555 123-4567"])).as_deref(),
        Some("1 555 123-4567")
    );
    assert_eq!(by(json!(["*"])).as_deref(), Some("*"));
    assert_eq!(by(json!(["+15557654321"])), None);
    assert_eq!(
        by(json!(["+15551234567", "nobody"])),
        None,
        "a list that cannot be read lets nobody in"
    );
}

#[test]
fn only_the_account_that_the_target_belongs_to_is_told_of_it() {
    let config = json!({ "enabled": true, "default_account": "home", "accounts": { "home": {}, "work": {} } });
    let report = asked(&config, None, Some("work:contact:+15551234567"));
    assert_eq!(report.selected.as_deref(), Ok("work"));
    let by_account: Vec<usize> = report
        .accounts
        .iter()
        .map(|entry| {
            entry
                .notes
                .iter()
                .filter(|note| note.starts_with("target="))
                .count()
        })
        .collect();
    assert_eq!(by_account, [0, 1]);
    assert!(told(&report).contains(&"target=whatsapp-personal:work:contact:+15551234567"));
}

#[test]
fn without_a_target_or_with_one_that_cannot_be_meant_nothing_is_told_of_it() {
    let config = json!({ "enabled": true, "accounts": { "home": {} } });
    for (account, target) in [
        (None, None),
        (None, Some("contact:123")),
        (None, Some("away:contact:+15551234567")),
        (Some("home"), Some("work:contact:+15551234567")),
    ] {
        let report = asked(&config, account, target);
        assert_eq!(told(&report), Vec::<&str>::new(), "{target:?}");
    }
}
