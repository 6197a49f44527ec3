//! The handle that a story holds: starts the server, makes people and groups, asks and disturbs.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use wacore_binary::{Jid, Node};
use waproto::whatsapp::Message;

use super::contact::Contact;
use super::group::{self, Group};
use super::mail::Fate;
use super::noise::ServerIdentity;
use super::person::{Addressing, Person};
use super::phone::Phone;
use super::server;
use super::world::{Shared, World};
use super::writing;
use crate::scenario::secrecy::{Kind, Secret};

const OWNER: (&str, &str) = ("Olga", "15550001000");

/// A WhatsApp Web server on loopback with an account's owner, their contacts and groups. Many
/// can run side by side in one process. Ends when dropped, and every connection with it.
#[derive(Debug)]
pub struct Simulator {
    pub(crate) shared: Shared,
    phone: Phone,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts on a free port, for an owner with an invented name and number.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<Self> {
        Self::start_for(OWNER.0, OWNER.1, 0).await
    }

    /// Starts for this owner, on this port (0 picks a free one).
    ///
    /// # Errors
    /// When `number` is no phone number or the port cannot be bound.
    pub async fn start_for(name: &str, number: &str, port: u16) -> Result<Self> {
        let owner = Person::new(name, number)?;
        let (number, lid) = (owner.number.clone(), owner.lid.clone());
        let shared = Shared::new(World::new(owner));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr()?;
        let identity = ServerIdentity::generate()?;
        let server = tokio::spawn(server::run(listener, identity, shared.clone()));
        let phone = Phone::new(shared.clone(), number, lid);
        Ok(Self {
            shared,
            phone,
            address,
            server,
        })
    }

