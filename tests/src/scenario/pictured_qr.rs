//! Reads a QR code from a picture of a screen, as a phone's camera would.

use anyhow::{Context, Result, anyhow};

/// Bytes of a pixel.
const RGBA: usize = 4;

/// The text of the QR code in a PNG.
///
/// # Errors
/// There is none that can be read.
pub fn read(png: &[u8]) -> Result<String> {
    let unreadable = |error: minipng::Error| anyhow!("no picture: {error:?}");
    let header = minipng::decode_png_header(png).map_err(unreadable)?;
    let mut bytes = vec![0; header.required_bytes_rgba8bpc()];
    let mut picture = minipng::decode_png(png, &mut bytes).map_err(unreadable)?;
    picture.convert_to_rgba8bpc().map_err(unreadable)?;
    let (width, height) = (
        usize::try_from(picture.width())?,
        usize::try_from(picture.height())?,
    );
    let pixels = picture.pixels();
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let at = (y * width + x) * RGBA;
        let sum: u32 = pixels[at..at + 3].iter().map(|&part| u32::from(part)).sum();
        u8::try_from(sum / 3).unwrap_or(u8::MAX)
    });
    let grids = image.detect_grids();
    let grid = grids.first().context("no QR code in the picture")?;
    let (_, text) = grid.decode().context("the QR code cannot be read")?;
    Ok(text)
}
