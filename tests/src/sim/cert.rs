//! The certificate chain that the server shows in its handshake: a leaf for its static key,
//! signed by an intermediate, signed by this simulator's own root. WhatsApp's root key is not
//! ours, so a client that pins it will rightly refuse; Baileys 7.0.0-rc14 was observed to check
//! the shape (both signatures present and 64 bytes long, issuer 0), not the root.

use anyhow::Result;
use wacore_libsignal::protocol::KeyPair;
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::CertChain;
use waproto::whatsapp::cert_chain::NoiseCertificate;
use waproto::whatsapp::cert_chain::noise_certificate::Details;

const INTERMEDIATE_SERIAL: u32 = 1;
const LEAF_SERIAL: u32 = 2;
/// Written out even though it is the default: Baileys compares the decoded value.
const ROOT_SERIAL: u32 = 0;

/// The encoded chain for `static_key`, signed with fresh keys.
pub(crate) fn chain_for(static_key: &KeyPair) -> Result<Vec<u8>> {
    let root = KeyPair::generate(&mut rand::rng());
    let intermediate = KeyPair::generate(&mut rand::rng());
    let chain = CertChain {
        intermediate: MessageField::some(certificate(
            INTERMEDIATE_SERIAL,
            ROOT_SERIAL,
            &intermediate,
            &root,
        )?),
        leaf: MessageField::some(certificate(
            LEAF_SERIAL,
            INTERMEDIATE_SERIAL,
            static_key,
            &intermediate,
        )?),
    };
    Ok(chain.encode_to_vec())
}

fn certificate(
    serial: u32,
    issuer_serial: u32,
    subject: &KeyPair,
    issuer: &KeyPair,
) -> Result<NoiseCertificate> {
    const DAY: u64 = 86_400;
    let now = super::clock::now();
    let details = Details {
        serial: Some(serial),
        issuer_serial: Some(issuer_serial),
        key: Some(subject.public_key.public_key_bytes().to_vec()),
        not_before: Some(now.saturating_sub(DAY)),
        not_after: Some(now.saturating_add(365 * DAY)),
    }
    .encode_to_vec();
    let signature = issuer.calculate_signature(&details, &mut rand::rng())?;
    Ok(NoiseCertificate {
        signature: Some(signature.to_vec()),
        details: Some(details),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_libsignal::protocol::PublicKey;

    #[test]
    fn the_leaf_carries_the_static_key_and_is_signed_by_the_intermediate() {
        let key = KeyPair::generate(&mut rand::rng());
        let chain = CertChain::decode_from_slice(&chain_for(&key).unwrap()).unwrap();
        let (leaf, intermediate) = (chain.leaf.unwrap(), chain.intermediate.unwrap());
        let leaf_details = Details::decode_from_slice(leaf.details.as_ref().unwrap()).unwrap();
        let issuer = Details::decode_from_slice(intermediate.details.as_ref().unwrap()).unwrap();

        assert_eq!(leaf_details.key.unwrap(), key.public_key.public_key_bytes());
        assert_eq!(leaf_details.issuer_serial, issuer.serial);
        let signer = PublicKey::from_djb_public_key_bytes(&issuer.key.unwrap()).unwrap();
        assert!(signer.verify_signature(&leaf.details.unwrap(), &leaf.signature.unwrap()));
    }

    #[test]
    fn the_intermediate_names_issuer_zero_explicitly() {
        let key = KeyPair::generate(&mut rand::rng());
        let chain = CertChain::decode_from_slice(&chain_for(&key).unwrap()).unwrap();
        let intermediate = chain.intermediate.unwrap();
        let details = Details::decode_from_slice(&intermediate.details.unwrap()).unwrap();
        assert_eq!(details.issuer_serial, Some(0));
        assert_eq!(intermediate.signature.unwrap().len(), 64);
    }
}
