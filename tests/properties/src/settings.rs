//! What the bridge is told besides the chats: each value is the one that is written, or the default and
//! one issue.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use whatsapp_personal_plugin::boundary::Environment;
use whatsapp_personal_plugin::report::{Asked, Report, validate};

use crate::input::{like, text_with};

const WORDS: &[&str] = &[
    "0", "24", "90", "h", "m", "s", "d", "-", "+", " ", ".", "2.3000.1", "mention", "always",
    "never", "token", "none",
];
const DAY: u64 = 24 * 60 * 60;

properties!(
    a_time_is_told_in_milliseconds_up_to_the_longest(
        (
            0_u32..40_000,
            prop::sample::select(vec![('s', 1_u64), ('m', 60), ('h', 3_600), ('d', DAY)]),
            prop::sample::select(TIMES)
        ),
        |(count, unit, key)| {
            let (key, told_as, longest, otherwise) = key;
            let seconds = u64::from(count) * unit.1;
            let (told, codes) = told(key, &format!(" {count}{} ", unit.0));
            let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap();
            if seconds <= longest {
                assert_eq!(
                    (told[told_as].as_u64(), codes.len()),
                    (Some(seconds * 1_000), 0)
                );
            } else {
                assert_eq!(
                    told[told_as].as_u64(),
                    Some(milliseconds(Duration::from_secs(otherwise)))
                );
                assert_eq!(codes, [format!("{key}_invalid")]);
            }
        }
    ),
    any_other_time_is_the_default_and_an_issue(
        (text_with(WORDS), prop::sample::select(TIMES)),
        |(written, key)| {
            let (key, told_as, longest, otherwise) = key;
            let (told, codes) = told(key, &written);
            let value = told[told_as].as_u64().unwrap();
            assert!(value <= longest * 1_000);
            if !codes.is_empty() {
                assert_eq!(
                    (value, codes),
                    (otherwise * 1_000, vec![format!("{key}_invalid")])
                );
            } else if !written.trim().is_empty() {
                let trimmed = written.trim();
                assert!(
                    trimmed == "0" || trimmed.ends_with(['s', 'm', 'h', 'd']),
                    "{written:?}"
                );
                assert!(
                    trimmed.starts_with(|c: char| c.is_ascii_digit()),
                    "{written:?}"
                );
            }
        }
    ),
    a_word_is_one_of_those_that_there_are(
        (text_with(WORDS), prop::sample::select(CHOICES)),
        |(written, key)| {
            let (key, words) = key;
            let (told, codes) = told(key, &written);
            let value = told[key].as_str().unwrap();
            assert!(words.contains(&value));
            let trimmed = written.trim();
            assert_eq!(
                codes.is_empty(),
                trimmed.is_empty() || words.contains(&trimmed)
            );
            assert_eq!(
                value,
                if words.contains(&trimmed) {
                    trimmed
                } else {
                    words[0]
                }
            );
        }
    ),
    a_version_is_three_numbers(
        prop_oneof![
            like("[0-9]{1,12}(\\.[0-9]{1,12}){0,4}").boxed(),
            text_with(WORDS).boxed()
        ],
        |written| {
            let (told, codes) = told("whatsapp_web_version", &written);
            let parts: Vec<Option<u32>> = written.trim().split('.').map(number).collect();
            let parts: Option<Vec<u32>> = parts.into_iter().collect();
            match parts.filter(|parts| parts.len() == 3) {
                Some(parts) => assert_eq!(
                    (told.get("whatsapp_web_version"), codes.len()),
                    (Some(&json!(parts)), 0)
                ),
                None => {
                    assert_eq!(told.get("whatsapp_web_version"), None);
                    assert_eq!(codes.is_empty(), written.trim().is_empty());
                }
            }
        }
    ),
);

/// Key, name in the settings, longest and default in seconds.
const TIMES: &[(&str, &str, u64, u64)] = &[
    ("backlog_max_age", "backlog_max_age_ms", 30 * DAY, DAY),
    ("keep_inbound_text", "keep_inbound_text_ms", 365 * DAY, 0),
    (
        "keep_outbound_text",
        "keep_outbound_text_ms",
        365 * DAY,
        7 * DAY,
    ),
];

/// Key and words, the default first.
const CHOICES: &[(&str, &[&str])] = &[
    ("group_reply", &["mention", "always", "never"]),
    ("bridge_auth", &["token", "none"]),
];

struct Nothing;

impl Environment for Nothing {
    fn lookup(&self, _name: &str) -> Option<String> {
        None
    }
}

/// The settings when the block says `written` at `key`, and the codes of what is wrong with them.
fn told(key: &str, written: &str) -> (Value, Vec<String>) {
    let block = json!({
        "enabled": true,
        "bridge_url": "http://127.0.0.1:1/",
        "auth_dir": "/a",
        "allowed_chat_ids": ["*"],
        key: written,
    });
    let report: Report = validate(&block.to_string(), Asked::default(), &Nothing);
    let entry = &report.accounts[0];
    let codes = entry.readiness[0]
        .issues
        .iter()
        .map(|issue| issue.code.clone())
        .collect();
    (
        serde_json::from_str(&entry.account.bridge_settings).unwrap(),
        codes,
    )
}

fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}
