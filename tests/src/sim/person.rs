//! A person of the simulated world: the account's owner or a contact. Each has a number (PN), a
//! LID, one device with its own Signal identity, and remembers what that device received.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};
use wacore_binary::Jid;
use waproto::whatsapp::Message;

use super::device::{Device, Peer};

/// By which of a person's two names a stanza speaks of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `<number>@s.whatsapp.net`
    Number,
    /// `<lid>@lid`
    Lid,
}

/// A message that a simulated device received and decrypted.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    /// The text or caption; empty when there is none.
    pub text: String,
    /// The author's address: the owner's, by number.
    pub from: String,
    /// The group's address, or the other side's in a direct chat.
    pub chat: String,
    /// Everything that was in it.
    pub message: Message,
}

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) number: String,
    pub(crate) lid: String,
    pub(crate) device: Device,
    /// How this person's direct messages are addressed.
    pub(crate) writes_by: Addressing,
    pub(crate) sends_receipts: bool,
    pub(crate) received: Vec<Received>,
    /// How many of `received` a story has already taken.
    pub(crate) taken: usize,
    /// The chats in which the companion has this person's sender key.
    pub(crate) shared_keys: BTreeSet<String>,
}

impl Person {
    pub(crate) fn new(name: &str, number: &str) -> Result<Self> {
        let number = valid_number(number)?;
        Ok(Self {
            name: name.to_owned(),
            lid: lid_of(&number),
            number,
            device: Device::generate()?,
            writes_by: Addressing::Number,
            sends_receipts: true,
            received: Vec::new(),
            taken: 0,
            shared_keys: BTreeSet::new(),
        })
    }

    pub(crate) fn pn_jid(&self) -> Jid {
        Jid::pn(self.number.as_str())
    }

    pub(crate) fn lid_jid(&self) -> Jid {
        Jid::lid(self.lid.as_str())
    }

    /// The person's address in stanzas that speak this way.
    pub(crate) fn jid(&self, addressing: Addressing) -> Jid {
        match addressing {
            Addressing::Number => self.pn_jid(),
            Addressing::Lid => self.lid_jid(),
        }
    }

    pub(crate) fn is(&self, jid: &Jid) -> bool {
        (jid.is_pn() && jid.user == self.number.as_str())
            || (jid.is_lid() && jid.user == self.lid.as_str())
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer {
            lid: self.lid.clone(),
            device: 0,
        }
    }
}

/// The number as digits, with or without the leading `+`.
///
/// # Errors
/// When it is not 7 to 15 digits, as E.164 numbers are.
pub(crate) fn valid_number(number: &str) -> Result<String> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    ensure!(
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()),
        "{number:?} is no phone number: give 7 to 15 digits with the country code, such as 15551234567"
    );
    Ok(digits.to_owned())
}

/// A LID that looks nothing like the number and is the same in every run.
fn lid_of(number: &str) -> String {
    let hash = Sha256::digest(number.as_bytes());
    let seed = hash
        .iter()
        .take(6)
        .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    (100_000_000_000_000 + seed % 900_000_000_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_known_by_number_and_by_lid() {
        let ana = Person::new("Ana", "+15551234567").unwrap();
        assert_eq!(ana.pn_jid().to_string(), "15551234567@s.whatsapp.net");
        assert!(ana.is(&ana.pn_jid()) && ana.is(&ana.lid_jid()));
        assert!(ana.is(&Jid::lid_device(ana.lid.as_str(), 3)));
        assert!(!ana.is(&Jid::lid(ana.number.as_str())));
    }

    #[test]
    fn lids_differ_and_stay_the_same() {
        assert_eq!(lid_of("15551234567"), lid_of("15551234567"));
        assert_ne!(lid_of("15551234567"), lid_of("15551234568"));
        assert_eq!(lid_of("15551234567").len(), 15);
    }

    #[test]
    fn what_is_no_number_is_refused_with_an_example() {
        for wrong in ["", "Ana", "555", "1555 123 4567", "1555123456789012"] {
            let refusal = Person::new("Ana", wrong).err().unwrap().to_string();
            assert!(refusal.contains("15551234567"), "{refusal}");
        }
    }
}
