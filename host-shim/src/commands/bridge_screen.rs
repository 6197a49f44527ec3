//! What one running bridge looks like to a person: the QR code and the pairing code on the stage
//! that all bridges share, and a line for what happens. To a machine: the events as they come.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::bridge_stage::{Codes, Left, Stage};
use super::bridge_states::{next_step, rests, words};
use crate::bridge::events::BridgeEvent;
use crate::bridge::launcher::Told;
use crate::bridge::qr::draw;
use crate::door::BridgeAddress;
use crate::error::Failure;
use crate::plain_text::one_line;

/// Shows one bridge.
pub(super) struct Screen {
    /// Tells it from the others on the stage.
    bridge: usize,
    /// Of its account, where there can be several: every line names it.
    label: Option<String>,
    json: bool,
    /// How a person has a bridge that rests go on.
    resume: String,
    resting: bool,
    /// It rests because nobody linked the account, and nobody could: others had the stage.
    missed_its_turn: bool,
    code: Option<Code>,
    /// Why the bridge said it ends.
    last_words: Option<String>,
}

/// What to type on the phone when scanning is not possible.
struct Code {
    text: String,
    until: Option<Instant>,
}

impl Screen {
    pub(super) fn new(bridge: usize, label: Option<String>, json: bool, resume: String) -> Self {
        Self {
            bridge,
            label,
            json,
            resume,
            resting: false,
            missed_its_turn: false,
            code: None,
            last_words: None,
        }
    }

    pub(super) fn show(&mut self, told: Told, stage: &mut Stage<'_>) {
        match told {
            Told::Line(line) => {
                if self.json {
                    let line = self.labelled(line);
                    stage.around(|output| output.data(&line));
                }
            }
            Told::Event(event) => self.event(event, stage),
            Told::Garbage => self.warn(
                stage,
                "the bridge writes something that is no event; it is not shown",
            ),
            Told::Restarting { status, after } => {
                self.end_pairing(stage);
                stage.hand_on();
                self.resting = false;
                let why = self.last_words.take().unwrap_or(status);
                self.warn(
                    stage,
                    &format!(
                        "the bridge ended ({why}); it starts again in {} s",
                        after.as_secs().max(1)
                    ),
                );
            }
        }
    }

    /// A line for the person, above the codes.
    pub(super) fn say(&self, stage: &mut Stage<'_>, line: &str) {
        stage.say(&self.named(line));
    }

    /// The bridge has ended for good while others go on.
    pub(super) fn ended(&mut self, failure: Option<&Failure>, stage: &mut Stage<'_>) {
        self.end_pairing(stage);
        stage.hand_on();
        self.resting = false;
        if let Some(failure) = failure {
            let message = self.named(&failure.message);
            let failure = Failure {
                message,
                ..failure.clone()
            };
            stage.around(|output| output.failure(&failure));
        }
    }

    /// Whether the bridge waits for a person.
    pub(super) fn rests(&self) -> bool {
        self.resting
    }

    /// Whether it has to be woken to have the turn that it missed; says so once.
    pub(super) fn takes_missed_turn(&mut self) -> bool {
        std::mem::take(&mut self.missed_its_turn)
    }

