//! Names known by a person's number within one separator: 张伟 13800138000.
//!
//! Knows no cue and no title. Asks the finders of numbers what stands behind.

use super::name_words::followed;
use super::{card, cn_id, phone};
use crate::scan::cue::{Cue, cues_in};
use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::site::{Found, Last, Site, WEAK};
use crate::scan::view::{DIGIT, View, is, is_han};

/// A name of two to four characters alone, one separator away from a person's number.
pub(super) fn beside_number(site: &Site<'_, '_>, before: char, compound: bool) -> Option<Found> {
    // 发给陈志强（手机：136…）: behind a word that leads to a person, as behind a border.
    if is_han(before) && before != '给' || before.is_ascii_alphanumeric() {
        return None;
    }
    let view = site.view;
    let (_, n, mut end) = site.han(site.at, 5);
    let surname = if compound { 2 } else { 1 };
    if n == 1 && view.char(end) == ' ' {
        return spaced(site, end);
    }
    let mut n = n;
    let mut labelled = false;
    if n >= surname + 2 {
        // 张伟电话138…: the label belongs to the number.
        let k = followed(view, site.at, n, surname, true);
        if k < n {
            n = k;
            end = (0..k).fold(site.at, |i, _| i + view.char(i).len_utf8());
            labelled = true;
        }
    }
    // 张伟收 138…
    if n >= surname + 2 && matches!(view.char_before(end), '收' | '启' | '寄') && !labelled {
        n -= 1;
        end -= '收'.len_utf8();
        labelled = true;
    }
    if n > surname + 2 || n < surname + 1 {
        return None;
    }
    let name = view.slice(site.at, end);
    if han::ordinary(name)
        || name.contains([
            '的', '了', '是', '号', '码', '机', '电', '话', '省', '市', '区', '县', '路', '行',
            '部', '局', '费', '元',
        ])
    {
        return None;
    }
    let near = |found: Option<Entity>| found.is_some_and(personal);
    // A number before, within one separator.
    let gap = view.slice(site.last.end, site.at);
    if site.last.end > 0
        && near(site.last.entity)
        && !gap.is_empty()
        && gap.chars().count() <= 2
        && gap.chars().all(separator)
        && !labelled
        && !name.starts_with('和')
    {
        return site.hit(Entity::PersonName, end, WEAK);
    }
    let at = number_behind(view, end, labelled)?;
    near(number_at(view, at))
        .then(|| site.hit(Entity::PersonName, end, WEAK))
        .flatten()
}

/// What number begins at `at`, of those that persons have.
fn number_at(view: &View<'_>, at: usize) -> Option<Entity> {
    let site = Site::new(view, at, Last::default());
    phone::mobile(&site)
        .or_else(|| cn_id::card(&site))
        .or_else(|| card::card(&site))
        .or_else(|| phone::landline(&site))
        .map(|found| found.entity)
}

/// 王 芳 138…: a name with blanks between its characters. `end` is where the surname's character ends.
fn spaced(site: &Site<'_, '_>, mut end: usize) -> Option<Found> {
    let view = site.view;
    let mut name = String::from(view.slice(site.at, end));
    for _ in 0..2 {
        let given = view.char(end + 1);
        let after = end + 1 + given.len_utf8();
        if view.char(end) != ' ' || !is_han(given) || is_han(view.char(after)) {
            break;
        }
        name.push(given);
        end = after;
    }
    if name.chars().count() < 2 || han::ordinary(&name) || name.contains(NOT_PERSONS) {
        return None;
    }
    let at = number_behind(view, end, false)?;
    number_at(view, at)
        .is_some_and(personal)
        .then(|| site.hit(Entity::PersonName, end, WEAK))
        .flatten()
}

/// What persons have: the name stands before 的 and one of these.
const OWNED: &[&str] = &[
    "电话",
    "手机",
    "联系",
    "身份证",
    "微信",
    "邮箱",
    "地址",
    "住址",
    "卡号",
    "银行卡",
    "护照",
    "账号",
    "工号",
    "学号",
    "工资卡",
    "社保",
    "医保",
    "证件",
    "病历",
    "车牌",
    "邮件",
];

