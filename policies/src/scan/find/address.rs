//! Chinese postal addresses, by their hierarchy.
//!
//! Fires on two administrative levels, or one and a road with a number, and a door; a cue may stand for the door.
//! Delay in a stream: from the first administrative word on, while levels go on.

use std::cell::OnceCell;
use std::sync::LazyLock;

use super::address_words::{Level, continues, level_at};
use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::run::numeral;
use crate::scan::site::{Found, MEDIUM, Site};
use crate::scan::view::{ALNUM, DASH, DIGIT, LOWER, UPPER, View, is, is_han};

/// Characters of an address that are read at most.
const CHARS_MAX: usize = 70;
/// Characters between two levels.
const STEP_MAX: usize = 12;

const CUES: &[&str] = &[
    "地址",
    "住址",
    "收货",
    "寄到",
    "户籍",
    "现住",
    "住在",
    "家住",
    "寄往",
    "送到",
    "位于",
    "居住地",
    "住所",
    "户籍地",
    "家庭住址",
    "收货地址",
    "通讯地址",
    "详细地址",
    "联系地址",
    "邮寄",
    "寄至",
    "送至",
    "发往",
    "收件",
    "搬到",
    "办公地点",
    "地点",
    "注册地",
    "所在地",
    "籍贯",
    "我家在",
    "address",
    "addr",
    "地址为",
    "地址是",
    "寄送",
    "上门",
    "家在",
    "住于",
];

fn cued(view: &View<'_>, at: usize) -> bool {
    let behind = view.behind(at, 36);
    let behind = behind.rsplit('\n').next().unwrap_or(behind);
    let lower = behind.to_ascii_lowercase();
    let trimmed = lower.trim_end_matches([
        ' ', ':', '：', '"', '\'', '=', '是', '为', '在', '(', '（', '】', '*', '\t', '|', '到',
        '至',
    ]);
    let ends = |text: &str, cue: &str| {
        // Most end otherwise, which their last bytes tell.
        text.as_bytes().last() == cue.as_bytes().last() && text.ends_with(cue)
    };
    CUES.iter()
        .any(|cue| ends(trimmed, cue) || ends(&lower, cue))
        || cued_near(&lower)
}

/// Whether a longer cue stands near the end, and in the same clause, where it stands first.
fn cued_near(lower: &str) -> bool {
    let mut seen = 0u64;
    for (i, c) in lower.char_indices() {
        let rest = lower.get(i..).unwrap_or("");
        let words = match c {
            'a' => LATIN_CUE,
            _ => CUES_BY_FIRST.of(c),
        };
        for &(n, cue) in words {
            if seen >> n & 1 == 1 || !rest.starts_with(cue) {
                continue;
            }
            seen |= 1 << n;
            if rest.len() <= cue.len() + 12 && !rest.contains(['。', '，', ',', ';', '；']) {
                return true;
            }
        }
    }
    false
}

/// The longer cue in Latin letters, and a number that none of the others has.
const LATIN_CUE: &[(usize, &str)] = &[(63, "address")];

/// The longer cues by their first character, each with its number.
static CUES_BY_FIRST: LazyLock<han::Index<(usize, &'static str)>> = LazyLock::new(|| {
    let longer = CUES.iter().enumerate().filter(|(_, cue)| cue.len() >= 6);
    han::Index::new(longer.filter_map(|(n, &cue)| Some((cue.chars().next()?, (n, cue)))))
});

/// What was read of an address so far.
#[derive(Default)]
struct Reading {
    admin: usize,
    road: bool,
    road_number: bool,
    places: usize,
    doors: usize,
    /// Where the last level of any kind, and the last door, end.
    level_end: usize,
    door_end: usize,
    first_level: usize,
}

