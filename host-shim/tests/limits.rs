//! A guest that misbehaves is stopped, named, and forgotten; the host goes on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use async_trait::async_trait;
use common::{LIMITS, ShutDoor, document, first_account, load, text};
use futures::future::join_all;
use loong::component::bindings::{Account, Consumer, Receive, Step};
use loong::component::call_error::{Call, CallError};
use loong::component::channel::Channel;
use loong::component::engine::{Deadlines, Limits};
use loong::door::{Answer, BridgeAddress, BridgeDoor, DoorError};
use serde_json::json;
use tokio::sync::Barrier;

const HOSTILE: &str = "hostile-channel.wasm";

async fn reading(behaviour: &str, limits: Limits) -> CallError {
    let channel = load(HOSTILE, limits, ShutDoor::default()).await;
    let error = channel
        .validate_config(document(&json!({ "behave": behaviour })))
        .await
        .unwrap_err();
    // Whatever happened, the next call has an instance of its own.
    channel.validate_config(document(&json!({}))).await.unwrap();
    error
}

#[tokio::test]
async fn an_endless_loop_ends_when_its_fuel_is_used_up() {
    let error = reading("loop", LIMITS).await;
    assert!(
        matches!(error, CallError::Fuel { limit, .. } if limit == LIMITS.fuel),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_endless_loop_with_fuel_to_spare_ends_at_the_deadline() {
    let limits = Limits {
        fuel: u64::MAX >> 1,
        deadlines: Deadlines {
            validate_config: Duration::from_millis(300),
            ..LIMITS.deadlines
        },
        ..LIMITS
    };
    let error = reading("loop", limits).await;
    assert!(
        matches!(error, CallError::Deadline { after, .. } if after == Duration::from_millis(300)),
        "{error:?}"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_guest_that_hoards_memory_is_stopped_at_its_limit() {
    let error = reading("memory", LIMITS).await;
    assert!(
        matches!(error, CallError::Memory { limit, .. } if limit == LIMITS.memory),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("more memory than 16 MiB"),
        "{error}"
    );
}

#[tokio::test]
async fn a_guest_that_floods_the_host_with_calls_is_stopped() {
    let error = reading("flood_log", LIMITS).await;
    assert!(
        matches!(error, CallError::HostCalls { limit: 100, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_larger_than_a_guest_may_hand_over_is_not_copied() {
    let limits = Limits {
        memory: 128 << 20,
        fuel: 20_000_000_000,
        ..LIMITS
    };
    let error = reading("huge", limits).await;
    assert!(
        matches!(error, CallError::Bytes { limit, .. } if limit == LIMITS.bytes),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_trap_names_plugin_version_and_call() {
    let channel = load(HOSTILE, LIMITS, ShutDoor::default()).await;
    let block = json!({ "behave_later": "trap", "bridge_url": "http://127.0.0.1:1/" });
    let account = first_account(&channel.validate_config(document(&block)).await.unwrap());
    let error = channel.send(&account, text("x", "y")).await.unwrap_err();
    assert!(matches!(error, CallError::Trapped { .. }), "{error:?}");
    assert_eq!(error.at().call, Call::Send);
    let words = error.to_string();
    assert!(
        words.starts_with("plugin hostile-channel-test 1.2.3, call send broke down: "),
        "{words}"
    );

    let step = Step::Receive(Receive {
        max_messages: 1,
        wait: 0,
        consumer: Consumer {
            id: "a".into(),
            instance: "b".into(),
        },
        in_flight: vec![],
    });
    let error = channel.serve_step(&account, step).await.unwrap_err();
    assert_eq!(error.at().call, Call::Receive);
}

#[tokio::test]
async fn one_guest_that_hangs_holds_up_no_other_call() {
    let limits = Limits {
        fuel: u64::MAX >> 1,
        deadlines: Deadlines {
            send: Duration::from_secs(600),
            ..LIMITS.deadlines
        },
        ..LIMITS
    };
    let channel = load(HOSTILE, limits, ShutDoor::default()).await;
    let account = |behaviour: &str| {
        let (channel, block) = (channel.clone(), json!({ "behave_later": behaviour }));
        async move { first_account(&channel.validate_config(document(&block)).await.unwrap()) }
    };
    let (hanging, tame) = (account("loop").await, account("").await);
    let hung = {
        let channel = channel.clone();
        tokio::spawn(async move { channel.send(&hanging, text("x", "y")).await })
    };
    let receipt =
        tokio::time::timeout(Duration::from_secs(60), channel.send(&tame, text("x", "y"))).await;
    assert_eq!(receipt.unwrap().unwrap().target, "x");
    assert!(!hung.is_finished());
    hung.abort();
}

/// Nobody answers, but who asked is counted.
#[derive(Debug, Clone)]
struct SilentDoor(Arc<Barrier>, Arc<AtomicUsize>, Arc<AtomicUsize>);

#[async_trait]
impl BridgeDoor for SilentDoor {
    async fn post(&self, _: &BridgeAddress, _: String, _: Duration) -> Result<Answer, DoorError> {
        let now = self.1.fetch_add(1, SeqCst) + 1;
        self.2.fetch_max(now, SeqCst);
        self.0.wait().await;
        self.1.fetch_sub(1, SeqCst);
        Err(DoorError::TimedOut)
    }
}

impl SilentDoor {
    /// Lets callers go on once `together` of them wait.
    fn opening_for(together: usize) -> Self {
        Self(
            Arc::new(Barrier::new(together)),
            Arc::default(),
            Arc::default(),
        )
    }
}

async fn pigeons(limits: Limits, door: SilentDoor) -> (Channel, Account) {
    let channel = load("pigeon-post.wasm", limits, door).await;
    let block = json!({ "enabled": true, "tower": "http://127.0.0.1:1/" });
    let account = first_account(&channel.validate_config(document(&block)).await.unwrap());
    (channel, account)
}

#[tokio::test]
async fn calls_run_side_by_side_up_to_the_limit_and_the_rest_wait() {
    let door = SilentDoor::opening_for(LIMITS.concurrent_calls);
    let (channel, account) = pigeons(LIMITS, door.clone()).await;
    let calls = (0..LIMITS.concurrent_calls * 3)
        .map(|_number| channel.send(&account, text("north", "coo")));
    let all = tokio::time::timeout(Duration::from_secs(60), join_all(calls))
        .await
        .unwrap();
    assert!(
        all.iter()
            .all(|result| matches!(result, Err(CallError::Refused { .. })))
    );
    assert_eq!(door.2.load(SeqCst), LIMITS.concurrent_calls);
}

#[tokio::test]
async fn a_receive_may_take_as_long_as_it_asked_to_wait_and_a_margin_and_no_longer() {
    let limits = Limits {
        deadlines: Deadlines {
            receive_margin: Duration::from_millis(150),
            ..LIMITS.deadlines
        },
        ..LIMITS
    };
    let (channel, account) = pigeons(limits, SilentDoor::opening_for(2)).await;
    let step = Step::Receive(Receive {
        max_messages: 1,
        wait: 200,
        consumer: Consumer {
            id: "a".into(),
            instance: "b".into(),
        },
        in_flight: vec![],
    });
    let error = channel.serve_step(&account, step).await.unwrap_err();
    assert!(
        matches!(error, CallError::Deadline { after, .. } if after == Duration::from_millis(350)),
        "{error:?}"
    );
}
