//! A bridge and an engine that do what a test says, and a loop that runs between them.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::*;
use crate::component::bindings::{
    Batch, ChannelError, DeliveryStatus, ErrorKind, Receipt, Step, StepOutcome, UnreadableMessage,
    Verdict,
};
use crate::component::call_error::{Call, CallSite};
use crate::serve::reply::ReplyRequest;

/// On the jumping clock this costs nothing, and a story that hangs still ends.
pub(super) const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(super) struct Bridge {
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) inbox: Vec<InboundMessage>,
    /// `<cursor> <verdict>`, in the order in which they came.
    pub(super) settled: Vec<String>,
    pub(super) finished: Vec<String>,
    pub(super) batch_id: Option<String>,
    pub(super) questions: usize,
    pub(super) receive_error: Option<ErrorKind>,
    pub(super) reply_error: Option<ErrorKind>,
    /// Hands everything out at every question, whatever is in flight.
    pub(super) forgetful: bool,
    /// Cursors of messages that the guest cannot read; they come with every answer.
    pub(super) unreadable: Vec<String>,
}

impl Bridge {
    pub(super) fn with(messages: &[(&str, &str)]) -> Arc<Self> {
        let bridge = Arc::new(Self::default());
        for (conversation, cursor) in messages {
            bridge.gets(conversation, cursor);
        }
        bridge
    }

    pub(super) fn gets(&self, conversation: &str, cursor: &str) {
        self.change(|state| state.inbox.push(written(conversation, cursor)));
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.state.lock().unwrap());
        self.changed.notify_waiters();
        outcome
    }

    pub(super) fn settled(&self) -> Vec<String> {
        self.state.lock().unwrap().settled.clone()
    }

    pub(super) async fn until(&self, happened: impl Fn(&State) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if happened(&self.state.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("it never happened; settled: {:?}", self.settled());
        }
    }
}

/// What somebody wrote in `conversation`.
pub(super) fn written(conversation: &str, cursor: &str) -> InboundMessage {
    InboundMessage {
        handle: cursor.to_owned(),
        cursor: cursor.to_owned(),
        conversation: conversation.to_owned(),
        message_id: format!("id-{cursor}"),
        target: conversation.to_owned(),
        sender: "+15550100".to_owned(),
        sender_name: None,
        is_group: false,
        text: format!("text {cursor}"),
        received_at: 0,
    }
}

pub(super) fn refusal(kind: ErrorKind) -> CallError {
    CallError::Refused {
        at: Box::new(CallSite {
            plugin_id: "pigeon".to_owned(),
            version: "1".to_owned(),
            call: Call::Settle,
        }),
        error: ChannelError {
            kind,
            code: "told_so".to_owned(),
            message: "the test said so".to_owned(),
            hint: "start the bridge".to_owned(),
        },
    }
}

#[async_trait::async_trait]
impl Steps for Bridge {
    async fn step(&self, step: Step) -> Result<StepOutcome, CallError> {
        match step {
            Step::Receive(receive) => {
                let until = Instant::now() + Duration::from_millis(receive.wait.into());
                self.change(|state| state.questions += 1);
                loop {
                    let changed = self.changed.notified();
                    let batch = {
                        let state = self.state.lock().unwrap();
                        if let Some(kind) = state.receive_error {
                            return Err(refusal(kind));
                        }
                        let messages = state
                            .inbox
                            .iter()
                            .filter(|m| state.forgetful || !receive.in_flight.contains(&m.cursor))
                            .take(receive.max_messages as usize)
                            .cloned()
                            .collect();
                        Batch {
                            id: state.batch_id.clone(),
                            messages,
                            unreadable: state
                                .unreadable
                                .iter()
                                .map(|cursor| UnreadableMessage {
                                    cursor: Some(cursor.clone()),
                                    reason: "chat not allowed".to_owned(),
                                })
                                .collect(),
                        }
                    };
                    let empty = batch.messages.is_empty() && batch.unreadable.is_empty();
                    if !empty || Instant::now() >= until {
                        return Ok(StepOutcome::Received(batch));
                    }
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(until) => {}
                    }
                }
            }
            Step::Settle(settlement) => self.change(|state| {
                let cursor = settlement.handle;
                let (line, acknowledged) = match settlement.verdict {
                    Verdict::Reply(text) => match state.reply_error {
                        Some(kind) => return Err(refusal(kind)),
                        None => (format!("{cursor} reply {text}"), true),
                    },
                    Verdict::NoReply => (format!("{cursor} no reply"), true),
                    Verdict::Later(later) if later.counts => {
                        (format!("{cursor} later, counted"), false)
                    }
                    Verdict::Later(_) => (format!("{cursor} later"), false),
                };
                let receipt = line.contains(" reply ").then(|| Receipt {
                    target: cursor.clone(),
                    message_id: "out".to_owned(),
                    message_ids: vec!["out".to_owned()],
                    status: DeliveryStatus::Sent,
                });
                if acknowledged {
                    state.inbox.retain(|message| message.cursor != cursor);
                }
                state.settled.push(line);
                Ok(StepOutcome::Settled(receipt))
            }),
            Step::Finish(id) => {
                self.change(|state| state.finished.push(id));
                Ok(StepOutcome::Finished)
            }
        }
    }
}

