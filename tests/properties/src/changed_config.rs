//! Changes to the operator's configuration: what was meant changes, every other key and every comment stays.

use std::fs;

use loong::config_edit::ConfigEdit;
use proptest::prelude::*;

use crate::input::{self, like, text};

properties!(
    a_change_changes_what_was_meant_and_keeps_every_comment(
        (document(), change()),
        2,
        |(document, change)| {
            let before: toml::Table = toml::from_str(&document.text).unwrap();
            let place = input::folder();
            let file = place.path().join("config.toml");
            fs::write(&file, &document.text).unwrap();
            let mut edit = ConfigEdit::open(&file).unwrap();
            let table: Vec<&str> = change.table.split('.').collect();
            let mut meant = before.clone();
            change.what.make(&mut edit, &table);
            change.what.mean(&mut meant, &table);
            edit.save().unwrap();
            let text = fs::read_to_string(&file).unwrap();
            let after: toml::Table =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(after, meant, "{text}");
            for number in 0..document.comments {
                assert_eq!(
                    text.matches(&format!("# c{number}.")).count(),
                    1,
                    "# c{number}. in\n{text}"
                );
            }
        }
    ),
    a_change_of_many_makes_the_same_list_as_one_by_one(
        (document(), prop::collection::vec(change(), 1..6)),
        2,
        |(document, changes)| {
            let place = input::folder();
            let file = place.path().join("config.toml");
            fs::write(&file, &document.text).unwrap();
            let mut meant: toml::Table = toml::from_str(&document.text).unwrap();
            for change in changes {
                let table: Vec<&str> = change.table.split('.').collect();
                let mut edit = ConfigEdit::open(&file).unwrap();
                change.what.make(&mut edit, &table);
                change.what.mean(&mut meant, &table);
                edit.save().unwrap();
            }
            let text = fs::read_to_string(&file).unwrap();
            let after: toml::Table =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(after, meant, "{text}");
            for number in 0..document.comments {
                assert_eq!(
                    text.matches(&format!("# c{number}.")).count(),
                    1,
                    "# c{number}. in\n{text}"
                );
            }
        }
    ),
    where_nothing_is_changed_nothing_is_written_anew(
        (document(), any::<bool>()),
        2,
        |(document, marked)| {
            let mark = if marked { "\u{feff}" } else { "" };
            let place = input::folder();
            let file = place.path().join("config.toml");
            fs::write(&file, format!("{mark}{}", document.text)).unwrap();
            let mut edit = ConfigEdit::open(&file).unwrap();
            assert!(!edit.is_changed(), "{:?}", edit.text());
            edit.set(&["pigeon"], "enabled", true).unwrap();
            edit.set(&["pigeon"], "new", true).unwrap();
            edit.remove(&["pigeon"], "new").unwrap();
            let lines = |text: &str| text.matches('\n').count();
            let text = edit.text();
            assert_eq!(text.starts_with('\u{feff}'), marked);
            assert_eq!(
                text.matches("\r\n").count(),
                document.text.matches("\r\n").count()
            );
            assert_eq!(lines(&text), lines(&document.text), "{text:?}");
        }
    ),
    a_file_that_is_no_toml_is_left_alone(text(), 2, |text| {
        let place = input::folder();
        let file = place.path().join("config.toml");
        fs::write(&file, &text).unwrap();
        match ConfigEdit::open(&file) {
            // What is not changed is not written anew, either.
            Ok(edit) => {
                assert_eq!(edit.text(), text);
                edit.save().unwrap();
            }
            Err(failure) => assert_eq!(failure.code, "config_not_changed"),
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }),
);

/// A table, and what is done to it.
#[derive(Debug, Clone)]
struct Change {
    table: &'static str,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Add(String),
    Remove(String),
    CopyToWork,
    Set(String, bool),
    Describe(String),
}

const LIST: &str = "allowed_chat_ids";
const WORK: [&str; 3] = ["pigeon", "accounts", "work"];

impl What {
    fn make(&self, edit: &mut ConfigEdit, table: &[&str]) {
        match self {
            Self::Add(word) => {
                let had = edit.add_to_list(table, LIST, word).unwrap();
                assert!(!had || edit.is_changed());
            }
            Self::Remove(word) => drop(edit.remove_from_list(table, LIST, word.trim()).unwrap()),
            // Whoever has a list of its own never gets another.
            Self::CopyToWork if edit.has(&[WORK.as_slice(), &[LIST]].concat()) => {}
            Self::CopyToWork => edit.copy_list(table, &WORK, LIST).unwrap(),
            Self::Set(key, value) => edit.set(table, key, *value).unwrap(),
            Self::Describe(value) => edit
                .describe(table, "note", value.as_str(), "what it is")
                .unwrap(),
        }
    }

    /// The same, done to what the file means.
    fn mean(&self, document: &mut toml::Table, table: &[&str]) {
        match self {
            Self::Add(word) => {
                let of = at(document, table);
                let list = of
                    .entry(LIST)
                    .or_insert_with(|| toml::Value::Array(Vec::new()))
                    .as_array_mut()
                    .unwrap();
                if !list.iter().any(|entry| entry.as_str() == Some(word)) {
                    list.push(word.as_str().into());
                }
            }
            Self::Remove(word) => {
                if let Some(list) = has(document, table).and_then(|table| table.get_mut(LIST)) {
                    list.as_array_mut()
                        .unwrap()
                        .retain(|entry| entry.as_str().map(str::trim) != Some(word.trim()));
                }
            }
            Self::CopyToWork => {
                if has(document, &WORK).is_some_and(|work| work.contains_key(LIST)) {
                    return;
                }
                let list = has(document, table).and_then(|table| table.get(LIST).cloned());
                let list = list.unwrap_or_else(|| toml::Value::Array(Vec::new()));
                at(document, &WORK).insert(LIST.to_owned(), list);
            }
            Self::Set(key, value) => drop(at(document, table).insert(key.clone(), (*value).into())),
            Self::Describe(value) => {
                drop(at(document, table).insert("note".to_owned(), value.as_str().into()))
            }
        }
    }
}

fn at<'a>(document: &'a mut toml::Table, keys: &[&str]) -> &'a mut toml::Table {
    keys.iter().fold(document, |table, key| {
        table
            .entry(*key)
            .or_insert_with(|| toml::Table::new().into())
            .as_table_mut()
            .unwrap()
    })
}

