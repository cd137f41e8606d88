//! Vehicles: number plates (GA 36 and new-energy rule) and VINs (ISO 3779).
//!
//! A plate needs its full body and a clean border; a VIN its check digit, or the cue.

use super::checks;
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::site::{Found, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, is, is_han};

/// Characters of a plate's body.
const BODY: usize = 6;

/// Reads letters and digits of a plate, over single spaces, hyphens or dots; upper case, and where each ends.
fn body(view: &View<'_>, at: usize) -> ([u8; BODY], [usize; BODY], usize) {
    let (mut chars, mut ends, mut n, mut i) = ([0u8; BODY], [0usize; BODY], 0, at);
    while n < BODY {
        let b = view.byte(i);
        if !is(b, ALNUM) {
            // Separators are evasion; one at a time.
            let c = view.char(i);
            let gap = if matches!(c, ' ' | '-' | '·' | '.' | '*' | '_') {
                c.len_utf8()
            } else {
                0
            };
            if gap == 0 || n == 0 || !is(view.byte(i + gap), ALNUM) {
                break;
            }
            i += gap;
            continue;
        }
        if let (Some(slot), Some(place)) = (chars.get_mut(n), ends.get_mut(n)) {
            *slot = b.to_ascii_uppercase();
            *place = i + 1;
        }
        n += 1;
        i += 1;
    }
    (chars, ends, n)
}

fn plate_char(c: u8) -> bool {
    matches!(c, b'0'..=b'9' | b'A'..=b'H' | b'J'..=b'N' | b'P'..=b'Z')
}

/// A number plate that begins with a province's character.
pub(super) fn plate(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let province = view.char(site.at);
    let mut at = site.at + province.len_utf8();
    if view.byte(at) == b' ' {
        at += 1;
    }
    if province == '使' {
        return embassy(site, at);
    }
    let letter = view.byte(at).to_ascii_uppercase();
    if !letter.is_ascii_uppercase() || matches!(letter, b'I' | b'O') {
        return None;
    }
    at += 1;
    let c = view.char(at);
    if matches!(c, '·' | ' ' | '•' | '-' | '.' | '・') {
        at += c.len_utf8();
        if view.byte(at) == b' ' {
            at += 1;
        }
    }
    let (chars, ends, n) = body(view, at);
    let end_of = |k: usize| {
        k.checked_sub(1)
            .and_then(|i| ends.get(i))
            .copied()
            .unwrap_or(0)
    };
    let digits = |k: usize| chars.iter().take(k).filter(|c| c.is_ascii_digit()).count();
    // Four and a word: police, learner, trailer, Hong Kong, Macao.
    if n >= 4 && chars.iter().take(4).all(|&c| plate_char(c)) && digits(4) >= 1 {
        let after = view.char(end_of(4));
        if matches!(after, '警' | '学' | '挂' | '港' | '澳' | '领' | '试' | '超') {
            return site.hit(Entity::CnPlate, end_of(4) + after.len_utf8(), STRONG);
        }
    }
    for k in [6, 5] {
        if n < k || !chars.iter().take(k).all(|&c| plate_char(c)) || is(view.byte(end_of(k)), ALNUM)
        {
            continue;
        }
        if k == 6 && !new_energy(&chars) {
            continue;
        }
        let letters = k - digits(k);
        if k == 5 && (letters > 2 || digits(k) == 0) {
            continue;
        }
        // `粤B2-2009`: a licence, not a plate, has a long tail.
        if view.byte(end_of(k)) == b'-' && is(view.byte(end_of(k) + 1), DIGIT) {
            return None;
        }
        return site.hit(Entity::CnPlate, end_of(k), MEDIUM);
    }
    None
}

fn new_energy(chars: &[u8; BODY]) -> bool {
    let kind = |c: u8| matches!(c, b'A'..=b'H' | b'J' | b'K');
    let digit = |from: usize, to: usize| {
        chars
            .get(from..to)
            .is_some_and(|s| s.iter().all(u8::is_ascii_digit))
    };
    chars.first().is_some_and(|&c| kind(c)) && digit(2, 6)
        || chars.last().is_some_and(|&c| kind(c)) && digit(0, 5)
}

