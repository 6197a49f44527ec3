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
            BridgeEvent::PairPage { url } => self.pair_page(&url),
            BridgeEvent::Connected { name, phone } => {
                self.end_pairing();
                let who = match (name, phone) {
                    (Some(name), Some(phone)) => format!("{name} ({phone})"),
                    (Some(one), None) | (None, Some(one)) => one,
                    (None, None) => "the linked account".to_owned(),
                };
                self.say(&format!("connected as {who}; Ctrl-C stops"));
            }
            BridgeEvent::MessageIn { chat, cursor, kind } => {
                self.say(format!("in   chat {chat}  {kind}  {cursor}").trim_end());
            }
            BridgeEvent::MessageOut {
                chat,
                cursor,
                status,
            } => self.say(format!("out  chat {chat}  {status}  {cursor}").trim_end()),
            BridgeEvent::MessageRefused { chat, reason } => {
                tracing::debug!("a message of chat {chat} is not kept: {reason}")
            }
            BridgeEvent::MessageLeft { chat, reason } => {
                self.say(&format!("left chat {chat}  {}", reason.replace('_', " ")));
            }
            BridgeEvent::MessageUnreadable { chat } => self.say(&format!(
                "in   chat {chat}  could not be decrypted; its sender is asked again"
            )),
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
            BridgeEvent::MessageDead {
                chat,
                cursor,
                attempts,
                reason,
            } => self.warn(&format!(
                "chat {chat}: the message {cursor} is parked after {attempts} attempts ({reason}); `inbox list --state dead` shows it"
            )),
            BridgeEvent::Paused { by } => {
                self.say(&format!("sending is paused by the {by}; what comes in is kept"));
            }
            BridgeEvent::Resumed { by } => self.say(&format!("sending goes on, says the {by}")),
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

    /// A line of its own: the link is longer than most terminals are wide, and works once.
    fn pair_page(&mut self, url: &str) {
        if !self.json {
            let line = format!("scan the QR code, or open this page once: {url}");
            self.around(|output| output.data(&line));
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
#[path = "bridge_screen_tests.rs"]
mod tests;
