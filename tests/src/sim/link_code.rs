//! Linking by a code that is typed on the phone instead of a scanned QR. The code protects one
//! key exchange: each side sends a one-time key wrapped with it, so that only somebody who knows
//! the code arrives at the secret which the client then has to show.

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hkdf::Hkdf;
use sha2::Sha256;
use wacore_binary::Node;
use wacore_binary::builder::NodeBuilder;
use wacore_libsignal::protocol::{IdentityKeyPair, KeyPair, PublicKey};

use super::clock;
use super::lines::{LineId, Phase};
use super::pairing::{self, attempt};
use super::stanza::{attr, child_bytes, error, jid_attr, leaf, required_attr, server};
use super::world::World;

const TAG: &str = "link_code_companion_reg";
const CODE_LENGTH: usize = 8;
/// What stretches the short code to a key.
const ROUNDS: u32 = 131_072;
const SALT: usize = 32;
const COUNTER: usize = 16;
const NONCE: usize = 12;
const KEY: usize = 32;

/// What a client that shows a code has told the server.
pub(crate) struct Request {
    reference: Vec<u8>,
    /// Its one-time key, wrapped with the code.
    wrapped: Vec<u8>,
    /// What both one-time keys give, once a code has been typed.
    shared: Option<[u8; KEY]>,
    /// The last code typed was not the one that the client shows.
    pub(crate) refused: bool,
}

/// What a phone has to know of a request to answer it.
pub(crate) struct Question {
    pub(crate) line: LineId,
    pub(crate) noise_key: Vec<u8>,
    wrapped: Vec<u8>,
}

/// A code as a person types it: with or without the dash, in any case.
///
/// # Errors
/// When it is not 8 letters and digits.
pub(crate) fn read_code(typed: &str) -> Result<String> {
    let code: String = typed
        .chars()
        .filter(|each| !matches!(each, '-' | ' '))
        .map(|each| each.to_ascii_uppercase())
        .collect();
    ensure!(
        code.len() == CODE_LENGTH && code.bytes().all(|each| each.is_ascii_alphanumeric()),
        "{typed:?} is no pairing code: give its {CODE_LENGTH} letters and digits, such as ABCD-1234"
    );
    Ok(code)
}

/// Takes what a client that waits to be linked asks.
pub(crate) fn take(world: &mut World, line: LineId, query: &Node) -> Result<()> {
    let id = required_attr(query, "id")?;
    let body = query
        .get_optional_child(TAG)
        .context("a client that is not linked asks only to be")?;
    let outcome = match attr(body, "stage").as_deref() {
        Some("companion_hello") => hello(world, line, body),
        Some("companion_finish") => finish(world, line, body),
        other => Err(anyhow::anyhow!("unknown stage {other:?} of a pairing code")),
    };
    let reply = NodeBuilder::new("iq").attr("from", server()).attr("id", id);
    let (reply, outcome) = match outcome {
        Ok(Next::Reference(reference)) => {
            let reference = NodeBuilder::new(TAG)
                .attr("stage", "companion_hello")
                .children([leaf("link_code_pairing_ref", reference)])
                .build();
            (reply.attr("type", "result").children([reference]), Ok(None))
        }
        // A wrong code is told to the person with the phone, not to the client.
        Ok(Next::Verdict(secret)) => (reply.attr("type", "result"), Ok(secret)),
        Err(refusal) => {
            let error = error(400, "bad-request");
            let reply = reply.attr("type", "error").children([error]);
            (reply, Err(refusal))
        }
    };
    world.send(line, reply.build());
    match outcome? {
        Some(secret) => {
            let owner = world.owner.clone();
            pairing::vouch(world, line, &owner, &secret)
        }
        None => Ok(()),
    }
}

enum Next {
    Reference(Vec<u8>),
    /// The secret that client and phone share, if the code was right.
    Verdict(Option<[u8; KEY]>),
}

fn hello(world: &mut World, line: LineId, body: &Node) -> Result<Next> {
    let jid = jid_attr(body, "jid").context("a pairing code for nobody")?;
    let owner = world.owner()?;
    ensure!(
        owner.is(&jid),
        "a pairing code for {jid}, and the owner is {}",
        owner.pn_jid()
    );
    let wrapped = child_bytes(body, "link_code_pairing_wrapped_companion_ephemeral_pub")?;
    ensure!(
        wrapped.len() == SALT + COUNTER + KEY,
        "a wrapped key of {} bytes",
        wrapped.len()
    );
    let client = attempt(world, line)?;
    ensure!(
        child_bytes(body, "companion_server_auth_key_pub")? == client.noise_key,
        "the pairing code's noise key is not the client's"
    );
    let reference = format!("3@{}", BASE64.encode(rand::random::<[u8; 32]>())).into_bytes();
    client.code = Some(Request {
        reference: reference.clone(),
        wrapped,
        shared: None,
        refused: false,
    });
    Ok(Next::Reference(reference))
}

