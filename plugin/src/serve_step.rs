//! The steps of the reply loop: receive a batch, settle one message, finish the batch. Keeps
//! nothing between calls; the order of steps and what is tried again is the host's.

use serde_json::{Map, Value, json};

use crate::allowlist::Allowlist;
use crate::boundary::{Bridge, Level, Log};
use crate::channel::Account;
use crate::envelope::{Operation, call, call_for_ok, fields, target_options};
use crate::error::{ChannelError, ErrorKind};
use crate::inbound::{self, InboundMessage, UnreadableMessage};
use crate::send::{Receipt, TIMEOUT_MS, post, require_text};
use crate::target::Target;

const MOST_MESSAGES: u32 = 100;
const LONGEST_WAIT_MS: u32 = 60_000;
/// What an answer may take beyond the time that the bridge was allowed to wait.
const GRACE_MS: u32 = 10_000;
/// What giving back an unreadable message may take: the batch waits for it.
const PARKING_MS: u32 = 2_000;

/// Asks for messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receive {
    pub max_messages: u32,
    pub wait_ms: u32,
    pub consumer_id: String,
    pub consumer_instance: String,
    pub in_flight: Vec<String>,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    pub id: Option<String>,
    pub messages: Vec<InboundMessage>,
    pub unreadable: Vec<UnreadableMessage>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Reply(String),
    NoReply,
    Later {
        reason: String,
        delay_ms: Option<u32>,
        counts: bool,
    },
}

/// Asks the bridge for messages, and waits until some came or the time is over.
///
/// # Errors
/// The list of the account, the bridge or its answer cannot be used. A single bad message is no
/// error: it is among the unreadable ones. For a caller that names itself it is given back as a
/// failed attempt, so that the bridge parks it in the end, and its conversation goes on.
pub fn receive(
    bridge: &impl Bridge,
    log: &impl Log,
    account: &Account,
    wanted: &Receive,
) -> Result<Batch, ChannelError> {
    let list = Allowlist::of(account)?;
    if account.allowed_chats.is_empty() {
        return Err(ChannelError::new(
            ErrorKind::Refused,
            "allowed_chat_ids_missing",
            format!(
                "the account `{}` lets no chat in, so nothing is relayed",
                account.configured_id
            ),
            "list the chats in `whatsapp_personal.allowed_chat_ids`; `*` opens every chat",
        ));
    }
    let wait_ms = wanted.wait_ms.min(LONGEST_WAIT_MS);
    let request = fields([
        (
            "max_messages",
            json!(wanted.max_messages.min(MOST_MESSAGES)),
        ),
        ("wait_ms", json!(wait_ms)),
        (
            "consumer",
            json!({ "id": wanted.consumer_id, "instance": wanted.consumer_instance }),
        ),
        ("in_flight", json!(wanted.in_flight)),
    ]);
    let answer = call(
        bridge,
        account,
        Operation::ReceiveBatch,
        request,
        wait_ms.saturating_add(GRACE_MS),
    )?;
    let messages = answer
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| {
            ChannelError::protocol(
                "bridge_answer_incomplete",
                Operation::ReceiveBatch.name(),
                "it has no list `messages`",
            )
        })?;
    let mut batch = Batch {
        id: answer
            .get("batch_id")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty())
            .map(str::to_owned),
        ..Batch::default()
    };
    // A bridge that knows no `max_messages` may give more, or one again: what we do not take stays with it.
    let most = usize::try_from(wanted.max_messages).unwrap_or(usize::MAX);
    let mut parks = !wanted.consumer_id.is_empty();
    // Behind a message that went back nothing of its conversation is ours any more.
    let mut withheld: Vec<&str> = Vec::new();
    for message in messages {
        let conversation = message.pointer("/session/conversation_id");
        let conversation = conversation.and_then(Value::as_str).unwrap_or_default();
        match inbound::read(message, account, &list) {
            Ok(_later) if withheld.contains(&conversation) => {}
            Ok(_more) if batch.messages.len() >= most => {}
            Ok(again) if batch.messages.iter().any(|it| it.cursor == again.cursor) => {}
            Ok(message) => batch.messages.push(message),
            Err(unreadable) => {
                if let Some(cursor) = unreadable.cursor.as_deref().filter(|_| parks) {
                    parks = park(bridge, log, account, cursor, &unreadable.reason);
                    withheld.extend(parks.then_some(conversation).filter(|id| !id.is_empty()));
                }
                // The host says it aloud, once.
                log.record(
                    Level::Debug,
                    &format!("a message stays with the bridge: {}", unreadable.reason),
                );
                batch.unreadable.push(unreadable);
            }
        }
    }
    Ok(batch)
}

