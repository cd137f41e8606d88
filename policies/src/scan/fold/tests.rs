//! Folding undoes evasions, leaves the rest alone, and does not hang on how a text is cut.

use super::*;
use crate::scan::stream::RAW_KEPT;
use proptest::prelude::*;

/// Escapes and what may be taken for such, whole and cut.
const PARTS: &[&str] = &[
    "\\",
    "\\",
    "\\\\",
    "u",
    "n",
    "/",
    "\"",
    "0031",
    "\\u0031",
    "\\ud83d",
    "\\ude00",
    "\\\\ud83d",
    "\\\\ude00",
    "\\user",
    "%",
    "%41",
    "%40",
    "%4",
    "%zz",
    "%E5%BC%A0",
    "100%",
    "&",
    "&amp;",
    "&am",
    "p;",
    "&#49;",
    "&#4",
    "9;",
    "&&",
    "&str",
    "é",
    "！",
    "，",
    "（",
    "Ａ",
    "１",
    "。",
    "、",
    "\u{3000}",
    "\u{200b}",
    "\u{fe0f}",
    "\u{20e3}",
    "😀",
    "的",
    "电话",
    "ю",
    "ー",
    "1",
    "ab ",
    "plain text, ",
    "<",
    "\n",
    "a-long_token/without.end-a-long_token/without.end-a-long_token/without.end",
    "the quick brown fox jumps over the lazy dog, and then it sleeps for a while. ",
];

/// The folded text, unit by unit, and where each but the first begins.
fn by_units(text: &str, finished: bool) -> (String, Vec<usize>) {
    let (mut out, mut at, mut ends) = (String::new(), 0, Vec::new());
    while at < text.len() {
        let n = match text.as_bytes()[at] {
            b'\\' | b'%' | b'&' | 0xC2..=0xE3 | 0xEF.. => match unit(text, at, finished) {
                Unit::Copy(n) => {
                    out.push_str(&text[at..at + n]);
                    n
                }
                Unit::Drop(n) => n,
                Unit::To(c, n) => {
                    out.push(c);
                    n
                }
                Unit::Cut => break,
            },
            _ => {
                let c = text[at..].chars().next().unwrap();
                out.push(c);
                c.len_utf8()
            }
        };
        at += n;
        ends.push(at);
    }
    (out, ends)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn folds_as_unit_by_unit(parts in prop::collection::vec(prop::sample::select(PARTS), 1..14)) {
        let text = parts.concat();
        for finished in [true, false] {
            let folded = fold(&text, 0, finished);
            let (expected, ends) = by_units(&text, finished);
            prop_assert_eq!(&folded.text, &expected, "{:?}", text);
            prop_assert_eq!(Some(&folded.upto), ends.last().or(Some(&0)));
            if is_plain(&text) {
                prop_assert_eq!(&text, &expected);
            }
        }
    }

    /// What is plain by itself is so behind anything plain, and behind anything at all once that is far enough.
    #[test]
    fn what_is_plain_stays_so(parts in prop::collection::vec(prop::sample::select(PARTS), 1..14)) {
        let text = parts.concat();
        let (_, ends) = by_units(&text, true);
        let mut from = 0;
        for part in &parts {
            from += part.len();
            let (head, tail) = text.split_at(from);
            if !is_plain(tail) {
                continue;
            }
            if is_plain(head) {
                prop_assert_eq!(&fold(&text, 0, true).text, &text, "at {}", from);
            }
            for &base in ends.iter().filter(|&&end| end >= from + RAW_KEPT) {
                prop_assert_eq!(&fold(&text, base, true).text, &text[base..], "{:?} at {}", text, from);
            }
        }
    }
}

#[test]
fn evasions_fold() {
    for (raw, expected) in [
        ("１３８００", "13800"),
        ("1\u{200b}3\u{feff}8", "138"),
        ("1\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}", "13"),
        ("\\u0031\\u0033", "13"),
        ("\\\\u0031x", "1x"),
        ("a\\nb", "a\nb"),
        ("%31%33%38", "138"),
        ("100%25 of", "100%25 of"),
        ("a%40b.com", "a@b.com"),
        ("&#49;&#x33;&amp;", "13&"),
        ("𝟏𝟑𝟖", "138"),
        ("①③⑧", "138"),
        ("你好，世界：（好）", "你好，世界：（好）"),
        ("Ａ：Ｂ", "A:B"),
        ("R&D 50% \\d", "R&D 50% \\d"),
        ("%E5%BC%A0%E4%BC%9F", "张伟"),
    ] {
        let folded = fold(raw, 0, true);
        assert_eq!(folded.text, expected, "{raw}");
        assert_eq!(folded.upto, raw.len());
        if raw == expected {
            assert!(is_plain(raw) || raw.contains(['%', '\\', '&']), "{raw}");
        } else {
            assert!(!is_plain(raw), "{raw}");
        }
    }
}

#[test]
fn the_map_leads_back() {
    let raw = "电话１３8\u{200b}0。";
    let folded = fold(raw, 0, true);
    assert_eq!(folded.text, "电话1380。");
    assert_eq!(folded.map.start(6), 6);
    assert_eq!(folded.map.end(7), 9);
    assert_eq!(folded.map.end(9), 13);
    assert_eq!(folded.map.start(9), 16);
    assert_eq!(folded.map.end(10), 17);
}

#[test]
fn a_cut_escape_waits() {
    for (raw, upto) in [
        ("ab\\u00", 2),
        ("ab%3", 2),
        ("x&#4", 1),
        ("ok", 2),
        ("a\\", 1),
    ] {
        assert_eq!(fold(raw, 0, false).upto, upto, "{raw}");
        assert_eq!(fold(raw, 0, true).upto, raw.len());
    }
}

#[test]
fn digits_of_all_scripts_are_digits_and_fillers_are_nothing() {
    let text = "๑๓٨\u{3164}৪\u{115f}๕\u{ffa0}x\u{e0031}\u{17b4}";
    assert_eq!(fold(text, 0, true).text, "13845x");
}
