//! Comments for what is written into a configuration on somebody's behalf. A comment goes only to
//! what was not there before: what an operator wrote is theirs to explain.

use toml_edit::{Item, Value};

use super::ConfigEdit;
use crate::error::Failure;

/// Columns of a line of comment.
const WIDTH: usize = 98;

impl ConfigEdit {
    /// Makes the table at a path of keys, with a comment above it; one that is there stays as it is.
    ///
    /// # Errors
    /// As [`ConfigEdit::table`].
    pub fn describe_table(&mut self, keys: &[&str], comment: &str) -> Result<(), Failure> {
        if self.has(keys) {
            return Ok(());
        }
        let first = self.document.as_table().is_empty();
        self.table(keys)?;
        if let Some(table) = self.item(keys).and_then(Item::as_table_mut) {
            let gap = if first { "" } else { "\n" };
            let prefix = format!("{gap}{}", lines(comment));
            table.decor_mut().set_prefix(prefix);
        }
        Ok(())
    }

    /// As [`ConfigEdit::set`], with a comment above a key that is new.
    ///
    /// # Errors
    /// As [`ConfigEdit::set`].
    pub fn describe(
        &mut self,
        table: &[&str],
        key: &str,
        value: impl Into<Value>,
        comment: &str,
    ) -> Result<(), Failure> {
        let fresh = !self.has(&[table, &[key]].concat());
        self.set(table, key, value)?;
        // An inline table is one line, with no room for comments.
        let table = self.item(table).and_then(Item::as_table_mut);
        if let Some(mut key) = table.filter(|_| fresh).and_then(|it| it.key_mut(key)) {
            key.leaf_decor_mut().set_prefix(lines(comment));
        }
        Ok(())
    }

    fn item(&mut self, keys: &[&str]) -> Option<&mut Item> {
        let mut item = self.document.as_item_mut();
        for key in keys {
            item = item.as_table_like_mut()?.get_mut(key)?;
        }
        Some(item)
    }
}

/// `text` as whole lines of comment; none for none.
fn lines(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!("# {word}")),
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str) -> (tempfile::TempDir, ConfigEdit) {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        let edit = ConfigEdit::open(&file).unwrap();
        (place, edit)
    }

    #[test]
    fn what_is_new_is_explained_and_what_was_there_is_not() {
        let (_place, mut edit) = edit("# mine\n[a]\nx = 1 # one\n");
        edit.describe_table(&["a"], "ours").unwrap();
        edit.describe(&["a"], "x", 2, "ours").unwrap();
        edit.describe_table(&["a", "b"], "The b.").unwrap();
        edit.describe(&["a", "b"], "y", 3, "The y.").unwrap();
        assert_eq!(
            edit.text(),
            "# mine\n[a]\nx = 2 # one\n\n# The b.\n[a.b]\n# The y.\ny = 3\n"
        );
    }

    #[test]
    fn a_new_file_begins_with_a_comment_and_an_inline_table_gets_none() {
        let (_place, mut fresh) = edit("");
        fresh.describe_table(&["a"], "The a.").unwrap();
        assert_eq!(fresh.text(), "# The a.\n[a]\n");
        let (_place, mut inline) = edit("a = { x = 1 }\n");
        inline.describe(&["a"], "y", 2, "The y.").unwrap();
        assert_eq!(inline.text(), "a = { x = 1 , y = 2 }\n");
    }

    #[test]
    fn a_long_comment_takes_several_lines() {
        let text = "word ".repeat(50);
        let lines = lines(&text);
        assert!(lines.lines().count() == 3, "{lines}");
        assert!(
            lines
                .lines()
                .all(|line| line.starts_with("# ") && line.len() <= WIDTH)
        );
    }
}
