//! Linking a device by QR: what the server offers a new client, what the owner's phone makes of
//! the QR that the client shows, and the check of the client's confirmation.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, Node};
use wacore_libsignal::protocol::PublicKey;
use waproto::buffa::Message as _;
use waproto::whatsapp::{ADVDeviceIdentity, ADVSignedDeviceIdentity, ADVSignedDeviceIdentityHMAC};

use super::bundle::KeyShelf;
use super::clock;
use super::lines::{LineId, Phase};
use super::stanza::{child_bytes, leaf, server};
use super::world::{Companion, World};

const PREFIX: &str = "https://wa.me/settings/linked_devices#";
/// How many QR codes one connection can show.
const REFS: usize = 6;
const ACCOUNT_SIGNATURE: [u8; 2] = [6, 0];
const DEVICE_SIGNATURE: [u8; 2] = [6, 1];

/// A QR as the phone reads it.
#[derive(Debug)]
pub(crate) struct QrCode {
    reference: String,
    pub(crate) noise_key: Vec<u8>,
    identity: Vec<u8>,
    secret: Vec<u8>,
}

impl QrCode {
    /// Reads `https://wa.me/settings/linked_devices#ref,noise,identity,secret[,platform]`; without
    /// the address in front, as older clients show it, too.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let payload = text.strip_prefix(PREFIX).unwrap_or(text);
        let parts: Vec<&str> = payload.split(',').collect();
        let (reference, noise, identity, secret) = match parts.as_slice() {
            [reference, noise, identity, secret] | [reference, noise, identity, secret, _] => {
                (*reference, *noise, *identity, *secret)
            }
            other => bail!(
                "this is not a linking QR: it has {} parts separated by commas, expected 4 or 5",
                other.len()
            ),
        };
        ensure!(
            !reference.is_empty(),
            "this is not a linking QR: its reference is empty"
        );
        Ok(Self {
            reference: reference.to_owned(),
            noise_key: key("noise key", noise)?,
            identity: key("identity key", identity)?,
            secret: key("secret", secret)?,
        })
    }
}

fn key(what: &str, text: &str) -> Result<Vec<u8>> {
    let bytes = BASE64
        .decode(text)
        .with_context(|| format!("the {what} in the QR is not base64"))?;
    ensure!(
        bytes.len() == 32,
        "the {what} in the QR has {} bytes, expected 32",
        bytes.len()
    );
    Ok(bytes)
}

/// A client that waits to be scanned.
pub(crate) struct Attempt {
    refs: Vec<String>,
    pub(crate) noise_key: Vec<u8>,
    /// Gone once the device is linked.
    shelf: Option<KeyShelf>,
    scanned: Option<Scanned>,
}

struct Scanned {
    request: String,
    device: u16,
    details: Vec<u8>,
}

/// Offers a new client its QR references.
pub(crate) fn begin(world: &mut World, line: LineId, noise_key: Vec<u8>, shelf: KeyShelf) {
    let refs: Vec<String> = (0..REFS)
        .map(|_| format!("2@{}", BASE64.encode(rand::random::<[u8; 32]>())))
        .collect();
    let offer = NodeBuilder::new("iq")
        .attr("from", server())
        .attr("type", "set")
        .attr("id", "pair-device")
        .attr("xmlns", "md")
        .children([NodeBuilder::new("pair-device")
            .children(refs.iter().map(|text| leaf("ref", text.as_bytes())))
            .build()])
        .build();
    if let Some(phase) = world.lines.phase_mut(line) {
        *phase = Phase::Pairing(Box::new(Attempt {
            refs,
            noise_key,
            shelf: Some(shelf),
            scanned: None,
        }));
    }
    world.send(line, offer);
}

/// The owner's phone scans `qr` and vouches for the device behind it.
pub(crate) fn scan(world: &mut World, qr: &QrCode) -> Result<()> {
    let line = world
        .lines
        .find(|phase| {
            matches!(phase, Phase::Pairing(attempt) if attempt.refs.contains(&qr.reference))
        })
        .context("this QR is not, or no longer, shown by any client connected here")?;
    let owner = world.owner()?;
    let (number, lid) = (owner.number.clone(), owner.lid.clone());
    let account = owner.device.identity().clone();
    let device = world.last_device + 1;
    let Some(Phase::Pairing(attempt)) = world.lines.phase_mut(line) else {
        bail!("the client that shows this QR went away");
    };
    ensure!(
        attempt.noise_key == qr.noise_key,
        "the QR's noise key is not the client's"
    );
    let shelf = attempt.shelf.as_ref().context("this QR was used before")?;
    ensure!(
        shelf.identity() == qr.identity,
        "the QR's identity key is not the client's"
    );
    ensure!(attempt.scanned.is_none(), "this QR was scanned before");

    let details = ADVDeviceIdentity {
        raw_id: Some(rand::random()),
        timestamp: Some(clock::now()),
        key_index: Some(u32::from(device)),
        ..Default::default()
    }
    .encode_to_vec();
    let statement = [&ACCOUNT_SIGNATURE, details.as_slice(), &qr.identity].concat();
    let signature = account
        .private_key()
        .calculate_signature(&statement, &mut rand::rng())?;
    let signed = ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(account.public_key().public_key_bytes().to_vec()),
        account_signature: Some(signature.to_vec()),
        ..Default::default()
    }
    .encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(&qr.secret)?;
    mac.update(&signed);
    let sealed = ADVSignedDeviceIdentityHMAC {
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        details: Some(signed),
        ..Default::default()
    };

    let request = format!("pair-success-{device}");
    attempt.scanned = Some(Scanned {
        request: request.clone(),
        device,
        details,
    });
    let success = NodeBuilder::new("iq")
        .attr("from", server())
        .attr("type", "set")
        .attr("id", request)
        .attr("t", clock::now())
        .children([NodeBuilder::new("pair-success")
            .children([
                leaf("device-identity", sealed.encode_to_vec()),
                NodeBuilder::new("device")
                    .attr("jid", Jid::pn_device(number.as_str(), device))
                    .attr("lid", Jid::lid_device(lid.as_str(), device))
                    .build(),
                NodeBuilder::new("platform").attr("name", "android").build(),
            ])
            .build()])
        .build();
    world.send(line, success);
    Ok(())
}

