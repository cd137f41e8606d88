//! Dates and times of the config, as Unix milliseconds.
//!
//! Reads no clock. Knows the proleptic Gregorian calendar and UTC; leap seconds do not exist, as in Unix time.

/// Reads `2027-01-01` (the moment that day begins, UTC) or an RFC 3339 time such as `2027-01-01T08:00:00+08:00`.
#[must_use]
pub fn parse_moment_ms(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2)?;
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month)
    {
        return None;
    }
    let seconds = days_since_epoch(year, month, day).checked_mul(86_400)?;
    let ms = match time {
        None => seconds.checked_mul(1000)?,
        Some(time) => {
            let (in_day_ms, offset_s) = parse_time(time)?;
            seconds
                .checked_sub(offset_s)?
                .checked_mul(1000)?
                .checked_add(in_day_ms)?
        }
    };
    u64::try_from(ms).ok()
}

/// Milliseconds within the day and the zone's offset in seconds.
fn parse_time(time: &str) -> Option<(i64, i64)> {
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => return None,
    };
    let offset_s = match offset.strip_prefix(['+', '-']) {
        None => matches!(offset, "Z" | "z").then_some(0)?,
        Some(digits) => {
            let (hours, minutes) = digits.split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if offset.starts_with('-') {
                -seconds
            } else {
                seconds
            }
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2)?;
    let seconds = number(parts.next()?, 2)?;
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some((
        (hours * 3600 + minutes * 60 + seconds) * 1000 + ms,
        offset_s,
    ))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, counted in years that begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let leaps = year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leaps + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2027-01-01", Some(1_798_761_600_000)),
            ("2000-02-29", Some(951_782_400_000)),
            ("2027-01-01T08:00:00+08:00", Some(1_798_761_600_000)),
            ("2026-12-31T23:59:59.5Z", Some(1_798_761_599_500)),
            ("2026-12-31 19:00:00-05:00", Some(1_798_761_600_000)),
            ("2027-02-29", None),
            ("2027-13-01", None),
            ("2027-1-1", None),
            ("27-01-01", None),
            ("2027-01-01T00:00:00", None),
            ("2027-01-01T24:00:00Z", None),
            ("2027-01-01T00:00:00.Z", None),
            ("2027-01-01T00:00Z", None),
            ("1969-12-31", None),
            ("tomorrow", None),
            ("", None),
        ] {
            assert_eq!(parse_moment_ms(text), expected, "{text}");
        }
    }
}
