//! A QR code in half-block characters: two rows of modules a line.

use qrcode::{EcLevel, QrCode};

/// The standard asks for 4; cameras do with 2, and a terminal is small.
const MARGIN: usize = 2;

/// Which characters are dark depends on what they stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// A terminal: black on white is said outright, whatever its own colours are.
    BlackOnWhite,
    /// No colours can be said: blocks are the light part, since most who look at it have a dark window.
    LightBlocks,
}

/// The lines of the drawing; none where the text is too long for a QR code.
pub(super) fn draw(payload: &str, ink: Ink) -> Option<Vec<String>> {
    // The least correction gives the smallest drawing, and nothing soils a screen.
    let code = QrCode::with_error_correction_level(payload, EcLevel::L).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let size = width + 2 * MARGIN;
    let dark = |x: usize, y: usize| {
        let inside = (MARGIN..MARGIN + width).contains(&x) && (MARGIN..MARGIN + width).contains(&y);
        inside && colors[(y - MARGIN) * width + x - MARGIN] == qrcode::Color::Dark
    };
    let block = |x, y| {
        let (above, below) = (dark(x, y), dark(x, y + 1));
        match if ink == Ink::BlackOnWhite { (above, below) } else { (!above, !below) } {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }
    };
    let line = |y| (0..size).map(|x| block(x, y)).collect::<String>();
    let colour = |line: String| match ink {
        Ink::BlackOnWhite => format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m"),
        Ink::LightBlocks => line,
    };
    Some((0..size).step_by(2).map(line).map(colour).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as what WhatsApp shows.
    fn payload() -> String {
        format!("https://wa.me/settings/linked_devices#2@{}", "Ab0+/,=x".repeat(26))
    }

    #[test]
    fn it_fits_a_usual_window() {
        for ink in [Ink::BlackOnWhite, Ink::LightBlocks] {
            let lines = draw(&payload(), ink).unwrap();
            let bare = |line: &String| line.replace("\x1b[38;5;16;48;5;231m", "").replace("\x1b[0m", "");
            assert!(lines.iter().all(|line| bare(line).chars().count() <= 80), "{lines:#?}");
            assert!(lines.len() <= 40, "{} lines", lines.len());
        }
    }

    /// The finder pattern in the corner: seven dark modules in a row, a ring, and a square of three.
    #[test]
    fn modules_are_where_they_belong() {
        let lines = draw("A", Ink::BlackOnWhite).unwrap();
        let corner: Vec<String> = lines[1..5].iter().map(|line| line.chars().skip(19 + 2).take(7).collect()).collect();
        assert_eq!(corner, ["█▀▀▀▀▀█", "█ ███ █", "█ ▀▀▀ █", "▀▀▀▀▀▀▀"]);
    }

    #[test]
    fn what_is_too_long_is_not_drawn() {
        assert_eq!(draw(&"x".repeat(4000), Ink::LightBlocks), None);
    }
}
