//! Key bundles: what a server hands out so that a first message can be encrypted for a device.
//! `Bundle` is one such hand-out, `KeyShelf` what a real client has deposited for it.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, ensure};
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use wacore_libsignal::protocol::{DeviceId, IdentityKey, PreKeyBundle, PublicKey};
use waproto::whatsapp::client_payload::DevicePairingRegistrationData;

use super::stanza::{child_bytes, key_id, leaf, number};

/// The key type that stands before every public key and in every bundle.
const KEY_TYPE: u8 = 5;

/// Keys for one new session.
#[derive(Clone)]
pub(crate) struct Bundle {
    pub(crate) registration_id: u32,
    pub(crate) identity: Vec<u8>,
    pub(crate) signed: SignedPublic,
    pub(crate) one_time: Option<(u32, Vec<u8>)>,
}

#[derive(Clone)]
pub(crate) struct SignedPublic {
    pub(crate) id: u32,
    pub(crate) value: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Bundle {
    /// As the server answers it to a client, for a linked device with what its phone said about it.
    pub(crate) fn to_node(&self, jid: &Jid, vouched: Option<&[u8]>) -> Node {
        let mut children = vec![
            leaf("registration", self.registration_id.to_be_bytes()),
            leaf("type", [KEY_TYPE]),
            leaf("identity", self.identity.clone()),
            self.signed.to_node(),
        ];
        if let Some((id, value)) = &self.one_time {
            children.push(
                NodeBuilder::new("key")
                    .children([leaf("id", key_id(*id)), leaf("value", value.clone())])
                    .build(),
            );
        }
        children.extend(vouched.map(|vouched| leaf("device-identity", vouched)));
        NodeBuilder::new("user")
            .attr("jid", jid)
            .children(children)
            .build()
    }

    /// As the Signal functions take it.
    pub(crate) fn to_signal(&self, device: u16) -> Result<PreKeyBundle> {
        let one_time = match &self.one_time {
            Some((id, value)) => Some(((*id).into(), PublicKey::from_djb_public_key_bytes(value)?)),
            None => None,
        };
        Ok(PreKeyBundle::new(
            self.registration_id,
            DeviceId::new(device.into()),
            one_time,
            self.signed.id.into(),
            PublicKey::from_djb_public_key_bytes(&self.signed.value)?,
            self.signed.signature.clone(),
            IdentityKey::new(PublicKey::from_djb_public_key_bytes(&self.identity)?),
        )?)
    }
}

impl SignedPublic {
    fn to_node(&self) -> Node {
        NodeBuilder::new("skey")
            .children([
                leaf("id", key_id(self.id)),
                leaf("value", self.value.clone()),
                leaf("signature", self.signature.clone()),
            ])
            .build()
    }

    fn from_node(node: &Node) -> Result<Self> {
        Ok(Self {
            id: number(&child_bytes(node, "id")?)?,
            value: child_bytes(node, "value")?,
            signature: child_bytes(node, "signature")?,
        })
    }

    /// A bundle whose signature does not hold would make every contact refuse to write.
    fn verify(&self, identity: &[u8]) -> Result<()> {
        let signed = PublicKey::from_djb_public_key_bytes(&self.value)?.serialize();
        let identity = PublicKey::from_djb_public_key_bytes(identity)?;
        ensure!(
            identity.verify_signature(&signed, &self.signature),
            "the signed key {} is not signed by the device's identity",
            self.id
        );
        Ok(())
    }
}

/// The keys a real client has left with the server.
pub(crate) struct KeyShelf {
    registration_id: u32,
    identity: Vec<u8>,
    signed: SignedPublic,
    one_time: VecDeque<(u32, Vec<u8>)>,
}

impl KeyShelf {
    /// What a client shows when it asks to be paired: a bundle without one-time keys.
    pub(crate) fn from_registration(data: DevicePairingRegistrationData) -> Result<Self> {
        let key_type = data
            .e_keytype
            .context("the registration names no key type")?;
        ensure!(key_type == [KEY_TYPE], "unknown key type {key_type:?}");
        let shelf = Self {
            registration_id: number(&data.e_regid.context("no registration id")?)?,
            identity: data.e_ident.context("no identity key")?,
            signed: SignedPublic {
                id: number(&data.e_skey_id.context("no signed key id")?)?,
                value: data.e_skey_val.context("no signed key")?,
                signature: data.e_skey_sig.context("no signature of the signed key")?,
            },
            one_time: VecDeque::new(),
        };
        shelf.signed.verify(&shelf.identity)?;
        Ok(shelf)
    }

    pub(crate) fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// How many one-time keys are left.
    pub(crate) fn count(&self) -> usize {
        self.one_time.len()
    }

