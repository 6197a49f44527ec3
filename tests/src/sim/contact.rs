//! A contact as a story holds it: writes to the owner, receives what the companion sends.

use std::time::Duration;

use anyhow::{Context as _, Result};
use wacore_binary::builder::NodeBuilder;
use waproto::whatsapp::Message;

use super::clock;
use super::content;
use super::group::Group;
use super::person::{Addressing, Author, Received};
use super::phone::Phone;
use super::reading;
use super::world::{Shared, World};
use super::writing;

/// Somebody the owner knows. Cheap to clone; all clones are the same person.
#[derive(Clone, Debug)]
pub struct Contact {
    shared: Shared,
    name: String,
    pub(crate) number: String,
    lid: String,
}

impl Contact {
    pub(crate) fn new(shared: Shared, name: &str, number: String, lid: String) -> Self {
        Self {
            shared,
            name: name.to_owned(),
            number,
            lid,
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digits with the country code.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    #[must_use]
    pub fn pn_jid(&self) -> String {
        format!("{}@s.whatsapp.net", self.number)
    }

    #[must_use]
    pub fn lid_jid(&self) -> String {
        format!("{}@lid", self.lid)
    }

    /// Whether this contact's direct messages are addressed by number (the default) or by LID.
    pub fn writes_by(&self, addressing: Addressing) {
        self.alter(|person| person.writes_by = addressing);
    }

    /// Whether this contact's device confirms what arrives (it does by default).
    pub fn sends_receipts(&self, does: bool) {
        self.alter(|person| person.sends_receipts = does);
    }

    /// Whether stanzas that name this contact by LID give the number, too (they do by default).
    /// With [`Contact::is_listed`] off as well nobody can find out which number it is.
    pub fn shows_number(&self, does: bool) {
        self.alter(|person| person.shows_number = does);
    }

    /// Whether this contact's number can be looked up: its LID and its devices (it can by default).
    pub fn is_listed(&self, is: bool) {
        self.alter(|person| person.is_listed = is);
    }

    /// Links one more device of this contact, played here, and tells the clients that are there;
    /// gives the device's number. The phone has number 0.
    ///
    /// # Errors
    /// Never today.
    pub fn links_device(&self) -> Result<u16> {
        self.shared.change(|world| {
            let device = world.person_mut(&self.number)?.link_device()?;
            devices_changed(world, &self.number)?;
            Ok(device)
        })
    }

    /// This contact's phone scans the QR that a client shows: a second account with a real client.
    /// As [`Phone::scan`].
    ///
    /// # Errors
    /// As [`Phone::scan`].
    pub async fn scans(&self, qr: &str) -> Result<()> {
        self.phone().scan(qr).await
    }

    /// This contact's phone, as that of an account with a client of its own: a second owner.
    #[must_use]
    pub fn phone(&self) -> Phone {
        Phone::new(self.shared.clone(), self.number.clone(), self.lid.clone())
    }

    /// Waits until the client linked to this contact is logged in and takes messages.
    ///
    /// # Errors
    /// When it is not `within`; tells what was seen.
    pub async fn wait_until_online(&self, within: Duration) -> Result<()> {
        self.phone().wait_until_online(within).await
    }

    /// The next `count` messages that this contact writes arrive damaged; also those that it
    /// sends again because the companion asked.
    pub fn garbles(&self, count: u32) {
        self.alter(|person| person.garbles = count);
    }

    /// This contact's phone cannot read the next `count` parts of messages from the companion, and
    /// asks for them again (a retry receipt).
    pub fn cannot_read(&self, count: u32) {
        self.alter(|person| person.phone.unreadable = count);
    }

    /// As [`Contact::cannot_read`], on the device with this number.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn cannot_read_on(&self, device: u16, count: u32) -> Result<()> {
        self.shared.change(|world| {
            world.endpoint_mut(&self.number, device)?.unreadable = count;
            Ok(())
        })
    }

    /// Writes `text` to the owner; gives the message's id. If the companion is offline, the
    /// message waits for it.
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn says(&self, text: &str) -> Result<String> {
        self.sends(content::text(text)).await
    }

    /// Sends any content (see [`content`]) to the owner; as [`Contact::says`].
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn sends(&self, message: Message) -> Result<String> {
        self.sends_from(0, message).await
    }

    /// Sends these very bytes, encrypted as a message is, padding and all; as [`Contact::says`].
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn sends_bytes(&self, plain: &[u8]) -> Result<String> {
        self.shared.change(|world| {
            let owner = world.owner.clone();
            writing::bytes(world, &self.on_phone(), &owner, plain)
        })
    }

    /// As [`Contact::says`], on the device with this number.
    ///
    /// # Errors
    /// When no device is linked, or this contact has no such device.
    pub async fn says_from(&self, device: u16, text: &str) -> Result<String> {
        self.sends_from(device, content::text(text)).await
    }

    /// Writes `text` to the account of this phone instead of the owner's; as [`Contact::says`].
    ///
    /// # Errors
    /// When no device is linked to that phone.
    pub async fn says_to(&self, phone: &Phone, text: &str) -> Result<String> {
        let message = content::text(text);
        self.shared
            .change(|world| writing::direct(world, &self.on_phone(), phone.number(), message))
    }

    async fn sends_from(&self, device: u16, message: Message) -> Result<String> {
        let author = Author {
            number: self.number.clone(),
            device,
        };
        self.shared.change(|world| {
            let owner = world.owner.clone();
            writing::direct(world, &author, &owner, message)
        })
    }

    /// Writes `text` in a group.
    ///
    /// # Errors
    /// When no device is linked, or this contact is not a member.
    pub async fn says_in(&self, group: &Group, text: &str) -> Result<String> {
        self.sends_in(group, content::text(text)).await
    }

    /// Sends any content in a group.
    ///
    /// # Errors
    /// When no device is linked, or this contact is not a member.
    pub async fn sends_in(&self, group: &Group, message: Message) -> Result<String> {
        self.shared
            .change(|world| writing::in_group(world, &self.on_phone(), &group.jid, message))
    }

    /// Posts a status (`status@broadcast`).
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn posts_status(&self, message: Message) -> Result<String> {
        self.shared
            .change(|world| writing::status(world, &self.on_phone(), message))
    }

    /// Tells the companion that this contact has read its message `id`.
    ///
    /// # Errors
    /// Never today.
    pub async fn reads(&self, id: &str) -> Result<()> {
        self.shared.change(|world| {
            let person = world.person(&self.number)?;
            let chat = person.jid(person.writes_by);
            let owner = world.owner.clone();
            reading::receipt(world, &owner, &self.on_phone(), &chat, id, Some("read"), [])
        })
    }

    /// As [`Contact::reads`], for a message in a group.
    ///
    /// # Errors
    /// Never today.
    pub async fn reads_in(&self, group: &Group, id: &str) -> Result<()> {
        self.shared.change(|world| {
            let state = world.groups.get(&group.jid);
            let chat = state.context("no such group")?.jid();
            let owner = world.owner.clone();
            reading::receipt(world, &owner, &self.on_phone(), &chat, id, Some("read"), [])
        })
    }

    /// The next message that reached this contact's phone, directly or in a group, in order. What
    /// was sent twice comes twice.
    ///
    /// # Errors
    /// When none comes `within`; tells what passed instead.
    pub async fn next_message(&self, within: Duration) -> Result<Received> {
        self.next_message_on(0, within).await
    }

    /// As [`Contact::next_message`], on the device with this number.
    ///
    /// # Errors
    /// When none comes `within`, or there is no such device.
    pub async fn next_message_on(&self, device: u16, within: Duration) -> Result<Received> {
        let what = format!("a message to {} on device {device}", self.name);
        next_message(&self.shared, &self.number, device, within, &what).await
    }

    /// Everything that has reached this contact's phone so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received_on(0)
    }

