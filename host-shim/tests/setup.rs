//! Setting up a channel that this host has never heard of, where nobody can be asked: its plugin says
//! what the keys are called, and its component judges the answers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::net::TcpListener;

use common::{Place, Ran};
use serde_json::{Value, json};

/// A place without a configuration, with the plugin where a source tree has it.
fn empty() -> Place {
    let place = Place::new();
    place.install_below("runtime-plugins", "invented-channel", "pigeon-post.wasm");
    place
}

const SETUP: [&str; 2] = ["pigeon-post", "setup"];
const ANSWERED: [&str; 5] = ["--reply", "echo", "--yes", "--json", "--no-pair"];

async fn setup(place: &Place, more: &[&str]) -> Ran {
    place.loong(&[&SETUP, more].concat()).await
}

fn config(place: &Place) -> Option<String> {
    fs::read_to_string(place.path("loong.toml")).ok()
}

#[tokio::test]
async fn an_empty_place_becomes_one_that_only_lacks_its_bridge() {
    let place = empty();
    let ran = setup(&place, &ANSWERED).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let told = ran.json();
    assert_eq!(told["channel"], "pigeon-post");
    assert_eq!(told["account"], "flock");
    assert_eq!(told["changed"], true);
    assert_eq!(told["reply"], "echo");
    for check in told["checks"].as_array().unwrap() {
        let bridge = check["id"].as_str().unwrap().starts_with("bridge");
        assert!(check["status"] != "fail" || bridge, "{check:#}");
    }
    let text = config(&place).unwrap();
    let written: toml::Table = toml::from_str(&text).unwrap();
    let root = place.path("runtime-plugins").canonicalize().unwrap();
    let url = told["bridge_url"].as_str().unwrap();
    assert!(
        url.starts_with("http://127.0.0.1:398") && url.ends_with("/tower"),
        "{url}"
    );
    let expected: toml::Table = toml::from_str(&format!(
        "[runtime_plugins]\nenabled = true\nroots = [{root:?}]\n\
         [pigeon]\nenabled = true\nmanaged_bridge_plugin_id = \"pigeon-post-bridge\"\n\
         tower = {url:?}\nnest = {:?}\n[reply]\nengine = \"echo\"\n",
        place.path("home/pigeon-post/flock")
    ))
    .unwrap();
    assert_eq!(written, expected);
    assert!(
        text.contains("# Where the tower answers. It is high.\ntower ="),
        "{text}"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(place.path("loong.toml"))
            .unwrap()
            .permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_missing_answer_names_its_flag_and_nothing_is_written() {
    let nowhere = Place::new();
    let table: [(&Place, &[&str], &str); 5] = [
        (
            &nowhere,
            &["--reply", "echo", "--yes"],
            "add --root <folder>",
        ),
        (&empty(), &["--yes"], "add --reply echo|command|provider"),
        (&empty(), &["--reply", "echo"], "add --yes"),
        (
            &empty(),
            &["--reply", "command", "--yes"],
            "add --command <word>",
        ),
        (
            &empty(),
            &["--provider-kind", "ollama", "--yes"],
            "add --model <model>",
        ),
    ];
    for (place, more, hint) in table {
        let ran = setup(place, more).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(hint), "{hint}: {ran:#?}");
        assert!(ran.stderr.contains("nothing was changed"), "{ran:#?}");
        assert_eq!(config(place), None);
    }
}

#[tokio::test]
async fn a_wrong_answer_is_refused_with_the_rule_and_nothing_is_written() {
    let table: [(&[&str], &str); 9] = [
        (&["--account", "swarm"], "there is no such flock"),
        (&["--allow", "+15551234567"], "has no list of chats"),
        (&["--root", "./gone"], "gone is no folder"),
        (
            &["--root", "./plugins"],
            "no plugin serves a channel called `pigeon-post`",
        ),
        (&["--port", "0"], "0 is not in 1.."),
        (
            &["--provider-kind", "parrot", "--model", "m"],
            "`parrot` is no provider",
        ),
        (
            &[
                "--provider-kind",
                "custom",
                "--model",
                "m",
                "--base-url",
                "http://example.com",
            ],
            "must start with https://",
        ),
        (
            &[
                "--provider-kind",
                "openai",
                "--model",
                "m",
                "--api-key-env",
                "sk-live-0123456789abcdefghij",
            ],
            "does not hold the name of an environment variable",
        ),
        (&["--reply", "echo", "--command", "x"], "do not go together"),
    ];
    for (more, why) in table {
        let place = empty();
        let ran = setup(&place, &[more, &["--yes"]].concat()).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(why), "{why}: {ran:#?}");
        assert!(!ran.stderr.contains("sk-live"), "{ran:#?}");
        assert_eq!(config(&place), None);
    }
}

