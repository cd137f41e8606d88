//! Chinese postal addresses, by their hierarchy.
//!
//! Fires on two administrative levels, or one and a road with a number, and a door; a cue may stand for the door.
//! Delay in a stream: from the first administrative word on, while levels go on.

use std::cell::OnceCell;
use std::sync::LazyLock;

use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::run::numeral;
use crate::scan::site::{Found, MEDIUM, Site};
use crate::scan::view::{ALNUM, DIGIT, LOWER, UPPER, View, is, is_han};

/// Characters of an address that are read at most.
const CHARS_MAX: usize = 70;
/// Characters between two levels.
const STEP_MAX: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// 省 市 区 县 镇 乡 街道 村
    Admin,
    /// 路 街 道 巷 胡同
    Road,
    /// 小区 大厦 花园
    Place,
    /// 号 栋 单元 室, behind a number
    Door,
}

/// Words that end a level, longest first among those that end alike.
const LEVELS: &[(&str, Level)] = &[
    ("自治区", Level::Admin),
    ("特别行政区", Level::Admin),
    ("自治州", Level::Admin),
    ("自治县", Level::Admin),
    ("开发区", Level::Admin),
    ("街道", Level::Admin),
    ("新区", Level::Admin),
    ("省", Level::Admin),
    ("市", Level::Admin),
    ("州", Level::Admin),
    ("盟", Level::Admin),
    ("区", Level::Admin),
    ("县", Level::Admin),
    ("旗", Level::Admin),
    ("镇", Level::Admin),
    ("乡", Level::Admin),
    ("村", Level::Admin),
    ("大道", Level::Road),
    ("胡同", Level::Road),
    ("路", Level::Road),
    ("街", Level::Road),
    ("道", Level::Road),
    ("巷", Level::Road),
    ("弄", Level::Door),
    ("里", Level::Place),
    ("小区", Level::Place),
    ("大厦", Level::Place),
    ("广场", Level::Place),
    ("花园", Level::Place),
    ("公寓", Level::Place),
    ("家园", Level::Place),
    ("中心", Level::Place),
    ("新村", Level::Place),
    ("苑", Level::Place),
    ("园", Level::Place),
    ("城", Level::Place),
    ("府", Level::Place),
    ("庭", Level::Place),
    ("湾", Level::Place),
    ("楼", Level::Door),
    ("号楼", Level::Door),
    ("号院", Level::Door),
    ("号", Level::Door),
    ("栋", Level::Door),
    ("幢", Level::Door),
    ("座", Level::Door),
    ("单元", Level::Door),
    ("层", Level::Door),
    ("室", Level::Door),
    ("户", Level::Door),
    ("门", Level::Door),
    ("房", Level::Door),
    ("组", Level::Door),
    ("队", Level::Door),
    ("期", Level::Place),
    ("排", Level::Door),
    ("铺", Level::Door),
    ("学校", Level::Place),
    ("大学", Level::Place),
    ("医院", Level::Place),
    ("家属院", Level::Place),
    ("宿舍", Level::Place),
];

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

/// The levels by their first character, longest first.
static BY_FIRST: LazyLock<han::Index<(&'static str, Level)>> = LazyLock::new(|| {
    let mut words = LEVELS.to_vec();
    words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    han::Index::new(
        words
            .into_iter()
            .filter_map(|level| Some((level.0.chars().next()?, level))),
    )
});

/// What the table of characters must know of the words above.
pub(super) fn words() -> impl Iterator<Item = (char, u16)> {
    let levels = LEVELS
        .iter()
        .filter_map(|(word, _)| Some((word.chars().next()?, han::LEVEL)));
    // Doors, and places of one character, begin no address.
    let heads = LEVELS.iter().filter(|(word, level)| {
        matches!(level, Level::Admin | Level::Road) || *level == Level::Place && word.len() > 3
    });
    let bits = heads.flat_map(|(word, _)| {
        let mut chars = word.chars();
        match (chars.next(), chars.next()) {
            (Some(first), None) => [Some((first, han::LEVEL_ALONE)), None],
            (Some(first), Some(second)) => [
                Some((first, han::LEVEL_FIRST)),
                Some((second, han::LEVEL_SECOND)),
            ],
            _ => [None, None],
        }
    });
    levels
        .chain(bits.flatten())
        .chain(BREAKS.chars().map(|c| (c, han::BREAK)))
        .chain(LEADS.chars().map(|c| (c, han::LEAD)))
}

