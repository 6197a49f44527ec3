//! What a running bridge looks like to a person: the QR code and the pairing code, drawn in place on
//! a terminal and wiped once they are used, and a line for what happens. To a machine: the events as they come.

use std::time::{Duration, Instant};

use super::bridge_states::{next_step, rests, words};
use crate::bridge::events::BridgeEvent;
use crate::bridge::launcher::Told;
use crate::bridge::qr::{Style, draw};
use crate::door::BridgeAddress;
use crate::output::Output;

/// The longest countdown: a line that wraps is two.
const COUNTDOWN_COLUMNS: usize = 72;

/// Shows one bridge.
pub(super) struct Screen<'a> {
    output: &'a Output,
    json: bool,
    /// How a person has a bridge that rests go on.
    resume: String,
    resting: bool,
    shown: Option<Shown>,
    code: Option<Code>,
    /// Why the bridge said it ends.
    last_words: Option<String>,
}

/// A QR code on the terminal, and a pairing code below it; the cursor behind its last line.
struct Shown {
    picture: Vec<String>,
    columns: usize,
    code: Vec<String>,
    until: Instant,
}

/// What to type on the phone when scanning is not possible.
struct Code {
    text: String,
    until: Option<Instant>,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output, json: bool, resume: String) -> Self {
        Self {
            output,
            json,
            resume,
            resting: false,
            shown: None,
            code: None,
            last_words: None,
        }
    }

    pub(super) fn show(&mut self, told: Told) {
        match told {
            Told::Line(line) => {
                if self.json {
                    self.output.data(&line);
                }
            }
            Told::Event(event) => self.event(event),
            Told::Garbage => {
                self.warn("the bridge writes something that is no event; it is not shown")
            }
            Told::Restarting { status, after } => {
                self.end_pairing();
                self.resting = false;
                let why = self.last_words.take().unwrap_or(status);
                self.warn(&format!(
                    "the bridge ended ({why}); it starts again in {} s",
                    after.as_secs().max(1)
                ));
            }
        }
    }

    /// A line for the person, above the QR code.
    pub(super) fn say(&mut self, line: &str) {
        self.around(|output| output.say(line));
    }

    /// Whether the bridge waits for a person.
    pub(super) fn rests(&self) -> bool {
        self.resting
    }

    /// Another second has passed.
    pub(super) fn tick(&self) {
        if let Some(shown) = &self.shown {
            self.output
                .data_raw(&format!("\r\x1b[2K{}", shown.countdown()));
        }
    }

    fn event(&mut self, event: BridgeEvent) {
        match event {
            BridgeEvent::Listening { url } => {
                let place = BridgeAddress::parse(&url)
                    .map_or_else(|_| String::new(), |address| format!(" on {address}"));
                self.say(&format!("the bridge listens{place}"));
            }
            BridgeEvent::State {
                state,
                message,
                retry_in,
            } => self.state(&state, message, retry_in),
            BridgeEvent::Qr {
                payload,
                expires_in,
                ..
            } => self.qr(&payload, expires_in),
            BridgeEvent::PairingCode { code, expires_in } => self.pairing_code(&code, expires_in),
            BridgeEvent::Connected { name, phone } => {
                self.end_pairing();
                let who = match (name, phone) {
                    (Some(name), Some(phone)) => format!("{name} ({phone})"),
                    (Some(one), None) | (None, Some(one)) => one,
                    (None, None) => "the linked account".to_owned(),
                };
                self.say(&format!("connected as {who}; Ctrl-C stops"));
            }
            BridgeEvent::MessageIn { chat, kind } => self.say(&format!("in   chat {chat}  {kind}")),
            BridgeEvent::MessageOut { chat, status } => {
                self.say(&format!("out  chat {chat}  {status}"))
            }
            BridgeEvent::MessageRefused { chat, reason } => {
                tracing::debug!("a message of chat {chat} is not kept: {reason}")
            }
            BridgeEvent::MessageLeft { chat, reason } => {
                self.say(&format!("left chat {chat}  {}", reason.replace('_', " ")));
            }
            BridgeEvent::AllowlistMatch {
                chat,
                entry,
                allowed,
            } => self.say(&match (allowed, entry) {
                (true, Some(entry)) => format!("chat {chat} is let in by the entry {entry}"),
                (true, None) => format!("chat {chat} is let in"),
                (false, Some(entry)) => {
                    format!("chat {chat} is not let in; the entry {entry} would")
                }
                (false, None) => format!("chat {chat} is not let in; no entry names it"),
            }),
            BridgeEvent::Imported { from } => self.say(&format!("took over the login in {from}")),
            BridgeEvent::Warning { code, message } => {
                if code == "pairing_code_failed" {
                    self.forget_code();
                }
                self.warn(&format!("{message} ({code})"));
            }
            BridgeEvent::Fatal { message, .. } => self.last_words = Some(message),
            BridgeEvent::Stopped => {
                self.wipe();
                self.say("the bridge has stopped");
            }
        }
    }

    fn state(&mut self, state: &str, message: Option<String>, retry_in: Option<Duration>) {
        self.resting = rests(state);
        // Told better by the events that follow.
        if matches!(state, "starting" | "pairing" | "connected") {
            return;
        }
        self.end_pairing();
        let name = state.replace('_', " ");
        // How a rest ends is said below, as it is here: the bridge does not know its terminal.
        let message = message.filter(|_| state != "pairing_expired");
        let what = match message.as_deref().or_else(|| words(state)) {
            Some(message) => format!("{name}: {}", message.trim_end_matches('.')),
            None => name,
        };
        match retry_in.filter(|wait| !wait.is_zero()) {
            Some(wait) => self.say(&format!("{what}; next try in {} s", wait.as_secs().max(1))),
            None => self.say(&what),
        }
        if let Some(step) = next_step(state, &self.resume) {
            self.around(|output| output.hint(&step));
        }
    }

    fn pairing_code(&mut self, code: &str, expires_in: Option<Duration>) {
        if self.json {
            return;
        }
        self.code = Some(Code {
            text: code
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect(),
            until: expires_in.map(|span| Instant::now() + span),
        });
        match self.shown.take() {
            Some(shown) => {
                self.output.data_raw(&shown.wiped());
                self.put(shown.picture, shown.columns, shown.until);
            }
            None => {
                for line in self.code_lines() {
                    self.output.data(&line);
                }
            }
        }
    }

    /// The network does not take it: nobody should type it.
    fn forget_code(&mut self) {
        self.code = None;
        if let Some(shown) = self.shown.take() {
            self.output.data_raw(&shown.wiped());
            self.put(shown.picture, shown.columns, shown.until);
        }
    }

    /// The pairing code as it is shown now; nothing when there is none that is still good.
    fn code_lines(&self) -> Vec<String> {
        match &self.code {
            Some(code) if code.until.is_none_or(|until| until > Instant::now()) => {
                code.lines(self.output.draws())
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn qr(&mut self, payload: &str, expires_in: Duration) {
        self.wipe();
        if self.json {
            return;
        }
        let style = match self.size() {
            Some((width, _)) => Style::of_terminal(width, |name| std::env::var(name).ok()),
            None => Style::plain(),
        };
        let Some(picture) = draw(payload, style) else {
            self.warn("the QR code is too large to be drawn");
            return;
        };
        self.put(picture.lines, picture.columns, Instant::now() + expires_in);
    }

    fn put(&mut self, picture: Vec<String>, columns: usize, until: Instant) {
        let shown = Shown {
            picture,
            columns,
            code: self.code_lines(),
            until,
        };
        // Larger than the terminal it cannot be drawn in place: the cursor does not get back up.
        let fits = self.size().is_some_and(|(width, height)| {
            columns.max(COUNTDOWN_COLUMNS) <= width && shown.lines().count() < height
        });
        if fits {
            self.output.data_raw(&shown.text());
            self.shown = Some(shown);
        } else {
            for line in shown.lines() {
                self.output.data(line);
            }
            self.output.say(&shown.countdown());
        }
    }

    /// Columns and lines of the terminal, when there is one.
    fn size(&self) -> Option<(usize, usize)> {
        let draws = self.output.draws();
        let (width, height) = draws.then(terminal_size::terminal_size).flatten()?;
        Some((width.0.into(), height.0.into()))
    }

    fn warn(&mut self, line: &str) {
        self.around(|output| output.warn(line));
    }

    /// Prints while the QR code is out of the way.
    fn around(&mut self, print: impl FnOnce(&Output)) {
        let shown = self.shown.take();
        if let Some(shown) = &shown {
            self.output.data_raw(&shown.wiped());
        }
        print(self.output);
        if let Some(shown) = shown {
            self.output.data_raw(&shown.text());
            self.shown = Some(shown);
        }
    }

    /// The codes are used, or no longer good.
    fn end_pairing(&mut self) {
        self.code = None;
        self.wipe();
    }

    /// Leaves nothing behind that could be scanned.
    pub(super) fn wipe(&mut self) {
        if let Some(shown) = self.shown.take() {
            self.output.data_raw(&shown.wiped());
        }
    }
}

impl Shown {
    fn text(&self) -> String {
        let lines: Vec<&str> = self.lines().collect();
        format!("{}\n{}", lines.join("\n"), self.countdown())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.picture.iter().chain(&self.code).map(String::as_str)
    }

    fn countdown(&self) -> String {
        match self
            .until
            .saturating_duration_since(Instant::now())
            .as_secs()
        {
            0 => "this code is used up; waiting for the next".to_owned(),
            left => format!("scan this with your phone, under linked devices; valid for {left} s"),
        }
    }

    /// Takes the cursor back to where the drawing began, and everything below away.
    fn wiped(&self) -> String {
        format!("\r\x1b[{}A\x1b[J", self.lines().count())
    }
}

impl Code {
    /// For a person large and apart; for a program one line.
    fn lines(&self, to_terminal: bool) -> Vec<String> {
        if !to_terminal {
            return vec![format!("pairing code: {}", self.text)];
        }
        let spaced: Vec<String> = self.text.chars().map(String::from).collect();
        vec![
            String::new(),
            "   or type this code on the phone (link with the phone number instead):".to_owned(),
            String::new(),
            format!("          {}", spaced.join("  ")),
            String::new(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Kept;

    fn qr() -> Told {
        Told::Event(BridgeEvent::Qr {
            payload: "2@payload".to_owned(),
            expires_in: Duration::from_secs(60),
            number: 1,
        })
    }

    fn shown(json: bool, told: impl IntoIterator<Item = Told>) -> (String, String) {
        let (data, words) = (Kept::default(), Kept::default());
        let output = Output::to(Box::new(data.clone()), Box::new(words.clone()));
        let mut screen = Screen::new(&output, json, "press Enter".to_owned());
        told.into_iter().for_each(|more| screen.show(more));
        screen.tick();
        screen.wipe();
        (data.text(), words.text())
    }

    #[test]
    fn without_a_terminal_the_qr_code_is_drawn_plainly_and_never_written_out() {
        let (data, words) = shown(
            false,
            [Told::Line("{\"qr\":\"2@payload\"}".to_owned()), qr()],
        );
        assert_eq!(
            data.trim_end()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
            draw("2@payload", Style::plain()).unwrap().lines
        );
        assert!(words.contains("valid for"), "{words}");
        for text in [data, words] {
            assert!(
                !text.contains("payload") && !text.contains('\x1b'),
                "{text}"
            );
        }
    }

    #[test]
    fn a_machine_gets_the_lines_as_they_are_and_no_drawing() {
        let line = "{\"event\":\"qr\",\"qr\":\"2@payload\"}";
        let (data, words) = shown(true, [qr(), Told::Line(line.to_owned())]);
        assert_eq!(data, format!("{line}\n"));
        assert!(!words.contains("payload"));
    }

    #[test]
    fn it_says_who_is_connected_and_why_a_bridge_starts_again() {
        let fatal = BridgeEvent::Fatal {
            code: "x".to_owned(),
            message: "it fell over".to_owned(),
            hint: String::new(),
        };
        let connected = BridgeEvent::Connected {
            name: Some("Ana".to_owned()),
            phone: Some("+15550100".to_owned()),
        };
        let restarting = Told::Restarting {
            status: "exit status: 1".to_owned(),
            after: Duration::from_secs(2),
        };
        let (_, words) = shown(
            false,
            [Told::Event(connected), Told::Event(fatal), restarting],
        );
        assert!(words.contains("connected as Ana (+15550100)"), "{words}");
        assert!(
            words.contains("the bridge ended (it fell over); it starts again in 2 s"),
            "{words}"
        );
    }

    fn state(state: &str, message: Option<&str>) -> Told {
        Told::Event(BridgeEvent::State {
            state: state.to_owned(),
            message: message.map(str::to_owned),
            retry_in: None,
        })
    }

    fn pairing_code(expires_in: Option<Duration>) -> Told {
        Told::Event(BridgeEvent::PairingCode {
            code: "ABCD-1234\x1b[2J".to_owned(),
            expires_in,
        })
    }

    #[test]
    fn the_pairing_code_comes_after_the_qr_code_grouped_and_again_with_the_next_one() {
        let (data, _) = shown(false, [qr(), pairing_code(None), qr()]);
        let codes = data
            .lines()
            .filter(|line| *line == "pairing code: ABCD-12342J");
        assert_eq!(codes.count(), 2, "{data}");
        assert!(!data.starts_with("pairing code"));
        assert!(!data.contains('\x1b'));
    }

    #[test]
    fn a_pairing_code_that_is_used_or_too_old_is_not_shown_again() {
        let connected = Told::Event(BridgeEvent::Connected {
            name: None,
            phone: None,
        });
        let failed = Told::Event(BridgeEvent::Warning {
            code: "pairing_code_failed".to_owned(),
            message: "refused".to_owned(),
        });
        for ended in [connected, failed, state("pairing_expired", None)] {
            let (data, _) = shown(false, [pairing_code(None), ended, qr()]);
            assert_eq!(data.matches("pairing code").count(), 1, "{data}");
        }
        let (data, _) = shown(false, [pairing_code(Some(Duration::ZERO)), qr()]);
        assert_eq!(data.matches("pairing code").count(), 0, "{data}");
    }

    #[test]
    fn on_a_terminal_the_pairing_code_is_large_and_a_machine_gets_none() {
        let code = Code {
            text: "ABCD-1234".to_owned(),
            until: None,
        };
        let lines = code.lines(true);
        assert!(
            lines
                .iter()
                .any(|line| line.trim() == "A  B  C  D  -  1  2  3  4"),
            "{lines:?}"
        );
        assert!(lines.iter().all(|line| line.len() <= COUNTDOWN_COLUMNS));
        let (data, words) = shown(true, [pairing_code(None)]);
        assert_eq!((data.as_str(), words.as_str()), ("", ""));
    }

    #[test]
    fn a_bridge_that_rests_says_why_and_how_it_goes_on() {
        for (name, why, step) in [
            (
                "pairing_expired",
                "pairing expired: nobody linked",
                "press Enter",
            ),
            (
                "replaced",
                "replaced: another program",
                "stop the other program",
            ),
            (
                "blocked",
                "blocked: the network refuses this account",
                "the phone",
            ),
            (
                "outdated",
                "outdated: the network refuses this version",
                "update",
            ),
            (
                "logged_out",
                "logged out: the account was unlinked",
                "QR code",
            ),
        ] {
            let (_, words) = shown(false, [state(name, None)]);
            assert!(words.contains(why), "{words}");
            let hint = words.lines().find(|line| line.starts_with("hint: "));
            assert!(hint.is_some_and(|hint| hint.contains(step)), "{words}");
        }
        let (_, words) = shown(false, [state("outdated", Some("update baileys to 8."))]);
        assert!(
            words.starts_with("outdated: update baileys to 8\n"),
            "{words}"
        );
    }

    #[test]
    fn it_rests_from_the_state_that_says_so_until_the_next() {
        let output = Output::to(Box::new(Kept::default()), Box::new(Kept::default()));
        let mut screen = Screen::new(&output, false, String::new());
        assert!(!screen.rests());
        for (name, rests) in [
            ("pairing", false),
            ("pairing_expired", true),
            ("pairing", false),
            ("replaced", true),
            ("connected", false),
        ] {
            screen.show(state(name, None));
            assert_eq!(screen.rests(), rests, "{name}");
        }
    }

    #[test]
    fn it_says_which_chats_are_let_in_and_what_is_left_without_an_answer() {
        let matched = |entry: Option<&str>, allowed| {
            Told::Event(BridgeEvent::AllowlistMatch {
                chat: "c1".to_owned(),
                entry: entry.map(str::to_owned),
                allowed,
            })
        };
        let left = Told::Event(BridgeEvent::MessageLeft {
            chat: "c2".to_owned(),
            reason: "not_addressed".to_owned(),
        });
        let (_, words) = shown(
            false,
            [
                matched(Some("+155…567"), true),
                matched(Some("+155…567"), false),
                matched(None, false),
                left,
            ],
        );
        assert_eq!(
            words,
            "chat c1 is let in by the entry +155…567\n\
             chat c1 is not let in; the entry +155…567 would\n\
             chat c1 is not let in; no entry names it\n\
             left chat c2  not addressed\n"
        );
    }

    #[test]
    fn the_secret_part_of_the_address_is_not_shown() {
        let listening = BridgeEvent::Listening {
            url: "http://127.0.0.1:1234/bridge/secret".to_owned(),
        };
        let (_, words) = shown(false, [Told::Event(listening)]);
        assert_eq!(words, "the bridge listens on http://127.0.0.1:1234\n");
    }
}
