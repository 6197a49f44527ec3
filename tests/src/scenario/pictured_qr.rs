//! Reads a QR code from a picture of a screen, as a phone's camera would.

use anyhow::{Context, Result, ensure};

/// The text of the QR code in a PNG.
///
/// # Errors
/// There is none that can be read.
pub fn read(png: &[u8]) -> Result<String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("a picture of a size")?];
    let frame = reader.next_frame(&mut pixels)?;
    let channels = frame.color_type.samples();
    ensure!(channels >= 3, "a picture of a page has colours");
    let row = frame.line_size;
    let (width, height) = (
        usize::try_from(frame.width)?,
        usize::try_from(frame.height)?,
    );
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let at = y * row + x * channels;
        let sum: u32 = pixels[at..at + 3].iter().map(|&part| u32::from(part)).sum();
        u8::try_from(sum / 3).unwrap_or(u8::MAX)
    });
    let grids = image.detect_grids();
    let grid = grids.first().context("no QR code in the picture")?;
    let (_, text) = grid.decode().context("the QR code cannot be read")?;
    Ok(text)
}
