//! What more can be done to a list of the configuration than adding to it: taking an entry out, and
//! giving a table a list of its own. No comment is lost by either.

use toml_edit::{Array, Item, Value};

use super::{ConfigEdit, not_meant};
use crate::error::Failure;

impl ConfigEdit {
    /// Takes every `word` out of the list at a key of a table. False: there was none.
    ///
    /// # Errors
    /// As [`ConfigEdit::table`]; or the key is no list.
    pub fn remove_from_list(
        &mut self,
        table: &[&str],
        key: &str,
        word: &str,
    ) -> Result<bool, Failure> {
        let keys = [table, &[key]].concat();
        if !self.has(&keys) {
            return Ok(false);
        }
        let path = self.path.clone();
        let list = self
            .table(table)?
            .get_mut(key)
            .and_then(Item::as_array_mut)
            .ok_or_else(|| not_meant(&path, &keys.join("."), "a list"))?;
        let is_meant = |entry: &Value| entry.as_str().map(str::trim) == Some(word);
        let places: Vec<usize> = list
            .iter()
            .enumerate()
            .filter(|(_, entry)| is_meant(entry))
            .map(|(at, _)| at)
            .collect();
        for at in places.iter().rev() {
            take_out(list, *at);
        }
        Ok(!places.is_empty())
    }

    /// Gives the table `to` a list with the entries that `from` has at the same key; an empty one
    /// when `from` has none.
    ///
    /// # Errors
    /// As [`ConfigEdit::table`]; or the key of `from` is no list.
    pub fn copy_list(&mut self, from: &[&str], to: &[&str], key: &str) -> Result<(), Failure> {
        let keys = [from, &[key]].concat();
        let mut copy = Array::new();
        if self.has(&keys) {
            let path = self.path.clone();
            let list = self
                .table(from)?
                .get(key)
                .and_then(Item::as_array)
                .ok_or_else(|| not_meant(&path, &keys.join("."), "a list"))?;
            // The comments stay with the original.
            copy.extend(list.iter().map(|entry| {
                let mut entry = entry.clone();
                entry.decor_mut().clear();
                entry
            }));
        }
        self.set(to, key, Value::Array(copy))
    }
}

/// Removes an entry; a comment that stood beside it goes to what follows.
fn take_out(list: &mut Array, at: usize) {
    let gone = list.remove(at);
    let text = |raw: Option<&toml_edit::RawString>| {
        raw.and_then(toml_edit::RawString::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let before = text(gone.decor().prefix());
    let behind = text(gone.decor().suffix());
    let comment = |text: &str| {
        if text.contains('#') {
            text.to_owned()
        } else {
            String::new()
        }
    };
    if let Some(next) = list.get_mut(at) {
        let said = comment(&before) + &comment(&behind);
        let own = text(next.decor().prefix());
        let first_in_its_line = at == 0 && said.is_empty() && !own.contains('#');
        let prefix = if first_in_its_line {
            before
        } else {
            format!("{said}{own}")
        };
        next.decor_mut().set_prefix(prefix);
    } else {
        let trailing = text(Some(list.trailing()));
        list.set_trailing(format!("{}{behind}{trailing}", comment(&before)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The line or lines of the list after a change.
    fn after(list: &str, change: impl FnOnce(&mut ConfigEdit)) -> String {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        fs::write(&file, format!("[pigeon]\nlist = {list}\n")).unwrap();
        let mut edit = ConfigEdit::open(&file).unwrap();
        change(&mut edit);
        edit.save().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        toml::from_str::<toml::Table>(&text).unwrap();
        let text = text.strip_prefix("[pigeon]\nlist = ").unwrap();
        text.strip_suffix('\n').unwrap().to_owned()
    }

    fn without_star(list: &str) -> String {
        after(list, |edit| {
            assert!(edit.remove_from_list(&["pigeon"], "list", "*").unwrap());
        })
    }

    #[test]
    fn an_entry_goes_and_the_others_stay_as_they_are_written() {
        for (before, now) in [
            ("[\"*\"]", "[]"),
            ("[\"*\", \"a\"]", "[\"a\"]"),
            ("[\"a\", \"*\"]", "[\"a\"]"),
            ("[\"a\", \" * \", \"b\", \"*\"]", "[\"a\", \"b\"]"),
            ("[\n  \"a\",\n  \"*\",\n]", "[\n  \"a\",\n]"),
            ("[\n  \"*\",\n  \"a\"\n]", "[\n  \"a\"\n]"),
            ("[\n  \"a\",\n  \"*\"\n]", "[\n  \"a\"\n]"),
        ] {
            assert_eq!(without_star(before), now);
        }
    }

    #[test]
    fn no_comment_goes_with_an_entry() {
        for before in [
            "[\n  # all\n  \"*\", # for now\n  # Ana\n  \"a\", # at work\n]",
            "[\n  # Ana\n  \"a\", # at work\n  # all\n  \"*\", # for now\n]",
            "[\n  # Ana\n  \"a\", # at work\n  # all\n  \"*\" # for now\n]",
            "[\n  # all\n  \"*\" # for now\n  , # Ana\n  \"a\" # at work\n]",
        ] {
            let now = without_star(before);
            for comment in ["# all", "# for now", "# Ana", "# at work"] {
                assert_eq!(now.matches(comment).count(), 1, "{now}");
            }
            assert!(now.contains("\"a\"") && !now.contains('*'), "{now}");
        }
    }

    #[test]
    fn an_entry_that_is_added_takes_no_comment_of_another() {
        for before in [
            "[\n  \"a\", # Ana\n]",
            "[\n  \"a\" # Ana\n]",
            "[\n  \"b\",\n  \"a\", # Ana\n]",
            "[\"a\" # Ana\n]",
            "[\"b\", \"a\", # Ana\n]",
        ] {
            let now = after(before, |edit| {
                edit.add_to_list(&["pigeon"], "list", "new").unwrap();
            });
            assert!(now.contains("\"a\", # Ana\n  \"new\""), "{now}");
            assert!(now.ends_with("\n]"), "{now}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_removed_and_what_is_no_list_is_refused() {
        let same = after("[\"a\"]", |edit| {
            assert!(!edit.remove_from_list(&["pigeon"], "list", "*").unwrap());
            assert!(!edit.remove_from_list(&["pigeon"], "none", "*").unwrap());
        });
        assert_eq!(same, "[\"a\"]");
        after("\"*\"", |edit| {
            let failure = edit.remove_from_list(&["pigeon"], "list", "*").unwrap_err();
            assert_eq!(failure.code, "config_shape");
            let failure = edit.copy_list(&["pigeon"], &["x"], "list").unwrap_err();
            assert_eq!(failure.code, "config_shape");
        });
    }

    #[test]
    fn a_table_gets_a_list_of_its_own_and_the_other_stays() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        let before = "[pigeon]\nlist = [\n  # all\n  \"*\", \"a\",\n]\n\n[pigeon.accounts.work] # mine\nenabled = true\n";
        fs::write(&file, before).unwrap();
        let mut edit = ConfigEdit::open(&file).unwrap();
        let own = ["pigeon", "accounts", "work"];
        edit.copy_list(&["pigeon"], &own, "list").unwrap();
        edit.add_to_list(&own, "list", "b").unwrap();
        edit.save().unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            format!("{before}list = [\"*\", \"a\", \"b\"]\n")
        );
    }
}
