//! Inputs that several parts have in common: texts nobody should have to read, JSON of any shape, and
//! chats in each of their spellings.

use std::cell::Cell;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::string::{RegexGeneratorStrategy, string_regex};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tempfile::TempDir;

use crate::made::Or;

/// Whatever bytes there are.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    Or {
        drawn: AnyBytes,
        read: std::convert::identity,
    }
}

#[derive(Debug, Clone, Copy)]
struct AnyBytes;

/// Bytes, which shrink by becoming fewer.
#[derive(Debug)]
struct Shortened {
    bytes: Vec<u8>,
    length: Cell<usize>,
    least: usize,
}

impl Strategy for AnyBytes {
    type Tree = Shortened;
    type Value = Vec<u8>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut length = [0; 2];
        runner.rng().fill_bytes(&mut length);
        let mut bytes = vec![0; usize::from(u16::from_le_bytes(length) % 512)];
        runner.rng().fill_bytes(&mut bytes);
        Ok(Shortened {
            length: Cell::new(bytes.len()),
            least: 0,
            bytes,
        })
    }
}

impl ValueTree for Shortened {
    type Value = Vec<u8>;

    fn current(&self) -> Vec<u8> {
        self.bytes[..self.length.get()].to_vec()
    }

    fn simplify(&mut self) -> bool {
        let length = self.length.get();
        if length == self.least {
            return false;
        }
        self.length.set(self.least + (length - self.least) / 2);
        true
    }

    fn complicate(&mut self) -> bool {
        let length = self.length.get();
        if length >= self.bytes.len() {
            return false;
        }
        self.least = length + 1;
        self.length.set(
            self.bytes
                .len()
                .min(length + 1 + (self.bytes.len() - length) / 2),
        );
        true
    }
}

/// Characters that readers and terminals stumble over.
const STRANGE: &[char] = &[
    '\0',
    '\u{1}',
    '\t',
    '\n',
    '\r',
    '\u{1b}',
    '\u{7f}',
    '\u{85}',
    '\u{9b}',
    '\u{a0}',
    '\u{ad}',
    '\u{61c}',
    '\u{200b}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{2028}',
    '\u{2029}',
    '\u{202e}',
    '\u{2066}',
    '\u{2069}',
    '\u{feff}',
    '\u{fffd}',
    '\u{10ffff}',
    '\u{ff15}',
    '\u{0665}',
    '\u{1d7d9}',
    'é',
    'İ',
    'ß',
    '👩',
    ' ',
    '"',
    '\'',
    '\\',
    '/',
    ':',
    '@',
    '#',
    '[',
    ']',
    '{',
    '}',
    '=',
    ',',
    '.',
    '-',
    '+',
    '*',
    '$',
    '`',
    '(',
    ')',
    '<',
    '>',
    '%',
    '&',
    '~',
    '0',
    '5',
    '9',
    'a',
    'z',
    'A',
    '_',
];

/// Texts that a regular expression matches, read once: proptest would read it again for each case.
pub(crate) fn like(expression: &str) -> RegexGeneratorStrategy<String> {
    string_regex(expression).unwrap()
}

/// Any text: bytes taken for one, printable text, strange characters.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let strange = prop::collection::vec(prop::sample::select(STRANGE), 0..40);
    let drawn = prop_oneof![
        AnyBytes.prop_map(as_text),
        strange.prop_map(String::from_iter),
        like("\\PC{0,60}"),
        Just(String::new()),
    ];
    Or {
        drawn,
        read: as_text,
    }
}

/// A text with words of the thing itself among strange ones.
pub(crate) fn text_with(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(words).prop_map(str::to_owned),
        2 => like("[0-9]{1,16}"),
        2 => prop::sample::select(STRANGE).prop_map(String::from),
        1 => like("[a-zA-Z_-]{1,8}"),
    ];
    let drawn = prop_oneof![
        prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat()),
        text(),
    ];
    Or {
        drawn,
        read: as_text,
    }
}

/// JSON of any shape, some of it with the `words` as keys and texts.
pub(crate) fn json(words: &'static [&'static str]) -> impl Strategy<Value = Value> + Clone {
    let word = move || {
        let known = prop::sample::select(words).prop_map(str::to_owned);
        prop_oneof![known, text()].boxed()
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Of few digits: of 17, serde_json reads the last one as it likes, and nothing of ours has so many.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        word().prop_map(Value::from),
    ];
    let drawn = leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    Or {
        drawn,
        read: as_json,
    }
}

fn as_text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A document whose numbers are printed as they are read, see above; a text when it is none.
fn as_json(bytes: Vec<u8>) -> Value {
    let read: Option<Value> = serde_json::from_slice(&bytes).ok();
    read.filter(|value| {
        serde_json::from_str::<Value>(&value.to_string()).is_ok_and(|again| again == *value)
    })
    .unwrap_or_else(|| as_text(bytes).into())
}

/// A folder that is gone afterwards; in memory where that can be had, because a case is quick and a disk is not.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

/// A chat: its canonical form and the ways to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chat {
    pub(crate) canonical: String,
    pub(crate) spellings: Vec<String>,
    pub(crate) is_group: bool,
}

/// A chat of any kind.
pub(crate) fn chat() -> impl Strategy<Value = Chat> {
    prop_oneof![phone(), lid(), group()]
}

pub(crate) fn contact() -> impl Strategy<Value = Chat> {
    prop_oneof![phone(), lid()]
}

pub(crate) fn group() -> impl Strategy<Value = Chat> {
    let new = like("[0-9]{10,25}");
    let old = (like("[1-9][0-9]{6,14}"), like("[0-9]{1,15}"))
        .prop_map(|(founder, founded)| format!("{founder}-{founded}"));
    prop_oneof![new.boxed(), old.boxed()].prop_map(|id| Chat {
        canonical: format!("{id}@g.us"),
        spellings: vec![
            format!("{id}@g.us"),
            format!("{id}@G.US"),
            format!(" {id}@g.us\u{a0}"),
        ],
        is_group: true,
    })
}

fn phone() -> impl Strategy<Value = Chat> {
    (like("[1-9][0-9]{6,14}"), 0_usize..6, 0_u32..100).prop_map(|(digits, at, device)| {
        let (head, tail) = digits.split_at(at);
        Chat {
            canonical: format!("+{digits}"),
            spellings: vec![
                format!("+{digits}"),
                digits.clone(),
                format!("  +{digits} "),
                format!("+{head}({tail})"),
                format!("{head} . -{tail}"),
                format!("{digits}@s.whatsapp.net"),
                format!("{digits}@c.us"),
                format!("{digits}:{device}@S.WhatsApp.net"),
            ],
            is_group: false,
        }
    })
}

fn lid() -> impl Strategy<Value = Chat> {
    (like("[0-9]{1,20}"), 0_u32..100).prop_map(|(digits, device)| Chat {
        canonical: format!("{digits}@lid"),
        spellings: vec![
            format!("{digits}@lid"),
            format!("{digits}@LID"),
            format!("{digits}:{device}@lid"),
        ],
        is_group: false,
    })
}