/// A Chinese address.
pub(super) fn chinese(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let reading = read(view, site.at)?;
    let known = OnceCell::new();
    let cue = || {
        *known.get_or_init(|| {
            cued(view, site.at)
                || crate::scan::cue::cues_of_column(view, site.at)
                    .is(crate::scan::cue::Cue::Address)
        })
    };
    let levels = reading.admin >= 2
        || reading.admin >= 1 && reading.road_number
        || reading.admin >= 1 && reading.places >= 1 && reading.doors >= 1;
    let fits = levels && reading.doors >= 1
        || reading.road_number && (reading.doors >= 2 || cue())
        || reading.places >= 1 && reading.doors >= 2 && (cue() || reading.doors >= 3)
        || reading.admin >= 1 && reading.doors >= 1 && cue()
        || reading.admin >= 2
            && (reading.road || reading.places >= 1 || reading.admin >= 3)
            && cue()
        || reading.places >= 1 && reading.doors >= 1 && cue();
    if !fits || CUES.iter().any(|word| view.starts(site.at, word)) {
        return None;
    }
    let end = if reading.doors > 0 {
        reading
            .door_end
            .max(if cue() { reading.door_end } else { 0 })
    } else {
        reading.level_end
    };
    (end > site.at)
        .then(|| site.hit(Entity::Address, end, MEDIUM))
        .flatten()
}

fn is_number(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || numeral(c).is_some()
        || matches!(c, '十' | '百' | '甲' | '乙' | '丙' | '丁')
}

/// Reads level by level; `None` as soon as no address can begin here.
fn read(view: &View<'_>, from: usize) -> Option<Reading> {
    let mut at = from;
    let mut since = 0usize;
    let mut reading = Reading::default();
    let known = known_place(view, from, &mut reading);
    at += known;
    // In the middle of a row of characters only a known place begins one.
    let before = view.char_before(from);
    let inside = is_han(before) && !han::has(before, han::OPENS);
    if known == 0 && (inside || !promising(view, from)) {
        return None;
    }
    let mut chars = 0;
    let mut number = false;
    let mut named = 0usize;
    while chars < CHARS_MAX && since <= STEP_MAX {
        if reading.first_level == 0 && chars > 9 {
            return None;
        }
        let c = view.char(at);
        // What leads to an address is no part of it: a later place begins it.
        if reading.first_level == 0 && (han::has(c, han::LEAD) || at > from && is_place(view, at)) {
            return None;
        }
        if let Some((word, level)) = level_at(view, at)
            && counts(level, word, number, named, reading.first_level > 0)
            && !(level == Level::Door && ordinal(view, at))
            && !continues(view, at, word)
        {
            at += word.len();
            chars += word.chars().count();
            since = 0;
            step(&mut reading, level, at, word);
            number = false;
            named = 0;
            continue;
        }
        if is_number(c) {
            number = true;
        } else if is_han(c) {
            number = false;
            if han::has(c, han::BREAK) {
                break;
            }
        } else if matches!(c, '-' | '#' | '—') && (number || c == '#') {
            // 3-2-501 and 8#.
            if c == '#' {
                at += 1;
                step(&mut reading, Level::Door, at, "号");
                number = false;
                since = 0;
                continue;
            }
        } else if reading.first_level > 0 && since < 6 && joins(view, at, c) {
            number = false;
            named = 0;
        } else {
            break;
        }
        at += c.len_utf8();
        chars += 1;
        since += 1;
        named += 1;
    }
    trailing_number(view, &mut reading);
    (reading.first_level > 0).then_some(reading)
}

/// Whether a sign only stands between two parts.
fn joins(view: &View<'_>, at: usize, sign: char) -> bool {
    let next = view.char(at + sign.len_utf8());
    matches!(sign, ' ' | '·' | '（' | '(' | '）' | ')' | '\u{3001}')
        && (is_han(next) || is_number(next))
}

/// Whether the word ends a level here, after `named` characters and perhaps a number.
fn counts(level: Level, word: &str, number: bool, named: usize, begun: bool) -> bool {
    match level {
        Level::Door => number,
        Level::Admin => named >= 1 && (!number || word != "区"),
        Level::Road => named >= 1,
        Level::Place => named >= 1 && (begun || word.len() > 3),
    }
}

