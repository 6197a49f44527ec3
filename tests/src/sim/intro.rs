//! Turns the websocket's byte stream into frames: takes the client's prefix off once (with the
//! edge routing that may stand before it), then splits at the three-byte lengths.

use anyhow::{Result, bail};
use wacore_binary::consts::WA_CONN_HEADER;
use wacore_noise::framing::FrameDecoder;

/// `ED`, a version of two bytes, a length of three.
const ROUTING_HEAD: usize = 7;

/// What has arrived and is not yet a whole frame.
pub(crate) struct Inbound {
    intro: Option<Vec<u8>>,
    frames: FrameDecoder,
    /// The edge routing that the client showed, if it did.
    pub(crate) routing: Option<Vec<u8>>,
}

impl Inbound {
    pub(crate) fn new() -> Self {
        Self {
            intro: Some(Vec::new()),
            frames: FrameDecoder::new(),
            routing: None,
        }
    }

    /// Takes more bytes in.
    ///
    /// # Errors
    /// When the stream does not start the way a WhatsApp Web client starts.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(intro) = &mut self.intro else {
            self.frames.feed(bytes);
            return Ok(());
        };
        intro.extend_from_slice(bytes);
        if let Some(length) = intro_length(intro)? {
            self.frames.feed(intro.get(length..).unwrap_or_default());
            let routing = intro.get(ROUTING_HEAD..length - WA_CONN_HEADER.len());
            self.routing = routing.map(<[u8]>::to_vec);
            self.intro = None;
        }
        Ok(())
    }

    pub(crate) fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.frames.decode_frame().map(|frame| frame.to_vec())
    }
}

/// How long the prefix is, `None` while that cannot be told.
fn intro_length(bytes: &[u8]) -> Result<Option<usize>> {
    let start = match bytes {
        [b'E', b'D', 0, 1, high, middle, low, ..] => {
            let routing = u32::from_be_bytes([0, *high, *middle, *low]);
            ROUTING_HEAD + usize::try_from(routing)?
        }
        [b'E', b'D', ..] | [b'E'] => return Ok(None),
        _ => 0,
    };
    match bytes.get(start..start + WA_CONN_HEADER.len()) {
        None => Ok(None),
        Some(header) if header == WA_CONN_HEADER => Ok(Some(start + WA_CONN_HEADER.len())),
        Some(header) => bail!(
            "not a WhatsApp Web client: it starts with {}",
            hex::encode(header)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames_of(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut inbound = Inbound::new();
        let mut frames = Vec::new();
        for piece in bytes.chunks(step) {
            inbound.feed(piece).unwrap();
            frames.extend(std::iter::from_fn(|| inbound.next_frame()));
        }
        frames
    }

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let stream = [b'W', b'A', 6, 3, 0, 0, 2, 8, 9, 0, 0, 1, 7];
        for step in 1..=stream.len() {
            assert_eq!(
                frames_of(&stream, step),
                [vec![8, 9], vec![7]],
                "in steps of {step}"
            );
        }
    }

    #[test]
    fn edge_routing_before_the_prefix_is_kept_apart() {
        let mut stream = vec![b'E', b'D', 0, 1, 0, 1, 2];
        stream.extend([5; 258]);
        stream.extend([b'W', b'A', 6, 3, 0, 0, 1, 7]);
        for step in [1, 3, 300] {
            assert_eq!(frames_of(&stream, step), [vec![7]], "in steps of {step}");
        }
        let mut inbound = Inbound::new();
        inbound.feed(&stream).unwrap();
        assert_eq!(inbound.routing, Some(vec![5; 258]));
    }

    #[test]
    fn a_client_without_edge_routing_shows_none() {
        let mut inbound = Inbound::new();
        inbound.feed(&[b'W', b'A', 6, 3]).unwrap();
        assert_eq!(inbound.routing, None);
    }

    #[test]
    fn another_protocol_is_refused() {
        let refusal = Inbound::new()
            .feed(b"GET / HTTP/1.1")
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("not a WhatsApp Web client"), "{refusal}");
    }
}