fn finish(world: &mut World, line: LineId, body: &Node) -> Result<Next> {
    let own = world.owner()?.phone.device.identity().clone();
    let client = attempt(world, line)?;
    let companion = client.identity()?.to_vec();
    let request = client
        .code
        .as_mut()
        .context("a pairing code was finished before it was asked for")?;
    ensure!(
        child_bytes(body, "link_code_pairing_ref")? == request.reference,
        "another pairing code was finished than the one asked for last"
    );
    let shared = request
        .shared
        .take()
        .context("a pairing code was finished before anybody typed it")?;
    let bundle = child_bytes(body, "link_code_pairing_wrapped_key_bundle")?;
    let secret = secret_in(&bundle, &shared, &own, &companion);
    request.refused = secret.is_err();
    if let Err(why) = &secret {
        let why = format!("a wrong pairing code was typed: {why:#}");
        world.journal.trouble(why);
    }
    Ok(Next::Verdict(secret.ok()))
}

/// A client that shows a code and waits for it to be typed.
pub(crate) fn question(world: &World) -> Option<Question> {
    world.lines.all().find_map(|(line, phase)| match phase {
        Phase::Pairing(attempt) => attempt.code.as_ref().map(|request| Question {
            line,
            noise_key: attempt.noise_key.clone(),
            wrapped: request.wrapped.clone(),
        }),
        Phase::Greeting | Phase::LoggedIn { .. } => None,
    })
}

/// What the phone says after `code` was typed.
pub(crate) struct Reply {
    shared: [u8; KEY],
    wrapped: Vec<u8>,
}

impl Reply {
    /// Stretching the code takes a while: not for the world's lock.
    pub(crate) fn new(question: &Question, code: &str) -> Result<Self> {
        let theirs = unwrap(&question.wrapped, code)?;
        let own = KeyPair::generate(&mut rand::rng());
        let theirs = PublicKey::from_djb_public_key_bytes(&theirs)?;
        Ok(Self {
            shared: own.private_key.calculate_agreement(&theirs)?,
            wrapped: wrap(own.public_key.public_key_bytes(), code)?,
        })
    }
}

/// The phone's half of the exchange goes to the client.
pub(crate) fn answer(world: &mut World, line: LineId, reply: Reply) -> Result<()> {
    let identity = *world.owner()?.phone.device.identity().public_key();
    let request = attempt(world, line)?
        .code
        .as_mut()
        .context("the client no longer shows a code")?;
    request.shared = Some(reply.shared);
    request.refused = false;
    let body = NodeBuilder::new(TAG)
        .attr("stage", "primary_hello")
        .children([
            leaf(
                "link_code_pairing_wrapped_primary_ephemeral_pub",
                reply.wrapped,
            ),
            leaf("primary_identity_pub", identity.public_key_bytes()),
            leaf("link_code_pairing_ref", request.reference.clone()),
        ])
        .build();
    let notification = NodeBuilder::new("notification")
        .attr("from", server())
        .attr("type", TAG)
        .attr("id", format!("code-{:08x}", rand::random::<u32>()))
        .attr("t", clock::now())
        .children([body])
        .build();
    world.send(line, notification);
    Ok(())
}

/// Opens the bundle that the client sent last; gives the secret of the link.
fn secret_in(
    bundle: &[u8],
    shared: &[u8; KEY],
    own: &IdentityKeyPair,
    companion: &[u8],
) -> Result<[u8; KEY]> {
    let (salt, rest) = bundle.split_at_checked(SALT).context("a short bundle")?;
    let (nonce, sealed) = rest
        .split_first_chunk::<NONCE>()
        .context("a short bundle")?;
    let mut key = [0; KEY];
    expand(
        Some(salt),
        shared,
        b"link_code_pairing_key_bundle_encryption_key",
        &mut key,
    )?;
    let opened = Aes256Gcm::new_from_slice(&key)?
        .decrypt(&Nonce::from(*nonce), sealed)
        .ok()
        .context("the client's keys do not open")?;
    let (theirs, rest) = opened
        .split_at_checked(KEY)
        .context("a bundle without keys")?;
    let (mine, random) = rest.split_at_checked(KEY).context("a bundle of one key")?;
    ensure!(theirs == companion, "it is of another client");
    ensure!(
        mine == own.public_key().public_key_bytes(),
        "it is for another phone"
    );
    let theirs = PublicKey::from_djb_public_key_bytes(theirs)?;
    let identities = own.private_key().calculate_agreement(&theirs)?;
    let mut secret = [0; KEY];
    let all = [shared.as_slice(), &identities, random].concat();
    expand(None, &all, b"adv_secret", &mut secret)?;
    Ok(secret)
}

