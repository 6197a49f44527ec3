//! One simulated device and its end-to-end encryption: sessions with other devices, sender keys
//! for groups. It deals in bytes; messages, stanzas and addresses of chats are not its business.

use std::collections::HashMap;
use std::future::Future;

use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;
use wacore_libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, DeviceId, GenericSignedPreKey as _, IdentityKeyPair,
    KeyPair, PreKeyRecord, PreKeySignalMessage, ProtocolAddress, SenderKeyDistributionMessage,
    SenderKeyName, SessionStore as _, SignalMessage, SignalProtocolError, SignedPreKeyRecord,
    Timestamp, UsePQRatchet, create_sender_key_distribution_message, group_decrypt, group_encrypt,
    message_decrypt, message_encrypt, process_prekey_bundle,
    process_sender_key_distribution_message,
};

use super::bundle::{Bundle, SignedPublic};
use super::signal_store::{Identities, OneTimeKeys, SenderKeys, Sessions, SignedKey};

const SIGNED_KEY_ID: u32 = 1;

/// Where a session leads: one device of one person. The person is named by LID whatever address
/// a stanza uses, since number and LID share their sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) lid: String,
    pub(crate) device: u16,
}

impl Peer {
    fn address(&self) -> ProtocolAddress {
        ProtocolAddress::new(&self.lid, DeviceId::new(self.device.into()))
    }

    fn sender_key(&self, group: &str) -> SenderKeyName {
        SenderKeyName::from_parts(group, self.address().as_str())
    }
}

/// A ciphertext and the name of its kind on the wire.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Device {
    identities: Identities,
    sessions: Sessions,
    one_time: OneTimeKeys,
    signed: SignedKey,
    sender_keys: SenderKeys,
    next_one_time: u32,
}

impl Device {
    pub(crate) fn generate() -> Result<Self> {
        let own = IdentityKeyPair::generate(&mut rand::rng());
        let signed = KeyPair::generate(&mut rand::rng());
        let signature = own
            .private_key()
            .calculate_signature(&signed.public_key.serialize(), &mut rand::rng())?;
        let record = SignedPreKeyRecord::new(
            SIGNED_KEY_ID.into(),
            Timestamp::from_epoch_millis(0),
            &signed,
            &signature,
        );
        Ok(Self {
            identities: Identities {
                own,
                // The protocol uses 14 bits.
                registration_id: rand::random::<u32>() & 0x3fff,
                known: HashMap::new(),
            },
            sessions: Sessions::default(),
            one_time: OneTimeKeys::default(),
            signed: SignedKey {
                id: SIGNED_KEY_ID,
                record,
            },
            sender_keys: SenderKeys::default(),
            next_one_time: 1,
        })
    }

    pub(crate) fn identity(&self) -> &IdentityKeyPair {
        &self.identities.own
    }

    pub(crate) fn registration(&self) -> u32 {
        self.identities.registration_id
    }

    /// A bundle for this device, each with a new one-time key.
    pub(crate) fn issue_bundle(&mut self) -> Result<Bundle> {
        let id = self.next_one_time;
        let pair = KeyPair::generate(&mut rand::rng());
        self.one_time
            .0
            .insert(id, PreKeyRecord::new(id.into(), &pair));
        self.next_one_time += 1;
        Ok(Bundle {
            registration_id: self.identities.registration_id,
            identity: self.identities.own.public_key().public_key_bytes().to_vec(),
            signed: SignedPublic {
                id: SIGNED_KEY_ID,
                value: self.signed.record.public_key()?.public_key_bytes().to_vec(),
                signature: self.signed.record.signature()?,
            },
            one_time: Some((id, pair.public_key.public_key_bytes().to_vec())),
        })
    }

    pub(crate) fn has_session(&self, peer: &Peer) -> Result<bool> {
        at_once(self.sessions.has_session(&peer.address()))
    }

    /// Starts a session with `peer`, replacing the current one.
    pub(crate) fn meet(&mut self, peer: &Peer, bundle: &Bundle) -> Result<()> {
        at_once(process_prekey_bundle(
            &peer.address(),
            &mut self.sessions,
            &mut self.identities,
            &bundle.to_signal(peer.device)?,
            &mut rand::rng(),
            UsePQRatchet::No,
        ))?;
        Ok(())
    }

    /// Forgets everything shared with `peer`: it was linked anew and knows nothing either.
    pub(crate) fn forget(&mut self, peer: &Peer) {
        let address = peer.address();
        self.sessions.0.remove(address.as_str());
        self.identities.known.remove(address.as_str());
    }

    pub(crate) fn seal(&mut self, peer: &Peer, plain: &[u8]) -> Result<Sealed> {
        let sealed = at_once(message_encrypt(
            plain,
            &peer.address(),
            &mut self.sessions,
            &mut self.identities,
        ))?;
        let kind = match sealed.message_type() {
            CiphertextMessageType::PreKey => "pkmsg",
            CiphertextMessageType::Whisper => "msg",
            other @ (CiphertextMessageType::SenderKey | CiphertextMessageType::Plaintext) => {
                bail!("a session gave a message of kind {other:?}")
            }
        };
        Ok(Sealed {
            kind,
            bytes: sealed.serialize().to_vec(),
        })
    }

