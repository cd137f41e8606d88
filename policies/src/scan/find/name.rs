//! Names of persons: a surname's character and evidence beside it; in Latin letters only behind a cue.
//!
//! Evidence is a word before (姓名, 联系人, `"name":`), a title behind (先生), or a number of a person within one
//! separator. A cue alone is not enough: ordinary words are no names. Delay in a stream: a surname's character and up to
//! three after it wait, and a separator with the beginning of a number.

use std::sync::LazyLock;

use super::{card, cn_id, phone};
use crate::scan::cue::{Cue, cues_in, cues_of_column};
use crate::scan::entity::Entity;
use crate::scan::han;
use crate::scan::site::{Found, Last, MEDIUM, STRONG, Site, WEAK};
use crate::scan::view::{DIGIT, LOWER, UPPER, View, is, is_han};

/// Words a name follows, with or without a colon.
const CUES: &[&str] = &[
    "姓名",
    "名字",
    "联系人",
    "收件人",
    "寄件人",
    "收货人",
    "患者",
    "病人",
    "客户",
    "户名",
    "持卡人",
    "申请人",
    "经办人",
    "法定代表人",
    "法人",
    "甲方",
    "乙方",
    "投保人",
    "乘机人",
    "借款人",
    "配偶",
    "监护人",
    "我叫",
    "同学",
    "员工",
    "签收人",
    "被保险人",
    "受益人",
    "负责人",
    "开户人",
    "开户名",
    "收款人",
    "付款人",
    "乘客",
    "乘车人",
    "入住人",
    "租客",
    "房东",
    "承租人",
    "出租人",
    "担保人",
    "当事人",
    "原告",
    "被告",
    "证人",
    "候选人",
    "面试者",
    "学生",
    "家长",
    "紧急联系人",
    "主治医师",
    "主治医生",
    "医生",
    "护士",
    "业主",
    "车主",
    "驾驶员",
    "司机",
    "车主姓名",
    "审批人",
    "报告人",
    "发件人",
    "联系人姓名",
    "用户姓名",
    "客户姓名",
    "真实姓名",
    "本人",
    "嫌疑人",
    "机主",
    "会员",
    "法定代表",
    "名叫",
    "叫做",
    "参会人",
    "报销人",
    "值班人",
    "领取人",
    "姓名是",
    "销售",
    "顾客",
    "旅客",
    "委托人",
    "代理人",
    "操作员",
    "签名",
    "签字",
    "参保人",
    "纳税人",
    "考生",
    "候诊人",
    "就诊人",
    "亲属",
    "父亲",
    "母亲",
    "丈夫",
    "妻子",
    "儿子",
    "女儿",
    "哥哥",
    "姐姐",
    "弟弟",
    "妹妹",
    "登记人",
    "投诉人",
    "举报人",
];

/// Latin keys a name follows behind `:` or `=`.
const KEYS: &[&str] = &[
    "name",
    "realname",
    "username",
    "xm",
    "fullname",
    "customername",
    "contactname",
    "patientname",
    "contact",
    "receiver",
    "recipient",
    "customer",
    "patient",
    "consignee",
    "xingming",
    "owner",
    "holder",
    "accountname",
    "cardholder",
    "truename",
    "nickname",
    "sender",
    "applicant",
    "employee",
    "student",
];

/// Cues so common in other use that a colon, or a border behind the name, must support them.
const SOFT: &[&str] = &[
    "客户",
    "同学",
    "员工",
    "学生",
    "医生",
    "护士",
    "法人",
    "甲方",
    "乙方",
    "本人",
    "销售",
    "会员",
    "签名",
    "签字",
    "老师",
    "教师",
    "居民",
    "村民",
    "经理",
    "父亲",
    "母亲",
    "丈夫",
    "妻子",
    "儿子",
    "女儿",
    "哥哥",
    "姐姐",
    "弟弟",
    "妹妹",
    "家长",
    "司机",
    "乘客",
    "顾客",
    "旅客",
    "名字",
    "配偶",
    "姓名",
    "纳税人",
    "负责人",
    "联系人",
    "患者",
    "病人",
    "当事人",
    "业主",
    "车主",
    "房东",
    "租客",
    "原告",
    "被告",
    "证人",
    "考生",
    "操作员",
    "法定代表",
];

