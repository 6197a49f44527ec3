//! The loop and its leases: what is held is kept, what is not goes back, whatever crosses on the way.

use super::doubles::{Engine, Story, written};
use super::lease_doubles::{Lags, Leasing, Place, Row};
use super::*;
use crate::serve::reply::EngineError;

fn many(conversation: &str, count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|n| (conversation.to_owned(), format!("{conversation}{n:03}")))
        .collect()
}

fn borrowed(messages: &[(String, String)]) -> Vec<(&str, &str)> {
    messages
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn during_a_long_answer_all_that_is_held_is_named_every_40_s_also_without_room_for_more() {
    let bridge = Leasing::with(&borrowed(&many("ana", HELD + 50)));
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&["ana"]), |_| {});
    tokio::time::sleep(Duration::from_secs(3_000)).await;
    assert!(bridge.longest_silence() <= Duration::from_secs(40));
    bridge.change(|table| {
        let last = table.questions.last().unwrap();
        assert_eq!((last.max, last.in_flight.len()), (0, HELD));
        assert!(
            table
                .questions
                .iter()
                .all(|question| question.stale.is_empty())
        );
    });
    story.engine.open("ana");
    bridge.until_all_done().await;
    bridge.is_spotless();
    let order: Vec<String> = many("ana", HELD + 50).into_iter().map(|(_, c)| c).collect();
    assert_eq!(bridge.change(|table| table.replies.clone()), order);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_down_an_answer_that_still_runs_is_named_and_nothing_else_is() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1"), ("ben", "b2")]);
    let engine = Engine::with_gates(&["ana"]);
    engine.is(Some(EngineError::down("refused", "start it")));
    let story = Story::of(Arc::clone(&bridge), engine, |_| {});
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(bridge.longest_silence() <= Duration::from_secs(40));
    bridge.change(|table| {
        // The first brought them, the second was asked before the engine was heard.
        for question in table.questions.iter().skip(2) {
            assert_eq!(question.max, 0);
            assert_eq!(question.in_flight, ["a1"], "{question:?}");
        }
        assert!(table.questions.len() > 15);
    });
    story.engine.is(None);
    story.engine.open("ana");
    bridge.until_all_done().await;
    bridge.is_spotless();
    assert_eq!(bridge.change(|table| table.replies.len()), 3);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn with_once_a_long_answer_keeps_its_lease_too() {
    let bridge = Leasing::with(&[("ana", "a1")]);
    let story = Story::of(
        Arc::clone(&bridge),
        Engine::with_gates(&["ana"]),
        |serving| serving.once = true,
    );
    tokio::time::sleep(Duration::from_secs(600)).await;
    story.engine.open("ana");
    story.ends().await.unwrap();
    bridge.is_spotless();
    assert_eq!(bridge.change(|table| table.replies.clone()), ["a1"]);
}

#[tokio::test(start_paused = true)]
async fn what_went_back_is_named_no_more_until_it_is_handed_out_again() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ana", "a2")]);
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::failed("no idea")));
    let story = Story::of(Arc::clone(&bridge), engine, |_| {});
    bridge.until(|table| table.rows[0].attempts == 3).await;
    story.engine.is(None);
    bridge.until_all_done().await;
    bridge.change(|table| {
        assert!(
            table.questions.iter().all(|q| q.stale.is_empty()),
            "{:#?}",
            table.questions
        );
        assert_eq!((table.rows[0].attempts, table.rows[1].attempts), (3, 0));
        assert_eq!(table.replies, ["a1", "a2"]);
    });
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn while_something_is_on_its_way_back_it_is_not_taken_again() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1"), ("cleo", "c1")]);
    let slow = (Duration::from_secs(5), Duration::ZERO);
    bridge.change(|table| {
        table.lags.push_back(Lags {
            release: slow,
            ..Lags::default()
        });
    });
    let engine = Engine::with_gates(&["ben", "cleo"]);
    engine.is(Some(EngineError::down("refused", "start it")));
    let story = Story::of(Arc::clone(&bridge), engine, |serving| {
        serving.concurrency = 1;
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Works again while what was held still goes back.
    story.engine.is(None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    bridge.change(|table| {
        let stale = table.questions.iter().flat_map(|question| &question.stale);
        assert_eq!(stale.count(), 0, "{:#?}", table.questions);
    });
    story.engine.open("ben");
    story.engine.open("cleo");
    bridge.until_all_done().await;
    bridge.is_spotless();
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_bridge_that_is_lost_costs_its_messages_nothing() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1")]);
    bridge.change(|table| table.losing = 3);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&[]), |_| {});
    bridge.until_all_done().await;
    bridge.is_spotless();
    assert_eq!(story.engine.asked.lock().unwrap().len(), 2);
    assert_eq!(story.waits(WaitingFor::Bridge), 1);
    story.stops().await;
}

