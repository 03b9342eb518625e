//! Time zones of the IANA database, and the days that people there live in.

use std::fmt;
use std::time::Duration;

use jiff::tz::{self, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::time::UnixMillis;

/// A time zone by its name, such as `Europe/Berlin`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A local day: from its first moment up to that of the next, which is not part of it. 23, 24 or 25 hours as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub from: UnixMillis,
    pub until: UnixMillis,
}

impl Day {
    pub fn contains(self, at: UnixMillis) -> bool {
        self.from <= at && at < self.until
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// None where the database has no zone of that name. Upper and lower case are alike.
    pub fn named(name: &str) -> Option<Self> {
        // The one that the database has without being asked is called `UTC` all the same.
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::default());
        }
        tz::db().get(name).ok().map(Self)
    }

    /// The names of all zones, to choose from.
    pub fn names() -> Vec<String> {
        tz::db().available().map(|name| name.to_string()).collect()
    }

    /// As the database writes it.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The local day that a moment belongs to. It begins at the first midnight of its date, or right after it where clocks
    /// skip midnight; an hour that they show again after midnight belongs to the new day.
    pub fn day(&self, at: UnixMillis) -> Day {
        self.calendar_day(at).unwrap_or_else(|| {
            // Beyond the year 9999 there is no calendar: days of UTC will do.
            let length = Duration::from_secs(86_400).as_millis() as u64;
            let from = at.0 / length * length;
            Day { from: UnixMillis(from), until: UnixMillis(from.saturating_add(length)) }
        })
    }

    fn calendar_day(&self, at: UnixMillis) -> Option<Day> {
        let moment = Timestamp::from_millisecond(at.0.try_into().ok()?).ok()?;
        let from = moment.to_zoned(self.0.clone()).start_of_day().ok()?;
        let next = from.tomorrow().ok()?.start_of_day().ok()?;
        let day = Day { from: millis(&from), until: millis(&next) };
        if at < day.until {
            return Some(day);
        }
        let after = next.tomorrow().ok()?.start_of_day().ok()?;
        Some(Day { from: day.until, until: millis(&after) })
    }
}

fn millis(at: &Zoned) -> UnixMillis {
    // A day that began before 1970 began in 1970: times here have no other side.
    UnixMillis(at.timestamp().as_millisecond().max(0) as u64)
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(text: &str) -> UnixMillis {
        UnixMillis(text.parse::<Timestamp>().unwrap().as_millisecond() as u64)
    }

    fn check(zone: &str, moment: &str, from: &str, until: &str) {
        let day = Zone::named(zone).unwrap().day(at(moment));
        assert_eq!(day, Day { from: at(from), until: at(until) }, "{zone} at {moment}");
    }

    /// C3: the day that counts is the one of the zone, with its summer time.
    #[test]
    fn days_are_those_of_the_zone() {
        check("UTC", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
        check("Europe/Berlin", "2026-01-10T23:30:00Z", "2026-01-10T23:00:00Z", "2026-01-11T23:00:00Z");
        // 23 hours: clocks went forward.
        check("Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        // 25 hours: clocks went back.
        check("Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        check("Asia/Kathmandu", "2026-06-01T00:00:00Z", "2026-05-31T18:15:00Z", "2026-06-01T18:15:00Z");
    }

    /// C3: where clocks skip midnight the day begins an hour later, and where they show it twice, the first time.
    #[test]
    fn midnight_may_be_skipped_or_come_twice() {
        check("Africa/Cairo", "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z");
        check("America/Havana", "2020-11-01T12:00:00Z", "2020-11-01T04:00:00Z", "2020-11-02T05:00:00Z");
        // At one minute past midnight it was one minute past eleven again.
        check("America/St_Johns", "2006-10-29T03:00:00Z", "2006-10-29T02:30:00Z", "2006-10-30T03:30:00Z");
        check("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    }

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!((Zone::default().name(), Zone::named("utc").unwrap()), ("UTC", Zone::default()));
        for wrong in ["Europe/Berlln", "Mars/Base", "", "/etc/localtime", "CET-1CEST"] {
            assert_eq!(Zone::named(wrong), None, "{wrong}");
        }
        let names = Zone::names();
        assert!(names.len() > 400 && names.iter().any(|name| name == "America/Sao_Paulo"), "{} names", names.len());
    }

    /// What comes after the calendar's end is counted in days of UTC.
    #[test]
    fn there_is_a_day_for_every_moment() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        for moment in [UnixMillis(0), UnixMillis(u64::MAX), UnixMillis(i64::MAX as u64)] {
            let day = zone.day(moment);
            assert!(day.from <= moment && day.from < day.until, "{moment:?}: {day:?}");
        }
    }

    proptest! {
        /// A day ends where the next begins, and is neither empty nor longer than two.
        #[test]
        fn days_follow_each_other(ms in 0..4_000_000_000_000_u64, zone in prop::sample::select(Zone::names())) {
            let zone = Zone::named(&zone).unwrap();
            let day = zone.day(UnixMillis(ms));
            prop_assert!(day.contains(UnixMillis(ms)), "{:?}", day);
            prop_assert!(day.until.0 - day.from.0 <= 48 * HOUR);
            prop_assert_eq!(zone.day(day.until).from, day.until);
            prop_assert_eq!(zone.day(UnixMillis(day.until.0 - 1)), day);
        }
    }
}