const TITLES: &[&str] = &[
    "先生", "女士", "小姐", "老师", "医生", "同志", "同学", "经理", "主任", "律师", "教授", "大夫",
    "护士", "师傅", "总监", "博士", "阿姨", "叔叔", "校长", "院长", "总", "工", "太太", "警官",
    "法官", "处长", "局长", "科长", "书记", "主管", "会计",
];

/// Words that may follow a name directly, so that the name ends before them.
const FOLLOW: &[&str] = &[
    "电话",
    "手机",
    "身份证",
    "先生",
    "女士",
    "小姐",
    "老师",
    "医生",
    "明天",
    "今天",
    "昨天",
    "因为",
    "已经",
    "的",
    "在",
    "是",
    "于",
    "因",
    "已",
    "和",
    "与",
    "及",
    "，",
    "住",
    "联系",
    "地址",
    "性别",
    "年龄",
    "出生",
    "来自",
    "说",
    "请",
    "将",
    "向",
    "把",
    "被",
    "对",
    "从",
    "到",
    "去",
    "为",
    "有",
    "没",
    "不",
    "也",
    "还",
    "就",
    "都",
    "要",
    "想",
    "会",
    "能",
    "可",
    "现",
    "曾",
    "男",
    "女",
    "入院",
    "出院",
    "住院",
    "申请",
    "提交",
    "报销",
    "申报",
    "购买",
    "预约",
    "入职",
    "离职",
    "签收",
    "收到",
    "负责",
    "使用",
    "户籍",
    "护照",
    "银行卡",
    "卡号",
    "工号",
    "学号",
    "同学",
    "同志",
    "经理",
    "主任",
    "律师",
    "主诉",
    "确诊",
    "诊断",
    "患",
    "需要",
    "希望",
    "反馈",
    "投诉",
    "来电",
    "寄",
    "发",
    "给",
    "签",
    "办",
    "参加",
    "微信",
    "邮箱",
    "等",
    "你",
    "我",
    "他",
    "她",
    "上",
    "下",
    "本",
    "该",
    "等人",
    "您",
    "反映",
    "前",
    "后",
    "日",
    "月",
    "表示",
    "称",
    "与其",
    "并",
    "或",
    "以",
    "转",
    "付",
    "借",
    "租",
    "买",
    "卖",
    "拨",
    "打",
    "交",
    "填",
    "写",
    "取",
    "收",
    "由",
    "共",
    "之",
    "又",
    "再",
    "才",
    "刚",
    "了",
    "着",
    "过",
    "吗",
    "吧",
    "呢",
    "啊",
    "这",
    "那",
    "此",
    "其",
    "所",
    "教授",
    "博士",
    "号",
    "一",
];

/// The cues by their last character, longest first.
static CUES_BY_LAST: LazyLock<han::Index<&'static str>> = LazyLock::new(|| {
    let mut words: Vec<&'static str> = CUES.to_vec();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    han::Index::new(
        words
            .into_iter()
            .filter_map(|word| Some((word.chars().next_back()?, word))),
    )
});

static TITLES_BY_FIRST: LazyLock<han::Index<&'static str>> = LazyLock::new(|| {
    han::Index::new(
        TITLES
            .iter()
            .filter_map(|word| Some((word.chars().next()?, *word))),
    )
});

static FOLLOW_BY_FIRST: LazyLock<han::Index<&'static str>> = LazyLock::new(|| {
    han::Index::new(
        FOLLOW
            .iter()
            .filter_map(|word| Some((word.chars().next()?, *word))),
    )
});

/// The longest cue that ends the text.
fn cue_at_end(text: &str) -> Option<&'static str> {
    let last = text.chars().next_back()?;
    CUES_BY_LAST
        .of(last)
        .iter()
        .find(|cue| text.ends_with(**cue))
        .copied()
}

/// Whether a word that may follow a name stands at `at`, of more than one character if `long`.
fn follows(view: &View<'_>, at: usize, long: bool) -> bool {
    let list = FOLLOW_BY_FIRST.of(view.char(at));
    list.iter()
        .any(|word| (!long || word.len() > 3) && view.starts(at, word))
}

