//! What the companion sends: its messages are acknowledged, opened by the devices they were
//! encrypted for, and receipted; its receipts and acks settle the mail.

use anyhow::{Context as _, Result, bail};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::Message;

use super::clock;
use super::content::text_of;
use super::faults::Verdict;
use super::lines::LineId;
use super::mail::Fate;
use super::padding::unpad;
use super::person::{Author, Received};
use super::stanza::{attr, bytes, jid_attr, leaf, required_attr};
use super::world::World;
use super::writing;

/// Takes a `<message>` from the companion.
pub(crate) fn message(world: &mut World, line: LineId, node: &Node) -> Result<()> {
    let id = required_attr(node, "id")?;
    let to = jid_attr(node, "to").with_context(|| format!("message {id} goes nowhere"))?;
    let verdict = world.faults.verdict();
    let ack = NodeBuilder::new("ack")
        .attr("class", "message")
        .attr("id", id.as_str())
        .attr("from", &to)
        .attr("t", clock::now());
    match verdict {
        None => world.send(line, ack.build()),
        Some(Verdict::NoAck) => {}
        Some(Verdict::Lost) => return Ok(()),
        Some(Verdict::Error(code)) => {
            world.send(line, ack.attr("error", code).build());
            return Ok(());
        }
    }

    let mut readers = Vec::new();
    for (recipient, enc) in addressed(world, node, &to) {
        if cannot_read(world, &recipient, &id, &to)? {
            continue;
        }
        match open(world, &recipient, &id, &to, enc) {
            Ok(true) => readers.push(recipient),
            Ok(false) => {}
            Err(failure) => {
                let name = world.person(&recipient.number)?.name.clone();
                let device = recipient.device;
                world.journal.trouble(format!(
                    "{name} (device {device}) cannot read message {id}: {failure:#}"
                ));
            }
        }
    }
    for reader in readers {
        if reader.number != world.owner && world.person(&reader.number)?.sends_receipts {
            receipt(world, &reader, &to, &id, None, [])?;
        }
    }
    Ok(())
}

/// Whether a story wants this device to fail: then it asks for the message again, once for each
/// message whatever parts it came in, and forgets its session, as a device does that lost it.
fn cannot_read(world: &mut World, reader: &Recipient, id: &str, to: &Jid) -> Result<bool> {
    let companion = world.companion_peer()?;
    let endpoint = world.endpoint_mut(&reader.number, reader.device)?;
    if endpoint.unreadable == 0 {
        return Ok(false);
    }
    endpoint.unreadable -= 1;
    endpoint.device.forget(&companion);
    let count = endpoint.asked_again.entry(id.to_owned()).or_default();
    *count += 1;
    let retry = NodeBuilder::new("retry")
        .attr("v", 1)
        .attr("count", *count)
        .attr("id", id)
        .attr("t", clock::now())
        .build();
    let registration = leaf("registration", endpoint.device.registration().to_be_bytes());
    receipt(world, reader, to, id, Some("retry"), [retry, registration])?;
    Ok(true)
}

/// A contact's device tells the companion that its message arrived (`kind` none), was read
/// (`read`), or has to come again (`retry`).
pub(crate) fn receipt(
    world: &mut World,
    reader: &Author,
    chat: &Jid,
    id: &str,
    kind: Option<&'static str>,
    details: impl IntoIterator<Item = Node>,
) -> Result<()> {
    let Some(line) = world.online_line() else {
        return Ok(());
    };
    let receipt = NodeBuilder::new("receipt")
        .attr("id", id)
        .attr("t", clock::now());
    let person = world.person(&reader.number)?;
    let receipt = match world.groups.get(&chat.to_string()) {
        Some(group) => receipt.attr("from", chat).attr(
            "participant",
            person.device_jid(group.addressing, reader.device),
        ),
        None => {
            let mut from = chat.clone();
            from.device = reader.device;
            receipt.attr("from", from)
        }
    };
    let receipt = match kind {
        Some(kind) => receipt.attr("type", kind),
        None => receipt,
    };
    let details: Vec<Node> = details.into_iter().collect();
    let receipt = if details.is_empty() {
        receipt
    } else {
        receipt.children(details)
    };
    world.send(line, receipt.build());
    Ok(())
}

/// Takes a `<receipt>` from the companion: which of its messages it has.
pub(crate) fn receipt_taken(world: &mut World, line: LineId, node: &Node) -> Result<()> {
    let id = required_attr(node, "id")?;
    let kind = attr(node, "type").unwrap_or_default();
    let ack = NodeBuilder::new("ack")
        .attr("class", "receipt")
        .attr("id", id.as_str())
        .attr(
            "from",
            jid_attr(node, "to").unwrap_or_else(super::stanza::server),
        )
        .attr("t", clock::now());
    let ack = if kind.is_empty() {
        ack
    } else {
        ack.attr("type", kind.as_str())
    };
    world.send(line, ack.build());

    if kind == "retry" {
        let retry = node.get_optional_child("retry");
        let count = retry
            .and_then(|retry| attr(retry, "count"))
            .unwrap_or_else(|| "1".to_owned());
        return writing::again(world, &id, &count);
    }
    let more = node
        .get_optional_child("list")
        .into_iter()
        .flat_map(|list| list.get_children_by_tag("item"))
        .filter_map(|item| attr(item, "id"));
    for id in std::iter::once(id).chain(more) {
        settle(world, &id, Fate::Receipted(kind.clone()));
    }
    Ok(())
}

