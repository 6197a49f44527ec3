//! Keys that nobody reads: a slip of the pen, or meant for another program. Only ever a warning,
//! because the second cannot be told from the first.

use crate::config::Issue;

/// A warning for each of the `keys` of the table at `path` that is not `known`.
pub(crate) fn warnings<'a>(
    path: &str,
    keys: impl Iterator<Item = &'a String>,
    known: &[String],
) -> Vec<Issue> {
    let mut unknown: Vec<&String> = keys.filter(|key| !known.contains(*key)).collect();
    unknown.sort();
    unknown
        .into_iter()
        .map(|key| {
            let hint = match nearest(key, known.iter().map(String::as_str)) {
                Some(meant) => format!("it was probably meant to be `{meant}`"),
                None => "correct or remove it, unless another program reads it".to_owned(),
            };
            let at = format!("{path}.{}", key.escape_debug());
            let message = format!("`{at}` is no key of this channel, so it has no effect");
            Issue::error("unknown_key", at, message, hint).warning()
        })
        .collect()
}

/// The known name that `written` was probably meant to be: a third of its letters may be wrong, and
/// three at most. Small and capital letters, and `-` and `_`, are one.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    let written = plain(written);
    let most = (written.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&written, &plain(name)), name))
        .filter(|(distance, _name)| *distance <= most)
        .min()
        .map(|(_distance, name)| name)
}
