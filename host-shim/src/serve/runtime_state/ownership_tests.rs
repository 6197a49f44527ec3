use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::AtomicU64;

use super::super::record::{sample, served};
use super::*;

/// A home, and a clock that only a test moves.
struct Place {
    _folder: tempfile::TempDir,
    home: Home,
    time: Arc<AtomicU64>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home"), folder.path());
        Self {
            _folder: folder,
            home,
            time: Arc::new(AtomicU64::new(1_700_000_000_000)),
        }
    }

    fn claims(&self, account: &str, config: &str) -> Result<Claimed, NotClaimed> {
        self.claims_with(account, config, false)
    }

    fn claims_with(&self, account: &str, config: &str, once: bool) -> Result<Claimed, NotClaimed> {
        let time = Arc::clone(&self.time);
        let clock = Arc::new(move || Moment(time.load(Ordering::SeqCst)));
        claim(&self.home, served(account, config), once, clock)
    }

    fn owner_of(&self, account: &str, config: &str, once: bool) -> Record {
        match self.claims_with(account, config, once) {
            Err(NotClaimed::Owned(owner)) => *owner,
            other => panic!("{other:?}"),
        }
    }

    fn passes(&self, seconds: u64) {
        self.time.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    fn now(&self) -> Moment {
        Moment(self.time.load(Ordering::SeqCst))
    }

    fn folder(&self) -> Folder {
        Folder::of(&self.home)
    }

    fn loops(&self) -> Vec<Found> {
        self.folder().look(self.now()).unwrap().found
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.home.run_path().join("serve"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "claim.lock")
            .collect();
        names.sort();
        names
    }
}

fn instance(claimed: &Claimed) -> String {
    claimed.ownership.inner.record().instance.clone()
}

fn looks_around(claimed: &Claimed) -> Option<Wanted> {
    let seen = claimed.ownership.inner.look_around();
    seen.map(|request| request.wanted)
}

