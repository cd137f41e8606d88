//! Machine-readable zones of passports and cards: ICAO 9303 TD3 (2 × 44) and TD1 (3 × 30).
//!
//! Delay in a stream: two or three lines, from the first on.

use super::checks::mrz as check;
use crate::scan::entity::Entity;
use crate::scan::site::{Found, STRONG, Site};
use crate::scan::view::{DIGIT, UPPER, View, is};

/// Characters of the longest line, and of the shortest.
const LINE: usize = 44;
const SHORTEST: usize = 30;

fn line(view: &View<'_>, at: usize, len: usize) -> Option<usize> {
    line_of(view, at, letters(view, at, len + 1), len)
}

/// The end of what lines are made of from `at` on.
fn letters(view: &View<'_>, at: usize, max: usize) -> usize {
    view.run_of(at, max, in_line)
}

/// Whether lines are made of it.
#[inline]
fn in_line(b: u8) -> bool {
    is(b, DIGIT | UPPER) || b == b'<'
}

/// The same of what was read up to `end`.
fn line_of(view: &View<'_>, at: usize, end: usize, len: usize) -> Option<usize> {
    // A closing tag may follow: its `<` is no filler.
    let tag = end - at == len + 1 && view.before(end) == b'<' && view.byte(end) == b'/';
    (end - at == len || tag).then_some(at + len)
}

fn next_line(view: &View<'_>, end: usize) -> Option<usize> {
    let mut at = view.blanks(end, 4);
    if view.byte(at) == b'\r' {
        at += 1;
    }
    if view.byte(at) == b'\n' {
        at += 1;
    } else if at == end {
        return None;
    }
    Some(view.blanks(at, 4))
}

/// Whether the character behind the field is its check digit.
fn holds(text: &str, from: usize, to: usize) -> bool {
    let bytes = text.as_bytes();
    let expected = bytes.get(from..to).and_then(check);
    let given = bytes.get(to).copied();
    expected.is_some() && (expected == given || given == Some(b'<') && expected == Some(b'0'))
}

/// Whether a zone may begin with the word from `at` to `end`: most are too short, and no filler goes on from them.
#[inline]
pub(super) fn may_begin(bytes: &[u8], at: usize, end: usize) -> bool {
    end - at >= SHORTEST || bytes.get(end).is_none_or(|&next| next == b'<')
}

/// Both lines of a passport, or the three of a card.
pub(super) fn mrz(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let first = view.byte(site.at);
    if !matches!(first, b'P' | b'I' | b'A' | b'C' | b'V') && !is(first, UPPER) || !site.clean_left()
    {
        return None;
    }
    if !may_begin(view.bytes(), site.at, site.word(0, SHORTEST)) {
        return None;
    }
    let read = letters(view, site.at, LINE + 1);
    if read - site.at < SHORTEST {
        return None;
    }
    if matches!(first, b'P' | b'V')
        && let Some(end) = line_of(view, site.at, read, LINE)
        && let Some(second) = next_line(view, end)
        && let Some(end) = line(view, second, 44)
    {
        let text = view.slice(second, end);
        if holds(text, 0, 9) && holds(text, 13, 19) && holds(text, 21, 27) {
            return site.hit(Entity::PassportMrz, end, STRONG);
        }
    }
    if matches!(first, b'I' | b'A' | b'C')
        && let Some(end) = line_of(view, site.at, read, 30)
        && let Some(second) = next_line(view, end)
        && let Some(end2) = line(view, second, 30)
        && let Some(third) = next_line(view, end2)
        && let Some(end3) = line(view, third, 30)
    {
        let text = view.slice(second, end2);
        if holds(view.slice(site.at, end), 5, 14) && holds(text, 0, 6) && holds(text, 8, 14) {
            return site.hit(Entity::PassportMrz, end3, STRONG);
        }
    }
    // The second line alone, as a form's field holds it.
    let end = line_of(view, site.at, read, LINE)?;
    let text = view.slice(site.at, end);
    (holds(text, 0, 9) && holds(text, 13, 19) && holds(text, 21, 27) && text.contains('<'))
        .then(|| site.hit(Entity::PassportMrz, end, STRONG))
        .flatten()
}