/// Takes an `<ack>` from the companion.
pub(crate) fn ack_taken(world: &mut World, node: &Node) -> Result<()> {
    if attr(node, "class").as_deref() == Some("message") {
        let error = attr(node, "error");
        // After a retry receipt Baileys also acks with error 500; the message is on its way again.
        let retried = error.as_deref() == Some("500");
        if !retried {
            settle(world, &required_attr(node, "id")?, Fate::Acked(error));
        }
    }
    Ok(())
}

/// The first word counts: a later `read` does not undo a delivery.
fn settle(world: &mut World, id: &str, fate: Fate) {
    if let Some(letter) = world.mail.find_mut(id)
        && matches!(letter.fate, Fate::Waiting | Fate::Sent)
    {
        letter.fate = fate;
    }
}

/// A device that somebody addresses or that reads.
type Recipient = Author;

/// Who each `<enc>` is for. Those for the companion itself are nobody's.
fn addressed<'a>(world: &World, node: &'a Node, to: &Jid) -> Vec<(Recipient, &'a Node)> {
    let mut addressed = Vec::new();
    let fan_out = node.get_optional_child("participants");
    for recipient in fan_out
        .into_iter()
        .flat_map(|list| list.get_children_by_tag("to"))
    {
        let device = jid_attr(recipient, "jid").and_then(|jid| device(world, &jid));
        if let Some(device) = device {
            let encs = recipient.get_children_by_tag("enc");
            addressed.extend(encs.map(|enc| (device.clone(), enc)));
        }
    }
    for enc in node.get_children_by_tag("enc") {
        // To one device: something sent again, or between the owner's own devices.
        let one = jid_attr(node, "participant").unwrap_or_else(|| to.clone());
        match world.groups.get(&one.to_string()) {
            Some(group) => {
                let members = group.members.iter().filter_map(|it| world.people.get(it));
                let devices = members.flat_map(|member| {
                    member.devices().map(|device| Recipient {
                        number: member.number.clone(),
                        device,
                    })
                });
                addressed.extend(devices.map(|device| (device, enc)));
            }
            None => addressed.extend(device(world, &one).map(|device| (device, enc))),
        }
    }
    addressed
}

/// The simulated device with this address.
fn device(world: &World, jid: &Jid) -> Option<Recipient> {
    let person = world.who(jid)?;
    person.endpoint(jid.device)?;
    Some(Recipient {
        number: person.number.clone(),
        device: jid.device,
    })
}

/// Opens one `<enc>` on `recipient`'s device. Whether there was something to read in it.
fn open(world: &mut World, recipient: &Recipient, id: &str, to: &Jid, enc: &Node) -> Result<bool> {
    let companion = world.companion_peer()?;
    let owner = world.owner()?.pn_jid().to_string();
    let kind = required_attr(enc, "type")?;
    let sealed = bytes(enc).context("an <enc> without bytes")?;
    let is_group = world.groups.contains_key(&to.to_string());
    let endpoint = world.endpoint_mut(&recipient.number, recipient.device)?;
    let plain = match kind.as_str() {
        "skmsg" => endpoint
            .device
            .open_from_group(&to.to_string(), &companion, &sealed)?,
        "pkmsg" | "msg" => endpoint.device.open(&companion, &kind, &sealed)?,
        other => bail!("unknown kind of encryption {other}"),
    };
    let mut message = Message::decode_from_slice(&unpad(plain)?)?;
    if let Some(key) = message.sender_key_distribution_message.take() {
        let group = key.group_id.context("a sender key for no group")?;
        let key = key
            .axolotl_sender_key_distribution_message
            .context("an empty sender key")?;
        endpoint.device.learn_sender_key(&group, &companion, &key)?;
    }
    let mut chat = if is_group {
        to.to_string()
    } else {
        owner.clone()
    };
    if let Some(copy) = message.device_sent_message.take() {
        chat = copy.destination_jid.unwrap_or_default();
        message = copy.message.into_option().unwrap_or_default();
    }
    if is_empty(&message) {
        return Ok(false);
    }
    let text = text_of(&message);
    endpoint.received.push(Received {
        id: id.to_owned(),
        text,
        from: owner,
        chat,
        message,
    });
    Ok(true)
}

/// Nothing but a sender key and context was in it.
fn is_empty(message: &Message) -> bool {
    let mut rest = message.clone();
    rest.message_context_info = MessageField::default();
    rest == Message::default()
}
