//! The tool `time`.

use std::time::Duration;

const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// A point in time as the model reads it best: `2026-04-14T12:34:56Z, Tuesday`.
pub(crate) fn text(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Day 0 was a Thursday.
    let weekday = DAYS[(days % 7) as usize];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z, {weekday}")
}

/// Howard Hinnant's `civil_from_days`, for days from 1970 on. Years are counted from March, so that a leap day is last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from `date -u -d @SECONDS`.
    #[test]
    fn dates_are_right_around_leap_days_and_years() {
        let cases = [
            (0, "1970-01-01T00:00:00Z, Thursday"),
            (951_782_399, "2000-02-28T23:59:59Z, Monday"),
            (951_782_400, "2000-02-29T00:00:00Z, Tuesday"),
            (951_868_800, "2000-03-01T00:00:00Z, Wednesday"),
            (1_776_170_096, "2026-04-14T12:34:56Z, Tuesday"),
            (4_107_542_399, "2100-02-28T23:59:59Z, Sunday"),
            (4_107_542_400, "2100-03-01T00:00:00Z, Monday"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(text(Duration::from_secs(seconds)), expected);
        }
    }
}
