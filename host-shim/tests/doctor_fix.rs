//! `loong doctor --fix`: what it mends, what it leaves alone, and that it can be asked again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::diagnosis::{check, mode, program, says, set_mode, tree};
use common::{Bridge, Place, Ran};
use serde_json::{Value, json};

const NPM: &str = "echo \"$@\" >> \"$HOME/npm-runs\"; mkdir -p node_modules/a; echo 'npm http fetch GET 200 https://r/a.tgz 1ms' >&2";

/// Everything that can be mended is wrong here.
fn neglected(url: &str) -> Place {
    let place = Place::new();
    place.install("invented-channel", "pigeon-post.wasm");
    fs::rename(place.path("plugins"), place.path("runtime-plugins")).unwrap();
    place.edit(
        "runtime-plugins/invented-channel/loong.plugin.json",
        |manifest| {
            manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
        },
    );
    for (file, text) in [
        ("bridge.mjs", ""),
        ("package.json", "{}"),
        (
            "package-lock.json",
            "{\"packages\":{\"\":{},\"node_modules/a\":{}}}",
        ),
    ] {
        fs::write(
            place.path("runtime-plugins/invented-channel").join(file),
            text,
        )
        .unwrap();
    }
    program(&place, "node", "echo v22.0.0");
    program(&place, "npm", NPM);
    set_mode(&place, "runtime-plugins", 0o777);
    place.configure(&format!(
        "# mine\n[pigeon]\nenabled = true\ntower = '{url}' # the tower\nnest = '~/nest'\n[reply]\nengine = 'echo'\n[other]\napi_key = 'k'\n"
    ));
    set_mode(&place, "loong.toml", 0o664);
    place.make_dir("home", 0o777);
    place.make_dir("home/run", 0o755);
    fs::write(place.path("home/history.db"), "").unwrap();
    set_mode(&place, "home/history.db", 0o644);
    place
}

async fn doctor(place: &Place, flags: &[&str]) -> Ran {
    let path = format!("{}:/usr/bin:/bin", place.path("bin").display());
    place
        .loong_with(&[&["doctor"], flags].concat(), &[("PATH", &path)])
        .await
}