    /// What is nobody's business: everybody's numbers and LIDs, and every text that was written or received.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        self.shared.look(|world| {
            let mut found: Vec<Secret> = Vec::new();
            for person in world.people.values() {
                found.push(Secret::new(Kind::Number, "a number", &person.number));
                found.push(Secret::new(Kind::Number, "a LID", &person.lid));
                let received = person
                    .devices()
                    .filter_map(|device| person.endpoint(device));
                for received in received.flat_map(|endpoint| &endpoint.received) {
                    found.push(Secret::new(Kind::Text, "a text", &received.text));
                }
            }
            let written = world.written.iter();
            found.extend(written.map(|text| Secret::new(Kind::Text, "a text", text)));
            found
        })
    }

    /// Where a client connects, instead of WhatsApp's own address.
    #[must_use]
    pub fn web_url(&self) -> String {
        format!("ws://{}/ws/chat", self.address)
    }

    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// The contact with this number, who is made on first use; the first name stays.
    ///
    /// # Panics
    /// When `number` is no phone number or the owner's.
    #[must_use]
    #[expect(clippy::panic, reason = "a story with a wrong number cannot go on")]
    pub fn contact(&self, name: &str, number: &str) -> Contact {
        match self.add_contact(name, number) {
            Ok(contact) => contact,
            Err(refusal) => panic!("{refusal:#}"),
        }
    }

    /// As [`Simulator::contact`], for numbers that come from outside.
    ///
    /// # Errors
    /// When `number` is no phone number or the owner's.
    pub fn add_contact(&self, name: &str, number: &str) -> Result<Contact> {
        let person = Person::new(name, number)?;
        anyhow::ensure!(
            person.number != self.phone.number(),
            "{number} is the owner's number: give the contact another one"
        );
        let (number, lid) = (person.number.clone(), person.lid.clone());
        let name = self.shared.change(|world| {
            let known = world.people.entry(number.clone()).or_insert(person);
            known.name.clone()
        });
        Ok(Contact::new(self.shared.clone(), &name, number, lid))
    }

    /// A new group of the owner and `members`, addressed by LID as WhatsApp's are today.
    #[must_use]
    pub fn group(&self, subject: &str, members: &[&Contact]) -> Group {
        self.group_addressed(subject, members, Addressing::Lid)
    }

    /// A new group that names its members this way.
    #[must_use]
    pub fn group_addressed(&self, subject: &str, members: &[&Contact], by: Addressing) -> Group {
        let members = members.iter().map(|member| member.number.clone()).collect();
        self.shared
            .change(|world| group::found(world, subject, members, by))
    }

    /// A newsletter publishes something. `id` are the digits of its address, `<id>@newsletter`.
    ///
    /// # Errors
    /// When no device is linked.
    pub async fn newsletter_publishes(&self, id: &str, message: &Message) -> Result<String> {
        let jid = Jid::newsletter(id);
        self.shared
            .change(|world| writing::newsletter(world, &jid, message))
    }

    /// Waits until the linked device is logged in and takes messages.
    ///
    /// # Errors
    /// When it is not `within`; tells what was seen.
    pub async fn wait_until_online(&self, within: Duration) -> Result<()> {
        self.phone.wait_until_online(within).await
    }

    /// Waits until no device is online.
    ///
    /// # Errors
    /// When one still is after `within`.
    pub async fn wait_until_offline(&self, within: Duration) -> Result<()> {
        let what = "the linked device to be offline";
        self.shared
            .wait_for(within, what, |world| {
                Ok(world.online_line(&world.owner).is_none().then_some(()))
            })
            .await
    }

    /// Waits until the companion has confirmed message `id`, and tells how.
    ///
    /// # Errors
    /// When it has not `within`.
    pub async fn wait_until_confirmed(&self, id: &str, within: Duration) -> Result<Fate> {
        let what = format!("the companion to confirm message {id}");
        self.shared
            .wait_for(within, &what, |world| {
                let letter = world.letter(id);
                let letter = letter.with_context(|| format!("no message {id}"))?;
                Ok(match &letter.fate {
                    Fate::Waiting | Fate::Sent => None,
                    fate @ (Fate::Receipted(_) | Fate::Acked(_)) => Some(fate.clone()),
                })
            })
            .await
    }

    /// What has become of message `id`, if there is one.
    #[must_use]
    pub fn fate(&self, id: &str) -> Option<Fate> {
        self.shared
            .look(|world| world.letter(id).map(|letter| letter.fate.clone()))
    }

    /// Delivers message `id` once more: the same stanza with the same ciphertext.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn repeat(&self, id: &str) -> Result<()> {
        self.shared.change(|world| {
            let letter = world.letter_mut(id);
            let (account, letter) = letter.with_context(|| format!("no message {id}"))?;
            letter.fate = Fate::Waiting;
            writing::hand_over(world, &account);
            Ok(())
        })
    }

    /// Whether messages that waited for the companion carry the `offline` attribute when they
    /// are delivered (they do not by default).
    pub fn mark_late_messages(&self, does: bool) {
        self.shared.change(|world| world.marks_late = does);
    }

    /// What people write from now on carries the time `ago`, in whole seconds, as if it had been
    /// under way since.
    pub fn dates_messages_back(&self, ago: Duration) {
        self.shared
            .change(|world| world.written_ago = ago.as_secs());
    }

    /// How many QR codes one connection can show (6 by default): after the last one has expired
    /// the client has to connect again.
    pub fn offer_qr_codes(&self, count: usize) {
        self.shared.change(|world| world.qr_references = count);
    }

    /// Tells clients at their login to show `route` when they connect the next time.
    pub fn route_clients(&self, route: &[u8]) {
        self.shared
            .change(|world| world.edge = Some(route.to_vec()));
    }

    /// The route that the client showed which connected last.
    #[must_use]
    pub fn route_shown(&self) -> Option<Vec<u8>> {
        self.shared.look(|world| world.edge_shown.clone())
    }

    /// The version of WhatsApp Web that the client claims to be which introduced itself last.
    #[must_use]
    pub fn version_shown(&self) -> Option<[u32; 3]> {
        self.shared.look(|world| world.version_shown)
    }

    /// The number of the linked device, if one is.
    #[must_use]
    pub fn linked_device(&self) -> Option<u16> {
        self.phone.linked_device()
    }

    /// Waits until the linked device has ended its link by itself.
    ///
    /// # Errors
    /// When it has not `within`.
    pub async fn wait_until_logged_out(&self, within: Duration) -> Result<()> {
        let what = "the linked device to log out";
        self.shared
            .wait_for(within, what, |world| {
                Ok(world.owner()?.logged_out.then_some(()))
            })
            .await
    }

    /// How many connections have been made so far.
    #[must_use]
    pub fn connections_so_far(&self) -> u64 {
        self.shared.look(|world| world.lines.total())
    }

    /// Every stanza a client has sent, from pairing on.
    #[must_use]
    pub fn stanzas_from_companion(&self) -> Vec<Node> {
        self.shared
            .look(|world| world.journal.companion_stanzas().cloned().collect())
    }

    /// Waits for a stanza from a client (past ones count) that `is_it`.
    ///
    /// # Errors
    /// When there is none `within`.
    pub async fn wait_for_stanza(
        &self,
        within: Duration,
        what: &str,
        is_it: impl Fn(&Node) -> bool,
    ) -> Result<Node> {
        self.shared
            .wait_for(within, what, |world| {
                Ok(world
                    .journal
                    .companion_stanzas()
                    .find(|node| is_it(node))
                    .cloned())
            })
            .await
    }

    /// Everything that passed, one line each: `<-` from the companion, `->` to it, `!!` trouble.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.shared.look(|world| world.journal.lines().collect())
    }

    /// What went wrong on the simulated side: messages a contact could not read, queries that
    /// were not understood, refused logins.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        self.shared
            .look(|world| world.journal.troubles().map(str::to_owned).collect())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.drop_connections();
    }
}
