//! What nobody may hear of a story: the secrets of its machine, and the numbers and texts of its people. Everything
//! that was printed, and what the processes could be asked for by others, is searched for them when a story ends.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::ledger::Heard;

/// Shorter ones are found in words that mean something else.
const SHORTEST_TEXT: usize = 8;

/// How credentials hold their keys, as JSON.
const PRIVATE_KEY: &str = "\"private\":{\"type\":\"Buffer\",\"data\":\"";
const PAIRING_KEY: &str = "\"advSecretKey\":\"";

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The token of a bridge, a provider's key, the secret end of a path, a key of Signal.
    Key,
    /// A QR payload, a pairing code, a link to the pairing page.
    Pairing,
    /// A number or LID.
    Number,
    /// What somebody wrote.
    Text,
}

/// A secret and what it is called in an error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret {
    pub kind: Kind,
    pub what: &'static str,
    pub value: String,
}

/// A place where a secret stands that must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    pub place: String,
    pub what: &'static str,
    pub line: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} holds {}: {}", self.place, self.what, self.line)
    }
}

impl Secret {
    pub fn new(kind: Kind, what: &'static str, value: impl Into<String>) -> Self {
        Self {
            kind,
            what,
            value: value.into(),
        }
    }

    /// Texts that could stand anywhere by chance are none.
    fn can_be_searched(&self) -> bool {
        let text = self.value.trim();
        match self.kind {
            Kind::Text => text.len() >= SHORTEST_TEXT && text.contains([' ', '-']),
            Kind::Key | Kind::Pairing | Kind::Number => text.len() >= SHORTEST_TEXT,
        }
    }
}

/// What a command's standard output may hold, because showing it is its job. Nothing may stand in what it logs.
#[must_use]
pub fn shown_by(arguments: &[String]) -> &'static [Kind] {
    let words: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let asks = |flag: &str| arguments.iter().any(|word| word == flag);
    match words.as_slice() {
        [_, "bridge", "run" | "pair-link", ..] => &[Kind::Pairing],
        [_, "inbox", ..] if asks("--show-text") => &[Kind::Number, Kind::Text],
        // Targets are numbers, and these name the one that they were given, or list them.
        [_, "chats" | "setup", ..] | ["channels", "send" | "resolve", ..] => &[Kind::Number],
        _ => &[],
    }
}

/// What a command may repeat among its words to the person who has just typed it.
fn said_by(arguments: &[String]) -> &'static [Kind] {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [_, "chats", "allow", ..] => &[Kind::Number],
        _ => &[],
    }
}

/// What the events of a bridge and a pairing link on standard output give away, and only they may.
#[must_use]
pub fn told_for_pairing(line: &str) -> Option<Secret> {
    let event: Value = serde_json::from_str(line).ok()?;
    let told = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(qr) = told("qr") {
        return Some(Secret::new(Kind::Pairing, "a QR payload", qr));
    }
    if let (Some("pairing_code"), Some(code)) = (told("event").as_deref(), told("code")) {
        return Some(Secret::new(Kind::Pairing, "a pairing code", code));
    }
    let link = told("url").filter(|url| url.contains("key="))?;
    let key = link.split("key=").nth(1)?.to_owned();
    Some(Secret::new(Kind::Pairing, "the key of a pairing link", key))
}

/// The secrets that a configuration holds as text.
#[must_use]
pub fn configured(text: &str) -> Vec<Secret> {
    let Ok(config) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    search_config(&toml::Value::Table(config), &mut found);
    found
}

fn search_config(value: &toml::Value, found: &mut Vec<Secret>) {
    let toml::Value::Table(table) = value else {
        return;
    };
    for (key, value) in table {
        match (key.as_str(), value.as_str()) {
            ("api_key", Some(secret)) => {
                found.push(Secret::new(Kind::Key, "a provider's key", secret));
            }
            ("instructions", Some(text)) => {
                found.push(Secret::new(Kind::Text, "the instructions", text));
            }
            // A long last part is what keeps strangers out where there is no token.
            ("bridge_url", Some(url)) => {
                let last = url.rsplit('/').next().unwrap_or_default();
                if last.len() >= 16 {
                    found.push(Secret::new(Kind::Key, "the secret end of bridge_url", last));
                }
            }
            _ => search_config(value, found),
        }
    }
}

/// The private keys in the raw bytes of a bridge's store: credentials are kept there as JSON.
#[must_use]
pub fn kept(folder: &Path) -> BTreeSet<Secret> {
    let mut found = BTreeSet::new();
    for file in ["bridge.db", "bridge.db-wal"] {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        for (mark, kind, what) in [
            (PRIVATE_KEY, Kind::Key, "a private key"),
            // It stands in the QR payload.
            (PAIRING_KEY, Kind::Pairing, "the secret of a pairing"),
        ] {
            for (at, _) in text.match_indices(mark) {
                let rest = text.get(at + mark.len()..).unwrap_or_default();
                let key: String = rest.chars().take_while(|next| *next != '"').collect();
                if key.len() == 44 {
                    found.insert(Secret::new(kind, what, key));
                }
            }
        }
    }
    found
}

/// Every place where one of the secrets stands and must not.
#[must_use]
pub fn leaks(heard: &[Heard], secrets: &BTreeSet<Secret>) -> Vec<Leak> {
    let mut found = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.can_be_searched()) {
        for one in heard {
            let shown = match one.stream {
                "out" => shown_by(&one.arguments).contains(&secret.kind),
                "err" => said_by(&one.arguments).contains(&secret.kind),
                // The operator's own, typed as an argument of `loong` and handed on as one.
                "arguments" => {
                    secret.kind == Kind::Number && one.text.contains(" --pairing-code-phone ")
                }
                _ => false,
            };
            if !shown && holds(&one.text, secret) {
                found.push(Leak {
                    place: format!("{} ({})", one.name, one.stream),
                    what: secret.what,
                    line: one.text.clone(),
                });
            }
        }
    }
    found
}