    /// Everything that has reached the device with this number.
    #[must_use]
    pub fn received_on(&self, device: u16) -> Vec<Received> {
        received(&self.shared, &self.number, device)
    }

    /// Waits until `enough` says so of everything that has reached this contact's phone.
    ///
    /// # Errors
    /// When it does not `within`, or `enough` fails.
    pub async fn wait_for_messages(
        &self,
        within: Duration,
        what: &str,
        mut enough: impl FnMut(&[Received]) -> Result<bool>,
    ) -> Result<()> {
        self.shared
            .wait_for(within, what, |world| {
                let received = &world.endpoint_mut(&self.number, 0)?.received;
                Ok(enough(received)?.then_some(()))
            })
            .await
    }

    fn on_phone(&self) -> Author {
        Author::on_phone(&self.number)
    }

    fn alter(&self, change: impl FnOnce(&mut super::person::Person)) {
        self.shared.change(|world| {
            if let Some(person) = world.people.get_mut(&self.number) {
                change(person);
            }
        });
    }
}

pub(crate) async fn next_message(
    shared: &Shared,
    number: &str,
    device: u16,
    within: Duration,
    what: &str,
) -> Result<Received> {
    shared
        .wait_for(within, what, |world| {
            let endpoint = world.endpoint_mut(number, device)?;
            let next = endpoint.received.get(endpoint.taken).cloned();
            endpoint.taken += usize::from(next.is_some());
            Ok(next)
        })
        .await
}

pub(crate) fn received(shared: &Shared, number: &str, device: u16) -> Vec<Received> {
    shared.look(|world| {
        let person = world.people.get(number);
        let endpoint = person.and_then(|person| person.endpoint(device));
        endpoint.map_or_else(Vec::new, |endpoint| endpoint.received.clone())
    })
}

/// Clients remember whom they have to write to; this makes those of everybody else ask again.
pub(crate) fn devices_changed(world: &mut World, number: &str) -> Result<()> {
    let person = world.person(number)?;
    let device = |by| {
        let jid = person.device_jid(by, 0);
        NodeBuilder::new("device").attr("jid", jid).build()
    };
    let update = NodeBuilder::new("update")
        .children([Addressing::Number, Addressing::Lid].map(device))
        .build();
    let notification = NodeBuilder::new("notification")
        .attr("from", person.pn_jid())
        .attr("type", "devices")
        .attr("id", format!("devices-{:08x}", rand::random::<u32>()))
        .attr("t", clock::now())
        .children([update])
        .build();
    let others = world.people.keys().filter(|other| *other != number);
    let lines: Vec<_> = others.filter_map(|it| world.online_line(it)).collect();
    for line in lines {
        world.send(line, notification.clone());
    }
    Ok(())
}
