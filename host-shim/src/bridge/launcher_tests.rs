use std::path::Path;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use super::*;
use crate::error::ExitCode;

const PATIENCE: Duration = Duration::from_secs(30);

/// What every script begins with: events, and the commands that come.
const PRELUDE: &str = r#"
import readline from 'node:readline';
import fs from 'node:fs';
const tell = (event, more = {}) => console.log(JSON.stringify({event, at: Date.now(), ...more}));
const commands = (on) => {
  const lines = readline.createInterface({input: process.stdin});
  lines.on('line', (line) => on(JSON.parse(line)));
  lines.on('close', () => on({command: 'gone'}));
};
"#;

/// A running launcher with a bridge that a test has written.
struct Story {
    _place: TempDir,
    told: UnboundedReceiver<Told>,
    control: Control,
    running: JoinHandle<Result<(), Failure>>,
}

impl Story {
    fn of(script: &str) -> Self {
        Self::with(script, |_| {})
    }

    fn with(script: &str, change: impl FnOnce(&mut Launch)) -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(
            place.path().join("bridge.mjs"),
            format!("{PRELUDE}{script}"),
        )
        .unwrap();
        let mut launch = Launch {
            program: "node".into(),
            folder: place.path().to_path_buf(),
            entry: "bridge.mjs".into(),
            address: BridgeAddress::parse("http://127.0.0.1:40123/bridge").unwrap(),
            auth_dir: place.path().join("auth"),
            settings: json!({"allowed_chat_ids": ["*"]}),
            token_file: "/run/the.token".into(),
            more: Vec::new(),
        };
        change(&mut launch);
        let (tell, told) = unbounded_channel();
        let control = Control::default();
        let asked = control.clone();
        let hear = move |more| {
            tell.send(more).ok();
        };
        let running = tokio::spawn(async move { launch.run(&hear, &asked).await });
        Self {
            _place: place,
            told,
            control,
            running,
        }
    }

    async fn next(&mut self) -> Told {
        tokio::time::timeout(PATIENCE, self.told.recv())
            .await
            .expect("the bridge says nothing")
            .expect("the launcher has ended")
    }

    /// The next line that is about `event`.
    async fn line(&mut self, event: &str) -> serde_json::Value {
        loop {
            if let Told::Line(line) = self.next().await {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                if line["event"] == event {
                    return line;
                }
            }
        }
    }

    async fn end(self) -> Result<(), Failure> {
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("does not end")
            .unwrap()
    }
}

#[tokio::test]
async fn the_bridge_gets_its_flags_and_first_the_start_command() {
    let mut story = Story::of(
        "commands((c) => c.command === 'start' && tell('listening', {url: 'u', argv: process.argv.slice(2), c}));",
    );
    let line = story.line("listening").await;
    let argv: Vec<&str> = line["argv"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a.as_str().unwrap())
        .collect();
    assert_eq!(
        argv[..6],
        [
            "--host",
            "127.0.0.1",
            "--port",
            "40123",
            "--path",
            "/bridge"
        ]
    );
    assert_eq!(argv[6], "--auth-dir");
    assert_eq!(argv[8..], ["--events", "ndjson", "--control", "stdin"]);
    assert_eq!(line["c"]["settings"]["allowed_chat_ids"][0], "*");
    assert_eq!(line["c"]["token_file"], "/run/the.token");
    story.control.stop.cancel();
    // It does not know `stop`, but the end of its input ends it.
}

#[tokio::test]
async fn stopped_it_ends_by_its_own_and_cleanly() {
    let mut story = Story::of(
        "commands((c) => { if (c.command === 'start') tell('listening', {url: 'u'});
          if (c.command === 'stop') { tell('stopped'); process.exit(0); } });",
    );
    story.line("listening").await;
    story.control.stop.cancel();
    story.line("stopped").await;
    story.end().await.unwrap();
}

#[tokio::test]
async fn a_crashed_bridge_is_started_again() {
    let mut story = Story::of(
        "const been = 'been'; if (!fs.existsSync(been)) { fs.writeFileSync(been, ''); process.exit(1); }
         commands((c) => { if (c.command === 'start') tell('listening', {url: 'u'});
          if (c.command === 'stop') process.exit(0); });",
    );
    assert!(matches!(story.next().await, Told::Restarting { .. }));
    story.line("listening").await;
    story.control.stop.cancel();
    story.end().await.unwrap();
}

#[tokio::test]
async fn a_bridge_that_cannot_work_is_not_started_again_and_its_reason_is_the_error() {
    for status in [2, 3, 4] {
        let story = Story::of(&format!(
            "tell('fatal', {{code: 'store_damaged', message: 'the store is damaged', hint: 'restore it'}});
             process.exitCode = {status};"
        ));
        let failure = story.end().await.unwrap_err();
        assert_eq!(failure.code, "store_damaged");
        assert_eq!(failure.hint.as_deref(), Some("restore it"));
        assert_eq!(failure.exit == ExitCode::Usage, status == 2, "{status}");
    }
}

#[tokio::test]
async fn asked_to_go_on_it_is_told_so_while_it_runs() {
    let mut story = Story::of(
        "commands((c) => { tell(c.command === 'start' ? 'listening' : 'warning', {url: 'u', code: c.command, message: 'm'});
          if (c.command === 'stop') process.exit(0); });",
    );
    story.line("listening").await;
    for _twice in 0..2 {
        story.control.resume();
        assert_eq!(story.line("warning").await["code"], "resume");
    }
    story.control.stop.cancel();
    assert_eq!(story.line("warning").await["code"], "stop");
    story.end().await.unwrap();
}

#[tokio::test]
async fn prose_is_reported_once_and_never_passed_on() {
    let mut story = Story::of(
        "console.log('Closing session: key abc'); console.log('x'.repeat(200000)); console.error('key def');
         tell('listening', {url: 'u'}); tell('weather'); commands((c) => c.command === 'stop' && process.exit(0));",
    );
    assert_eq!(story.next().await, Told::Garbage);
    assert_eq!(
        story.next().await,
        Told::Event(BridgeEvent::Listening {
            url: "u".to_owned()
        })
    );
    story.control.stop.cancel();
    let mut told = Vec::new();
    while let Some(more) = story.told.recv().await {
        told.push(more);
    }
    assert!(!format!("{told:?}").contains("key"), "{told:?}");
    story.end().await.unwrap();
}

#[tokio::test]
async fn dropped_it_kills_the_bridge_at_once() {
    let mut story = Story::of(
        "commands(() => {}); setInterval(() => {}, 1000); tell('listening', {url: 'u', pid: process.pid});",
    );
    let pid = story.line("listening").await["pid"].to_string();
    story.running.abort();
    let deadline = Instant::now() + PATIENCE;
    let process = Path::new("/proc").join(pid).join("stat");
    while std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z")) {
        assert!(Instant::now() < deadline, "it still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn our_own_secrets_are_not_in_its_environment() {
    let mut story = Story::of(
        "tell('listening', {url: 'u', names: Object.keys(process.env)}); commands((c) => c.command === 'stop' && process.exit(0));",
    );
    let line = story.line("listening").await;
    for name in line["names"].as_array().unwrap() {
        assert!(VARIABLES.contains(&name.as_str().unwrap()), "{name}");
    }
    story.control.stop.cancel();
    story.end().await.unwrap();
}

#[tokio::test]
async fn without_node_the_error_says_what_to_install() {
    let story = Story::with("", |launch| launch.program = "/not/there/node".into());
    let failure = story.end().await.unwrap_err();
    assert_eq!(failure.code, "bridge_not_started");
    assert!(failure.hint.unwrap().contains("Node 20"));
}
