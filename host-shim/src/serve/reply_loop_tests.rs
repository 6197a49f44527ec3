//! The loop against a bridge and an engine that do what the test says, on a clock that jumps.

use super::doubles::{Bridge, Engine, Story, serving};
use super::*;
use crate::component::bindings::ErrorKind;
use crate::serve::reply::Turn;

#[tokio::test(start_paused = true)]
async fn one_slow_answer_blocks_no_other_chat() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ben", "b1"), ("ana", "a2"), ("cleo", "c1")]);
    let story = Story::of(bridge, Engine::with_gates(&["ana"]), |_| {});
    story.bridge.until(|state| state.settled.len() == 2).await;
    story.bridge.gets("ben", "b2");
    story.bridge.until(|state| state.settled.len() == 3).await;
    assert!(
        story
            .bridge
            .settled()
            .iter()
            .all(|line| !line.starts_with('a'))
    );
    story.engine.open("ana");
    story.bridge.until(|state| state.settled.len() == 5).await;
    assert_eq!(
        story.bridge.settled()[3..],
        ["a1 reply re: text a1", "a2 reply re: text a2"]
    );
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_chats_are_answered_at_once_than_configured() {
    let chats: Vec<String> = (0..12).map(|n| format!("chat{n}")).collect();
    let names: Vec<&str> = chats.iter().map(String::as_str).collect();
    let bridge = Bridge::with(&names.iter().map(|name| (*name, *name)).collect::<Vec<_>>());
    let story = Story::of(bridge, Engine::with_gates(&names), |serving| {
        serving.concurrency = 3
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    for name in &names {
        story.engine.open(name);
    }
    story.bridge.until(|state| state.settled.len() == 12).await;
    assert_eq!(story.engine.at_once.lock().unwrap().1, 3);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_hands_out_what_is_in_flight_gets_one_answer_and_no_hot_loop() {
    let bridge = Bridge::with(&[("ana", "a1")]);
    bridge.change(|state| state.forgetful = true);
    let story = Story::of(bridge, Engine::with_gates(&["ana"]), |_| {});
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(story.bridge.change(|state| state.questions) < 30);
    story.engine.open("ana");
    story.bridge.until(|state| !state.settled.is_empty()).await;
    assert_eq!(*story.engine.asked.lock().unwrap(), ["text a1"]);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_said_once_and_blocks_nobody() {
    let bridge = Bridge::with(&[]);
    bridge.change(|state| state.unreadable.push("odd".to_owned()));
    let story = Story::of(bridge, Engine::with_gates(&[]), |_| {});
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!((10..100).contains(&story.bridge.change(|state| state.questions)));
    story.bridge.gets("ana", "a1");
    story.bridge.until(|state| state.settled.len() == 1).await;
    let told = |event: &ServeEvent| matches!(event, ServeEvent::Unreadable { .. });
    assert_eq!(story.count(told), 1);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_is_down_is_waited_for_and_that_is_said_once() {
    let bridge = Bridge::with(&[]);
    bridge.change(|state| state.receive_error = Some(ErrorKind::BridgeUnreachable));
    let story = Story::of(bridge, Engine::with_gates(&[]), |_| {});
    tokio::time::sleep(Duration::from_secs(600)).await;
    let questions = story.bridge.change(|state| state.questions);
    assert!(
        (15..60).contains(&questions),
        "{questions} questions in 10 minutes"
    );
    assert_eq!(story.waits(WaitingFor::Bridge), 1);
    story.bridge.change(|state| state.receive_error = None);
    story.bridge.gets("ana", "a1");
    story.bridge.until(|state| state.settled.len() == 1).await;
    assert_eq!(story.recoveries(WaitingFor::Bridge), 1);
    assert_eq!(story.count(|event| *event == ServeEvent::Connected), 1);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_whatsapp_and_goes_out_once_it_is_back() {
    let bridge = Bridge::with(&[("ana", "a1")]);
    bridge.change(|state| state.reply_error = Some(ErrorKind::BridgeUnavailable));
    let story = Story::of(bridge, Engine::with_gates(&[]), |_| {});
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(story.bridge.settled(), [""; 0]);
    story.bridge.change(|state| state.reply_error = None);
    story.bridge.until(|state| state.settled.len() == 1).await;
    assert_eq!(story.bridge.settled(), ["a1 reply re: text a1"]);
    assert_eq!(story.engine.asked.lock().unwrap().len(), 1);
    assert_eq!(
        (
            story.waits(WaitingFor::Sending),
            story.recoveries(WaitingFor::Sending)
        ),
        (1, 1)
    );
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn that_replies_wait_is_said_once_though_messages_without_a_reply_are_settled() {
    let bridge = Bridge::with(&[("ana", "a1"), ("silent", "s1")]);
    bridge.change(|state| state.reply_error = Some(ErrorKind::BridgeUnavailable));
    let story = Story::of(bridge, Engine::with_gates(&[]), |_| {});
    for next in ["s2", "s3"] {
        tokio::time::sleep(Duration::from_secs(300)).await;
        story.bridge.gets("silent", next);
    }
    story.bridge.until(|state| state.settled.len() == 3).await;
    story.bridge.change(|state| state.reply_error = None);
    story.bridge.until(|state| state.inbox.is_empty()).await;
    assert_eq!(
        (
            story.waits(WaitingFor::Sending),
            story.recoveries(WaitingFor::Sending)
        ),
        (1, 1)
    );
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_rested_message_without_a_place_is_no_reason_to_wake() {
    let bridge = Bridge::with(&[("ana", "a1")]);
    let message = bridge.change(|state| state.inbox[0].clone());
    let engine = Engine::with_gates(&[]);
    let mut serve = ReplyLoop::new(serving(1), bridge, engine, None, Arc::new(|_| {}));
    let now = Instant::now();
    serve.conversations.offer(message.clone(), now);
    serve.conversations.give_back(&message, true, now);
    serve.conversations.offer(message, now);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(serve.wake_at().is_some_and(|at| at <= Instant::now()));
    serve.answers.spawn(std::future::pending());
    serve.ask();
    assert!(serve.polling.is_asking());
    assert_eq!(serve.wake_at(), None);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_falls_due_between_two_looks_at_the_clock_is_still_asked() {
    let bridge = Bridge::with(&[]);
    let engine = Engine::with_gates(&[]);
    let serve = ReplyLoop::new(serving(1), bridge, engine, None, Arc::new(|_| {}));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(serve.wake_at().is_some_and(|at| at <= Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_answer_counts_and_is_tried_again_after_a_growing_rest() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ana", "a2")]);
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::failed("no idea")));
    let story = Story::of(bridge, engine, |_| {});
    let began = Instant::now();
    story.bridge.until(|state| state.settled.len() == 3).await;
    assert_eq!(story.bridge.settled(), ["a1 later, counted"; 3]);
    assert!(
        began.elapsed() >= Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    story.engine.is(None);
    story.bridge.until(|state| state.settled.len() == 5).await;
    assert_eq!(
        story.bridge.settled()[3..],
        ["a1 reply re: text a1", "a2 reply re: text a2"]
    );
    assert!(
        began.elapsed() >= Duration::from_secs(40) && began.elapsed() < Duration::from_secs(60)
    );
    assert_eq!(
        story.count(|event| matches!(event, ServeEvent::AttemptFailed { .. })),
        3
    );
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_down_nothing_is_asked_for_and_what_is_held_goes_back_uncounted() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ana", "a2"), ("ben", "b1")]);
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::down("refused", "start it")));
    let story = Story::of(bridge, engine, |serving| serving.concurrency = 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(story.bridge.settled(), ["a1 later", "b1 later"]);
    let questions = story.bridge.change(|state| state.questions);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(story.bridge.change(|state| state.questions) <= questions + 1);
    assert!(*story.engine.probes.lock().unwrap() > 10);
    assert_eq!(story.waits(WaitingFor::Engine), 1);
    story.engine.is(None);
    story.bridge.until(|state| state.inbox.is_empty()).await;
    assert_eq!(story.recoveries(WaitingFor::Engine), 1);
    let replies: Vec<String> = story
        .bridge
        .settled()
        .into_iter()
        .filter(|line| line.contains("reply"))
        .collect();
    assert!(
        replies.iter().position(|line| line.starts_with("a1"))
            < replies.iter().position(|line| line.starts_with("a2"))
    );
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_refused_for_good_does_not_block_its_chat() {
    let bridge = Bridge::with(&[("ana", "a1")]);
    bridge.change(|state| state.reply_error = Some(ErrorKind::BridgeRefused));
    let story = Story::of(bridge, Engine::with_gates(&[]), |_| {});
    story.bridge.until(|state| state.settled.len() == 1).await;
    assert_eq!(story.bridge.settled(), ["a1 no reply"]);
    assert_eq!(
        story.count(
            |event| matches!(event, ServeEvent::ReplyRefused { code, .. } if code == "told_so")
        ),
        1
    );
    story.bridge.change(|state| state.reply_error = None);
    story.bridge.gets("ana", "a2");
    story.bridge.until(|state| state.settled.len() == 2).await;
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_refuses_to_hand_anything_out_ends_the_loop_with_its_reason() {
    let bridge = Bridge::with(&[]);
    bridge.change(|state| state.receive_error = Some(ErrorKind::BridgeRefused));
    let failure = Story::of(bridge, Engine::with_gates(&[]), |_| {})
        .ends()
        .await
        .unwrap_err();
    assert_eq!(failure.code, "told_so");
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_there_is_room_for() {
    let cursors: Vec<String> = (0..250).map(|n| format!("m{n}")).collect();
    let bridge = Bridge::with(
        &cursors
            .iter()
            .map(|c| ("ana", c.as_str()))
            .collect::<Vec<_>>(),
    );
    let story = Story::of(bridge, Engine::with_gates(&["ana"]), |_| {});
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        story.count(|event| matches!(event, ServeEvent::MessageIn { .. })),
        HELD
    );
    story.engine.open("ana");
    story.bridge.until(|state| state.settled.len() == 250).await;
    let expected: Vec<String> = cursors
        .iter()
        .map(|c| format!("{c} reply re: text {c}"))
        .collect();
    assert_eq!(story.bridge.settled(), expected);
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_finished_when_all_of_it_is_settled() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ben", "b1")]);
    bridge.change(|state| state.batch_id = Some("batch-1".to_owned()));
    let story = Story::of(bridge, Engine::with_gates(&["ana"]), |_| {});
    story.bridge.until(|state| state.settled.len() == 1).await;
    assert!(story.bridge.change(|state| state.finished.is_empty()));
    story.engine.open("ana");
    story
        .bridge
        .until(|state| state.finished == ["batch-1"])
        .await;
    story.stops().await;
}

#[tokio::test(start_paused = true)]
async fn once_answers_what_is_there_and_ends() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ana", "a2"), ("ben", "b1")]);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&[]), |serving| {
        serving.once = true
    });
    story.ends().await.unwrap();
    assert_eq!(bridge.settled().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn once_says_what_it_could_not_answer() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ben", "b1")]);
    let engine = Engine::with_gates(&[]);
    engine.is(Some(EngineError::failed("no idea")));
    let story = Story::of(Arc::clone(&bridge), engine, |serving| serving.once = true);
    assert_eq!(story.ends().await.unwrap_err().code, "not_all_answered");
    assert_eq!(bridge.settled().len(), 2);

    let down = Engine::with_gates(&[]);
    down.is(Some(EngineError::down("refused", "start it")));
    let story = Story::of(Arc::clone(&bridge), down, |serving| serving.once = true);
    assert_eq!(story.ends().await.unwrap_err().code, "engine_down");

    bridge.change(|state| state.reply_error = Some(ErrorKind::BridgeUnavailable));
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&[]), |serving| {
        serving.once = true
    });
    assert_eq!(story.ends().await.unwrap_err().code, "bridge_unavailable");

    bridge.change(|state| state.receive_error = Some(ErrorKind::BridgeUnreachable));
    let story = Story::of(bridge, Engine::with_gates(&[]), |serving| {
        serving.once = true
    });
    assert_eq!(story.ends().await.unwrap_err().code, "told_so");
}

#[tokio::test(start_paused = true)]
async fn stopped_the_loop_finishes_what_is_under_way() {
    let bridge = Bridge::with(&[("ana", "a1"), ("ana", "a2")]);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&["ana"]), |_| {});
    tokio::time::sleep(Duration::from_secs(1)).await;
    story.stop.cancel();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    story.engine.open("ana");
    story.ends().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(bridge.settled(), ["a2 later", "a1 reply re: text a1"]);
}

#[tokio::test(start_paused = true)]
async fn stopped_the_loop_gives_back_what_takes_too_long() {
    let bridge = Bridge::with(&[("ana", "a1")]);
    let story = Story::of(Arc::clone(&bridge), Engine::with_gates(&["ana"]), |_| {});
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    story.stops().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(bridge.settled(), ["a1 later"]);
}

#[tokio::test(start_paused = true)]
async fn stopped_while_nothing_answers_the_loop_ends_at_once() {
    let bridge = Bridge::with(&[]);
    bridge.change(|state| state.receive_error = Some(ErrorKind::BridgeUnreachable));
    let story = Story::of(bridge, Engine::with_gates(&[]), |_| {});
    tokio::time::sleep(Duration::from_secs(90)).await;
    let began = Instant::now();
    story.stops().await;
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_turn_is_remembered_once_its_reply_is_accepted_and_never_before() {
    let folder = tempfile::tempdir().unwrap();
    let home = crate::home::Home::at(folder.path(), folder.path());
    let history = History::open(&home, "pigeon-post", "pigeon_default", 20).unwrap();
    let bridge = Bridge::with(&[("ana", "a1"), ("ben", "b1")]);
    bridge.change(|state| state.reply_error = Some(ErrorKind::BridgeRefused));
    let once = |serving: &mut Serving| serving.once = true;
    let engine = || Engine::with_gates(&[]);
    Story::with_history(Arc::clone(&bridge), engine(), Some(history.clone()), once)
        .ends()
        .await
        .unwrap();
    assert_eq!(history.turns("ana", "later").await.unwrap(), []);

    bridge.change(|state| state.reply_error = None);
    bridge.gets("ana", "a2");
    Story::with_history(bridge, engine(), Some(history.clone()), once)
        .ends()
        .await
        .unwrap();
    let turn = Turn {
        user: "text a2".to_owned(),
        reply: "re: text a2".to_owned(),
    };
    assert_eq!(history.turns("ana", "later").await.unwrap(), [turn]);
}