#[test]
fn a_claim_is_for_its_owners_eyes_only_and_leaves_nothing_behind() {
    let place = Place::new();
    let claimed = place.claims("work", "/a").unwrap();
    let folder = place.home.run_path().join("serve");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(place.files().len(), 2);
    for name in place.files() {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
    drop(claimed);
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[test]
fn a_second_start_is_told_who_owns_it() {
    let place = Place::new();
    let _first = place.claims("work", "/a").unwrap();
    let owner = place.owner_of("work", "/a", false);
    assert_eq!(owner.pid, std::process::id());
    assert_eq!(owner.served.config, "/a");
    assert_eq!(place.loops().len(), 1);
}

#[test]
fn another_account_stands_in_nobodys_way() {
    let place = Place::new();
    let _work = place.claims("work", "/a").unwrap();
    let home = place.claims("home", "/a").unwrap();
    assert!(home.stands_by_for.is_none());
}

#[test]
fn a_loop_with_another_configuration_stands_by_until_the_first_has_ended() {
    let place = Place::new();
    let first = place.claims("work", "/a").unwrap();
    let second = place.claims("work", "/b").unwrap();
    assert_eq!(second.stands_by_for.as_ref().unwrap().served.config, "/a");
    let answers = second.ownership.inner.answers.subscribe();
    assert_eq!(looks_around(&second), None);
    assert!(!*answers.borrow());
    // It owns its configuration all the same.
    assert_eq!(place.owner_of("work", "/b", false).served.config, "/b");
    drop(first);
    assert_eq!(looks_around(&second), None);
    assert!(*answers.borrow());
    assert!(!place.loops()[0].record.standing_by);
}

#[test]
fn of_two_that_stand_by_only_one_steps_in() {
    let place = Place::new();
    let first = place.claims("work", "/a").unwrap();
    let second = place.claims("work", "/b").unwrap();
    let third = place.claims("work", "/c").unwrap();
    drop(first);
    looks_around(&second);
    looks_around(&third);
    let standing_by: Vec<bool> = place
        .loops()
        .iter()
        .map(|found| found.record.standing_by)
        .collect();
    assert_eq!(
        standing_by.iter().filter(|by| **by).count(),
        1,
        "{standing_by:?}"
    );
}

#[test]
fn once_does_not_stand_by() {
    let place = Place::new();
    let _first = place.claims("work", "/a").unwrap();
    assert_eq!(place.owner_of("work", "/b", true).served.config, "/a");
}

#[test]
fn who_is_not_heard_of_for_half_a_minute_is_replaced_and_notices_when_it_wakes_up() {
    let place = Place::new();
    let slept = place.claims("work", "/a").unwrap();
    let witness = slept.ownership.witness();
    place.passes(30);
    place.owner_of("work", "/a", false);
    place.passes(1);
    assert!(!witness.is_replaced());
    let next = place.claims("work", "/a").unwrap();
    assert_eq!(next.took_over.len(), 1);
    assert_eq!(next.took_over[0].life, Life::Frozen);
    assert!(witness.is_replaced());
    assert_eq!(looks_around(&slept), Some(Wanted::GiveWay));
    // It is heard of again, and still owns nothing.
    assert_eq!(
        place.owner_of("work", "/a", false).instance,
        instance(&next)
    );
    drop(slept);
    assert_eq!(place.loops().len(), 1);
}

#[test]
fn who_stands_by_steps_in_for_one_that_sleeps() {
    let place = Place::new();
    let slept = place.claims("work", "/a").unwrap();
    let next = place.claims("work", "/b").unwrap();
    place.passes(31);
    looks_around(&next);
    assert!(*next.ownership.inner.answers.borrow());
    assert!(slept.ownership.witness().is_replaced());
}

#[test]
fn who_died_without_a_word_is_replaced_and_cleaned_up() {
    let place = Place::new();
    place.folder().make().unwrap();
    let dead = sample("00ff", std::process::id(), "/a", place.now());
    place.folder().write_record(&dead).unwrap();
    let next = place.claims("work", "/a").unwrap();
    assert_eq!(next.took_over.len(), 1);
    assert_eq!(next.took_over[0].life, Life::Gone);
    let names: Vec<String> = place
        .loops()
        .into_iter()
        .map(|found| found.record.instance)
        .collect();
    assert_eq!(names, [instance(&next)]);
}

#[test]
fn it_is_heard_of_every_ten_seconds_and_a_second_after_something_has_happened() {
    let place = Place::new();
    let claimed = place.claims("work", "/a").unwrap();
    let start = place.now();
    let heartbeat = || place.loops()[0].record.heartbeat_at;
    place.passes(9);
    looks_around(&claimed);
    assert_eq!(heartbeat(), start);
    place.passes(1);
    looks_around(&claimed);
    assert_eq!(heartbeat(), place.now());
    let witness = claimed.ownership.witness();
    witness.note(&ServeEvent::UnderWay { answers: 3 });
    looks_around(&claimed);
    assert_eq!(place.loops()[0].record.activity.active_runs, 0);
    place.passes(1);
    looks_around(&claimed);
    assert_eq!(place.loops()[0].record.activity.active_runs, 3);
    witness.note(&ServeEvent::Stopping { under_way: 3 });
    place.passes(1);
    looks_around(&claimed);
    assert!(place.loops()[0].record.stopping);
}

#[test]
fn a_clock_that_was_set_back_makes_nobody_look_dead() {
    let place = Place::new();
    let claimed = place.claims("work", "/a").unwrap();
    place.time.fetch_sub(3_600_000, Ordering::SeqCst);
    looks_around(&claimed);
    assert_eq!(place.loops()[0].life, Life::Live);
}

#[test]
fn a_record_that_was_taken_away_is_put_back() {
    let place = Place::new();
    let claimed = place.claims("work", "/a").unwrap();
    fs::remove_dir_all(place.home.run_path()).unwrap();
    assert!(place.loops().is_empty());
    place.passes(1);
    assert_eq!(looks_around(&claimed), None);
    assert_eq!(place.loops()[0].life, Life::Live);
    place.owner_of("work", "/a", false);
}

#[test]
fn who_lost_its_record_to_another_loop_gives_way() {
    let place = Place::new();
    let first = place.claims("work", "/a").unwrap();
    fs::remove_dir_all(place.home.run_path()).unwrap();
    let second = place.claims("work", "/a").unwrap();
    assert_eq!(looks_around(&first), Some(Wanted::GiveWay));
    drop(first);
    assert_eq!(place.loops().len(), 1);
    assert_eq!(looks_around(&second), None);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_stop_is_passed_on_once_and_one_to_give_way_ends_the_claim() {
    let place = Place::new();
    let claimed = place.claims("work", "/a").unwrap();
    let record = place.loops()[0].record.clone();
    let (folder, at) = (place.folder(), place.now());
    let request = |wanted| Request {
        wanted,
        by_pid: 8,
        at,
    };
    folder.ask(&record, &request(Wanted::Stop)).unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let kept = claimed.ownership.keep(move |request| {
        tell.send(request.by_pid).unwrap();
    });
    let story = async {
        assert_eq!(told.recv().await, Some(8));
        folder.ask(&record, &request(Wanted::GiveWay)).unwrap();
    };
    let (ended, ()) = tokio::join!(kept, story);
    assert_eq!(ended, request(Wanted::GiveWay));
    assert!(told.recv().await.is_none());
}

#[test]
fn nothing_is_written_any_more_after_the_end() {
    let place = Place::new();
    let claimed = place.claims("work", "/a").unwrap();
    let witness = claimed.ownership.witness();
    drop(claimed);
    place.passes(60);
    witness.note(&ServeEvent::UnderWay { answers: 1 });
    witness.inner.look_around();
    assert!(place.files().is_empty(), "{:?}", place.files());
}
