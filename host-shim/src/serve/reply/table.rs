//! Reads values out of a table of the configuration, so that every complaint names file and key.
//! Knows no key by itself.

use std::path::Path;

use toml::Value;

use crate::error::Failure;
use crate::nearest::nearest;

/// A table and the dotted path under which it stands; an absent one has no keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'a> {
    file: &'a Path,
    path: &'a str,
    table: Option<&'a toml::Table>,
}

impl<'a> Table<'a> {
    /// `value` as the table called `path`.
    pub(super) fn new(
        file: &'a Path,
        path: &'a str,
        value: Option<&'a Value>,
    ) -> Result<Self, Failure> {
        let table = match value {
            None => None,
            Some(Value::Table(table)) => Some(table),
            Some(other) => {
                return Err(
                    wrong(file, path, &format!("must be a table, not {}", kind(other)))
                        .hint(format!("write it as [{path}]")),
                );
            }
        };
        Ok(Self { file, path, table })
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.table.and_then(|table| table.get(key))
    }

    pub(super) fn keys(&self) -> Vec<&'a str> {
        self.table
            .map(|table| table.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// Complaint about `key`.
    pub(super) fn wrong(&self, key: &str, what: &str) -> Failure {
        wrong(self.file, &format!("{}.{key}", self.path), what)
    }

    /// A text; blank counts as unset.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => {
                Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
            }
            Some(other) => Err(self.wrong(key, &format!("must be a text, not {}", kind(other)))),
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, Failure> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Integer(number)) if range.contains(number) => Ok(Some(*number)),
            Some(Value::Integer(number)) => Err(self.wrong(
                key,
                &format!(
                    "is {number}; it must be from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
            Some(other) => {
                Err(self.wrong(key, &format!("must be a whole number, not {}", kind(other))))
            }
        }
    }

    /// A number with or without a fraction, within `range`.
    pub(super) fn fraction(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, Failure> {
        let number = match self.value(key) {
            None => return Ok(None),
            Some(Value::Float(number)) => *number,
            // Lossless: such a number outside of the range is refused below anyway.
            Some(Value::Integer(number)) => i32::try_from(*number).map_or(f64::INFINITY, f64::from),
            Some(other) => {
                return Err(self.wrong(key, &format!("must be a number, not {}", kind(other))));
            }
        };
        if range.contains(&number) {
            return Ok(Some(number));
        }
        Err(self.wrong(
            key,
            &format!(
                "is out of range; it must be from {} to {}",
                range.start(),
                range.end()
            ),
        ))
    }

    pub(super) fn switch(&self, key: &str) -> Result<Option<bool>, Failure> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Boolean(on)) => Ok(Some(*on)),
            Some(other) => {
                Err(self.wrong(key, &format!("must be true or false, not {}", kind(other))))
            }
        }
    }

    /// A list of texts, none of them empty at the front.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Failure> {
        let list = match self.value(key) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => {
                return Err(self
                    .wrong(
                        key,
                        &format!("must be a list of texts, not {}", kind(other)),
                    )
                    .hint(format!(
                        "write {key} = [\"program\", \"argument\"]; no shell reads it"
                    )));
            }
        };
        let mut texts = Vec::with_capacity(list.len());
        for item in list {
            let Value::String(text) = item else {
                return Err(self.wrong(key, &format!("must hold texts only, not {}", kind(item))));
            };
            texts.push(text.clone());
        }
        Ok(Some(texts))
    }

    /// Refuses every key that is not among `known`, so that a slip of the pen is no silent default.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Failure> {
        match self.keys().into_iter().find(|key| !known.contains(key)) {
            None => Ok(()),
            Some(key) => {
                let all = format!("[{}] has: {}", self.path, known.join(", "));
                let hint = match nearest(key, known.iter().copied()) {
                    Some(meant) => format!("it was probably meant to be `{meant}`; {all}"),
                    None => all,
                };
                Err(self.wrong(key, "is no key that loong knows").hint(hint))
            }
        }
    }
}

fn wrong(file: &Path, path: &str, what: &str) -> Failure {
    Failure::operator(
        "reply_config",
        format!("{path} in {} {what}", file.display()),
    )
    .hint("change it there; `loong config schema` prints what each key may hold")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
