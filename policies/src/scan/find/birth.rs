//! Dates of birth: a calendar date with the cue before it. Other dates are not findings.

use super::checks::birth_date;
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::run::numeral;
use crate::scan::site::{Found, MEDIUM, Site};
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, is};

/// A number of up to `max` digits, ASCII or Chinese (`十` only in day and month).
fn number(view: &View<'_>, at: usize, max: usize) -> Option<(u32, usize)> {
    let end = view.run(at, DIGIT, max);
    if end > at {
        return Some((
            view.slice(at, end)
                .bytes()
                .fold(0, |v, b| v * 10 + u32::from(b - b'0')),
            end,
        ));
    }
    let (mut value, mut i, mut n) = (0u32, at, 0);
    while n < max {
        let c = view.char(i);
        if c == '十' && max == 2 {
            let tens = if n == 0 { 1 } else { value };
            let after = view.char(i + c.len_utf8());
            let units = numeral(after).map_or(0, u32::from);
            i += c.len_utf8()
                + if numeral(after).is_some() {
                    after.len_utf8()
                } else {
                    0
                };
            return Some((tens * 10 + units, i));
        }
        let Some(d) = numeral(c) else { break };
        value = value * 10 + u32::from(d);
        i += c.len_utf8();
        n += 1;
    }
    (n > 0).then_some((value, i))
}

/// A date with the cue of birth.
pub(super) fn birth(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if is(view.before(site.at), ALNUM) {
        return None;
    }
    let (end, (y, m, d)) = match view.byte(site.at) {
        // The first letters of months.
        b'J' | b'F' | b'M' | b'A' | b'S' | b'O' | b'N' | b'D'
            if month_heads(view.bytes(), site.at) =>
        {
            month_first(view, site.at)?
        }
        b'a'..=b'z' | b'A'..=b'Z' => return None,
        _ => in_digits(view, site.at)?,
    };
    if !birth_date(y, m, d) || is(view.byte(end), ALNUM) {
        return None;
    }
    let born = view.starts(end, "出生") || view.starts(end, "生于") || born_alone(view, end);
    let near = site.cues();
    let cued = born || near.leads(Cue::Birth) || near.none() && site.column().is(Cue::Birth);
    cued.then(|| site.hit(Entity::DateOfBirth, end, MEDIUM))
        .flatten()
}

/// A date that begins with digits, ASCII or Chinese.
fn in_digits(view: &View<'_>, at: usize) -> Option<Date> {
    let end = view.run(at, DIGIT, 9);
    let next = view.byte(end);
    match end - at {
        8 => compact(view, at),
        // `5 March 1990`, `5th of March`, `05-Mar-1990`
        1..=2 if matches!(next, b' ' | b't' | b's' | b'n' | b'r') => {
            separated(view, at).or_else(|| day_and_month(view, at))
        }
        1..=2 if matches!(next, b'-' | b'/' | b'.') => separated(view, at)
            .or_else(|| day_first(view, at))
            .or_else(|| day_and_month(view, at)),
        0..=4 if matches!(next, b'-' | b'/' | b'.' | b' ' | 0x80..) => separated(view, at),
        _ => None,
    }
}

/// `1990年3月5日生，汉族`
fn born_alone(view: &View<'_>, end: usize) -> bool {
    let at = end + "生".len();
    view.starts(end, "生")
        && matches!(
            view.char(at),
            '，' | ',' | '。' | '；' | '、' | ' ' | ')' | '）' | '\n' | '人'
        )
}

type Date = (usize, (u32, u32, u32));

/// `19900305`
fn compact(view: &View<'_>, at: usize) -> Option<Date> {
    let end = view.run(at, DIGIT, 9);
    let n = view.slice(at, end).bytes().fold(0u32, |v, b| {
        v.wrapping_mul(10).wrapping_add(u32::from(b - b'0'))
    });
    (end - at == 8).then_some((end, (n / 10000, n / 100 % 100, n % 100)))
}

