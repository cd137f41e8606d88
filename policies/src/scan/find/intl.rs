//! Documents of persons elsewhere: US, Japan, Korea, Hong Kong, Taiwan, Singapore.

use super::checks;
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::run::{grouping, groupings};
use crate::scan::site::{Found, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, is};

/// US social security number.
pub(super) fn ssn(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    if run.len() < 9 || !run.ends(9) {
        return None;
    }
    let (area, group, serial) = (run.value(0, 3), run.value(3, 5), run.value(5, 9));
    let valid = !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0;
    let end = run.end(9);
    if !valid || !site.clean_right(end) || !site.clean_left() {
        return None;
    }
    let dashes = run.grouping(9) == grouping(&[3, 2, 4]) && run.gap(2) == 2 && run.gap(4) == 2;
    let cued = site.cued(Cue::Ssn) || site.cued_behind(end, Cue::Ssn);
    let alone = run.len() == 9 || run.gap(8) != 2;
    if dashes
        && alone
        && (cued || !site.negative() && !site.part_of_number(end) && !site.cued(Cue::Phone))
    {
        return site.hit(Entity::UsSsn, end, if cued { STRONG } else { MEDIUM });
    }
    (cued && run.whole(9, groupings![[3, 2, 4], [3, 3, 3]]))
        .then(|| site.hit(Entity::UsSsn, end, WEAK))
        .flatten()
}

/// Japan's individual number: check digit and cue.
pub(super) fn my_number(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    let fits = run.whole(12, groupings![[4, 4, 4], [6, 6], [3, 3, 3, 3]])
        && checks::my_number(run.first(12))
        && site.clean_right(run.end(12));
    (fits && (site.cued(Cue::Japan) || site.cued_behind(run.end(12), Cue::Japan)))
        .then(|| site.hit(Entity::JpMyNumber, run.end(12), STRONG))
        .flatten()
}

/// Korea's resident registration number.
pub(super) fn rrn(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    if !run.whole(13, groupings![[6, 7], [2, 2, 2, 7], [6, 1, 6]]) {
        return None;
    }
    let end = run.end(13);
    let century = match run.digit(6) {
        1 | 2 | 5 | 6 => 1900,
        3 | 4 | 7 | 8 => 2000,
        _ => return None,
    };
    let dated = checks::date(century + run.value(0, 2), run.value(2, 4), run.value(4, 6));
    if !dated || !site.clean_right(end) || !site.clean_left() {
        return None;
    }
    let cued = site.cued(Cue::Korea) || site.cued(Cue::Id) || site.cued_behind(end, Cue::Korea);
    let form = run.grouping(13) == grouping(&[6, 7])
        && run.gap(5) == 2
        && !site.negative()
        && !site.part_of_number(end);
    (cued || form)
        .then(|| site.hit(Entity::KrRrn, end, MEDIUM))
        .flatten()
}

/// Hong Kong, Taiwan and Singapore identity cards: letters, digits, a check.
pub(super) fn lettered(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    // 粤B2-20204179 is a licence.
    if !site.clean_left() || han::has(view.char_before(site.at), han::PLATE) {
        return None;
    }
    let lettered = site.lettered()?;
    let (letters, run) = (lettered.letters(), &lettered.run);
    if let [letter] = letters {
        if matches!(run.digit(0), 1 | 2 | 8 | 9)
            && run.whole(
                9,
                groupings![[3, 3, 3], [1, 8], [4, 5], [3, 6], [5, 4], [2, 7]],
            )
            && checks::tw_id(*letter, run.first(9))
        {
            let end = run.end(9);
            let ok = site.cued(Cue::TwId)
                || !site.cues().contrary(&[Cue::TwId, Cue::Id, Cue::HkId])
                    && !site.negative()
                    && run.first(9).windows(2).any(|w| w.first() != w.get(1));
            return (ok && !is(view.byte(end), ALNUM))
                .then(|| site.hit(Entity::TwId, end, STRONG))
                .flatten();
        }
        if run.whole(7, groupings![[4, 3], [3, 4], [2, 5]])
            && matches!(letter, b'S' | b'T' | b'F' | b'G' | b'M')
        {
            let mut at = run.end(7);
            if matches!(view.byte(at), b' ' | b'-' | b'.' | b'_' | b'*') {
                at += 1;
            }
            let check = view.byte(at).to_ascii_uppercase();
            if !is(view.byte(at + 1), ALNUM)
                && checks::nric(*letter, run.first(7), check)
                && (!site.negative() && !site.cues().contrary(&[Cue::Nric, Cue::Id, Cue::TwId])
                    || site.cued(Cue::Nric))
            {
                return site.hit(Entity::SgNric, at + 1, STRONG);
            }
        }
    }
    if letters.len() <= 2 {
        hong_kong(site, letters, run)
    } else {
        None
    }
}

fn hong_kong(site: &Site<'_, '_>, letters: &[u8], run: &crate::scan::run::Run) -> Option<Found> {
    let view = site.view;
    if run.len() < 6 {
        return None;
    }
    // The check may have been read as the run's seventh digit: `A123456(3)`.
    let at = run.end(6);
    let inner = |i: usize| (1..6).all(|d| run.gap(d - 1) == 0) && i > 0;
    if !inner(at) && !run.whole(6, groupings![[3, 3], [2, 4]]) && run.len() > 7 {
        return None;
    }
    let mut i = view.blanks(at, 1);
    let open = view.char(i);
    let bracketed = matches!(open, '(' | '（' | '[' | '【');
    if bracketed {
        i += open.len_utf8();
    } else if open == '-' {
        i += 1;
    }
    let i = view.blanks(i, 1);
    let check = view.byte(i).to_ascii_uppercase();
    if !checks::hk_id(letters, run.first(6), check) {
        return None;
    }
    let mut end = i + 1;
    if bracketed {
        let j = view.blanks(end, 1);
        let close = view.char(j);
        if !matches!(close, ')' | '）' | ']' | '】') {
            return None;
        }
        end = j + close.len_utf8();
    } else if is(view.byte(end), ALNUM) {
        return None;
    }
    let cued = site.cued(Cue::HkId) || site.cued(Cue::Id) || site.cued(Cue::TwId);
    (bracketed && !site.negative() || cued)
        .then(|| site.hit(Entity::HkId, end, if bracketed { STRONG } else { WEAK }))
        .flatten()
}