/// What the table of characters must know of the words above.
pub(super) fn words() -> impl Iterator<Item = (char, u16)> {
    let titles = TITLES
        .iter()
        .filter_map(|word| Some((word.chars().next()?, han::TITLE)));
    let cues = CUES
        .iter()
        .filter_map(|word| Some((word.chars().next_back()?, han::CUE_END)));
    titles
        .chain(cues)
        .chain("是为叫".chars().map(|c| (c, han::CUE_END)))
}

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
    if let Some(found) = titled(site, before, compound) {
        return Some(found);
    }
    match evidence {
        Evidence::Colon | Evidence::Strong | Evidence::Soft => {
            if let Some(end) = cut(view, site.at, compound, &evidence) {
                return site.hit(Entity::PersonName, end, MEDIUM);
            }
            None
        }
        Evidence::None => beside_number(site, before, compound),
    }
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
    /// A cue directly before.
    Strong,
    /// A cue and a colon, a key, or a column.
    Colon,
}

fn cue(site: &Site<'_, '_>, before: char) -> Evidence {
    let view = site.view;
    let behind = view.behind(site.at, 40);
    if is_han(before) {
        if !han::has(before, han::CUE_END) {
            return Evidence::None;
        }
        let filler = ["是", "为", "叫"]
            .iter()
            .find_map(|w| behind.strip_suffix(w));
        if let Some(rest) = filler
            && CUES
                .iter()
                .any(|cue| rest.ends_with(cue) && *cue != "同学" || rest.ends_with("名字"))
        {
            return Evidence::Strong;
        }
        if filler.is_some() && behind.ends_with("我是") {
            return Evidence::Soft;
        }
        // Two words for the same: 客户姓名 ends with 姓名.
        let longest = cue_at_end(behind);
        return match longest {
            Some(cue) if SOFT.contains(&cue) => Evidence::Soft,
            Some(_) => Evidence::Strong,
            None => Evidence::None,
        };
    }
    let trimmed = behind.trim_end_matches([
        ' ', '\t', '"', '\'', '“', '「', '*', '`', '(', '（', '\u{a0}', '【', '[', '>',
    ]);
    let (name, sign) = match trimmed.strip_suffix([':', '：', '=']) {
        Some(name) => (name, true),
        None => (trimmed, false),
    };
    let name = name.trim_end_matches([' ', '"', '\'', '*', '`', ')', '）', '】', ']']);
    if sign {
        if cue_at_end(name).is_some() {
            return Evidence::Colon;
        }
        let word: String = name
            .chars()
            .rev()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .filter(|c| c.is_ascii_alphanumeric())
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .flat_map(char::to_lowercase)
            .collect();
        if KEYS.contains(&word.as_str()) {
            return Evidence::Colon;
        }
        return Evidence::None;
    }
    if trimmed.len() < behind.len() && cue_at_end(name).is_some() {
        return Evidence::Colon;
    }
    if cell(site, before, behind) && column(site) {
        return Evidence::Colon;
    }
    Evidence::None
}

/// Whether a table's cell may begin here; cheap, since most places are none.
fn cell(site: &Site<'_, '_>, before: char, behind: &str) -> bool {
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
    cues_of_column(site.view, at).is(Cue::Name)
}

