//! The words that Chinese addresses are made of: levels, what leads to them, what ends them.
//!
//! Data, an index of it by first characters, and which words go on as others.

use std::sync::LazyLock;

use crate::scan::han;
use crate::scan::view::View;

/// What a word of an address ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
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
    ("縣", Level::Admin),
    ("鎮", Level::Admin),
    ("鄉", Level::Admin),
    ("區", Level::Admin),
    ("大廈", Level::Place),
    ("廣場", Level::Place),
    ("花園", Level::Place),
    ("樓", Level::Door),
    ("號樓", Level::Door),
    ("號", Level::Door),
    ("棟", Level::Door),
    ("單元", Level::Door),
    ("層", Level::Door),
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

/// Characters that lead to an address.
const LEADS: &str = "在到住于往至址寄送为是从";

/// Characters that no address has.
const BREAKS: &str = "的了是我你他她们吗呢吧很请把被但而因就这那哪什怎说想";

/// The level whose word stands at `at`.
pub(super) fn level_at(view: &View<'_>, at: usize) -> Option<(&'static str, Level)> {
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

/// Whether the level's word is the beginning of another word: 路演, 号线, 区别, 市场, 城市.
pub(super) fn continues(view: &View<'_>, at: usize, word: &str) -> bool {
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
