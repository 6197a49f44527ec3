//! Reads a QR code from the half blocks drawn in a terminal, as a phone's camera would.

use super::process::Line;

/// Quiet pixels added around the drawing: a terminal has margins of its own.
const MARGIN: usize = 4;
/// Pixels per module; the decoder wants more than one.
const SCALE: usize = 4;

/// The text of the last complete QR code among `lines`; none while there is none. Standard output and
/// standard error arrive through two pipes in no promised order, so each is read by itself.
#[must_use]
pub fn last(lines: &[Line]) -> Option<String> {
    ["out", "err"].into_iter().find_map(|stream| {
        let drawn: Vec<Option<Vec<char>>> = lines
            .iter()
            .filter(|line| line.stream == stream)
            .map(|line| row(&line.text))
            .collect();
        drawn
            .split(Option::is_none)
            .filter(|rows| rows.len() > 10)
            .filter_map(|rows| decode(&rows.iter().flatten().collect::<Vec<_>>()))
            .next_back()
    })
}

/// The block characters of a line, if it has nothing else but blanks and terminal codes.
fn row(line: &str) -> Option<Vec<char>> {
    let mut characters = line.chars().peekable();
    let mut blocks = Vec::new();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                while characters
                    .next()
                    .is_some_and(|code| !code.is_ascii_alphabetic())
                {}
            }
            ' ' | '█' | '▀' | '▄' => blocks.push(character),
            _ => return None,
        }
    }
    (blocks.len() > 20).then_some(blocks)
}

/// Tries both polarities: light blocks on a dark terminal, and the other way round.
fn decode(rows: &[&Vec<char>]) -> Option<String> {
    [true, false].into_iter().find_map(|blocks_are_light| {
        let width = rows.iter().map(|row| row.len()).max()? + 2 * MARGIN;
        let height = rows.len() * 2 + 2 * MARGIN;
        let light = |x: usize, y: usize| -> bool {
            let (Some(x), Some(y)) = (x.checked_sub(MARGIN), y.checked_sub(MARGIN)) else {
                return true;
            };
            let Some(block) = rows.get(y / 2).and_then(|row| row.get(x)) else {
                return true;
            };
            let filled = match block {
                '█' => true,
                '▀' => y % 2 == 0,
                '▄' => y % 2 == 1,
                _ => false,
            };
            filled == blocks_are_light
        };
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width * SCALE, height * SCALE, |x, y| {
                if light(x / SCALE, y / SCALE) { 255 } else { 0 }
            });
        let grids = image.detect_grids();
        grids.first()?.decode().ok().map(|(_, text)| text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_the_other_stream_do_not_tear_a_code_apart() {
        let code = qrcode_lines("https://example.test/linked#a,b,c");
        let mut lines = code.clone();
        lines.insert(
            8,
            Line {
                stream: "err",
                text: "scan this with your phone".to_owned(),
            },
        );
        assert_eq!(
            last(&lines).as_deref(),
            Some("https://example.test/linked#a,b,c")
        );
        assert_eq!(last(&code[..12]), None, "half a code is none");
    }

    fn qrcode_lines(text: &str) -> Vec<Line> {
        let drawn = qrcode::QrCode::new(text)
            .unwrap()
            .render::<qrcode::render::unicode::Dense1x2>()
            .quiet_zone(true)
            .build();
        drawn
            .lines()
            .map(|line| Line {
                stream: "out",
                text: line.to_owned(),
            })
            .collect()
    }
}
