//! The QR of a device that wants to be linked, as the phone's camera reads it. Whether any client
//! here shows it is for `pairing` to say.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

const PREFIX: &str = "https://wa.me/settings/linked_devices#";

/// A QR as the phone reads it.
#[derive(Debug)]
pub(crate) struct QrCode {
    pub(crate) reference: String,
    pub(crate) noise_key: Vec<u8>,
    pub(crate) identity: Vec<u8>,
    pub(crate) secret: Vec<u8>,
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
