//! What is found on the disk: written by us, by an earlier version, by a dying process, or by somebody else.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::LazyLock;

use loong::bridge::token::Tokens;
use loong::door::BridgeAddress;
use loong::home::Home;
use loong::serve::history::History;
use loong::serve::reply::Turn;
use loong::serve::runtime_state::{Folder, Moment, Record, Served, Wanted, claim};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::input::{self, bytes, json, like, text};

const WORDS: &[&str] = &[
    "version",
    "instance",
    "pid",
    "started_at",
    "heartbeat_at",
    "standing_by",
    "stopping",
    "channel",
    "configured_id",
    "account_id",
    "config",
    "active_runs",
    "recent_incidents",
    "last_error",
    "owner_pids",
    "kind",
    "failure",
];
const NOW: Moment = Moment(1_700_000_000_000);

properties!(
    what_stands_in_the_place_of_a_record_is_read_as_ours_or_told(
        prop_oneof![
            bytes().boxed(),
            json(WORDS)
                .prop_map(|value| value.to_string().into_bytes())
                .boxed(),
            changed().boxed()
        ],
        5,
        |content| {
            let place = Place::new();
            fs::write(&place.record, &content).unwrap();
            let contents = place.folder.look(NOW).unwrap();
            assert_eq!(contents.found.len() + contents.unusable.len(), 1);
            match contents.found.first() {
                Some(found) => {
                    let read: Record = serde_json::from_slice(&content).unwrap();
                    assert_eq!(found.record, read);
                    assert!(
                        place
                            .record
                            .to_string_lossy()
                            .ends_with(&format!("-{}.json", read.instance))
                    );
                }
                None => assert!(!contents.unusable[0].1.to_string().is_empty()),
            }
        }
    ),
    a_record_is_read_as_it_was_written(record(), 5, |record| {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        let place = Place::new();
        let record = Record {
            instance: place.instance.clone(),
            served: served(),
            ..record
        };
        fs::write(&place.record, serde_json::to_vec(&record).unwrap()).unwrap();
        let contents = place.folder.look(NOW).unwrap();
        if record.version > 1 {
            assert!(contents.found.is_empty() && contents.unusable.len() == 1);
        } else {
            assert_eq!(contents.found[0].record, record);
        }
    }),
    a_request_that_cannot_be_read_is_one_to_stop(
        prop_oneof![
            bytes().boxed(),
            json(&["wanted", "by_pid", "at", "stop", "give_way"])
                .prop_map(|value| value.to_string().into_bytes())
                .boxed()
        ],
        5,
        |content| {
            let place = Place::new();
            fs::write(place.record.with_extension("request"), &content).unwrap();
            let contents = place.folder.look(NOW).unwrap();
            let asked = contents.found[0].asked.clone().unwrap();
            if serde_json::from_slice::<loong::serve::runtime_state::Request>(&content).is_err() {
                assert_eq!(asked.wanted, Wanted::Stop);
            }
        }
    ),
    a_token_is_64_hexadecimal_digits_or_none(
        prop_oneof![
            bytes().boxed(),
            like("[0-9a-fA-F]{62,66}")
                .prop_map(String::into_bytes)
                .boxed(),
            like(" ?[0-9a-f]{64}\n?")
                .prop_map(String::into_bytes)
                .boxed()
        ],
        5,
        |content| {
            let place = input::folder();
            let home = Home::at(place.path(), place.path());
            let run = home.run_dir().unwrap();
            fs::write(run.join("bridge-127.0.0.1-39731.token"), &content).unwrap();
            let address = BridgeAddress::parse("http://127.0.0.1:39731/bridge").unwrap();
            let text = String::from_utf8(content).ok();
            let hex = text
                .as_deref()
                .map(str::trim)
                .filter(|text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()));
            match Tokens::of(&home).read(&address) {
                Ok(token) => {
                    let token = token.unwrap();
                    assert_eq!(token.bearer(), format!("Bearer {}", hex.unwrap()));
                    assert!(!format!("{token:?}").contains(hex.unwrap()));
                    let proof = token.proof("a nonce").unwrap();
                    assert!(token.proves("a nonce", &proof) && !token.proves("another", &proof));
                }
                Err(error) => {
                    assert!(hex.is_none());
                    let words = error.to_string();
                    assert!(
                        text.is_none_or(
                            |text| text.trim().len() < 8 || !words.contains(text.trim())
                        ),
                        "{words}"
                    );
                }
            }
        }
    ),
    what_was_said_is_remembered_in_order_and_no_more_than_that(
        prop::collection::vec((0_u8..3, 0_u8..6, text(), text()), 0..12),
        25,
        |turns| {
            const LIMIT: usize = 3;
            let history = history("pigeon-post", LIMIT);
            let mut meant: std::collections::BTreeMap<u8, Vec<(u8, Turn)>> =
                std::collections::BTreeMap::new();
            RUNTIME.block_on(async {
                for (conversation, id, user, reply) in turns {
                    let turn = Turn { user, reply };
                    history
                        .record(&conversation.to_string(), &id.to_string(), turn.clone())
                        .await
                        .unwrap();
                    let kept = meant.entry(conversation).or_default();
                    if !kept.iter().any(|(known, _)| *known == id) {
                        kept.push((id, turn));
                        kept.drain(..kept.len().saturating_sub(LIMIT));
                    }
                }
                for (conversation, kept) in &meant {
                    let read = history.turns(&conversation.to_string(), "").await.unwrap();
                    let expected: Vec<Turn> = kept.iter().map(|(_, turn)| turn.clone()).collect();
                    assert_eq!(read, expected);
                }
            });
        }
    ),
    a_history_that_is_none_is_refused_and_left_as_it_is(bytes(), 25, |content| {
        let place = input::folder();
        let home = Home::at(place.path(), place.path());
        let file = place.path().join("history.db");
        fs::write(&file, &content).unwrap();
        match History::open(&home, "pigeon-post", "work", 3) {
            Ok(history) => {
                let read = RUNTIME.block_on(history.turns("a", "b"));
                assert!(read.is_err() || read.unwrap().is_empty());
            }
            Err(failure) => {
                assert_eq!(failure.code, "history_unusable");
                assert_eq!(fs::read(&file).unwrap(), content);
            }
        }
    }),
);

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
});

