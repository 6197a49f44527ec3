//! Every place that calls npm, or tells somebody to, has it leave the scripts of packages alone. The flag
//! stands at each call, where no setting of a user or an environment can overrule it; that npm obeys is
//! shown in host-shim/tests/install_scripts.rs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const FLAG: &str = "--ignore-scripts";
/// What makes npm or its like install or run what others wrote, as it is typed.
const TYPED: [&str; 12] = [
    "npm ci",
    "npm i ",
    "npm install",
    "npm add",
    "npm update",
    "npm rebuild",
    "npm exec",
    "npx ",
    "pnpm install",
    "pnpm i ",
    "pnpm add",
    "yarn install",
];
/// The same as arguments of a program, in whichever quotes.
const ARGUMENTS: [&str; 8] = [
    "\"ci\"",
    "'ci'",
    "\"install\", \"--",
    "'install', '",
    "\"npx\"",
    "'npx'",
    "\"rebuild\"",
    "'rebuild'",
];
/// The flag follows within so many characters, on the same lines of a call, and before the next call.
const REACH: usize = 160;

/// Told about, not told to be done: file, and the words.
const TOLD: [(&str, &str); 1] = [(
    "docs/stock-loong.md",
    // .npmrc says it there; stock Loong's helper is not ours.
    "It runs `npm install` unless",
)];

/// Where it lacks, as `file:line: text`.
pub(super) fn without_ignore_scripts<'a>(
    root: &Path,
    files: impl Iterator<Item = &'a Path>,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // These two hold the patterns.
    for file in files.filter(|file| !file.starts_with("xtask/src/supply_chain")) {
        let path = root.join(file);
        // Deleted and not committed yet, or no text.
        if !path.is_file() {
            continue;
        }
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let shown = file.display().to_string();
            found.extend(
                in_text(&shown, text)
                    .into_iter()
                    .map(|line| format!("  {shown}:{line}")),
            );
        }
    }
    Ok(found)
}

fn in_text(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, pattern) in TYPED
        .iter()
        .chain(&ARGUMENTS)
        .flat_map(|pattern| text.match_indices(pattern))
    {
        // `cargo-install`, `pnpm …` found as `npm …`: only whole words count.
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        if before.is_some_and(|before| before.is_alphanumeric() || before == '-') {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let end = next_call(rest, pattern.len());
        let reach: String = rest
            .get(..end)
            .unwrap_or(rest)
            .chars()
            .take(REACH)
            .collect();
        let line = 1 + text.get(..at).unwrap_or_default().matches('\n').count();
        let whole = rest.lines().next().unwrap_or(pattern);
        let told = TOLD.iter().any(|(known, words)| {
            *known == file
                && text
                    .match_indices(words)
                    .any(|(start, words)| (start..start + words.len()).contains(&at))
        });
        if !reach.contains(FLAG) && !told {
            found.push(format!("{line}: {whole}"));
        }
    }
    found
}

/// Where in `text` the next call begins, behind the one of `length` at its front.
fn next_call(text: &str, length: usize) -> usize {
    let behind = text.get(length..).unwrap_or_default();
    TYPED
        .iter()
        .chain(&ARGUMENTS)
        .filter_map(|pattern| behind.find(pattern))
        .min()
        .map_or(text.len(), |at| length + at)
}

#[cfg(test)]
mod tests {
    use super::in_text;

    #[test]
    fn calls_with_the_flag_are_fine_and_so_are_words_that_only_look_alike() {
        for text in [
            "npm ci --ignore-scripts",
            ".args([\n  \"ci\",\n  \"--ignore-scripts\",\n])",
            "npm test",
            "cargo install",
            "npm is installed",
        ] {
            assert_eq!(in_text("a.md", text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_call_without_the_flag_is_found_with_its_line() {
        assert_eq!(in_text("a.md", "first\nnpm ci\n"), ["2: npm ci"]);
        for text in [
            "run `npm install` there",
            "npm install --no-audit",
            "Command::new(\"npm\").args([\"ci\", \"--no-audit\"])",
            "npx eslint .",
            "npm rebuild",
            "spawn('npm', ['ci'])",
            "pnpm add x",
        ] {
            assert_eq!(in_text("a.md", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_flag_of_a_later_call_is_not_that_of_an_earlier_one() {
        let text = "npm ci\nnpm ci --ignore-scripts\n";
        assert_eq!(in_text("a.md", text), ["1: npm ci"]);
    }

    #[test]
    fn what_is_only_told_of_is_known_by_file_and_words() {
        let words = "It runs `npm install` unless the dependency is there.";
        assert_eq!(in_text("docs/stock-loong.md", words), Vec::<String>::new());
        assert_eq!(in_text("docs/other.md", words).len(), 1);
        assert_eq!(in_text("docs/stock-loong.md", "npm install").len(), 1);
    }
}
