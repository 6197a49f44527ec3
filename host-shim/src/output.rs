//! The only door to standard output and standard error. Data goes to stdout, words to stderr,
//! hints stand apart from what they follow; where the log is JSON they are lines of it. A reader who
//! hangs up is no error: what is written afterwards is dropped.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use serde::Serialize;

use self::stream::Stream;
use crate::error::Failure;
use crate::plain_text::is_active;

/// The name under which a command's words stand in a log of JSON.
pub const WORDS: &str = module_path!();

/// Where a command prints. Cheap to clone; lines of different tasks never mix.
#[derive(Clone)]
pub struct Output {
    data: Arc<Stream>,
    words: Arc<Stream>,
    /// Words go the way of the log, so that whoever reads it finds nothing else.
    in_json: bool,
}

impl Output {
    /// The process's own stdout and stderr.
    pub fn standard() -> Self {
        Self {
            data: Arc::new(Stream::new(
                Box::new(io::stdout()),
                io::stdout().is_terminal(),
            )),
            words: Arc::new(Stream::new(
                Box::new(io::stderr()),
                io::stderr().is_terminal(),
            )),
            in_json: false,
        }
    }

    /// Prints to the given writers instead; neither counts as a terminal.
    pub fn to(data: Box<dyn Write + Send>, words: Box<dyn Write + Send>) -> Self {
        Self {
            data: Arc::new(Stream::new(data, false)),
            words: Arc::new(Stream::new(words, false)),
            in_json: false,
        }
    }

    /// The same, with its words as lines of a log that is JSON and goes to [`Output::log_writer`].
    #[must_use]
    pub fn in_json(self) -> Self {
        Self {
            in_json: true,
            ..self
        }
    }

    /// One line of data.
    pub fn data(&self, line: &str) {
        self.data.write(&format!("{}\n", printable(line)));
    }

    /// Data exactly as given, without a line end: for what draws on the terminal.
    pub fn data_raw(&self, text: &str) {
        self.data.write(text);
    }

    /// One JSON document, indented.
    ///
    /// # Errors
    /// A value that JSON cannot hold: a fault of ours.
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(|error| {
            Failure::fault("json", "cannot write the result as JSON").because(error)
        })?;
        // Escaped, not replaced: the value stays what it is, and a terminal stays as it is.
        self.data(&escaped(&text));
        Ok(())
    }

    /// One line of words for the person.
    pub fn say(&self, line: &str) {
        let line = printable(line);
        if self.in_json {
            tracing::info!("{line}");
        } else {
            self.words.write(&format!("{line}\n"));
        }
    }

    /// What the person may want to know or do next.
    pub fn hint(&self, line: &str) {
        let line = printable(line);
        if self.in_json {
            tracing::info!(hint = true, "{line}");
        } else {
            self.words.write(&format!("hint: {line}\n"));
        }
    }

    /// Something that does not stop the command.
    pub fn warn(&self, line: &str) {
        let line = printable(line);
        if self.in_json {
            tracing::warn!("{line}");
        } else {
            self.words.write(&format!("warning: {line}\n"));
        }
    }

    /// Why the command failed; said once, by `main`. A failure without words has been explained.
    pub fn failure(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let words = failure.to_string();
        let line = printable(&words);
        if self.in_json {
            tracing::error!(code = failure.code, "{line}");
        } else {
            self.words.write(&format!("error: {line}\n"));
        }
        if let Some(hint) = &failure.hint {
            self.hint(hint);
        }
    }

    /// Whether stdout is a terminal that can be drawn on.
    pub fn draws(&self) -> bool {
        self.data.is_terminal()
    }

    /// Why data could not be written, when somebody was there to read it: a full disk, say.
    pub fn lost_data(&self) -> Option<Failure> {
        let reason = self.data.failed()?;
        Some(
            Failure::operator("output", "cannot write the result to standard output")
                .because(reason)
                .hint("make room where the output goes, then run the command again"),
        )
    }

    /// A writer to stderr for the log.
    pub fn log_writer(&self) -> LogWriter {
        LogWriter(Arc::clone(&self.words))
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}