/// As it is, as it stands inside of JSON, and a key in hexadecimal too.
fn holds(line: &str, secret: &Secret) -> bool {
    let value = secret.value.trim();
    if line.contains(value) {
        return true;
    }
    let quoted = Value::from(value).to_string();
    if line.contains(quoted.trim_matches('"')) {
        return true;
    }
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, value);
    matches!(secret.kind, Kind::Key | Kind::Pairing)
        && bytes.is_ok_and(|bytes| {
            bytes.len() >= 16 && line.to_lowercase().contains(&hex::encode(bytes))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(arguments: &[&str], stream: &'static str, text: &str) -> Vec<Heard> {
        vec![Heard {
            name: "a process".to_owned(),
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            stream,
            text: text.to_owned(),
        }]
    }

    fn found(heard: &[Heard], secret: Secret) -> bool {
        !leaks(heard, &BTreeSet::from([secret])).is_empty()
    }

    #[test]
    fn each_kind_of_secret_is_found_wherever_it_is_planted() {
        let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [7; 32]);
        for secret in [
            Secret::new(Kind::Key, "a private key", key),
            Secret::new(Kind::Pairing, "a QR payload", "2@payload,a,b"),
            Secret::new(Kind::Number, "a number", "15551234567"),
            Secret::new(Kind::Text, "a text", "meet me at \"nine\""),
        ] {
            let value = &secret.value;
            for line in [
                value.clone(),
                format!("x{value}y"),
                serde_json::json!({"m": value}).to_string(),
            ] {
                for (words, stream) in [
                    (["channels", "serve"], "err"),
                    (["channels", "serve"], "out"),
                    (["bridge", "run"], "arguments"),
                ] {
                    assert!(
                        found(&heard(&words, stream, &line), secret.clone()),
                        "{line}"
                    );
                }
            }
            assert!(!found(&heard(&["channels"], "err", "nothing"), secret));
        }
        let hex = hex::encode([7; 32]).to_uppercase();
        let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [7; 32]);
        assert!(found(
            &heard(&[], "err", &hex),
            Secret::new(Kind::Key, "a private key", key)
        ));
    }

    #[test]
    fn what_a_command_is_for_may_stand_on_its_standard_output_and_not_in_its_log() {
        let number = Secret::new(Kind::Number, "a number", "15551234567");
        let text = Secret::new(Kind::Text, "a text", "meet me at nine");
        let qr = Secret::new(Kind::Pairing, "a QR payload", "2@payload,a,b");
        let run = ["whatsapp-personal", "bridge", "run", "--json"];
        let inbox = ["whatsapp-personal", "inbox", "list", "--show-text"];
        let chats = ["whatsapp-personal", "chats"];
        for (words, secret, may) in [
            (run.as_slice(), &qr, true),
            (&run, &number, false),
            (&run, &text, false),
            (&inbox, &text, true),
            (&inbox, &qr, false),
            (&inbox[..3], &text, false),
            (&chats, &number, true),
            (&chats, &text, false),
            (&["doctor"], &number, false),
        ] {
            assert_eq!(
                found(&heard(words, "out", &secret.value), secret.clone()),
                !may,
                "{words:?}"
            );
            assert!(
                found(&heard(words, "err", &secret.value), secret.clone()),
                "{words:?}"
            );
        }
    }

    #[test]
    fn secrets_are_read_from_a_configuration_a_store_and_what_a_bridge_tells() {
        let config = "[whatsapp_personal]\nbridge_url = \"http://127.0.0.1:1/bridge/0123456789abcdef\"\n[provider]\napi_key = \"sk-planted\"\n";
        let values: Vec<String> = configured(config).into_iter().map(|it| it.value).collect();
        assert_eq!(values, ["sk-planted", "0123456789abcdef"]);
        assert!(configured("[a]\nbridge_url = \"http://127.0.0.1:1/bridge\"\n").is_empty());

        let place = tempfile::tempdir().unwrap();
        let key = "A".repeat(43) + "=";
        let row = format!(
            "\0x{{\"noiseKey\":{{\"private\":{{\"type\":\"Buffer\",\"data\":\"{key}\"}}}}}}\u{1}"
        );
        std::fs::write(place.path().join("bridge.db"), row).unwrap();
        assert_eq!(kept(place.path()).into_iter().next().unwrap().value, key);

        for (line, value) in [
            (r#"{"event":"qr","qr":"2@x"}"#, "2@x"),
            (
                r#"{"event":"pairing_code","code":"ABCD-1234"}"#,
                "ABCD-1234",
            ),
            (r#"{"url":"http://127.0.0.1:1/b/pair?key=k1"}"#, "k1"),
        ] {
            assert_eq!(told_for_pairing(line).unwrap().value, value);
        }
        assert_eq!(
            told_for_pairing(r#"{"event":"warning","code":"odd"}"#),
            None
        );
    }

    #[test]
    fn a_short_text_is_not_searched_for_because_it_could_stand_anywhere() {
        for text in ["one", "hello", "connected"] {
            let secret = Secret::new(Kind::Text, "a text", text);
            assert!(!found(&heard(&[], "err", text), secret));
        }
    }
}
