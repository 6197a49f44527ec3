//! What a document tells its reader to do, so that a story can do it as it stands.

use anyhow::{Context, Result};

/// The fenced block of `document` in that language which contains `words`.
pub fn block(document: &str, language: &str, words: &str) -> Result<String> {
    document
        .split("```")
        .filter_map(|block| block.strip_prefix(&format!("{language}\n")))
        .find(|block| block.contains(words))
        .map(str::to_owned)
        .with_context(|| format!("the document has no {language} block with {words:?}"))
}
