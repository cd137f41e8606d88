//! Streams find what the whole text has, however it is cut.

mod broken;

use super::*;
use crate::scan::custom::{Custom, Validator};
use crate::scan::set::WordList;
use crate::scan::{Sort, scan};
use proptest::prelude::*;
use std::sync::LazyLock;
use wire::Grade;

pub(in crate::scan) const PIECES: &[&str] = &[
    "13800138000",
    "张伟",
    "，",
    "电话",
    " ",
    "11010519491231002X",
    "\\u0031",
    "%31%33",
    "&#49;",
    "：",
    "身份证号",
    "王先生",
    "\n",
    "6222021000112233449",
    "zhang.san@example.com",
    "北京市朝阳区建国路88号3号楼502室",
    "今天天气不错",
    "hello world",
    "一三八零零一三八零零零",
    "1 3 8 0 0 1 3 8 0 0 0",
    "password: Tr0ub4dor&3x",
    "sk-0123456789abcdef0123456789abcdef",
    "\u{200b}",
    "１３８",
    "+86 138-0013-8000",
    "(010) 62345678",
    "京A12345",
    "\t",
    "|",
    "姓名\t手机\n李娜\t13912345678\n",
    "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
    "192.168.1.20",
    "v1.2.3",
    "A123456(3)",
    "0",
    "x",
    "-",
    ".",
    "mysql://root:pa55@db/app",
    "1\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    "患者王芳因发热",
    "Dear Mr. John Smith",
    "出生日期1990年3月5日",
    "\"name\":\"李雷\"",
    "39.9042, 116.4074",
    "军字第1234567号",
    "2001:db8::8a2e:370:7334",
    "欧阳",
    "微信号：zhang_san88",
    "订单号",
    "2023",
    "/",
    "\\",
    "%",
    "&",
    "+",
    "(",
    "😀",
    "é",
    "的",
    "省",
    "号",
];

/// What only the sets below look for, and what lies across it.
const MORE: &[&str] = &[
    "赌博",
    "赌博网站",
    "赌",
    "casino",
    "CASINO",
    "class",
    "ass",
    "网站",
    "先生们",
    "HT-123456",
    "合同",
    "HT-1234567",
    "ZX00000018",
    "c++",
    "加v",
    "伟大",
    "话1",
    "example.com",
    "c+",
    "AB12CD34",
    "AB12",
    "号1234",
];

static PLAIN: LazyLock<Set> =
    LazyLock::new(|| Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade).unwrap());

static FULL: LazyLock<Set> = LazyLock::new(|| {
    let list = |name: &str, grade, words: &[&str]| WordList {
        name: name.to_owned(),
        group: None,
        grade: Grade(grade),
        words: words.iter().map(|w| (*w).to_owned()).collect(),
    };
    let custom = |name: &str, pattern: &str, context: &[&str], validator| Custom {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        validator,
        context: context.iter().map(|w| (*w).to_owned()).collect(),
        grade: Grade(2),
    };
    Set::build(
        vec![
            custom("CONTRACT", r"HT-\d{6,8}", &["合同"], None),
            custom("PART", r"ZX\d{8}", &[], Some(Validator::Luhn)),
            custom("BADGE", r"[A-Z]{2}\d{2}(?:[A-Z]{2}\d{2})?", &[], None),
            custom("BORDERED", r"\bv1\b", &[], None),
        ],
        vec![
            list(
                "LOW",
                0,
                &[
                    "赌博",
                    "赌博网站",
                    "casino",
                    "ass",
                    "先生们",
                    "话1",
                    "c++",
                    "伟大",
                    "例",
                ],
            ),
            list(
                "HIGH",
                3,
                &["example.com", "加v", "13800", "网站", "北京市朝", "的"],
            ),
        ],
        &|_, _, grade| grade,
    )
    .unwrap()
});

fn whole(set: &Set, text: &str) -> Vec<Finding> {
    whole_behind(set, "", text)
}

fn whole_behind(set: &Set, context: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    set.scan(context, text, &mut found);
    assert!(
        found.windows(2).all(|w| w[0].end <= w[1].start),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .all(|f| f.start < f.end && text.get(f.start..f.end).is_some())
    );
    found
}

fn streamed(set: &Set, text: &str, cuts: &[usize]) -> Vec<Finding> {
    streamed_behind(set, "", text, cuts)
}

fn streamed_behind(set: &Set, context: &str, text: &str, cuts: &[usize]) -> Vec<Finding> {
    let mut stream = Stream::behind(context);
    let mut found = Vec::new();
    let (mut from, mut decided) = (0, 0);
    for &cut in cuts.iter().chain([&text.len()]) {
        let known = found.len();
        let now = stream.push(set, &text[from..cut], &mut found);
        assert!(now >= decided && now <= cut as u64);
        assert!(
            found[known..].iter().all(|f| f.start as u64 >= decided),
            "a finding in what was released"
        );
        assert!(found.last().is_none_or(|f| f.end as u64 <= now));
        assert_eq!(stream.held() as u64, cut as u64 - now);
        (decided, from) = (now, cut);
    }
    let end = stream.finish(set, &mut found);
    assert_eq!(end as usize, text.len(), "all is decided at the end");
    found
}

fn boundaries(text: &str) -> Vec<usize> {
    (0..=text.len())
        .filter(|&i| text.is_char_boundary(i))
        .collect()
}

