//! Linking a device: what the server offers a new client, how the owner's phone vouches for it
//! (after its QR was scanned here, or its code typed, see `link_code`), the check of the client's
//! confirmation, and the end of a link.

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
use super::companion::Companion;
use super::contact;
use super::lines::{LineId, Phase};
use super::link_code::Request;
use super::mail::Mail;
use super::qr::QrCode;
use super::stanza::{child_bytes, leaf, server};
use super::world::World;

const ACCOUNT_SIGNATURE: [u8; 2] = [6, 0];
const DEVICE_SIGNATURE: [u8; 2] = [6, 1];

/// A client that waits to be linked.
pub(crate) struct Attempt {
    refs: Vec<String>,
    pub(crate) noise_key: Vec<u8>,
    /// Gone once the device is linked.
    shelf: Option<KeyShelf>,
    vouched: Option<Vouched>,
    /// The client also shows a code to type on the phone.
    pub(crate) code: Option<Request>,
}

/// What the phone said about a device, and in which stanza.
struct Vouched {
    /// Whose phone it is.
    account: String,
    request: String,
    device: u16,
    details: Vec<u8>,
}

/// Offers a new client its QR references.
pub(crate) fn begin(world: &mut World, line: LineId, noise_key: Vec<u8>, shelf: KeyShelf) {
    let refs: Vec<String> = (0..world.qr_references)
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
            vouched: None,
            code: None,
        }));
    }
    world.send(line, offer);
}

/// The phone of `account` scans `qr` and vouches for the device behind it.
pub(crate) fn scan(world: &mut World, account: &str, qr: &QrCode) -> Result<()> {
    let line = world
        .lines
        .find(|phase| {
            matches!(phase, Phase::Pairing(attempt) if attempt.refs.contains(&qr.reference))
        })
        .context("this QR is not, or no longer, shown by any client connected here")?;
    let attempt = attempt(world, line)?;
    ensure!(
        attempt.noise_key == qr.noise_key,
        "the QR's noise key is not the client's"
    );
    let shelf = attempt.shelf.as_ref().context("this QR was used before")?;
    ensure!(
        shelf.identity() == qr.identity,
        "the QR's identity key is not the client's"
    );
    ensure!(attempt.vouched.is_none(), "this QR was scanned before");
    vouch(world, line, account, &qr.secret)
}

/// The client on `line`, while it waits to be linked.
pub(crate) fn attempt(world: &mut World, line: LineId) -> Result<&mut Attempt> {
    match world.lines.phase_mut(line) {
        Some(Phase::Pairing(attempt)) => Ok(attempt),
        Some(Phase::Greeting | Phase::LoggedIn { .. }) | None => {
            bail!("no client waits to be linked on this connection")
        }
    }
}

impl Attempt {
    pub(crate) fn identity(&self) -> Result<&[u8]> {
        let shelf = self.shelf.as_ref();
        Ok(shelf.context("this client is linked already")?.identity())
    }
}

/// Tells the client on `line` that it belongs to `account`; `secret` is what it and the phone share.
pub(crate) fn vouch(world: &mut World, line: LineId, account: &str, secret: &[u8]) -> Result<()> {
    let person = world.person(account)?;
    let (number, lid) = (person.number.clone(), person.lid.clone());
    let phone = person.phone.device.identity().clone();
    let (device, raw_id) = (person.last_device + 1, person.raw_id);
    let identity = attempt(world, line)?.identity()?.to_vec();

    let details = ADVDeviceIdentity {
        raw_id: Some(raw_id),
        timestamp: Some(clock::now()),
        key_index: Some(u32::from(device)),
        ..Default::default()
    }
    .encode_to_vec();
    let statement = [&ACCOUNT_SIGNATURE, details.as_slice(), &identity].concat();
    let signature = phone
        .private_key()
        .calculate_signature(&statement, &mut rand::rng())?;
    let signed = ADVSignedDeviceIdentity {
        details: Some(details.clone()),
        account_signature_key: Some(phone.public_key().public_key_bytes().to_vec()),
        account_signature: Some(signature.to_vec()),
        ..Default::default()
    }
    .encode_to_vec();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)?;
    mac.update(&signed);
    let sealed = ADVSignedDeviceIdentityHMAC {
        hmac: Some(mac.finalize().into_bytes().to_vec()),
        details: Some(signed),
        ..Default::default()
    };

    let request = format!("pair-success-{device}");
    attempt(world, line)?.vouched = Some(Vouched {
        account: number.clone(),
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
    let vouched = attempt(world, line)?.vouched.as_ref();
    let account = vouched
        .context("a pairing was confirmed before the phone knew of it")?
        .account
        .clone();
    let account_key = *world.person(&account)?.phone.device.identity().public_key();
    let attempt = attempt(world, line)?;
    let vouched = attempt
        .vouched
        .as_ref()
        .context("a pairing was confirmed before the phone knew of it")?;
    let id = super::stanza::required_attr(answer, "id")?;
    ensure!(
        id == vouched.request,
        "the confirmation answers {id}, not {}",
        vouched.request
    );
    let shelf = attempt
        .shelf
        .as_ref()
        .context("a pairing was confirmed twice")?;
    let sign = answer
        .get_optional_child("pair-device-sign")
        .context("a confirmation without a signature")?;
    let confirmed = child_bytes(sign, "device-identity")?;
    let signed = ADVSignedDeviceIdentity::decode_from_slice(&confirmed)?;
    let statement = [
        &DEVICE_SIGNATURE,
        vouched.details.as_slice(),
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

    let device = vouched.device;
    let noise_key = attempt.noise_key.clone();
    let shelf = attempt
        .shelf
        .take()
        .context("a pairing was confirmed twice")?;
    link(
        world,
        &account,
        Companion {
            device,
            noise_key,
            shelf,
            vouched: confirmed,
            has_history: false,
            mail: Mail::default(),
        },
    )?;
    let restart = NodeBuilder::new("stream:error").attr("code", "515").build();
    world.send(line, restart);
    world.lines.hang_up(line);
    Ok(())
}

/// The device linked to `account` is no longer: its login is refused from now on, and if it is
/// connected it learns why.
pub(crate) fn unlink(world: &mut World, account: &str) {
    if let Some(person) = world.people.get_mut(account) {
        person.companion = None;
    }
    if let Some(line) = world.logged_in_line(account) {
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
fn link(world: &mut World, account: &str, companion: Companion) -> Result<()> {
    unlink(world, account);
    let person = world.person_mut(account)?;
    person.last_device = companion.device;
    person.logged_out = false;
    person.companion = Some(companion);
    let peer = world.companion_peer(account)?;
    let is_owner = account == world.owner;
    for person in world.people.values_mut() {
        for endpoint in person.endpoints_mut() {
            endpoint.device.forget(&peer);
            if is_owner {
                endpoint.shared_keys.clear();
            }
        }
    }
    contact::devices_changed(world, account)
}
