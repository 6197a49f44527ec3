//! Changes to the operator's configuration file, made for them and on their word: comments, order
//! and everything that was not meant stay as they are. What to change is the caller's.

mod comment;
mod lists;

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value};

use crate::bounded_file::read_text;
use crate::config::LARGEST;
use crate::error::Failure;
use crate::private_file;

/// A configuration file that is about to be changed. Nothing is written before [`ConfigEdit::save`].
#[derive(Debug, Clone)]
pub struct ConfigEdit {
    path: PathBuf,
    /// What the file held when it was read; none when there was none.
    before: Option<String>,
    /// The document as it was then: it keeps neither a byte order mark nor CR.
    unchanged: String,
    document: DocumentMut,
}

impl ConfigEdit {
    /// Reads the file at `path`; one that does not exist is an empty one.
    ///
    /// # Errors
    /// It cannot be read, or it is not TOML: then nobody can say what a change would do.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        // Written where it really is, so that a link to it stays a link.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_absent| path.to_path_buf());
        let before = match read_text(&path, LARGEST) {
            Ok(text) => Some(text),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(unusable(&path, "cannot be read", error)),
        };
        let document: DocumentMut = before
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error| unusable(&path, "is not TOML", error))?;
        Ok(Self {
            path,
            before,
            unchanged: document.to_string(),
            document,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The table at a path of keys; the missing ones are made.
    ///
    /// # Errors
    /// A key on the way is something else than a table.
    pub fn table(&mut self, keys: &[&str]) -> Result<&mut dyn TableLike, Failure> {
        let path = self.path.clone();
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for (depth, key) in keys.iter().enumerate() {
            let last = depth + 1 == keys.len();
            table = table
                .entry(key)
                .or_insert_with(|| {
                    let mut made = Table::new();
                    // Only the last one has a header of its own: `[a.b]` says `a` already.
                    made.set_implicit(!last);
                    Item::Table(made)
                })
                .as_table_like_mut()
                .ok_or_else(|| {
                    let name = keys.get(..=depth).unwrap_or_default().join(".");
                    not_meant(&path, &name, "a table")
                })?;
        }
        Ok(table)
    }

    /// Whether the key at the end of `keys` is there.
    pub fn has(&self, keys: &[&str]) -> bool {
        let mut item = Some(self.document.as_item());
        for key in keys {
            item = item
                .and_then(Item::as_table_like)
                .and_then(|table| table.get(key));
        }
        item.is_some_and(|item| !item.is_none())
    }

    /// Sets a key of a table to `value`; a comment behind the old value stays.
    ///
    /// # Errors
    /// As [`ConfigEdit::table`].
    pub fn set(
        &mut self,
        table: &[&str],
        key: &str,
        value: impl Into<Value>,
    ) -> Result<(), Failure> {
        let mut value = value.into();
        let table = self.table(table)?;
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => {
                table.insert(key, Item::Value(value));
            }
        }
        Ok(())
    }

    /// Takes a key out of a table.
    ///
    /// # Errors
    /// As [`ConfigEdit::table`].
    pub fn remove(&mut self, table: &[&str], key: &str) -> Result<(), Failure> {
        self.table(table)?.remove(key);
        Ok(())
    }

    /// Adds `word` to the list at a key of a table, in the list's own form; the list is made when
    /// it is missing. False: it is there already.
    ///
    /// # Errors
    /// As [`ConfigEdit::table`]; or the key is no list.
    pub fn add_to_list(&mut self, table: &[&str], key: &str, word: &str) -> Result<bool, Failure> {
        let path = self.path.clone();
        let place = [table, &[key]].concat().join(".");
        let list = self
            .table(table)?
            .entry(key)
            .or_insert_with(|| Item::Value(Value::Array(Array::new())))
            .as_array_mut()
            .ok_or_else(|| not_meant(&path, &place, "a list"))?;
        if list.iter().any(|entry| entry.as_str() == Some(word)) {
            return Ok(false);
        }
        append(list, word);
        Ok(true)
    }

    /// What would be written.
    pub fn text(&self) -> String {
        let text = self.document.to_string();
        match &self.before {
            Some(before) if text == self.unchanged => before.clone(),
            Some(before) => written_like(before, text),
            None => text,
        }
    }

    /// Whether saving would change anything.
    pub fn is_changed(&self) -> bool {
        self.before.as_deref() != Some(self.text().as_str())
    }

    /// Writes the file, whole or not at all; its mode stays, a new one is for its owner only.
    ///
    /// # Errors
    /// Somebody else has changed the file since it was read, or it cannot be written; it is as it was.
    pub fn save(self) -> Result<(), Failure> {
        if !self.is_changed() {
            return Ok(());
        }
        let now = match read_text(&self.path, LARGEST) {
            Ok(text) => Some(text),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(unusable(&self.path, "cannot be read", error)),
        };
        if now != self.before {
            return Err(Failure::operator(
                "config_changed",
                format!(
                    "the configuration {} was changed meanwhile, so nothing is written",
                    self.path.display()
                ),
            )
            .hint("run the command again"));
        }
        private_file::replace(&self.path, self.text().as_bytes())
            .map_err(|error| unusable(&self.path, "cannot be written", error))
    }
}

