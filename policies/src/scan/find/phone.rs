//! Telephone numbers: mainland mobiles and landlines, and numbers with a foreign country code.
//!
//! A mobile of an allocated prefix needs no cue, unless what stands before says that it is something else. Delay in a
//! stream: a number waits for what follows it.

use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::run::{Grouping, Run, groupings};
use crate::scan::site::{Found, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, is};

/// How a mobile's eleven digits are grouped.
const MOBILE: &[Grouping] = groupings![
    [3, 4, 4],
    [3, 8],
    [7, 4],
    [4, 4, 3],
    [3, 3, 5],
    [3, 3, 3, 2],
    [5, 6],
    [6, 5],
    [3, 2, 6],
    [3, 4, 2, 2],
    [4, 7],
    [1, 10],
    [3, 2, 2, 4],
    [2, 3, 3, 3],
    [5, 3, 3],
    [4, 3, 4],
];

/// Whether the mobile prefix is in use.
fn allocated(prefix: u32) -> bool {
    matches!(prefix,
        130..=139 | 145..=153 | 155..=159 | 162 | 165..=167 | 170..=178 | 180..=193 | 195..=199)
}

/// `+`, `(+`, `00` and `86`: where the national number begins.
fn after_country(view: &View<'_>, at: usize) -> Option<usize> {
    let mut i = at;
    let mut opened = false;
    let c = view.char(i);
    if matches!(c, '(' | '（') {
        opened = true;
        i += c.len_utf8();
    }
    let plus = view.byte(i) == b'+';
    if plus {
        i = view.blanks(i + 1, 1);
    }
    let c = view.char(i);
    if plus && matches!(c, '(' | '（') {
        opened = true;
        i += c.len_utf8();
    }
    if view.starts(i, "0086") {
        i += 4;
    } else if view.starts(i, "86") && (plus || opened) {
        i += 2;
    } else {
        return None;
    }
    let mut seen = 0;
    while seen < 3 {
        let c = view.char(i);
        match c {
            ')' | '）' if opened => opened = false,
            ' ' | '-' | '.' => {}
            '(' | '（' => {}
            _ => break,
        }
        i += c.len_utf8();
        seen += 1;
    }
    (!opened).then_some(i)
}

/// A mainland mobile number, with its country code if it has one.
pub(super) fn mobile(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if let Some(national) = after_country(view, site.at) {
        let run = Run::read(view, national, false)?;
        return international_mobile(site, &run);
    }
    if !is(view.byte(site.at), DIGIT) && view.byte(site.at) < 0x80 {
        return None;
    }
    let run = site.run()?;
    let numerals = run.wide;
    if numerals && run.len() < 11 {
        return None;
    }
    if run.digit(0) == 8 && run.digit(1) == 6 && run.len() >= 13 && run.digit(2) == 1 {
        return prefixed(site, run);
    }
    if run.digit(0) != 1 || run.len() < 11 || !run.whole(11, MOBILE) {
        return iot(site, run);
    }
    let end = run.end(11);
    // Four groups with dots are an IP address.
    let quad = run.gap(10) != 3 && (0..10).filter(|&i| run.gap(i) == 3).count() == 3;
    if quad
        || is(view.byte(end), LOWER | UPPER) && !numerals
        || site.part_of_number(end)
        || !boundary(site)
    {
        return None;
    }
    let known = allocated(run.value(0, 3));
    let cued = site.cued(Cue::Phone) || site.cued_behind(end, Cue::Phone);
    if cued && (3..=9).contains(&run.digit(1)) {
        return site.hit(Entity::CnMobile, end, if known { STRONG } else { WEAK });
    }
    // A number that its own word makes something else.
    let near = site.cues();
    let other = [
        Cue::MedicalInsurance,
        Cue::MedicalRecord,
        Cue::Qq,
        Cue::Student,
        Cue::Employee,
    ];
    if other.into_iter().any(|cue| near.leads(cue)) {
        return None;
    }
    // A list of eleven small numbers is none.
    let listed = run.group() < 3 && run.listed(11);
    (known && !site.negative() && !listed)
        .then(|| site.hit(Entity::CnMobile, end, MEDIUM))
        .flatten()
}

