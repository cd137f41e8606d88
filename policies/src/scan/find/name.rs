//! Names of persons: a surname's character and evidence beside it; in Latin letters only behind a cue.
//!
//! Evidence is a word before (姓名, 联系人, `"name":`), a title behind (先生), or a number of a person within one
//! separator. A cue alone is not enough: ordinary words are no names. Delay in a stream: a surname's character and up to
//! three after it wait, and a separator with the beginning of a number.

use super::name_beside::{beside_number, owner};
use super::name_titled::titled;
use super::name_words::{cue_at_end, followed, follows, is_key, soft};
use crate::scan::cue::{Cue, cues_in, header_of_column, unspaced};
use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::site::{Found, MEDIUM, Site};
use crate::scan::view::{View, is_han};

fn is_border(c: char) -> bool {
    !is_han(c) && !c.is_ascii_alphanumeric()
}

/// A name in Chinese characters.
pub(super) fn chinese(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let first = view.char(site.at);
    let before = view.char_before(site.at);
    let compound = compound_at(view, site.at);
    if !compound && !han::is_surname(first) {
        return None;
    }
    let evidence = cue(site, before);
    // Neither a title nor 的 stands near most.
    let surname = if compound { 2 } else { 1 };
    let marked = marked(view, site.at, surname);
    if marked && let Some(found) = titled(site, before, compound) {
        return Some(found);
    }
    match evidence {
        Evidence::Colon | Evidence::Strong | Evidence::Soft | Evidence::Row => {
            if let Some(end) = cut(view, site.at, compound, &evidence) {
                return site.hit(Entity::PersonName, end, MEDIUM);
            }
            None
        }
        Evidence::None => {
            let beside = beside_number(site, before, compound);
            if beside.is_some() || !marked {
                return beside;
            }
            owner(site, before, compound)
        }
    }
}

/// Whether a title or 的 may begin within a few characters behind a surname of so many.
fn marked(view: &View<'_>, at: usize, surname: usize) -> bool {
    let mut behind = view.text().get(at..).unwrap_or("").chars();
    for _ in 0..surname {
        behind.next();
    }
    for _ in 0..4 {
        match behind.next() {
            Some(c) if han::has(c, han::TITLE) => return true,
            Some(c) if is_han(c) => {}
            Some(_) => return false,
            None => return true,
        }
    }
    false
}

fn compound_at(view: &View<'_>, at: usize) -> bool {
    if !han::has(view.char(at), han::COMPOUNDS) {
        return false;
    }
    let second = view.char(at + view.char(at).len_utf8());
    let end = at + view.char(at).len_utf8() + if second == '\0' { 0 } else { second.len_utf8() };
    han::compound(view.slice(at, end))
}

#[derive(Debug, PartialEq, Eq)]
enum Evidence {
    None,
    /// A cue directly before, of common use.
    Soft,
    /// A name and one separator before.
    Row,
    /// A cue directly before.
    Strong,
    /// A cue and a colon, a key, or a column.
    Colon,
}

fn cue(site: &Site<'_, '_>, before: char) -> Evidence {
    let view = site.view;
    let behind = view.behind(site.at, 40);
    if is_han(before) {
        return if han::has(before, han::CUE_END) {
            in_words(behind)
        } else {
            Evidence::None
        };
    }
    // A sentence begins here: no cue leads to it.
    if matches!(before, '。' | '！' | '？' | '；' | '.' | '!' | '?' | ';') {
        return Evidence::None;
    }
    let trimmed = behind.trim_end_matches(opens);
    // Kotlin's pairs: "name" to "张伟".
    let signed = trimmed
        .strip_suffix([':', '：', '='])
        .or_else(|| trimmed.strip_suffix("\" to"));
    if let Some(name) = signed {
        return by_sign(name);
    }
    let name = trimmed.trim_end_matches(closes);
    if trimmed.len() < behind.len() && cue_at_end(name).is_some()
        || behind.ends_with('>') && tag(name)
    {
        return Evidence::Colon;
    }
    // 参会人：张伟、李娜: a name in a row of names.
    let row = ["、", "，", ",", ", ", "/", " / "];
    if site.last.entity == Some(Entity::PersonName)
        && row.contains(&view.slice(site.last.end, site.at))
    {
        return Evidence::Row;
    }
    if cell(site, before, behind) && column(site) {
        return Evidence::Colon;
    }
    Evidence::None
}

/// What may stand between a cue and a name.
fn opens(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '"' | '\'' | '“' | '「' | '*' | '`' | '(' | '（' | '\u{a0}' | '【' | '[' | '>'
    )
}

