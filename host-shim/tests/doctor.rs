//! Doctor's verdict for a healthy place and for each way to misconfigure it, by the real binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;

use common::diagnosis::{check, fails};
use common::{Bridge, Place};
use serde_json::json;

async fn connected() -> Bridge {
    Bridge::start("connected", |_question| json!({})).await
}

#[tokio::test]
async fn a_healthy_place_passes_every_check() {
    let bridge = connected().await;
    let place = Place::with_pigeons(&bridge.url);
    place.make_dir("nest", 0o700);
    let nest = place.path("nest");
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '{}'\n", nest.display()));
    let ran = place.loong(&["doctor", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let diagnosis = ran.json();
    for id in [
        "home",
        "run_folder",
        "cache_folder",
        "disk_space",
        "config",
        "config_access",
        "runtime_plugins",
        "roots",
        "manifest",
        "plugin",
        "component_digest",
        "component",
        "channel_config",
        "send",
        "serve",
        "auth_dir",
        "bridge_url",
        "bridge",
    ] {
        assert!(check(&diagnosis, id, "ok").is_some(), "{id}: {diagnosis:#}");
    }
    let words = place.loong(&["doctor"]).await;
    assert!(
        words.stdout.contains("ok    bridge [pigeon-post flock]: "),
        "{words:#?}"
    );
    assert!(words.stdout.contains("unpinned"), "{words:#?}");
}

#[tokio::test]
async fn each_fault_of_the_files_fails_its_own_check_with_the_way_out() {
    let good = "[runtime_plugins]\nenabled = true\nroots = ['./plugins']\n";
    let table: [(&str, &str, &str, &str); 6] = [
        (
            "[runtime_plugins\n",
            "config",
            "loong.toml:1:",
            "correct that line",
        ),
        (
            "[runtime_plugins]\nroots = ['./plugins']\n",
            "runtime_plugins",
            "switched off",
            "enabled = true",
        ),
        ("", "runtime_plugins", "switched off", "enabled = true"),
        (
            "[runtime_plugins]\nenabled = true\n",
            "roots",
            "is empty",
            "roots =",
        ),
        (
            "[runtime_plugins]\nenabled = true\nroots = ['./gone']\n",
            "roots",
            "`./gone`",
            "working directory",
        ),
        (good, "manifest", "no loong.plugin.json", "roots"),
    ];
    for (text, id, seen, hint) in table {
        let place = Place::new();
        place.configure(text);
        fails(&place.loong(&["doctor", "--json"]).await, id, seen, hint);
    }
    let nowhere = Place::new();
    fails(
        &nowhere.loong(&["doctor", "--json"]).await,
        "config",
        "there is no configuration",
        "--config",
    );
}

type Fault = fn(&Place);

#[tokio::test]
async fn each_fault_of_a_plugin_fails_its_own_check_with_the_way_out() {
    const MANIFEST: &str = "plugins/invented-channel/loong.plugin.json";
    const WASM: &str = "plugins/invented-channel/pigeon-post.wasm";
    let table: [(Fault, &str, &str, &str); 8] = [
        (
            |place| {
                place.edit(MANIFEST, |manifest| {
                    manifest["metadata"]["loong_component_sha256"] = "00".repeat(32).into();
                });
            },
            "component_digest",
            "not the file its manifest pins",
            "nothing of this file was run",
        ),
        (
            |place| fs::write(place.path(MANIFEST), "{").unwrap(),
            "manifest",
            "not the JSON",
            "correct the manifest",
        ),
        (
            |place| place.edit(MANIFEST, |manifest| manifest["api_version"] = "v9".into()),
            "manifest",
            "api_version is `v9`",
            "same release",
        ),
        (
            |place| fs::remove_file(place.path(WASM)).unwrap(),
            "manifest",
            "does not exist",
            "cargo xtask build",
        ),
        (
            |place| fs::write(place.path(WASM), "no wasm").unwrap(),
            "component",
            "no WebAssembly component",
            "cargo xtask build",
        ),
        (
            |place| {
                fs::create_dir(place.path("plugins/twin")).unwrap();
                fs::copy(
                    place.path(MANIFEST),
                    place.path("plugins/twin/loong.plugin.json"),
                )
                .unwrap();
                fs::copy(
                    place.path(WASM),
                    place.path("plugins/twin/pigeon-post.wasm"),
                )
                .unwrap();
            },
            "manifest",
            "several manifests have the plugin id",
            "remove one of them",
        ),
        (
            |place| {
                fs::create_dir(place.path("plugins/other")).unwrap();
                fs::copy(
                    place.path(MANIFEST),
                    place.path("plugins/other/loong.plugin.json"),
                )
                .unwrap();
                fs::copy(
                    place.path(WASM),
                    place.path("plugins/other/pigeon-post.wasm"),
                )
                .unwrap();
                place.edit("plugins/other/loong.plugin.json", |manifest| {
                    manifest["plugin_id"] = "tower".into()
                });
            },
            "plugin",
            "several plugins serve pigeon-post",
            "managed_bridge_plugin_id",
        ),
        (
            |place| {
                let text = fs::read_to_string(place.path("loong.toml")).unwrap();
                place.configure(&format!("{text}managed_bridge_plugin_id = 'gone'\n"));
            },
            "plugin",
            "managed_bridge_plugin_id is `gone`",
            "what is there:",
        ),
    ];
    let bridge = connected().await;
    for (fault, id, seen, hint) in table {
        let place = Place::with_pigeons(&bridge.url);
        fault(&place);
        fails(&place.loong(&["doctor", "--json"]).await, id, seen, hint);
    }
}

#[tokio::test]
async fn each_fault_of_an_account_fails_its_own_check_with_the_way_out() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    fails(
        &place.loong(&["doctor", "--json"]).await,
        "bridge",
        "nothing answers",
        "loong pigeon-post bridge run",
    );

    let place = Place::with_pigeons("http://192.0.2.1/tower");
    fails(
        &place.loong(&["doctor", "--json"]).await,
        "bridge_url",
        "leaves this machine",
        "http://127.0.0.1",
    );

    let expired = Bridge::start("pairing_expired", |_question| json!({})).await;
    let place = Place::with_pigeons(&expired.url);
    fails(
        &place.loong(&["doctor", "--json"]).await,
        "bridge",
        "pairing_expired",
        "loong pigeon-post bridge resume",
    );

    let bridge = connected().await;
    let place = Place::with_pigeons(&bridge.url);
    place.make_dir("nest", 0o755);
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '~/nest'\n"));
    fails(
        &place.loong(&["doctor", "--json"]).await,
        "auth_dir",
        "open to others",
        "chmod 700",
    );

    let place = Place::with_pigeons(&bridge.url);
    place.configure(&text.replace("tower =", "spire ="));
    fails(
        &place.loong(&["doctor", "--json"]).await,
        "send",
        "the pigeons have no tower",
        "pigeon.tower",
    );
}

#[tokio::test]
async fn what_is_not_wrong_yet_is_a_warning_and_no_failure() {
    let bridge = Bridge::start("pairing", |_question| json!({})).await;
    let place = Place::with_pigeons(&bridge.url);
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '~/nest'\n"));
    let ran = place.loong(&["doctor", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let diagnosis = ran.json();
    let warned = check(&diagnosis, "bridge", "warn").unwrap();
    assert!(warned["hint"].as_str().unwrap().contains("QR"));
    assert!(check(&diagnosis, "auth_dir", "warn").is_some());

    place.configure(&text.replace("enabled = true\ntower", "enabled = false\ntower"));
    let diagnosis = place.loong(&["doctor", "--json"]).await.json();
    assert_eq!(
        check(&diagnosis, "send", "warn").unwrap()["seen"],
        "switched off"
    );

    place.configure(text.split("[pigeon]").next().unwrap());
    let diagnosis = place.loong(&["doctor", "--json"]).await.json();
    assert!(
        check(&diagnosis, "channel_config", "warn").unwrap()["seen"]
            .as_str()
            .unwrap()
            .contains("no [pigeon] table")
    );
}

#[tokio::test]
async fn a_guest_that_breaks_down_fails_the_check_and_not_doctor() {
    let place = Place::new();
    place.install("hostile-channel", "hostile-channel.wasm");
    place.configure(
        "[runtime_plugins]\nenabled = true\nroots = ['./plugins']\n[hostile]\nbehave = 'trap'\n",
    );
    fails(
        &place.loong(&["doctor", "--json"]).await,
        "channel_config",
        "plugin hostile-bridge 0.1.0, call validate-config broke down",
        "maintainer",
    );
}
