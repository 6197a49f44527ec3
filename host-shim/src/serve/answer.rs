//! The life of one answer: ask the engine, settle with the bridge, remember the turn. Several run
//! side by side; none of them decides what comes next.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::conditions::Conditions;
use super::event::{ChatRef, Listener, ServeEvent, WaitingFor};
use super::history::History;
use super::reply::{EngineError, ReplyEngine, ReplyRequest, Turn};
use super::steps::{Steps, Trouble, trouble};
use crate::backoff::Backoff;
use crate::component::bindings::{
    InboundMessage, Postponement, Receipt, Settlement, Step, StepOutcome, Verdict,
};
use crate::component::call_error::CallError;
use crate::failpoints;

/// What all answers of one loop share.
pub(super) struct Answering {
    pub(super) steps: Arc<dyn Steps>,
    pub(super) engine: Arc<dyn ReplyEngine>,
    pub(super) history: Option<History>,
    pub(super) conditions: Conditions,
    pub(super) tell: Listener,
    pub(super) channel: String,
    /// The account's name in the configuration.
    pub(super) account: String,
    /// Whether to give up where the loop would otherwise wait for the bridge.
    pub(super) once: bool,
    /// Cancelled: what is not settled yet goes back to the bridge.
    pub(super) give_up: CancellationToken,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The bridge has acknowledged the message.
    Settled,
    /// It comes again, and this attempt counts.
    Failed { reason: String },
    /// It comes again, and nothing is to blame on it.
    GivenBack,
    /// It comes again, once the engine works.
    EngineDown { reason: String, hint: String },
}

impl Answering {
    /// Answers `message` and settles it, one way or another.
    pub(super) async fn answer(&self, message: &InboundMessage) -> Outcome {
        self.answer_it(message).instrument(self.span(message)).await
    }

    /// Where everything that is logged about `message` belongs. Of the highest level, so that no
    /// line goes without, however little is logged.
    pub(super) fn span(&self, message: &InboundMessage) -> Span {
        tracing::error_span!(
            "message",
            channel = self.channel,
            account = self.account,
            chat = %ChatRef::of(&message.conversation),
            cursor = message.cursor,
        )
    }

    async fn answer_it(&self, message: &InboundMessage) -> Outcome {
        let request = self.request(message).await;
        let began = Instant::now();
        let asked = tokio::select! {
            biased;
            () = self.give_up.cancelled() => None,
            asked = self.engine.reply(&request) => Some(asked),
        };
        tracing::debug!(
            elapsed_ms = milliseconds(began),
            outcome = told(&asked),
            "the reply engine was asked"
        );
        match asked {
            None => {
                self.release(message, "the host stops", false).await;
                Outcome::GivenBack
            }
            Some(Ok(reply)) => {
                failpoints::reach("before-reply");
                self.conditions.up(WaitingFor::Engine);
                self.settle(message, &request, reply).await
            }
            Some(Err(EngineError::Failed { reason })) => {
                self.release(message, &reason, true).await;
                Outcome::Failed { reason }
            }
            Some(Err(EngineError::Down { reason, hint })) => {
                self.release(message, "the reply engine is down", false)
                    .await;
                Outcome::EngineDown { reason, hint }
            }
        }
    }

    /// Gives back `message`, which nobody is answering.
    pub(super) async fn give_back(&self, message: &InboundMessage, reason: &str) -> bool {
        let release = self.release(message, reason, false);
        release.instrument(self.span(message)).await
    }

    /// Gives `message` back; false when the bridge did not hear it. It keeps the message all the
    /// same: it is not acknowledged, and no longer among the cursors we say we hold.
    async fn release(&self, message: &InboundMessage, reason: &str, counts: bool) -> bool {
        let verdict = Verdict::Later(Postponement {
            reason: reason.to_owned(),
            delay: None,
            counts,
        });
        let heard = self.step_settle(message, verdict).await;
        if let Err(error) = &heard {
            tracing::debug!(
                code = error.code(),
                "the bridge did not take a message back"
            );
        }
        heard.is_ok()
    }

    /// Tells the bridge that all of a batch is settled.
    pub(super) async fn finish(&self, batch: String) {
        if let Err(error) = self.steps.step(Step::Finish(batch)).await {
            tracing::debug!(
                code = error.code(),
                "the bridge did not take the end of a batch"
            );
        }
    }

    /// Tells a bridge that has forgotten it that `message` is settled.
    pub(super) async fn acknowledge_again(&self, message: &InboundMessage) {
        let again = async {
            if let Err(error) = self.step_settle(message, Verdict::NoReply).await {
                tracing::debug!(
                    code = error.code(),
                    "the bridge did not take an acknowledgement again"
                );
            }
        };
        again.instrument(self.span(message)).await;
    }

    async fn request(&self, message: &InboundMessage) -> ReplyRequest {
        let history = match &self.history {
            None => Vec::new(),
            Some(history) => history
                .turns(&message.conversation, &message.message_id)
                .await
                .unwrap_or_else(|error| {
                    self.no_history(&error);
                    Vec::new()
                }),
        };
        ReplyRequest {
            channel: self.channel.clone(),
            account: self.account.clone(),
            conversation: message.conversation.clone(),
            message_id: message.message_id.clone(),
            correlation_id: message.cursor.clone(),
            sender: message.sender.clone(),
            sender_name: message.sender_name.clone(),
            is_group: message.is_group,
            text: message.text.clone(),
            received_at_ms: message.received_at,
            history,
        }
    }