/// What closes a key before its sign.
fn closes(c: char) -> bool {
    matches!(c, ' ' | '"' | '\'' | '*' | '`' | ')' | '）' | '】' | ']')
}

/// What the words directly before say: 联系人张伟, 我叫张伟.
fn in_words(behind: &str) -> Evidence {
    let filler = ["是", "为", "叫"]
        .iter()
        .find_map(|w| behind.strip_suffix(w));
    if let Some(rest) = filler
        && (cue_at_end(rest).is_some_and(|cue| cue != "同学") || rest.ends_with("名字"))
    {
        return Evidence::Strong;
    }
    if filler.is_some() && behind.ends_with("我是") {
        return Evidence::Soft;
    }
    // Two words for the same: 客户姓名 ends with 姓名.
    match cue_at_end(behind) {
        Some(cue) if soft(cue) => Evidence::Soft,
        Some(_) => Evidence::Strong,
        None => Evidence::None,
    }
}

/// What the word before a colon or an equals sign says.
fn by_sign(name: &str) -> Evidence {
    // 乙方（劳动者）： the word before the bracket counts, or the one in it.
    let bracket = name
        .strip_suffix(['）', ')'])
        .and_then(|inner| inner.rfind(['（', '(']))
        .and_then(|open| name.get(..open));
    let name = name.trim_end_matches(closes);
    if bracket.is_some_and(|name| cue_at_end(name.trim_end()).is_some())
        || cue_at_end(name).is_some()
        || unspaced(name).is_some_and(|name| cue_at_end(&name).is_some())
    {
        return Evidence::Colon;
    }
    let letters = name
        .bytes()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        .count();
    if letters > 0 {
        let mut word = name.get(name.len() - letters..).unwrap_or("").to_owned();
        word.retain(|c| c.is_ascii_alphanumeric());
        word.make_ascii_lowercase();
        if is_key(&word) {
            return Evidence::Colon;
        }
    }
    // 保洁员：张伟: what somebody is, by its last character.
    if name
        .chars()
        .next_back()
        .is_some_and(|c| "人者员长师生官主客".contains(c))
    {
        return Evidence::Soft;
    }
    Evidence::None
}

/// `<name>张伟</name>`: whether the tag that ends the text names a person.
fn tag(text: &str) -> bool {
    text.rsplit_once('<')
        .is_some_and(|(_, tag)| is_key(&tag.to_ascii_lowercase()) || cue_at_end(tag).is_some())
}

/// Whether a table's cell may begin here; cheap, since most places are none.
fn cell(site: &Site<'_, '_>, before: char, behind: &str) -> bool {
    if !matches!(before, '\t' | '|' | ',' | '\n' | ' ') {
        return false;
    }
    let (_, n, end) = site.han(site.at, 5);
    let next = match site.view.byte(end) {
        b' ' => site.view.byte(end + 1),
        byte => byte,
    };
    (2..=4).contains(&n)
        && matches!(next, b'\t' | b'|' | b',' | b'\n' | b'\r' | 0)
        && (matches!(before, '\t' | '|' | ',')
            || before == '\n' && matches!(next, b'\t' | b',' | b'|')
            || before == ' ' && behind.trim_end_matches(' ').ends_with(['|', ',', '\t']))
}

/// Whether the column's header names persons.
fn column(site: &Site<'_, '_>) -> bool {
    let at = site.at - site.view.behind(site.at, 4).len()
        + site.view.behind(site.at, 4).trim_end_matches(' ').len();
    header_of_column(site.view, at).is_some_and(|header| {
        let word = header.trim_matches(['"', '\'', '*', '`', ' ']);
        cues_in(word).is(Cue::Name)
            || cue_at_end(word).is_some()
            || is_key(&word.to_ascii_lowercase().replace(['_', '-', ' '], ""))
    })
}

/// Chinese characters of a row that are looked at.
const ROW: usize = 5;

/// Where each of the first characters of the row at `at` ends, and how many there are; blanks may stand between
/// all of them, as in 张 伟 明, if that is asked for.
fn row(view: &View<'_>, at: usize, may_be_spaced: bool) -> ([usize; ROW], usize) {
    let mut ends = [at; ROW];
    let mut i = at;
    let mut n = 0;
    let mut spaced = false;
    for slot in &mut ends {
        let mut c = view.char(i);
        if matches!(c, ' ' | '*')
            && n > 0
            && (n == 1 || spaced)
            && is_han(view.char(i + 1))
            && may_be_spaced
        {
            let after = i + 1 + view.char(i + 1).len_utf8();
            if !is_han(view.char(after)) || n == 1 && view.char(after) == ' ' {
                spaced = true;
                i += 1;
                c = view.char(i);
            }
        }
        if !is_han(c) {
            break;
        }
        i += c.len_utf8();
        *slot = i;
        n += 1;
    }
    (ends, n)
}

