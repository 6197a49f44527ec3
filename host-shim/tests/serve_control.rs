//! Who serves, and how to stop it: several processes, configurations and accounts of an invented
//! channel, by the real binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::sync::{Arc, Mutex};

use common::running::Running;
use common::{Bridge, Place};
use rustix::process::Signal;
use serde_json::{Value, json};

const SERVE: [&str; 5] = ["channels", "serve", "pigeon-post", "--reply", "echo"];

/// A tower from which pigeons come; each comes until it is set free.
async fn tower() -> (Bridge, Arc<Mutex<Vec<Value>>>) {
    let pigeons: Arc<Mutex<Vec<Value>>> = Arc::default();
    let here = Arc::clone(&pigeons);
    let bridge = Bridge::start("connected", move |question| {
        let mut pigeons = here.lock().unwrap();
        if let Some(ring) = question.get("set_free") {
            pigeons.retain(|pigeon| pigeon["ring"] != *ring);
            return json!({});
        }
        match question.get("fly") {
            Some(_) => json!({ "landed": "ring-7" }),
            None => json!({ "pigeons": *pigeons }),
        }
    })
    .await;
    (bridge, pigeons)
}

fn pigeon(ring: &str) -> Value {
    json!({ "ring": ring, "from": "north", "letter": "coo" })
}

fn serving(place: &Place, more: &[&str]) -> Running {
    Running::of(place.start(&[&SERVE, more].concat()))
}

async fn runtime(place: &Place) -> Value {
    let listing = place.loong(&["channels", "--json"]).await.json();
    listing["channels"][0]["operations"][1]["runtime"].clone()
}

