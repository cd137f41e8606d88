//! The gate skips nothing that a scan without it finds.

use super::super::engine::Step;
use super::super::site::{Found, Last};
use super::super::stream::tests::PIECES;
use super::super::view::View;
use super::*;
use proptest::prelude::*;

impl Scan<'_, '_> {
    /// Every place that may begin something.
    fn any_place(&self) -> Option<(usize, u8)> {
        let bytes = self.view.bytes();
        let mut at = self.at;
        while let Some(&b) = bytes.get(at) {
            match b {
                0xE4..=0xE9 | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                    return Some((at, may::ALL));
                }
                // With these a password may begin.
                b'+' | b'(' | b'-' | b'!' | b'@' | b'#' | b'$' | b'^' | b'&' | b'*' | b':' => {
                    return Some((at, may::ALL));
                }
                0..0x80 => at += 1,
                0xEF | 0xE3 if decode3(bytes, at) == 0xFF08 || decode3(bytes, at) == 0x3007 => {
                    return Some((at, may::ALL));
                }
                0xE0.. => at += 3 + usize::from(b >= 0xF0),
                _ => at += 2,
            }
        }
        None
    }
}

fn scanned(text: &str, gated: bool) -> Vec<Found> {
    let view = View::new(text, true);
    let mut found = Vec::new();
    let mut scan = Scan::new(&view, 0, Last::default());
    if gated {
        scan.run(|f| found.push(f));
    } else {
        scan.run_from(|scan| scan.any_place(), |f| found.push(f));
    }
    found
}

const MORE: &[&str] = &[
    "的",
    "了",
    "是",
    "在",
    "李",
    "王",
    "先",
    "生",
    "经理",
    "区",
    "大道",
    "路",
    "学校",
    "8",
    "号",
    "、",
    "：",
    "；",
    "（",
    "）",
    "·",
    "买买提",
    "阿卜杜拉",
    "患者",
    "联系人",
    "上海",
    "浦",
    "东",
    "一",
    "二三",
    "京",
    "A",
    "军",
    "字",
    "第",
    "\n",
    ",",
    " ",
    "手机",
    "男",
    "a",
    "hello",
    "The ",
    "Mr. ",
    "name: ",
    "John Smith",
    "?",
    "。",
    "，",
    "“",
    "\"",
    "欧阳",
    "对于",
    "北",
    "南",
    "城",
    "老",
    "老师",
    "总",
];

/// Pieces of Latin text: prose, code, logs, and what makes a word more than that.
const LATIN: &[&str] = &[
    " ",
    " ",
    " ",
    " ",
    " ",
    " ",
    "  ",
    ", ",
    ". ",
    ".",
    ",",
    "\n",
    "\t",
    "-",
    "--",
    "---",
    "-----",
    "_",
    "/",
    ":",
    ": ",
    "://",
    "::",
    "=",
    " = ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "'",
    "\"",
    "`",
    "|",
    "!",
    "?",
    "@",
    "#",
    "$",
    "%",
    "^",
    "&",
    "*",
    "+",
    "~",
    ";",
    "a",
    "A",
    "I",
    "is",
    " is ",
    "at",
    " at ",
    " dot ",
    "(at)",
    "[dot]",
    " AT ",
    "the",
    "The",
    "plan",
    "quarterly",
    "organisations",
    "Internationalisation",
    "electroencephalographically",
    "well-known",
    "Mid-",
    "March",
    "may ",
    "May 5, 1990",
    "5 March 1990",
    "born ",
    "Dear ",
    "Mr",
    "Mr. ",
    "name",
    "Name: ",
    "My name is ",
    "John",
    "Smith",
    "O'Neil",
    "don't",
    "I'm",
    "they're",
    "password",
    "Password",
    "password is ",
    "token",
    "--password ",
    "Bearer ",
    "secret=",
    "Tr0ub4dor",
    "Abc!",
    "wechat",
    "wechat: ",
    "微信",
    "微信：",
    "微信: ",
    "zhangsan",
    "zhang_san88",
    "zhangsan@qq.com",
    "zhangsan",
    "gmail.com",
    "qq.com",
    "sk-",
    "AKIA",
    "IOSFODNN7",
    "ghp_",
    "xoxb-",
    "abcdefghij",
    "deadbeef",
    "00:1a:2b",
    "ab-cd-ef-ab-cd-ef",
    "fe80::",
    "1",
    "7",
    "12",
    "2024",
    "13800138000",
    "192.168.1.7",
    "v1.2",
    "$4.50",
    "AB 12345",
    "ABCDEFGH",
    "getUserName",
    "userId",
    "HTTP",
    "JSON",
    "jdbc:",
    "mysql://",
    "root:pw1@h",
    "，",
    "。",
    "（",
    "）",
    "【",
    "的",
    "李",
    "姓名",
    "：",
    "电话",
    "é",
    "—",
    "“",
    "”",
    "\r\n",
    "foo)Bar9xyz",
    "x",
    "----------",
    "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
    "(.)",
    "[ at ]",
    "(a",
    "{d",
    "()",
    "call(",
    "parse_args(",
    "(*",
    "([",
];