/// Where the name that begins at `at` ends.
fn cut(view: &View<'_>, at: usize, compound: bool, evidence: &Evidence) -> Option<usize> {
    let surname = if compound { 2 } else { 1 };
    let mut ends = [at; 6];
    let mut i = at;
    let mut n = 0;
    let mut spaced = false;
    for slot in ends.iter_mut().take(5) {
        let mut c = view.char(i);
        // 张 伟 明: one space between characters, all of them.
        if (c == ' ' || c == '*')
            && n > 0
            && (n == 1 || spaced)
            && is_han(view.char(i + 1))
            && *evidence == Evidence::Colon
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
        n = n.min(followed(view, at, n, surname));
    } else if n == 4 && surname == 1 {
        n = followed(view, at, n, surname);
    } else if n > surname + 1 {
        n = n.min(followed_strongly(view, at, n, surname));
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
    let name: String = view
        .slice(at, end_of(n))
        .chars()
        .filter(|c| is_han(*c))
        .collect();
    let next = view.char(end_of(n));
    if han::ordinary(&name) || name.contains(['的', '了', '吗', '是', '不', '要', '请', '和', '与'])
    {
        return None;
    }
    match evidence {
        Evidence::Colon | Evidence::Strong => Some(end_of(n)),
        // A soft cue wants a border or a word that follows names.
        _ => (is_border(next)
            || next.is_ascii_digit()
            || follows(view, end_of(n), true)
            || followed_by_verb(view, end_of(n)))
        .then(|| end_of(n)),
    }
}

fn followed_by_verb(view: &View<'_>, at: usize) -> bool {
    [
        "在", "是", "于", "因", "已", "的", "将", "说", "和", "与", "住", "于", "从", "到", "想",
        "要", "来",
    ]
    .iter()
    .any(|w| view.starts(at, w))
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

/// How many characters the name has, if a word that may follow names begins within `n`.
fn followed(view: &View<'_>, at: usize, n: usize, surname: usize) -> usize {
    let mut i = at;
    for k in 0..n {
        if k > surname && follows(view, i, false) {
            return k;
        }
        i += view.char(i).len_utf8();
    }
    n
}

/// The same with words of two characters only, where a border follows the row anyway.
fn followed_strongly(view: &View<'_>, at: usize, n: usize, surname: usize) -> usize {
    let mut i = at;
    for k in 0..n {
        if k > surname && follows(view, i, true) {
            return k;
        }
        i += view.char(i).len_utf8();
    }
    n
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

/// Ends of words that look like a surname before a title: 对于先生, 任何老师.
const NOT_BEFORE: &[&str] = &[
    "对于", "关于", "由于", "等于", "位于", "处于", "属于", "至于", "在于", "用于", "任何", "如何",
    "几何", "水平", "和平", "公平", "时常", "经常", "平常", "日常", "通常", "非常", "正常", "异常",
    "一时", "及时", "同时", "小时", "当时", "随时", "方向", "倾向", "一向", "责任", "主任", "担任",
    "信任", "连连", "明白", "空白", "国家", "大家", "专家", "包", "高", "全", "成", "时",
];

/// A surname, perhaps a given name, and a title.
fn titled(site: &Site<'_, '_>, before: char, compound: bool) -> Option<Found> {
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
            && let Some(title) = TITLES_BY_FIRST
                .of(c)
                .iter()
                .find(|title| view.starts(at, title))
        {
            return with_title(site, before, at, title, given);
        }
        if !is_han(c) {
            return None;
        }
        at += c.len_utf8();
    }
    None
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
    // 总 and 工 alone are titles only right behind the surname, and where no longer word begins with them.
    if title.chars().count() == 1
        && (given > 0
            || LONGER.contains(next)
            || is_han(before) && !"和给请问跟与是找让叫向对为".contains(before))
    {
        return None;
    }
    if title == "主任" && text == "班" {
        return None;
    }
    if title == "同学" && matches!(next, '们' | '会' | '录' | '聚' | '群')
        || matches!(next, '们')
        || title == "会计" && matches!(next, '师' | '准' | '制' | '科')
        || title == "工"
    {
        if title != "工"
            || !matches!(
                next,
                '您' | '你' | '好' | '\0' | '，' | ',' | '。' | '：' | ':' | ' '
            )
        {
            return None;
        }
    }
    let word = view.behind(site.at, 3).len();
    let around = view.slice(site.at - word, at);
    let is_word = is_han(before)
        && NOT_BEFORE
            .iter()
            .any(|w| around.starts_with(w) && given == 0)
        || han::ordinary(text) && given > 0;
    // A name before its own title: evidence enough; a longer row before may have its own border.
    let inner_name = given > 0
        && is_han(before)
        && text.chars().skip(1).any(|c| {
            matches!(
                c,
                '的' | '是' | '在' | '和' | '位' | '名' | '个' | '有' | '一' | '与' | '了' | '给'
            )
        });
    if is_word || inner_name {
        return None;
    }
    if given > 0
        && text.chars().skip(1).any(|c| {
            matches!(
                c,
                '的' | '是' | '在' | '和' | '位' | '名' | '个' | '了' | '为' | '与' | '们' | '对'
            )
        })
    {
        return None;
    }
    if given == 0
        && matches!(
            text,
            "大" | "小"
                | "老"
                | "何"
                | "那"
                | "位"
                | "都"
                | "能"
                | "会"
                | "让"
                | "是"
                | "由"
                | "应"
                | "请"
                | "和"
                | "与"
                | "于"
                | "向"
                | "对"
                | "从"
                | "时"
                | "全"
                | "原"
                | "该"
                | "单"
                | "但"
                | "班"
                | "母"
                | "师"
                | "国"
                | "帅"
                | "生"
                | "门"
                | "费"
                | "包"
                | "高"
                | "成"
                | "经"
                | "党"
                | "官"
                | "公"
                | "查"
                | "相"
                | "居"
                | "敬"
                | "盖"
                | "容"
                | "况"
                | "信"
                | "安"
                | "平"
                | "连"
                | "计"
                | "管"
                | "通"
        )
        && (is_han(before)
            || !matches!(
                text,
                "何" | "于"
                    | "时"
                    | "高"
                    | "成"
                    | "安"
                    | "平"
                    | "管"
                    | "党"
                    | "包"
                    | "班"
                    | "费"
                    | "经"
                    | "向"
                    | "应"
                    | "全"
                    | "和"
            ))
    {
        return None;
    }
    if given > 0 && is_han(before) && !NAME_BEFORE.contains(before) {
        // In a longer row only if the given name looks like one: nothing ordinary around it.
        let behind = view.behind(site.at, 12);
        if !cue_at_end(behind).is_some() {
            // 请王医生: the surname directly before the title was seen later; here a given name would be invented.
            return plausible_given(text)
                .then(|| site.hit(Entity::PersonName, end, WEAK))
                .flatten();
        }
    }
    site.hit(Entity::PersonName, end, MEDIUM)
}

/// Characters that make a longer word of 总 or 工: 总结, 工作.
const LONGER: &str =
    "结体共计量和数额督部统之站长管会裁监经局署书作程人业厂具资地艺序期商会龄种时行分";

/// Characters that often stand before a name in a sentence.
const NAME_BEFORE: &str = "是和与跟找问请叫给由让向对为被把将致及同位名";

fn plausible_given(text: &str) -> bool {
    const GIVEN: &str = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉建华玲飞玉红鹏斌志梅波宇浩凯健俊帆帅婷雪慧丹倩琳欣怡佳雯晨阳龙峰国海东林春燕兰云梦洁晓小子梓轩涵诗思雨";
    text.chars().skip(1).all(|c| GIVEN.contains(c))
}

/// A name of two to four characters alone, one separator away from a person's number.
fn beside_number(site: &Site<'_, '_>, before: char, compound: bool) -> Option<Found> {
    if is_han(before) || before.is_ascii_alphanumeric() {
        return None;
    }
    let view = site.view;
    let (_, n, mut end) = site.han(site.at, 5);
    let surname = if compound { 2 } else { 1 };
    let mut n = n;
    let mut labelled = false;
    if n > surname + 2 || n == surname + 2 {
        // 张伟电话138…: the label belongs to the number.
        let k = followed_strongly(view, site.at, n, surname);
        if k < n {
            n = k;
            end = (0..k).fold(site.at, |i, _| i + view.char(i).len_utf8());
            labelled = true;
        }
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
    {
        return site.hit(Entity::PersonName, end, WEAK);
    }
    let at = number_behind(view, end, labelled)?;
    let other = Site::new(view, at, Last::default());
    let found = phone::mobile(&other)
        .or_else(|| cn_id::card(&other))
        .or_else(|| card::card(&other))
        .or_else(|| phone::landline(&other));
    near(found.map(|f| f.entity))
        .then(|| site.hit(Entity::PersonName, end, WEAK))
        .flatten()
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
    for _ in 0..3 {
        let c = view.char(at);
        if !separator(c) {
            break;
        }
        at += c.len_utf8();
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

/// Cues of names in Latin letters.
const LATIN: &[&str] = &[
    "name",
    "dear",
    "patient",
    "my name is",
    "signed by",
    "mr",
    "ms",
    "mrs",
    "dr",
    "miss",
    "prof",
    "contact",
    "customer",
    "full name",
    "attn",
    "sincerely",
    "regards",
    "recipient",
    "cardholder",
    "applicant",
    "client",
    "employee",
    "passenger",
    "i am",
    "i'm",
    "this is",
    "prepared by",
    "approved by",
    "account holder",
    "spouse",
    "guardian",
    "beneficiary",
    "姓名",
    "联系人",
    "收件人",
    "持卡人",
    "患者",
    "客户",
    "乘机人",
    "户名",
];

/// A name in Latin letters behind a cue.
pub(super) fn latin(site: &Site<'_, '_>) -> Option<Found> {
    let view = site.view;
    if is(view.before(site.at), UPPER | LOWER | DIGIT) {
        return None;
    }
    let behind = view.behind(site.at, 24);
    let trimmed = behind.trim_end_matches([' ', '"', '\'', '\t', '*']);
    let (word, colon) = match trimmed.strip_suffix([':', '：', '=', ',']) {
        Some(word) => (word.trim_end_matches([' ', '"', '\'', '*']), true),
        None => (trimmed.trim_end_matches('.'), false),
    };
    let lower = word.to_ascii_lowercase();
    let cue = LATIN.iter().find(|cue| {
        lower.strip_suffix(**cue).is_some_and(|rest| {
            cue.len() > 2 && !cue.is_ascii() || !rest.ends_with(|c: char| c.is_ascii_alphabetic())
        })
    })?;
    // A bare noun before a capital is no cue; a salutation is.
    let salutation = matches!(
        *cue,
        "dear"
            | "my name is"
            | "signed by"
            | "mr"
            | "ms"
            | "mrs"
            | "dr"
            | "miss"
            | "prof"
            | "i am"
            | "i'm"
            | "this is"
            | "prepared by"
            | "approved by"
    ) || !cue.is_ascii();
    if !colon && !salutation
        || behind
            .rsplit_once('\n')
            .is_some_and(|(_, own)| own.trim().is_empty())
            && !colon
    {
        return None;
    }
    let mut at = site.at;
    // The title belongs to the cue, not to the name.
    for title in ["Mr. ", "Ms. ", "Mrs. ", "Dr. ", "Mr ", "Ms ", "Dr "] {
        if view.starts(at, title) {
            return None;
        }
    }
    let (mut words, mut end) = (0, at);
    while words < 4 && is(view.byte(at), UPPER) {
        let stop = view.run_of(at + 1, 24, |b| is(b, LOWER) || b == b'\'' || is(b, UPPER));
        let initial = stop == at + 1;
        if is(view.byte(stop), DIGIT) || view.byte(stop) == b'_' {
            return None;
        }
        let word = view.slice(at, stop);
        let shouted = word.len() > 1 && word.bytes().all(|b| is(b, UPPER));
        if STOP.contains(&word)
            || shouted
                && words > 0
                && !view
                    .slice(site.at, end)
                    .bytes()
                    .all(|b| is(b, UPPER) || b == b' ')
        {
            break;
        }
        words += 1;
        end = stop;
        at = stop;
        if initial && view.byte(at) == b'.' {
            at += 1;
        }
        if matches!(view.byte(at), b' ' | b'-') {
            at += 1;
        } else {
            break;
        }
    }
    let titled = matches!(*cue, "mr" | "ms" | "mrs" | "dr" | "miss" | "prof" | "dear");
    let long = end - site.at >= 2;
    (long
        && (words >= 2 || words == 1 && titled && end - site.at >= 3 && *cue != "dear")
        && words <= 3)
        .then(|| {
            site.hit(
                Entity::PersonName,
                end,
                if words > 1 { STRONG - 9 } else { WEAK },
            )
        })
        .flatten()
}

const STOP: &[&str] = &[
    "The",
    "A",
    "An",
    "Sir",
    "Madam",
    "Team",
    "All",
    "Customer",
    "Customers",
    "Friend",
    "Friends",
    "Colleagues",
    "Colleague",
    "Phone",
    "Email",
    "ID",
    "Address",
    "Tel",
    "Date",
    "Sir/Madam",
    "Hiring",
    "Manager",
    "Mobile",
    "Passport",
    "Your",
    "My",
    "This",
    "That",
    "In",
    "On",
    "Is",
    "And",
    "Or",
    "For",
    "Not",
    "Required",
    "String",
    "Field",
    "User",
    "Name",
    "DOB",
    "SSN",
    "Service",
    "Support",
    "Editor",
    "Sirs",
];
