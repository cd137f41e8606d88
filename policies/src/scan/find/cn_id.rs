//! Mainland documents of persons: identity and residence cards, permits, passports.
//!
//! Cards of 18 characters are strong by region, date and check digit (GB 11643); all else needs its cue or a form that
//! nothing else has. Delay in a stream: a number waits until what follows it is seen.

use super::checks::{birth_date, date, id_check, province};
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::run::{Grouping, Run, groupings};
use crate::scan::site::{Found, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, View, is};

const GROUPS_18: &[Grouping] = groupings![
    [6, 8, 4],
    [6, 4, 4, 4],
    [3, 3, 4, 4, 4],
    [4, 4, 4, 4, 2],
    [6, 4, 2, 2, 4],
    [6, 12],
    [14, 4],
    [3, 3, 8, 4],
    [6, 8, 3, 1],
    [17, 1],
    [9, 9],
    [2, 4, 8, 4],
    [6, 6, 6],
    [3, 3, 3, 3, 3, 3],
    [2, 2, 2, 8, 4],
    [2, 2, 2, 4, 2, 2, 4],
    [10, 8],
    [8, 10],
];
const GROUPS_17: &[Grouping] = groupings![
    [6, 8, 3],
    [6, 4, 4, 3],
    [3, 3, 4, 4, 3],
    [4, 4, 4, 4, 1],
    [6, 4, 2, 2, 3],
    [6, 11],
    [14, 3],
    [3, 3, 8, 3],
    [9, 8],
    [2, 4, 8, 3],
    [6, 6, 5],
    [3, 3, 3, 3, 3, 2],
    [2, 2, 2, 8, 3],
    [2, 2, 2, 4, 2, 2, 3],
    [10, 7],
    [8, 9],
];

/// 18 characters: identity card, residence card, permanent residence card.
pub(super) fn card(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    if run.len() < 17 {
        return None;
    }
    let (end, check) = if run.whole(18, GROUPS_18) && !is(site.view.byte(run.end(18)), ALNUM) {
        (run.end(18), run.digit(17))
    } else if run.len() == 17 && !run.overlong && run.whole(17, GROUPS_17) {
        (check_letter(site.view, run.end(17))?, 10)
    } else {
        return None;
    };
    let entity = classify(run)?;
    (id_check(run.first(17)) == check)
        .then(|| site.hit(entity, end, STRONG))
        .flatten()
}

/// Where the `X` behind the digits ends.
fn check_letter(view: &View<'_>, end: usize) -> Option<usize> {
    let mut at = end;
    for _ in 0..2 {
        if matches!(
            view.byte(at),
            b' ' | b'-' | b'*' | b'.' | b'_' | b'/' | b',' | b'\n'
        ) {
            at += 1;
        }
    }
    (matches!(view.byte(at), b'X' | b'x') && !is(view.byte(at + 1), ALNUM)).then_some(at + 1)
}

fn classify(run: &Run) -> Option<Entity> {
    if !birth_date(run.value(6, 10), run.value(10, 12), run.value(12, 14)) {
        return None;
    }
    if run.digit(0) == 9 {
        return province(run.value(1, 3)).then_some(Entity::CnFprId);
    }
    let head = run.value(0, 2);
    if !province(head) {
        return None;
    }
    let hmt = matches!(run.value(0, 6), 810_000 | 820_000 | 830_000);
    Some(if hmt {
        Entity::CnHmtResidence
    } else {
        Entity::CnIdCard
    })
}

/// The first generation's 15 digits; cue needed.
pub(super) fn card15(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    let fits = run.whole(15, groupings![[6, 6, 3], [3, 3, 6, 3], [5, 5, 5], [6, 9]])
        && province(run.value(0, 2))
        && date(1900 + run.value(6, 8), run.value(8, 10), run.value(10, 12))
        && site.clean_right(run.end(15));
    (fits && (site.cued(Cue::Id) || site.cued_behind(run.end(15), Cue::Id)))
        .then(|| site.hit(Entity::CnIdCard15, run.end(15), WEAK))
        .flatten()
}

/// 台胞证: 8 or 10 digits, perhaps a letter in brackets.
pub(super) fn tw_pass(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    if !(8..=12).contains(&run.len()) || !site.clean_left() {
        return None;
    }
    let k = [10, 8].into_iter().find(|&k| {
        run.whole(k, groupings![[4, 4], [8, 2], [5, 5]]) && site.clean_right(run.end(k))
    })?;
    if !site.cued(Cue::TwPass) && !site.cued_behind(run.end(k), Cue::TwPass) {
        return None;
    }
    let mut end = run.end(k);
    let open = site.view.char(end);
    if k == 10 && matches!(open, '(' | '（') {
        let letter = end + open.len_utf8();
        let close = site.view.char(letter + 1);
        if site.view.byte(letter).is_ascii_uppercase() && matches!(close, ')' | '）') {
            end = letter + 1 + close.len_utf8();
        }
    }
    site.hit(Entity::CnTwPass, end, WEAK)
}

