//! The padding around every encrypted message: n bytes of value n, 1 to 16.

use anyhow::{Result, ensure};

const MOST: u8 = 16;

/// Appends 1 to 16 bytes.
pub(crate) fn pad(mut message: Vec<u8>) -> Vec<u8> {
    let count = rand::random::<u8>() % MOST + 1;
    message.extend(std::iter::repeat_n(count, usize::from(count)));
    message
}

/// Takes the padding off again.
///
/// # Errors
/// When the last byte is not a count from 1 to 16, or the bytes it counts are not all alike.
pub(crate) fn unpad(mut padded: Vec<u8>) -> Result<Vec<u8>> {
    let count = padded.last().copied().unwrap_or_default();
    ensure!(
        (1..=MOST).contains(&count),
        "padding of {count} bytes, expected 1 to {MOST}"
    );
    let start = padded.len().checked_sub(usize::from(count));
    let tail = start.and_then(|start| padded.get(start..));
    ensure!(
        tail.is_some_and(|tail| tail.iter().all(|byte| *byte == count)),
        "the padding's bytes differ from their count {count}"
    );
    padded.truncate(start.unwrap_or_default());
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_padded_comes_back_whole() {
        for length in 0..40 {
            let message = vec![9; length];
            let padded = pad(message.clone());
            assert!(padded.len() > length && padded.len() <= length + 16);
            assert_eq!(unpad(padded).unwrap(), message);
        }
    }

    #[test]
    fn impossible_padding_is_refused() {
        for wrong in [
            vec![],
            vec![0],
            vec![1, 17],
            vec![3, 3],
            vec![1, 2, 3, 2, 3, 3, 2],
        ] {
            assert!(unpad(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
