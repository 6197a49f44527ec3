//! What the bridge process is told besides address and folder: the chats, and how it treats groups,
//! late messages, kept texts, how much may leave, callers and WhatsApp. Reads each value; where they stand in the configuration is
//! said by `config`, and what they do by the bridge.

use serde_json::{Map, Value, json};

use crate::config::{Field, Issue, Section};

/// Messages that came while the bridge was away are answered when they are younger than this.
const BACKLOG_MAX_AGE_MS: u64 = 24 * HOUR_MS;
/// The bridge knows a message again for 30 days; older ones it might answer twice.
const LONGEST_BACKLOG_MS: u64 = 30 * DAY_MS;
/// Texts of what was sent: a phone that missed one may ask for it again, in the days that follow.
const KEEP_OUTBOUND_MS: u64 = 7 * DAY_MS;
/// Texts are kept a year at most: a store is no archive.
const LONGEST_KEEP_MS: u64 = 365 * DAY_MS;
/// What an account sends in a minute, and how many chats it writes to first in a day, unless the
/// operator says otherwise: enough for people, too little for a flood.
const MESSAGES_PER_MINUTE: u32 = 30;
const MOST_MESSAGES_PER_MINUTE: u32 = 6_000;
const NEW_CHATS_PER_DAY: u32 = 20;
const MOST_NEW_CHATS_PER_DAY: u32 = 1_000;
const MINUTE_MS: u64 = 60 * 1_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A key of the block that only the bridge cares about.
struct Setting {
    key: &'static str,
    /// Code of the issue when the value cannot be used.
    code: &'static str,
    /// Name in the settings.
    told_as: &'static str,
    of: fn(&Section) -> Option<&String>,
    read: fn(&str) -> Option<Value>,
    /// Told when the key is left out; the bridge's own choice when none.
    otherwise: fn() -> Option<Value>,
    rule: &'static str,
    hint: &'static str,
}

const SETTINGS: [Setting; 8] = [
    Setting {
        key: "group_reply",
        code: "group_reply_invalid",
        told_as: "group_reply",
        of: |section| section.group_reply.as_ref(),
        read: |text| one_of(text, &["mention", "always", "never"]),
        otherwise: || Some(json!("mention")),
        rule: "it is none of \"mention\", \"always\" and \"never\"",
        hint: "write \"mention\" to be answered in groups when the account is mentioned or quoted",
    },
    Setting {
        key: "backlog_max_age",
        code: "backlog_max_age_invalid",
        told_as: "backlog_max_age_ms",
        of: |section| section.backlog_max_age.as_ref(),
        read: |text| milliseconds(text, LONGEST_BACKLOG_MS),
        otherwise: || Some(json!(BACKLOG_MAX_AGE_MS)),
        rule: "it is no time of 30 days at most",
        hint: "write a number and s, m, h or d, such as \"24h\" or \"90m\"; \"0\" leaves late messages alone",
    },
    Setting {
        key: "keep_inbound_text",
        code: "keep_inbound_text_invalid",
        told_as: "keep_inbound_text_ms",
        of: |section| section.keep_inbound_text.as_ref(),
        read: |text| milliseconds(text, LONGEST_KEEP_MS),
        otherwise: || Some(json!(0)),
        rule: KEEP_RULE,
        hint: "write a number and s, m, h or d, such as \"24h\" or \"7d\"; \"0\" removes a text as soon as its message is answered",
    },
    Setting {
        key: "keep_outbound_text",
        code: "keep_outbound_text_invalid",
        told_as: "keep_outbound_text_ms",
        of: |section| section.keep_outbound_text.as_ref(),
        read: |text| milliseconds(text, LONGEST_KEEP_MS),
        otherwise: || Some(json!(KEEP_OUTBOUND_MS)),
        rule: KEEP_RULE,
        hint: "write a number and s, m, h or d, such as \"24h\" or \"7d\"; \"0\" keeps none, and a phone that asks for a message again gets nothing",
    },
    Setting {
        key: "max_messages_per_minute",
        code: "max_messages_per_minute_invalid",
        told_as: "max_messages_per_minute",
        of: |section| section.max_messages_per_minute.as_ref(),
        read: |text| within(text, 1, MOST_MESSAGES_PER_MINUTE),
        otherwise: || Some(json!(MESSAGES_PER_MINUTE)),
        rule: "it is no whole number from 1 to 6000",
        hint: "write a whole number, such as 30; replies above it wait, nothing of them is lost. To send nothing at all there is the pause",
    },
    Setting {
        key: "max_new_chats_per_day",
        code: "max_new_chats_per_day_invalid",
        told_as: "max_new_chats_per_day",
        of: |section| section.max_new_chats_per_day.as_ref(),
        read: |text| within(text, 0, MOST_NEW_CHATS_PER_DAY),
        otherwise: || Some(json!(NEW_CHATS_PER_DAY)),
        rule: "it is no whole number from 0 to 1000",
        hint: "write a whole number, such as 20; 0 writes first to nobody, and replies all the same",
    },
    Setting {
        key: "bridge_auth",
        code: "bridge_auth_invalid",
        told_as: "bridge_auth",
        of: |section| section.bridge_auth.as_ref(),
        read: |text| one_of(text, &["token", "none"]),
        otherwise: || Some(json!("token")),
        rule: "it is neither \"token\" nor \"none\"",
        hint: "leave it out, unless another host that knows no token has to use the bridge",
    },
    Setting {
        key: "whatsapp_web_version",
        code: "whatsapp_web_version_invalid",
        told_as: "whatsapp_web_version",
        of: |section| section.whatsapp_web_version.as_ref(),
        read: |text| version(text).map(|parts| json!(parts)),
        otherwise: || None,
        rule: "it is not three numbers with points between them",
        hint: "write it as \"2.3000.1234567\", or leave it out to use the version the bridge brings",
    },
];