#[test]
fn a_set_without_more_finds_what_the_built_in_scan_finds() {
    let set = &*PLAIN;
    for pair in PIECES.windows(4) {
        let text = pair.concat();
        let hits: Vec<_> = scan(&text)
            .iter()
            .map(|h| (Sort::of(h.entity), h.start, h.end, h.score))
            .collect();
        let found: Vec<_> = whole(set, &text)
            .iter()
            .map(|f| (f.sort, f.start, f.end, f.score))
            .collect();
        assert_eq!(found, hits, "{text:?}");
    }
}

#[test]
fn every_single_cut_gives_the_whole() {
    let sets = [&*PLAIN, &*FULL];
    for pieces in PIECES.windows(4).chain(MORE.windows(3)) {
        let text = pieces.concat();
        for set in sets {
            let expected = whole(set, &text);
            let all = boundaries(&text);
            for &cut in &all {
                assert_eq!(
                    streamed(set, &text, &[cut]),
                    expected,
                    "{text:?} cut at {cut}"
                );
            }
            assert_eq!(
                streamed(set, &text, &all),
                expected,
                "{text:?} cut everywhere"
            );
        }
    }
}

/// Of such texts a stream missed something: a list that may go on hangs on what follows the comma, and marks that
/// belong to the last character of what was found may still come.
#[test]
fn every_pair_of_cuts_gives_the_whole() {
    for text in [
        "，银行http://卡：62,2\u{feff}8481266567600826\n",
        "，银行http://卡：62,28481266567600826\n",
        "银行卡：6,2,2,2,0,2,1,0,0,0,1,1,2,2,3,3,4,4,9\n",
        "电话13800138000\u{fe0f}\u{20e3}\u{fe0f}，你的\u{fe0f}\u{20e3}",
        "13800138000\u{200b}，的\u{fe0f}\u{200b}\u{20e3}",
    ] {
        for set in [&*PLAIN, &*FULL] {
            let expected = whole(set, text);
            assert!(!expected.is_empty(), "{text:?}");
            let all = boundaries(text);
            for (i, &first) in all.iter().enumerate() {
                for &second in &all[i..] {
                    assert_eq!(
                        streamed(set, text, &[first, second]),
                        expected,
                        "{text:?} cut at {first} and {second}"
                    );
                }
            }
        }
    }
}

/// An escape in the context is none that an escape in the text has as company.
#[test]
fn context_is_folded_apart() {
    for (context, text) in [
        ("电话%2B:", "%313800138000"),
        ("Ａ", "，13800138000"),
        ("\\", "u0031"),
    ] {
        let expected = whole_behind(&PLAIN, context, text);
        assert_eq!(
            streamed_behind(&PLAIN, context, text, &boundaries(text)),
            expected,
            "{context:?} {text:?}"
        );
    }
}

#[test]
fn long_texts_are_trimmed_and_prose_does_not_wait() {
    let text = "今天天气不错，我们去公园走走吧。电话13800138000。".repeat(300);
    for set in [&*PLAIN, &*FULL] {
        let expected = whole(set, &text);
        assert!(expected.len() >= 300);
        let cuts: Vec<usize> = text.char_indices().map(|(i, _)| i).step_by(7).collect();
        assert_eq!(streamed(set, &text, &cuts), expected);
    }
    let mut stream = Stream::new();
    stream.push(&PLAIN, "这里的风景很美丽", &mut Vec::new());
    assert!(stream.held() <= 24, "{}", stream.held());
}

#[test]
fn a_stream_of_prose_is_small() {
    let set = &*PLAIN;
    let (mut stream, mut found) = (Stream::new(), Vec::new());
    let text =
        "今天天气不错，我们去公园走走吧。The weather is fine so we go for a walk in the park behind the old town hall and eat ice cream. ".repeat(400);
    let cuts: Vec<usize> = text.char_indices().map(|(i, _)| i).step_by(7).collect();
    for pair in cuts.windows(2) {
        stream.push(set, &text[pair[0]..pair[1]], &mut found);
        assert!(stream.text.capacity() <= 1536, "{}", stream.text.capacity());
    }
    assert!(std::mem::size_of::<Stream>() <= 256);
}

#[test]
fn long_tables_and_long_lines_give_the_whole() {
    let row = "李娜\t13912345678\t20230001\t说明\n";
    let table = format!("姓名\t手机\t学号\t备注\n{}", row.repeat(40));
    let line = "one, two, three, four and a sentence that goes on and on, and is in all its length of more than a hundred letters without a comma longer than any cell of a table may ever become, ".replace("on, and", "on and").repeat(15);
    let list = "a,b,c,d,".repeat(400);
    for text in [
        format!("{line}\n{table}"),
        format!("{table}\n{line}\n{table}"),
        format!("{list}\n{table}"),
        format!("{list}{line}\n姓名,工号\n张三,A102345\n{line}"),
    ] {
        for set in [&*PLAIN, &*FULL] {
            let expected = whole(set, &text);
            assert!(!expected.is_empty());
            for step in [1, 13, 50] {
                let cuts: Vec<usize> = text.char_indices().map(|(i, _)| i).step_by(step).collect();
                assert_eq!(streamed(set, &text, &cuts), expected, "{step}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn any_cuts_give_the_whole(
        pieces in prop::collection::vec(prop_oneof![prop::sample::select(PIECES), prop::sample::select(MORE)], 1..10),
        marks in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = pieces.concat();
        let all = boundaries(&text);
        let mut cuts: Vec<usize> = marks.iter().map(|m| *m.get(&all)).collect();
        cuts.sort_unstable();
        for set in [&*PLAIN, &*FULL] {
            prop_assert_eq!(streamed(set, &text, &cuts), whole(set, &text), "{:?} {:?}", text, cuts);
        }
    }
}
