//! Payment cards (ISO/IEC 7812: prefix and Luhn) and IBANs (ISO 13616).
//!
//! A Luhn pass alone is worth nothing: a known issuer prefix is needed too, and nothing before that says order number.
//! Delay in a stream: a number waits for what follows it.

use super::checks;
use super::code::Code;
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::run::{Grouping, Run, groupings};
use crate::scan::site::{Found, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, is};

const GROUPS: &[Grouping] = groupings![
    [4, 4, 4, 4, 3],
    [4, 4, 4, 4],
    [6, 13],
    [6, 10],
    [4, 4, 4, 7],
    [4, 6, 5],
    [4, 6, 4],
    [4, 4, 4, 4, 2],
    [4, 4, 4, 4, 1],
    [4, 4, 4, 1],
    [8, 8],
    [8, 11],
    [6, 4, 4, 5],
    [6, 6, 7],
    [4, 4, 11],
    [4, 15],
    [4, 12],
    [10, 9],
    [4, 4, 8],
    [8, 8, 3],
    [6, 6, 4],
    [4, 4, 4, 5],
    [4, 4, 4, 6],
    [4, 11],
    [4, 4, 7],
];

/// The kind of card that a number of `k` digits would be by its issuer prefix.
fn issuer(run: &Run, k: usize) -> Option<Entity> {
    let (two, three, four, six) = (
        run.value(0, 2),
        run.value(0, 3),
        run.value(0, 4),
        run.value(0, 6),
    );
    let domestic = two == 62 && (16..=19).contains(&k)
        || matches!(six, 436_742 | 622_202) && matches!(k, 16 | 19)
        || four == 9558 && k == 19
        || matches!(six, 456_351 | 601_382 | 603_367 | 620_000..=629_999) && k == 19
        || matches!(six, 690_755 | 940_000..=999_999)
            && (16..=19).contains(&k)
            && six != 999_999
            && four != 9999;
    if domestic {
        return Some(Entity::BankCard);
    }
    let foreign = match k {
        13 | 19 => two / 10 == 4 && k == 13 || k == 19 && two / 10 == 4,
        14 => matches!(two, 36 | 38) || matches!(three, 300..=305),
        15 => matches!(two, 34 | 37),
        16 => {
            two / 10 == 4
                || matches!(two, 51..=55 | 65)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
                || matches!(three, 644..=649)
        }
        _ => false,
    };
    foreign.then_some(Entity::CreditCard)
}

/// A payment card's number.
pub(super) fn card(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    if run.len() < 13 {
        return None;
    }
    for k in (13..=19).rev() {
        if !run.ends(k) || !run.whole(k, GROUPS) {
            continue;
        }
        let Some(entity) = issuer(run, k) else {
            continue;
        };
        let end = run.end(k);
        if is(site.view.byte(end), LOWER | UPPER)
            || is(site.view.before(site.at), LOWER | UPPER) && k < 16
        {
            continue;
        }
        let cued = site.cued(Cue::Card);
        if checks::luhn(run.first(k)) {
            // Thirteen digits are milliseconds more often than an old card; 9… is anything's first digit.
            let rare = k < 15
                || run.digit(0) == 9 && run.value(0, 4) != 9558
                || run.digit(0) == 6 && run.value(0, 2) == 69;
            let odd = k == 15 && site.cues().contrary(&[Cue::Card])
                || site.negative()
                || site.part_of_number(end) && !cued
                || rare && !cued;
            if !odd || cued {
                return site.hit(entity, end, STRONG);
            }
        } else if cued && entity == Entity::BankCard && run.value(0, 2) != 62 && k == 19 {
            return site.hit(entity, end, WEAK);
        }
    }
    None
}

/// Length of a country's IBAN.
fn iban_len(country: &[u8]) -> Option<usize> {
    Some(match country {
        b"NO" => 15,
        b"BE" => 16,
        b"DK" | b"FI" | b"NL" | b"FO" | b"GL" => 18,
        b"SI" | b"MK" => 19,
        b"AT" | b"BA" | b"EE" | b"KZ" | b"LT" | b"LU" | b"XK" => 20,
        b"CH" | b"HR" | b"LI" | b"LV" => 21,
        b"BG" | b"BH" | b"CR" | b"DE" | b"GB" | b"GE" | b"IE" | b"ME" | b"RS" | b"VA" => 22,
        b"AE" | b"GI" | b"IL" | b"IQ" | b"TL" => 23,
        b"AD" | b"CZ" | b"ES" | b"MD" | b"PK" | b"RO" | b"SA" | b"SE" | b"SK" | b"TN" | b"VG" => 24,
        b"LY" | b"PT" | b"ST" => 25,
        b"IS" | b"TR" => 26,
        b"FR" | b"GR" | b"IT" | b"MC" | b"MR" | b"SM" => 27,
        b"AL" | b"AZ" | b"CY" | b"DO" | b"GT" | b"HU" | b"LB" | b"PL" | b"SV" | b"BY" => 28,
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => 29,
        b"JO" | b"KW" | b"MU" => 30,
        b"MT" | b"SC" => 31,
        _ => return None,
    })
}

/// An IBAN.
pub(super) fn iban(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let head = [view.byte(site.at), view.byte(site.at + 1)].map(|b| b.to_ascii_uppercase());
    let third = view.byte(site.at + 2);
    if !is(third, DIGIT) && !matches!(third, b' ' | b'-') {
        return None;
    }
    let len = iban_len(&head)?;
    let code = Code::read(view, site.at, len);
    let chars = code.first(len);
    let end = code.end(len);
    (!chars.is_empty() && checks::iban(chars) && !is(view.byte(end), ALNUM))
        .then(|| site.hit(Entity::Iban, end, STRONG))
        .flatten()
}
