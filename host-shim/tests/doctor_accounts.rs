//! Doctor's verdict on accounts: their folders, what they share, whom they let in, what answers
//! for them. Each fault is made for real; what root may do anyway is judged by its mode.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::Place;
use common::diagnosis::{diagnosed, says};

type Fault = fn(&Place);

#[tokio::test]
async fn each_fault_of_an_accounts_folder_is_told_with_the_way_out() {
    let table: [(Fault, &str, &str, &str); 9] = [
        (
            |_place| (),
            "warn",
            "not linked yet",
            "loong pigeon-post bridge run",
        ),
        (
            |place| place.make_dir("nest", 0o750),
            "fail",
            "mode 0750",
            "chmod 700",
        ),
        (
            |place| place.make_dir("nest", 0o500),
            "fail",
            "mode 0500",
            "chmod u+rwx",
        ),
        (
            |place| fs::write(place.path("nest"), "").unwrap(),
            "fail",
            "is no folder",
            "auth_dir",
        ),
        (
            |place| {
                place.make_dir("real", 0o700);
                symlink(place.path("real"), place.path("nest")).unwrap();
            },
            "fail",
            "is a link to",
            "auth_dir",
        ),
        (
            |place| {
                place.make_dir("open", 0o777);
                let text = fs::read_to_string(place.path("loong.toml")).unwrap();
                place.configure(&text.replace("~/nest", "~/open/nest"));
            },
            "fail",
            "everybody can exchange",
            "chmod o-w",
        ),
        (
            |place| {
                place.make_dir("real", 0o755);
                symlink(place.path("real"), place.path("nest")).unwrap();
            },
            "fail",
            "mode 0755",
            "chmod 700",
        ),
        (
            |place| symlink(place.path("gone"), place.path("nest")).unwrap(),
            "fail",
            "link to something",
            "auth_dir",
        ),
        (
            |place| {
                place.make_dir("nest", 0o700);
                let text = fs::read_to_string(place.path("loong.toml")).unwrap();
                place.configure(&text.replace("~/nest", "nest"));
            },
            "warn",
            "wherever loong is started",
            "auth_dir = \"/",
        ),
    ];
    for (fault, status, seen, hint) in table {
        let place = Place::with_nest();
        fault(&place);
        says(&diagnosed(&place).await, "auth_dir", status, seen, hint);
    }
}

#[tokio::test]
async fn two_accounts_may_share_neither_a_port_nor_a_folder() {
    let place = Place::with_nest();
    place.make_dir("nest", 0o700);
    symlink(place.path("nest"), place.path("other-nest")).unwrap();
    place.install("invented-channel", "pigeon-post.wasm");
    let copy = place.path("plugins/ravens");
    fs::create_dir(&copy).unwrap();
    for file in ["loong.plugin.json", "pigeon-post.wasm"] {
        fs::copy(
            place.path("plugins/invented-channel").join(file),
            copy.join(file),
        )
        .unwrap();
    }
    place.edit("plugins/ravens/loong.plugin.json", |manifest| {
        manifest["plugin_id"] = "raven-bridge".into();
        manifest["channel_id"] = "raven-post".into();
        manifest["metadata"]["channel_config_key"] = "raven".into();
        manifest["metadata"]["channel_aliases_json"] = "[]".into();
    });
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!(
        "{text}[raven]\nenabled = true\ntower = 'http://localhost:1/raven'\nnest = '~/other-nest'\n"
    ));
    let diagnosis = diagnosed(&place).await;
    says(
        &diagnosis,
        "shared_port",
        "fail",
        "pigeon-post account `flock`: 127.0.0.1:1",
        "http://127.0.0.1:2/bridge",
    );
    says(
        &diagnosis,
        "shared_auth_dir",
        "fail",
        "pigeon-post account `flock`",
        "auth_dir = \"~/.loong/raven-post/flock\"",
    );
    assert!(
        diagnosis["checks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|check| check["id"] == "shared_port" && check["channel"] == "raven-post")
    );
}

#[tokio::test]
async fn a_list_for_everybody_and_a_variable_that_is_not_set_are_worth_a_look() {
    let place = Place::with_nest();
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!(
        "{text}allowed_chat_ids = ['*']\nloft_env = 'MY_LOFT'\n"
    ));
    let diagnosis = diagnosed(&place).await;
    says(
        &diagnosis,
        "allowlist",
        "warn",
        "every chat is let in",
        "loong pigeon-post chats",
    );
    says(
        &diagnosis,
        "env_pointer",
        "warn",
        "pigeon.loft_env names the environment variable MY_LOFT",
        "export MY_LOFT=",
    );
    let set = place
        .loong_with(&["doctor", "--json"], &[("MY_LOFT", "north")])
        .await
        .json();
    assert!(
        set["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["id"] != "env_pointer"),
        "{set:#}"
    );
}

#[tokio::test]
async fn a_program_that_answers_is_looked_for_and_instructions_too() {
    let place = Place::with_nest();
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!(
        "{text}[reply]\nengine = 'command'\ncommand = ['/not/there']\n[reply.accounts.hawk]\n"
    ));
    let diagnosis = diagnosed(&place).await;
    says(
        &diagnosis,
        "reply_engine",
        "fail",
        "/not/there",
        "reply.command",
    );
    says(
        &diagnosis,
        "reply_accounts",
        "warn",
        "[reply.accounts.hawk]",
        "flock",
    );
    place.configure(&format!(
        "{text}[provider]\nkind = 'ollama'\nmodel = 'm'\nbase_url = 'http://127.0.0.1:1/'\n"
    ));
    let diagnosis = diagnosed(&place).await;
    says(
        &diagnosis,
        "reply_instructions",
        "warn",
        "told nothing",
        "instructions =",
    );
    place.configure(&format!(
        "{text}[provider]\nkind = 'openai'\nmodel = 'm'\napi_key = {{ env = 'MY_KEY' }}\n"
    ));
    says(
        &diagnosed(&place).await,
        "reply_engine",
        "fail",
        "MY_KEY, which is not set",
        "set MY_KEY",
    );
}