/// `1990-03-05`, `1990年3月5日`, `1990/3/5`, `1990.03.05`; a month alone is enough with 年.
fn separated(view: &View<'_>, at: usize) -> Option<Date> {
    let (year, mut i) = number(view, at, 4)?;
    let blank = view.blanks(i, 1);
    let first = view.char(blank);
    if !matches!(first, '-' | '/' | '.' | '年' | ' ') {
        return None;
    }
    i = view.blanks(blank + first.len_utf8(), 1);
    let (month, j) = number(view, i, 2)?;
    let j = view.blanks(j, 1);
    let second = view.char(j);
    // 90年3月5日
    let year = if first == '年' && (30..100).contains(&year) {
        1900 + year
    } else {
        year
    };
    if first == '年' && second == '月' {
        let after = view.blanks(j + second.len_utf8(), 1);
        let Some((day, k)) = number(view, after, 2) else {
            return Some((j + second.len_utf8(), (year, month, 1)));
        };
        let k2 = view.blanks(k, 1);
        let end = if matches!(view.char(k2), '日' | '号') {
            k2 + 3
        } else {
            k
        };
        return Some((end, (year, month, day)));
    }
    if second != first && !matches!(second, '-' | '/' | '.') {
        return None;
    }
    let (day, k) = number(view, view.blanks(j + second.len_utf8(), 1), 2)?;
    // `05/03/1990` begins with the day or the month.
    (!is(view.byte(k), DIGIT)).then_some((k, (year, month, day)))
}

/// `05/03/1990`
fn day_first(view: &View<'_>, at: usize) -> Option<Date> {
    let (a, i) = number(view, at, 2)?;
    let separator = view.byte(i);
    if !matches!(separator, b'/' | b'-' | b'.') {
        return None;
    }
    let (b, j) = number(view, i + 1, 2)?;
    if view.byte(j) != separator {
        return None;
    }
    let (year, end) = number(view, j + 1, 4)?;
    let (month, day) = if a > 12 { (b, a) } else { (a, b) };
    Some((end, (year, month, day)))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Whether a month's name may begin with these letters.
#[inline]
pub(super) fn heads_month([a, b, c]: [u8; 3]) -> bool {
    matches!(
        &[a | 0x20, b | 0x20, c | 0x20],
        b"jan"
            | b"feb"
            | b"mar"
            | b"apr"
            | b"may"
            | b"jun"
            | b"jul"
            | b"aug"
            | b"sep"
            | b"oct"
            | b"nov"
            | b"dec"
    )
}

/// The same of those at `at`; or they are not there yet.
#[inline]
pub(super) fn month_heads(bytes: &[u8], at: usize) -> bool {
    let letters = bytes.get(at..).and_then(|rest| rest.first_chunk());
    letters.is_none_or(|&letters| heads_month(letters))
}

/// The month whose name, or first three letters of it, stands at `at`.
fn month_name(view: &View<'_>, at: usize) -> Option<(u32, usize)> {
    let end = view.run(at, LOWER | UPPER, 10);
    let name = view.slice(at, end);
    if !heads_month(*name.as_bytes().first_chunk()?) {
        return None;
    }
    let month = (1..).zip(MONTHS).find(|(_, month)| {
        name.len() >= 3
            && month
                .get(..name.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(name))
            && (name.len() <= 4 || name.len() == month.len())
    })?;
    let end = if view.byte(end) == b'.' { end + 1 } else { end };
    Some((month.0, end))
}

/// Past `th`, a comma and blanks.
fn past_joint(view: &View<'_>, at: usize) -> usize {
    let mut at = at;
    for suffix in ["st", "nd", "rd", "th"] {
        if view.starts_fold(at, suffix) {
            at += 2;
            break;
        }
    }
    if view.byte(at) == b',' {
        at += 1;
    }
    view.blanks(at, 2)
}

/// `March 5, 1990`
fn month_first(view: &View<'_>, at: usize) -> Option<Date> {
    let (month, end) = month_name(view, at)?;
    let (day, end) = number(view, view.blanks(end, 1), 2)?;
    let (year, end) = number(view, past_joint(view, end), 4)?;
    Some((end, (year, month, day)))
}

/// `5 March 1990`, `5th of Mar, 1990`
fn day_and_month(view: &View<'_>, at: usize) -> Option<Date> {
    let (day, end) = number(view, at, 2)?;
    let mut i = past_joint(view, end);
    if view.byte(i) == b'-' {
        i += 1;
    }
    if view.starts(i, "of ") {
        i += 3;
    }
    let (month, end) = month_name(view, i)?;
    let i = past_joint(view, end + usize::from(view.byte(end) == b'-'));
    let (year, end) = number(view, i, 4)?;
    Some((end, (year, month, day)))
}