    fn event(&mut self, event: BridgeEvent, stage: &mut Stage<'_>) {
        match event {
            BridgeEvent::Listening { url } => {
                let place = BridgeAddress::parse(&url)
                    .map_or_else(|_| String::new(), |address| format!(" on {address}"));
                self.say(stage, &format!("the bridge listens{place}"));
            }
            BridgeEvent::State {
                state,
                message,
                retry_in,
            } => self.state(&state, message, retry_in, stage),
            BridgeEvent::Qr {
                payload,
                expires_in,
                ..
            } => self.qr(&payload, expires_in, stage),
            BridgeEvent::PairingCode { code, expires_in } => {
                self.pairing_code(&code, expires_in, stage)
            }
            BridgeEvent::PairPage { url } => self.pair_page(&url, stage),
            BridgeEvent::Connected { name, phone } => {
                self.end_pairing(stage);
                stage.hand_on();
                let who = match (name, phone.as_deref().map(shortened)) {
                    (Some(name), Some(phone)) => format!("{name} ({phone})"),
                    (Some(one), None) | (None, Some(one)) => one,
                    (None, None) => "the linked account".to_owned(),
                };
                self.say(stage, &format!("connected as {who}; Ctrl-C stops"));
            }
            BridgeEvent::MessageIn { chat, cursor, kind } => {
                self.say(
                    stage,
                    format!("in   chat {chat}  {kind}  {cursor}").trim_end(),
                );
            }
            BridgeEvent::MessageOut {
                chat,
                cursor,
                status,
            } => self.say(
                stage,
                format!("out  chat {chat}  {status}  {cursor}").trim_end(),
            ),
            BridgeEvent::MessageRefused { chat, reason } => {
                tracing::debug!("a message of chat {chat} is not kept: {reason}")
            }
            BridgeEvent::MessageLeft { chat, reason } => {
                self.say(
                    stage,
                    &format!("left chat {chat}  {}", reason.replace('_', " ")),
                );
            }
            BridgeEvent::MessageUnreadable { chat } => self.say(
                stage,
                &format!("in   chat {chat}  could not be decrypted; its sender is asked again"),
            ),
            BridgeEvent::AllowlistMatch {
                chat,
                entry,
                allowed,
            } => self.say(
                stage,
                &match (allowed, entry) {
                    (true, Some(entry)) => format!("chat {chat} is let in by the entry {entry}"),
                    (true, None) => format!("chat {chat} is let in"),
                    (false, Some(entry)) => {
                        format!("chat {chat} is not let in; the entry {entry} would")
                    }
                    (false, None) => format!("chat {chat} is not let in; no entry names it"),
                },
            ),
            BridgeEvent::MessageWithheld { chat, cursor } => self.warn(
                stage,
                format!("chat {chat}: a message is kept back for good, the chat is not allowed any more  {cursor}")
                    .trim_end(),
            ),
            BridgeEvent::CapReached { cap } => self.say(
                stage,
                &format!(
                    "the cap on {} is reached: replies wait where there is no room, other messages are refused",
                    cap.replace('_', " ")
                ),
            ),
            BridgeEvent::MessageDead {
                chat,
                cursor,
                attempts,
                reason,
            } => {
                let which = match cursor.as_str() {
                    "" => "a message".to_owned(),
                    cursor => format!("the message {cursor}"),
                };
                self.warn(stage, &format!(
                    "chat {chat}: {which} is parked after {attempts} attempts ({reason}); `inbox list --state dead` shows it"
                ));
            }
            BridgeEvent::Paused { by } => {
                self.say(
                    stage,
                    &format!("sending is paused by the {by}; what comes in is kept"),
                );
            }
            BridgeEvent::Resumed { by } => {
                self.say(stage, &format!("sending goes on, says the {by}"))
            }
            BridgeEvent::Imported { from } => {
                self.say(stage, &format!("took over the login in {from}"))
            }
            BridgeEvent::Warning { code, message } => {
                if code == "pairing_code_failed" {
                    // The network does not take it: nobody should type it.
                    self.code = None;
                    stage.put_code(self.bridge, Vec::new());
                }
                self.warn(stage, &format!("{message} ({code})"));
            }
            BridgeEvent::Fatal { message, .. } => self.last_words = Some(message),
            BridgeEvent::Stopped => {
                self.end_pairing(stage);
                stage.hand_on();
                self.say(stage, "the bridge has stopped");
            }
        }
    }

