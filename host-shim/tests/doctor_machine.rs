//! Doctor's verdict on the machine: folders, disks, the configuration's mode, Node. Each fault is made
//! for real; what root may do anyway is judged by its mode.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use common::diagnosis::{diagnosed, give_away, program, says, set_mode, tree};
use common::{Bridge, Place, Ran};
use serde_json::json;

type Fault = fn(&Place);

#[tokio::test]
async fn looking_changes_nothing_however_much_could_be_mended() {
    let bridge = Bridge::start("connected", |_question| json!({})).await;
    let place = Place::with_pigeons(&bridge.url);
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&format!(
        "{text}nest = '~/nest'\n[provider]\napi_key = 'k'\n"
    ));
    set_mode(&place, "loong.toml", 0o666);
    place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
        manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
    });
    for (file, text) in [
        ("bridge.mjs", ""),
        ("package.json", "{}"),
        ("package-lock.json", "{}"),
    ] {
        fs::write(place.path("plugins/invented-channel").join(file), text).unwrap();
    }
    let before = tree(&place);
    let words = place.loong(&["doctor"]).await;
    assert!(
        words.stdout.contains("loong doctor --fix can see to"),
        "{words:#?}"
    );
    assert_eq!(tree(&place), before, "no home, no cache, no folder");

    place.make_dir("home", 0o777);
    place.make_dir("home/run", 0o755);
    place.make_dir("home/cache", 0o755);
    place.make_dir("nest", 0o755);
    let before = tree(&place);
    diagnosed(&place).await;
    assert_eq!(tree(&place), before);
}

#[tokio::test]
async fn each_fault_of_the_home_is_told_with_the_way_out() {
    let table: [(Fault, &str, &str, &str, &str); 9] = [
        (
            |place| fs::write(place.path("home"), "").unwrap(),
            "home",
            "fail",
            "is no folder",
            "LOONG_HOME",
        ),
        (
            |place| place.make_dir("home", 0o500),
            "home",
            "fail",
            "mode 0500",
            "chmod u+rwx",
        ),
        (
            |place| place.make_dir("home", 0o500),
            "run_folder",
            "fail",
            "closed to its owner",
            "LOONG_HOME",
        ),
        (
            |place| place.make_dir("home", 0o777),
            "home",
            "warn",
            "mode 0777",
            "chmod go-w",
        ),
        (
            |place| place.make_dir("home", 0o777),
            "cache_folder",
            "warn",
            "every start compiles",
            "chmod go-w",
        ),
        (
            |place| symlink(place.path("gone"), place.path("home")).unwrap(),
            "home",
            "fail",
            "link to something",
            "LOONG_HOME",
        ),
        (
            |place| {
                place.make_dir("home", 0o755);
                place.make_dir("home/run", 0o750);
            },
            "run_folder",
            "warn",
            "mode 0750",
            "chmod 700",
        ),
        (
            |place| {
                place.make_dir("home", 0o755);
                place.make_dir("home/cache", 0o770);
            },
            "cache_folder",
            "warn",
            "others can write",
            "remove",
        ),
        (
            |place| {
                place.make_dir("home", 0o755);
                fs::write(place.path("home/history.db"), "").unwrap();
                set_mode(place, "home/history.db", 0o644);
            },
            "history",
            "warn",
            "it holds conversations",
            "chmod 600",
        ),
    ];
    for (fault, id, status, seen, hint) in table {
        let place = Place::with_nest();
        fault(&place);
        says(&diagnosed(&place).await, id, status, seen, hint);
    }

    let place = Place::with_nest();
    let nowhere = place
        .loong_with(&["doctor", "--json"], &[("LOONG_HOME", "here")])
        .await;
    assert_eq!(nowhere.code, Some(1));
    says(
        &nowhere.json(),
        "home",
        "fail",
        "no absolute path",
        "LOONG_HOME",
    );
}

#[tokio::test]
async fn what_belongs_to_another_user_is_told_and_not_taken() {
    let place = Place::with_nest();
    place.make_dir("home", 0o777);
    place.make_dir("nest", 0o755);
    if !give_away(&place, "home") || !give_away(&place, "nest") || !give_away(&place, "loong.toml")
    {
        return;
    }
    let before = tree(&place);
    let ran = place.loong(&["doctor", "--fix", "--json"]).await;
    let diagnosis = ran.json();
    for (id, status) in [
        ("home", "fail"),
        ("auth_dir", "fail"),
        ("config_access", "warn"),
        ("cache_folder", "warn"),
    ] {
        says(&diagnosis, id, status, "another user", "");
    }
    assert_eq!(tree(&place), before, "{diagnosis:#}");
}

#[tokio::test]
async fn a_disk_that_is_full_fails_and_one_that_fills_up_is_worth_a_look() {
    for (size, status) in [("10m", "fail"), ("100m", "warn")] {
        let place = Place::with_nest();
        place.make_dir("home", 0o700);
        place.make_dir("nest", 0o700);
        let disks: Vec<Disk> = ["home", "nest"]
            .iter()
            .filter_map(|name| Disk::mounted(&place, name, size))
            .collect();
        if disks.len() < 2 {
            return;
        }
        let diagnosis = diagnosed(&place).await;
        says(
            &diagnosis,
            "disk_space",
            status,
            "for what loong keeps",
            "df -h",
        );
        says(
            &diagnosis,
            "disk_space",
            status,
            "for the account's store",
            "df -h",
        );
    }
}

