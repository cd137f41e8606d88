//! English addresses: number, street, type, then city, state and postcode.
//!
//! Without a ZIP behind it, a street needs a cue before. Delay in a stream: a number before a capital waits.

use crate::scan::entity::Entity;
use crate::scan::site::{Found, MEDIUM, Site, WEAK};
use crate::scan::view::{ALNUM, DIGIT, UPPER, is};

const STREETS: &[&str] = &[
    "Street",
    "St",
    "Avenue",
    "Ave",
    "Road",
    "Rd",
    "Boulevard",
    "Blvd",
    "Lane",
    "Ln",
    "Drive",
    "Dr",
    "Court",
    "Ct",
    "Way",
    "Place",
    "Pl",
    "Terrace",
    "Parkway",
    "Pkwy",
    "Highway",
    "Hwy",
    "Circle",
    "Square",
    "Sq",
];

/// An English address: number, street, type, then city, state and ZIP.
pub(super) fn latin(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let number = view.run(site.at, DIGIT, 6);
    if !(1..=5).contains(&(number - site.at))
        || view.byte(number) != b' '
        || !is(view.byte(number + 1), UPPER | DIGIT)
        || is(view.before(site.at), ALNUM)
    {
        return None;
    }
    let mut at = number + 1;
    let mut words = 0;
    let street = loop {
        let end = view.run_of(at, 24, |b| is(b, ALNUM) || b == b'\'');
        let word = view.slice(at, end);
        if words > 0 && STREETS.contains(&word) {
            break end;
        }
        if end == at
            || words == 4
            || view.byte(end) != b' ' && !(view.byte(end) == b'.' && view.byte(end + 1) == b' ')
        {
            return None;
        }
        words += 1;
        at = end + 1 + usize::from(view.byte(end) == b'.');
    };
    let mut end = street;
    if view.byte(end) == b'.' && (view.byte(end + 1) == b',' || view.byte(end + 1) == b' ') {
        end += 1;
    }
    // What follows: `, Apt 4B, Springfield, IL 62704`.
    let tail = view.run_of(end, 70, |b| {
        is(b, ALNUM) || matches!(b, b' ' | b',' | b'#' | b'.' | b'-' | b'\'')
    });
    let text = view.slice(end, tail);
    match zip(text) {
        Some(n) => site.hit(Entity::Address, end + n, MEDIUM),
        None => {
            let behind = view.behind(site.at, 28).to_ascii_lowercase();
            let cue = [
                "address",
                "addr",
                "live at",
                "lives at",
                "located at",
                "ship to",
                "reside at",
                "deliver to",
                "mail to",
                "地址",
            ]
            .iter()
            .any(|c| behind.contains(c));
            let street_end = if view.before(end) == b'.' {
                end - 1
            } else {
                end
            };
            cue.then(|| site.hit(Entity::Address, street_end, WEAK))
                .flatten()
        }
    }
}

/// Where a state and ZIP end in what follows a street.
fn zip(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let at = (3..bytes.len()).find(|&i| {
        let state = bytes
            .get(i - 3..i - 1)
            .is_some_and(|s| s.iter().all(u8::is_ascii_uppercase));
        let before = i < 4 || bytes.get(i - 4).is_some_and(|b| matches!(b, b' ' | b','));
        let digits = bytes
            .get(i..i + 5)
            .is_some_and(|d| d.iter().all(u8::is_ascii_digit));
        state
            && before
            && digits
            && bytes.get(i - 1) == Some(&b' ')
            && !bytes.get(i + 5).is_some_and(u8::is_ascii_digit)
    })?;
    let plus = bytes.get(at + 5) == Some(&b'-')
        && bytes
            .get(at + 6..at + 10)
            .is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    Some(if plus { at + 10 } else { at + 5 })
}