    fn state(
        &mut self,
        state: &str,
        message: Option<String>,
        retry_in: Option<Duration>,
        stage: &mut Stage<'_>,
    ) {
        self.resting = rests(state);
        self.missed_its_turn = false;
        // Told better by the events that follow.
        if matches!(state, "starting" | "pairing" | "connected") {
            return;
        }
        let left = self.end_pairing(stage);
        if state != "pairing_expired" {
            stage.hand_on();
        } else if left == Left::Queue {
            self.resting = false;
            self.missed_its_turn = true;
            return;
        }
        let name = state.replace('_', " ");
        // How a rest ends is said below, as it is here: the bridge does not know its terminal.
        let message = message.filter(|_| state != "pairing_expired");
        let what = match message.as_deref().or_else(|| words(state)) {
            Some(message) => format!("{name}: {}", message.trim_end_matches('.')),
            None => name,
        };
        match retry_in.filter(|wait| !wait.is_zero()) {
            Some(wait) => self.say(
                stage,
                &format!("{what}; next try in {} s", wait.as_secs().max(1)),
            ),
            None => self.say(stage, &what),
        }
        if let Some(step) = next_step(state, &self.resume) {
            let step = self.named(&step);
            stage.around(|output| output.hint(&step));
        }
    }

    fn pairing_code(&mut self, code: &str, expires_in: Option<Duration>, stage: &mut Stage<'_>) {
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
        let lines = self.code_lines(stage);
        if !stage.put_code(self.bridge, lines.clone()) {
            stage.around(|output| lines.iter().for_each(|line| output.data(line)));
        }
    }

    /// A line of its own: the link is longer than most terminals are wide, and works once.
    fn pair_page(&self, url: &str, stage: &mut Stage<'_>) {
        if !self.json {
            let line = self.named(&format!("scan the QR code, or open this page once: {url}"));
            stage.around(|output| output.data(&line));
        }
    }

    /// The pairing code as it is shown now; nothing when there is none that is still good.
    fn code_lines(&self, stage: &Stage<'_>) -> Vec<String> {
        match &self.code {
            Some(code) if code.until.is_none_or(|until| until > Instant::now()) => {
                code.lines(stage.draws())
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn qr(&mut self, payload: &str, expires_in: Duration, stage: &mut Stage<'_>) {
        if self.json {
            return;
        }
        let Some(picture) = draw(payload, stage.style()) else {
            self.warn(stage, "the QR code is too large to be drawn");
            return;
        };
        let waits = stage.show(Codes {
            bridge: self.bridge,
            title: self
                .label
                .as_deref()
                .map(|label| format!("account {}", one_line(label))),
            picture,
            code: self.code_lines(stage),
            until: Instant::now() + expires_in,
        });
        if waits {
            self.say(
                stage,
                "waits to be linked; its QR code comes after this one",
            );
        }
    }

    fn warn(&self, stage: &mut Stage<'_>, line: &str) {
        stage.around(|output| output.warn(&self.named(line)));
    }

    /// The codes are used, or no longer good.
    fn end_pairing(&mut self, stage: &mut Stage<'_>) -> Left {
        self.code = None;
        stage.leave(self.bridge)
    }

    fn named(&self, line: &str) -> String {
        match &self.label {
            Some(label) => format!("{}: {line}", one_line(label)),
            None => line.to_owned(),
        }
    }

    /// An event as machines get it: with the account, where there can be several.
    fn labelled(&self, line: String) -> String {
        match (&self.label, serde_json::from_str(&line)) {
            (Some(label), Ok(Value::Object(mut event))) => {
                event.insert("account".to_owned(), label.as_str().into());
                Value::Object(event).to_string()
            }
            (Some(_) | None, _) => line,
        }
    }
}

/// A number that its owner recognises and nobody else can call: half of it at most. What is said
/// here ends up in logs. Bridges shorten it themselves; not all of them do.
fn shortened(phone: &str) -> String {
    if phone.contains('…') {
        return phone.to_owned();
    }
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let half = digits.len() / 2;
    let head = half / 2;
    let (first, rest) = digits.split_at(head);
    let last = rest.iter().skip(rest.len().saturating_sub(half - head));
    let plus = if phone.starts_with('+') { "+" } else { "" };
    let (first, last): (String, String) = (first.iter().collect(), last.collect());
    format!("{plus}{first}…{last}")
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
