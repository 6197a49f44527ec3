//! A plugin that misbehaves beside one that does not, by the real binary: the operator is told which
//! it is and what to do, and everything else works.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::running::Running;
use common::{Bridge, Place, Ran};
use loong::plain_text::is_active;
use serde_json::json;

const SERVE: [&str; 5] = ["channels", "serve", "hostile", "--reply", "echo"];
const SEND: [&str; 7] = [
    "channels", "send", "hostile", "--target", "x", "--text", "y",
];
const URL: &str = "http://127.0.0.1:1/";

/// Pigeons, and a hostile plugin with these keys.
fn beside_pigeons(keys: &str) -> Place {
    let place = Place::new();
    place.install("invented-channel", "pigeon-post.wasm");
    place.install("hostile-channel", "hostile-channel.wasm");
    place.configure(&format!(
        "[runtime_plugins]\nenabled = true\nroots = ['./plugins']\n[pigeon]\nenabled = true\ntower = '{URL}'\n[hostile]\n{keys}\n"
    ));
    place
}

#[track_caller]
fn assert_harmless(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(
            !text.contains(|c: char| is_active(c) && c != '\n'),
            "{text:?}"
        );
        assert!(!text.contains("\nhint: run this"), "{text}");
        assert!(text.len() < 60_000, "{}", text.len());
    }
}

#[tokio::test]
async fn a_list_and_doctor_go_on_beside_a_plugin_that_is_stopped() {
    for (behaviour, code, what) in [
        ("trap", "plugin_trapped", "broke down"),
        (
            "memory",
            "plugin_out_of_memory",
            "asked for more memory than 64 MiB",
        ),
        (
            "flood_log",
            "plugin_too_many_host_calls",
            "called the host more than 2000 times",
        ),
        (
            "active_label",
            "plugin_broke_contract",
            "its account label is",
        ),
        (
            "stranger_url",
            "plugin_not_believed",
            "reports bridge_url `http://127.0.0.1:9`",
        ),
    ] {
        let place = beside_pigeons(&format!("behave = '{behaviour}'"));
        let ran = place.loong(&["channels", "--json"]).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let listing = ran.json();
        assert_eq!(listing["channels"][0]["id"], "pigeon-post");
        let problem = &listing["problems"][0];
        assert_eq!(problem["code"], code, "{listing:#}");
        let message = problem["message"].as_str().unwrap();
        assert!(
            message.contains("plugin hostile-bridge 0.1.0, call validate-config"),
            "{message}"
        );
        assert!(message.contains(what), "{message}");
        assert!(!problem["hint"].as_str().unwrap().is_empty());
        let doctor = place.loong(&["doctor"]).await;
        assert_eq!(doctor.code, Some(1), "{doctor:#?}");
        assert!(doctor.stdout.contains(what), "{doctor:#?}");
        for ran in [
            &place.loong(&["channels"]).await,
            &doctor,
            &place.sends(&[]).await,
        ] {
            assert_harmless(ran);
        }
    }
}

#[tokio::test]
async fn whatever_a_guest_or_its_bridge_says_acts_on_no_terminal() {
    let bridge = Bridge::start(
        "connected",
        |_| json!({ "said": "x\u{9b}2J\u{202e}\u{85}y".repeat(1_000) }),
    )
    .await;
    let url = &bridge.url;
    for behaviour in [
        "relay",
        "shout",
        "active_no",
        "active_target",
        "chatter_once",
    ] {
        let place = beside_pigeons(&format!(
            "bridge_url = '{url}'\nbehave_later = '{behaviour}'"
        ));
        for more in [
            &[][..],
            &["--json"],
            &["--log", "debug"],
            &["--log-format", "json"],
        ] {
            let ran = place.loong(&[&SEND, more].concat()).await;
            assert_harmless(&ran);
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                behaviour != "relay" || all.contains("said"),
                "it is in the log: {ran:#?}"
            );
            assert!(
                !all.contains("is anybody there"),
                "its standard output is nowhere"
            );
        }
    }
    let place = beside_pigeons("behave = 'shout'");
    for command in [
        &["channels"][..],
        &["channels", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let ran = place.loong(command).await;
        assert!(
            ran.stdout.contains("hint: run this"),
            "on a line of another: {ran:#?}"
        );
        assert_harmless(&ran);
    }
}

/// Each step has an instance of its own: one that was stopped is not there any more.
#[tokio::test(flavor = "multi_thread")]
async fn serve_outlives_each_way_to_misbehave_and_answers_when_the_guest_does() {
    const BAD: [&str; 3] = ["trap", "memory", "again"];
    let asked = AtomicUsize::new(0);
    let bridge = Bridge::start("connected", move |_| {
        let how = BAD.get(asked.fetch_add(1, Ordering::SeqCst));
        json!({ "behave": how.unwrap_or(&"message") })
    })
    .await;
    let place = beside_pigeons(&format!(
        "bridge_url = '{}'\nbehave_later = 'ask'",
        bridge.url
    ));
    let serving = Running::of(place.start(&SERVE));
    let lines = serving.says_all(&["in   chat", "answered"]);
    let words = lines.join("\n");
    assert!(
        words.contains("plugin hostile-bridge 0.1.0, call serve-step receive broke down"),
        "{words}"
    );
    assert!(
        words.contains("hint: report this to the plugin's maintainer"),
        "{words}"
    );
    assert!(
        !words.contains(|c: char| is_active(c) && c != '\n'),
        "{words:?}"
    );
    assert_eq!(serving.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_component_that_is_exchanged_never_runs_and_doctor_says_so() {
    let place = beside_pigeons("behave = 'trap'");
    let manifest = "plugins/hostile-channel/loong.plugin.json";
    let file = place.path("plugins/hostile-channel/hostile-channel.wasm");
    place.edit(manifest, |it| {
        it["metadata"]["loong_component_sha256"] = "00".repeat(32).into();
    });
    for command in [&["channels"][..], &["doctor"], &SEND] {
        let ran = place.loong(command).await;
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            all.contains("it is not the file its manifest pins"),
            "{ran:#?}"
        );
        assert!(!all.contains("broke down"), "it ran: {ran:#?}");
    }
    // Nor is something else than a component read as one.
    std::fs::write(&file, "#!/bin/sh").unwrap();
    let ran = place.loong(&SEND).await;
    assert!(
        ran.stderr.contains("it is not the file its manifest pins"),
        "{ran:#?}"
    );
    // A link that leads out of the plugin's folder is no component at all.
    std::fs::remove_file(&file).unwrap();
    symlink(
        place.path("plugins/invented-channel/pigeon-post.wasm"),
        &file,
    )
    .unwrap();
    let ran = place.loong(&["channels"]).await;
    assert!(
        ran.stderr.contains("not inside the plugin's folder"),
        "{ran:#?}"
    );
    assert!(ran.stdout.contains("pigeon-post"), "{ran:#?}");
}
