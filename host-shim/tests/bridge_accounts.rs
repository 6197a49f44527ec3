//! `bridge run --all-accounts` as an operator sees it, by the real binary and a small bridge in Node:
//! what is refused before anything starts, and how bridges that run side by side end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;

use common::running::{Running, token_file};
use common::{Place, Ran};
use serde_json::Value;

/// A bridge that does what its grain says: runs until it is told to stop, or has no hope.
const BRIDGE: &str = r#"
import readline from 'node:readline';
const tell = (event, more = {}) => console.log(JSON.stringify({event, at: Date.now(), ...more}));
readline.createInterface({input: process.stdin}).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.command === 'start' && command.settings.grain === 'rotten') {
    tell('fatal', {code: 'nest_damaged', message: 'the nest is damaged', hint: 'build another'});
    process.exit(3);
  }
  if (command.command === 'start') tell('listening', {url: 'http://127.0.0.1:1/tower', pid: process.pid});
  if (command.command === 'resume') tell('warning', {code: 'w', message: 'resumed'});
  if (command.command === 'stop') { tell('stopped'); process.exit(0); }
});
"#;

const RUN_ALL: [&str; 2] = ["run", "--all-accounts"];

/// A place with the flocks given, each with the lines of its own table.
fn place_with(flocks: &[(&str, String)]) -> Place {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let mut config =
        "[runtime_plugins]\nenabled = true\nroots = ['./plugins']\n[pigeon]\nenabled = true\n"
            .to_owned();
    for (name, own) in flocks {
        config.push_str(&format!("[pigeon.flocks.{name}]\n{own}\n"));
    }
    place.configure(&config);
    place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
        manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
    });
    fs::write(place.path("plugins/invented-channel/bridge.mjs"), BRIDGE).unwrap();
    place
}

fn flock(port: u16, nest: &str) -> String {
    format!("tower = 'http://127.0.0.1:{port}/tower'\nnest = '{nest}'")
}

/// Two ports that were free a moment ago.
fn ports() -> [u16; 2] {
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    free.map(|listener| listener.local_addr().unwrap().port())
}

fn two() -> (Place, [u16; 2]) {
    let ports = ports();
    let flocks = [
        ("grey", flock(ports[0], "~/grey")),
        ("white", flock(ports[1], "~/white")),
    ];
    (place_with(&flocks), ports)
}

/// Refused with these words, and before anything was made.
#[track_caller]
fn refused(place: &Place, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {ran:#?}");
    }
    assert!(!ran.stderr.contains("starting the bridge"), "{ran:#?}");
    let tokens = fs::read_dir(place.path("home/run"));
    assert!(tokens.is_err() || tokens.unwrap().next().is_none());
}

#[tokio::test]
async fn two_accounts_with_one_port_are_refused_by_name() {
    let [port, _] = ports();
    let by_name = flock(port, "~/white").replace("127.0.0.1", "localhost");
    for white in [flock(port, "~/white"), by_name] {
        let place = place_with(&[("grey", flock(port, "~/grey")), ("white", white)]);
        let ran = place.bridge(&RUN_ALL).await;
        let port = port.to_string();
        refused(&place, &ran, &["`grey`", "`white`", &port, "hint: "]);
    }
}

#[tokio::test]
async fn two_accounts_with_one_folder_are_refused_however_it_is_written() {
    for written in [
        "~/nest/",
        "~/./loft/../nest",
        "./nest",
        "nest//",
        "~/link",
        "link/../nest",
    ] {
        let [one, other] = ports();
        let flocks = [
            ("grey", flock(one, "~/nest")),
            ("white", flock(other, written)),
        ];
        let place = place_with(&flocks);
        place.make_dir("nest", 0o700);
        symlink(place.path("nest"), place.path("link")).unwrap();
        let ran = place.bridge(&RUN_ALL).await;
        refused(&place, &ran, &["`grey`", "`white`", "one folder", "hint: "]);
    }
}

#[tokio::test]
async fn one_account_that_cannot_start_keeps_all_from_starting() {
    let [port, _] = ports();
    let without_nest = "tower = 'http://127.0.0.1:1/tower'".to_owned();
    let place = place_with(&[("grey", flock(port, "~/grey")), ("white", without_nest)]);
    let ran = place.bridge(&RUN_ALL).await;
    refused(&place, &ran, &["account `white`", "auth_dir"]);
}

#[tokio::test]
async fn an_account_that_is_switched_off_is_said_and_left_out() {
    let [port, _] = ports();
    let off = format!("enabled = false\n{}", flock(port, "~/grey"));
    // It may even have what another one uses.
    let place = place_with(&[("grey", flock(port, "~/grey")), ("white", off)]);
    let running = Running::start(&place, &RUN_ALL[1..]);
    let said = running.says("grey: the bridge listens");
    assert!(
        said.iter()
            .any(|line| line.contains("`white` is switched off"))
    );
    assert_eq!(running.stop().await.code, Some(0));
}

