//! A person of the simulated world: the account's owner or a contact. Each has a number (PN), a
//! LID and one or more devices, each with its own Signal identity and what it has received. One
//! more can be a real client (see `companion`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use sha2::{Digest as _, Sha256};
use wacore_binary::Jid;
use waproto::whatsapp::Message;

use super::companion::Companion;
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
    /// The author's address: that of the linked client's account, by number.
    pub from: String,
    /// The group's address, or the other side's in a direct chat.
    pub chat: String,
    /// Everything that was in it.
    pub message: Message,
}

/// Who writes, and on which device: 0 is the phone.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub(crate) number: String,
    pub(crate) device: u16,
}

impl Author {
    pub(crate) fn on_phone(number: &str) -> Self {
        Self {
            number: number.to_owned(),
            device: 0,
        }
    }
}

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) number: String,
    pub(crate) lid: String,
    /// Device 0.
    pub(crate) phone: Endpoint,
    linked: BTreeMap<u16, Endpoint>,
    /// The real client that is linked.
    pub(crate) companion: Option<Companion>,
    /// It ended its link by itself.
    pub(crate) logged_out: bool,
    /// By what the phone's statements about its devices belong together.
    pub(crate) raw_id: u32,
    /// Device numbers are never used twice.
    pub(crate) last_device: u16,
    /// How this person's direct messages are addressed.
    pub(crate) writes_by: Addressing,
    /// Whether stanzas that name this person by LID give the number, too.
    pub(crate) shows_number: bool,
    /// Whether the number can be looked up.
    pub(crate) is_listed: bool,
    pub(crate) sends_receipts: bool,
    /// How many of this person's next messages leave damaged.
    pub(crate) garbles: u32,
}

/// One device and what has passed through it.
pub(crate) struct Endpoint {
    pub(crate) device: Device,
    pub(crate) received: Vec<Received>,
    /// How many of `received` a story has already taken.
    pub(crate) taken: usize,
    /// The chats in which the owner's client has this device's sender key.
    pub(crate) shared_keys: BTreeSet<String>,
    /// How many of the next messages it cannot read.
    pub(crate) unreadable: u32,
    /// How often it has asked for a message again.
    pub(crate) asked_again: BTreeMap<String, u32>,
}

impl Endpoint {
    fn new() -> Result<Self> {
        Ok(Self {
            device: Device::generate()?,
            received: Vec::new(),
            taken: 0,
            shared_keys: BTreeSet::new(),
            unreadable: 0,
            asked_again: BTreeMap::new(),
        })
    }
}

impl Person {
    pub(crate) fn new(name: &str, number: &str) -> Result<Self> {
        let number = valid_number(number)?;
        Ok(Self {
            name: name.to_owned(),
            lid: lid_of(&number),
            number,
            phone: Endpoint::new()?,
            linked: BTreeMap::new(),
            companion: None,
            logged_out: false,
            raw_id: rand::random(),
            last_device: 0,
            writes_by: Addressing::Number,
            shows_number: true,
            is_listed: true,
            sends_receipts: true,
            garbles: 0,
        })
    }

    /// Links one more device; gives its number.
    pub(crate) fn link_device(&mut self) -> Result<u16> {
        let endpoint = Endpoint::new()?;
        self.last_device += 1;
        self.linked.insert(self.last_device, endpoint);
        Ok(self.last_device)
    }

    pub(crate) fn endpoints_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        std::iter::once(&mut self.phone).chain(self.linked.values_mut())
    }

    /// Every device's number, that of the real client among them.
    pub(crate) fn devices(&self) -> impl Iterator<Item = u16> {
        let client = self.companion.as_ref().map(|companion| companion.device);
        let linked = self.linked.keys().copied();
        std::iter::once(0).chain(linked).chain(client)
    }

    /// Whether this device is the real client.
    pub(crate) fn is_client(&self, device: u16) -> bool {
        self.companion
            .as_ref()
            .is_some_and(|it| it.device == device)
    }

    pub(crate) fn endpoint(&self, device: u16) -> Option<&Endpoint> {
        match device {
            0 => Some(&self.phone),
            linked => self.linked.get(&linked),
        }
    }

    pub(crate) fn endpoint_mut(&mut self, device: u16) -> Option<&mut Endpoint> {
        match device {
            0 => Some(&mut self.phone),
            linked => self.linked.get_mut(&linked),
        }
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

    /// One device's address; the phone's is the person's.
    pub(crate) fn device_jid(&self, addressing: Addressing, device: u16) -> Jid {
        let mut jid = self.jid(addressing);
        jid.device = device;
        jid
    }

    pub(crate) fn is(&self, jid: &Jid) -> bool {
        (jid.is_pn() && jid.user == self.number.as_str())
            || (jid.is_lid() && jid.user == self.lid.as_str())
    }

    pub(crate) fn peer(&self, device: u16) -> Peer {
        Peer {
            lid: self.lid.clone(),
            device,
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
    fn a_person_has_a_phone_and_the_devices_that_were_linked() {
        let mut ana = Person::new("Ana", "15551234567").unwrap();
        assert_eq!(ana.devices().collect::<Vec<_>>(), [0]);
        assert_eq!(ana.link_device().unwrap(), 1);
        assert_eq!(ana.devices().collect::<Vec<_>>(), [0, 1]);
        assert!(ana.endpoint(1).is_some() && ana.endpoint(2).is_none());
        let jid = ana.device_jid(Addressing::Number, 1).to_string();
        assert_eq!(jid, "15551234567:1@s.whatsapp.net");
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
