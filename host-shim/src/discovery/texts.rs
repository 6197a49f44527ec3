//! The texts of a manifest: which can be names, which can be shown, and a map in which each key
//! stands once, because two readers of a file must not read two things.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::plain_text::{is_plain, quoted_value};

/// Characters of the longest name, and of the longest text that is shown.
const NAME: usize = 64;
const WORDS: usize = 1_000;

/// Whether `text` can name something: in a command, a path and a key of the configuration.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether `text` can be shown as it is.
pub(super) fn is_words(text: &str) -> bool {
    text.len() <= WORDS && is_plain(text)
}

/// Texts by their keys, each of which stands once.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Once)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if texts.contains_key(&key) {
                let key = quoted_value(&key);
                return Err(A::Error::custom(format!("`{key}` stands there twice")));
            }
            texts.insert(key, value);
        }
        Ok(Texts(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_command_a_path_and_a_key() {
        for name in ["pigeon-post", "wa_personal", "a", "7.1", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for other in [
            "",
            "..",
            ".x",
            "-x",
            "a/b",
            "a b",
            "ä",
            "a\n",
            "a;b",
            &"x".repeat(65),
        ] {
            assert!(!is_name(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_does_nothing() {
        assert!(is_words("Pigeon Post 🕊 <loft>") && is_words(""));
        for other in ["a\nb", "a\u{1b}[2J", "a\u{202e}b", &"x".repeat(1_001)] {
            assert!(!is_words(other), "{other:?}");
        }
    }
}