/// Whatever is on its way while the bridge is asked: each message is replied to once, in order, and
/// no more attempts are counted than the engine failed.
#[tokio::test(start_paused = true)]
async fn requests_that_cross_on_the_way_lose_double_and_count_nothing() {
    let steps = [0, 300, 1_900, 2_100, 7_000].map(Duration::from_millis);
    for before in steps {
        for after in steps {
            for receive in [0, 700, 2_500].map(Duration::from_millis) {
                let lags = Lags {
                    release: (before, after),
                    settle: (after, before),
                    receive,
                };
                let told = format!("{lags:?}");
                crossing(lags).await;
                tracing::debug!("{told}");
            }
        }
    }
}

async fn crossing(lags: Lags) {
    let all: Vec<(String, String)> = ["ana", "ben", "cleo"]
        .into_iter()
        .flat_map(|conversation| many(conversation, 4))
        .collect();
    let bridge = Leasing::with(&borrowed(&all));
    bridge.change(|table| table.lags.push_back(lags));
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::failed("no idea")));
    let story = Story::of(Arc::clone(&bridge), engine, |serving| {
        serving.concurrency = 2
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    story
        .engine
        .is(Some(EngineError::down("refused", "start it")));
    tokio::time::sleep(Duration::from_secs(60)).await;
    story.engine.is(None);
    bridge.until_all_done().await;
    bridge.change(|table| {
        assert_eq!(
            (table.leases_ended, table.counted_by_finish),
            (0, 0),
            "{lags:?}"
        );
        assert_eq!(
            table.replies.len(),
            all.len(),
            "{lags:?}: {:?}",
            table.replies
        );
        for conversation in ["ana", "ben", "cleo"] {
            let mine = table
                .replies
                .iter()
                .filter(|cursor| cursor.starts_with(conversation));
            let order: Vec<String> = many(conversation, 4).into_iter().map(|(_, c)| c).collect();
            assert_eq!(mine.cloned().collect::<Vec<_>>(), order, "{lags:?}");
        }
        let counted: u32 = table.rows.iter().map(|row| row.attempts).sum();
        let failed = story.count(|event| matches!(event, ServeEvent::AttemptFailed { .. }));
        assert!(
            counted as usize <= failed,
            "{lags:?}: {counted} of {failed}"
        );
        assert!(counted > 0, "{lags:?}");
    });
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn stopped_nothing_stays_leased_not_even_what_an_unheard_answer_brought() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1"), ("ben", "b2")]);
    let story = Story::of(
        Arc::clone(&bridge),
        Engine::with_gates(&["ana", "ben"]),
        |serving| serving.concurrency = 1,
    );
    bridge
        .until(|table| matches!(table.rows[2].place, Place::Leased(_)))
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    bridge.change(|table| {
        let receive = Duration::from_secs(5);
        table.lags.push_back(Lags {
            receive,
            ..Lags::default()
        });
        table.rows.push(Row {
            message: written("cleo", "c1"),
            place: Place::Waiting(Instant::now()),
            batch: 0,
            attempts: 0,
        });
    });
    bridge
        .until(|table| matches!(table.rows[3].place, Place::Leased(_)))
        .await;
    let began = Instant::now();
    story.stops().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    bridge.is_spotless();
    bridge.change(|table| {
        assert!(
            table
                .rows
                .iter()
                .all(|row| matches!(row.place, Place::Waiting(_))),
            "{:#?}",
            table.rows
        );
        assert!(table.replies.is_empty());
    });
}

#[tokio::test(start_paused = true)]
async fn stopped_with_a_bridge_that_hangs_the_loop_ends_within_10_s() {
    let bridge = Leasing::with(&[("ana", "a1"), ("ben", "b1")]);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&["ana"]), |_| {});
    bridge
        .until(|table| matches!(table.rows[0].place, Place::Leased(_)))
        .await;
    bridge.change(|table| table.hangs = true);
    let began = Instant::now();
    story.stops().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
