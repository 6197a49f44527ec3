//! What a running bridge looks like to a person: the QR code, drawn in place on a terminal and
//! wiped once it is used, and a line for what happens. To a machine: the events as they come.

use std::time::{Duration, Instant};

use crate::bridge::events::BridgeEvent;
use crate::bridge::launcher::Told;
use crate::bridge::qr::{Style, draw};
use crate::door::BridgeAddress;
use crate::output::Output;

/// Shows one bridge.
pub(super) struct Screen<'a> {
    output: &'a Output,
    json: bool,
    shown: Option<Shown>,
    /// Why the bridge said it ends.
    last_words: Option<String>,
}

/// A QR code on the terminal, the cursor behind its last line.
struct Shown {
    lines: Vec<String>,
    until: Instant,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output, json: bool) -> Self {
        Self {
            output,
            json,
            shown: None,
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
                self.wipe();
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

    /// Another second has passed.
    pub(super) fn tick(&self) {
        if let Some(shown) = &self.shown {
            self.output
                .data_raw(&format!("\r\x1b[2K{}", shown.countdown()));
        }
    }

    /// Leaves nothing behind that could be scanned.
    pub(super) fn clear(&mut self) {
        self.wipe();
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
            BridgeEvent::PairingCode { code } => {
                if !self.json {
                    self.around(|output| output.data(&format!("pairing code: {code}")));
                }
            }
            BridgeEvent::Connected { name, phone } => {
                self.wipe();
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
            BridgeEvent::Imported { from } => self.say(&format!("took over the login in {from}")),
            BridgeEvent::Warning { code, message } => self.warn(&format!("{message} ({code})")),
            BridgeEvent::Fatal { message, .. } => self.last_words = Some(message),
            BridgeEvent::Stopped => {
                self.wipe();
                self.say("the bridge has stopped");
            }
        }
    }

    fn state(&mut self, state: &str, message: Option<String>, retry_in: Option<Duration>) {
        // Told better by the events that follow.
        if matches!(state, "starting" | "pairing" | "connected") {
            return;
        }
        self.wipe();
        let retry = retry_in.map_or_else(String::new, |wait| {
            format!("; next try in {} s", wait.as_secs().max(1))
        });
        match message {
            Some(message) => self.say(&format!("{}: {message}{retry}", state.replace('_', " "))),
            None => self.say(&format!("{}{retry}", state.replace('_', " "))),
        }
    }

    fn qr(&mut self, payload: &str, expires_in: Duration) {
        self.wipe();
        if self.json {
            return;
        }
        let size = self
            .output
            .draws()
            .then(terminal_size::terminal_size)
            .flatten();
        let style = match size {
            Some((width, _)) => Style::of_terminal(width.0.into(), |name| std::env::var(name).ok()),
            None => Style::plain(),
        };
        let Some(lines) = draw(payload, style) else {
            self.warn("the QR code is too large to be drawn");
            return;
        };
        let shown = Shown {
            until: Instant::now() + expires_in,
            lines,
        };
        // Higher than the terminal it cannot be drawn in place: the cursor does not get back up.
        if size.is_some_and(|(_, height)| shown.lines.len() < usize::from(height.0)) {
            self.output.data_raw(&shown.text());
            self.shown = Some(shown);
        } else {
            for line in &shown.lines {
                self.output.data(line);
            }
            self.output.say(&shown.countdown());
        }
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

    fn wipe(&mut self) {
        if let Some(shown) = self.shown.take() {
            self.output.data_raw(&shown.wiped());
        }
    }
}

impl Shown {
    fn text(&self) -> String {
        format!("{}\n{}", self.lines.join("\n"), self.countdown())
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
        format!("\r\x1b[{}A\x1b[J", self.lines.len())
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
        let mut screen = Screen::new(&output, json);
        told.into_iter().for_each(|more| screen.show(more));
        screen.tick();
        screen.clear();
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
            draw("2@payload", Style::plain()).unwrap()
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

    #[test]
    fn the_secret_part_of_the_address_is_not_shown() {
        let listening = BridgeEvent::Listening {
            url: "http://127.0.0.1:1234/bridge/secret".to_owned(),
        };
        let (_, words) = shown(false, [Told::Event(listening)]);
        assert_eq!(words, "the bridge listens on http://127.0.0.1:1234\n");
    }
}
