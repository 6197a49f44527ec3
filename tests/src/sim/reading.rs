//! What the companion sends: its messages are acknowledged, opened by the devices they were
//! encrypted for, and receipted; its receipts and acks settle the mail.

use anyhow::{Context as _, Result, bail};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::Message;

use super::clock;
use super::content::text_of;
use super::lines::LineId;
use super::mail::Fate;
use super::padding::unpad;
use super::person::Received;
use super::stanza::{attr, bytes, jid_attr, required_attr};
use super::world::World;
use super::writing;

/// Takes a `<message>` from the companion.
pub(crate) fn message(world: &mut World, line: LineId, node: &Node) -> Result<()> {
    let id = required_attr(node, "id")?;
    let to = jid_attr(node, "to").with_context(|| format!("message {id} goes nowhere"))?;
    let ack = NodeBuilder::new("ack")
        .attr("class", "message")
        .attr("id", id.as_str())
        .attr("from", &to)
        .attr("t", clock::now())
        .build();
    world.send(line, ack);

    let mut readers = Vec::new();
    for (recipient, enc) in addressed(world, node, &to) {
        match open(world, &recipient, &id, &to, enc) {
            Ok(true) => readers.push(recipient),
            Ok(false) => {}
            Err(failure) => {
                let name = world.person(&recipient)?.name.clone();
                world
                    .journal
                    .trouble(format!("{name} cannot read message {id}: {failure:#}"));
            }
        }
    }
    for reader in readers {
        if reader != world.owner && world.person(&reader)?.sends_receipts {
            receipt(world, &reader, &to, &id, None)?;
        }
    }
    Ok(())
}

/// A contact tells the companion that its message arrived (`kind` none) or was read (`read`).
pub(crate) fn receipt(
    world: &mut World,
    reader: &str,
    chat: &Jid,
    id: &str,
    kind: Option<&'static str>,
) -> Result<()> {
    let Some(line) = world.online_line() else {
        return Ok(());
    };
    let receipt = NodeBuilder::new("receipt")
        .attr("from", chat)
        .attr("id", id)
        .attr("t", clock::now());
    let receipt = match world.groups.get(&chat.to_string()) {
        Some(group) => receipt.attr("participant", world.person(reader)?.jid(group.addressing)),
        None => receipt,
    };
    let receipt = match kind {
        Some(kind) => receipt.attr("type", kind),
        None => receipt,
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

/// Who each `<enc>` is for. Those for the companion itself are nobody's.
fn addressed<'a>(world: &World, node: &'a Node, to: &Jid) -> Vec<(String, &'a Node)> {
    let mut addressed = Vec::new();
    let fan_out = node.get_optional_child("participants");
    for recipient in fan_out
        .into_iter()
        .flat_map(|list| list.get_children_by_tag("to"))
    {
        let person = jid_attr(recipient, "jid")
            .filter(|jid| jid.device == 0)
            .and_then(|jid| world.who(&jid));
        if let Some(person) = person {
            let encs = recipient.get_children_by_tag("enc");
            addressed.extend(encs.map(|enc| (person.number.clone(), enc)));
        }
    }
    for enc in node.get_children_by_tag("enc") {
        match world.groups.get(&to.to_string()) {
            Some(group) => {
                addressed.extend(group.members.iter().map(|member| (member.clone(), enc)))
            }
            // To one device: something sent again, or between the owner's own devices.
            None => addressed.extend(world.who(to).map(|person| (person.number.clone(), enc))),
        }
    }
    addressed
}

/// Opens one `<enc>` on `recipient`'s device. Whether there was something to read in it.
fn open(world: &mut World, recipient: &str, id: &str, to: &Jid, enc: &Node) -> Result<bool> {
    let companion = world.companion_peer()?;
    let owner = world.owner()?.pn_jid().to_string();
    let kind = required_attr(enc, "type")?;
    let sealed = bytes(enc).context("an <enc> without bytes")?;
    let is_group = world.groups.contains_key(&to.to_string());
    let person = world.person_mut(recipient)?;
    let plain = match kind.as_str() {
        "skmsg" => person
            .device
            .open_from_group(&to.to_string(), &companion, &sealed)?,
        "pkmsg" | "msg" => person.device.open(&companion, &kind, &sealed)?,
        other => bail!("unknown kind of encryption {other}"),
    };
    let mut message = Message::decode_from_slice(&unpad(plain)?)?;
    if let Some(key) = message.sender_key_distribution_message.take() {
        let group = key.group_id.context("a sender key for no group")?;
        let key = key
            .axolotl_sender_key_distribution_message
            .context("an empty sender key")?;
        person.device.learn_sender_key(&group, &companion, &key)?;
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
    person.received.push(Received {
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
