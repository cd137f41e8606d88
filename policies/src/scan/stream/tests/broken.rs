//! Values in pieces, with what is not seen and what separates between them, behind what leads to them.

use super::*;

/// Values that something may stand between the characters of.
const VALUES: &[&str] = &[
    "13800138000",
    "8613800138000",
    "01062345678",
    "11010519491231002X",
    "110105491231002",
    "6228481266567600826",
    "6222021000112233449",
    "4111111111111111",
    "378282246310005",
    "490154203237518",
    "91350100M000100Y43",
    "GB82WEST12345698765432",
    "LSVAU2180N2183294",
    "A123456(3)",
    "E12345678",
    "123-45-6789",
    "39.9042,116.4074",
    "192.168.1.20",
    "2001:db8::8a2e:370:7334",
    "00:1a:2b:3c:4d:5e",
    "1990-03-05",
    "2026-01-31 12:30:45",
    "zhang.san@example.com",
    "sk-0123456789abcdef0123456789abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "Tr0ub4dor&3x",
    "一三八零零一三八零零零",
    "京A12345",
    "张伟",
    "欧阳娜娜",
    "北京市朝阳区建国路88号3号楼502室",
    "12345",
    "62",
    "7",
];

/// What stands there: what is not seen, what separates, what joins.
const BETWEEN: &[&str] = &[
    "\u{200b}",
    "\u{feff}",
    "\u{2060}",
    "\u{ad}",
    "\u{fe0f}\u{20e3}",
    ",",
    ", ",
    "，",
    "、",
    ";",
    "；",
    "|",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "-",
    ".",
    "·",
    "/",
    "_",
    "*",
    "~",
    "—",
    "(",
    ")",
    "（",
    "）",
    "[",
    "]",
    ":",
    "：",
    "\"",
    "'",
    "\" + \"",
    "\",\"",
    "\\n",
    "%20",
    "&nbsp;",
    "=",
    "@",
    "+",
    "#",
    "$",
    "!",
    "?",
    "<",
    ">",
    "{",
    "}",
    "a",
    "X",
    "0",
    "1",
    "的",
    "号",
    "。",
    "»",
];

/// Of these, what numbers are read over.
const SEPARATING: &[&str] = &[
    "\u{200b}", "\u{feff}", "\u{2060}", "\u{ad}", ",", ", ", "，", ";", "|", " ", "-", ".", "/",
    "\n",
];

/// What leads to a value, or away from it.
const LEADING: &[&str] = &[
    "银行",
    "银行卡：",
    "卡：",
    "卡号",
    "电话",
    "电话：",
    "手机号 ",
    "tel",
    "phone: ",
    "身份证号：",
    "护照",
    "SSN ",
    "IMEI:",
    "税号",
    "车牌",
    "车架号：",
    "姓名：",
    "联系人",
    "先生",
    "女士，",
    "地址：",
    "生日",
    "born ",
    "March ",
    "Dear ",
    "Mr. ",
    "QQ",
    "微信号：",
    "password: ",
    "密码是",
    "token=",
    "\"key\": \"",
    "http://",
    "https://u:",
    "jdbc:",
    "订单号",
    "v",
    "¥",
    "患者",
    "name\tphone\n",
    " at ",
    " is ",
    "今天天气不错",
    "hello world",
];

/// A value as it stands, or with something between its characters: the same in many places, or this and that.
fn broken() -> impl Strategy<Value = String> {
    let between =
        || prop_oneof![2 => prop::sample::select(SEPARATING), 1 => prop::sample::select(BETWEEN)];
    let places = prop::collection::vec((any::<prop::sample::Index>(), between()), 0..5);
    let every = prop::option::weighted(0.3, (1..5usize, between()));
    (prop::sample::select(VALUES), every, places).prop_map(|(value, every, places)| {
        let mut parts: Vec<String> = value.chars().map(String::from).collect();
        for (i, part) in parts.iter_mut().enumerate().skip(1) {
            if let Some((step, between)) = every
                && i % step == 0
            {
                part.insert_str(0, between);
            }
        }
        for (place, between) in places {
            place.get_mut(&mut parts).push_str(between);
        }
        parts.concat()
    })
}

fn some(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(of).prop_map(String::from)
}

fn part() -> impl Strategy<Value = String> {
    let led = (some(LEADING), broken()).prop_map(|(cue, value)| cue + &value);
    prop_oneof![
        4 => led,
        2 => broken(),
        3 => some(LEADING),
        3 => some(BETWEEN),
        1 => some(PIECES),
        1 => some(MORE),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// Values in pieces, behind cues, with what is not seen in them.
    #[test]
    fn broken_values_are_found_however_they_are_cut(
        context in prop_oneof![3 => Just(String::new()), 2 => part()],
        parts in prop::collection::vec(part(), 1..7),
        marks in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
    ) {
        let text = parts.concat();
        let all = boundaries(&text);
        let mut cuts: Vec<usize> = marks.iter().map(|m| *m.get(&all)).collect();
        cuts.sort_unstable();
        for set in [&*PLAIN, &*FULL] {
            let expected = whole_behind(set, &context, &text);
            for cuts in [&cuts, &cuts[..1], &all] {
                prop_assert_eq!(streamed_behind(set, &context, &text, cuts), expected.clone(), "{:?} {:?} {:?}", context, text, cuts);
            }
        }
    }
}