fn expand(salt: Option<&[u8]>, from: &[u8], what_for: &[u8], key: &mut [u8]) -> Result<()> {
    Hkdf::<Sha256>::new(salt, from)
        .expand(what_for, key)
        .ok()
        .context("a key of this length cannot be derived")
}

/// salt ‖ counter ‖ key, the key under the code.
fn wrap(key: &[u8], code: &str) -> Result<Vec<u8>> {
    let salt: [u8; SALT] = rand::random();
    let counter: [u8; COUNTER] = rand::random();
    let mut hidden = key.to_vec();
    hide(&mut hidden, code, &salt, &counter)?;
    Ok([salt.as_slice(), &counter, &hidden].concat())
}

/// With a wrong code it gives another key and no error: that shows later.
fn unwrap(wrapped: &[u8], code: &str) -> Result<Vec<u8>> {
    let (salt, rest) = wrapped
        .split_at_checked(SALT)
        .context("a short wrapped key")?;
    let (counter, hidden) = rest
        .split_at_checked(COUNTER)
        .context("a short wrapped key")?;
    let mut key = hidden.to_vec();
    hide(&mut key, code, salt, counter)?;
    Ok(key)
}

fn hide(bytes: &mut [u8], code: &str, salt: &[u8], counter: &[u8]) -> Result<()> {
    let key = pbkdf2::pbkdf2_hmac_array::<Sha256, KEY>(code.as_bytes(), salt, ROUNDS);
    ctr::Ctr128BE::<aes::Aes256>::new_from_slices(&key, counter)?.apply_keystream(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for typed in ["ABCD-1234", "abcd1234", " ABCD 1234 "] {
            assert_eq!(read_code(typed).unwrap(), "ABCD1234");
        }
    }

    #[test]
    fn what_is_no_code_is_refused_with_an_example() {
        for wrong in ["", "ABCD-123", "ABCD-12345", "ABCD-12ÄB", "ABCD_1234"] {
            let refusal = read_code(wrong).unwrap_err().to_string();
            assert!(refusal.contains("ABCD-1234"), "{refusal}");
        }
    }

    #[test]
    fn a_key_comes_back_only_with_its_code() {
        let wrapped = wrap(&[7; KEY], "ABCD1234").unwrap();
        assert_eq!(unwrap(&wrapped, "ABCD1234").unwrap(), [7; KEY]);
        assert_ne!(unwrap(&wrapped, "ABCD1235").unwrap(), [7; KEY]);
        assert!(unwrap(&[0; 40], "ABCD1234").is_err());
    }

    /// The client's last step, written out from the same description.
    fn bundle(shared: &[u8; KEY], companion: &KeyPair, phone: &IdentityKeyPair) -> Vec<u8> {
        let (salt, nonce) = ([3; SALT], [4; NONCE]);
        let mut key = [0; KEY];
        let what_for = b"link_code_pairing_key_bundle_encryption_key";
        expand(Some(&salt), shared, what_for, &mut key).unwrap();
        let plain = [
            companion.public_key.public_key_bytes(),
            phone.public_key().public_key_bytes(),
            &[9; KEY],
        ]
        .concat();
        let sealed = Aes256Gcm::new_from_slice(&key)
            .unwrap()
            .encrypt(&Nonce::from(nonce), plain.as_slice())
            .unwrap();
        [salt.as_slice(), &nonce, &sealed].concat()
    }

    #[test]
    fn both_sides_arrive_at_one_secret_only_when_they_share_the_code() {
        let companion = KeyPair::generate(&mut rand::rng());
        let phone = IdentityKeyPair::generate(&mut rand::rng());
        let identity = companion.public_key.public_key_bytes();
        let bundle = bundle(&[1; KEY], &companion, &phone);

        let secret = secret_in(&bundle, &[1; KEY], &phone, identity).unwrap();
        let agreed = companion
            .private_key
            .calculate_agreement(phone.public_key())
            .unwrap();
        let mut expected = [0; KEY];
        let all = [[1; KEY], agreed, [9; KEY]].concat();
        expand(None, &all, b"adv_secret", &mut expected).unwrap();
        assert_eq!(secret, expected);

        let refusal = secret_in(&bundle, &[2; KEY], &phone, identity).unwrap_err();
        assert!(refusal.to_string().contains("do not open"), "{refusal}");
        let refusal = secret_in(&bundle, &[1; KEY], &phone, &[5; KEY]).unwrap_err();
        assert!(refusal.to_string().contains("another client"), "{refusal}");
    }
}
