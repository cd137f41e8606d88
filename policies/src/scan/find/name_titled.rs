//! Names before a title: 王先生, 李娜女士.
//!
//! Ordinary words that end with a surname's character are no names (对于老师); 总 and 工 are titles only where no longer
//! word begins with them.

use super::name_words::{cue_at_end, title_at};
use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::site::{Found, MEDIUM, Site, WEAK};
use crate::scan::view::is_han;

/// Ends of words that look like a surname before a title: 对于先生, 任何老师.
const NOT_BEFORE: &[&str] = &[
    "对于", "关于", "由于", "等于", "位于", "处于", "属于", "至于", "在于", "用于", "任何", "如何",
    "几何", "水平", "和平", "公平", "时常", "经常", "平常", "日常", "通常", "非常", "正常", "异常",
    "一时", "及时", "同时", "小时", "当时", "随时", "方向", "倾向", "一向", "责任", "主任", "担任",
    "信任", "连连", "明白", "空白", "国家", "大家", "专家", "包", "高", "全", "成", "时",
];

/// A surname, perhaps a given name, and a title.
pub(super) fn titled(site: &Site<'_, '_>, before: char, compound: bool) -> Option<Found> {
    let view = site.view;
    let surname_len = if compound {
        view.char(site.at).len_utf8() * 2
    } else {
        view.char(site.at).len_utf8()
    };
    let mut at = site.at + surname_len;
    for given in 0..3 {
        let c = view.char(at);
        if han::has(c, han::TITLE)
            && let Some(title) = title_at(view, at, c)
        {
            return with_title(site, before, at, title, given);
        }
        if given > 0 && matches!(c, '您' | '你') && greeted(site, before, at) {
            return site.hit(Entity::PersonName, at, WEAK);
        }
        if !is_han(c) {
            return None;
        }
        at += c.len_utf8();
    }
    (matches!(view.char(at), '您' | '你') && greeted(site, before, at))
        .then(|| site.hit(Entity::PersonName, at, WEAK))
        .flatten()
}

/// 张伟您好: whether a greeting stands at `at`, and nothing but the name before it.
fn greeted(site: &Site<'_, '_>, before: char, at: usize) -> bool {
    let view = site.view;
    let name = view.slice(site.at, at);
    !is_han(before)
        && !before.is_ascii_alphanumeric()
        && (view.starts(at, "您好") || view.starts(at, "你好"))
        && !han::ordinary(name)
        && !name.contains(['的', '是', '在', '们', '家', '位', '户', '司', '店', '院'])
}

fn with_title(
    site: &Site<'_, '_>,
    before: char,
    at: usize,
    title: &str,
    given: usize,
) -> Option<Found> {
    let view = site.view;
    let end = at + title.len();
    let next = view.char(end);
    let text = view.slice(site.at, at);
    let asked = view.behind(site.at, "联系".len()) == "联系";
    if no_title(title, text, next, given, before, asked) {
        return None;
    }
    let word = view.behind(site.at, 3).len();
    let around = view.slice(site.at - word, at);
    let is_word = is_han(before)
        && NOT_BEFORE
            .iter()
            .any(|w| around.starts_with(w) && given == 0)
        || han::ordinary(text) && given > 0;
    // A name before its own title: evidence enough; a longer row before may have its own border.
    // 面试官林经理, 大区总监: the surname's character ends a word.
    let tail = is_han(before)
        && !LEADS.contains(before)
        && matches!(
            view.char(site.at),
            '官' | '区' | '部' | '项' | '段' | '门' | '会' | '组' | '司' | '员'
        );
    if is_word || tail || given > 0 && no_given(text, before) {
        return None;
    }
    // With nothing between, an ambiguous surname needs a verb before it, or a border.
    let usable = if is_han(before) {
        LEADS.contains(before)
    } else {
        !NEVER.contains(text)
    };
    if given == 0 && AMBIGUOUS.contains(text) && !usable {
        return None;
    }
    if given > 0 && is_han(before) && !NAME_BEFORE.contains(before) {
        // In a longer row only if the given name looks like one: nothing ordinary around it.
        let behind = view.behind(site.at, 12);
        if cue_at_end(behind).is_none() {
            // 请王医生: the surname directly before the title was seen later; here a given name would be invented.
            return plausible_given(text)
                .then(|| site.hit(Entity::PersonName, end, WEAK))
                .flatten();
        }
    }
    site.hit(Entity::PersonName, end, MEDIUM)
}

/// Whether what stands between a surname and a title is no given name: words, more of them within a longer row.
fn no_given(text: &str, before: char) -> bool {
    let mut given = text.chars().skip(1);
    given.any(|c| "的是在和位名个了为与们对".contains(c) || is_han(before) && "有一给".contains(c))
}

/// Whether the title's characters are the beginning of another word, or stand too far from the surname.
fn no_title(title: &str, text: &str, next: char, given: usize, before: char, asked: bool) -> bool {
    // 总 and 工 alone are titles only right behind the surname, and where no longer word begins with them.
    if title.chars().count() == 1
        && (given > 0
            || LONGER.contains(next)
            || is_han(before) && !asked && !"和给请问跟与是找让叫向对为".contains(before))
    {
        return true;
    }
    if title == "主任" && text == "班" {
        return true;
    }
    if (title == "同学" && matches!(next, '们' | '会' | '录' | '聚' | '群')
        || matches!(next, '们')
        || title == "会计" && matches!(next, '师' | '准' | '制' | '科')
        || title == "工")
        && (title != "工"
            || !matches!(
                next,
                '您' | '你' | '好' | '\0' | '，' | ',' | '。' | '：' | ':' | ' '
            ))
    {
        return true;
    }
    false
}

/// Surnames that are common words' characters before a title: 大老师, 都经理.
const AMBIGUOUS: &str = "大小老何那位都能会让是由应请和与于向对从时全原该单但班母师国帅生门费包高成经党官公查相居敬盖容况信安平连计管通";

/// Those among them that are none even at the beginning of a sentence.
const NEVER: &str = "大小老那位都能会让是由请与对从原该单但母师国帅生门官公查相居敬盖容况信连计通";

/// Characters that make a longer word of 总 or 工: 总结, 工作.
const LONGER: &str =
    "结体共计量和数额督部统之站长管会裁监经局署书作程人业厂具资地艺序期商会龄种时行分";

/// Characters that often stand before a name in a sentence.
const NAME_BEFORE: &str = "是和与跟找问请叫给由让向对为被把将致及同位名";

/// Characters of verbs that take a person, so that an ambiguous surname behind them is one: 外呼何先生.
const LEADS: &str = "呼见约访陪送接找请叫给跟问帮替谢拜";

fn plausible_given(text: &str) -> bool {
    const GIVEN: &str = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉建华玲飞玉红鹏斌志梅波宇浩凯健俊帆帅婷雪慧丹倩琳欣怡佳雯晨阳龙峰国海东林春燕兰云梦洁晓小子梓轩涵诗思雨";
    text.chars().skip(1).all(|c| GIVEN.contains(c))
}
