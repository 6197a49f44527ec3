//! What a linked client sends: its messages are acknowledged, opened by the devices they were
//! encrypted for, and receipted, or passed on to another client; its receipts and acks settle the mail.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::Message;

use super::clock;
use super::content::text_of;
use super::faults::Verdict;
use super::lines::LineId;
use super::mail::{Fate, Origin};
use super::padding::unpad;
use super::person::{Addressing, Author, Received};
use super::stanza::{attr, bytes, jid_attr, leaf, required_attr};
use super::world::World;
use super::writing;

/// Takes a `<message>` from the client of `account`.
pub(crate) fn message(world: &mut World, line: LineId, account: &str, node: &Node) -> Result<()> {
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
    let mut for_clients: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for (recipient, enc) in addressed(world, node, &to) {
        if world.person(&recipient.number)?.is_client(recipient.device) {
            // A client needs nobody to give it its own messages.
            if recipient.number != account {
                let encs = for_clients.entry(recipient.number).or_default();
                encs.push(enc.clone());
            }
            continue;
        }
        if cannot_read(world, account, &recipient, &id, &to)? {
            continue;
        }
        match open(world, account, &recipient, &id, &to, enc) {
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
        if reader.number != account && world.person(&reader.number)?.sends_receipts {
            receipt(world, account, &reader, &to, &id, None, [])?;
        }
    }
    for (recipient, encs) in for_clients {
        writing::pass_on(world, account, &recipient, node, &to, encs)?;
    }
    Ok(())
}

/// Whether a story wants this device to fail: then it asks for the message again, once for each
/// message whatever parts it came in, and forgets its session, as a device does that lost it.
fn cannot_read(
    world: &mut World,
    account: &str,
    reader: &Recipient,
    id: &str,
    to: &Jid,
) -> Result<bool> {
    let companion = world.companion_peer(account)?;
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
    let details = [retry, registration];
    receipt(world, account, reader, to, id, Some("retry"), details)?;
    Ok(true)
}

/// Somebody's device tells the client of `account` that its message arrived (`kind` none), was
/// read (`read`), or has to come again (`retry`).
pub(crate) fn receipt(
    world: &mut World,
    account: &str,
    reader: &Author,
    chat: &Jid,
    id: &str,
    kind: Option<&str>,
    details: impl IntoIterator<Item = Node>,
) -> Result<()> {
    let Some(line) = world.online_line(account) else {
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

/// Takes a `<receipt>` from the client of `account`: which of its messages it has.
pub(crate) fn receipt_taken(
    world: &mut World,
    line: LineId,
    account: &str,
    node: &Node,
) -> Result<()> {
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
        return wants_again(world, account, &id, node);
    }
    let more = node
        .get_optional_child("list")
        .into_iter()
        .flat_map(|list| list.get_children_by_tag("item"))
        .filter_map(|item| attr(item, "id"));
    for id in std::iter::once(id).chain(more) {
        settle(world, account, &id, Fate::Receipted(kind.clone()));
        tell_author(world, account, &id, &kind, [])?;
    }
    Ok(())
}

/// The client of `account` could not read message `id`.
fn wants_again(world: &mut World, account: &str, id: &str, node: &Node) -> Result<()> {
    let letter = world.companion_mut(account)?.mail.find(id);
    let letter = letter.with_context(|| format!("no message {id}"))?;
    match letter.origin.clone() {
        Origin::Device { author, message } => {
            let retry = node.get_optional_child("retry");
            let count = retry
                .and_then(|retry| attr(retry, "count"))
                .unwrap_or_else(|| "1".to_owned());
            writing::again(world, account, id, &count, &author, *message)
        }
        Origin::Client { .. } => {
            let details = node.children().unwrap_or_default().to_vec();
            tell_author(world, account, id, "retry", details)
        }
        Origin::Public => bail!("{id} was not encrypted"),
    }
}

/// If another client wrote message `id`, it learns what the client of `account` says about it.
fn tell_author(
    world: &mut World,
    account: &str,
    id: &str,
    kind: &str,
    details: impl IntoIterator<Item = Node>,
) -> Result<()> {
    let reader = world.person(account)?;
    let Some(companion) = &reader.companion else {
        return Ok(());
    };
    let Some(letter) = companion.mail.find(id) else {
        return Ok(());
    };
    let Origin::Client { number } = &letter.origin else {
        return Ok(());
    };
    let author = number.clone();
    // As the author addressed it: a group, or the reader by number or LID.
    let chat = match jid_attr(&letter.node, "from").context("a letter from nowhere")? {
        from if from.is_lid() => reader.jid(Addressing::Lid),
        from if from.is_pn() => reader.jid(Addressing::Number),
        group => group,
    };
    let device = Author {
        number: account.to_owned(),
        device: companion.device,
    };
    // That its person is not looking is for the server alone.
    let kind = Some(kind).filter(|kind| !matches!(*kind, "" | "inactive"));
    receipt(world, &author, &device, &chat, id, kind, details)
}

/// Takes an `<ack>` from the client of `account`.
pub(crate) fn ack_taken(world: &mut World, account: &str, node: &Node) -> Result<()> {
    if attr(node, "class").as_deref() == Some("message") {
        let error = attr(node, "error");
        // After a retry receipt Baileys also acks with error 500; the message is on its way again.
        let retried = error.as_deref() == Some("500");
        if !retried {
            settle(
                world,
                account,
                &required_attr(node, "id")?,
                Fate::Acked(error),
            );
        }
    }
    Ok(())
}

/// The first word counts: a later `read` does not undo a delivery.
fn settle(world: &mut World, account: &str, id: &str, fate: Fate) {
    if let Ok(companion) = world.companion_mut(account)
        && let Some(letter) = companion.mail.find_mut(id)
        && matches!(letter.fate, Fate::Waiting | Fate::Sent)
    {
        letter.fate = fate;
    }
}

/// A device that somebody addresses or that reads.
type Recipient = Author;

/// Who each `<enc>` is for.
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

/// The device with this address, if there is one.
fn device(world: &World, jid: &Jid) -> Option<Recipient> {
    let person = world.who(jid)?;
    let exists = person.devices().any(|device| device == jid.device);
    exists.then(|| Recipient {
        number: person.number.clone(),
        device: jid.device,
    })
}

/// Opens one `<enc>` on `recipient`'s device. Whether there was something to read in it.
fn open(
    world: &mut World,
    account: &str,
    recipient: &Recipient,
    id: &str,
    to: &Jid,
    enc: &Node,
) -> Result<bool> {
    let companion = world.companion_peer(account)?;
    let sender = world.person(account)?.pn_jid().to_string();
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
        sender.clone()
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
        from: sender,
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
