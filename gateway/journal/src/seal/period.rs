//! How long a data key is used: a calendar month or day, UTC.
//!
//! Must never read a clock.
//! Invariant: a period's name is a prefix of the names of the days in it.

use crate::utc::{DAY_MS, civil};

/// How long a data key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Period {
    /// A month.
    #[default]
    Month,
    /// A day.
    Day,
}

impl Period {
    /// Its name at a moment (ms since 1970), and when it ends.
    pub(super) fn at(self, now_ms: i64) -> (String, i64) {
        let day = now_ms.div_euclid(DAY_MS);
        let (year, month, date) = civil(day);
        match self {
            Self::Day => (
                format!("{year:04}-{month:02}-{date:02}"),
                (day + 1) * DAY_MS,
            ),
            Self::Month => {
                // The first of the next month is at most 31 days after the first of this one.
                let first = day - i64::from(date) + 1;
                let next = (28..=31)
                    .map(|days| first + days)
                    .find(|day| civil(*day).2 == 1);
                (
                    format!("{year:04}-{month:02}"),
                    next.unwrap_or(day + 1) * DAY_MS,
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_have_names_and_ends() {
        let check = |day: i64, month: &str, name: &str, days_left: i64| {
            let now = day * DAY_MS + 5;
            assert_eq!(Period::Day.at(now), (name.to_owned(), (day + 1) * DAY_MS));
            let (got, until) = Period::Month.at(now);
            assert_eq!(
                (&*got, until),
                (month, (day + days_left) * DAY_MS),
                "{name}"
            );
        };
        check(0, "1970-01", "1970-01-01", 31);
        // `date -d 2024-02-29 +%s` / 86400
        check(19_782, "2024-02", "2024-02-29", 1);
        check(19_755, "2024-02", "2024-02-02", 28);
        check(20_418, "2025-11", "2025-11-26", 5);
        check(20_453, "2025-12", "2025-12-31", 1);
        check(-1, "1969-12", "1969-12-31", 1);
    }
}
