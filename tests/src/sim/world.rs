//! Everything the simulator knows, behind one lock: people with their linked devices, groups, open
//! connections, and a journal of what passed. Stories wait on it with a deadline.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use wacore_binary::{Jid, Node};

use super::companion::Companion;
use super::device::Peer;
use super::faults::Faults;
use super::group::GroupState;
use super::journal::Journal;
use super::lines::{LineId, Lines, Phase};
use super::mail::Letter;
use super::person::{Endpoint, Person};

pub(crate) struct World {
    /// The number of the person that a story is about, a key of `people`.
    pub(crate) owner: String,
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) groups: BTreeMap<String, GroupState>,
    pub(crate) lines: Lines,
    /// Whether late messages carry the `offline` attribute, as WhatsApp's do. Clients then treat
    /// them as backlog.
    pub(crate) marks_late: bool,
    /// How many seconds ago people say that they wrote what they write now.
    pub(crate) written_ago: u64,
    /// Every text that anybody wrote to a linked client.
    pub(crate) written: Vec<String>,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    /// How many QR codes one connection can show.
    pub(crate) qr_references: usize,
    /// Where logged-in clients are told to connect to next time.
    pub(crate) edge: Option<Vec<u8>>,
    /// What the last client that connected said about where it was told to connect to.
    pub(crate) edge_shown: Option<Vec<u8>>,
    /// The version of WhatsApp Web that the last client to introduce itself claims to be.
    pub(crate) version_shown: Option<[u32; 3]>,
}

/// As WhatsApp does.
const QR_REFERENCES: usize = 6;

impl World {
    pub(crate) fn new(owner: Person) -> Self {
        Self {
            owner: owner.number.clone(),
            people: BTreeMap::from([(owner.number.clone(), owner)]),
            groups: BTreeMap::new(),
            lines: Lines::default(),
            marks_late: false,
            written_ago: 0,
            written: Vec::new(),
            journal: Journal::default(),
            faults: Faults::default(),
            qr_references: QR_REFERENCES,
            edge: None,
            edge_shown: None,
            version_shown: None,
        }
    }

    pub(crate) fn person(&self, number: &str) -> Result<&Person> {
        self.people
            .get(number)
            .with_context(|| format!("nobody here has the number {number}"))
    }

    pub(crate) fn person_mut(&mut self, number: &str) -> Result<&mut Person> {
        self.people
            .get_mut(number)
            .with_context(|| format!("nobody here has the number {number}"))
    }

    /// One device of the person with this number.
    pub(crate) fn endpoint_mut(&mut self, number: &str, device: u16) -> Result<&mut Endpoint> {
        let person = self.person_mut(number)?;
        let name = person.name.clone();
        person
            .endpoint_mut(device)
            .with_context(|| format!("{name} has no device {device}: link one first"))
    }

    pub(crate) fn owner(&self) -> Result<&Person> {
        self.person(&self.owner)
    }

    /// Who `jid` is, by number or LID, whatever the device.
    pub(crate) fn who(&self, jid: &Jid) -> Option<&Person> {
        self.people.values().find(|person| person.is(jid))
    }

    /// The client linked to this number.
    pub(crate) fn companion_mut(&mut self, number: &str) -> Result<&mut Companion> {
        let companion = self.person_mut(number)?.companion.as_mut();
        companion.context("no device is linked: scan its QR first")
    }

    /// The client linked to this number as the other end of Signal sessions.
    pub(crate) fn companion_peer(&self, number: &str) -> Result<Peer> {
        let person = self.person(number)?;
        let companion = person.companion.as_ref();
        let companion = companion.context("no device is linked: scan its QR first")?;
        Ok(person.peer(companion.device))
    }

    /// The connection on which this number's client is logged in and takes messages.
    pub(crate) fn online_line(&self, number: &str) -> Option<LineId> {
        self.lines.find(
            |phase| matches!(phase, Phase::LoggedIn { account, active: true } if account == number),
        )
    }

    /// The connection on which this number's client is logged in, whether it takes messages or not.
    pub(crate) fn logged_in_line(&self, number: &str) -> Option<LineId> {
        self.lines
            .find(|phase| matches!(phase, Phase::LoggedIn { account, .. } if account == number))
    }

    /// The message `id` for a linked client.
    pub(crate) fn letter(&self, id: &str) -> Option<&Letter> {
        let companions = self.people.values().filter_map(|it| it.companion.as_ref());
        companions.filter_map(|it| it.mail.find(id)).next()
    }

    /// As [`World::letter`], with the number of the account whose client it is for.
    pub(crate) fn letter_mut(&mut self, id: &str) -> Option<(String, &mut Letter)> {
        self.people.values_mut().find_map(|person| {
            let letter = person.companion.as_mut()?.mail.find_mut(id)?;
            Some((person.number.clone(), letter))
        })
    }

    /// Sends a stanza to a client.
    pub(crate) fn send(&mut self, line: LineId, node: Node) {
        if self.lines.send(line, node.clone()) {
            self.journal.sent(node);
        }
    }

    /// What a failed wait tells.
    fn summary(&self) -> String {
        let linked = self.people.values().filter_map(|person| {
            let Companion { device, mail, .. } = person.companion.as_ref()?;
            let online = match self.online_line(&person.number) {
                Some(_) => "online",
                None => "linked, not online",
            };
            let name = &person.name;
            Some(format!(
                "device {device} of {name} is {online}, {}",
                mail.summary()
            ))
        });
        let mut linked: Vec<_> = linked.collect();
        if linked.is_empty() {
            linked.push("no device is linked".to_owned());
        }
        format!(
            "{}; {} open connections\n{}",
            linked.join("; "),
            self.lines.count(),
            self.journal.tail()
        )
    }
}

/// The world and its news, shared by the server, its connections and the story.
#[derive(Clone)]
pub(crate) struct Shared {
    world: Arc<Mutex<World>>,
    news: Arc<watch::Sender<u64>>,
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world: Arc::new(Mutex::new(world)),
            news: Arc::new(watch::Sender::new(0)),
        }
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the world and wakes everybody who waits for something.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let outcome = change(&mut self.lock());
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
        outcome
    }

    /// Asks `probe` at every change until it finds something.
    ///
    /// # Errors
    /// What `probe` says; or, after `within`, what was awaited and what was seen instead.
    pub(crate) async fn wait_for<T>(
        &self,
        within: Duration,
        what: &str,
        mut probe: impl FnMut(&mut World) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        let mut news = self.news.subscribe();
        loop {
            let found = probe(&mut self.lock())?;
            if let Some(found) = found {
                return Ok(found);
            }
            if timeout_at(deadline, news.changed()).await.is_err() {
                bail!(
                    "waited {within:?} for {what}; {}",
                    self.look(World::summary)
                );
            }
        }
    }

    /// A panic while the lock was held does not make what was seen before it worthless.
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.look(World::summary))
    }
}