#[tokio::test]
async fn without_an_account_that_is_switched_on_there_is_nothing_to_run() {
    let off = |port| format!("enabled = false\n{}", flock(port, "~/nest"));
    let place = place_with(&[("grey", off(1)), ("white", off(2))]);
    let ran = place.bridge(&RUN_ALL).await;
    refused(&place, &ran, &["no account", "hint: set `enabled = true`"]);
}

#[tokio::test]
async fn all_accounts_and_one_account_or_one_phone_cannot_be_meant_together() {
    let (place, _) = two();
    for more in [
        ["--account", "grey"].as_slice(),
        &["--pairing-code", "+15551234567"],
    ] {
        let ran = place.bridge(&[&RUN_ALL, more].concat()).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("--all-accounts"), "{ran:#?}");
    }
    let ran = place
        .bridge(&["status", "--all-accounts", "--account", "grey"])
        .await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(!place.path("home").exists());
}

#[tokio::test]
async fn every_bridge_has_a_token_of_its_own_and_one_signal_stops_all() {
    let (place, ports) = two();
    let running = Running::start(&place, &RUN_ALL[1..]);
    running.says_all(&["grey: the bridge listens", "white: the bridge listens"]);
    let tokens = ports.map(|port| fs::read_to_string(token_file(&place, port)).unwrap());
    assert_ne!(tokens[0], tokens[1]);
    let ran = running.stop().await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for port in ports {
        assert!(!token_file(&place, port).exists());
    }
}

#[tokio::test]
async fn a_bridge_without_hope_is_said_frees_its_place_and_lets_the_others_go_on() {
    let ports = ports();
    let rotten = format!("grain = 'rotten'\n{}", flock(ports[0], "~/grey"));
    let flocks = [("grey", rotten), ("white", flock(ports[1], "~/white"))];
    let place = place_with(&flocks);
    let running = Running::start(&place, &RUN_ALL[1..]);
    running.says_all(&[
        "error: grey: the nest is damaged",
        "hint: build another",
        "white: the bridge listens",
    ]);
    assert!(!token_file(&place, ports[0]).exists());
    assert!(token_file(&place, ports[1]).exists());
    let words = running.stop().await;
    assert_eq!(words.code, Some(1), "{words:#?}");
    let last = "1 of 2 bridges could not go on: `grey`";
    assert!(words.stderr.contains(last), "{words:#?}");
}

#[tokio::test]
async fn without_any_bridge_left_it_ends_by_itself() {
    let ports = ports();
    let rotten = |port, nest| format!("grain = 'rotten'\n{}", flock(port, nest));
    let flocks = [
        ("grey", rotten(ports[0], "~/grey")),
        ("white", rotten(ports[1], "~/white")),
    ];
    let place = place_with(&flocks);
    let ran = place.bridge(&RUN_ALL).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("2 of 2 bridges"), "{ran:#?}");
}

#[tokio::test]
async fn machines_get_the_account_with_every_event() {
    let ports = ports();
    let rotten = |port, nest| format!("grain = 'rotten'\n{}", flock(port, nest));
    let flocks = [
        ("grey", rotten(ports[0], "~/grey")),
        ("white", rotten(ports[1], "~/white")),
    ];
    let place = place_with(&flocks);
    let ran = place.bridge(&[&RUN_ALL[..], &["--json"]].concat()).await;
    let mut accounts: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| format!("{} {}", event["account"], event["event"]))
        .collect();
    accounts.sort();
    assert_eq!(accounts, [r#""grey" "fatal""#, r#""white" "fatal""#]);
}

#[tokio::test]
async fn the_status_of_all_names_those_that_give_none() {
    let (place, _) = two();
    let ran = place.bridge(&["status", "--all-accounts", "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let list = ran.json();
    let seen: Vec<(&Value, &Value)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["account"], &one["error"]["code"]))
        .collect();
    assert_eq!(seen.len(), 2, "{list:#}");
    for (name, (account, code)) in ["grey", "white"].into_iter().zip(seen) {
        assert_eq!(
            (account, code),
            (&name.into(), &"bridge_unreachable".into())
        );
        let hint = format!("`loong pigeon-post bridge run --account {name}`");
        assert!(ran.stderr.contains(&hint), "{ran:#?}");
    }
    assert!(
        ran.stderr.contains("2 of 2 bridges gave no status"),
        "{ran:#?}"
    );
}