fn fixed(diagnosis: &Value) -> Vec<(String, bool)> {
    let fixes = diagnosis["fixes"].as_array().unwrap().iter();
    fixes
        .map(|fix| {
            (
                fix["id"].as_str().unwrap().to_owned(),
                fix["fixed"].as_bool().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn everything_that_can_be_mended_is_mended_in_one_go_and_the_second_time_nothing_is_done() {
    let bridge = Bridge::start("connected", |_question| json!({})).await;
    let place = neglected(&bridge.url);
    let before = doctor(&place, &["--json"]).await;
    assert_eq!(before.code, Some(1), "{before:#?}");
    assert_eq!(before.json()["fixes"], json!([]));
    assert_eq!(
        check(&before.json(), "runtime_plugins", "fail").unwrap()["fixable"],
        true
    );

    let ran = doctor(&place, &["--fix", "--json", "--config", "./loong.toml"]).await;
    let diagnosis = ran.json();
    assert_eq!(ran.code, Some(0), "{diagnosis:#}");
    let fixes = fixed(&diagnosis);
    for id in [
        "home",
        "run_folder",
        "cache_folder",
        "history",
        "config_access",
        "runtime_plugins",
        "roots",
        "bridge_package",
        "auth_dir",
    ] {
        assert!(
            fixes.contains(&(id.to_owned(), true)),
            "{id}: {diagnosis:#}"
        );
        assert!(check(&diagnosis, id, "ok").is_some(), "{id}: {diagnosis:#}");
    }
    assert!(
        ran.stderr.contains("installing what the bridge needs"),
        "{ran:#?}"
    );
    assert_eq!(
        fs::read_to_string(place.path("npm-runs"))
            .unwrap()
            .lines()
            .count(),
        1
    );
    for (name, expected) in [
        ("home", 0o755),
        ("home/run", 0o700),
        ("home/cache", 0o700),
        ("nest", 0o700),
        ("loong.toml", 0o600),
        ("home/history.db", 0o600),
        ("runtime-plugins", 0o775),
    ] {
        assert_eq!(mode(&place, name), expected, "{name}");
    }
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    assert!(
        text.starts_with("# mine\n[pigeon]\nenabled = true\n"),
        "{text}"
    );
    assert!(
        text.contains(" # the tower\n") && text.contains("enabled = true\nroots = ["),
        "{text}"
    );

    let mended = tree(&place);
    let again = doctor(&place, &["--fix", "--json"]).await;
    assert_eq!(
        (again.code, again.json()["fixes"].clone()),
        (Some(0), json!([])),
        "{again:#?}"
    );
    assert_eq!(tree(&place), mended);
}

#[tokio::test]
async fn a_person_reads_what_can_be_fixed_and_what_was() {
    let bridge = Bridge::start("connected", |_question| json!({})).await;
    let place = Place::with_pigeons(&bridge.url);
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '~/nest'\n"));
    place.make_dir("nest", 0o755);
    let open = place.loong(&["doctor"]).await;
    assert_eq!(
        open.stdout.lines().last(),
        Some("loong doctor --fix can see to 1 of these"),
        "{open:#?}"
    );
    let ran = place.loong(&["doctor", "--fix"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let nest = place.path("nest");
    let line = format!(
        "fixed  auth_dir [pigeon-post flock]: changed the mode of {} from 0755 to 0700",
        nest.display()
    );
    assert!(ran.stdout.lines().any(|seen| seen == line), "{ran:#?}");
    assert!(
        ran.stdout.contains("0 failed") && !ran.stdout.contains("can see to"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn a_link_out_of_the_home_is_not_followed() {
    let elsewhere = Place::new();
    let place = Place::with_pigeons("http://127.0.0.1:1/tower");
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!("{text}nest = '~/nest'\n"));
    elsewhere.make_dir("open", 0o755);
    symlink(elsewhere.path("open"), place.path("nest")).unwrap();
    place.make_dir("home", 0o755);
    symlink(elsewhere.path(""), place.path("home/cache")).unwrap();
    symlink(elsewhere.path("open"), place.path("home/run")).unwrap();
    let before = tree(&elsewhere);
    let ran = place.loong(&["doctor", "--fix", "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let diagnosis = ran.json();
    assert!(
        fixed(&diagnosis).contains(&("auth_dir".to_owned(), false)),
        "{diagnosis:#}"
    );
    says(&diagnosis, "auth_dir", "fail", "mode 0755", "chmod 700");
    assert_eq!(
        check(&diagnosis, "auth_dir", "fail").unwrap()["fixable"],
        false
    );
    let refused = &diagnosis["fixes"][0]["what"];
    assert!(
        refused
            .as_str()
            .unwrap()
            .contains("a link on the way leads to"),
        "{diagnosis:#}"
    );
    assert_eq!(tree(&elsewhere), before);
}

#[tokio::test]
async fn an_install_that_fails_is_told_with_npms_own_words_and_changes_no_verdict() {
    let bridge = Bridge::start("connected", |_question| json!({})).await;
    let place = neglected(&bridge.url);
    program(&place, "npm", "echo 'npm error no network' >&2; exit 1");
    let ran = doctor(&place, &["--fix"]).await;
    assert!(
        ran.stdout
            .contains("not fixed  bridge_package [pigeon-post]: "),
        "{ran:#?}"
    );
    assert!(ran.stdout.contains("npm error no network"), "{ran:#?}");
    let diagnosis = doctor(&place, &["--json"]).await.json();
    says(
        &diagnosis,
        "bridge_package",
        "warn",
        "is not installed",
        "bridge install",
    );
}

#[tokio::test]
async fn without_a_root_nearby_nothing_is_written_into_the_configuration() {
    let place = Place::new();
    place.configure("# nothing\n");
    let ran = place.loong(&["doctor", "--fix", "--json"]).await;
    assert_eq!(ran.code, Some(1));
    says(
        &ran.json(),
        "runtime_plugins",
        "fail",
        "switched off",
        "roots = [\"./runtime-plugins\"]",
    );
    assert_eq!(
        fs::read_to_string(place.path("loong.toml")).unwrap(),
        "# nothing\n"
    );
}
