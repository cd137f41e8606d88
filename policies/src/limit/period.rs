//! Days, weeks and months of a clock on the wall: where a budget begins anew.
//!
//! Must never read a clock. Zones are offsets: those that a budget may name have had no summer time for decades.
//! Invariant: the periods of a kind follow each other without gap or overlap.

use crate::when::civil;

const DAY_S: i64 = 86_400;

/// How long a budget lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight on (ISO 8601).
    Week,
    /// From the first's midnight on.
    Month,
}

impl Period {
    /// Its name in configs and errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Beginning and end (exclusive) of the period that holds `at_ms`, in Unix milliseconds; `zone_s` is seconds east of UTC.
    #[must_use]
    pub fn around(self, at_ms: i64, zone_s: i32) -> (i64, i64) {
        let zone_s = i64::from(zone_s);
        let day = at_ms
            .div_euclid(1000)
            .saturating_add(zone_s)
            .div_euclid(DAY_S);
        let (first, last) = match self {
            Self::Day => (day, day + 1),
            Self::Week => {
                // Day 0 was a Thursday.
                let monday = day - (day + 3).rem_euclid(7);
                (monday, monday + 7)
            }
            Self::Month => {
                // From the first, 31 days on is somewhere in the next month.
                let first_of = |day: i64| day - (civil(day).2 - 1);
                let first = first_of(day);
                (first, first_of(first + 31))
            }
        };
        let ms = |day: i64| day.saturating_mul(DAY_S).saturating_sub(zone_s) * 1000;
        (ms(first), ms(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-26 16:30 UTC: past midnight in Shanghai.
    const AT: i64 = 1_795_710_600_000;
    const SHANGHAI: i32 = 8 * 3600;

    #[test]
    fn days_begin_at_the_zones_midnight() {
        let day = 86_400_000;
        let utc = Period::Day.around(AT, 0);
        assert_eq!(utc, (1_795_651_200_000, 1_795_651_200_000 + day));
        let shanghai = Period::Day.around(AT, SHANGHAI);
        assert_eq!(shanghai.0, utc.0 + 16 * 3_600_000);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        // 2026-11-27 in Shanghai is a Friday.
        let (begin, end) = Period::Week.around(AT, SHANGHAI);
        assert_eq!((end - begin) / 86_400_000, 7);
        assert_eq!((AT - begin) / 86_400_000, 4);
        let (begin, end) = Period::Month.around(AT, SHANGHAI);
        assert_eq!((end - begin) / 86_400_000, 30);
        let december = Period::Month.around(end, SHANGHAI);
        assert_eq!((december.1 - december.0) / 86_400_000, 31);
        assert_eq!(december.0, end);
        assert_eq!((AT - begin) / 86_400_000, 26);
    }

    proptest! {
        #[test]
        fn periods_tile_time(at in -4_000_000_000_000_i64..8_000_000_000_000, zone in -50_400..50_400_i32) {
            for period in [Period::Day, Period::Week, Period::Month] {
                let (begin, end) = period.around(at, zone);
                prop_assert!(begin <= at && at < end);
                prop_assert_eq!(period.around(begin, zone), (begin, end));
                prop_assert_eq!(period.around(end - 1, zone), (begin, end));
                prop_assert_eq!(period.around(end, zone).0, end);
            }
        }
    }
}