/// Not the middle of a code: `ab-13800138000` may be, `2023-13800138000` is.
fn boundary(site: &Site<'_, '_>) -> bool {
    let before = site.view.before(site.at);
    !(before == b'_' && is(site.view.before(site.at - 1), DIGIT) && site.cues().other())
}

fn international_mobile(site: &Site<'_, '_>, run: &Run) -> Option<Found> {
    let fits = run.digit(0) == 1 && (3..=9).contains(&run.digit(1)) && run.whole(11, MOBILE);
    let end = run.end(11);
    (fits && !is(site.view.byte(end), ALNUM))
        .then(|| site.hit(Entity::CnMobile, end, STRONG))
        .flatten()
}

/// `86 138…` without a plus.
fn prefixed(site: &Site<'_, '_>, run: &Run) -> Option<Found> {
    let groupings: &[Grouping] = groupings![[2, 11], [2, 3, 4, 4], [5, 4, 4]];
    let end = run.end(13);
    let fits =
        run.whole(13, groupings) && allocated(run.value(2, 5)) && !is(site.view.byte(end), ALNUM);
    (fits && !site.negative() && !site.part_of_number(end))
        .then(|| site.hit(Entity::CnMobile, end, MEDIUM))
        .flatten()
}

/// Thirteen digits of a machine's card; a timestamp looks the same, so the cue is needed.
fn iot(site: &Site<'_, '_>, run: &Run) -> Option<Found> {
    let fits = matches!(run.value(0, 3), 140 | 141 | 144 | 146 | 148 | 149)
        && run.whole(13, groupings![[3, 5, 5]]);
    let end = run.end(13);
    (fits && site.cued(Cue::Phone) && site.clean_right(end))
        .then(|| site.hit(Entity::CnMobile, end, WEAK))
        .flatten()
}

/// Length of the area code: 3 or 4 digits, 0 if there is none.
fn area(run: &Run, from: usize) -> usize {
    let (a, b) = (run.digit(from), run.digit(from + 1));
    match (a, b) {
        (1, 0) => 2,
        (2, 0..=5 | 7..=9) => 2,
        (3..=9, 0..=9) => 3,
        _ => 0,
    }
}

/// A mainland landline with area code, and its extension.
pub(super) fn landline(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    // `+86 10 …`
    if let Some(national) = after_country(view, site.at) {
        let run = Run::read(view, national, false)?;
        let from = usize::from(run.digit(0) == 0);
        let area = area(&run, from);
        return subscriber(site, &run, from, area, true);
    }
    let c = view.char(site.at);
    if matches!(c, '(' | '（') {
        return bracketed(site, site.at + c.len_utf8());
    }
    let run = site.run()?;
    if run.digit(0) != 0 || run.len() < 10 {
        return None;
    }
    let area = area(run, 1);
    // Digits in one row could be anything.
    let separated = run.gap(area) != 0 && !matches!(run.gap(area), 3 | 7);
    let sure = separated || site.cued(Cue::Phone);
    if !sure || site.negative() || site.part_of_number(run.end(10)) && !separated {
        return None;
    }
    subscriber(site, run, 1, area, separated)
}

fn bracketed(site: &Site<'_, '_>, at: usize) -> Option<Found> {
    let view = site.view;
    let run = Run::read(view, at, false)?;
    let area = area(&run, 1);
    let closed = matches!(view.char(run.end(area + 1)), ')' | '）');
    if run.digit(0) != 0 || !closed {
        return None;
    }
    subscriber(site, &run, 1, area, true)
}

/// The subscriber's seven or eight digits behind `from + area` digits.
fn subscriber(
    site: &Site<'_, '_>,
    run: &Run,
    from: usize,
    area: usize,
    separated: bool,
) -> Option<Found> {
    if area == 0 {
        return None;
    }
    let head = from + area;
    let lengths: &[usize] = if area == 2 { &[8] } else { &[8, 7] };
    for &len in lengths {
        let k = head + len;
        if !run.ends(k) || !(2..=8).contains(&run.digit(head)) {
            continue;
        }
        // Gaps stand behind the area code and in the middle of the number only.
        let inner = (head + 1..k).filter(|&i| run.gap(i - 1) != 0).count();
        let even = inner == 0
            || inner == 1 && run.gap(k - 5) != 0
            || inner == len - 1
            || inner == 3 && len == 8;
        if !even && separated || is(site.view.byte(run.end(k)), LOWER | UPPER) {
            continue;
        }
        let end = extension(site.view, run.end(k));
        return site.hit(Entity::CnLandline, end, MEDIUM);
    }
    None
}

