//! A contact as a story holds it: writes to the owner, receives what the companion sends.

use std::time::Duration;

use anyhow::Result;
use waproto::whatsapp::Message;

use super::content;
use super::group::Group;
use super::person::{Addressing, Received};
use super::reading;
use super::world::Shared;
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
        self.shared
            .change(|world| writing::direct(world, &self.number, message))
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
            .change(|world| writing::in_group(world, &self.number, &group.jid, message))
    }

    /// Posts a status (`status@broadcast`).
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn posts_status(&self, message: Message) -> Result<String> {
        self.shared
            .change(|world| writing::status(world, &self.number, message))
    }

    /// Tells the companion that this contact has read its message `id`.
    ///
    /// # Errors
    /// Never today.
    pub async fn reads(&self, id: &str) -> Result<()> {
        self.shared.change(|world| {
            let chat = world.person(&self.number)?.pn_jid();
            reading::receipt(world, &self.number, &chat, id, Some("read"))
        })
    }

    /// The next message that reached this contact, directly or in a group, in order. What was
    /// sent twice comes twice.
    ///
    /// # Errors
    /// When none comes `within`; tells what passed instead.
    pub async fn next_message(&self, within: Duration) -> Result<Received> {
        let what = format!("a message to {}", self.name);
        next_message(&self.shared, &self.number, within, &what).await
    }

    /// Everything that has reached this contact so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        received(&self.shared, &self.number)
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
    within: Duration,
    what: &str,
) -> Result<Received> {
    shared
        .wait_for(within, what, |world| {
            let person = world.person_mut(number)?;
            let next = person.received.get(person.taken).cloned();
            person.taken += usize::from(next.is_some());
            Ok(next)
        })
        .await
}

pub(crate) fn received(shared: &Shared, number: &str) -> Vec<Received> {
    shared.look(|world| {
        world
            .people
            .get(number)
            .map_or_else(Vec::new, |person| person.received.clone())
    })
}
