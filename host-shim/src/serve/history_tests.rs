use super::*;

fn turn(user: &str, reply: &str) -> Turn {
    Turn {
        user: user.to_owned(),
        reply: reply.to_owned(),
    }
}

fn open(folder: &Path, account: &str, limit: usize) -> History {
    History::open(
        &Home::at(folder, folder),
        "whatsapp-personal",
        account,
        limit,
    )
    .unwrap()
}

#[tokio::test]
async fn a_conversation_is_remembered_across_restarts_and_apart_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), "work", 20);
    first
        .record("ana", "m1", turn("hello", "hi"))
        .await
        .unwrap();
    first
        .record("ana", "m2", turn("how are you", "well"))
        .await
        .unwrap();
    drop(first);
    let again = open(folder.path(), "work", 20);
    assert_eq!(
        again.turns("ana", "m3").await.unwrap(),
        [turn("hello", "hi"), turn("how are you", "well")]
    );
    assert_eq!(again.turns("ben", "m3").await.unwrap(), []);
    assert_eq!(
        open(folder.path(), "home", 20)
            .turns("ana", "m3")
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn a_message_that_comes_again_is_in_there_once_and_not_in_its_own_history() {
    let folder = tempfile::tempdir().unwrap();
    let history = open(folder.path(), "work", 20);
    history
        .record("ana", "m1", turn("hello", "hi"))
        .await
        .unwrap();
    history
        .record("ana", "m1", turn("hello", "hi there"))
        .await
        .unwrap();
    assert_eq!(history.turns("ana", "m1").await.unwrap(), []);
    assert_eq!(
        history.turns("ana", "m2").await.unwrap(),
        [turn("hello", "hi")]
    );
}

#[tokio::test]
async fn only_the_last_turns_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let history = open(folder.path(), "work", 2);
    for n in 1..=5 {
        history
            .record("ana", &format!("m{n}"), turn(&n.to_string(), "ok"))
            .await
            .unwrap();
    }
    assert_eq!(
        history.turns("ana", "m9").await.unwrap(),
        [turn("4", "ok"), turn("5", "ok")]
    );
    let more = open(folder.path(), "work", 20);
    assert_eq!(more.turns("ana", "m9").await.unwrap().len(), 2);
}

#[tokio::test]
async fn with_no_turns_wanted_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), "work", 0)
        .record("ana", "m1", turn("hello", "hi"))
        .await
        .unwrap();
    assert_eq!(
        open(folder.path(), "work", 20)
            .turns("ana", "m2")
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn only_the_owner_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let history = open(folder.path(), "work", 20);
    history
        .record("ana", "m1", turn("hello", "hi"))
        .await
        .unwrap();
    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_damaged_or_later_file_is_refused_with_a_way_out_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path(), folder.path());
    let path = folder.path().join("history.db");
    let noise = "this is no database at all ".repeat(100);
    fs::write(&path, &noise).unwrap();
    let failure = History::open(&home, "c", "a", 20).unwrap_err();
    assert_eq!(failure.code, "history_unusable");
    assert!(failure.hint.unwrap().contains("move the file away"));
    assert_eq!(fs::read_to_string(&path).unwrap(), noise);

    fs::remove_file(&path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA user_version = 9")
        .unwrap();
    let failure = History::open(&home, "c", "a", 20).unwrap_err();
    assert!(failure.to_string().contains("later version"), "{failure}");
}