/// 王伟的手机号是138…: a name before 的, a thing that persons have, and its number.
pub(super) fn owner(site: &Site<'_, '_>, before: char, compound: bool) -> Option<Found> {
    let view = site.view;
    if before.is_ascii_alphanumeric() {
        return None;
    }
    let surname = if compound { 2 } else { 1 };
    let mut end = site.at;
    let mut n = 0;
    let mut next = view.char(end);
    while n < surname + 2 && is_han(next) && next != '的' {
        end += next.len_utf8();
        n += 1;
        next = view.char(end);
    }
    if n < surname + 1 || next != '的' {
        return None;
    }
    let name = view.slice(site.at, end);
    let of = end + "的".len();
    if !OWNED.iter().any(|thing| view.starts(of, thing))
        || han::ordinary(name)
        || name.contains(NOT_PERSONS)
        || is_han(before) && han::is_word(&format!("{before}{}", view.char(site.at)))
    {
        return None;
    }
    // A number, an address or a code must follow soon.
    let mut at = of;
    for _ in 0..10 {
        let c = view.char(at);
        if c.is_ascii_alphanumeric() || c == '+' {
            return site.hit(Entity::PersonName, end, WEAK);
        }
        if !(is_han(c) || matches!(c, '：' | ':' | ' ' | '(' | '（')) {
            break;
        }
        at += c.len_utf8();
    }
    None
}

/// Characters of words for places and bodies.
const NOT_PERSONS: &[char] = &[
    '的', '了', '是', '号', '码', '机', '电', '话', '省', '市', '区', '县', '路', '行', '部', '局',
    '费', '元', '店', '司', '院', '校', '厂', '处', '室', '台', '站', '馆', '会', '公', '家', '人',
    '们', '个', '位', '方', '户', '员', '名', '在', '有',
];

/// Whether what was found before, within one separator, makes a name of a row of so many bytes: a person's number of a
/// short one, another name of any.
pub(crate) fn name_behind(found: Option<Entity>, row: usize) -> bool {
    // Two characters of a surname and two more, of three bytes each.
    const NAME: usize = 4 * 3;
    match found {
        Some(Entity::PersonName) => true,
        Some(entity) => row <= NAME && personal(entity),
        None => false,
    }
}

fn personal(entity: Entity) -> bool {
    matches!(
        entity,
        Entity::CnMobile
            | Entity::CnIdCard
            | Entity::BankCard
            | Entity::CnLandline
            | Entity::Address
            | Entity::CreditCard
            | Entity::CnHmtResidence
    )
}

fn separator(c: char) -> bool {
    matches!(
        c,
        ' ' | ','
            | '，'
            | '/'
            | '\t'
            | '\n'
            | '|'
            | ':'
            | '：'
            | '、'
            | ';'
            | '；'
            | '('
            | '（'
            | ')'
            | '）'
            | '-'
            | '_'
            | '\''
            | '"'
    )
}

/// Past `，男` where it stands between a name and the number.
fn past_sex(view: &View<'_>, end: usize) -> usize {
    let c = view.char(end);
    let at = end + c.len_utf8();
    if separator(c) && matches!(view.char(at), '男' | '女') && separator(view.char(at + 3)) {
        at + 3
    } else {
        end
    }
}

/// Where the number begins behind one separator, and perhaps a label (手机, 身份证号).
fn number_behind(view: &View<'_>, end: usize, labelled: bool) -> Option<usize> {
    let mut at = past_sex(view, end);
    // `李娜', '138…`
    for _ in 0..4 {
        let c = view.char(at);
        if !separator(c) {
            break;
        }
        at += c.len_utf8();
    }
    if view.starts(at, "收") || view.starts(at, "寄") {
        at += "收".len();
        at = view.blanks(at, 2);
        let c = view.char(at);
        if matches!(c, '，' | ',' | '：' | ':') {
            at += c.len_utf8();
        }
        at = view.blanks(at, 1);
    }
    if at == end && !labelled {
        return is(view.byte(at), DIGIT).then_some(at);
    }
    if is(view.byte(at), DIGIT) || view.byte(at) == b'+' {
        return Some(at);
    }
    let label = at;
    for _ in 0..7 {
        let c = view.char(at);
        if !is_han(c) {
            break;
        }
        at += c.len_utf8();
    }
    let cues = cues_in(view.slice(label, at));
    let known = cues.is(Cue::Phone) || cues.is(Cue::Id) || cues.is(Cue::Card);
    let c = view.char(at);
    let at = if matches!(c, ':' | '：' | ' ') {
        view.blanks(at + c.len_utf8(), 1)
    } else {
        at
    };
    (known && (is(view.byte(at), DIGIT) || view.byte(at) == b'+')).then_some(at)
}
