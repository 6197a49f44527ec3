//! Everything that was heard of a machine's processes, kept beyond their end, and what any other user could see
//! of them while they ran.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::process::Record;
use super::secrecy::{self, Kind, Secret};

/// A line, and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Of the process or file.
    pub name: String,
    /// What the process was started with.
    pub arguments: Vec<String>,
    /// `out`, `err`, `file`, `arguments`, `environment`.
    pub stream: &'static str,
    pub text: String,
}

/// Shared by a machine and its processes.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    processes: Vec<(String, Vec<String>, Arc<Record>)>,
    heard: Vec<Heard>,
    secrets: BTreeSet<Secret>,
}

impl Ledger {
    pub(super) fn process(&self, name: &str, arguments: Vec<String>, record: Arc<Record>) {
        self.change(|kept| kept.processes.push((name.to_owned(), arguments, record)));
    }

    pub(super) fn finished(&self, arguments: &[String], stream: &'static str, text: &str) {
        let name = format!("`loong {}`", arguments.join(" "));
        let lines = text.lines().map(|line| Heard {
            name: name.clone(),
            arguments: arguments.to_vec(),
            stream,
            text: line.to_owned(),
        });
        self.change(|kept| kept.heard.extend(lines));
    }

    pub(super) fn knows(&self, secrets: impl IntoIterator<Item = Secret>) {
        self.change(|kept| kept.secrets.extend(secrets));
    }

    /// What others can see of the processes that `id` has started. Its own arguments are the story's; a parent's
    /// environment is the machine's.
    pub(super) fn looks_at(&self, id: u32) {
        for child in descendants(id) {
            for (stream, file) in [("arguments", "cmdline"), ("environment", "environ")] {
                let bytes = std::fs::read(format!("/proc/{child}/{file}")).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
                let heard = Heard {
                    name: format!("process {child}"),
                    arguments: Vec::new(),
                    stream,
                    text,
                };
                self.change(|kept| kept.heard.push(heard));
            }
        }
    }

    /// The secrets that lie in a machine's home now: tokens and keys.
    pub(super) fn collects(&self, home: &Path) {
        for entry in walkdir(&home.join(".loong")) {
            let is_token = entry.extension().is_some_and(|end| end == "token");
            if is_token && let Ok(token) = std::fs::read_to_string(&entry) {
                self.knows([Secret::new(Kind::Key, "a bridge's token", token.trim())]);
            }
            if entry.file_name().is_some_and(|name| name == "bridge.db")
                && let Some(folder) = entry.parent()
            {
                self.knows(secrecy::kept(folder));
            }
        }
    }

    /// Everything heard so far, and the records that say who serves.
    pub(super) fn heard(&self, home: &Path) -> Vec<Heard> {
        let mut heard = self.change(|kept| {
            let mut heard = kept.heard.clone();
            for (name, arguments, record) in &kept.processes {
                heard.extend(record.lines().into_iter().map(|line| Heard {
                    name: name.clone(),
                    arguments: arguments.clone(),
                    stream: line.stream,
                    text: line.text,
                }));
            }
            heard
        });
        for file in walkdir(&home.join(".loong/run")) {
            let is_token = file.extension().is_some_and(|end| end == "token");
            if !is_token && let Ok(text) = std::fs::read_to_string(&file) {
                heard.push(Heard {
                    name: file.display().to_string(),
                    arguments: Vec::new(),
                    stream: "file",
                    text,
                });
            }
        }
        heard
    }

    /// All secrets that are known, those told for pairing among them.
    pub(super) fn secrets(&self, heard: &[Heard]) -> BTreeSet<Secret> {
        let told = heard.iter().filter(|one| one.stream == "out");
        let told = told.filter_map(|one| secrecy::told_for_pairing(&one.text));
        let mut secrets = self.change(|kept| kept.secrets.clone());
        secrets.extend(told);
        secrets
    }

    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn descendants(id: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    // Threads start processes, too.
    let tasks = std::fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let of_threads =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all: BTreeSet<u32> = std::iter::once(children)
        .chain(of_threads)
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect();
    all.into_iter()
        .flat_map(|child| std::iter::once(child).chain(descendants(child)))
        .collect()
}

fn walkdir(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => walkdir(&entry.path()),
            Ok(kind) if kind.is_file() => vec![entry.path()],
            Ok(_) | Err(_) => Vec::new(),
        })
        .collect()
}