/// The client's answer to the phone: check its signature, link the device, and end the
/// connection with 515, upon which the client logs in.
pub(crate) fn confirm(world: &mut World, line: LineId, answer: &Node) -> Result<()> {
    let account_key = *world.owner()?.device.identity().public_key();
    let Some(Phase::Pairing(attempt)) = world.lines.phase_mut(line) else {
        bail!("a pairing was confirmed on a connection that is not pairing");
    };
    let scanned = attempt
        .scanned
        .as_ref()
        .context("a pairing was confirmed before any scan")?;
    let id = super::stanza::required_attr(answer, "id")?;
    ensure!(
        id == scanned.request,
        "the confirmation answers {id}, not {}",
        scanned.request
    );
    let shelf = attempt
        .shelf
        .as_ref()
        .context("a pairing was confirmed twice")?;
    let sign = answer
        .get_optional_child("pair-device-sign")
        .context("a confirmation without a signature")?;
    let signed =
        ADVSignedDeviceIdentity::decode_from_slice(&child_bytes(sign, "device-identity")?)?;
    let statement = [
        &DEVICE_SIGNATURE,
        scanned.details.as_slice(),
        shelf.identity(),
        account_key.public_key_bytes(),
    ]
    .concat();
    let signature = signed
        .device_signature
        .context("a confirmation without a signature")?;
    ensure!(
        PublicKey::from_djb_public_key_bytes(shelf.identity())?
            .verify_signature(&statement, &signature),
        "the device's signature does not hold"
    );

    let device = scanned.device;
    let noise_key = attempt.noise_key.clone();
    let shelf = attempt
        .shelf
        .take()
        .context("a pairing was confirmed twice")?;
    link(
        world,
        Companion {
            device,
            noise_key,
            shelf,
            has_history: false,
        },
    )?;
    let restart = NodeBuilder::new("stream:error").attr("code", "515").build();
    world.send(line, restart);
    world.lines.hang_up(line);
    Ok(())
}

/// The linked device is no longer: its login is refused from now on, and if it is connected it
/// learns why.
pub(crate) fn unlink(world: &mut World) {
    world.companion = None;
    world.mail.clear();
    if let Some(line) = world
        .lines
        .find(|phase| matches!(phase, Phase::LoggedIn { .. }))
    {
        let conflict = NodeBuilder::new("conflict")
            .attr("type", "device_removed")
            .build();
        let removed = NodeBuilder::new("stream:error")
            .attr("code", "401")
            .children([conflict]);
        world.send(line, removed.build());
        world.lines.hang_up(line);
    }
}

/// Takes the place of the device linked before. Nobody shares anything with a new one.
fn link(world: &mut World, companion: Companion) -> Result<()> {
    unlink(world);
    world.last_device = companion.device;
    world.companion = Some(companion);
    let peer = world.companion_peer()?;
    for person in world.people.values_mut() {
        person.device.forget(&peer);
        person.shared_keys.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> [String; 5] {
        let key = |byte: u8| BASE64.encode([byte; 32]);
        ["2@abc".into(), key(1), key(2), key(3), "1".into()]
    }

    #[test]
    fn a_qr_is_read_with_and_without_the_address_in_front() {
        for (prefix, count) in [(PREFIX, 5), (PREFIX, 4), ("", 5), (" ", 4)] {
            let text = format!("{prefix}{}\n", parts()[..count].join(","));
            let qr = QrCode::parse(&text).unwrap();
            assert_eq!(qr.reference, "2@abc");
            assert_eq!(qr.noise_key, [1; 32]);
            assert_eq!(qr.identity, [2; 32]);
            assert_eq!(qr.secret, [3; 32]);
        }
    }

    #[test]
    fn what_is_no_linking_qr_is_refused_with_the_reason() {
        let with = |index: usize, value: &str| {
            let mut parts = parts();
            parts[index] = value.to_owned();
            format!("{PREFIX}{}", parts.join(","))
        };
        for (text, reason) in [
            (String::new(), "1 parts"),
            ("https://example.org/".to_owned(), "1 parts"),
            (format!("{PREFIX}{},extra", parts().join(",")), "6 parts"),
            (with(0, ""), "reference is empty"),
            (with(1, "!!"), "noise key in the QR is not base64"),
            (
                with(2, &BASE64.encode([1; 31])),
                "identity key in the QR has 31 bytes",
            ),
            (with(3, ""), "secret in the QR has 0 bytes"),
        ] {
            let refusal = format!("{:#}", QrCode::parse(&text).unwrap_err());
            assert!(refusal.contains(reason), "{text}: {refusal}");
        }
    }
}