/// Words of programs: what names are made of, and what makes more of them than that.
const NAMED: &[&str] = &[
    "self",
    "read",
    "all",
    "view",
    "getUser",
    "UserName",
    "IO",
    "MAX",
    "T",
    "x",
    "wxid",
    "wx",
    "wechat",
    "jdbc",
    "sk",
    "http",
    "cafe",
    "dead",
    "beef",
    "ab",
    "name",
    "contact",
    "password",
    "token",
    "secret",
    "Mr",
    "John",
    "Smith",
    "May",
    "zhangsanfeng",
    "qwertyuiopasdfghjklz",
    "gmail",
    "com",
    "at",
    "dot",
    "root",
    "mysql",
    "微信",
    "密码",
    "姓名",
    "é",
    "7",
    "88",
];
/// What joins and leads to them.
const JOINTS: &[&str] = &[
    "_", "_", ".", ".", ".", "::", ":", ": ", " ", " ", "  ", "    ", "\n    ", "(", ")", "()",
    "(&", "[", "{", " {", "}", ";", ",", ", ", " = ", "=", " -> ", "<", ">", "|", "&", "\"", "'",
    "`", "-", "--", "@", " at ", "(at)", " dot ", "/", "://", "!", "?", "\t", "*", "，", "：",
];

/// Dates, times of day and what may stand around them.
const CLOCKS: &[&str] = &[
    "2024-05-01 10:22:31",
    "2024-05-01T10:22:31",
    "2024-05-01",
    "10:22:31",
    ":44:55:66",
    ":",
    "::",
    "-",
    " ",
    ", ",
    "\n",
    "T",
    "a",
    "5",
    "138",
    "13800138000",
    "86 138",
    "出生：",
    "工号：",
    "password=",
    "AKIAIOSFODNN7ABCDEF2,",
    "@b.com",
    "0571-8888",
];

/// Nothing begins where the step at some digits goes past.
fn passes_nothing(text: &str) -> Result<(), TestCaseError> {
    let view = View::new(text, true);
    for (at, _) in text.match_indices(|c: char| c.is_ascii_digit()) {
        let mut scan = Scan::new(&view, at, Last::default());
        if let Step::Next(next) = scan.step(may::ALL) {
            for inside in at + 1..next {
                scan.at = inside;
                let hit = matches!(scan.step(may::ALL), Step::Hit(_));
                prop_assert!(!hit, "{text:?} at {inside}, from {at}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn clocks_hide_nothing(parts in prop::collection::vec(prop::sample::select(CLOCKS), 1..8)) {
        passes_nothing(&parts.concat())?;
    }

    #[test]
    fn the_gate_skips_nothing_that_would_be_found(
        pieces in prop::collection::vec(
            prop_oneof![1 => prop::sample::select(PIECES), 3 => prop::sample::select(MORE)], 1..16),
    ) {
        let text = pieces.concat();
        prop_assert_eq!(scanned(&text, true), scanned(&text, false), "{:?}", text);
    }

    #[test]
    fn nor_in_latin_text(
        pieces in prop::collection::vec(prop::sample::select(LATIN), 1..40),
    ) {
        let text = pieces.concat();
        prop_assert_eq!(scanned(&text, true), scanned(&text, false), "{:?}", text);
    }

    #[test]
    fn nor_in_programs(
        pieces in prop::collection::vec(
            (prop::sample::select(NAMED), prop::sample::select(JOINTS)), 1..24),
    ) {
        let text: String = pieces.into_iter().flat_map(|(name, joint)| [name, joint]).collect();
        prop_assert_eq!(scanned(&text, true), scanned(&text, false), "{:?}", text);
    }

    #[test]
    fn nor_in_words_of_any_letters(text in "([a-zA-Z]{1,14}[ ,.:'()/@-]{1,2}|[a-z]{1,9} |[0-9]{1,4}[ .-]){1,30}") {
        prop_assert_eq!(scanned(&text, true), scanned(&text, false), "{:?}", text);
    }

    /// A stream skips what the whole text skips: what is decided before the end comes is not changed by it.
    #[test]
    fn an_end_to_come_hides_nothing(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(LATIN),
                prop::sample::select(NAMED),
                prop::sample::select(JOINTS),
            ],
            1..24,
        ),
        cut in 0..1000usize,
    ) {
        let text = pieces.concat();
        let mut cut = cut % (text.len() + 1);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let view = View::new(&text[..cut], false);
        let mut found = Vec::new();
        let mut scan = Scan::new(&view, 0, Last::default());
        let upto = scan.run(|f| found.push(f));
        let last = scan.last();
        let whole = View::new(&text, true);
        Scan::new(&whole, upto, last).run(|f| found.push(f));
        prop_assert_eq!(found, scanned(&text, false), "{:?} at {}", text, cut);
    }
}
