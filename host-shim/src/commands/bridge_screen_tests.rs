use super::*;
use crate::bridge::qr::Style;
use crate::commands::bridge_stage::COUNTDOWN_COLUMNS;
use crate::output::Output;
use crate::output::tests::{Kept, on_terminal};

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
    let mut stage = Stage::new(&output);
    let mut screen = Screen::new(0, None, json, "press Enter".to_owned());
    told.into_iter()
        .for_each(|more| screen.show(more, &mut stage));
    stage.tick();
    stage.close();
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
    assert!(words.contains("connected as Ana (+15…00)"), "{words}");
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
    let mut stage = Stage::new(&output);
    let mut screen = Screen::new(0, None, false, String::new());
    assert!(!screen.rests());
    for (name, rests) in [
        ("pairing", false),
        ("pairing_expired", true),
        ("pairing", false),
        ("replaced", true),
        ("connected", false),
    ] {
        screen.show(state(name, None), &mut stage);
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
    let unreadable = Told::Event(BridgeEvent::MessageUnreadable {
        chat: "c3".to_owned(),
    });
    let withheld = Told::Event(BridgeEvent::MessageWithheld {
        chat: "c4".to_owned(),
        cursor: "k4".to_owned(),
    });
    let capped = Told::Event(BridgeEvent::CapReached {
        cap: "messages_per_minute".to_owned(),
    });
    let (_, words) = shown(
        false,
        [
            matched(Some("+155…567"), true),
            matched(Some("+155…567"), false),
            matched(None, false),
            left,
            unreadable,
            withheld,
            capped,
        ],
    );
    assert_eq!(
        words,
        "chat c1 is let in by the entry +155…567\n\
         chat c1 is not let in; the entry +155…567 would\n\
         chat c1 is not let in; no entry names it\n\
         left chat c2  not addressed\n\
         in   chat c3  could not be decrypted; its sender is asked again\n\
         warning: chat c4: a message is kept back for good, the chat is not allowed any more  k4\n\
         the cap on messages per minute is reached: replies wait where there is no room, other messages are refused\n"
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

#[test]
fn the_link_to_the_page_is_a_line_for_a_person_and_nothing_for_a_machine() {
    let link = || {
        Told::Event(BridgeEvent::PairPage {
            url: "http://127.0.0.1:1234/bridge/pair?key=k".to_owned(),
        })
    };
    let (data, words) = shown(false, [link(), qr()]);
    let line =
        "scan the QR code, or open this page once: http://127.0.0.1:1234/bridge/pair?key=k\n";
    assert!(data.starts_with(line), "{data}");
    assert!(!words.contains("key"), "{words}");
    assert_eq!(shown(true, [link()]), (String::new(), String::new()));
}

/// The bridges of `home` and `work` on one stage, and what became of what they told.
struct Two {
    screens: [Screen; 2],
    data: Kept,
    words: Kept,
}

const HOME: usize = 0;
const WORK: usize = 1;

impl Two {
    fn new(json: bool) -> Self {
        let screen = |bridge, label: &str| {
            Screen::new(
                bridge,
                Some(label.to_owned()),
                json,
                format!("resume {label}"),
            )
        };
        Self {
            screens: [screen(HOME, "home"), screen(WORK, "work")],
            data: Kept::default(),
            words: Kept::default(),
        }
    }

    fn on_terminal(&self) -> Output {
        on_terminal(&self.data, &self.words)
    }

    fn in_pipes(&self) -> Output {
        Output::to(Box::new(self.data.clone()), Box::new(self.words.clone()))
    }

    fn tell(&mut self, bridge: usize, told: Told, stage: &mut Stage<'_>) {
        self.screens[bridge].show(told, stage);
    }

    /// Whose codes were drawn, in order.
    fn drawn(&self) -> Vec<String> {
        let text = self.data.text();
        let titles = text
            .lines()
            .filter_map(|line| line.strip_prefix("account "));
        titles.map(str::to_owned).collect()
    }
}

fn connected() -> Told {
    Told::Event(BridgeEvent::Connected {
        name: None,
        phone: None,
    })
}

#[test]
fn with_several_accounts_every_line_names_its_own() {
    let mut two = Two::new(false);
    let output = two.in_pipes();
    let mut stage = Stage::new(&output);
    two.tell(HOME, connected(), &mut stage);
    two.tell(WORK, state("replaced", None), &mut stage);
    two.tell(WORK, Told::Garbage, &mut stage);
    let words = two.words.text();
    let named = |line: &str| {
        ["home: ", "hint: work: ", "warning: work: ", "work: "]
            .iter()
            .any(|it| line.starts_with(it))
    };
    assert!(
        words.lines().count() >= 4 && words.lines().all(named),
        "{words}"
    );
}

#[test]
fn a_machine_is_told_whose_event_it_is() {
    let mut two = Two::new(true);
    let output = two.in_pipes();
    let mut stage = Stage::new(&output);
    let line = r#"{"event":"listening","at":1}"#;
    two.tell(WORK, Told::Line(line.to_owned()), &mut stage);
    let told: Value = serde_json::from_str(&two.data.text()).unwrap();
    let expected = serde_json::json!({"event": "listening", "at": 1, "account": "work"});
    assert_eq!(told, expected);
}

#[test]
fn in_pipes_nobody_waits_for_anybody() {
    let mut two = Two::new(false);
    let output = two.in_pipes();
    let mut stage = Stage::new(&output);
    for bridge in [HOME, WORK, HOME] {
        two.tell(bridge, qr(), &mut stage);
    }
    assert_eq!(two.drawn(), ["home", "work", "home"]);
}

#[test]
fn on_a_terminal_one_account_has_the_stage_until_it_is_linked() {
    let mut two = Two::new(false);
    let output = two.on_terminal();
    let mut stage = Stage::new(&output);
    for bridge in [HOME, WORK, HOME, WORK] {
        two.tell(bridge, qr(), &mut stage);
    }
    assert_eq!(two.drawn(), ["home", "home"]);
    let waits = "work: waits to be linked";
    assert_eq!(two.words.text().matches(waits).count(), 1);
    two.tell(HOME, connected(), &mut stage);
    assert_eq!(two.drawn(), ["home", "home", "work"]);
    two.tell(WORK, connected(), &mut stage);
    assert!(stage.is_free());
}

#[test]
fn whoever_rests_without_having_had_the_stage_is_woken_when_it_is_free() {
    let mut two = Two::new(false);
    let output = two.on_terminal();
    let mut stage = Stage::new(&output);
    two.tell(HOME, qr(), &mut stage);
    two.tell(WORK, qr(), &mut stage);
    two.tell(HOME, state("pairing_expired", None), &mut stage);
    // Not at once: whoever aims a phone at this moment would link the wrong account.
    assert_eq!(two.drawn(), ["home"]);
    two.tell(WORK, state("pairing_expired", None), &mut stage);
    assert!(stage.is_free());
    assert_eq!(two.screens.each_ref().map(Screen::rests), [true, false]);
    let woken = two.screens.each_mut().map(Screen::takes_missed_turn);
    assert_eq!(woken, [false, true]);
    two.tell(WORK, qr(), &mut stage);
    two.tell(WORK, state("pairing_expired", None), &mut stage);
    assert_eq!(two.drawn(), ["home", "work"]);
    assert!(two.screens[WORK].rests());
}

#[test]
fn the_end_of_one_bridge_is_said_and_leaves_the_stage_to_the_next() {
    let mut two = Two::new(false);
    let output = two.on_terminal();
    let mut stage = Stage::new(&output);
    two.tell(HOME, qr(), &mut stage);
    two.tell(WORK, qr(), &mut stage);
    let failure = Failure::operator("store_damaged", "the store is damaged").hint("restore it");
    two.screens[HOME].ended(Some(&failure), &mut stage);
    assert_eq!(two.drawn(), ["home", "work"]);
    let said = "error: home: the store is damaged\nhint: restore it\n";
    assert!(two.words.text().contains(said), "{}", two.words.text());
}

#[test]
fn whoever_has_been_told_to_stop_shows_no_codes_any_more() {
    let mut two = Two::new(false);
    let output = two.on_terminal();
    let mut stage = Stage::new(&output);
    two.tell(HOME, qr(), &mut stage);
    two.tell(WORK, qr(), &mut stage);
    stage.close();
    two.tell(HOME, Told::Event(BridgeEvent::Stopped), &mut stage);
    two.tell(WORK, qr(), &mut stage);
    assert_eq!(two.drawn(), ["home"]);
}
