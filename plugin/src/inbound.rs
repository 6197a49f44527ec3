//! Messages from the bridge: what must be in one, and whether its chat may write to us. Strict on
//! what is needed, lenient on the rest; a reason never repeats a word of the message.

use serde_json::Value;

use crate::allowlist::Allowlist;
use crate::channel::{Account, TARGET_KIND};
use crate::identity::Identity;
use crate::target::Target;

/// What the host takes for an id, in bytes.
const LONGEST_CURSOR: usize = 1_024;

/// A message that somebody wrote to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundMessage {
    /// The message as the bridge gave it, for the settlement.
    pub handle: String,
    pub cursor: String,
    pub conversation: String,
    pub message_id: String,
    /// Canonical.
    pub target: String,
    pub sender: String,
    pub sender_name: Option<String>,
    pub is_group: bool,
    pub text: String,
    /// Unix milliseconds; 0 when the bridge does not say.
    pub received_at: u64,
}

/// A message that stays with the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableMessage {
    pub cursor: Option<String>,
    pub reason: String,
}

/// Reads one message of a batch.
///
/// # Errors
/// Something that is needed is missing or does not fit the account, or the chat is not allowed.
pub fn read(
    message: &Value,
    account: &Account,
    list: &Allowlist,
) -> Result<InboundMessage, UnreadableMessage> {
    admit(message, account, list).map_err(|reason| UnreadableMessage {
        cursor: string(message, "/delivery/ack_cursor").map(str::to_owned),
        reason,
    })
}

fn admit(message: &Value, account: &Account, list: &Allowlist) -> Result<InboundMessage, String> {
    let cursor = needed(message, "/delivery/ack_cursor")?;
    if cursor.len() > LONGEST_CURSOR || cursor.chars().any(char::is_control) {
        return Err("its `delivery.ack_cursor` is too long, or no plain text".to_owned());
    }
    let message_id = needed(message, "/delivery/source_message_id")?;
    let conversation = needed(message, "/session/conversation_id")?;
    if needed(message, "/reply_target/kind")? != TARGET_KIND {
        return Err("its reply target is of an unknown kind".to_owned());
    }
    let target = Target::parse_for(needed(message, "/reply_target/id")?, &account.configured_id)
        .map_err(|error| format!("its reply target cannot be used ({})", error.code))?;
    if !list.allows(chat_ids(message, conversation, &target.chat).iter()) {
        return Err("chat not allowed".to_owned());
    }
    let text = message
        .get("text")
        .and_then(Value::as_str)
        .ok_or("it has no text")?;
    let sender = string(message, "/session/participant_id")
        .or_else(|| string(message, "/delivery/sender_principal_key"))
        .ok_or("it has no sender")?;
    Ok(InboundMessage {
        handle: message.to_string(),
        cursor: cursor.to_owned(),
        conversation: conversation.to_owned(),
        message_id: message_id.to_owned(),
        target: target.canonical(&account.configured_id),
        sender: sender.to_owned(),
        sender_name: string(message, "/whatsapp/sender_name").map(str::to_owned),
        is_group: target.chat.is_group(),
        text: text.to_owned(),
        received_at: message
            .pointer("/whatsapp/received_at")
            .and_then(Value::as_u64)
            .unwrap_or(0),
    })
}

/// Every id under which the bridge knows the chat. Ids of a group's members are none of them.
fn chat_ids(message: &Value, conversation: &str, target: &Identity) -> Vec<Identity> {
    let aliases = message
        .pointer("/whatsapp/chat_aliases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    aliases
        .chain([conversation])
        .filter_map(|id| Identity::chat(id).ok())
        .chain([target.clone()])
        .collect()
}

fn needed<'a>(message: &'a Value, pointer: &str) -> Result<&'a str, String> {
    string(message, pointer).ok_or_else(|| {
        let path = pointer.trim_start_matches('/').replace('/', ".");
        format!("it has no `{path}`")
    })
}

/// A string that is there and not empty.
fn string<'a>(message: &'a Value, pointer: &str) -> Option<&'a str> {
    message
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}
