//! What people write to the owner's client: contacts in direct chats, groups and statuses, the owner's
//! phone (its messages are synced to the client), newsletters; and what another linked client wrote.
//! Encrypts, builds the stanza, and leaves it to the mail.

use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::history_sync::HistorySyncType;
use waproto::whatsapp::message::protocol_message::Type as ProtocolType;
use waproto::whatsapp::message::{
    DeviceSentMessage, HistorySyncNotification, HistorySyncType as NotifiedType, ProtocolMessage,
    SenderKeyDistributionMessage,
};
use waproto::whatsapp::{HistorySync, Message};

use super::clock;
use super::content::{self, announcement};
use super::device::Sealed;
use super::group::GroupState;
use super::mail::{Fate, Origin};
use super::padding::pad;
use super::person::{Addressing, Author, Person};
use super::stanza::{attr, leaf, required_attr};
use super::world::World;

/// `author` writes directly to the client of `account`.
pub(crate) fn direct(
    world: &mut World,
    author: &Author,
    account: &str,
    message: Message,
) -> Result<String> {
    let person = world.person(&author.number)?;
    let stanza = letter_from(person, person.writes_by, author.device);
    let sealed = seal(world, author, account, &message)?;
    post(world, author, account, stanza, vec![sealed], message)
}

/// As [`direct`], with these very bytes in the place of a message and its padding: what only a client
/// that was changed for it can send. Asked for it again, it sends an empty message.
pub(crate) fn bytes(
    world: &mut World,
    author: &Author,
    account: &str,
    plain: &[u8],
) -> Result<String> {
    let person = world.person(&author.number)?;
    let stanza = letter_from(person, person.writes_by, author.device);
    let sealed = seal_bytes(world, author, account, plain)?;
    let known = Message::default();
    post(world, author, account, stanza, vec![sealed], known)
}

/// A stanza that names its sender this way.
fn letter_from(person: &Person, by: Addressing, device: u16) -> NodeBuilder {
    let stanza = NodeBuilder::new("message").attr("from", person.device_jid(by, device));
    match by {
        Addressing::Number => stanza.attr("sender_lid", person.lid_jid()),
        Addressing::Lid => {
            let stanza = stanza.attr("addressing_mode", "lid");
            if person.shows_number {
                stanza.attr("sender_pn", person.pn_jid())
            } else {
                stanza
            }
        }
    }
}

/// `author` writes in a group. The first time, the stanza also carries the author's sender key.
pub(crate) fn in_group(
    world: &mut World,
    author: &Author,
    group: &str,
    message: Message,
) -> Result<String> {
    let state = world
        .groups
        .get(group)
        .with_context(|| format!("no group {group}"))?;
    let person = world.person(&author.number)?;
    ensure!(
        state.members.contains(&author.number),
        "{} is not a member of {group}",
        person.name
    );
    let owner = world.owner.clone();
    let stanza = letter_in(state, person, author.device);
    let sealed = seal_for_chat(world, author, &owner, group, &message)?;
    post(world, author, &owner, stanza, sealed, message)
}

/// A stanza of somebody who writes in this group.
fn letter_in(group: &GroupState, person: &Person, device: u16) -> NodeBuilder {
    let stanza = NodeBuilder::new("message")
        .attr("from", group.jid())
        .attr("participant", person.device_jid(group.addressing, device));
    match group.addressing {
        Addressing::Number => stanza
            .attr("participant_lid", person.lid_jid())
            .attr("addressing_mode", "pn"),
        Addressing::Lid => {
            let stanza = stanza.attr("addressing_mode", "lid");
            if person.shows_number {
                stanza.attr("participant_pn", person.pn_jid())
            } else {
                stanza
            }
        }
    }
}