/// `-123`, `转123`, `ext. 123` behind a landline.
fn extension(view: &View<'_>, end: usize) -> usize {
    let mut at = view.blanks(end, 1);
    if view.byte(end) == b'-' {
        at = end + 1;
    } else if view.starts(at, "转") {
        at = view.blanks(at + 3, 1);
        if view.starts(at, "分机") {
            at = view.blanks(at + 6, 1);
        }
    } else if view.starts(at, "分机") {
        at = view.blanks(at + 6, 1);
        if view.starts(at, "号") {
            at += 3;
        }
        if view.starts(at, "：") {
            at += 3;
        }
    } else if view.starts_fold(at, "ext") {
        at += 3;
        if view.byte(at) == b'.' {
            at += 1;
        }
        at = view.blanks(at, 1);
    } else {
        return end;
    }
    let to = view.run(at, DIGIT, 7);
    if (1..=6).contains(&(to - at)) && !is(view.byte(to), ALNUM) {
        to
    } else {
        end
    }
}

/// How many digits may follow each country code. ITU-T E.164 and the numbering plans of larger countries.
fn lengths(code: u32) -> Option<(usize, usize)> {
    Some(match code {
        1 | 7 => (10, 10),
        20
        | 27
        | 30..=34
        | 36
        | 39..=41
        | 43
        | 45..=49
        | 51..=58
        | 60..=66
        | 81
        | 82
        | 84
        | 90..=95
        | 98 => match code {
            44 => (9, 11),
            45 | 47 | 65 => (8, 8),
            31 | 32 | 33 | 34 | 41 | 61 => (9, 10),
            91 | 52 | 90 | 98 | 57 => (10, 11),
            49 | 43 | 39 => (6, 13),
            62 => (8, 12),
            81 | 82 => (9, 11),
            _ => (7, 11),
        },
        44 => (9, 11),
        852 | 853 => (8, 8),
        886 => (8, 10),
        212..=299
        | 350..=389
        | 420..=423
        | 500..=509
        | 590..=599
        | 670..=692
        | 850
        | 855
        | 856
        | 880
        | 960..=998 => (6, 12),
        _ => return None,
    })
}

/// `+` and a foreign country code.
pub(super) fn international(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let mut at = site.at;
    let c = view.char(at);
    if matches!(c, '(' | '（') {
        at += c.len_utf8();
    }
    if view.byte(at) != b'+' || is(view.before(site.at), DIGIT) {
        return None;
    }
    at += 1;
    if matches!(view.byte(at), b'(') {
        at += 1;
    }
    let run = Run::read(view, at, false)?;
    if run.overlong || run.len() < 8 {
        return None;
    }
    let (code_len, (min, max)) = [1, 2, 3]
        .into_iter()
        .find_map(|n| lengths(run.value(0, n)).map(|range| (n, range)))?;
    if run.digit(0) == 8 && run.digit(1) == 6 {
        return None;
    }
    let k = (code_len + min..=code_len + max)
        .rev()
        .find(|&k| (8..=15).contains(&k) && run.ends(k))?;
    let end = run.end(k);
    // `(+852) …`: the bracket belongs to the number only if it closes inside.
    if at > site.at + 1 && !matches!(view.char(run.end(code_len)), ')' | '）') {
        return None;
    }
    let plausible = !is(view.byte(end), LOWER | UPPER)
        && !(view.byte(end) == b'.' && is(view.byte(end + 1), DIGIT))
        && run.digit(code_len) <= 9
        && !(run.digit(0) == 1 && (run.digit(1) < 2));
    plausible
        .then(|| site.hit(Entity::PhoneIntl, end, MEDIUM))
        .flatten()
}
