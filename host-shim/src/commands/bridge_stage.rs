//! The terminal that running bridges share: the codes of one of them at a time, drawn in place and
//! wiped once they are used, and lines above them. Whose turn ends when is said by the screens.

use std::collections::VecDeque;
use std::time::Instant;

use crate::bridge::qr::{Picture, Style};
use crate::output::Output;

/// The longest countdown: a line that wraps is two.
pub(super) const COUNTDOWN_COLUMNS: usize = 72;

/// What is shown of all bridges.
pub(super) struct Stage<'a> {
    output: &'a Output,
    /// The bridge whose codes are drawn, until its pairing ends. Off a terminal nobody waits.
    turn: Option<usize>,
    /// The latest codes of those that wait for their turn.
    waiting: VecDeque<Codes>,
    shown: Option<Codes>,
    closed: bool,
}

/// The codes of one bridge as they are drawn; the cursor stays behind the last line.
pub(super) struct Codes {
    pub(super) bridge: usize,
    /// Whose they are, where that is not clear.
    pub(super) title: Option<String>,
    pub(super) picture: Picture,
    /// The lines of a pairing code.
    pub(super) code: Vec<String>,
    pub(super) until: Instant,
}

/// Where a bridge stood when its pairing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It had its turn, or never asked for one.
    Stage,
    /// Nobody has seen its codes.
    Queue,
}

impl<'a> Stage<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self {
            output,
            turn: None,
            waiting: VecDeque::new(),
            shown: None,
            closed: false,
        }
    }

    pub(super) fn say(&mut self, line: &str) {
        self.around(|output| output.say(line));
    }

    /// Prints while the codes are out of the way.
    pub(super) fn around(&mut self, print: impl FnOnce(&Output)) {
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

    /// Whether it is a terminal that is drawn on.
    pub(super) fn draws(&self) -> bool {
        self.output.draws()
    }

    /// How a QR code is drawn here.
    pub(super) fn style(&self) -> Style {
        match self.size() {
            Some((width, _)) => Style::of_terminal(width, |name| std::env::var(name).ok()),
            None => Style::plain(),
        }
    }

    /// Shows codes in place of the last ones of that bridge, when it is its turn. True when it
    /// waits for that from now on.
    pub(super) fn show(&mut self, codes: Codes) -> bool {
        if self.closed {
            return false;
        }
        if self.turn.is_none_or(|turn| turn == codes.bridge) {
            self.take_turn(codes);
            return false;
        }
        let mut waiting = self.waiting.iter_mut();
        match waiting.find(|it| it.bridge == codes.bridge) {
            Some(earlier) => {
                *earlier = codes;
                false
            }
            None => {
                self.waiting.push_back(codes);
                true
            }
        }
    }

    /// Gives codes that are drawn now these lines for the pairing code; false when none are.
    pub(super) fn put_code(&mut self, bridge: usize, code: Vec<String>) -> bool {
        let drawn = self.shown.take_if(|shown| shown.bridge == bridge);
        let is_drawn = drawn.is_some();
        if let Some(drawn) = drawn {
            self.output.data_raw(&drawn.wiped());
            self.put(Codes { code, ..drawn });
        }
        is_drawn
    }

    /// The codes of this bridge are used, or no longer good.
    pub(super) fn leave(&mut self, bridge: usize) -> Left {
        if self.turn == Some(bridge) {
            self.wipe();
            self.turn = None;
        }
        match self.waiting.iter().position(|it| it.bridge == bridge) {
            Some(place) => {
                self.waiting.remove(place);
                Left::Queue
            }
            None => Left::Stage,
        }
    }

    /// The next one that waits has its turn, if nobody has it.
    pub(super) fn hand_on(&mut self) {
        if self.closed || self.turn.is_some() {
            return;
        }
        let now = Instant::now();
        let next = self.waiting.iter().position(|it| it.until > now);
        if let Some(codes) = next.and_then(|place| self.waiting.remove(place)) {
            self.take_turn(codes);
        }
    }

    /// Whether codes that come now would be shown at once.
    pub(super) fn is_free(&self) -> bool {
        !self.closed && self.turn.is_none()
    }

    /// Another second has passed.
    pub(super) fn tick(&self) {
        if let Some(shown) = &self.shown {
            self.output
                .data_raw(&format!("\r\x1b[2K{}", shown.countdown()));
        }
    }

    /// Leaves nothing behind that could be scanned, and shows no codes any more.
    pub(super) fn close(&mut self) {
        self.wipe();
        self.closed = true;
    }

    fn wipe(&mut self) {
        if let Some(shown) = self.shown.take() {
            self.output.data_raw(&shown.wiped());
        }
    }

    fn take_turn(&mut self, codes: Codes) {
        self.wipe();
        self.waiting.retain(|it| it.bridge != codes.bridge);
        if self.draws() {
            self.turn = Some(codes.bridge);
        }
        self.put(codes);
    }

    fn put(&mut self, codes: Codes) {
        // Larger than the terminal it cannot be drawn in place: the cursor does not get back up.
        let fits = self.size().is_some_and(|(width, height)| {
            codes.columns() <= width && codes.lines().count() < height
        });
        if fits {
            self.output.data_raw(&codes.text());
            self.shown = Some(codes);
        } else {
            for line in codes.lines() {
                self.output.data(line);
            }
            self.output.say(&codes.countdown());
        }
    }

    /// Columns and lines of the terminal, when there is one.
    fn size(&self) -> Option<(usize, usize)> {
        let size = self.draws().then(terminal_size::terminal_size).flatten()?;
        Some((size.0.0.into(), size.1.0.into()))
    }
}

impl Codes {
    fn text(&self) -> String {
        let lines: Vec<&str> = self.lines().collect();
        format!("{}\n{}", lines.join("\n"), self.countdown())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let picture = self.picture.lines.iter().chain(&self.code);
        self.title.iter().chain(picture).map(String::as_str)
    }

    fn columns(&self) -> usize {
        // A character that is not ASCII may be two columns wide.
        let wide = |title: &String| {
            title
                .chars()
                .map(|c| if c.is_ascii() { 1 } else { 2 })
                .sum()
        };
        let title = self.title.as_ref().map_or(0, wide);
        self.picture.columns.max(title).max(COUNTDOWN_COLUMNS)
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