/// Where the name that begins at `at` ends.
fn cut(view: &View<'_>, at: usize, compound: bool, evidence: &Evidence) -> Option<usize> {
    let surname = if compound { 2 } else { 1 };
    let (ends, mut n) = row(view, at, *evidence == Evidence::Colon);
    let end_of = |k: usize| {
        k.checked_sub(1)
            .and_then(|i| ends.get(i))
            .copied()
            .unwrap_or(at)
    };
    // A foreign name in characters: 阿卜杜拉·买买提.
    if view.char(end_of(n)) == '·' && n >= 2 {
        return dotted(view, end_of(n));
    }
    let bounded = n < 5 && n <= surname + 2;
    if n == 5 || *evidence != Evidence::Colon && !bounded || n < 2 {
        let k = followed(view, at, n, surname, false);
        // 客户：蓝海数智科技: a long row in which no name ends.
        if n == 5 && k == n && *evidence == Evidence::Colon {
            return None;
        }
        n = n.min(k);
    } else if n == 4 && surname == 1 {
        n = followed(view, at, n, surname, false);
    } else if n > surname + 1 {
        n = n.min(followed(view, at, n, surname, true));
    }
    // 张伟说： ends before the verb.
    let speaks = bounded
        && n > surname + 1
        && *evidence != Evidence::Colon
        && matches!(
            view.char_before(end_of(n)),
            '说' | '称' | '问' | '道' | '答' | '在' | '是' | '的'
        );
    let n = n.min(surname + 2) - usize::from(speaks);
    if n < surname + 1 {
        return None;
    }
    fits(view, at, end_of(n), evidence).then(|| end_of(n))
}

/// Whether what stands from `at` to `end` may be a name by itself and by what follows.
fn fits(view: &View<'_>, at: usize, end: usize, evidence: &Evidence) -> bool {
    let mut name = view.slice(at, end).to_owned();
    name.retain(is_han);
    let next = view.char(end);
    let sure = matches!(evidence, Evidence::Colon | Evidence::Strong);
    // 收件人信息保护: in a longer row the first two characters tell; 王国强 alone is a name.
    let word = if sure && (is_border(next) || follows(view, end, false)) {
        han::is_word(&name)
    } else {
        han::ordinary(&name)
    };
    if word || name.contains(['的', '了', '吗', '是', '不', '要', '请', '和', '与']) {
        return false;
    }
    // A soft cue wants a border or a word that follows names.
    sure || is_border(next)
        || *evidence != Evidence::Row
            && (next.is_ascii_digit() || follows(view, end, true) || followed_by_verb(view, end))
}

fn followed_by_verb(view: &View<'_>, at: usize) -> bool {
    let words: &[&str] = match view.char(at) {
        '在' | '是' | '于' | '因' | '已' | '的' | '将' | '说' | '和' | '与' | '住' | '从'
        | '到' | '想' | '要' | '来' | '让' | '帮' | '给' | '也' | '都' | '就' | '把' | '被'
        | '叫' | '去' | '今' | '昨' | '明' | '上' | '刚' | '签' | '有' | '没' | '不' => {
            return true;
        }
        '推' => &["推荐"],
        '介' => &["介绍"],
        '告' => &["告诉"],
        '发' => &["发来"],
        '打' => &["打来"],
        '寄' => &["寄来"],
        '之' => &["之前"],
        '主' => &["主动"],
        '提' => &["提出"],
        '申' => &["申请"],
        '反' => &["反映"],
        '投' => &["投诉"],
        '咨' => &["咨询"],
        _ => &[],
    };
    words.iter().any(|w| view.starts(at, w))
}

fn dotted(view: &View<'_>, dot: usize) -> Option<usize> {
    let mut at = dot + '·'.len_utf8();
    let mut n = 0;
    while n < 8 {
        let c = view.char(at);
        if !(is_han(c) || c == '·') || n >= 2 && follows(view, at, true) {
            break;
        }
        at += c.len_utf8();
        n += 1;
    }
    (n >= 2).then_some(at)
}

/// A foreign name in characters, which need not begin with a surname: behind its cue.
pub(super) fn foreign(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    let before = view.char_before(site.at);
    if is_han(before) && !han::has(before, han::CUE_END) {
        return None;
    }
    let (_, n, end) = site.han(site.at, 7);
    if !(1..=6).contains(&n) || view.char(end) != '·' || cue(site, before) == Evidence::None {
        return None;
    }
    let end = dotted(view, end)?;
    site.hit(Entity::PersonName, end, MEDIUM)
}
