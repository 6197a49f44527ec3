//! What the contacts wrote and what came back: every message answered once, in order, in its chat.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::sim::{Contact, Group, Received, Simulator};

const PEOPLE: [(&str, &str); 3] = [
    ("Ana", "15551234567"),
    ("Ben", "15557654321"),
    ("Cleo", "15552223333"),
];
const MOST_AT_ONCE: usize = 12;

/// Chats of the story, and what was written in each, in order.
#[derive(Debug)]
pub(super) struct Ledger {
    phones: Vec<Phone>,
    group: Group,
    written_in_group: Vec<String>,
    written: usize,
}

/// One contact's phone: what its owner wrote directly, and what it shows.
#[derive(Debug)]
struct Phone {
    contact: Contact,
    written: Vec<String>,
    /// How many of the messages that arrived have been looked at.
    looked_at: usize,
    /// A phone shows a message once, however often its id arrives.
    by_id: HashMap<String, String>,
    /// Answers in its own chat.
    answers: Vec<String>,
    answers_in_group: Vec<String>,
}

impl Ledger {
    pub(super) fn new(sim: &Simulator) -> Self {
        let people: Vec<Contact> = PEOPLE
            .into_iter()
            .map(|(name, number)| sim.contact(name, number))
            .collect();
        let group = sim.group("Garden", &people.iter().collect::<Vec<_>>());
        Self {
            phones: people.into_iter().map(Phone::of).collect(),
            group,
            written_in_group: Vec::new(),
            written: 0,
        }
    }

    /// Everybody writes a few messages, some of them in the group; returns how many.
    pub(super) async fn write(&mut self, cycle: usize, chance: &mut StdRng) -> Result<usize> {
        let count = chance.random_range(1..=MOST_AT_ONCE);
        for place in 0..count {
            let author = chance.random_range(0..self.phones.len());
            let Some(phone) = self.phones.get_mut(author) else {
                continue;
            };
            let text = format!("{cycle}.{place} from {}", phone.contact.name());
            if chance.random_bool(0.25) {
                phone.contact.says_in(&self.group, &text).await?;
                self.written_in_group.push(text);
            } else {
                phone.contact.says(&text).await?;
                phone.written.push(text);
            }
        }
        self.written += count;
        Ok(count)
    }

    /// How many messages were written in all.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Waits until every phone shows as many answers as there are questions in its chats.
    pub(super) async fn settled(&mut self, within: Duration) -> Result<()> {
        let group = &self.group;
        for phone in &mut self.phones {
            let expected = phone.written.len() + self.written_in_group.len();
            let contact = phone.contact.clone();
            let what = format!("{expected} answers on the phone of {}", contact.name());
            contact
                .wait_for_messages(within, &what, |received| {
                    phone.look_at(received, group)?;
                    Ok(phone.by_id.len() >= expected)
                })
                .await?;
        }
        Ok(())
    }

    /// Nothing was lost, answered twice, out of order, or in the wrong chat.
    pub(super) fn verify(&mut self) -> Result<()> {
        for phone in &mut self.phones {
            phone.look_at(&phone.contact.received(), &self.group)?;
            for (chat, answers, written) in [
                ("their own chat", &phone.answers, &phone.written),
                (
                    self.group.subject(),
                    &phone.answers_in_group,
                    &self.written_in_group,
                ),
            ] {
                let first = answers.iter().zip(written).position(|(a, b)| a != b);
                let at = first.unwrap_or(answers.len().min(written.len()));
                ensure!(
                    answers == written,
                    "{} saw in {chat} from place {at} on: {:?}; written was: {:?}",
                    phone.contact.name(),
                    answers.get(at..),
                    written.get(at..),
                );
            }
        }
        Ok(())
    }
}

impl Phone {
    fn of(contact: Contact) -> Self {
        Self {
            contact,
            written: Vec::new(),
            looked_at: 0,
            by_id: HashMap::new(),
            answers: Vec::new(),
            answers_in_group: Vec::new(),
        }
    }

    fn look_at(&mut self, received: &[Received], group: &Group) -> Result<()> {
        for each in received.iter().skip(self.looked_at) {
            if let Some(first) = self.by_id.get(&each.id) {
                ensure!(
                    *first == each.text,
                    "one id with two texts: {first:?} and {each:?}"
                );
                continue;
            }
            self.by_id.insert(each.id.clone(), each.text.clone());
            let shown = match each.chat == group.jid() {
                true => &mut self.answers_in_group,
                false => &mut self.answers,
            };
            shown.push(each.text.clone());
        }
        self.looked_at = received.len();
        Ok(())
    }
}
