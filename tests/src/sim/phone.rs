//! The owner's phone: scans the QR of a device to link, writes messages of its own (the companion
//! gets copies), and receives copies of what the companion sends.

use std::time::Duration;

use anyhow::{Result, bail};
use waproto::whatsapp::Message;

use super::contact::{self, Contact};
use super::content;
use super::group::Group;
use super::lines::Phase;
use super::pairing::{self, QrCode};
use super::person::Received;
use super::world::Shared;
use super::writing;

/// How long a client may take to confirm a pairing.
const CONFIRMATION: Duration = Duration::from_secs(20);

/// The account's first device. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Phone {
    shared: Shared,
    number: String,
    lid: String,
}

impl Phone {
    pub(crate) fn new(shared: Shared, number: String, lid: String) -> Self {
        Self {
            shared,
            number,
            lid,
        }
    }

    /// The account's number: digits with the country code.
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

    /// Scans the QR that a client shows and links it; returns when the client has confirmed. It
    /// then logs in by itself: see [`super::Simulator::wait_until_online`]. A device that was
    /// linked before is no longer.
    ///
    /// # Errors
    /// When `qr` is no linking QR, is not shown by a client connected here, or the client does
    /// not confirm.
    pub async fn scan(&self, qr: &str) -> Result<()> {
        let qr = QrCode::parse(qr)?;
        self.shared.change(|world| pairing::scan(world, &qr))?;
        self.shared
            .wait_for(CONFIRMATION, "the client to confirm the pairing", |world| {
                let linked = world.companion.as_ref();
                if linked.is_some_and(|companion| companion.noise_key == qr.noise_key) {
                    return Ok(Some(()));
                }
                let waits = |phase: &Phase| {
                    matches!(phase, Phase::Pairing(attempt) if attempt.noise_key == qr.noise_key)
                };
                match world.lines.find(waits) {
                    Some(_) => Ok(None),
                    None => bail!("the client went away before it confirmed the pairing"),
                }
            })
            .await
    }

    /// The owner removes the linked device in the phone's list.
    pub fn unlinks(&self) {
        self.shared.change(pairing::unlink);
    }

    /// The owner writes to a contact on the phone; the companion gets a copy (`fromMe`).
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn says_to(&self, contact: &Contact, text: &str) -> Result<String> {
        self.sends_to(contact, content::text(text)).await
    }

    /// Any content, as [`Phone::says_to`].
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn sends_to(&self, contact: &Contact, message: Message) -> Result<String> {
        self.shared
            .change(|world| writing::from_phone(world, &contact.number, message))
    }

    /// The owner writes in a group on the phone.
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn says_in(&self, group: &Group, text: &str) -> Result<String> {
        let message = content::text(text);
        self.shared
            .change(|world| writing::in_group(world, &self.number, &group.jid, message))
    }

    /// The owner writes to themselves.
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn notes(&self, text: &str) -> Result<String> {
        let message = content::text(text);
        self.shared
            .change(|world| writing::from_phone(world, &self.number, message))
    }

    /// The next copy that the companion sent to the phone: `chat` says where the original went.
    ///
    /// # Errors
    /// When none comes `within`.
    pub async fn next_message(&self, within: Duration) -> Result<Received> {
        contact::next_message(&self.shared, &self.number, within, "a copy on the phone").await
    }

    /// Every copy so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        contact::received(&self.shared, &self.number)
    }
}
