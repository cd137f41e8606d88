//! Dates of the proleptic Gregorian calendar from and to milliseconds since the Unix epoch, UTC only.
//!
//! Reads no clock: the time is passed in. Needed for signatures, for the ends of tokens and for `retry-after` dates, nothing else.

/// `2026-01-01T00:00:00Z`. Times before the year 0 or after 9999 give a text that nobody accepts.
pub(crate) fn iso8601(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

/// Names of the months in HTTP dates.
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sun, 06 Nov 1994 08:49:37 GMT`; times before the year 0 or after 9999 as above.
pub(crate) fn to_http_date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = ms.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: i64| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        names.get(at).copied().unwrap_or_default()
    };
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month - 1),
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

/// An HTTP date in its one current form: `Sun, 06 Nov 1994 08:49:37 GMT`, to seconds since the epoch.
pub(crate) fn http_date(text: &str) -> Option<i64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<i64>);
    let mut part = |bound: i64| clock.next()?.ok().filter(|part| (0..bound).contains(part));
    let seconds = part(24)? * 3600 + part(60)? * 60 + part(61)?;
    let in_range = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    (in_range && words.next() == Some("GMT"))
        .then(|| days(year, i64::try_from(month).unwrap_or(0) + 1, day) * 86_400 + seconds)
}

/// A UTC time by RFC 3339 (`2026-01-01T00:00:00.5Z`), to seconds since the epoch; a fraction is cut off.
pub(crate) fn rfc3339(text: &str) -> Option<i64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let clock = clock.split('.').next().unwrap_or_default();
    let numbers = |text: &str, mark: char, widths: [usize; 3]| -> Option<[i64; 3]> {
        let mut parts = text.split(mark);
        let mut found = [0; 3];
        for (slot, width) in found.iter_mut().zip(widths) {
            let part = parts.next()?;
            let digits = part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
            *slot = part.parse().ok().filter(|_| digits)?;
        }
        parts.next().is_none().then_some(found)
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    in_range.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since the epoch of a date. Years are counted from March, so that the leap day is a year's last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day since the epoch.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, rest) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (rest - rest / 1460 + rest / 36_524 - rest / 146_096) / 365;
    let of_year = rest - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(iso8601(1_767_225_600_000), "2026-01-01T00:00:00Z");
        assert_eq!(iso8601(951_827_696_000), "2000-02-29T12:34:56Z");
        assert_eq!(
            http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(
            to_http_date(784_111_777_999),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        for day in (0..40_000).step_by(11) {
            let ms = day * 86_400_000 + 45_296_000;
            assert_eq!(http_date(&to_http_date(ms)), Some(ms / 1000));
        }
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 CET"), None);
        assert_eq!(http_date("soon"), None);
        assert_eq!(rfc3339("2026-01-01T00:00:00Z"), Some(1_767_225_600));
        assert_eq!(rfc3339("2000-02-29T12:34:56.701000Z"), Some(951_827_696));
        for odd in [
            "2026-01-01",
            "2026-1-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00:00+08:00",
            "2026-01-01T00:00Z",
            "-026-01-01T00:00:00Z",
        ] {
            assert_eq!(rfc3339(odd), None, "{odd}");
        }
        for day in (-1000..100_000).step_by(13) {
            let (year, month, date) = civil(day);
            assert_eq!(days(year, month, date), day);
        }
    }
}
