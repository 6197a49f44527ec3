//! The server's side of the Noise XX handshake and the transport after it. Order and quirks as
//! observed with Baileys 7.0.0-rc14: no hash of the empty payload after the first message,
//! counters from 0, no associated data in the transport.
//! Sockets and framing are not handled here.

use anyhow::{Context as _, Result, ensure};
use wacore_binary::consts::{NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER};
use wacore_binary::{Node, marshal, util};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::framing::encode_frame;
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::buffa::{Message as _, MessageField};
use waproto::whatsapp::{HandshakeMessage, handshake_message};

/// Who the server is: its static key and the certificates for it.
pub(crate) struct ServerIdentity {
    keys: KeyPair,
    certificates: Vec<u8>,
}

impl ServerIdentity {
    pub(crate) fn generate() -> Result<Self> {
        let keys = KeyPair::generate(&mut rand::rng());
        let certificates = super::cert::chain_for(&keys)?;
        Ok(Self { keys, certificates })
    }

    /// Answers the client's first frame; gives the frame to send back.
    pub(crate) fn answer(&self, client_hello: &[u8]) -> Result<(Vec<u8>, HalfDone)> {
        let hello = HandshakeMessage::decode_from_slice(client_hello)
            .context("the first frame is no handshake message")?
            .client_hello
            .into_option()
            .context("the handshake starts without a client hello")?;
        let client_ephemeral = hello.ephemeral.context("a client hello without a key")?;
        ensure!(
            client_ephemeral.len() == 32,
            "the client's ephemeral key is not 32 bytes long"
        );

        let ephemeral = KeyPair::generate(&mut rand::rng());
        // A client that shows its own key at once wants the short handshake (IK), for a server it
        // remembers. A server that has forgotten answers as here, and the handshake is a full one.
        let pattern = match hello.r#static {
            Some(_) => NOISE_PATTERN_XXFALLBACK,
            None => NOISE_PATTERN_XX,
        };
        let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER)?;
        noise.authenticate(&client_ephemeral);
        noise.authenticate(ephemeral.public_key.public_key_bytes());
        noise.mix_shared_secret(ephemeral.private_key.serialize(), &client_ephemeral)?;
        let encrypted_static = noise.encrypt(self.keys.public_key.public_key_bytes())?;
        noise.mix_shared_secret(self.keys.private_key.serialize(), &client_ephemeral)?;
        let payload = noise.encrypt(&self.certificates)?;

        let reply = HandshakeMessage {
            server_hello: MessageField::some(handshake_message::ServerHello {
                ephemeral: Some(ephemeral.public_key.public_key_bytes().to_vec()),
                r#static: Some(encrypted_static),
                payload: Some(payload),
                ..Default::default()
            }),
            ..Default::default()
        };
        let frame = encode_frame(&reply.encode_to_vec(), None)?;
        Ok((frame, HalfDone { noise, ephemeral }))
    }
}

/// After the server's hello, before the client's finish.
pub(crate) struct HalfDone {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
}

/// What the client said about itself in the handshake.
pub(crate) struct Introduction {
    /// Its long-lived key: the same in every connection of one login.
    pub(crate) noise_key: Vec<u8>,
    /// The encoded `ClientPayload`.
    pub(crate) payload: Vec<u8>,
}

impl HalfDone {
    pub(crate) fn finish(mut self, client_finish: &[u8]) -> Result<(Transport, Introduction)> {
        let finish = HandshakeMessage::decode_from_slice(client_finish)
            .context("the second frame is no handshake message")?
            .client_finish
            .into_option()
            .context("the handshake ends without a client finish")?;
        let encrypted_static = finish.r#static.context("a client finish without a key")?;
        let noise_key = self
            .noise
            .decrypt(&encrypted_static)
            .context("the client's static key cannot be decrypted")?;
        self.noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), &noise_key)?;
        let encrypted_payload = finish
            .payload
            .context("a client finish without a payload")?;
        let payload = self
            .noise
            .decrypt(&encrypted_payload)
            .context("the client's payload cannot be decrypted")?;
        // The crate names them from the client's point of view: what it writes, we read.
        let (from_client, to_client) = self.noise.finish()?;
        Ok((
            Transport::new(to_client, from_client),
            Introduction { noise_key, payload },
        ))
    }
}

/// Stanzas to frames and back, one counter each way.
pub(crate) struct Transport {
    outward: NoiseCipher,
    inward: NoiseCipher,
    sent: u32,
    received: u32,
}

impl Transport {
    fn new(outward: NoiseCipher, inward: NoiseCipher) -> Self {
        Self {
            outward,
            inward,
            sent: 0,
            received: 0,
        }
    }

