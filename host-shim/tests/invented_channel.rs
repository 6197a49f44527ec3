//! A channel this host has never heard of is listed, resolved, and sent with, through the real
//! binary: everything about it comes from its manifest and its component.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::time::Duration;

use common::{COO, LIMITS, Place, ShutDoor, end_of, load_in};
use loong::component::engine::{CacheUse, Sandbox};
use serde_json::json;

#[tokio::test]
async fn it_is_listed_with_its_own_words() {
    let (place, tower) = Place::with_tower().await;
    let ran = place.loong(&["channels", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let listing = ran.json();
    for key in [
        "config",
        "schema",
        "summary",
        "channels",
        "catalog_only_channels",
        "channel_catalog",
        "channel_surfaces",
        "channel_access_policies",
    ] {
        assert!(listing.get(key).is_some(), "{key} is missing");
    }
    let catalog = &listing["channel_catalog"][0];
    assert_eq!(catalog["id"], "pigeon-post");
    assert_eq!(catalog["operations"][0]["label"], "pigeon departure");
    assert_eq!(
        catalog["plugin_bridge_contract"]["stable_targets"][0]["template"],
        "pigeon-post/<loft>"
    );
    let account = &listing["channels"][0];
    assert_eq!(account["configured_account_id"], "flock");
    assert_eq!(account["api_base_url"], tower.url);
    assert_eq!(account["operations"][1]["health"], "ready");
    assert!(account["operations"][0]["runtime"].is_null());
    assert_eq!(account["operations"][1]["runtime"]["running"], false);
    assert_eq!(
        account["operations"][1]["runtime"]["account_id"],
        "pigeon_flock"
    );

    let words = place.loong(&["channels"]).await.stdout;
    assert!(
        words.contains("pigeon-post") && words.contains("account flock (default)"),
        "{words}"
    );
}

#[tokio::test]
async fn it_has_the_fields_that_other_hosts_print() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!(
        "../../tests/fixtures/wire/stock-channels-json.json"
    ))
    .unwrap();
    let (place, _tower) = Place::with_tower().await;
    let listing = place.loong(&["channels", "list", "--json"]).await.json();
    for (ours, theirs) in [
        (&listing["channel_catalog"][0], &fixture["catalog_entry"]),
        (
            &listing["channel_catalog"][0]["operations"][0],
            &fixture["catalog_entry"]["operations"][0],
        ),
        (
            &listing["channel_catalog"][0]["plugin_bridge_contract"],
            &fixture["catalog_entry"]["plugin_bridge_contract"],
        ),
        (&listing["channels"][0], &fixture["account_snapshot"]),
        (
            &listing["channels"][0]["operations"][0],
            &fixture["account_snapshot"]["operations"][0],
        ),
    ] {
        for field in theirs.as_object().unwrap().keys() {
            assert!(ours.get(field).is_some(), "{field} is missing in {ours:#}");
        }
    }
}