fn embassy(site: &Site<'_, '_>, at: usize) -> Option<Found> {
    let view = site.view;
    let (chars, ends, n) = body(view, at);
    let end = ends.get(5).copied()?;
    (n == 6
        && chars.iter().all(u8::is_ascii_digit)
        && !is(view.byte(end), ALNUM)
        && !is_han(view.char_before(site.at)))
    .then(|| site.hit(Entity::CnPlate, end, MEDIUM))
    .flatten()
}

/// Whether two letters stand at `at` and no third: most words have no second capital, or a third letter.
#[inline]
pub(super) fn heads_plate(bytes: &[u8], at: usize) -> bool {
    let head = bytes.get(at..).and_then(|rest| rest.first_chunk());
    head.is_none_or(|&[_, second, third]| is(second, UPPER) && !is(third, LOWER | UPPER))
}

/// Armed police: `WJ`, a province, five characters.
pub(super) fn plate_wj(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !heads_plate(view.bytes(), site.at) {
        return None;
    }
    if !view.starts(site.at, "WJ") || !site.clean_left() {
        return military(site);
    }
    let mut at = site.at + 2;
    let c = view.char(at);
    if c == '·' {
        at += 2;
    }
    let province = view.char(at);
    if !crate::scan::han::PROVINCES.contains(province) {
        return None;
    }
    let (chars, ends, n) = body(view, at + province.len_utf8());
    let end = ends.get(4).copied()?;
    (n == 5 && chars.iter().take(5).all(|&c| plate_char(c)))
        .then(|| site.hit(Entity::CnPlate, end, MEDIUM))
        .flatten()
}

/// Military: two letters and five digits; they look like a part number, so the cue is needed.
fn military(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !(is(view.byte(site.at), UPPER) && is(view.byte(site.at + 1), UPPER)) || !site.clean_left() {
        return None;
    }
    let mut at = site.at + 2;
    let c = view.char(at);
    if matches!(c, '·' | '-' | ' ') {
        at += c.len_utf8();
    }
    let end = view.run(at, DIGIT, 6);
    (end - at == 5 && !is(view.byte(end), ALNUM) && site.cued(Cue::Plate))
        .then(|| site.hit(Entity::CnPlate, end, WEAK))
        .flatten()
}

/// A vehicle's identification number.
pub(super) fn vin(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !site.clean_left() {
        return None;
    }
    let code = site.code();
    let chars = code.first(17);
    if chars.is_empty()
        || is(view.byte(code.end(17)), ALNUM)
        || chars.iter().any(|c| matches!(c, b'I' | b'O' | b'Q'))
    {
        return None;
    }
    let digits = chars.iter().filter(|c| c.is_ascii_digit()).count();
    if !(3..=15).contains(&digits) {
        return None;
    }
    let end = code.end(17);
    let cued = site.cued(Cue::Vin);
    let serial = chars
        .get(13..)
        .is_some_and(|tail| tail.iter().all(u8::is_ascii_digit));
    let maker = chars.first().is_some_and(|&c| c != b'0');
    if serial
        && maker
        && checks::vin(chars)
        && (cued || !site.negative() && (code.contiguous(17) || code.gaps(17) <= 5))
    {
        return site.hit(Entity::Vin, end, STRONG);
    }
    // Imported cars may lack the check; a domestic or American one may not.
    let imported = chars.first().is_some_and(|&c| {
        matches!(
            c,
            b'S' | b'T' | b'V' | b'W' | b'X' | b'Y' | b'Z' | b'J' | b'K' | b'M'
        )
    });
    let excused = imported || checks::vin(chars);
    (cued && excused && code.contiguous(17))
        .then(|| site.hit(Entity::Vin, end, WEAK))
        .flatten()
}