    /// Takes an upload (`iq` of `encrypt`, `set`) in.
    pub(crate) fn deposit(&mut self, upload: &Node) -> Result<()> {
        let identity = child_bytes(upload, "identity")?;
        ensure!(
            identity == self.identity,
            "the upload is for another identity"
        );
        let signed = SignedPublic::from_node(
            upload
                .get_optional_child("skey")
                .context("an upload without a signed key")?,
        )?;
        signed.verify(&identity)?;
        let list = upload
            .get_optional_child("list")
            .context("an upload without a list")?;
        for key in list.get_children_by_tag("key") {
            let id = number(&child_bytes(key, "id")?)?;
            self.one_time.push_back((id, child_bytes(key, "value")?));
        }
        self.registration_id = number(&child_bytes(upload, "registration")?)?;
        self.signed = signed;
        Ok(())
    }

    /// Takes a new signed key in (`rotate`).
    pub(crate) fn rotate(&mut self, rotate: &Node) -> Result<()> {
        let node = rotate
            .get_optional_child("skey")
            .context("a rotation without a key")?;
        let signed = SignedPublic::from_node(node)?;
        signed.verify(&self.identity)?;
        self.signed = signed;
        Ok(())
    }

    /// Hands out a bundle; its one-time key is never handed out again.
    pub(crate) fn issue(&mut self) -> Bundle {
        Bundle {
            registration_id: self.registration_id,
            identity: self.identity.clone(),
            signed: self.signed.clone(),
            one_time: self.one_time.pop_front(),
        }
    }

    /// What the server believes to hold, for a client that checks.
    pub(crate) fn digest(&self) -> Node {
        let ids = self.one_time.iter().map(|(id, _)| leaf("id", key_id(*id)));
        NodeBuilder::new("digest")
            .children([
                leaf("registration", self.registration_id.to_be_bytes()),
                leaf("type", [KEY_TYPE]),
                leaf("identity", self.identity.clone()),
                self.signed.to_node(),
                NodeBuilder::new("list").children(ids).build(),
            ])
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_libsignal::protocol::KeyPair;

    fn registration() -> (KeyPair, DevicePairingRegistrationData) {
        let identity = KeyPair::generate(&mut rand::rng());
        let signed = KeyPair::generate(&mut rand::rng());
        let signature = identity
            .calculate_signature(&signed.public_key.serialize(), &mut rand::rng())
            .unwrap();
        let data = DevicePairingRegistrationData {
            e_regid: Some(vec![0, 0, 1, 2]),
            e_keytype: Some(vec![5]),
            e_ident: Some(identity.public_key.public_key_bytes().to_vec()),
            e_skey_id: Some(vec![0, 0, 1]),
            e_skey_val: Some(signed.public_key.public_key_bytes().to_vec()),
            e_skey_sig: Some(signature.to_vec()),
            ..Default::default()
        };
        (identity, data)
    }

    fn upload(shelf: &KeyShelf, ids: &[u32]) -> Node {
        let keys = ids.iter().map(|id| {
            NodeBuilder::new("key")
                .children([leaf("id", key_id(*id)), leaf("value", [9; 32])])
                .build()
        });
        NodeBuilder::new("iq")
            .children([
                leaf("registration", 7_u32.to_be_bytes()),
                leaf("type", [5]),
                leaf("identity", shelf.identity.clone()),
                NodeBuilder::new("list").children(keys).build(),
                shelf.signed.to_node(),
            ])
            .build()
    }

    #[test]
    fn each_one_time_key_is_handed_out_once() {
        let mut shelf = KeyShelf::from_registration(registration().1).unwrap();
        assert!(shelf.issue().one_time.is_none());
        shelf.deposit(&upload(&shelf, &[1, 2])).unwrap();
        let ids: Vec<_> = (0..3)
            .map(|_| shelf.issue().one_time.map(|key| key.0))
            .collect();
        assert_eq!(ids, [Some(1), Some(2), None]);
    }

    #[test]
    fn a_registration_with_a_wrong_signature_is_refused() {
        let (_, mut data) = registration();
        data.e_skey_sig = Some(vec![1; 64]);
        let refusal = KeyShelf::from_registration(data).err().unwrap().to_string();
        assert!(
            refusal.contains("not signed by the device's identity"),
            "{refusal}"
        );
    }

    #[test]
    fn an_upload_for_another_identity_changes_nothing() {
        let mut shelf = KeyShelf::from_registration(registration().1).unwrap();
        let other = KeyShelf::from_registration(registration().1).unwrap();
        let refusal = shelf
            .deposit(&upload(&other, &[1]))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("another identity"), "{refusal}");
        assert_eq!(shelf.count(), 0);
    }
}