/// A home in which one loop has its record.
struct Place {
    _home: tempfile::TempDir,
    folder: Folder,
    record: PathBuf,
    instance: String,
}

impl Place {
    fn new() -> Self {
        let place = input::folder();
        let home = Home::at(place.path(), place.path());
        let claimed = claim(&home, served(), false, Arc::new(|| NOW)).unwrap();
        let folder = Folder::of(&home);
        let instance = folder.look(NOW).unwrap().found[0].record.instance.clone();
        let entries = fs::read_dir(home.run_path().join("serve"))
            .unwrap()
            .flatten();
        let record = entries
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|kind| kind == "json"))
            .unwrap();
        let kept = fs::read(&record).unwrap();
        drop(claimed);
        fs::write(&record, kept).unwrap();
        Self {
            _home: place,
            folder,
            record,
            instance,
        }
    }
}

fn served() -> Served {
    Served {
        channel: "pigeon-post".to_owned(),
        configured_id: "work".to_owned(),
        configured_label: "Work".to_owned(),
        account_id: "pigeon_work".to_owned(),
        account_label: "the flock".to_owned(),
        config: "/etc/loong.toml".to_owned(),
    }
}

fn record() -> impl Strategy<Value = Record> {
    let moments = prop::array::uniform3(any::<u64>());
    let incident = (
        any::<u64>(),
        prop::option::of(text()),
        prop::collection::vec(any::<u32>(), 0..3),
        prop::sample::select(vec!["failure", "recovery", "duplicate_reclaim"]),
    );
    let activity = (
        0_usize..9,
        any::<u32>(),
        prop::option::of(any::<u64>()),
        prop::option::of(text()),
        prop::collection::vec(incident, 0..3),
    );
    (0_u32..4, text(), any::<u32>(), moments, any::<[bool; 2]>(), text(), activity).prop_map(
        |(version, instance, pid, [started_at, heartbeat_at, last], [standing_by, stopping], words, activity)| {
            let (active_runs, failures, failed, error, incidents) = activity;
            let incidents: Vec<Value> = incidents
                .into_iter()
                .map(|(at_ms, detail, owner_pids, kind)| json!({ "at_ms": at_ms, "kind": kind, "detail": detail, "owner_pids": owner_pids }))
                .collect();
            let activity = json!({
                "active_runs": active_runs,
                "consecutive_failures": failures,
                "last_run_activity_at": last,
                "last_failure_at": failed,
                "last_recovery_at": null,
                "last_error": error,
                "recent_incidents": incidents,
            });
            Record {
                version,
                instance,
                pid,
                started_at: Moment(started_at),
                heartbeat_at: Moment(heartbeat_at),
                standing_by,
                stopping,
                served: Served { account_label: words.clone(), config: words, ..served() },
                activity: serde_json::from_value(activity).unwrap(),
            }
        },
    )
}

/// A record with some fields that are not what they should be.
fn changed() -> impl Strategy<Value = Vec<u8>> {
    (
        record(),
        prop::collection::vec((prop::sample::select(WORDS), json(WORDS)), 0..4),
        any::<bool>(),
    )
        .prop_map(|(record, changes, whole)| {
            let mut record = serde_json::to_value(record).unwrap();
            for (key, value) in changes {
                record[key] = value;
            }
            let mut bytes = record.to_string().into_bytes();
            if !whole {
                bytes.truncate(bytes.len() / 2);
            }
            bytes
        })
}

/// A history in a file of its own: opening one costs more than all that is done with it.
fn history(channel: &str, limit: usize) -> History {
    static HOME: LazyLock<tempfile::TempDir> = LazyLock::new(input::folder);
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let home = Home::at(HOME.path(), HOME.path());
    History::open(&home, channel, &format!("account {number}"), limit).unwrap()
}
