//! The wire format `loong_channel_bridge_v1`, in both directions: requests as stock Loong sends
//! them, answers checked strictly where something is needed and leniently elsewhere.
//! What an operation means is said by `send` and `serve_step`.

use serde_json::{Map, Value, json};

use crate::boundary::{Bridge, Response};
use crate::channel::{Account, CHANNEL_ID};
use crate::error::{ChannelError, from_refusal, from_transport, presentable};

const METHOD: &str = "tools/call";
const PROVIDER_ID: &str = "whatsapp-personal-bridge";

/// Operations of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    SendMessage,
    ReceiveBatch,
    AckInbound,
    ReleaseInbound,
    CompleteBatch,
}

impl Operation {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendMessage => "send_message",
            Self::ReceiveBatch => "receive_batch",
            Self::AckInbound => "ack_inbound",
            Self::ReleaseInbound => "release_inbound",
            Self::CompleteBatch => "complete_batch",
        }
    }

    fn request_id(self) -> String {
        format!("{PROVIDER_ID}:{CHANNEL_ID}:{}", self.name())
    }
}

/// Asks the bridge and gives the payload of its answer.
///
/// # Errors
/// No answer, a refusal, or an answer that does not follow the contract.
pub fn call(
    bridge: &impl Bridge,
    account: &Account,
    operation: Operation,
    fields: Map<String, Value>,
    timeout_ms: u32,
) -> Result<Map<String, Value>, ChannelError> {
    let body = request(account, operation, fields).to_string();
    let response = bridge
        .post(&body, timeout_ms)
        .map_err(|error| from_transport(operation.name(), error))?;
    payload(operation, &response)
}

/// As [`call`], for operations whose answer is just `ok`.
///
/// # Errors
/// As [`call`], and an answer that is not `ok`.
pub fn call_for_ok(
    bridge: &impl Bridge,
    account: &Account,
    operation: Operation,
    fields: Map<String, Value>,
    timeout_ms: u32,
) -> Result<Map<String, Value>, ChannelError> {
    let payload = call(bridge, account, operation, fields, timeout_ms)?;
    match payload.get("ok") {
        Some(Value::Bool(true)) => Ok(payload),
        Some(Value::Bool(false)) => Err(refusal(operation, 200, &payload)),
        Some(_) | None => Err(ChannelError::protocol(
            "bridge_answer_incomplete",
            operation.name(),
            "it does not say `ok`",
        )),
    }
}

/// The whole request; `fields` stand in the payload beside the runtime context.
#[must_use]
pub fn request(account: &Account, operation: Operation, fields: Map<String, Value>) -> Value {
    let mut payload = fields;
    payload.insert("runtime_context".to_owned(), runtime_context(account));
    json!({
        "method": METHOD,
        "id": operation.request_id(),
        "provider_id": PROVIDER_ID,
        "channel_id": CHANNEL_ID,
        "operation": operation.name(),
        "payload": payload,
    })
}

/// Options of a target as stock Loong writes them. Three belong to another channel of stock
/// Loong; they are sent because a bridge may have come to expect them.
#[must_use]
pub fn target_options(idempotency_key: Option<&str>) -> Map<String, Value> {
    fields([
        ("feishu_receive_id_type", Value::Null),
        ("feishu_reply_chat_id", Value::Null),
        ("feishu_reply_in_thread", Value::Null),
        ("idempotency_key", json!(idempotency_key)),
    ])
}

/// Builds an object.
#[must_use]
pub fn fields<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

fn runtime_context(account: &Account) -> Value {
    json!({
        "channel_id": CHANNEL_ID,
        "account": {
            "configured_account_id": account.configured_id,
            "configured_account_label": account.configured_label,
            "account_id": account.runtime_id,
            "account_label": account.runtime_label,
            "config": {
                "bridge_url": account.bridge_url,
                "auth_dir": account.auth_dir,
                "allowed_chat_ids": account.allowed_chats,
            },
        },
    })
}

fn payload(operation: Operation, response: &Response) -> Result<Map<String, Value>, ChannelError> {
    let accepted = (200..300).contains(&response.status);
    let answer = match serde_json::from_str::<Value>(&response.body) {
        Ok(answer) => answer,
        Err(_unreadable) if !accepted => {
            return Err(refusal(operation, response.status, &Map::new()));
        }
        Err(unreadable) => {
            // The position only: the parser's words may repeat the body.
            let what = format!("it is no JSON (line {})", unreadable.line());
            return Err(ChannelError::protocol(
                "bridge_answer_not_json",
                operation.name(),
                &what,
            ));
        }
    };
    let payload = answer.get("payload").and_then(Value::as_object);
    if !accepted {
        let empty = Map::new();
        let said = payload.unwrap_or(&empty);
        return Err(refusal(operation, response.status, said));
    }
    let echoed = |key: &str| answer.get(key).and_then(Value::as_str);
    if echoed("method") != Some(METHOD) || echoed("id") != Some(operation.request_id().as_str()) {
        return Err(ChannelError::protocol(
            "bridge_answer_mismatch",
            operation.name(),
            "it belongs to another request (`method` or `id` differ)",
        ));
    }
    payload.cloned().ok_or_else(|| {
        ChannelError::protocol(
            "bridge_answer_incomplete",
            operation.name(),
            "it has no `payload` object",
        )
    })
}

fn refusal(operation: Operation, status: u16, said: &Map<String, Value>) -> ChannelError {
    let sentence = said.get("error").and_then(Value::as_str).unwrap_or("");
    from_refusal(
        operation.name(),
        status,
        said.get("code").and_then(Value::as_str),
        said.get("retryable").and_then(Value::as_bool),
        &presentable(sentence),
    )
}