/// What the client of `sender` wrote to `to` reaches the client of `recipient` as it was encrypted.
pub(crate) fn pass_on(
    world: &mut World,
    sender: &str,
    recipient: &str,
    node: &Node,
    to: &Jid,
    encs: Vec<Node>,
) -> Result<()> {
    let device = world.companion_peer(sender)?.device;
    let person = world.person(sender)?;
    let stanza = match world.groups.get(&to.to_string()) {
        Some(group) => letter_in(group, person, device),
        None if to.is_lid() => letter_from(person, Addressing::Lid, device),
        None => letter_from(person, Addressing::Number, device),
    };
    let id = required_attr(node, "id")?;
    // Vouches for the sending device to those who have not met it.
    let identity = node.get_optional_child("device-identity").cloned();
    let stanza = stanza
        .attr("id", id.as_str())
        .attr("t", clock::now())
        .attr(
            "type",
            attr(node, "type").unwrap_or_else(|| "text".to_owned()),
        )
        .attr("notify", person.name.as_str())
        .children(encs.into_iter().chain(identity))
        .build();
    let origin = Origin::Client {
        number: sender.to_owned(),
    };
    world
        .companion_mut(recipient)?
        .mail
        .post(id, stanza, origin);
    hand_over(world, recipient);
    Ok(())
}

/// `author` posts a status, which everybody who knows them gets.
pub(crate) fn status(world: &mut World, author: &Author, message: Message) -> Result<String> {
    let owner = world.owner.clone();
    let person = world.person(&author.number)?;
    let chat = Jid::status_broadcast();
    let stanza = NodeBuilder::new("message")
        .attr("from", &chat)
        .attr("participant", person.pn_jid())
        .attr("participant_lid", person.lid_jid());
    let sealed = seal_for_chat(world, author, &owner, &chat.to_string(), &message)?;
    post(world, author, &owner, stanza, sealed, message)
}

/// Somebody writes on the phone to `recipient` (a number, their own for a note to self); their
/// client gets a copy.
pub(crate) fn from_phone(
    world: &mut World,
    account: &str,
    recipient: &str,
    message: Message,
) -> Result<String> {
    let (own, to) = (world.person(account)?, world.person(recipient)?);
    let addressing = to.writes_by;
    let destination = to.jid(addressing);
    let stanza = NodeBuilder::new("message")
        .attr("from", own.jid(addressing))
        .attr("recipient", &destination);
    let stanza = match addressing {
        Addressing::Number => stanza.attr("peer_recipient_lid", to.lid_jid()),
        Addressing::Lid => {
            let stanza = stanza.attr("addressing_mode", "lid");
            if to.shows_number {
                stanza.attr("peer_recipient_pn", to.pn_jid())
            } else {
                stanza
            }
        }
    };
    let copy = Message {
        device_sent_message: MessageField::some(DeviceSentMessage {
            destination_jid: Some(destination.to_string()),
            message: MessageField::some(message),
            ..Default::default()
        }),
        ..Default::default()
    };
    let author = Author::on_phone(account);
    let sealed = seal(world, &author, account, &copy)?;
    post(world, &author, account, stanza, vec![sealed], copy)
}

/// A newsletter publishes: not encrypted, and no person.
pub(crate) fn newsletter(world: &mut World, jid: &Jid, message: &Message) -> Result<String> {
    let owner = world.owner.clone();
    let id = new_id();
    let node = NodeBuilder::new("message")
        .attr("from", jid)
        .attr("id", id.as_str())
        .attr("server_id", 100 + u32::from(rand::random::<u8>()))
        .attr("t", clock::now())
        .attr("type", announcement(message).0)
        .children([leaf("plaintext", message.encode_to_vec())])
        .build();
    let companion = world.companion_mut(&owner)?;
    companion.mail.post(id.clone(), node, Origin::Public);
    hand_over(world, &owner);
    Ok(id)
}

