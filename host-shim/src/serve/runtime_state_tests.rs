use std::fs;

use super::record::sample;
use super::*;

const NOW: Moment = Moment(1_700_000_000_000);

fn found(pid: u32, life: Life, change: impl FnOnce(&mut Record)) -> Found {
    let mut record = sample(&format!("{pid:04x}"), pid, "/a", NOW);
    change(&mut record);
    Found {
        record,
        life,
        asked: None,
    }
}

fn told(found: Vec<Found>) -> ServeRuntime {
    summary(found, None, "pigeon_work", "the flock of work", Vec::new())
}

#[test]
fn nothing_that_serves_is_told_with_the_account_and_without_anything_else() {
    let runtime = told(Vec::new());
    assert!(!runtime.running && !runtime.stale && !runtime.busy);
    assert_eq!(runtime.account_id, "pigeon_work");
    assert_eq!(runtime.account_label, "the flock of work");
    assert_eq!((runtime.pid, runtime.last_heartbeat_at), (None, None));
    assert_eq!(runtime.instance_count, 0);
}

#[test]
fn a_loop_that_runs_is_told_with_what_it_does() {
    let runtime = told(vec![found(7, Life::Live, |record| {
        record.activity.active_runs = 2;
        record.activity.consecutive_failures = 3;
        record.activity.last_error = Some("the bridge does not answer".to_owned());
    })]);
    assert!(runtime.running && runtime.busy && !runtime.stale);
    assert_eq!((runtime.pid, runtime.active_runs), (Some(7), 2));
    assert_eq!(runtime.consecutive_failures, 3);
    assert_eq!(
        runtime.last_error.as_deref(),
        Some("the bridge does not answer")
    );
    assert!(runtime.duplicate_owner_pids.is_empty());
    assert_eq!(runtime.instances[0].state, InstanceState::Serving);
}

#[test]
fn a_loop_that_died_is_stale_and_does_nothing_any_more() {
    for life in [Life::Gone, Life::Frozen] {
        let runtime = told(vec![found(7, life, |record| {
            record.activity.active_runs = 2;
        })]);
        assert!(runtime.stale && !runtime.running && !runtime.busy);
        assert_eq!((runtime.pid, runtime.active_runs), (Some(7), 0));
        assert_eq!((runtime.running_instances, runtime.stale_instances), (0, 1));
    }
}

#[test]
fn of_several_the_one_that_answers_speaks_and_all_are_named() {
    let runtime = told(vec![
        found(9, Life::Live, |record| {
            record.standing_by = true;
            record.heartbeat_at = Moment(NOW.0 + 9_000);
        }),
        found(7, Life::Live, |_| {}),
        found(5, Life::Gone, |record| {
            record.heartbeat_at = Moment(NOW.0 + 99_000);
        }),
    ]);
    assert_eq!(runtime.pid, Some(7));
    assert_eq!(runtime.duplicate_owner_pids, [7, 9]);
    assert_eq!(runtime.instance_count, 3);
    assert_eq!((runtime.running_instances, runtime.stale_instances), (2, 1));
    let states: Vec<InstanceState> = runtime.instances.iter().map(|one| one.state).collect();
    assert_eq!(
        states,
        [
            InstanceState::StandingBy,
            InstanceState::Serving,
            InstanceState::Gone
        ]
    );
}

#[test]
fn stopped_duplicates_are_told_and_are_an_incident() {
    let reclaim = Reclaim {
        at: NOW,
        stopped_pids: vec![5, 6],
    };
    let runtime = summary(
        vec![found(7, Life::Live, |_| {})],
        Some(reclaim),
        "a",
        "b",
        Vec::new(),
    );
    assert_eq!(runtime.last_duplicate_reclaim_at, Some(NOW));
    assert_eq!(runtime.last_duplicate_reclaim_cleanup_owner_pids, [5, 6]);
    let incident = &runtime.recent_incidents[0];
    assert_eq!(incident.kind, IncidentKind::DuplicateReclaim);
    assert_eq!(incident.owner_pids, [5, 6]);
}

#[test]
fn reading_says_what_cannot_be_read_and_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let home = Home::at(place.path(), place.path());
    let folder = Folder::of(&home);
    folder.make().unwrap();
    let record = sample("00ff", 7, "/a", NOW);
    folder.write_record(&record).unwrap();
    let half = format!("{}-half.json", folder::key("pigeon-post", "pigeon_work"));
    fs::write(home.run_path().join("serve").join(half), "{").unwrap();
    let runtime = read(&home, "pigeon-post", "pigeon_work", "work", NOW);
    assert_eq!((runtime.pid, runtime.stale), (Some(7), true));
    assert_eq!(runtime.problems.len(), 1);
    assert!(runtime.problems[0].contains("-half.json: it does not hold"));
    let other = read(&home, "pigeon-post", "pigeon_home", "home", NOW);
    assert_eq!((other.instance_count, other.problems.len()), (0, 0));
}

#[test]
fn the_first_fields_are_those_of_other_hosts() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!(
        "../../../tests/fixtures/wire/stock-channels-json.json"
    ))
    .unwrap();
    let theirs = &fixture["account_snapshot"]["operations"][1]["runtime"];
    let ours = serde_json::to_value(summary(
        Vec::new(),
        None,
        "whatsapp_personal_127-0-0-1-39731",
        "whatsapp-personal:127.0.0.1:39731",
        Vec::new(),
    ))
    .unwrap();
    for (key, value) in theirs.as_object().unwrap() {
        assert_eq!(ours.get(key), Some(value), "{key}");
    }
}
