//! Lengths of time and amounts of bytes, as people write them.

use std::time::Duration;

/// The units of time and what they are in milliseconds.
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The units of size and what they are in bytes.
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Reads a whole number with a unit: `50ms`, `30s`, `5m`, `24h`, `7d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    amount(text, &TIMES).map(Duration::from_millis)
}

/// Reads a whole number with a unit: `512B`, `256KiB`, `64MiB`.
pub(crate) fn size(text: &str) -> Option<u64> {
    amount(text, &SIZES)
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The largest unit that gives a whole number.
pub(crate) fn show_duration(duration: Duration) -> String {
    show(duration.as_millis() as u64, &TIMES)
}

pub(crate) fn show_size(bytes: u64) -> String {
    show(bytes, &[SIZES[0], SIZES[2], SIZES[4], SIZES[6]])
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().rev().find(|(_, factor)| amount.is_multiple_of(*factor) && amount > 0);
    let (name, factor) = fits.unwrap_or(&units[0]);
    format!("{}{name}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_unit() {
        assert_eq!(duration("50ms"), Some(Duration::from_millis(50)));
        assert_eq!(duration("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("0B"), Some(0));
        for bad in ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(size("64M"), None);
    }

    #[test]
    fn amounts_are_shown_in_the_largest_unit_that_fits() {
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::from_secs(86_400)), "1d");
        assert_eq!(show_size(64 << 20), "64MiB");
        assert_eq!(show_size(0), "0B");
    }
}
