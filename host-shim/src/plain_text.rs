//! Words of others made harmless before a person sees them: of limited length, one line, and nothing
//! in them that acts on a terminal. Knows no stream; `output` prints.

/// What somebody else wrote, as one line in which what acts is shown by its escape: for names and
/// message texts.
pub fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown: Vec<char> = match c {
                '\\' => vec!['\\', '\\'],
                c if is_active(c) => c.escape_default().collect(),
                c => vec![c],
            };
            shown
        })
        .collect()
}

/// At most `most` characters of `text` on one line, with a space for what acts and `…` for the
/// rest: for sentences that plugins and bridges make.
pub fn sentence(text: &str, most: usize) -> String {
    let mut kept: String = text
        .chars()
        .take(most)
        .map(|c| if is_active(c) { ' ' } else { c })
        .collect();
    if text.chars().nth(most).is_some() {
        kept.push('…');
    }
    kept
}

/// A value as it is quoted in an error: one line, short, with the escapes of what acts.
pub fn quoted_value(text: &str) -> String {
    const MOST: usize = 100;
    let cut: String = text.chars().take(MOST).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    one_line(&cut) + rest
}

/// Whether `text` holds nothing that acts.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(is_active)
}

/// Whether `c` does something instead of showing something: moves the cursor, begins a line, or
/// turns the direction of what follows.
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_is_one_line_in_which_nothing_acts() {
        assert_eq!(
            one_line("a\u{1b}[2J\nerror: b\\n\u{202e}c\u{9b}d"),
            "a\\u{1b}[2J\\nerror: b\\\\n\\u{202e}c\\u{9b}d"
        );
        assert_eq!(one_line("Ana 👩\u{200d}🚀 é"), "Ana 👩\u{200d}🚀 é");
    }

    #[test]
    fn a_sentence_stays_one_line_without_what_acts() {
        assert_eq!(
            sentence("a\nb\u{1b}[31mc\u{202e}d\u{2028}e", 500),
            "a b [31mc d e"
        );
    }

    #[test]
    fn a_long_sentence_is_cut() {
        let line = sentence(&"ä".repeat(501), 500);
        assert_eq!(line.chars().count(), 501);
        assert!(line.ends_with('…'));
        assert_eq!(sentence(&"ä".repeat(500), 500).chars().count(), 500);
    }

    #[test]
    fn a_quoted_value_is_short_and_keeps_what_it_is() {
        assert_eq!(quoted_value("v1\nhint: run this"), "v1\\nhint: run this");
        assert_eq!(quoted_value(&"x".repeat(65_536)).chars().count(), 101);
    }
}
