//! What lies below a root or in the place of the configuration may be anything: it is told, it is
//! never waited for, and what is good beside it is found.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::nobody::runs_as_nobody;
use common::{Place, Ran, end_of};
use loong::plain_text::is_active;

const MANIFEST: &str = "loong.plugin.json";
const URL: &str = "http://127.0.0.1:1/tower";

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

fn close(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
}

fn folder(place: &Place, name: &str) -> std::path::PathBuf {
    let folder = place.path("plugins").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[track_caller]
fn assert_harmless(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(
            !text.contains(|c: char| is_active(c) && c != '\n'),
            "{text:?}"
        );
        assert!(!text.contains("\nhint: run this"), "{text}");
    }
}

/// One good plugin, and around it whatever a disk can hold.
fn strange() -> Place {
    let place = Place::with_pigeons(URL);
    pipe(&folder(&place, "a-pipe").join(MANIFEST));
    symlink("/dev/zero", folder(&place, "b-device").join(MANIFEST)).unwrap();
    fs::write(folder(&place, "c-binary").join(MANIFEST), [0xff; 5_000]).unwrap();
    let huge = fs::File::create(folder(&place, "d-huge").join(MANIFEST)).unwrap();
    huge.set_len(1 << 30).unwrap();
    let deep = "[".repeat(100_000);
    fs::write(folder(&place, "e-nested").join(MANIFEST), deep).unwrap();
    fs::write(folder(&place, "f-marked").join(MANIFEST), "\u{feff}{}").unwrap();
    fs::write(folder(&place, "g-empty").join(MANIFEST), "").unwrap();
    let active = folder(&place, "h\u{1b}[2J\nhint: run this");
    fs::write(active.join(MANIFEST), "{}").unwrap();
    let odd = place.path("plugins").join(OsStr::from_bytes(b"i-odd\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join(MANIFEST), "{}").unwrap();
    symlink(place.path("plugins"), folder(&place, "j-loop").join("up")).unwrap();
    symlink("/", folder(&place, "j-loop").join("out")).unwrap();
    folder(&place, &format!("k{}", "/k".repeat(300)));
    fs::create_dir(folder(&place, "l-folder").join(MANIFEST)).unwrap();
    fs::write(folder(&place, "m-closed").join(MANIFEST), "{}").unwrap();
    close(&place.path("plugins/m-closed"));
    fs::write(folder(&place, "n-closed").join(MANIFEST), "{}").unwrap();
    close(&place.path("plugins/n-closed").join(MANIFEST));
    place
}

/// The folder of each, and what is said of it.
const TOLD: [(&str, &str); 12] = [
    ("a-pipe", "it is a pipe, not a file"),
    ("b-device", "it is reached through a symbolic link"),
    ("c-binary", "it is not UTF-8 text"),
    ("d-huge", "it has more than 262144 bytes"),
    ("e-nested", "it is not the JSON of a manifest"),
    ("f-marked", "it begins with a byte order mark"),
    ("g-empty", "it is not the JSON of a manifest"),
    ("h\\u{1b}[2J\\nhint", "its path holds characters that act"),
    ("i-odd", "it is not the JSON of a manifest"),
    ("k/k", "more than 24 folders below the root"),
    ("m-closed", "it cannot be read: Permission denied"),
    ("n-closed", "it cannot be read: Permission denied"),
];

#[tokio::test]
async fn the_good_plugin_is_listed_and_each_strange_thing_is_told() {
    let place = strange();
    let ran = runs_as_nobody(&place, &["channels", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let listing = ran.json();
    assert_eq!(listing["channel_catalog"][0]["id"], "pigeon-post");
    let problems = listing["problems"].as_array().unwrap();
    for (name, why) in TOLD {
        let told = problems.iter().find(|problem| {
            let message = problem["message"].as_str().unwrap();
            message.contains(name) && message.contains(why)
        });
        let told = told.unwrap_or_else(|| panic!("{name}: {why}: {listing:#}"));
        assert!(!told["hint"].as_str().unwrap().is_empty(), "{told}");
    }
    assert_eq!(problems.len(), TOLD.len(), "{problems:#?}");
    for command in [
        &["channels"][..],
        &["doctor"],
        &["channels", "resolve", "pigeons"],
    ] {
        assert_harmless(&runs_as_nobody(&place, command).await);
    }
}

#[tokio::test]
async fn a_root_that_is_closed_is_an_error_with_a_way_out() {
    let place = Place::with_pigeons(URL);
    close(&place.path("plugins"));
    let ran = runs_as_nobody(&place, &["channels"]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("/plugins: Permission denied"),
        "{ran:#?}"
    );
    assert!(
        ran.stderr.contains("hint: make the folder readable"),
        "{ran:#?}"
    );
    fs::set_permissions(place.path("plugins"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn two_plugins_of_one_name_in_two_roots_are_told_with_both_places() {
    let place = Place::with_pigeons(URL);
    place.install_below("more", "invented-channel", "pigeon-post.wasm");
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    place.configure(&text.replace("'./plugins'", "'./plugins', './more'"));
    let ran = place.sends(&[]).await;
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    for part in [
        "plugins/invented-channel",
        "more/invented-channel",
        "narrow runtime_plugins.roots",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
    }
}

async fn listed(place: &Place) -> Duration {
    let began = Instant::now();
    let ran = place.loong(&["channels"]).await;
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("pigeon-post"), "{ran:#?}");
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Prints what it measures with `--nocapture`.
#[tokio::test]
async fn a_root_with_100_000_files_is_looked_through_in_bounded_time() {
    let (small, large) = (Place::with_pigeons(URL), Place::with_pigeons(URL));
    for group in 0..100 {
        let folder = folder(&large, &format!("files/{group}"));
        for number in 0..1_000 {
            fs::File::create(folder.join(format!("file-{number}"))).unwrap();
        }
    }
    let (mut alone, mut among) = (Vec::new(), Vec::new());
    // In turns, so that what else the machine does meets both; the first run compiles.
    for _ in 0..8 {
        alone.push(listed(&small).await);
        among.push(listed(&large).await);
    }
    let (alone, among) = (median(alone), median(among));
    eprintln!(
        "loong channels: {alone:.0?} alone, {among:.0?} with 100,000 files, {:.1} times as long",
        among.as_secs_f64() / alone.as_secs_f64()
    );
    assert!(among < alone + Duration::from_secs(10), "{among:?}");
}

fn loong(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loong"));
    command
        .current_dir(place.path(""))
        .env_clear()
        .env("HOME", place.path(""))
        .env("LOONG_HOME", place.path("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

async fn ends(command: &mut Command) -> Ran {
    end_of(command.spawn().unwrap()).await
}

#[tokio::test]
async fn a_configuration_that_is_none_is_told_and_never_waited_for() {
    let place = Place::with_pigeons(URL);
    let text = fs::read_to_string(place.path("loong.toml")).unwrap();
    let file = place.path("strange.toml");
    type Make<'a> = Box<dyn Fn() + 'a>;
    let written = |bytes: Vec<u8>| -> Make<'_> {
        let file = &file;
        Box::new(move || fs::write(file, &bytes).unwrap())
    };
    let table: Vec<(&str, Make<'_>, &str)> = vec![
        (
            "a folder",
            Box::new(|| fs::create_dir(&file).unwrap()),
            "it is a folder, not a file",
        ),
        (
            "a pipe",
            Box::new(|| pipe(&file)),
            "it is a pipe, not a file",
        ),
        (
            "a device",
            Box::new(|| symlink("/dev/zero", &file).unwrap()),
            "it is a device, not a file",
        ),
        (
            "huge",
            Box::new(|| fs::File::create(&file).unwrap().set_len(1 << 30).unwrap()),
            "it has more than 1048576 bytes",
        ),
        ("binary", written(vec![0xfe; 300]), "it is not UTF-8 text"),
        (
            "zeros",
            written(vec![0; 300]),
            "the configuration is wrong at",
        ),
        (
            "nested",
            written(format!("a = {}", "[".repeat(200_000)).into()),
            "the configuration is wrong at",
        ),
        (
            "nested keys",
            written(format!("a{} = 1", ".a".repeat(200_000)).into()),
            "the configuration is wrong at",
        ),
        (
            "a key twice",
            written(format!("{text}enabled = false\n").into()),
            "the configuration is wrong at",
        ),
    ];
    for (name, make, told) in table {
        make();
        let commands: [&[&str]; 3] = [
            &["channels"],
            &["doctor"],
            &["pigeon-post", "chats", "allow", "north"],
        ];
        for words in commands {
            let ran = ends(loong(&place).args(words).arg("--config").arg(&file)).await;
            assert_eq!(ran.code, Some(1), "{name}: {ran:#?}");
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(all.contains(told), "{name} {words:?}: {ran:#?}");
            assert!(
                ran.stderr.contains("hint: ") || words == ["doctor"],
                "{name}: {ran:#?}"
            );
            assert!(all.len() < 10_000, "{name}: {}", all.len());
            assert_harmless(&ran);
        }
        if file.is_dir() {
            fs::remove_dir(&file).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
    }
}

#[tokio::test]
async fn a_configuration_whose_name_is_no_text_is_read_where_it_is_named() {
    let place = Place::with_pigeons(URL);
    let odd = place.path("").join(OsStr::from_bytes(b"odd\xff.toml"));
    fs::rename(place.path("loong.toml"), &odd).unwrap();
    let named = ends(loong(&place).arg("channels").arg("--config").arg(&odd)).await;
    let pointed = ends(loong(&place).arg("channels").env("LOONG_CONFIG_PATH", &odd)).await;
    for ran in [named, pointed] {
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(ran.stdout.contains("pigeon-post"), "{ran:#?}");
    }
    // And one that is not there is not taken for another.
    fs::rename(&odd, place.path("home.toml")).unwrap();
    let ran = ends(loong(&place).arg("channels").env("LOONG_CONFIG_PATH", &odd)).await;
    assert!(
        ran.stderr.contains("there is no configuration at"),
        "{ran:#?}"
    );
}

#[tokio::test]
async fn words_that_are_no_text_or_without_end_are_told_in_short() {
    let place = Place::with_pigeons(URL);
    let long = "x".repeat(100_000);
    let config = place.path("loong.toml");
    let commands: [&[&str]; 4] = [
        &["channels", "resolve", &long],
        &[
            "channels", "send", &long, "--target", "north", "--text", "coo",
        ],
        &[
            "channels",
            "send",
            "pigeon-post",
            "--account",
            &long,
            "--target",
            "north",
            "--text",
            "coo",
        ],
        &["channels", "--log", &long],
    ];
    for words in commands {
        let ran = ends(loong(&place).env("LOONG_CONFIG_PATH", &config).args(words)).await;
        assert!(matches!(ran.code, Some(1 | 2)), "{ran:#?}");
        assert!(
            ran.stderr.len() < 3_000,
            "{} bytes: {:.300}",
            ran.stderr.len(),
            ran.stderr
        );
        assert_harmless(&ran);
    }
    let odd = OsStr::from_bytes(b"\xff\x1b[2J");
    let told = ends(
        loong(&place)
            .env("LOONG_CONFIG_PATH", &config)
            .arg("channels")
            .env("LOONG_LOG", odd),
    )
    .await;
    assert!(matches!(told.code, Some(1 | 2)), "{told:#?}");
    assert!(told.stderr.contains("LOONG_LOG"), "{told:#?}");
    assert_harmless(&told);
    let named = ends(
        loong(&place)
            .env("LOONG_CONFIG_PATH", &config)
            .args(["channels", "send"])
            .arg(odd),
    )
    .await;
    assert_eq!(named.code, Some(2), "{named:#?}");
    assert_harmless(&named);
}