/// `text` with the byte order mark and the line ends that `before` has, as far as it means the same with
/// them: in a text of several lines they are part of it.
fn written_like(before: &str, mut text: String) -> String {
    const MARK: char = '\u{feff}';
    let line_ends = |of: &str| before.matches(of).count();
    if line_ends("\r\n") > 0 && line_ends("\r\n") == line_ends("\n") {
        let ended = text.replace("\r\n", "\n").replace('\n', "\r\n");
        let meaning = |text: &str| toml::from_str::<toml::Table>(text).ok();
        if meaning(&ended) == meaning(&text) {
            text = ended;
        }
    }
    if before.starts_with(MARK) {
        text.insert(0, MARK);
    }
    text
}

/// Adds to a list written over several lines a line like the last one, to any other an entry.
fn append(list: &mut Array, word: &str) {
    let mut value = Value::from(word);
    let at = list.len();
    let Some(last) = at.checked_sub(1).and_then(|at| list.get_mut(at)) else {
        list.push(value);
        return;
    };
    let text = |raw: Option<&RawString>| {
        raw.and_then(RawString::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let before = text(last.decor().prefix());
    // A comment above the last entry is about that entry, and so is one behind it.
    let indent = match before.rfind('\n') {
        Some(at) => before.get(at..).unwrap_or_default(),
        None => " ",
    };
    let mut behind = text(last.decor().suffix());
    last.decor_mut().set_suffix("");
    behind.push_str(&text(Some(list.trailing())));
    let said = behind.rfind('#').map_or(0, |comment| {
        let rest = behind.get(comment..).unwrap_or_default();
        comment + rest.find('\n').unwrap_or(rest.len())
    });
    let (said, rest) = behind.split_at(said);
    // Behind a comment only a new line is not part of it.
    let indent = if said.is_empty() || indent.starts_with('\n') {
        indent
    } else {
        "\n  "
    };
    value.decor_mut().set_prefix(format!("{said}{indent}"));
    list.push_formatted(value);
    list.set_trailing(rest);
}

/// An inline table, for values such as `{ env = "NAME" }`.
pub fn inline<const N: usize>(fields: [(&str, &str); N]) -> Value {
    let mut table = InlineTable::new();
    for (key, value) in fields {
        table.insert(key, value.into());
    }
    Value::InlineTable(table)
}

fn not_meant(path: &Path, place: &str, wanted: &str) -> Failure {
    Failure::operator(
        "config_shape",
        format!("`{place}` in {} is not {wanted}", path.display()),
    )
    .hint(format!(
        "correct `{place}` by hand; nothing has been changed"
    ))
}

fn unusable(path: &Path, what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::operator(
        "config_not_changed",
        format!("the configuration {} {what}", path.display()),
    )
    .because(error.to_string().trim())
    .hint("nothing has been changed")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const BEFORE: &str = "\
# mine
[runtime_plugins] # found here
enabled = false # for now
roots = [\"./a\"]

[whatsapp_personal]
allowed_chat_ids = [
  # Ana
  \"+15551234567\", # at work
]
";

    fn edited(change: impl FnOnce(&mut ConfigEdit)) -> String {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        fs::write(&file, BEFORE).unwrap();
        let mut edit = ConfigEdit::open(&file).unwrap();
        change(&mut edit);
        edit.save().unwrap();
        fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn a_file_of_another_system_keeps_its_mark_and_its_line_ends() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        let before = "\u{feff}[pigeon]\r\nenabled = false # for now\r\n";
        fs::write(&file, before).unwrap();
        let mut edit = ConfigEdit::open(&file).unwrap();
        assert!(!edit.is_changed());
        edit.set(&["pigeon"], "enabled", true).unwrap();
        edit.save().unwrap();
        let now = fs::read_to_string(&file).unwrap();
        assert_eq!(now, before.replace("false", "true"));
        assert!(toml::from_str::<toml::Table>(&now).is_ok());
        // Where they are mixed, nothing is made alike as long as nothing is changed.
        fs::write(&file, "a = 1\r\nb = 2\n").unwrap();
        assert!(!ConfigEdit::open(&file).unwrap().is_changed());
    }

    #[test]
    fn what_was_not_meant_stays_to_the_letter() {
        assert_eq!(edited(|_| ()), BEFORE);
        let changed = edited(|edit| edit.set(&["runtime_plugins"], "enabled", true).unwrap());
        assert_eq!(
            changed,
            BEFORE.replace("enabled = false # for now", "enabled = true # for now")
        );
    }

    #[test]
    fn an_entry_joins_a_list_in_its_form_and_once() {
        let changed = edited(|edit| {
            for fresh in [true, false] {
                let added = edit
                    .add_to_list(&["whatsapp_personal"], "allowed_chat_ids", "1@g.us")
                    .unwrap();
                assert_eq!(added, fresh);
            }
            assert!(
                edit.add_to_list(&["runtime_plugins"], "roots", "./b")
                    .unwrap()
            );
        });
        let parsed: toml::Table = toml::from_str(&changed).unwrap();
        assert_eq!(
            parsed["whatsapp_personal"]["allowed_chat_ids"].to_string(),
            "[\"+15551234567\", \"1@g.us\"]"
        );
        for kept in ["# Ana", "# at work", "# mine", "# found here"] {
            assert_eq!(changed.matches(kept).count(), 1, "{changed}");
        }
        assert!(changed.contains("\n  \"1@g.us\""), "{changed}");
        assert!(changed.contains("roots = [\"./a\", \"./b\"]"), "{changed}");
    }

    #[test]
    fn missing_tables_are_made_and_what_is_no_table_is_refused() {
        let changed = edited(|edit| {
            edit.set(&["whatsapp_personal", "accounts", "work"], "enabled", true)
                .unwrap();
            assert!(edit.has(&["whatsapp_personal", "accounts", "work", "enabled"]));
            assert!(!edit.has(&["whatsapp_personal", "accounts", "home"]));
            let failure = edit.set(&["runtime_plugins", "roots"], "x", 1).unwrap_err();
            assert_eq!(failure.code, "config_shape");
        });
        assert!(
            changed.contains("[whatsapp_personal.accounts.work]\nenabled = true"),
            "{changed}"
        );
        assert!(
            !changed.contains("[whatsapp_personal.accounts]\n"),
            "{changed}"
        );
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        fs::write(&file, BEFORE).unwrap();
        let mut edit = ConfigEdit::open(&file).unwrap();
        edit.set(&["a"], "b", 1).unwrap();
        fs::write(&file, "# by hand\n").unwrap();
        assert_eq!(edit.save().unwrap_err().code, "config_changed");
        assert_eq!(fs::read_to_string(&file).unwrap(), "# by hand\n");
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_link_and_a_new_one_is_private() {
        let place = tempfile::tempdir().unwrap();
        let (file, link) = (
            place.path().join("real.toml"),
            place.path().join("link.toml"),
        );
        fs::write(&file, BEFORE).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut edit = ConfigEdit::open(&link).unwrap();
        edit.set(&["a"], "b", 1).unwrap();
        edit.save().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o640);

        let new = place.path().join("new.toml");
        let mut edit = ConfigEdit::open(&new).unwrap();
        edit.set(&["a"], "b", 1).unwrap();
        edit.save().unwrap();
        assert_eq!(mode(&new), 0o600);
    }

    #[test]
    fn what_is_not_toml_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        fs::write(&file, "a = = 1").unwrap();
        assert_eq!(
            ConfigEdit::open(&file).unwrap_err().code,
            "config_not_changed"
        );
    }
}
