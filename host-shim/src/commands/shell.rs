//! Commands as a person can paste them into a shell.

use std::ffi::OsStr;

/// A text or a path as one word.
pub fn quoted(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// What shows who listens on a port of this machine.
pub fn who_listens(port: u16) -> String {
    if cfg!(target_os = "linux") {
        format!("ss -ltnp 'sport = :{port}'")
    } else {
        format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_word_whatever_is_in_it() {
        for (path, word) in [
            ("/home/ana/.loong", "/home/ana/.loong"),
            ("/a b", "'/a b'"),
            ("/it's", "'/it'\\''s'"),
            ("/$HOME", "'/$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(path), word);
        }
    }
}