/// Changes the only record there is.
fn edit_record(place: &Place, change: impl FnOnce(&mut Value)) {
    let folder = place.path("home/run/serve");
    let record = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|kind| kind == "json"))
        .unwrap();
    let mut value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
    change(&mut value);
    fs::write(record, value.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_is_refused_and_the_first_can_be_stopped_from_elsewhere() {
    let (tower, _pigeons) = tower().await;
    let place = Place::with_pigeons(&tower.url);
    let first = serving(&place, &[]);
    first.says("connected");

    for more in [&[][..], &["--once"]] {
        let refused = place.loong(&[&SERVE, more].concat()).await;
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        let owner = format!("already served by process {}", first.id());
        assert!(refused.stderr.contains(&owner), "{refused:#?}");
        assert!(refused.stderr.contains("--stop`"), "{refused:#?}");
    }
    let listed = runtime(&place).await;
    assert_eq!(
        (&listed["running"], &listed["pid"]),
        (&json!(true), &json!(first.id()))
    );

    let stopped = place
        .loong(&["channels", "serve", "pigeons", "--stop", "--json"])
        .await;
    assert_eq!(stopped.code, Some(0), "{stopped:#?}");
    assert_eq!(stopped.json()["stopped"][0]["pid"], first.id());
    assert_eq!(stopped.json()["stopped"][0]["ended"], true);
    first.says("asks to stop");
    assert_eq!(first.ends().await.code, Some(0));
    assert!(runtime(&place).await["pid"].is_null());

    let nothing = place
        .loong(&["channels", "serve", "pigeons", "--stop"])
        .await;
    assert_eq!(nothing.code, Some(1), "{nothing:#?}");
    assert!(nothing.stderr.contains("nothing serves"), "{nothing:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_can_be_stopped_when_its_configuration_is_broken_by_now() {
    let (tower, _pigeons) = tower().await;
    let place = Place::with_pigeons(&tower.url);
    let serving = serving(&place, &[]);
    serving.says("connected");
    place.configure("[runtime_plugins");
    let stopped = place
        .loong(&["channels", "serve", "pigeon-post", "--stop"])
        .await;
    assert_eq!(stopped.code, Some(0), "{stopped:#?}");
    assert_eq!(serving.ends().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_slept_finds_that_it_was_replaced_and_answers_no_more() {
    let (tower, pigeons) = tower().await;
    let place = Place::with_pigeons(&tower.url);
    let slept = serving(&place, &[]);
    slept.says("connected");
    slept.signal(Signal::STOP);
    // Half a minute later.
    edit_record(&place, |record| record["heartbeat_at"] = json!(1));
    let frozen = runtime(&place).await;
    assert_eq!(
        (&frozen["stale"], &frozen["running"]),
        (&json!(true), &json!(false))
    );

    let next = serving(&place, &[]);
    next.says(&format!("taking over from process {}", slept.id()));
    next.says("connected");
    slept.signal(Signal::CONT);
    slept.says(&format!("process {} took over", next.id()));
    assert_eq!(slept.ends().await.code, Some(0));

    pigeons.lock().unwrap().push(pigeon("ring-1"));
    next.says("answered");
    assert_eq!(next.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_stands_by_and_the_newest_is_kept() {
    let (tower, pigeons) = tower().await;
    let place = Place::with_pigeons(&tower.url);
    fs::copy(place.path("loong.toml"), place.path("other.toml")).unwrap();
    let old = serving(&place, &[]);
    old.says("connected");
    let new = serving(&place, &["--config", "other.toml"]);
    let words = new.says("stands by").join("\n");
    assert!(words.contains(&old.id().to_string()), "{words}");
    assert!(words.contains("loong.toml"), "{words}");

    let mut pids = [old.id(), new.id()];
    pids.sort_unstable();
    let listed = runtime(&place).await;
    assert_eq!(listed["duplicate_owner_pids"], json!(pids));
    assert_eq!(listed["pid"], old.id());
    let words = place.loong(&["channels"]).await.stdout;
    let line = format!("duplicates: process {}", new.id());
    assert!(words.contains(&line), "{words}");
    let once = [&SERVE[..], &["--once", "--config", "other.toml"]].concat();
    assert_eq!(place.loong(&once).await.code, Some(1));

    let ran = place
        .loong(&[
            "channels",
            "serve",
            "pigeons",
            "--stop-duplicates",
            "--json",
        ])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.json()["kept"][0]["pid"], new.id());
    assert_eq!(ran.json()["stopped"][0]["pid"], old.id());
    assert_eq!(old.ends().await.code, Some(0));
    new.says("this one answers now");
    pigeons.lock().unwrap().push(pigeon("ring-1"));
    new.says("answered");
    let listed = runtime(&place).await;
    assert_eq!(listed["duplicate_owner_pids"], json!([]));
    let stopped = &listed["last_duplicate_reclaim_cleanup_owner_pids"];
    assert_eq!(stopped[0], ran.json()["stopped"][0]["pid"]);
    assert_eq!(new.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_serves_alone_has_no_duplicates_to_stop() {
    let (tower, _pigeons) = tower().await;
    let place = Place::with_pigeons(&tower.url);
    let alone = serving(&place, &[]);
    alone.says("connected");
    let ran = place
        .loong(&["channels", "serve", "pigeons", "--stop-duplicates"])
        .await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("serves alone"), "{ran:#?}");
    assert_eq!(alone.stop().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_accounts_are_served_side_by_side_and_end_together() {
    let (north, pigeons) = tower().await;
    let (south, scouts) = tower().await;
    let place = Place::with_pigeons(&north.url);
    let config = fs::read_to_string(place.path("loong.toml")).unwrap();
    let config = config.replace("[pigeon]", "[pigeon.flocks.flock]");
    let scouts_too = format!(
        "[pigeon.flocks.scouts]\nenabled = true\ntower = '{}'\n",
        south.url
    );
    place.configure(&format!("{config}{scouts_too}"));
    pigeons.lock().unwrap().push(pigeon("ring-1"));
    scouts.lock().unwrap().push(pigeon("ring-2"));
    let both = serving(&place, &["--all-accounts"]);
    let mut lines = Vec::new();
    for _answer in 0..2 {
        lines.extend(both.says("answered"));
    }
    for wanted in ["[flock] connected", "[scouts] connected"] {
        let heard = lines.iter().any(|line| line.contains(wanted));
        assert!(heard, "{wanted}: {lines:#?}");
    }
    let out: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("answered"))
        .collect();
    assert!(
        out.iter()
            .any(|line| line.starts_with("[flock] out") && line.contains("ring-1")),
        "{out:?}"
    );
    assert!(
        out.iter()
            .any(|line| line.starts_with("[scouts] out") && line.contains("ring-2")),
        "{out:?}"
    );

    // One of them can be stopped alone.
    let stopped = place
        .loong(&[
            "channels",
            "serve",
            "pigeons",
            "--account",
            "scouts",
            "--stop",
        ])
        .await;
    assert_eq!(stopped.code, Some(0), "{stopped:#?}");
    both.says("[scouts] ended");
    assert_eq!(runtime(&place).await["running"], true);
    both.signal(Signal::INT);
    both.says("[flock] ended");
    assert_eq!(both.ends().await.code, Some(0));
    assert_eq!(runtime(&place).await["running"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_served_is_reported_and_stops_no_other() {
    let (tower, pigeons) = tower().await;
    let place = Place::with_pigeons(&tower.url);
    let config = fs::read_to_string(place.path("loong.toml")).unwrap();
    let config = config.replace("[pigeon]", "[pigeon.flocks.flock]");
    place.configure(&format!("{config}[pigeon.flocks.scouts]\nenabled = true\n"));
    pigeons.lock().unwrap().push(pigeon("ring-1"));
    let ran = place
        .loong(&[&SERVE[..], &["--all-accounts", "--once"]].concat())
        .await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for words in [
        "[scouts] cannot be served",
        "[scouts] set `pigeon.tower`",
        "[flock] out",
        "1 of 2 accounts could not be served",
    ] {
        assert!(ran.stderr.contains(words), "{words}: {ran:#?}");
    }
    assert!(pigeons.lock().unwrap().is_empty());
}
