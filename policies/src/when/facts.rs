//! What a condition is judged on.
//!
//! Knows no syntax. Invariants: nothing here holds text of a prompt or a value that was found; the texts were bounded
//! when the request was admitted (a model's name by 256 bytes, a key's id by 128).

/// Everything that a condition may read.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The request.
    pub request: Request<'a>,
    /// Who asks.
    pub key: Key<'a>,
    /// The model's name as asked for.
    pub model: &'a str,
    /// The target in question; without one, a condition that reads it fails.
    pub provider: Option<Provider<'a>>,
    /// When.
    pub time: Time,
    /// Each type that was found, once, and how often.
    pub hits: &'a [(&'a str, i64)],
    /// The request's grade: a position in `grades`.
    pub grade: i64,
    /// The grades, lowest first: those that the condition was compiled for.
    pub grades: &'a [String],
}

/// The request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The caller's dialect.
    pub dialect: &'a str,
    /// The path that was asked.
    pub endpoint: &'a str,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Size of the body.
    pub bytes: i64,
    /// Messages in it.
    pub messages: i64,
    /// Whether it has tool definitions.
    pub tools: bool,
    /// Whether it has images.
    pub images: bool,
    /// The address it came from.
    pub client_ip: &'a str,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Key<'a> {
    /// The virtual key's id; empty for a person.
    pub id: &'a str,
    /// The person; empty for a virtual key.
    pub user: &'a str,
    /// Its team; empty if it has none.
    pub team: &'a str,
    /// What it declares: a position in the grades.
    pub grade: i64,
}

/// A target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Provider<'a> {
    /// The provider's name in the config.
    pub name: &'a str,
    /// Its vendor.
    pub vendor: &'a str,
    /// `domestic`, `overseas` or `self_hosted`.
    pub location: &'a str,
    /// The highest grade that may go there: a position in the grades.
    pub clearance: i64,
    /// What the provider calls the model.
    pub model: &'a str,
}

/// A moment on a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    hour: i64,
    minute: i64,
    weekday: i64,
    date: [u8; 10],
}

impl Time {
    /// The moment `unix_seconds`, on a clock that is `offset_seconds` ahead of UTC. Years beyond 0 to 9999 are cut off.
    #[must_use]
    pub fn at(unix_seconds: i64, offset_seconds: i32) -> Self {
        const DAY: i64 = 86_400;
        /// The last day of the year 9999, and the first of the year 0, in days since 1970.
        const DAYS: (i64, i64) = (-719_528, 2_932_896);
        let local = unix_seconds.saturating_add(offset_seconds.into());
        let days = local.div_euclid(DAY).clamp(DAYS.0, DAYS.1);
        let of_day = local.rem_euclid(DAY);
        let (year, month, day) = civil(days);
        let digit = |value: i64, ten: i64| b'0' + u8::try_from(value / ten % 10).unwrap_or(0);
        Self {
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            // 1970-01-01 was a Thursday.
            weekday: (days + 3).rem_euclid(7) + 1,
            date: [
                digit(year, 1000),
                digit(year, 100),
                digit(year, 10),
                digit(year, 1),
                b'-',
                digit(month, 10),
                digit(month, 1),
                b'-',
                digit(day, 10),
                digit(day, 1),
            ],
        }
    }

    /// The hour, 0 to 23.
    #[must_use]
    pub fn hour(&self) -> i64 {
        self.hour
    }

    /// The minute, 0 to 59.
    #[must_use]
    pub fn minute(&self) -> i64 {
        self.minute
    }

    /// The day of the week, 1 for Monday.
    #[must_use]
    pub fn weekday(&self) -> i64 {
        self.weekday
    }

    /// The date, as `2026-11-25`.
    #[must_use]
    pub fn date(&self) -> &str {
        std::str::from_utf8(&self.date).unwrap_or_default()
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar: years are taken to begin in March, so
/// that the day that comes and goes is the last one.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(ERA);
    let of_era = days.rem_euclid(ERA);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_on_the_clock() {
        for (unix, offset, date, hour, minute, weekday) in [
            (0, 0, "1970-01-01", 0, 0, 4),
            (-1, 0, "1969-12-31", 23, 59, 3),
            (951_782_400, 0, "2000-02-29", 0, 0, 2),
            // 2026-11-25 16:30 UTC is the next day in Shanghai.
            (1_795_624_200, 8 * 3600, "2026-11-26", 0, 30, 4),
            (i64::MAX, 1, "9999-12-31", 15, 30, 5),
            (i64::MIN, -1, "0000-01-01", 8, 29, 6),
        ] {
            let time = Time::at(unix, offset);
            let got = (time.date(), time.hour(), time.minute(), time.weekday());
            assert_eq!(got, (date, hour, minute, weekday), "{unix}");
        }
    }
}
