//! The wire format of pigeon post, which shares nothing with the one of real channels:
//! `{"fly":{to,letter,seal}}` → `{"landed":"<id>"}`, `{"arrivals":{limit,patience}}` →
//! `{"pigeons":[{ring,from,letter}]}`, `{"set_free":"<ring>"}` → `{}`.

use serde_json::{Value, json};

use crate::bindings::exports::loong::channel::channel as wit;
use crate::bindings::loong::channel::{bridge, types::ErrorKind};
use crate::failure;

const TIMEOUT_MS: u32 = 30_000;

pub(crate) fn fly(
    loft: &str,
    letter: &str,
    seal: Option<&str>,
) -> Result<wit::Receipt, wit::ChannelError> {
    let mut flight = json!({ "fly": { "to": loft, "letter": letter } });
    if let (Some(seal), Some(order)) = (seal, flight.pointer_mut("/fly")) {
        order["seal"] = json!(seal);
    }
    let answer = ask(&flight, TIMEOUT_MS)?;
    let landed = answer
        .get("landed")
        .and_then(Value::as_str)
        .ok_or_else(garbled)?;
    Ok(wit::Receipt {
        target: format!("pigeon-post/{loft}"),
        message_id: landed.to_owned(),
        message_ids: vec![landed.to_owned()],
        status: wit::DeliveryStatus::Sent,
    })
}

pub(crate) fn arrivals(limit: u32, patience: u32) -> Result<wit::Batch, wit::ChannelError> {
    let wanted = json!({ "arrivals": { "limit": limit, "patience": patience } });
    let answer = ask(&wanted, patience.saturating_add(10_000))?;
    let pigeons = answer
        .get("pigeons")
        .and_then(Value::as_array)
        .ok_or_else(garbled)?;
    let messages = pigeons
        .iter()
        .map(|pigeon| arrived(pigeon).ok_or_else(garbled))
        .collect::<Result<_, _>>()?;
    Ok(wit::Batch {
        id: None,
        messages,
        unreadable: Vec::new(),
    })
}

pub(crate) fn set_free(ring: &str) -> Result<(), wit::ChannelError> {
    ask(&json!({ "set_free": ring }), TIMEOUT_MS).map(|_answer| ())
}

fn arrived(pigeon: &Value) -> Option<wit::InboundMessage> {
    let text = |key: &str| pigeon.get(key).and_then(Value::as_str);
    let (ring, from) = (text("ring")?, text("from")?);
    Some(wit::InboundMessage {
        handle: format!("{ring}@{from}"),
        cursor: ring.to_owned(),
        conversation: from.to_owned(),
        message_id: ring.to_owned(),
        target: format!("pigeon-post/{from}"),
        sender: from.to_owned(),
        sender_name: None,
        is_group: false,
        text: text("letter")?.to_owned(),
        received_at: 0,
    })
}

fn ask(question: &Value, timeout: u32) -> Result<Value, wit::ChannelError> {
    match bridge::post(&question.to_string(), timeout) {
        Ok(bridge::Response { status: 200, body }) => {
            serde_json::from_str(&body).map_err(|_unreadable| garbled())
        }
        Ok(bridge::Response { status, .. }) => Err(failure(
            ErrorKind::BridgeRefused,
            "tower_refused",
            &format!("the tower says {status}"),
        )),
        Err(_no_answer) => Err(failure(
            ErrorKind::BridgeUnreachable,
            "tower_silent",
            "the tower does not answer",
        )),
    }
}

fn garbled() -> wit::ChannelError {
    failure(
        ErrorKind::Protocol,
        "tower_garbled",
        "the tower talks nonsense",
    )
}
