//! The licence texts that a package brings along, wherever in it they lie.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// What begins so, in any case, is a licence or belongs to one.
const BEGINNINGS: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "copyright",
    "notice",
    "unlicense",
];
/// Code about licences, or about copying.
const NO_TEXT: [&str; 10] = [
    "rs", "c", "h", "js", "mjs", "cjs", "ts", "json", "py", "html",
];

/// One licence text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// The file, relative to its package.
    pub(super) file: String,
    pub(super) words: String,
}

/// All of them below `folder`, in the order of their paths. Packages inside of a package
/// (`node_modules`) are not its own.
pub(super) fn below(folder: &Path) -> Result<Vec<Text>> {
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    let mut texts = Vec::new();
    for entry in
        walk.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != "node_modules")
    {
        let entry = entry?;
        let path = entry.path();
        if !entry.file_type().is_file() || !is_licence(path) {
            continue;
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.strip_prefix(folder).unwrap_or(path);
        texts.push(Text {
            file: file.display().to_string(),
            words: tidy(&String::from_utf8_lossy(&bytes)),
        });
    }
    Ok(texts)
}

fn is_licence(path: &Path) -> bool {
    let lower = |part: Option<&std::ffi::OsStr>| {
        part.map(|name| name.to_string_lossy().to_lowercase())
            .unwrap_or_default()
    };
    let name = lower(path.file_name());
    let folder = lower(path.parent().and_then(Path::file_name));
    let named = BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning));
    let kept = ["licenses", "licences"].contains(&folder.as_str());
    (named || kept) && !NO_TEXT.contains(&lower(path.extension()).as_str())
}

/// One form for texts that differ by their line ends alone.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_found_at_any_depth_and_code_about_them_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for (file, words) in [
            ("LICENSE-MIT", "a  \r\nb\r\n"),
            ("deep/down/Copying.txt", "c"),
            ("LICENSES/ISC.txt", "d"),
            ("src/copying.rs", "code"),
            ("license.json", "data"),
            ("README.md", "words"),
            ("node_modules/other/LICENSE", "somebody else's"),
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, words).unwrap();
        }
        let found: Vec<(String, String)> = below(folder.path())
            .unwrap()
            .into_iter()
            .map(|text| (text.file, text.words))
            .collect();
        let expected = [
            ("LICENSE-MIT", "a\nb"),
            ("LICENSES/ISC.txt", "d"),
            ("deep/down/Copying.txt", "c"),
        ];
        assert_eq!(
            found,
            expected.map(|(file, words)| (file.to_owned(), words.to_owned()))
        );
    }
}