fn cued(view: &View<'_>, at: usize) -> bool {
    let behind = view.behind(at, 36);
    let behind = behind.rsplit('\n').next().unwrap_or(behind);
    let lower = behind.to_ascii_lowercase();
    let trimmed = lower.trim_end_matches([
        ' ', ':', '：', '"', '\'', '=', '是', '为', '在', '(', '（', '】', '*', '\t', '|', '到',
        '至',
    ]);
    CUES.iter()
        .any(|cue| trimmed.ends_with(cue) || lower.ends_with(cue))
        || CUES.iter().any(|cue| {
            cue.len() >= 6
                && lower.contains(cue)
                && lower.find(cue).is_some_and(|i| {
                    lower.len() - i <= cue.len() + 12
                        && !lower
                            .get(i..)
                            .unwrap_or("")
                            .contains(['。', '，', ',', ';', '；'])
                })
        })
}

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
    // A known place needs no suffix: 北京朝阳区.
    let first = view.char(from);
    let mut known = 0;
    let candidates = if han::has(first, han::PLACE) {
        han::places(first)
    } else {
        &[]
    };
    for place in candidates {
        if view.starts(from, place) {
            known = place.len();
            break;
        }
    }
    let mut reading = Reading::default();
    if known > 0 {
        at += known;
        let suffixed = [
            "省",
            "市",
            "自治区",
            "壮族自治区",
            "回族自治区",
            "维吾尔自治区",
            "特别行政区",
            "州",
            "地区",
        ]
        .iter()
        .find(|s| view.starts(at, s));
        at += suffixed.map_or(0, |s| s.len());
        reading.admin = 1;
        reading.level_end = at;
        reading.first_level = at;
    }
    // A second bare place: 广东深圳南山区.
    if known > 0 {
        for place in han::places(view.char(at)) {
            if view.starts(at, place) {
                at += place.len();
                if view.starts(at, "市") {
                    at += "市".len();
                }
                reading.admin += 1;
                reading.level_end = at;
                break;
            }
        }
    }
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
        if let Some((word, level)) = level_at(view, at) {
            let counts = match level {
                Level::Door => number,
                Level::Admin => named >= 1 && (!number || word != "区"),
                Level::Road => named >= 1,
                Level::Place => named >= 1 && (reading.first_level > 0 || word.len() > 3),
            };
            if counts && !(level == Level::Door && ordinal(view, at)) && !continues(view, at, word)
            {
                at += word.len();
                chars += word.chars().count();
                since = 0;
                step(&mut reading, level, at, word);
                number = false;
                named = 0;
                continue;
            }
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
        } else if matches!(c, ' ' | '·' | '（' | '(' | '）' | ')' | '\u{3001}')
            && since < 6
            && reading.first_level > 0
            && (is_han(view.char(at + c.len_utf8())) || is_number(view.char(at + c.len_utf8())))
        {
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

/// Characters that lead to an address.
const LEADS: &str = "在到住于往至址寄送为是从";

fn is_place(view: &View<'_>, at: usize) -> bool {
    let c = view.char(at);
    han::has(c, han::PLACE) && han::places(c).iter().any(|place| view.starts(at, place))
}

/// Characters that no address has.
const BREAKS: &str = "的了是我你他她们吗呢吧很请把被但而因就这那哪什怎说想";

fn step(reading: &mut Reading, level: Level, end: usize, word: &str) {
    match level {
        Level::Admin => reading.admin += 1,
        Level::Road => reading.road = true,
        Level::Place => reading.places += 1,
        Level::Door => {
            reading.doors += 1;
            reading.door_end = end;
            if reading.road && word.starts_with('号') || reading.road && word == "弄" {
                reading.road_number = true;
            }
        }
    }
    reading.level_end = end;
    if reading.first_level == 0 {
        reading.first_level = end;
    }
}

fn level_at(view: &View<'_>, at: usize) -> Option<(&'static str, Level)> {
    let c = view.char(at);
    if !han::has(c, han::LEVEL) {
        return None;
    }
    BY_FIRST
        .of(c)
        .iter()
        .find(|(word, _)| view.starts(at, word))
        .copied()
}

/// 第3号, 5号线: numbers of other things.
fn ordinal(view: &View<'_>, at: usize) -> bool {
    let behind = view
        .behind(at, 12)
        .trim_end_matches(|c| is_number(c) || c == '-');
    behind.ends_with('第')
}

/// Whether the level's word is the beginning of another word: 路演, 号线, 区别, 市场, 城市.
fn continues(view: &View<'_>, at: usize, word: &str) -> bool {
    let end = at + word.len();
    let after = view.char(end);
    match word {
        "路" => matches!(
            after,
            '演' | '由' | '线' | '径' | '况' | '过' | '灯' | '公' | '人' | '透' | '上'
        ),
        "号" => {
            matches!(after, '线' | '公' | '码' | '文' | '令' | '召' | '角' | '仓')
                && !view.starts(end, "公寓")
                && !view.starts(end, "公馆")
                && !view.starts(end, "仓库")
        }
        "市" => matches!(after, '场' | '值' | '民' | '委' | '政' | '面' | '级'),
        "区" => matches!(after, '别' | '间' | '块' | '域' | '分'),
        "道" => matches!(after, '理' | '德' | '歉' | '具' | '路' | '题' | '教'),
        "州" | "里" => matches!(after, '市' | '面' | '程' | '路' | '街' | '区'),
        "门" => matches!(
            after,
            '口' | '户' | '诊' | '店' | '票' | '市' | '头' | '街' | '路' | '区' | '卫' | '禁'
        ),
        "城" => matches!(
            after,
            '市' | '镇' | '区' | '乡' | '管' | '路' | '街' | '东' | '西' | '南' | '北' | '关'
        ),
        "园" => matches!(after, '区' | '林' | '路' | '丁'),
        "楼" => matches!(after, '市' | '盘' | '主' | '下' | '上' | '房' | '梯'),
        "房" => matches!(after, '子' | '价' | '产' | '租' | '间' | '屋' | '东'),
        "村" => matches!(after, '民' | '委' | '路'),
        "乡" | "镇" => matches!(after, '镇' | '村' | '政' | '长'),
        "层" => matches!(after, '面' | '次' | '级'),
        "组" => matches!(after, '织' | '合' | '成' | '长'),
        "期" => matches!(after, '间' | '限' | '待' | '望' | '货'),
        "队" => matches!(after, '伍' | '员' | '长'),
        "中心" => matches!(after, '区' | '路' | '城'),
        "街" => matches!(after, '区' | '道'),
        "户" => matches!(after, '籍' | '口' | '主' | '名'),
        "座" => matches!(after, '位' | '谈' | '机'),
        "省" => matches!(after, '钱' | '略' | '电' | '得' | '委'),
        "县" => matches!(after, '城' | '长' | '委'),
        _ => false,
    }
}

/// `…3单元502`, `…2栋1201`, `3-2-501`: a number behind the last door.
fn trailing_number(view: &View<'_>, reading: &mut Reading) {
    let from = reading.level_end;
    if from == 0 || reading.doors == 0 && reading.places == 0 && !reading.road {
        return;
    }
    let end = view.run_of(from, 16, |b| is(b, ALNUM) || b == b'-');
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