const KEEP_RULE: &str = "it is no time of 365 days at most";

/// The settings as a JSON object, the account's own values before those of the top. `allowed_chats`
/// is in canonical form. A value that cannot be used is an issue, and the default is told.
pub(crate) fn told(
    top: &Section,
    own: &Section,
    allowed_chats: &[String],
    issues: &mut Vec<(Field, Issue)>,
) -> String {
    let mut told = Map::new();
    told.insert("allowed_chat_ids".to_owned(), json!(allowed_chats));
    for setting in &SETTINGS {
        let value = setting.value(top, own, issues);
        told.extend(value.map(|value| (setting.told_as.to_owned(), value)));
    }
    Value::Object(told).to_string()
}

impl Setting {
    fn value(
        &self,
        top: &Section,
        own: &Section,
        issues: &mut Vec<(Field, Issue)>,
    ) -> Option<Value> {
        let written = [own, top]
            .into_iter()
            .find_map(|section| Some(((self.of)(section)?, section)));
        let Some((text, section)) = written else {
            return (self.otherwise)();
        };
        let value = (self.read)(text.trim());
        if value.is_none() {
            let path = format!("{}.{}", section.path, self.key);
            let message = format!("`{path}` cannot be used, because {}", self.rule);
            let issue = Issue::error(self.code, path, message, self.hint);
            issues.push((Field::Bridge, issue));
        }
        value.or_else(self.otherwise)
    }
}

fn one_of(text: &str, words: &[&str]) -> Option<Value> {
    words.contains(&text).then(|| json!(text))
}

/// A duration such as `24h`, in milliseconds and `longest` at most; `0` needs no unit.
fn milliseconds(text: &str, longest: u64) -> Option<Value> {
    if text == "0" {
        return Some(json!(0));
    }
    let unit = match text.chars().last()? {
        's' => 1_000,
        'm' => MINUTE_MS,
        'h' => HOUR_MS,
        'd' => DAY_MS,
        _ => return None,
    };
    let count = number(text.get(..text.len() - 1)?)?;
    let span = u64::from(count).checked_mul(unit)?;
    (span <= longest).then(|| json!(span))
}

fn within(text: &str, least: u32, most: u32) -> Option<Value> {
    number(text)
        .filter(|number| (least..=most).contains(number))
        .map(|number| json!(number))
}

fn version(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.split('.').map(number);
    let version = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(version)
}

/// Digits only: the standard library would let a sign through.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