/// `text` without what could move the cursor or forge a line: much of it comes from plugins.
fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| is_active(c) && c != '\n' && c != '\t';
    if text.contains(harmful) {
        Cow::Owned(text.replace(harmful, " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// JSON, or a line of the log, in which what acts is escaped; outside of JSON's texts there is nothing but line ends.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_active(c) && c != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// Writes log lines to the words' side of an [`Output`].
#[derive(Clone)]
pub struct LogWriter(Arc<Stream>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole events come here; what they quote must not act, nor end the line.
        self.0.write(&escaped(&String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogWriter")
    }
}

mod stream {
    use std::io::{ErrorKind, Write};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// One stream and whether it still takes anything.
    pub(super) struct Stream {
        state: Mutex<State>,
        terminal: bool,
    }

    enum State {
        Open(Box<dyn Write + Send>),
        HungUp,
        Failed(String),
    }

    impl Stream {
        pub(super) fn new(writer: Box<dyn Write + Send>, terminal: bool) -> Self {
            Self {
                state: Mutex::new(State::Open(writer)),
                terminal,
            }
        }

        pub(super) fn write(&self, text: &str) {
            let mut state = self.lock();
            let State::Open(writer) = &mut *state else {
                return;
            };
            match writer
                .write_all(text.as_bytes())
                .and_then(|()| writer.flush())
            {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => *state = State::HungUp,
                Err(error) => *state = State::Failed(error.to_string()),
            }
        }

        pub(super) fn failed(&self) -> Option<String> {
            match &*self.lock() {
                State::Failed(reason) => Some(reason.clone()),
                State::Open(_) | State::HungUp => None,
            }
        }

        pub(super) fn is_terminal(&self) -> bool {
            self.terminal
        }

        fn lock(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Keeps what was printed.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// Keeps what is printed, as if data went to a terminal.
    pub(crate) fn on_terminal(data: &Kept, words: &Kept) -> Output {
        Output {
            data: Arc::new(Stream::new(Box::new(data.clone()), true)),
            words: Arc::new(Stream::new(Box::new(words.clone()), true)),
            in_json: false,
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken(Arc<Mutex<u32>>, io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            *self.0.lock().unwrap() += 1;
            Err(self.1.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn data_and_words_take_different_ways_and_hints_stand_apart() {
        let (data, words) = (Kept::default(), Kept::default());
        let output = Output::to(Box::new(data.clone()), Box::new(words.clone()));
        output.data("fact");
        output.failure(
            &Failure::operator("x", "no bridge")
                .because("nobody listens")
                .hint("start it"),
        );
        assert_eq!(data.text(), "fact\n");
        assert_eq!(
            words.text(),
            "error: no bridge: nobody listens\nhint: start it\n"
        );
    }

    #[test]
    fn a_plugins_words_cannot_move_the_cursor() {
        let words = Kept::default();
        let output = Output::to(Box::new(io::sink()), Box::new(words.clone()));
        output.warn("a\u{1b}[2J\rb\tc");
        assert_eq!(words.text(), "warning: a [2J b\tc\n");
    }

    #[test]
    fn json_keeps_every_character_and_shows_none_that_acts() {
        let data = Kept::default();
        let output = Output::to(Box::new(data.clone()), Box::new(io::sink()));
        let value = serde_json::json!({ "text": "a\u{9b}2J\u{202e}\u{7f}\u{1b}b" });
        output.json(&value).unwrap();
        let text = data.text();
        assert!(
            !text.contains(|c: char| is_active(c) && c != '\n'),
            "{text:?}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    fn written_twice_to(kind: io::ErrorKind) -> (u32, Option<Failure>) {
        let asked = Arc::new(Mutex::new(0));
        let broken = Broken(Arc::clone(&asked), kind);
        let output = Output::to(Box::new(broken), Box::new(io::sink()));
        output.data("one");
        output.data("two");
        let count = *asked.lock().unwrap();
        (count, output.lost_data())
    }

    #[test]
    fn a_reader_who_hangs_up_is_asked_once_and_never_again() {
        assert_eq!(written_twice_to(io::ErrorKind::BrokenPipe), (1, None));
    }

    #[test]
    fn a_full_disk_is_a_failure_and_not_a_reader_who_hung_up() {
        let (_, lost) = written_twice_to(io::ErrorKind::StorageFull);
        assert_eq!(lost.unwrap().code, "output");
    }
}
