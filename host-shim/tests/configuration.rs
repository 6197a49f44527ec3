//! What can be asked about the configuration and the commands: the schema, completion scripts, manual
//! pages, and what is said of a slip of the pen.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::process::Stdio;

use common::{Place, end_of};
use serde_json::Value;

const SCHEMA: [&str; 2] = ["config", "schema"];

#[tokio::test]
async fn the_schema_has_the_hosts_tables_and_what_each_plugin_brings() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let ran = place.loong(&SCHEMA).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let schema = ran.json();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let properties = &schema["properties"];
    for table in [
        "runtime_plugins",
        "reply",
        "provider",
        "providers",
        "active_provider",
    ] {
        assert!(properties[table]["description"].is_string(), "{table}");
    }
    let tower = &properties["pigeon"]["properties"]["tower"];
    let pointer = tower["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
    assert_eq!(schema.pointer(pointer).unwrap()["type"], "string");

    let strict = place.loong(&["config", "schema", "--strict"]).await.json();
    assert_eq!(
        strict["properties"]["pigeon"]["unevaluatedProperties"],
        false
    );
    assert!(properties["pigeon"].get("unevaluatedProperties").is_none());
}

#[tokio::test]
async fn it_works_without_a_configuration_and_with_a_broken_one() {
    let place = Place::new();
    let ran = place.loong(&SCHEMA).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.json()["properties"]["reply"].is_object());
    assert!(ran.stderr.contains("no channel was found"), "{ran:#?}");

    place.install_below("runtime-plugins", "invented-channel", "pigeon-post.wasm");
    assert!(place.loong(&SCHEMA).await.json()["properties"]["pigeon"].is_object());
    place.configure("[pigeon\n");
    let ran = place.loong(&SCHEMA).await;
    assert!(ran.json()["properties"]["pigeon"].is_object());
    assert!(
        ran.stderr.contains("warning: the configuration is wrong"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn a_plugin_without_a_schema_has_an_open_table_and_a_bad_one_stops_the_command() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let schema = "plugins/invented-channel/pigeon.schema.json";
    fs::write(place.path(schema), "[]").unwrap();
    let ran = place.loong(&SCHEMA).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("it is no JSON object"), "{ran:#?}");

    place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
        let metadata = manifest["metadata"].as_object_mut().unwrap();
        metadata.remove("channel_config_schema_file");
    });
    let strict = place.loong(&["config", "schema", "--strict"]).await.json();
    assert_eq!(strict["properties"]["pigeon"]["type"], "object");
    assert!(
        strict["properties"]["pigeon"]
            .get("unevaluatedProperties")
            .is_none()
    );
}

#[tokio::test]
async fn a_slip_of_the_pen_is_told_by_doctor_by_the_list_and_before_a_send() {
    let (place, _tower) = Place::with_tower().await;
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!(
        "{text}[runtime_plugin]\nroots = []\n[provider]\nmodle = 'x'\n[telegram]\n"
    ));
    let doctor = place.loong(&["doctor", "--json"]).await.json();
    let told: Vec<&Value> = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["id"] == "config_keys")
        .collect();
    assert_eq!(told.len(), 2, "{doctor:#}");
    assert!(told.iter().all(|check| check["status"] == "warn"));

    let list = place.loong(&["channels", "--json"]).await.json();
    assert_eq!(list["problems"][0]["code"], "unknown_key");
    assert_eq!(
        list["problems"][0]["hint"],
        "it was probably meant to be `runtime_plugins`"
    );

    let sent = place.sends(&[]).await;
    assert_eq!(sent.code, Some(0), "{sent:#?}");
    for slip in ["`runtime_plugin`", "`provider.modle`"] {
        assert_eq!(sent.stderr.matches(slip).count(), 1, "{sent:#?}");
    }
    assert!(!sent.stderr.contains("telegram"), "{sent:#?}");
}

#[tokio::test]
async fn an_unknown_key_of_reply_is_refused_with_the_one_that_was_meant() {
    let (place, _tower) = Place::with_tower().await;
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!(
        "{text}[reply]\nengine = 'echo'\ninstruction = 'x'\n"
    ));
    let ran = place
        .loong(&["channels", "serve", "pigeon-post", "--once"])
        .await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("it was probably meant to be `instructions`"),
        "{ran:#?}"
    );
}

/// What bash offers for the last of these words.
async fn offered(place: &Place, words: &[&str]) -> Vec<String> {
    let script = place.loong(&["completions", "bash"]).await;
    assert_eq!(script.code, Some(0), "{script:#?}");
    let (last, before) = words.split_last().unwrap();
    let ask = format!(
        "{}\nCOMP_WORDS=({} '{last}')\nCOMP_CWORD={}\n_loong loong '{last}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.stdout,
        before.join(" "),
        before.len(),
        before.last().unwrap(),
    );
    let bash = std::process::Command::new("bash")
        .args(["--noprofile", "--norc", "-c", &ask])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let ran = end_of(bash.unwrap()).await;
    assert_eq!(ran.stderr, "");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_shell_completes_the_commands_of_the_channels_that_are_there() {
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    assert!(
        offered(&place, &["loong", "pig"])
            .await
            .contains(&"pigeon-post".to_owned())
    );
    for name in ["pigeon-post", "pigeons"] {
        assert_eq!(
            offered(&place, &["loong", name, "bridge", "sta"]).await,
            ["status"]
        );
    }
    assert!(
        offered(&place, &["loong", "channels", "send", ""])
            .await
            .contains(&"pigeons".to_owned())
    );
    let nothing = Place::new();
    assert!(
        !offered(&nothing, &["loong", ""])
            .await
            .contains(&"pigeon-post".to_owned())
    );
    assert_eq!(offered(&nothing, &["loong", "doc"]).await, ["doctor"]);
}

#[tokio::test]
async fn every_command_has_a_manual_page_and_the_pages_can_be_written_again() {
    let place = Place::new();
    for _ in ["new", "again"] {
        let ran = place.loong(&["man", "share/man1", "--json"]).await;
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let pages = ran.json()["pages"].clone();
        for page in [
            "loong.1",
            "loong-channels-send.1",
            "loong-config-schema.1",
            "loong-channel-setup.1",
            "loong-channel-bridge-run.1",
        ] {
            assert!(
                pages.as_array().unwrap().iter().any(|it| it == page),
                "{page}: {pages}"
            );
            let text = fs::read_to_string(place.path("share/man1").join(page)).unwrap();
            assert!(text.contains(".TH loong"), "{text}");
        }
    }
    let page = fs::read_to_string(place.path("share/man1/loong-channel-bridge-run.1")).unwrap();
    assert!(
        page.contains("pairing\\-code") && page.contains("Examples"),
        "{page}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_page_of_ours_keeps_all_pages_unwritten() {
    let place = Place::new();
    place.make_dir("man", 0o700);
    fs::write(place.path("man/loong-doctor.1"), "my own notes").unwrap();
    let ran = place.loong(&["man", "man"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr
            .contains("loong-doctor.1 is no manual page of loong"),
        "{ran:#?}"
    );
    assert_eq!(fs::read_dir(place.path("man")).unwrap().count(), 1);
}