/// Past a known place, which needs no suffix (北京朝阳区), and a second one (广东深圳南山区).
fn known_place(view: &View<'_>, from: usize, reading: &mut Reading) -> usize {
    const SUFFIXES: [&str; 9] = [
        "省",
        "市",
        "自治区",
        "壮族自治区",
        "回族自治区",
        "维吾尔自治区",
        "特别行政区",
        "州",
        "地区",
    ];
    let place_at = |at: usize| {
        let first = view.char(at);
        let places = if han::has(first, han::PLACE) {
            han::places(first)
        } else {
            &[]
        };
        places.iter().find(|place| view.starts(at, place))
    };
    let Some(place) = place_at(from) else {
        return 0;
    };
    let mut at = from + place.len();
    at += SUFFIXES
        .iter()
        .find(|suffix| view.starts(at, suffix))
        .map_or(0, |suffix| suffix.len());
    reading.admin = 1;
    reading.first_level = at;
    if let Some(place) = place_at(at) {
        at += place.len();
        if view.starts(at, "市") {
            at += "市".len();
        }
        reading.admin += 1;
    }
    reading.level_end = at;
    at - from
}

/// Whether a level's word begins within a few characters: cheap, since most rows of characters are none.
fn promising(view: &View<'_>, from: usize) -> bool {
    let mut at = from;
    for _ in 0..10 {
        let c = view.char(at);
        if at > from
            && let Some((word, level)) = level_at(view, at)
            && (matches!(level, Level::Admin | Level::Road)
                || level == Level::Place && word.len() > 3)
        {
            return true;
        }
        if han::has(c, han::BREAK | han::LEAD) || !is_han(c) && !is_number(c) {
            return false;
        }
        at += c.len_utf8();
    }
    false
}

fn is_place(view: &View<'_>, at: usize) -> bool {
    let c = view.char(at);
    han::has(c, han::PLACE) && han::places(c).iter().any(|place| view.starts(at, place))
}

fn step(reading: &mut Reading, level: Level, end: usize, word: &str) {
    match level {
        Level::Admin => reading.admin += 1,
        Level::Road => reading.road = true,
        Level::Place => reading.places += 1,
        Level::Door => {
            reading.doors += 1;
            reading.door_end = end;
            if reading.road && word.starts_with(['号', '號']) || reading.road && word == "弄" {
                reading.road_number = true;
            }
        }
    }
    reading.level_end = end;
    if reading.first_level == 0 {
        reading.first_level = end;
    }
}

/// 第3号, 5号线: numbers of other things.
fn ordinal(view: &View<'_>, at: usize) -> bool {
    let behind = view
        .behind(at, 12)
        .trim_end_matches(|c| is_number(c) || c == '-');
    behind.ends_with('第')
}

/// `…3单元502`, `…2栋1201`, `3-2-501`: a number behind the last door.
fn trailing_number(view: &View<'_>, reading: &mut Reading) {
    let from = reading.level_end;
    if from == 0 || reading.doors == 0 && reading.places == 0 && !reading.road {
        return;
    }
    let end = view.run(from, ALNUM | DASH, 16);
    let mut end = end;
    while end > from && view.before(end) == b'-' {
        end -= 1;
    }
    let text = view.slice(from, end);
    let digits = text.bytes().filter(|&b| is(b, DIGIT)).count();
    let plausible = (2..=10).contains(&text.len())
        && (2..=8).contains(&digits)
        && text.bytes().filter(|&b| is(b, LOWER | UPPER)).count() <= 1;
    let groups_small = text.split('-').all(|g| g.len() <= 5 && !g.is_empty());
    if plausible && groups_small && (reading.doors > 0 || text.contains('-') || digits >= 3) {
        reading.doors += 1;
        reading.door_end = end;
        reading.level_end = end;
    }
}