/// Replies `re: <text>`, unless told otherwise, and nothing in the chat `silent`.
pub(super) struct Engine {
    /// What was asked, in order.
    pub(super) asked: Mutex<Vec<String>>,
    pub(super) at_once: Mutex<(usize, usize)>,
    /// Conversations that wait here before they are answered.
    pub(super) gates: HashMap<String, Semaphore>,
    pub(super) trouble: Mutex<Option<EngineError>>,
    pub(super) probes: Mutex<usize>,
}

impl Engine {
    pub(super) fn with_gates(conversations: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            at_once: Mutex::default(),
            gates: conversations
                .iter()
                .map(|c| ((*c).to_owned(), Semaphore::new(0)))
                .collect(),
            trouble: Mutex::default(),
            probes: Mutex::default(),
        })
    }

    pub(super) fn open(&self, conversation: &str) {
        self.gates[conversation].add_permits(1_000);
    }

    pub(super) fn is(&self, trouble: Option<EngineError>) {
        *self.trouble.lock().unwrap() = trouble;
    }
}

#[async_trait::async_trait]
impl ReplyEngine for Engine {
    async fn reply(&self, request: &ReplyRequest) -> Result<Option<String>, EngineError> {
        self.asked.lock().unwrap().push(request.text.clone());
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        if let Some(gate) = self.gates.get(&request.conversation) {
            gate.acquire().await.unwrap().forget();
        }
        self.at_once.lock().unwrap().0 -= 1;
        match self.trouble.lock().unwrap().clone() {
            Some(trouble) => Err(trouble),
            None if request.conversation == "silent" => Ok(None),
            None => Ok(Some(format!("re: {}", request.text))),
        }
    }

    async fn probe(&self) -> Result<(), EngineError> {
        *self.probes.lock().unwrap() += 1;
        match self.trouble.lock().unwrap().clone() {
            Some(trouble @ EngineError::Down { .. }) => Err(trouble),
            Some(EngineError::Failed { .. }) | None => Ok(()),
        }
    }
}

pub(super) fn serving(concurrency: usize) -> Serving {
    Serving {
        channel: "pigeon-post".to_owned(),
        account: "default".to_owned(),
        runtime_id: "pigeon_default".to_owned(),
        concurrency,
        once: false,
    }
}

/// A loop that runs.
pub(super) struct Story<B = Bridge> {
    pub(super) bridge: Arc<B>,
    pub(super) engine: Arc<Engine>,
    pub(super) events: Arc<Mutex<Vec<ServeEvent>>>,
    pub(super) stop: CancellationToken,
    pub(super) running: JoinHandle<Result<(), Failure>>,
}

impl<B: Steps> Story<B> {
    pub(super) fn of(
        bridge: Arc<B>,
        engine: Arc<Engine>,
        change: impl FnOnce(&mut Serving),
    ) -> Self {
        Self::with_history(bridge, engine, None, change)
    }

    pub(super) fn with_history(
        bridge: Arc<B>,
        engine: Arc<Engine>,
        history: Option<History>,
        change: impl FnOnce(&mut Serving),
    ) -> Self {
        let mut serving = serving(8);
        change(&mut serving);
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let serve = ReplyLoop::new(
            serving,
            Arc::clone(&bridge) as Arc<dyn Steps>,
            Arc::clone(&engine) as Arc<dyn ReplyEngine>,
            history,
            Arc::new(move |event| kept.lock().unwrap().push(event)),
        );
        let stop = CancellationToken::new();
        Self {
            bridge,
            engine,
            events,
            running: tokio::spawn(serve.run(stop.clone())),
            stop,
        }
    }

    pub(super) fn count(&self, wanted: impl Fn(&ServeEvent) -> bool) -> usize {
        self.events
            .lock()
            .unwrap()
            .iter()
            .filter(|event| wanted(event))
            .count()
    }

    pub(super) fn waits(&self, what: WaitingFor) -> usize {
        self.count(
            |event| matches!(event, ServeEvent::Waiting { for_what, .. } if *for_what == what),
        )
    }

    pub(super) fn recoveries(&self, what: WaitingFor) -> usize {
        self.count(|event| matches!(event, ServeEvent::Recovered { from } if *from == what))
    }

    pub(super) async fn ends(self) -> Result<(), Failure> {
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("the loop does not end")
            .unwrap()
    }

    pub(super) async fn stops(self) {
        self.stop.cancel();
        self.ends().await.unwrap();
    }
}
