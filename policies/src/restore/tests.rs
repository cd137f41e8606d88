//! Labels as models write them, and what is no label of ours; any cut finds the same.

use super::*;
use proptest::prelude::*;

fn table() -> Table {
    let mut table = Table::new();
    table.label("CN_MOBILE", 1, "13800138000");
    table.label("CN_MOBILE", 12, "13900139000");
    table.label("PERSON_NAME", 1, "张伟");
    table.literal("6299001", "6222021");
    table
}

#[test]
fn models_write_labels_in_many_ways() {
    for (text, want) in [
        ("拨<CN_MOBILE_1>。", "拨13800138000。"),
        ("<CN_MOBILE_12>", "13900139000"),
        ("＜CN_MOBILE_1＞", "13800138000"),
        ("\\<CN\\_MOBILE\\_1\\>", "13800138000"),
        ("\\\\<CN\\\\_MOBILE\\\\_1\\\\>", "13800138000"),
        ("<cn mobile 1>", "13800138000"),
        ("< CN_MOBILE_1 >!", "13800138000!"),
        ("&lt;CN_MOBILE_1&gt;", "13800138000"),
        ("\\u003cCN_MOBILE_1\\u003e", "13800138000"),
        ("call CN_MOBILE_1, now", "call 13800138000, now"),
        ("<<CN_MOBILE_1>>", "<13800138000>"),
        ("卡6299001x", "卡6222021x"),
        ("<PERSON_NAME_1><CN_MOBILE_1>", "张伟13800138000"),
    ] {
        assert_eq!(restore(&table(), text), want, "{text}");
    }
}

#[test]
fn what_is_no_label_of_ours_stays() {
    for text in [
        "<CN_MOBILE_9>",
        "CN_MOBILE_123",
        "XCN_MOBILE_1",
        "CN_MOBILE_1a",
        "<CN_MOBILE_1a>",
        "<CN_MOBILE>",
        "a < b",
        "<EMAIL_1>",
        "<b>bold</b>",
        "cn_mobile_1",
    ] {
        assert_eq!(restore(&table(), text), text);
    }
}

const PIECES: &[&str] = &[
    "<CN_MOBILE_1>",
    "<CN_MOBILE_12>",
    "CN_MOBILE_1",
    "<PERSON_NAME_1>",
    "6299001",
    "\\<CN\\_MOBILE\\_1\\>",
    "＜CN_MOBILE_1＞",
    "<",
    "\\",
    "&lt",
    " ",
    "中",
    "CN",
    "_1",
    ">",
    "a",
    "2",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_cut_finds_the_same(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..8),
        marks in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = pieces.concat();
        let boundaries: Vec<usize> = (0..=text.len()).filter(|&i| text.is_char_boundary(i)).collect();
        let mut cuts: Vec<usize> = marks.iter().map(|m| *m.get(&boundaries)).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let table = table();
        let mut whole = Vec::new();
        table.find(&text, 0, true, |span, entry| whole.push((span.start as u64..span.end as u64, entry)));
        let mut restoring = Restoring::default();
        let (mut found, mut from, mut decided) = (Vec::new(), 0, 0);
        for cut in cuts {
            let now = restoring.push(&table, &text[from..cut], |span, entry| {
                assert!(span.start >= decided);
                found.push((span, entry));
            });
            assert!(now >= decided && cut as u64 - now <= LABEL_BYTES_MAX as u64);
            decided = now;
            from = cut;
        }
        prop_assert_eq!(restoring.finish(&table, |span, entry| found.push((span, entry))), text.len() as u64);
        prop_assert_eq!(found, whole, "{:?}", text);
    }
}
