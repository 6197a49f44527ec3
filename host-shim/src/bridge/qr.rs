//! Draws a QR code with half blocks, two modules to a character, quiet zone included. Knows
//! neither where the payload comes from nor when it is out of date.
//!
//! `█` light over light, `▀` light over dark, `▄` dark over light, a space dark over dark: drawn
//! light on dark, which is what a camera expects when the terminal's ground is dark.

use qrcode::{Color, EcLevel, QrCode};

/// Bright white on black, whatever the terminal's own colours are.
const LIGHT_ON_DARK: &str = "\x1b[40;97m";
const PLAIN: &str = "\x1b[0m";

/// The quiet zone that the standard asks for, and the least that phones still read.
const QUIET: usize = 4;
const NARROW_QUIET: usize = 2;

/// What the place where it is drawn can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Sets both colours with ANSI sequences; without, the terminal's ground must be dark.
    pub colour: bool,
    /// Half blocks; without, two `#` or two blanks a module, twice as large.
    pub half_blocks: bool,
    /// Columns at hand.
    pub columns: usize,
}

impl Style {
    /// What a terminal of `columns` shows, by its environment: `NO_COLOR` and the locale.
    pub fn of_terminal(columns: usize, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        Self {
            colour: set("NO_COLOR").is_none(),
            half_blocks: speaks_utf8(
                set("LC_ALL")
                    .or_else(|| set("LC_CTYPE"))
                    .or_else(|| set("LANG")),
            ),
            columns,
        }
    }

    /// A file or a pipe: no colours, half blocks.
    pub fn plain() -> Self {
        Self {
            colour: false,
            half_blocks: true,
            columns: 80,
        }
    }
}

/// The lines of the QR code of `payload`; none when it is too long for any QR code.
pub fn draw(payload: &str, style: Style) -> Option<Vec<String>> {
    // The lowest level of correction gives the smallest picture, and a screen has no scratches.
    let code = QrCode::with_error_correction_level(payload.as_bytes(), EcLevel::L).ok()?;
    let width = code.width();
    let modules: Vec<bool> = code
        .into_colors()
        .into_iter()
        .map(|colour| colour == Color::Light)
        .collect();
    let per_module = if style.half_blocks { 1 } else { 2 };
    let quiet = if (width + 2 * QUIET) * per_module <= style.columns {
        QUIET
    } else {
        NARROW_QUIET
    };
    let light = |x: usize, y: usize| {
        let (Some(x), Some(y)) = (x.checked_sub(quiet), y.checked_sub(quiet)) else {
            return true;
        };
        if x >= width || y >= width {
            return true;
        }
        modules.get(y * width + x).copied().unwrap_or(true)
    };
    let side = width + 2 * quiet;
    let rows = (0..side).step_by(if style.half_blocks { 2 } else { 1 });
    Some(
        rows.map(|y| {
            let mut line = String::new();
            if style.colour {
                line.push_str(LIGHT_ON_DARK);
            }
            for x in 0..side {
                line.push_str(if style.half_blocks {
                    half_block(light(x, y), light(x, y + 1))
                } else if light(x, y) {
                    "##"
                } else {
                    "  "
                });
            }
            if style.colour {
                line.push_str(PLAIN);
            }
            line
        })
        .collect(),
    )
}

fn half_block(upper: bool, lower: bool) -> &'static str {
    match (upper, lower) {
        (true, true) => "█",
        (true, false) => "▀",
        (false, true) => "▄",
        (false, false) => " ",
    }
}

/// "C" and an unset locale say nothing about the terminal, and nearly every terminal is UTF-8.
fn speaks_utf8(locale: Option<String>) -> bool {
    let Some(locale) = locale else { return true };
    if locale == "C" || locale == "POSIX" {
        return true;
    }
    let locale = locale.to_ascii_lowercase();
    !locale.contains('.') || locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as WhatsApp's: a web address, four keys in base 64, a platform number.
    fn payload() -> String {
        format!(
            "https://wa.me/settings/linked_devices#2@{},{},{},{},1",
            "Ab/3".repeat(24),
            "x".repeat(44),
            "y".repeat(44),
            "z".repeat(44)
        )
    }

    /// Reads the picture back, as a camera would: true is light.
    fn modules(lines: &[String]) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in lines {
            let line = line.replace(LIGHT_ON_DARK, "").replace(PLAIN, "");
            rows.push(line.chars().map(|c| c == '█' || c == '▀').collect());
            rows.push(line.chars().map(|c| c == '█' || c == '▄').collect());
        }
        rows
    }

    #[test]
    fn the_picture_holds_the_very_code_with_its_quiet_zone() {
        for colour in [false, true] {
            let style = Style {
                colour,
                ..Style::plain()
            };
            let lines = draw(&payload(), style).unwrap();
            let rows = modules(&lines);
            let code = QrCode::with_error_correction_level(payload(), EcLevel::L).unwrap();
            let width = code.width();
            for (y, row) in rows.iter().enumerate() {
                for (x, light) in row.iter().enumerate() {
                    let inside =
                        (QUIET..width + QUIET).contains(&x) && (QUIET..width + QUIET).contains(&y);
                    let expected = !inside || code[(x - QUIET, y - QUIET)] == Color::Light;
                    assert_eq!(*light, expected, "module {x},{y}");
                }
            }
        }
    }

    #[test]
    fn a_whatsapp_code_fits_eighty_columns() {
        for line in draw(&payload(), Style::plain()).unwrap() {
            assert!(
                line.chars().count() <= 80,
                "{} columns",
                line.chars().count()
            );
        }
    }

    #[test]
    fn a_narrow_terminal_gets_a_smaller_quiet_zone() {
        let wide = draw(&payload(), Style::plain()).unwrap();
        let narrow = draw(
            &payload(),
            Style {
                columns: 60,
                ..Style::plain()
            },
        )
        .unwrap();
        assert_eq!(wide[0].chars().count() - narrow[0].chars().count(), 4);
    }

    #[test]
    fn a_terminal_without_utf8_gets_ascii_and_no_color_is_obeyed() {
        let style = Style::of_terminal(80, |name| match name {
            "LANG" => Some("de_DE.ISO-8859-1".to_owned()),
            "NO_COLOR" => Some("1".to_owned()),
            _ => None,
        });
        assert_eq!(
            style,
            Style {
                colour: false,
                half_blocks: false,
                columns: 80
            }
        );
        let lines = draw("short", style).unwrap();
        assert!(
            lines
                .iter()
                .all(|line| line.chars().all(|c| c == '#' || c == ' '))
        );
    }

    #[test]
    fn an_unset_locale_and_utf8_locales_get_half_blocks() {
        for locale in [
            None,
            Some("C"),
            Some("en_GB.UTF-8"),
            Some("C.utf8"),
            Some("pt"),
        ] {
            assert!(speaks_utf8(locale.map(str::to_owned)), "{locale:?}");
        }
    }

    #[test]
    fn what_no_qr_code_can_hold_is_not_drawn() {
        assert_eq!(draw(&"x".repeat(4_000), Style::plain()), None);
    }
}