/// Documents of letters and digits: permits, passports, the first permanent residence card.
pub(super) fn lettered(site: &Site<'_, '_>) -> Option<Found> {
    let lettered = site.lettered()?;
    let (letters, run) = (lettered.letters(), &lettered.run);
    let clean = |k: usize| {
        run.whole(
            k,
            groupings![[4, 4], [2, 3, 3], [8, 2], [3, 4], [4, 3], [2, 6], [3, 3, 2],],
        ) && site.clean_right(run.end(k))
    };
    if letters.len() == 3 && site.view.byte(site.at).is_ascii_uppercase() && clean(12) {
        return foreigner(site, letters, run);
    }
    if let Some(k) = [10, 8].into_iter().find(|&k| clean(k))
        && matches!(letters, b"H" | b"M")
    {
        let permit = site.cued(Cue::HmPass) || site.cued_behind(run.end(k), Cue::HmPass);
        // Letter, eight digits and a renewal count is a form of its own.
        let renewal = k == 10
            && run.digit(8) == 0
            && run.digit(9) <= 9
            && !site.negative()
            && run.group() == 10
            && site.view.byte(site.at).is_ascii_uppercase();
        let document = site.cues().is(Cue::Id);
        if permit || renewal || document {
            return site.hit(
                Entity::CnHmPass,
                run.end(k),
                if permit { MEDIUM } else { WEAK },
            );
        }
    }
    if matches!(letters, b"C") && clean(8) && site.cued(Cue::HmPass) {
        return site.hit(Entity::CnHmPass, run.end(8), WEAK);
    }
    if let [b'C', second] = letters
        && !matches!(second, b'I' | b'O')
        && clean(7)
        && site.cued(Cue::HmPass)
    {
        return site.hit(Entity::CnHmPass, run.end(7), WEAK);
    }
    passport(site, letters, run, clean)
}

fn passport(
    site: &Site<'_, '_>,
    letters: &[u8],
    run: &Run,
    clean: impl Fn(usize) -> bool,
) -> Option<Found> {
    let k = match *letters {
        [b'E' | b'G' | b'K' | b'H'] if clean(8) => 8,
        [b'D' | b'S' | b'P'] => [8, 7].into_iter().find(|&k| clean(k))?,
        [b'E', second] if !matches!(second, b'I' | b'O') && clean(7) => 7,
        [b'D' | b'S' | b'P', b'E'] if clean(7) => 7,
        [b'K', b'J'] => [7, 8].into_iter().find(|&k| clean(k))?,
        [b'M', b'A'] => [7, 8].into_iter().find(|&k| clean(k))?,
        _ => return None,
    };
    let end = run.end(k);
    // 证件号：E12345678. Other letters are parts' more often.
    let document =
        site.cues().leads(Cue::Id) && matches!(letters, [.., b'E'] | [b'E', ..] | [b'G']);
    (site.cued(Cue::Passport) || site.cued_behind(end, Cue::Passport) || document)
        .then(|| site.hit(Entity::CnPassport, end, MEDIUM))
        .flatten()
}

/// ISO 3166 alpha-3 codes of the countries whose citizens hold most of the cards.
const COUNTRIES: &str = "USA GBR DEU FRA JPN KOR CAN AUS RUS IND ITA ESP NLD BEL CHE SWE NOR DNK FIN POL PRT GRC AUT IRL NZL SGP MYS \
THA VNM PHL IDN PAK BGD LKA NPL MMR KHM LAO MNG KAZ UZB KGZ TJK TKM IRN IRQ ISR TUR SAU ARE EGY ZAF NGA KEN ETH GHA MAR DZA TUN \
BRA ARG CHL MEX COL PER VEN CUB UKR BLR CZE SVK HUN ROU BGR SRB HRV SVN EST LVA LTU ISL LUX PRK AFG SYR JOR LBN KWT QAT OMN YEM \
SDN TZA UGA ZMB ZWE AGO MOZ CMR CIV SEN MLI COD RWA BOL ECU PRY URY CRI PAN DOM JAM GEO ARM AZE MDA MKD ALB BIH MNE MLT CYP";

fn foreigner(site: &Site<'_, '_>, letters: &[u8], run: &Run) -> Option<Found> {
    let name = std::str::from_utf8(letters).ok()?;
    let known = COUNTRIES.split_whitespace().any(|code| code == name);
    // Four digits of region, then YYMMDD.
    let dated = date(1900 + run.value(4, 6), run.value(6, 8), run.value(8, 10))
        || date(2000 + run.value(4, 6), run.value(6, 8), run.value(8, 10));
    (known && dated && province(run.value(0, 2)) && !site.negative())
        .then(|| site.hit(Entity::CnFprId, run.end(12), MEDIUM))
        .flatten()
}
