//! Devices and places: IMEI and coordinates.
//!
//! An IMEI needs its cue or a plausible type allocation, coordinates a cue or a pair of four decimals.

use super::checks;
use crate::scan::cue::Cue;
use crate::scan::entity::Entity;
use crate::scan::run::{Grouping, groupings};
use crate::scan::site::{Found, MEDIUM, STRONG, Site};
use crate::scan::view::{ALNUM, DIGIT, View, is};

/// An IMEI: 15 digits with Luhn.
pub(super) fn imei(site: &Site<'_, '_>) -> Option<Found> {
    let run = site.run()?;
    let groups: &[Grouping] = groupings![
        [2, 6, 6, 1],
        [6, 2, 6, 1],
        [8, 6, 1],
        [5, 5, 5],
        [3, 3, 3, 3, 3],
        [8, 7],
        [4, 4, 4, 3],
        [6, 6, 3],
    ];
    if !run.whole(15, groups) || !checks::luhn(run.first(15)) || !site.clean_right(run.end(15)) {
        return None;
    }
    let end = run.end(15);
    if site.cued(Cue::Imei) || site.cued_behind(end, Cue::Imei) {
        return site.hit(Entity::Imei, end, STRONG);
    }
    // Type allocation codes of the reporting bodies that are in use.
    let allocated = matches!(run.value(0, 2), 35 | 86) && run.group() == 15;
    let alone = !site.cues().contrary(&[Cue::Ip, Cue::Mac, Cue::Gps])
        && site.column().none()
        && !site.part_of_number(end)
        && site.clean_left();
    (allocated && alone)
        .then(|| site.hit(Entity::Imei, end, MEDIUM))
        .flatten()
}

/// A decimal at `at`: its end, whole part and count of decimals.
fn decimal(view: &View<'_>, at: usize) -> Option<(usize, bool, u32, usize)> {
    let negative = view.byte(at) == b'-';
    let from = at + usize::from(negative);
    let dot = view.run(from, DIGIT, 4);
    if !(1..=3).contains(&(dot - from)) || view.byte(dot) != b'.' {
        return None;
    }
    let end = view.run(dot + 1, DIGIT, 16);
    let whole = view
        .slice(from, dot)
        .bytes()
        .fold(0u32, |v, b| v * 10 + u32::from(b - b'0'));
    let decimals = end - dot - 1;
    (1..=15)
        .contains(&decimals)
        .then_some((end, negative, whole, decimals))
}

/// `°`, `N`, `北纬` and the like behind a number.
fn unit(view: &View<'_>, end: usize) -> usize {
    let mut at = end;
    if view.starts(at, "°") {
        at += 2;
    }
    let letter = view.blanks(at, 1);
    if matches!(view.byte(letter), b'N' | b'S' | b'E' | b'W') && !is(view.byte(letter + 1), ALNUM) {
        at = letter + 1;
    }
    at
}

/// A latitude and a longitude, or one of them behind its name.
pub(super) fn gps(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let before = view.before(site.at);
    if is(before, ALNUM) || before == b'.' {
        return None;
    }
    let (end, _, whole, decimals) = decimal(view, site.at)?;
    if decimals < 4
        || whole > 180
        || is(view.byte(end), ALNUM) && !matches!(view.byte(end), b'N' | b'S' | b'E' | b'W')
        || view.byte(end) == b'.' && is(view.byte(end + 1), DIGIT)
    {
        return None;
    }
    let first_end = unit(view, end);
    let cued = site.cued(Cue::Gps) || hemisphere(site);
    if let Some(second) = second_of_pair(view, first_end)
        && let Some((end, _, other, decimals)) = decimal(view, second)
        && decimals >= 4
        && other <= 180
        && (whole <= 90 || other <= 90)
        && !is(view.byte(end), DIGIT)
    {
        let end = unit(view, end);
        // A third number makes it a row of numbers.
        let more = second_of_pair(view, end).is_some_and(|at| decimal(view, at).is_some());
        let marked =
            first_end > end - 1 || view.slice(site.at, end).contains(['°', 'N', 'E', 'W', 'S']);
        let plausible = whole.max(other) >= 20
            && !site.cues().other()
            && before != b'['
            && !matches!(before, b'$');
        if cued
            || marked
            || plausible && !more && before != b' '
            || plausible && !more && decimals >= 4 && brackets(site)
        {
            return site.hit(Entity::GpsCoord, end, MEDIUM);
        }
        return None;
    }
    (cued && !site.negative())
        .then(|| site.hit(Entity::GpsCoord, first_end, MEDIUM))
        .flatten()
}

fn hemisphere(site: &Site<'_, '_>) -> bool {
    let behind = site.view.behind(site.at, 12);
    ["北纬", "东经", "南纬", "西经", "N", "E", "W", "S"]
        .iter()
        .any(|word| {
            behind
                .trim_end_matches([' ', '：', ':', '°'])
                .ends_with(word)
        })
        && behind
            .chars()
            .next_back()
            .is_some_and(|c| !c.is_ascii_alphabetic() || behind.trim_end().len() == behind.len())
}

fn brackets(site: &Site<'_, '_>) -> bool {
    matches!(site.view.char_before(site.at), '(' | '（' | ' ')
}

/// Where the second number begins: behind one separator.
fn second_of_pair(view: &View<'_>, end: usize) -> Option<usize> {
    let at = view.blanks(end, 1);
    let c = view.char(at);
    let at = if matches!(c, ',' | '，' | '/' | ';' | '、') {
        view.blanks(at + c.len_utf8(), 1)
    } else {
        at
    };
    let digits = if view.byte(at) == b'-' { at + 1 } else { at };
    (at > end && is(view.byte(digits), DIGIT)).then_some(at)
}
