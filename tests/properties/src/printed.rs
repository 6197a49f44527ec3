//! What reaches a terminal or a log: nothing that acts, and everything that shows.

use std::io::Write;
use std::sync::{Arc, Mutex};

use loong::error::Failure;
use loong::output::Output;
use loong::plain_text::one_line;
use serde_json::Value;

use crate::input::{json, text};

/// Keeps what was printed.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

properties!(
    nothing_that_is_printed_acts_and_what_shows_stays(text(), |text| {
        let (data, words) = (Kept::default(), Kept::default());
        let output = Output::to(Box::new(data.clone()), Box::new(words.clone()));
        output.data(&text);
        output.say(&text);
        output.hint(&text);
        output.warn(&text);
        output.failure(
            &Failure::operator("a_code", format!("x{text}"))
                .because(&text)
                .hint(&text),
        );
        for printed in [data.text(), words.text()] {
            assert!(
                !printed.contains(|c| acts(c) && c != '\n' && c != '\t'),
                "{printed:?}"
            );
        }
        let shown: String = text
            .chars()
            .map(|c| {
                if acts(c) && c != '\n' && c != '\t' {
                    ' '
                } else {
                    c
                }
            })
            .collect();
        assert_eq!(data.text(), format!("{shown}\n"));
        assert!(words.text().starts_with(&format!(
            "{shown}\nhint: {shown}\nwarning: {shown}\nerror: x{shown}: {shown}\n"
        )));
    }),
    one_line_is_one_line_that_can_be_read_back(text(), |text| {
        let line = one_line(&text);
        assert!(!line.contains(acts), "{line:?}");
        assert_eq!(unescaped(&line), text);
    }),
    json_is_the_same_document_with_nothing_that_acts(json(&["text", "name"]), |value| {
        let data = Kept::default();
        let output = Output::to(Box::new(data.clone()), Box::new(std::io::sink()));
        output.json(&value).unwrap();
        let text = data.text();
        assert!(!text.contains(|c| acts(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }),
    a_line_of_the_log_ends_where_it_ends(crate::input::bytes(), |bytes| {
        let words = Kept::default();
        let output = Output::to(Box::new(std::io::sink()), Box::new(words.clone()));
        output.log_writer().write_all(&bytes).unwrap();
        let text = words.text();
        assert!(!text.contains(|c| acts(c) && c != '\n'), "{text:?}");
        assert_eq!(
            text.matches('\n').count(),
            bytes.iter().filter(|byte| **byte == b'\n').count()
        );
    }),
);

/// Control characters, and what Unicode's bidirectional algorithm and line breaking obey.
fn acts(c: char) -> bool {
    let bidi = [
        '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
        '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    c.is_control() || bidi.contains(&c) || ['\u{2028}', '\u{2029}', '\u{feff}'].contains(&c)
}

/// The opposite of `one_line`.
fn unescaped(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next().unwrap() {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let code: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                text.push(char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap());
            }
            other => text.push(other),
        }
    }
    text
}
