//! Organisations: unified social credit code, organisation code, business licence, tax number.
//!
//! The credit code is strong (GB 32100); the others need cue or hyphen. A code is named a tax number if that is what
//! stands before it.

use super::checks::{self, province};
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::run::groupings;
use crate::scan::site::{Found, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, DIGIT, is};

/// Unified social credit code, 18 characters.
pub(super) fn uscc(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let first = view.byte(site.at).to_ascii_uppercase();
    if !matches!(first, b'1'..=b'9' | b'A' | b'N' | b'Y') || !site.clean_left() {
        return None;
    }
    let code = site.code();
    let chars = code.first(18);
    if chars.is_empty() {
        return None;
    }
    let region = chars.get(2..8)?;
    if !region.iter().all(u8::is_ascii_digit)
        || !checks::uscc(chars)
        || is(view.byte(code.end(18)), ALNUM)
    {
        return None;
    }
    let digit = |i: usize| region.get(i).map_or(0, |&b| u32::from(b - b'0'));
    let head = digit(0) * 10 + digit(1);
    // 10 is the state's own level.
    if !(province(head) || head == 10) {
        return None;
    }
    let all_digits = chars.iter().all(u8::is_ascii_digit);
    if all_digits && (site.negative() || !matches!(first, b'9' | b'1' | b'5')) {
        return None;
    }
    let entity = if site.cued(Cue::Tax) {
        Entity::CnTaxId
    } else {
        Entity::CnUscc
    };
    site.hit(entity, code.end(18), STRONG)
}

/// Organisation code: eight characters and the check.
pub(super) fn org_code(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !site.clean_left() {
        return None;
    }
    let code = site.code();
    let chars = code.first(9);
    if chars.is_empty() || !checks::org_code(chars) {
        return None;
    }
    let end = code.end(9);
    if is(view.byte(end), ALNUM) {
        return None;
    }
    let hyphen = view.byte(code.end(8)) == b'-' && code.contiguous(8);
    let body_upper = !view
        .slice(site.at, end)
        .bytes()
        .any(|b| b.is_ascii_lowercase());
    let digits = chars.iter().filter(|c| c.is_ascii_digit()).count();
    let bare = digits < 3 && !(body_upper && site.cued(Cue::Org));
    if bare {
        return None;
    }
    let after = view.byte(end);
    let continued = matches!(after, b'-' | b'.' | b'/') && is(view.byte(end + 1), ALNUM);
    if continued {
        return None;
    }
    let cued = site.cued(Cue::Org);
    // A hyphen before the check is the code's own form; a telephone's extension looks like it.
    let form = hyphen
        && body_upper
        && site.cues().none()
        && !site.part_of_number(end)
        && site.column().none();
    (cued || form)
        .then(|| site.hit(Entity::CnOrgCode, end, if cued { STRONG } else { MEDIUM }))
        .flatten()
}

/// Business licence: 15 digits with check; cue needed.
pub(super) fn business(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    let fits = run.whole(
        15,
        groupings![[6, 9], [6, 8, 1], [3, 3, 3, 3, 3], [5, 5, 5], [4, 4, 4, 3],],
    ) && checks::business(run.first(15))
        && site.clean_right(run.end(15));
    (fits && site.cued(Cue::Business))
        .then(|| site.hit(Entity::CnBizLicense, run.end(15), STRONG))
        .flatten()
}

/// Tax numbers of 15, 17, 18 and 20 characters; cue needed.
pub(super) fn tax(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !site.clean_left()
        || !(is(view.byte(site.at), DIGIT) || view.byte(site.at).is_ascii_uppercase())
    {
        return None;
    }
    let code = site.code();
    let region = code.first(2);
    let head = region
        .iter()
        .fold(0u32, |v, b| v * 10 + u32::from(b.wrapping_sub(b'0')));
    if !province(head) || !code.first(6).iter().all(u8::is_ascii_digit) {
        return None;
    }
    let contiguous = |&k: &usize| {
        !code.first(k).is_empty() && code.contiguous(k) && !is(view.byte(code.end(k)), ALNUM)
    };
    let k = [20, 18, 17, 15].into_iter().find(contiguous).or_else(|| {
        [20, 18, 17, 15].into_iter().find(|&k| {
            !code.first(k).is_empty()
                && !is(view.byte(code.end(k)), ALNUM)
                && (code.contiguous(k) || code.gaps(k) <= 5)
        })
    })?;
    site.cued(Cue::Tax)
        .then(|| site.hit(Entity::CnTaxId, code.end(k), WEAK))
        .flatten()
}
