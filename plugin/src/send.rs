//! Sending one text: what may be sent to whom, and what the bridge's answer says about it.
//! Splitting long texts and repeating lost ones belongs to the bridge.

use serde_json::{Map, Value, json};

use crate::allowlist::Allowlist;
use crate::boundary::Bridge;
use crate::channel::{Account, TARGET_KIND};
use crate::envelope::{Operation, call_for_ok, fields, target_options};
use crate::error::{ChannelError, ErrorKind};
use crate::target::Target;

/// How long the bridge may take, in milliseconds.
pub const TIMEOUT_MS: u32 = 30_000;

/// Something to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutboundMessage {
    pub target: String,
    pub target_kind: Option<String>,
    pub text: String,
    pub idempotency_key: Option<String>,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    Sent,
    Pending,
    AlreadySent,
}

/// Proof that a message was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Canonical.
    pub target: String,
    /// Of the first part.
    pub message_id: String,
    /// Of all parts, in order.
    pub message_ids: Vec<String>,
    pub status: DeliveryStatus,
}

/// Sends one text to one chat.
///
/// # Errors
/// `InvalidInput` and `Refused` before the bridge is asked; else what the bridge or the way to
/// it says.
pub fn send(
    bridge: &impl Bridge,
    account: &Account,
    message: &OutboundMessage,
) -> Result<Receipt, ChannelError> {
    let target = admit(account, message)?;
    let canonical = target.canonical(&account.configured_id);
    let options = target_options(message.idempotency_key.as_deref());
    post(bridge, account, canonical, options, &message.text)
}

/// Posts a text to a canonical target. The caller has made sure that it may be sent.
///
/// # Errors
/// As [`send`], from the bridge on.
pub fn post(
    bridge: &impl Bridge,
    account: &Account,
    canonical: String,
    options: Map<String, Value>,
    text: &str,
) -> Result<Receipt, ChannelError> {
    let request = fields([
        (
            "target",
            json!({
                "platform": "whatsapp",
                "kind": TARGET_KIND,
                "id": canonical,
                "options": options,
            }),
        ),
        ("message", json!({ "Text": text })),
    ]);
    let answer = call_for_ok(bridge, account, Operation::SendMessage, request, TIMEOUT_MS)
        .map_err(|error| error.without_repeating(text))?;
    receipt(canonical, &answer)
}

/// Refuses a text without a visible character.
///
/// # Errors
/// The text is empty.
pub fn require_text(text: &str) -> Result<(), ChannelError> {
    if text.trim().is_empty() {
        return Err(ChannelError::new(
            ErrorKind::InvalidInput,
            "text_empty",
            "there is no text to send",
            "give a text of at least one visible character",
        ));
    }
    Ok(())
}

fn admit(account: &Account, message: &OutboundMessage) -> Result<Target, ChannelError> {
    require_text(&message.text)?;
    if let Some(kind) = message.target_kind.as_deref()
        && kind != TARGET_KIND
    {
        return Err(ChannelError::new(
            ErrorKind::InvalidInput,
            "target_kind_unsupported",
            format!("targets of the kind `{kind}` do not exist here"),
            format!("leave the kind out, or say `{TARGET_KIND}`"),
        ));
    }
    let target = Target::parse_for(&message.target, &account.configured_id)?;
    let id = &account.configured_id;
    if !account.enabled {
        return Err(ChannelError::new(
            ErrorKind::Refused,
            "account_disabled",
            format!("the account `{id}` is switched off"),
            "set `whatsapp_personal.enabled = true` and the account's own `enabled`",
        ));
    }
    if account.bridge_url.is_none() {
        return Err(ChannelError::new(
            ErrorKind::Refused,
            "bridge_url_missing",
            format!("the account `{id}` has no usable bridge URL"),
            "set `whatsapp_personal.bridge_url`, and check it with `loong doctor`",
        ));
    }
    let list = Allowlist::of(account)?;
    // Only serve needs a list: whoever names a target on the command line means it.
    if account.allowed_chats.is_empty() || list.allows([&target.chat].into_iter()) {
        return Ok(target);
    }
    Err(ChannelError::new(
        ErrorKind::Refused,
        "chat_not_allowed",
        format!(
            "the target is not in `allowed_chat_ids` of the account `{id}`, so nothing was sent"
        ),
        "add the chat to `allowed_chat_ids`, by the same id as in the target",
    ))
}

fn receipt(target: String, answer: &Map<String, Value>) -> Result<Receipt, ChannelError> {
    let incomplete = |what| {
        ChannelError::protocol(
            "bridge_answer_incomplete",
            Operation::SendMessage.name(),
            what,
        )
    };
    let text = |key| answer.get(key).and_then(Value::as_str);
    let message_id = text("message_id")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| incomplete("it has no `message_id`"))?;
    // Left out where there is one part only.
    let message_ids: Vec<String> = match answer.get("message_ids") {
        None | Some(Value::Null) => vec![message_id.to_owned()],
        Some(ids) => ids
            .as_array()
            .and_then(|ids| {
                ids.iter()
                    .map(|id| id.as_str().map(str::to_owned))
                    .collect()
            })
            .filter(|ids: &Vec<String>| ids.first().is_some_and(|first| first == message_id))
            .ok_or_else(|| incomplete("its `message_ids` do not begin with its `message_id`"))?,
    };
    let status = match text("status") {
        Some("sent") => DeliveryStatus::Sent,
        Some("pending") => DeliveryStatus::Pending,
        Some("already_sent") => DeliveryStatus::AlreadySent,
        Some(_) => return Err(incomplete("its `status` is unknown")),
        None => return Err(incomplete("it has no `status`")),
    };
    Ok(Receipt {
        target,
        message_id: message_id.to_owned(),
        message_ids,
        status,
    })
}