/// Carries out a verdict. A receipt comes back when a reply was sent.
///
/// # Errors
/// The handle is none of ours, or the bridge or its answer cannot be used. After an error the
/// same settlement may be asked for again: the reply has a key, and is sent once.
pub fn settle(
    bridge: &impl Bridge,
    log: &impl Log,
    account: &Account,
    handle: &str,
    verdict: &Verdict,
) -> Result<Option<Receipt>, ChannelError> {
    let held = Held::parse(handle)?;
    match verdict {
        Verdict::Reply(text) => {
            let receipt = reply(bridge, account, &held, text)?;
            // Acknowledge last: dying here repeats a message, the other order loses one.
            acknowledge(bridge, account, held).map_err(|error| error.without_repeating(text))?;
            Ok(Some(receipt))
        }
        Verdict::NoReply => acknowledge(bridge, account, held).map(|()| None),
        Verdict::Later {
            reason,
            delay_ms,
            counts,
        } => {
            let mut request = fields([
                ("ack_cursor", json!(held.cursor)),
                ("reason", json!(reason)),
                ("count_attempt", json!(counts)),
            ]);
            if let Some(delay_ms) = delay_ms {
                request.insert("delay_ms".to_owned(), json!(delay_ms));
            }
            give_back(bridge, log, account, request).map(|()| None)
        }
    }
}

/// Says that all messages of a batch are settled.
///
/// # Errors
/// The bridge or its answer cannot be used.
pub fn finish(bridge: &impl Bridge, account: &Account, batch_id: &str) -> Result<(), ChannelError> {
    let request = match batch_id {
        "" => Map::new(),
        id => fields([("batch_id", json!(id))]),
    };
    call_for_ok(
        bridge,
        account,
        Operation::CompleteBatch,
        request,
        TIMEOUT_MS,
    )
    .map(|_ok| ())
}

/// What a handle holds.
struct Held {
    message: Value,
    cursor: String,
}

impl Held {
    fn parse(handle: &str) -> Result<Self, ChannelError> {
        let message: Option<Value> = serde_json::from_str(handle).ok();
        message
            .and_then(|message| {
                let cursor = message
                    .pointer("/delivery/ack_cursor")?
                    .as_str()?
                    .to_owned();
                Some(Self { message, cursor })
            })
            .ok_or_else(|| bad_handle("it is not one that `receive` gave"))
    }
}

fn reply(
    bridge: &impl Bridge,
    account: &Account,
    held: &Held,
    text: &str,
) -> Result<Receipt, ChannelError> {
    require_text(text)?;
    let written = held
        .message
        .pointer("/reply_target/id")
        .and_then(Value::as_str)
        .ok_or_else(|| bad_handle("it names no reply target"))?;
    let target = Target::parse_for(written, &account.configured_id)?;
    let canonical = target.canonical(&account.configured_id);
    post(bridge, account, canonical, reply_options(held), text)
}

/// The options that came with the message, and always a key: without one, settling again after
/// a lost answer would write the reply twice.
fn reply_options(held: &Held) -> Map<String, Value> {
    let mut options = target_options(Some(&format!("in:{}", held.cursor)));
    let given = held
        .message
        .pointer("/reply_target/options")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_key, value)| !value.is_null());
    for (key, value) in given {
        options.insert(key.clone(), value.clone());
    }
    options
}

fn acknowledge(bridge: &impl Bridge, account: &Account, held: Held) -> Result<(), ChannelError> {
    let text = held.message.get("text").and_then(Value::as_str);
    let text = text.unwrap_or_default().to_owned();
    let request = fields([("message", held.message)]);
    call_for_ok(bridge, account, Operation::AckInbound, request, TIMEOUT_MS)
        .map(|_ok| ())
        .map_err(|error| error.without_repeating(&text))
}

/// Gives an unreadable message back as a failed attempt; false when the bridge did not take it.
fn park(
    bridge: &impl Bridge,
    log: &impl Log,
    account: &Account,
    cursor: &str,
    reason: &str,
) -> bool {
    let request = fields([
        ("ack_cursor", json!(cursor)),
        ("reason", json!(format!("it cannot be read: {reason}"))),
        ("count_attempt", json!(true)),
    ]);
    let operation = Operation::ReleaseInbound;
    let parked = call_for_ok(bridge, account, operation, request, PARKING_MS);
    if let Err(error) = &parked {
        let line = format!("an unreadable message is not given back ({})", error.code);
        log.record(Level::Debug, &line);
    }
    parked.is_ok()
}

fn give_back(
    bridge: &impl Bridge,
    log: &impl Log,
    account: &Account,
    request: Map<String, Value>,
) -> Result<(), ChannelError> {
    match call_for_ok(
        bridge,
        account,
        Operation::ReleaseInbound,
        request,
        TIMEOUT_MS,
    ) {
        Ok(_ok) => Ok(()),
        // A plain bridge gives back by itself what nobody acknowledged.
        Err(error) if error.code == "unsupported_operation" => {
            log.record(
                Level::Debug,
                "the bridge takes nothing back; it will hand the message out again",
            );
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn bad_handle(why: &str) -> ChannelError {
    ChannelError::new(
        ErrorKind::InvalidInput,
        "handle_invalid",
        format!("the message's handle cannot be used: {why}"),
        "settle with the handle that came with the message, unchanged",
    )
}