/// A small disk; none where it cannot be mounted.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mounted(place: &Place, name: &str, size: &str) -> Option<Self> {
        let folder = place.path(name);
        let options = format!("size={size},mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(&folder)
            .output()
            .ok()?;
        mounted.status.success().then_some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).output().ok();
    }
}

#[tokio::test]
async fn who_else_can_read_or_change_the_configuration_is_told() {
    let secret = "[provider]\nkind = 'openai'\nmodel = 'm'\napi_key = 'sk-secret'\nbase_url = 'http://127.0.0.1:1/v1'\n";
    for (more, mode, seen, hint) in [
        (secret, 0o644, "provider.api_key", "chmod 600"),
        ("", 0o666, "others can change", "chmod go-w"),
    ] {
        let place = Place::with_nest();
        let text = fs::read_to_string(place.path("loong.toml")).unwrap();
        place.configure(&format!("{text}{more}"));
        set_mode(&place, "loong.toml", mode);
        let ran = place.loong(&["doctor", "--json"]).await;
        says(&ran.json(), "config_access", "warn", seen, hint);
        assert!(!format!("{ran:?}").contains("sk-secret"), "{ran:#?}");
    }
    let place = Place::with_nest();
    fs::write(place.path("loong.toml"), b"\xff").unwrap();
    says(
        &diagnosed(&place).await,
        "config",
        "fail",
        "cannot read",
        "UTF-8",
    );
}

#[tokio::test]
async fn a_configuration_that_is_missing_is_begun_with_the_plugins_that_lie_nearby() {
    let place = Place::new();
    says(
        &diagnosed(&place).await,
        "config",
        "fail",
        "there is no configuration",
        "loong <channel> setup",
    );
    place.install("invented-channel", "pigeon-post.wasm");
    fs::rename(place.path("plugins"), place.path("runtime-plugins")).unwrap();
    let diagnosis = diagnosed(&place).await;
    let root = fs::canonicalize(place.path("runtime-plugins")).unwrap();
    says(&diagnosis, "config", "fail", "", "loong pigeon-post setup");
    says(
        &diagnosis,
        "config",
        "fail",
        "",
        &format!("[runtime_plugins]\nenabled = true\nroots = [{root:?}]"),
    );
}

/// A place whose plugin brings a bridge with a lock file.
fn with_package() -> Place {
    let place = Place::with_nest();
    place.edit("plugins/invented-channel/loong.plugin.json", |manifest| {
        manifest["metadata"]["loong_bridge_entry"] = "bridge.mjs".into();
    });
    for (file, text) in [
        ("bridge.mjs", ""),
        ("package.json", "{}"),
        ("package-lock.json", "{}"),
    ] {
        fs::write(place.path("plugins/invented-channel").join(file), text).unwrap();
    }
    place
}

async fn diagnosed_with_programs(place: &Place) -> Ran {
    let bin = place.path("bin");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    // Only ours: a machine's own Node would be found behind them.
    let path = if bin.join("node").exists() {
        path
    } else {
        bin.display().to_string()
    };
    place
        .loong_with(&["doctor", "--json"], &[("PATH", &path)])
        .await
}

#[tokio::test]
async fn what_a_bridge_runs_on_is_missing_old_or_not_installed() {
    let place = with_package();
    let diagnosis = diagnosed_with_programs(&place).await.json();
    says(
        &diagnosis,
        "node",
        "fail",
        "Node is not installed",
        "nodejs.org",
    );
    says(
        &diagnosis,
        "npm",
        "fail",
        "npm is not installed",
        "nodejs.org",
    );
    says(
        &diagnosis,
        "bridge_package",
        "warn",
        "is not installed",
        "loong pigeon-post bridge install",
    );

    program(&place, "node", "echo v18.0.0");
    program(&place, "npm", "exit 1");
    let diagnosis = diagnosed_with_programs(&place).await.json();
    says(
        &diagnosis,
        "node",
        "fail",
        "v18.0.0 is too old",
        "nodejs.org",
    );
    says(&diagnosis, "npm", "ok", "", "");

    program(&place, "node", "echo v22.0.0");
    fs::create_dir(place.path("plugins/invented-channel/node_modules")).unwrap();
    let diagnosis = diagnosed_with_programs(&place).await.json();
    says(&diagnosis, "node", "ok", "", "");
    says(
        &diagnosis,
        "bridge_package",
        "warn",
        "not finished",
        "bridge install",
    );

    fs::remove_file(place.path("plugins/invented-channel/bridge.mjs")).unwrap();
    let diagnosis = diagnosed_with_programs(&place).await.json();
    says(
        &diagnosis,
        "bridge_package",
        "fail",
        "not in its folder",
        "get it again",
    );
}
