//! Numbers that only the word beside them makes personal: social security, medical, student, employee, WeChat, QQ;
//! and the military form, which is distinctive by itself.

use crate::scan::cue::{Cue, cues_in};
use crate::scan::entity::Entity;
use crate::scan::run::{Grouping, Run, groupings};
use crate::scan::site::{Found, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{ALNUM, DASH, DIGIT, LOWER, UNDER, UPPER, is};

/// Letters and digits of the longest value without a separator.
const LONGEST: usize = 20;

/// Bytes of the longest value, separators and what makes it none among them.
const READ: usize = 40;

/// The value: letters and digits, with `-` and `_` for some.
fn value(site: &Site<'_, '_>, extra: u8) -> usize {
    site.word(extra, READ)
}

/// A number whose type its cue tells.
pub(super) fn keyed(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if !is(view.byte(site.at), ALNUM) {
        // A row of Chinese numerals.
        let run = site.run()?;
        return spaced(site, run);
    }
    // `QQ123456`: digits may hang on their cue.
    if is(view.before(site.at), DIGIT)
        || is(view.before(site.at), LOWER | UPPER) && !is(view.byte(site.at), DIGIT)
    {
        return None;
    }
    if view.byte(site.at) | 0x20 == b'w' && view.starts_fold(site.at, "wxid_") {
        let end = view.run(site.at + 5, ALNUM, 23);
        return ((12..=22).contains(&(end - site.at - 5)))
            .then(|| site.hit(Entity::WechatId, end, STRONG))
            .flatten();
    }
    // The longest value of any type has 20.
    if site.word(0, LONGEST + 1) > site.at + LONGEST {
        return None;
    }
    // Cheapest first: a value has digits, or a sign leads to it.
    let end = value(site, DASH | UNDER);
    let n = end - site.at;
    if n < 5 {
        return None;
    }
    let bytes = view.slice(site.at, end).as_bytes();
    let digit = bytes.iter().position(|&b| is(b, DIGIT));
    if digit.is_none() && !((6..=LONGEST).contains(&n) && behind_colon(site))
        || digit != Some(0) && !shape_fits(site, end)
    {
        return None;
    }
    // Digits of which no value is made, in a row or in groups, need no cue looked for.
    if digit == Some(0)
        && !(5..=14).contains(&(value(site, 0) - site.at))
        && !site.run().is_some_and(|run| grouped(site, run))
    {
        return None;
    }
    if site.best().is_some() {
        let digits = if digit == Some(0) { site.run() } else { None };
        let longest = digits.map_or(end, |run| end.max(run.end(run.len())));
        if site.beaten(longest, WEAK) {
            return None;
        }
    }
    // `或者QQ123456`: the value is what hangs on the cue.
    if let Some(letters @ 1..=12) = digit
        && let Some(head) = bytes.get(..letters)
        && head.iter().all(|&b| is(b, LOWER | UPPER))
    {
        let own = cues_in(view.slice(site.at, site.at + letters));
        if !own.none() && !own.is(Cue::Wechat) {
            return None;
        }
    }
    // A cue must end right before the value, but for a few filling words.
    let (entity, end) = shaped(site)?;
    if is(view.byte(end), ALNUM)
        || view.byte(end) == b'.' && is(view.byte(end + 1), ALNUM)
        || view.byte(end) == b'@'
    {
        return None;
    }
    site.hit(entity, end, WEAK)
}

/// Whether what begins with a letter and goes on to `end`, `-` and `_` included, may be a value: it is no longer than
/// those of WeChat, or it is so without these signs and no longer than the others; and it is no part of an address.
fn shape_fits(site: &Site<'_, '_>, end: usize) -> bool {
    let word = value(site, 0);
    let fits = |end: usize, longest: usize| {
        (6..=longest).contains(&(end - site.at)) && site.view.byte(end) != b'@'
    };
    fits(end, LONGEST) || word < end && fits(word, 15)
}

const CLASSES: &[(Cue, Entity)] = &[
    (Cue::Social, Entity::CnSocialSecurity),
    (Cue::MedicalInsurance, Entity::MedicalInsuranceNo),
    (Cue::MedicalRecord, Entity::MedicalRecordNo),
    (Cue::Wechat, Entity::WechatId),
    (Cue::Qq, Entity::QqId),
    (Cue::Student, Entity::StudentId),
    (Cue::Employee, Entity::EmployeeId),
];

fn kind(site: &Site<'_, '_>) -> Option<Entity> {
    let near = site.cues();
    let (cues, leads) = if near.none() {
        (site.column(), true)
    } else {
        (near, false)
    };
    CLASSES
        .iter()
        .find(|(cue, _)| cues.is(*cue) && (leads || cues.leads(*cue)))
        .map(|&(_, entity)| entity)
}

fn shaped(site: &Site<'_, '_>) -> Option<(Entity, usize)> {
    let entity = kind(site)?;
    let view = site.view;
    if let Some(run) = site.run()
        && run.group() < run.len()
        && let Some(found) = spaced(site, run)
    {
        return Some((entity, found.end));
    }
    let extra = if entity == Entity::WechatId {
        DASH | UNDER
    } else {
        0
    };
    let end = value(site, extra);
    let text = view.slice(site.at, end);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().take_while(|&b| is(b, LOWER | UPPER)).count();
    let tail = letters + digits == text.len();
    let fits = match entity {
        Entity::CnSocialSecurity => {
            digits == text.len() && (9..=10).contains(&digits)
                || letters == 1 && digits == 8 && tail
        }
        Entity::MedicalInsuranceNo => (8..=13).contains(&text.len()) && digits >= 4,
        Entity::MedicalRecordNo => letters <= 3 && tail && (6..=12).contains(&digits),
        Entity::WechatId => {
            (6..=20).contains(&text.len())
                && letters >= 1
                && (digits > 0 || text.contains(['_', '-']) || behind_colon(site))
                && !text.ends_with('-')
        }
        Entity::QqId => {
            digits == text.len() && (5..=11).contains(&digits) && !text.starts_with('0')
        }
        Entity::StudentId | Entity::EmployeeId => {
            letters <= 4
                && tail
                && (4..=14).contains(&digits)
                && text.len() >= 5
                && (6..=14).contains(&text.len())
        }
        _ => false,
    };
    fits.then_some((entity, end))
}

/// Whether a colon or an equals sign leads to the value: `微信：zhangsan`.
fn behind_colon(site: &Site<'_, '_>) -> bool {
    let behind = site.view.behind(site.at, 8);
    let signs = behind.bytes().rev();
    let n = signs
        .take_while(|b| matches!(b, b' ' | b'"' | b'\''))
        .count();
    let behind = behind.get(..behind.len() - n).unwrap_or("");
    match behind.as_bytes() {
        [.., b':' | b'='] => true,
        [.., 0x80..=0xFF] => behind.ends_with(['：', '是', '为', '号']),
        _ => false,
    }
}

/// Digits with separators between them, or Chinese numerals.
fn spaced(site: &Site<'_, '_>, run: &Run) -> Option<Found> {
    let entity = kind(site)?;
    let lengths: &[usize] = match entity {
        Entity::CnSocialSecurity => &[10, 9],
        Entity::MedicalInsuranceNo => &[13, 12, 11, 10, 9, 8],
        Entity::MedicalRecordNo => &[12, 11, 10, 9, 8, 7, 6],
        Entity::QqId => &[11, 10, 9, 8, 7, 6, 5],
        Entity::StudentId | Entity::EmployeeId => &[14, 13, 12, 11, 10, 9, 8, 7, 6],
        _ => return None,
    };
    let k = run.len();
    (lengths.contains(&k) && grouped(site, run))
        .then(|| site.hit(entity, run.end(k), WEAK))
        .flatten()
}

/// Whether the digits of a run are written as the groups of one number.
fn grouped(site: &Site<'_, '_>, run: &Run) -> bool {
    let k = run.len();
    let kept = [b' ', b'-', b'.', b'_'];
    let text = site.view.slice(site.at, run.end(k));
    let only = || {
        text.bytes()
            .all(|b| is(b, DIGIT) || kept.contains(&b) || b >= 0x80)
    };
    !run.overlong
        && run.whole(k, GROUPS)
        && only()
        && !is(site.view.byte(run.end(k)), ALNUM | UNDER)
}

/// How such numbers are grouped.
const GROUPS: &[Grouping] = groupings![
    [3, 3, 3],
    [3, 3, 4],
    [4, 4],
    [4, 4, 2],
    [4, 4, 4],
    [3, 4],
    [3, 4, 4],
    [3, 3],
    [4, 2, 4],
];

/// `军字第123456号`.
pub(super) fn military(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let first = view.char(site.at);
    let mut at = site.at + first.len_utf8();
    // `南字第…`, `后勤字第…` have one or two characters before 字.
    if !view.starts(at, "字") {
        return None;
    }
    at += "字".len();
    if view.starts(at, "第") {
        at += "第".len();
    } else {
        return None;
    }
    let at = view.blanks(at, 1);
    let run = Run::read(view, at, true)?;
    let k = run.len();
    let end = view.blanks(run.end(k), 1);
    ((6..=8).contains(&k) && view.starts(end, "号"))
        .then(|| site.hit(Entity::CnMilitaryId, end + "号".len(), MEDIUM))
        .flatten()
}
