use std::os::unix::fs::symlink;

use super::super::record::sample;
use super::*;

const NOW: Moment = Moment(1_700_000_000_000);

fn place() -> (tempfile::TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path().join("home"), folder.path());
    let serve = Folder::of(&home);
    serve.make().unwrap();
    (folder, serve)
}

fn later(seconds: u64) -> Moment {
    Moment(NOW.0 + seconds * 1_000)
}

#[test]
fn a_loop_lives_while_its_lock_is_held_and_it_is_heard_of() {
    let (_place, serve) = place();
    let record = sample("00ff", 7, "/a", NOW);
    serve.write_record(&record).unwrap();
    assert_eq!(serve.life(&record, NOW), Life::Gone);
    let lock = serve.hold(&record).unwrap();
    for (seconds, life) in [(0, Life::Live), (30, Life::Live), (31, Life::Frozen)] {
        assert_eq!(serve.life(&record, later(seconds)), life, "{seconds}");
    }
    drop(lock);
    assert_eq!(serve.life(&record, NOW), Life::Gone);
}

#[test]
fn a_process_id_that_somebody_else_has_by_now_keeps_nobody_alive() {
    let (_place, serve) = place();
    let record = sample("00ff", std::process::id(), "/a", NOW);
    serve.write_record(&record).unwrap();
    let found = serve.loops_of("pigeon-post", "pigeon_work", NOW).unwrap();
    assert_eq!(found[0].life, Life::Gone);
}

#[test]
fn whatever_lies_in_the_place_of_a_record_is_told_and_harms_nobody() {
    let (place, serve) = place();
    let record = sample("00ff", 7, "/a", NOW);
    serve.write_record(&record).unwrap();
    let name = |instance: &str| {
        let account = account_key(&record);
        serve.path.join(format!("{account}-{instance}.json"))
    };
    fs::write(name("half"), "{\"version\":1,").unwrap();
    fs::copy(name("00ff"), name("copied")).unwrap();
    symlink(place.path(), name("link")).unwrap();
    fs::create_dir(name("folder")).unwrap();
    fs::write(serve.path.join("notes.txt"), "mine").unwrap();
    let contents = serve.look(NOW).unwrap();
    assert_eq!(contents.found.len(), 1);
    let mut told: Vec<String> = contents
        .unusable
        .iter()
        .map(|(path, why)| {
            let stem = path.file_stem().unwrap().to_string_lossy();
            format!("{}: {why}", stem.split_once('-').unwrap().1)
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "copied: it does not hold what a reply loop writes",
            "folder: it is no ordinary file",
            "half: it does not hold what a reply loop writes",
            "link: it is no ordinary file",
        ]
    );
}

#[test]
fn no_folder_is_no_loop_and_something_else_in_its_place_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(place.path(), place.path());
    let serve = Folder::of(&home);
    assert!(serve.look(NOW).unwrap().found.is_empty());
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(home.run_path()).unwrap();
    symlink(elsewhere.path(), &serve.path).unwrap();
    for failure in [serve.look(NOW).unwrap_err(), serve.make().unwrap_err()] {
        assert_eq!(failure.code, "serve_state_unusable");
        assert!(failure.hint.is_some());
    }
}

#[test]
fn what_is_gone_is_swept_away_and_what_lives_is_left() {
    let (_place, serve) = place();
    let gone = sample("00aa", 7, "/a", NOW);
    let live = sample("00bb", 8, "/b", NOW);
    let mut forgotten = sample("00cc", 9, "/c", NOW);
    forgotten.served.account_id = "pigeon_old".to_owned();
    let mut recent = forgotten.clone();
    recent.instance = "00dd".to_owned();
    recent.heartbeat_at = later(8 * 24 * 3_600);
    for record in [&gone, &live, &forgotten, &recent] {
        serve.write_record(record).unwrap();
    }
    let _lock = serve.hold(&live).unwrap();
    fs::write(serve.path.join(".tmpAbc"), "half").unwrap();
    let now = later(8 * 24 * 3_600);
    serve.sweep("pigeon-post", "pigeon_work", now);
    let mut left: Vec<String> = serve
        .look(now)
        .unwrap()
        .found
        .into_iter()
        .map(|found| found.record.instance)
        .collect();
    left.sort();
    assert_eq!(left, ["00bb", "00dd"]);
    assert!(!serve.path.join(".tmpAbc").exists());
}