    async fn settle(
        &self,
        message: &InboundMessage,
        request: &ReplyRequest,
        reply: Option<String>,
    ) -> Outcome {
        let chat = ChatRef::of(&message.conversation);
        let cursor = message.cursor.clone();
        let verdict = reply.clone().map_or(Verdict::NoReply, Verdict::Reply);
        match self.settle_patiently(message, verdict).await {
            Ok(receipt) => {
                failpoints::reach("after-ack");
                (self.tell)(match receipt {
                    Some(receipt) => ServeEvent::AnswerOut {
                        chat,
                        cursor,
                        status: receipt.status,
                    },
                    None => ServeEvent::NoReply { chat, cursor },
                });
                if let Some(reply) = reply {
                    self.remember(message, request.spoken(), reply).await;
                }
                Outcome::Settled
            }
            Err(Unsettled::GaveUp) => Outcome::GivenBack,
            Err(Unsettled::Refused(error)) if reply.is_some() => {
                // Asked again it would be refused again, and block its conversation for ever.
                (self.tell)(ServeEvent::ReplyRefused {
                    chat,
                    cursor,
                    code: error.code().to_owned(),
                });
                match self.settle_patiently(message, Verdict::NoReply).await {
                    Ok(_) => Outcome::Settled,
                    Err(Unsettled::GaveUp) => Outcome::GivenBack,
                    Err(Unsettled::Refused(error) | Unsettled::Broken(error)) => failed(&error),
                }
            }
            Err(Unsettled::Broken(error)) => {
                self.release(message, error.code(), true).await;
                failed(&error)
            }
            Err(Unsettled::Refused(error)) => failed(&error),
        }
    }

    /// Tries until the bridge has said yes or no. The bridge sends the reply to one message once,
    /// however often it is asked.
    async fn settle_patiently(
        &self,
        message: &InboundMessage,
        verdict: Verdict,
    ) -> Result<Option<Receipt>, Unsettled> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        loop {
            let error = match self.step_settle(message, verdict.clone()).await {
                Ok(receipt) => {
                    self.conditions.up(WaitingFor::Bridge);
                    // An acknowledgement alone says nothing about sending.
                    if receipt.is_some() {
                        self.conditions.up(WaitingFor::Sending);
                    }
                    return Ok(receipt);
                }
                Err(error) => error,
            };
            let waiting_for = match trouble(&error) {
                Trouble::Refused => return Err(Unsettled::Refused(error)),
                Trouble::Broken => return Err(Unsettled::Broken(error)),
                Trouble::Unreachable => WaitingFor::Bridge,
                Trouble::Unavailable => WaitingFor::Sending,
            };
            self.conditions
                .down(waiting_for, error.to_string(), error.hint().to_owned());
            if self.once {
                return Err(Unsettled::GaveUp);
            }
            let wait = backoff.wait();
            tracing::debug!(
                code = error.code(),
                wait_ms = wait.as_millis(),
                "the bridge did not take what became of a message; told again"
            );
            tokio::select! {
                () = self.give_up.cancelled() => return Err(Unsettled::GaveUp),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn step_settle(
        &self,
        message: &InboundMessage,
        verdict: Verdict,
    ) -> Result<Option<Receipt>, CallError> {
        let sends = matches!(verdict, Verdict::Reply(_));
        let step = Step::Settle(Settlement {
            handle: message.handle.clone(),
            verdict,
        });
        match failpoints::sends(sends, self.steps.step(step)).await? {
            StepOutcome::Settled(receipt) => Ok(receipt),
            StepOutcome::Received(_) | StepOutcome::Finished => Ok(None),
        }
    }

    async fn remember(&self, message: &InboundMessage, user: String, reply: String) {
        if let Some(history) = &self.history {
            let turn = Turn { user, reply };
            if let Err(error) = history
                .record(&message.conversation, &message.message_id, turn)
                .await
            {
                self.no_history(&error);
            }
        }
    }

    fn no_history(&self, error: &super::history::HistoryError) {
        (self.tell)(ServeEvent::NoHistory {
            reason: error.to_string(),
        });
    }
}

/// Why a message is not settled.
enum Unsettled {
    /// The host stops, or does not wait.
    GaveUp,
    Refused(CallError),
    Broken(CallError),
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// How the engine answered, without what it said.
fn told(asked: &Option<Result<Option<String>, EngineError>>) -> &'static str {
    match asked {
        None => "given_up",
        Some(Ok(Some(_))) => "reply",
        Some(Ok(None)) => "no_reply",
        Some(Err(EngineError::Failed { .. })) => "failed",
        Some(Err(EngineError::Down { .. })) => "down",
    }
}

fn failed(error: &CallError) -> Outcome {
    Outcome::Failed {
        reason: format!("it cannot be settled ({})", error.code()),
    }
}