fn has<'a>(document: &'a mut toml::Table, keys: &[&str]) -> Option<&'a mut toml::Table> {
    keys.iter()
        .try_fold(document, |table, key| table.get_mut(*key)?.as_table_mut())
}

fn change() -> impl Strategy<Value = Change> {
    let table = prop::sample::select(vec![
        "pigeon",
        "pigeon.accounts.work",
        "pigeon.accounts.home",
    ]);
    let what = prop_oneof![
        3 => word().prop_map(What::Add),
        3 => word().prop_map(What::Remove),
        1 => Just(What::CopyToWork),
        1 => (like("[a-z]{1,3}|enabled"), any::<bool>()).prop_map(|(key, value)| What::Set(key, value)),
        1 => text().prop_map(What::Describe),
    ];
    (table, what).prop_map(|(table, what)| Change { table, what })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["*", " * ", "a", "b", "+15551234567"]).prop_map(str::to_owned),
        1 => text(),
    ]
}

/// A valid configuration with numbered comments wherever one can stand.
#[derive(Debug, Clone)]
struct Document {
    text: String,
    comments: usize,
}

/// How a list is written: one that gives comments and line ends at each place, or none.
#[derive(Debug, Clone)]
struct List {
    /// Before the entry, the entry, behind it and before its comma.
    entries: Vec<(Space, String, Space)>,
    trailing_comma: bool,
    end: Space,
}

#[derive(Debug, Clone, Copy)]
enum Space {
    None,
    One,
    Line,
    /// ` # comment`, and the next line.
    Comment,
    /// A line, a comment on a line of its own, and the next.
    CommentAbove,
}

fn space() -> impl Strategy<Value = Space> {
    prop::sample::select(vec![
        Space::None,
        Space::One,
        Space::Line,
        Space::Comment,
        Space::CommentAbove,
    ])
}

fn list() -> impl Strategy<Value = List> {
    let entries = prop::collection::vec((space(), word(), space()), 0..5);
    (entries, any::<bool>(), space()).prop_map(|(entries, trailing_comma, end)| List {
        entries,
        trailing_comma,
        end,
    })
}

fn document() -> impl Strategy<Value = Document> {
    let table = || {
        (
            prop::option::of(list()),
            any::<bool>(),
            space(),
            any::<bool>(),
        )
    };
    (
        table(),
        prop::option::of(table()),
        prop::option::of(table()),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(block, work, home, foreign, crlf)| {
            let mut pen = Pen::default();
            if foreign {
                pen.comment();
                pen.text
                    .push_str("title = 'other'\n[other]\nx = [1, { y = 'z' }]\n");
            }
            pen.table("pigeon", block);
            for (name, of) in [("work", work), ("home", home)] {
                if let Some(of) = of {
                    pen.table(&format!("pigeon.accounts.{name}"), of);
                }
            }
            pen.comment();
            let text = if crlf {
                pen.text.replace('\n', "\r\n")
            } else {
                pen.text
            };
            Document {
                text,
                comments: pen.comments,
            }
        })
}

#[derive(Default)]
struct Pen {
    text: String,
    comments: usize,
}

impl Pen {
    fn comment(&mut self) {
        self.text.push_str(&format!("# c{}.\n", self.comments));
        self.comments += 1;
    }

    fn table(
        &mut self,
        path: &str,
        (list, enabled, above, behind): (Option<List>, bool, Space, bool),
    ) {
        if let Space::Comment | Space::CommentAbove = above {
            self.comment();
        }
        self.text.push_str(&format!("[{path}]"));
        if behind {
            self.text.push(' ');
            self.comment();
        } else {
            self.text.push('\n');
        }
        if let Some(list) = list {
            if behind {
                self.comment();
            }
            self.text.push_str(&format!("{LIST} = ["));
            let count = list.entries.len();
            for (at, (before, word, after)) in list.entries.into_iter().enumerate() {
                self.space(before);
                self.text.push_str(&toml::Value::from(word).to_string());
                self.space(after);
                if at + 1 < count || list.trailing_comma {
                    self.text.push(',');
                }
            }
            self.space(list.end);
            self.text.push(']');
            self.text.push_str(if behind { " " } else { "\n" });
            if behind {
                self.comment();
            }
        }
        self.text.push_str(&format!("enabled = {enabled} "));
        self.comment();
    }

    fn space(&mut self, space: Space) {
        match space {
            Space::None => {}
            Space::One => self.text.push(' '),
            Space::Line => self.text.push_str("\n  "),
            Space::Comment => {
                self.text.push(' ');
                self.comment();
                self.text.push_str("  ");
            }
            Space::CommentAbove => {
                self.text.push_str("\n  ");
                self.comment();
                self.text.push_str("  ");
            }
        }
    }
}