#[tokio::test]
async fn what_is_set_up_is_left_alone_unless_it_is_forced() {
    let place = empty();
    assert_eq!(setup(&place, &ANSWERED).await.code, Some(0));
    let before = config(&place).unwrap();
    let ran = setup(&place, &ANSWERED).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(ran.stderr.contains("is set up already"), "{ran:#?}");
    assert!(ran.stderr.contains("--force"), "{ran:#?}");
    assert_eq!(config(&place).unwrap(), before);

    let again = setup(&place, &["--force", "--yes", "--json"]).await;
    assert_eq!(again.json()["changed"], false, "{again:#?}");
    assert_eq!(config(&place).unwrap(), before);

    let moved = setup(&place, &["--force", "--yes", "--port", "7", "--no-pair"]).await;
    assert_eq!(moved.code, Some(0), "{moved:#?}");
    assert!(
        moved
            .stderr
            .contains("+ tower = \"http://127.0.0.1:7/tower\""),
        "{moved:#?}"
    );
    let changed = |line: &str| line.starts_with("  + ") || line.starts_with("  - ");
    assert_eq!(
        moved.stderr.lines().filter(|line| changed(line)).count(),
        2,
        "{moved:#?}"
    );
}

#[tokio::test]
async fn comments_and_other_tables_of_a_configuration_survive() {
    let mine = "# mine\n[other] # theirs\nkey = \"secret\" # why\n\n[reply] # answers\nengine = \"echo\"\n";
    let place = empty();
    place.configure(mine);
    let ran = setup(&place, &["--yes", "--no-pair"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let text = config(&place).unwrap();
    assert!(text.starts_with(mine), "{text}");
    assert!(!ran.stderr.contains("secret"), "{ran:#?}");
    assert!(
        ran.stderr.contains("next: loong pigeon-post bridge run"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn a_configuration_that_is_wrong_is_not_touched() {
    for (text, why) in [
        ("[pigeon\n", "is not TOML"),
        ("[runtime_plugins]\nenabled = 'yes'\n", "invalid type"),
        (
            "[runtime_plugins]\nenabled = true\nroots = ['./gone']\n",
            "`./gone`",
        ),
        ("pigeon = 1\n", "is not a table"),
    ] {
        let place = empty();
        place.configure(text);
        let ran = setup(&place, &ANSWERED).await;
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(ran.stderr.contains(why), "{why}: {ran:#?}");
        assert_eq!(config(&place).unwrap(), text);
    }
}

#[tokio::test]
async fn what_answers_can_be_a_program_or_a_model_and_its_key_stays_out() {
    let place = empty();
    let program = ["--command", "/bin/cat", "--command", "--brief"];
    let ran = setup(&place, &[&program[..], &["--yes", "--json"]].concat()).await;
    assert_eq!(ran.json()["reply"], "command", "{ran:#?}");
    let written: toml::Table = toml::from_str(&config(&place).unwrap()).unwrap();
    assert_eq!(
        written["reply"]["command"].to_string(),
        "[\"/bin/cat\", \"--brief\"]"
    );

    let model = [
        "--provider-kind",
        "openai-compatible",
        "--model",
        "m",
        "--base-url",
        "http://127.0.0.1:9/v1",
        "--api-key-env",
        "MY_KEY",
    ];
    let ran = setup(&place, &[&model[..], &["--force", "--yes"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("MY_KEY is not set here"), "{ran:#?}");
    let written: toml::Table = toml::from_str(&config(&place).unwrap()).unwrap();
    let provider: Value = serde_json::to_value(&written["provider"]).unwrap();
    assert_eq!(
        provider,
        json!({ "kind": "openai-compatible", "model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key": { "env": "MY_KEY" } })
    );
}

#[tokio::test]
async fn what_answers_already_is_not_replaced_in_passing() {
    let place = empty();
    let before = "[provider]\nkind = \"ollama\"\nmodel = \"small\"\n";
    for more in [
        &["--provider-kind", "openai", "--model", "large"][..],
        &["--reply", "echo"],
    ] {
        let text = match more {
            ["--reply", _] => format!("{before}[reply]\nengine = \"provider\"\n"),
            _ => before.to_owned(),
        };
        place.configure(&text);
        let ran = setup(&place, &[more, &["--yes"]].concat()).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("says already what answers"), "{ran:#?}");
        assert_eq!(config(&place).unwrap(), text);
    }
}

#[tokio::test]
async fn a_port_that_somebody_listens_on_is_not_chosen() {
    // Perhaps somebody else has it already: then nobody is given it either.
    let _taken = TcpListener::bind("127.0.0.1:39800");
    let place = empty();
    let told = setup(&place, &ANSWERED).await.json();
    assert_ne!(told["bridge_url"], "http://127.0.0.1:39800/tower");
}
