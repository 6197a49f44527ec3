//! The owner's phone: scans the QR of a device to link or takes its code, writes messages of its own (the companion
//! gets copies), and receives copies of what the companion sends.

use std::time::Duration;

use anyhow::{Result, bail};
use waproto::whatsapp::Message;

use super::contact::{self, Contact};
use super::content;
use super::group::Group;
use super::lines::Phase;
use super::link_code;
use super::pairing;
use super::person::{Author, Received};
use super::qr::QrCode;
use super::world::Shared;
use super::writing;

/// How long a client may take to ask for a code that it shows already.
const REQUEST: Duration = Duration::from_secs(5);
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
        self.shared
            .change(|world| pairing::scan(world, &self.number, &qr))?;
        self.sees_linked(&qr.noise_key).await
    }

    /// Types the code that a client shows (with or without the dash) and links it, as
    /// [`Phone::scan`]. A client that has not asked for its code yet is waited for.
    ///
    /// # Errors
    /// When `code` is no pairing code, no client shows one, this is another than the client shows
    /// (it may be typed again then), or the client does not confirm.
    pub async fn enters_code(&self, code: &str) -> Result<()> {
        let code = link_code::read_code(code)?;
        let what = "a client that shows a pairing code";
        let question = self
            .shared
            .wait_for(REQUEST, what, |world| Ok(link_code::question(world)))
            .await?;
        let reply = link_code::Reply::new(&question, &code)?;
        self.shared
            .change(|world| link_code::answer(world, question.line, reply))?;
        self.sees_linked(&question.noise_key).await
    }

    async fn sees_linked(&self, noise_key: &[u8]) -> Result<()> {
        self.shared
            .wait_for(CONFIRMATION, "the client to confirm the pairing", |world| {
                let linked = world.person(&self.number)?.companion.as_ref();
                if linked.is_some_and(|companion| companion.noise_key == noise_key) {
                    return Ok(Some(()));
                }
                let mut attempts = world.lines.all().filter_map(|(_, phase)| match phase {
                    Phase::Pairing(attempt) => Some(attempt),
                    Phase::Greeting | Phase::LoggedIn { .. } => None,
                });
                match attempts.find(|attempt| attempt.noise_key == noise_key) {
                    Some(attempt) if attempt.code.as_ref().is_some_and(|code| code.refused) => {
                        bail!("wrong code: the client shows another one")
                    }
                    Some(_) => Ok(None),
                    None => bail!("the client went away before it confirmed the pairing"),
                }
            })
            .await
    }

    /// Waits until the linked device is logged in and takes messages.
    ///
    /// # Errors
    /// When it is not `within`; tells what was seen.
    pub async fn wait_until_online(&self, within: Duration) -> Result<()> {
        let what = format!("the device linked to {} to be online", self.number);
        self.shared
            .wait_for(within, &what, |world| {
                Ok(world.online_line(&self.number).map(|_| ()))
            })
            .await
    }

    /// The number of the linked device, if one is.
    #[must_use]
    pub fn linked_device(&self) -> Option<u16> {
        self.shared
            .look(|world| Some(world.people.get(&self.number)?.companion.as_ref()?.device))
    }

    /// The owner removes the linked device in the phone's list.
    pub fn unlinks(&self) {
        self.shared
            .change(|world| pairing::unlink(world, &self.number));
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
            .change(|world| writing::from_phone(world, &self.number, &contact.number, message))
    }

    /// The owner writes in a group on the phone.
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn says_in(&self, group: &Group, text: &str) -> Result<String> {
        let message = content::text(text);
        self.shared.change(|world| {
            writing::in_group(world, &Author::on_phone(&self.number), &group.jid, message)
        })
    }

    /// The owner writes to themselves.
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn notes(&self, text: &str) -> Result<String> {
        let message = content::text(text);
        self.shared
            .change(|world| writing::from_phone(world, &self.number, &self.number, message))
    }

    /// The next copy that the companion sent to the phone: `chat` says where the original went.
    ///
    /// # Errors
    /// When none comes `within`.
    pub async fn next_message(&self, within: Duration) -> Result<Received> {
        contact::next_message(&self.shared, &self.number, 0, within, "a copy on the phone").await
    }

    /// Every copy so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        contact::received(&self.shared, &self.number, 0)
    }
}