    pub(crate) fn open(&mut self, peer: &Peer, kind: &str, bytes: &[u8]) -> Result<Vec<u8>> {
        let message = match kind {
            "pkmsg" => {
                CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes)?)
            }
            "msg" => CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes)?),
            other => bail!("unknown kind of encryption {other}"),
        };
        let opened = at_once(message_decrypt(
            &message,
            &peer.address(),
            &mut self.sessions,
            &mut self.identities,
            &mut self.one_time,
            &self.signed,
            &mut rand::rng(),
            UsePQRatchet::No,
        ))?;
        if let Some(used) = opened.consumed_prekey_id {
            self.one_time.0.remove(&u32::from(used));
        }
        Ok(opened.plaintext)
    }

    /// This device's sender key for `group`, for the members that do not have it yet.
    pub(crate) fn distribution(&mut self, group: &str, own: &Peer) -> Result<Vec<u8>> {
        let message = at_once(create_sender_key_distribution_message(
            &own.sender_key(group),
            &mut self.sender_keys,
            &mut rand::rng(),
        ))?;
        Ok(message.serialized().to_vec())
    }

    pub(crate) fn seal_for_group(
        &mut self,
        group: &str,
        own: &Peer,
        plain: &[u8],
    ) -> Result<Sealed> {
        let sealed = at_once(group_encrypt(
            &mut self.sender_keys,
            &own.sender_key(group),
            plain,
            &mut rand::rng(),
        ))?;
        Ok(Sealed {
            kind: "skmsg",
            bytes: sealed.serialized().to_vec(),
        })
    }

    /// Takes the sender key of `author` in.
    pub(crate) fn learn_sender_key(
        &mut self,
        group: &str,
        author: &Peer,
        distribution: &[u8],
    ) -> Result<()> {
        let message = SenderKeyDistributionMessage::try_from(distribution)?;
        at_once(process_sender_key_distribution_message(
            &author.sender_key(group),
            &message,
            &mut self.sender_keys,
        ))
    }

    pub(crate) fn open_from_group(
        &mut self,
        group: &str,
        author: &Peer,
        bytes: &[u8],
    ) -> Result<Vec<u8>> {
        at_once(group_decrypt(
            bytes,
            &mut self.sender_keys,
            &author.sender_key(group),
        ))
    }
}

/// The protocol's functions are asynchronous for the sake of stores on disk; ours never wait.
fn at_once<T>(work: impl Future<Output = Result<T, SignalProtocolError>>) -> Result<T> {
    Ok(work
        .now_or_never()
        .context("a store in memory was waited for")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(lid: &str) -> Peer {
        Peer {
            lid: lid.into(),
            device: 0,
        }
    }

    #[test]
    fn the_first_messages_carry_keys_and_later_ones_do_not() {
        let (mut ana, mut ben) = (Device::generate().unwrap(), Device::generate().unwrap());
        ana.meet(&peer("ben"), &ben.issue_bundle().unwrap())
            .unwrap();
        let first = ana.seal(&peer("ben"), b"hello").unwrap();
        assert_eq!(first.kind, "pkmsg");
        assert_eq!(
            ben.open(&peer("ana"), first.kind, &first.bytes).unwrap(),
            b"hello"
        );

        let reply = ben.seal(&peer("ana"), b"hi").unwrap();
        assert_eq!(reply.kind, "msg");
        assert_eq!(
            ana.open(&peer("ben"), reply.kind, &reply.bytes).unwrap(),
            b"hi"
        );
        assert_eq!(ana.seal(&peer("ben"), b"again").unwrap().kind, "msg");
    }

    #[test]
    fn the_same_ciphertext_opens_only_once() {
        let (mut ana, mut ben) = (Device::generate().unwrap(), Device::generate().unwrap());
        ana.meet(&peer("ben"), &ben.issue_bundle().unwrap())
            .unwrap();
        let sealed = ana.seal(&peer("ben"), b"hello").unwrap();
        ben.open(&peer("ana"), sealed.kind, &sealed.bytes).unwrap();
        assert!(ben.open(&peer("ana"), sealed.kind, &sealed.bytes).is_err());
    }

    #[test]
    fn a_group_message_opens_only_with_the_sender_key() {
        let (mut ana, mut ben) = (Device::generate().unwrap(), Device::generate().unwrap());
        let distribution = ana.distribution("team", &peer("ana")).unwrap();
        let sealed = ana.seal_for_group("team", &peer("ana"), b"hello").unwrap();
        assert!(
            ben.open_from_group("team", &peer("ana"), &sealed.bytes)
                .is_err()
        );
        ben.learn_sender_key("team", &peer("ana"), &distribution)
            .unwrap();
        assert_eq!(
            ben.open_from_group("team", &peer("ana"), &sealed.bytes)
                .unwrap(),
            b"hello"
        );
    }
}