#[tokio::test]
async fn a_text_is_sent_through_its_own_bridge_in_its_own_words() {
    let (place, tower) = Place::with_tower().await;
    let ran = place.sends(&["--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let key = ran.json()["idempotency_key"].clone();
    assert_eq!(
        ran.json(),
        json!({"channel": "pigeon-post", "account": "flock", "target": "pigeon-post/north", "message_id": "ring-7", "message_ids": ["ring-7"], "idempotency_key": key, "status": "sent"})
    );
    assert_eq!(
        tower.asked(),
        [json!({ "fly": { "to": "north", "letter": "coo", "seal": key } })]
    );
}

#[tokio::test]
async fn a_send_without_a_bridge_says_how_to_start_it() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let ran = place.sends(&[]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("hint: start the bridge with `loong pigeon-post bridge run`"),
        "{ran:#?}"
    );
    assert_eq!(ran.stderr.matches("error:").count(), 1);
}

#[tokio::test]
async fn a_target_its_component_refuses_is_wrong_usage() {
    let (place, tower) = Place::with_tower().await;
    let ran = place.sends(&["--target-kind", "cave"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("error: pigeons fly to lofts only\nhint: ask the pigeon keeper"),
        "{ran:#?}"
    );
    assert!(tower.asked().is_empty());
}

#[tokio::test]
async fn a_name_resolves_to_its_id_and_an_unknown_one_lists_what_is_there() {
    let place = Place::with_pigeons("http://127.0.0.1:1/");
    let ran = place
        .loong(&["channels", "resolve", "pigeon-post", "--json"])
        .await;
    assert_eq!(ran.json()["id"], "pigeon-post");
    let ran = place.loong(&["channels", "resolve", "smoke"]).await;
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    assert!(
        ran.stderr.contains("known channels: pigeon-post"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn a_second_start_takes_the_compiled_code_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let first = Sandbox::new(Some(folder.path()), LIMITS).unwrap();
    load_in(&first, "pigeon-post.wasm", ShutDoor::default()).await;
    let used = first.cache_use().unwrap();
    assert_eq!(used.hits, 0);
    assert!(used.misses > 0, "{used:?}");

    let second = Sandbox::new(Some(folder.path()), LIMITS).unwrap();
    load_in(&second, "pigeon-post.wasm", ShutDoor::default()).await;
    let expected = CacheUse {
        hits: used.misses,
        misses: 0,
    };
    assert_eq!(second.cache_use(), Some(expected));
}

#[tokio::test]
async fn a_cache_others_can_write_to_is_not_used_and_the_command_still_works() {
    let place = Place::with_pigeons("http://127.0.0.1:1/");
    place.make_dir("home", 0o700);
    place.make_dir("home/cache", 0o777);
    let ran = place.loong(&["channels"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(
        ran.stderr.contains("warning: compiled code is not kept"),
        "{ran:#?}"
    );
    assert_eq!(
        std::fs::read_dir(place.path("home/cache")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn a_component_that_is_not_the_one_its_manifest_pins_is_not_loaded() {
    let place = Place::with_pigeons("http://127.0.0.1:1/");
    place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
        manifest["metadata"]["loong_component_sha256"] = "00".repeat(32).into();
    });
    let ran = place.sends(&[]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("it is not the file its manifest pins"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn an_interrupted_send_ends_at_once_with_the_shells_own_code() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::with_pigeons(&format!("http://{}/tower", silent.local_addr().unwrap()));
    let child = place.start(&COO);
    let process = rustix::process::Pid::from_child(&child);
    // It has asked, and waits for an answer that never comes.
    let _asked = tokio::time::timeout(Duration::from_secs(60), silent.accept())
        .await
        .unwrap()
        .unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let ran = end_of(child).await;
    assert_eq!(ran.code, Some(130), "{ran:#?}");
}

#[tokio::test]
async fn what_is_no_command_is_wrong_usage_with_the_way_to_help() {
    let place = Place::with_pigeons("http://127.0.0.1:1/");
    for arguments in [
        ["docter"].as_slice(),
        &["channels", "sned"],
        &["pigeon-post", "bridge", "fly"],
        &["doctor", "--fast"],
    ] {
        let ran = place.loong(arguments).await;
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains("--help"), "{ran:#?}");
        assert!(ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[tokio::test]
async fn ctrl_c_ends_a_send_that_waits_for_somebody_to_write() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let mut child = place.start_with(
        &[
            "channels",
            "send",
            "pigeon-post",
            "--target",
            "north/ana",
            "--text",
            "-",
        ],
        std::process::Stdio::piped(),
    );
    // Held open: nobody writes, and nobody hangs up.
    let _input = child.stdin.take();
    let process = rustix::process::Pid::from_child(&child);
    let ended = async {
        // Before it listens for the signal it just dies; when it listens cannot be seen.
        while child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            rustix::process::kill_process(process, rustix::process::Signal::INT).ok();
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    if ended.is_err() {
        child.kill().unwrap();
    }
    assert!(ended.is_ok(), "it did not hear the signal");
}