    /// The frame, length included, that carries `node`.
    pub(crate) fn seal(&mut self, node: &Node) -> Result<Vec<u8>> {
        let mut buffer = marshal(node)?;
        self.outward
            .encrypt_in_place_with_counter(self.sent, &mut buffer)?;
        self.sent = self
            .sent
            .checked_add(1)
            .context("too many frames on one connection")?;
        encode_frame(&buffer, None)
    }

    /// A frame that no key opens.
    pub(crate) fn noise() -> Result<Vec<u8>> {
        encode_frame(&rand::random::<[u8; 48]>(), None)
    }

    /// The stanza in a frame (without its length).
    pub(crate) fn open(&mut self, mut frame: Vec<u8>) -> Result<Node> {
        self.inward
            .decrypt_in_place_with_counter(self.received, &mut frame)
            .with_context(|| format!("frame {} cannot be decrypted", self.received))?;
        self.received = self
            .received
            .checked_add(1)
            .context("too many frames on one connection")?;
        let plain = util::unpack(&frame)?;
        Ok(wacore_binary::marshal::unmarshal_ref(&plain)?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_binary::builder::NodeBuilder;

    /// The client's half, written out from the same description.
    fn shake_hands(
        server: &ServerIdentity,
        static_keys: &KeyPair,
        payload: &[u8],
    ) -> (Transport, Transport, Introduction) {
        let ephemeral = KeyPair::generate(&mut rand::rng());
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_XX, &WA_CONN_HEADER).unwrap();
        noise.authenticate(ephemeral.public_key.public_key_bytes());
        let hello = wacore_noise::HandshakeUtils::build_client_hello(
            ephemeral.public_key.public_key_bytes(),
        );
        let (frame, half_done) = server.answer(&hello.encode_to_vec()).unwrap();

        let (server_ephemeral, encrypted_static, encrypted_chain) =
            wacore_noise::HandshakeUtils::parse_server_hello(&frame[3..]).unwrap();
        noise.authenticate(&server_ephemeral);
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), &server_ephemeral)
            .unwrap();
        let server_static = noise.decrypt(&encrypted_static).unwrap();
        noise
            .mix_shared_secret(ephemeral.private_key.serialize(), &server_static)
            .unwrap();
        noise.decrypt(&encrypted_chain).unwrap();
        let my_static = noise
            .encrypt(static_keys.public_key.public_key_bytes())
            .unwrap();
        noise
            .mix_shared_secret(static_keys.private_key.serialize(), &server_ephemeral)
            .unwrap();
        let my_payload = noise.encrypt(payload).unwrap();
        let finish = wacore_noise::HandshakeUtils::build_client_finish(my_static, my_payload);
        let (transport, introduction) = half_done.finish(&finish.encode_to_vec()).unwrap();
        let (outward, inward) = noise.finish().unwrap();
        (Transport::new(outward, inward), transport, introduction)
    }

    #[test]
    fn both_sides_agree_on_keys_and_stanzas_pass_both_ways() {
        let server = ServerIdentity::generate().unwrap();
        let keys = KeyPair::generate(&mut rand::rng());
        let (mut client, mut server, introduction) = shake_hands(&server, &keys, b"who I am");
        assert_eq!(introduction.noise_key, keys.public_key.public_key_bytes());
        assert_eq!(introduction.payload, b"who I am");

        for turn in 0..3_u8 {
            let question = NodeBuilder::new("iq").attr("id", turn).build();
            let frame = client.seal(&question).unwrap();
            assert_eq!(server.open(frame[3..].to_vec()).unwrap(), question);
            let answer = NodeBuilder::new("iq")
                .attr("id", turn)
                .bytes([turn])
                .build();
            let frame = server.seal(&answer).unwrap();
            assert_eq!(client.open(frame[3..].to_vec()).unwrap(), answer);
        }
    }

    #[test]
    fn a_changed_frame_is_refused() {
        let server = ServerIdentity::generate().unwrap();
        let keys = KeyPair::generate(&mut rand::rng());
        let (mut client, mut server, _) = shake_hands(&server, &keys, b"");
        let mut frame = client.seal(&NodeBuilder::new("presence").build()).unwrap();
        *frame.last_mut().unwrap() ^= 1;
        let refusal = server.open(frame[3..].to_vec()).unwrap_err().to_string();
        assert!(refusal.contains("frame 0 cannot be decrypted"), "{refusal}");
    }

    #[test]
    fn a_first_frame_that_is_no_hello_is_refused() {
        let server = ServerIdentity::generate().unwrap();
        let refusal = server.answer(&[]).err().unwrap().to_string();
        assert!(refusal.contains("without a client hello"), "{refusal}");
    }
}