/// The history that a phone pushes after linking, with nothing in it. It ends the client's
/// initial sync at once; without it Baileys holds events back for 20 s.
pub(crate) fn push_empty_history(world: &mut World, account: &str) -> Result<()> {
    let history = HistorySync {
        sync_type: HistorySyncType::INITIAL_BOOTSTRAP,
        progress: Some(100),
        chunk_order: Some(1),
        ..Default::default()
    };
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(&history.encode_to_vec())?;
    let message = Message {
        protocol_message: MessageField::some(ProtocolMessage {
            r#type: Some(ProtocolType::HISTORY_SYNC_NOTIFICATION),
            history_sync_notification: MessageField::some(HistorySyncNotification {
                sync_type: Some(NotifiedType::INITIAL_BOOTSTRAP),
                progress: Some(100),
                chunk_order: Some(1),
                initial_hist_bootstrap_inline_payload: Some(packed.finish()?),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let phone = Author::on_phone(account);
    let stanza = NodeBuilder::new("message")
        .attr("from", world.person(account)?.pn_jid())
        .attr("category", "peer");
    let sealed = seal(world, &phone, account, &message)?;
    post(world, &phone, account, stanza, vec![sealed], message)?;
    Ok(())
}

/// The client of `account` could not read message `id` and asks for it again: its author starts a
/// new session and encrypts it anew, under the same id.
pub(crate) fn again(
    world: &mut World,
    account: &str,
    id: &str,
    count: &str,
    author: &Author,
    mut message: Message,
) -> Result<()> {
    let letter = world.companion_mut(account)?.mail.find(id);
    let letter = letter.with_context(|| format!("no message {id}"))?;
    let mut node = letter.node.clone();
    let chat = node
        .attrs
        .get("from")
        .and_then(wacore_binary::NodeValue::to_jid);
    let companion = world.companion_peer(account)?;
    let endpoint = world.endpoint_mut(&author.number, author.device)?;
    endpoint.device.forget(&companion);
    if let Some(chat) = chat.filter(|chat| !chat.is_pn() && !chat.is_lid()) {
        endpoint.shared_keys.insert(chat.to_string());
        message.sender_key_distribution_message = key_for(world, author, &chat.to_string())?;
    }
    let sealed = seal(world, author, account, &message)?;
    let mut sealed = vec![sealed];
    damage(world, author, &mut sealed)?;
    let encs = sealed.into_iter().map(|sealed| {
        let mut enc = enclosure(sealed, None);
        enc.attrs.insert("count", count);
        enc
    });
    node.content = Some(wacore_binary::NodeContent::Nodes(encs.collect()));
    if let Some(letter) = world.companion_mut(account)?.mail.find_mut(id) {
        letter.node = node;
        letter.fate = Fate::Waiting;
    }
    hand_over(world, account);
    Ok(())
}

/// Gives the client of `account` what waits for it, if it is there.
pub(crate) fn hand_over(world: &mut World, account: &str) {
    let Some(line) = world.online_line(account) else {
        return;
    };
    let due = world
        .companion_mut(account)
        .map(|it| it.mail.due(line, false));
    for node in due.into_iter().flatten() {
        world.send(line, node);
    }
}

/// Encrypts for the client of `account`, meeting it first if need be.
fn seal(world: &mut World, author: &Author, account: &str, message: &Message) -> Result<Sealed> {
    seal_bytes(world, author, account, &pad(message.encode_to_vec()))
}

fn seal_bytes(world: &mut World, author: &Author, account: &str, plain: &[u8]) -> Result<Sealed> {
    let companion = world.companion_peer(account)?;
    let Author { number, device } = author;
    let is_known = {
        let author = world.endpoint_mut(number, *device)?;
        author.device.has_session(&companion)?
    };
    if !is_known {
        let bundle = world.companion_mut(account)?.shelf.issue();
        let author = world.endpoint_mut(number, *device)?;
        author.device.meet(&companion, &bundle)?;
    }
    let author = world.endpoint_mut(number, *device)?;
    author.device.seal(&companion, plain)
}

/// Encrypts with the author's sender key; the key itself goes along until the companion has it.
fn seal_for_chat(
    world: &mut World,
    author: &Author,
    account: &str,
    chat: &str,
    message: &Message,
) -> Result<Vec<Sealed>> {
    let Author { number, device } = author;
    let mut sealed = Vec::new();
    let is_shared = {
        let author = world.endpoint_mut(number, *device)?;
        author.shared_keys.contains(chat)
    };
    if !is_shared {
        let introduction = Message {
            sender_key_distribution_message: key_for(world, author, chat)?,
            ..Default::default()
        };
        sealed.push(seal(world, author, account, &introduction)?);
        let author = world.endpoint_mut(number, *device)?;
        author.shared_keys.insert(chat.to_owned());
    }
    let own = world.person(number)?.peer(*device);
    let plain = pad(message.encode_to_vec());
    let author = world.endpoint_mut(number, *device)?;
    sealed.push(author.device.seal_for_group(chat, &own, &plain)?);
    Ok(sealed)
}

fn key_for(
    world: &mut World,
    author: &Author,
    chat: &str,
) -> Result<MessageField<SenderKeyDistributionMessage>> {
    let Author { number, device } = author;
    let own = world.person(number)?.peer(*device);
    let author = world.endpoint_mut(number, *device)?;
    Ok(MessageField::some(SenderKeyDistributionMessage {
        group_id: Some(chat.to_owned()),
        axolotl_sender_key_distribution_message: Some(author.device.distribution(chat, &own)?),
    }))
}

/// Where a ciphertext of every kind has its signature or MAC, counted from the end: after it there
/// can be a few bytes that a client has no need to look at.
const IN_SIGNATURE: usize = 10;

/// Spoils the message itself (keys go before it) if the author's messages are to be unreadable.
fn damage(world: &mut World, author: &Author, sealed: &mut [Sealed]) -> Result<()> {
    let person = world.person_mut(&author.number)?;
    if person.garbles > 0 {
        person.garbles -= 1;
        let bytes = sealed.iter_mut().last().map(|sealed| &mut sealed.bytes);
        let signature = bytes.and_then(|bytes| bytes.iter_mut().nth_back(IN_SIGNATURE));
        signature.into_iter().for_each(|byte| *byte ^= 1);
    }
    Ok(())
}

fn post(
    world: &mut World,
    author: &Author,
    account: &str,
    stanza: NodeBuilder,
    mut sealed: Vec<Sealed>,
    message: Message,
) -> Result<String> {
    world.written.push(content::text_of(&message));
    damage(world, author, &mut sealed)?;
    let id = new_id();
    let inner = message
        .device_sent_message
        .as_option()
        .and_then(|copy| copy.message.as_option());
    let (kind, media) = announcement(inner.unwrap_or(&message));
    let node = stanza
        .attr("id", id.as_str())
        .attr("t", clock::now().saturating_sub(world.written_ago))
        .attr("type", kind)
        .attr("notify", world.person(&author.number)?.name.as_str())
        .children(sealed.into_iter().map(|sealed| enclosure(sealed, media)))
        .build();
    let origin = Origin::Device {
        author: author.clone(),
        message: Box::new(message),
    };
    let companion = world.companion_mut(account)?;
    companion.mail.post(id.clone(), node, origin);
    hand_over(world, account);
    Ok(id)
}

fn enclosure(sealed: Sealed, media: Option<&'static str>) -> Node {
    let enc = NodeBuilder::new("enc")
        .attr("v", "2")
        .attr("type", sealed.kind);
    let enc = match media {
        Some(media) => enc.attr("mediatype", media),
        None => enc,
    };
    enc.bytes(sealed.bytes).build()
}

/// A message id as phones make them.
fn new_id() -> String {
    format!("3A{}", hex::encode_upper(rand::random::<[u8; 9]>()))
}
