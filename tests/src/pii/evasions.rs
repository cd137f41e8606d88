//! Ways of writing a value so that a plain pattern misses it.

use super::Sample;
use super::random::Random;
use super::values::{self, chunks};

type Trick = fn(&str, &mut Random) -> String;

fn map(text: &str, f: impl Fn(char) -> String) -> String {
    text.chars().map(f).collect()
}

fn shift(text: &str, zero: u32) -> String {
    map(text, |c| {
        c.to_digit(10)
            .and_then(|d| char::from_u32(zero + d))
            .unwrap_or(c)
            .to_string()
    })
}

fn table(text: &str, digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    map(text, |c| {
        c.to_digit(10).map_or(c, |d| digits[d as usize]).to_string()
    })
}

fn between(text: &str, what: &str) -> String {
    text.chars()
        .map(|c| c.to_string())
        .collect::<Vec<_>>()
        .join(what)
}

fn grouped(text: &str, what: &str) -> String {
    if text.len() == 11 {
        chunks(text, &[3, 4, 4], what)
    } else if text.len() == 18 {
        chunks(text, &[6, 8, 4], what)
    } else {
        chunks(text, &[4; 5], what)
    }
}

fn once(text: &str, what: &str, r: &mut Random) -> String {
    let n = r.range(2, text.chars().count() - 2);
    let (a, b) = text.split_at(text.char_indices().nth(n).map_or(0, |(i, _)| i));
    format!("{a}{what}{b}")
}

/// Tricks for numbers.
pub const NUMBERS: &[(&str, Trick)] = &[
    ("fullwidth", |t, _| {
        map(t, |c| {
            char::from_u32(c as u32 + 0xfee0).unwrap().to_string()
        })
    }),
    ("zero width", |t, r| once(t, "\u{200b}", r)),
    ("zero width everywhere", |t, _| between(t, "\u{200b}")),
    ("word joiner", |t, r| once(t, "\u{2060}", r)),
    ("byte order mark", |t, r| once(t, "\u{feff}", r)),
    ("soft hyphen", |t, _| grouped(t, "\u{ad}")),
    ("spaces", |t, _| grouped(t, " ")),
    ("no-break spaces", |t, _| grouped(t, "\u{a0}")),
    ("thin spaces", |t, _| grouped(t, "\u{2009}")),
    ("ideographic spaces", |t, _| grouped(t, "\u{3000}")),
    ("hyphens", |t, _| grouped(t, "-")),
    ("unicode hyphens", |t, _| grouped(t, "\u{2010}")),
    ("en dashes", |t, _| grouped(t, "–")),
    ("dots", |t, _| grouped(t, ".")),
    ("middle dots", |t, _| grouped(t, "·")),
    ("underscores", |t, _| grouped(t, "_")),
    ("slashes", |t, _| grouped(t, "/")),
    ("fullwidth commas", |t, _| grouped(t, "，")),
    ("newlines", |t, _| grouped(t, "\n")),
    ("bold", |t, _| grouped(t, "**")),
    ("space at every digit", |t, _| between(t, " ")),
    ("hyphen at every digit", |t, _| between(t, "-")),
    ("dot at every digit", |t, _| between(t, ".")),
    ("two spaces", |t, _| grouped(t, "  ")),
    ("chinese numerals", |t, _| table(t, "零一二三四五六七八九")),
    ("chinese numerals with circle", |t, _| {
        table(t, "〇一二三四五六七八九")
    }),
    ("financial numerals", |t, _| {
        table(t, "零壹贰叁肆伍陆柒捌玖")
    }),
    ("radio numerals", |t, _| table(t, "洞幺两三四五六拐八勾")),
    ("mixed numerals", |t, _| {
        let n = t.len() / 2;
        format!("{}{}", &t[..n], table(&t[n..], "零一二三四五六七八九"))
    }),
    ("mathematical digits", |t, _| shift(t, 0x1d7ce)),
    ("circled digits", |t, _| table(t, "⓪①②③④⑤⑥⑦⑧⑨")),
    ("superscripts", |t, _| table(t, "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    ("arabic-indic digits", |t, _| shift(t, 0x660)),
    ("keycaps", |t, _| {
        map(t, |c| {
            if c.is_ascii_digit() {
                format!("{c}\u{fe0f}\u{20e3}")
            } else {
                c.to_string()
            }
        })
    }),
    ("json escapes", |t, _| {
        map(t, |c| format!("\\u{:04x}", c as u32))
    }),
    ("percent escapes", |t, _| {
        map(t, |c| format!("%{:02X}", c as u32))
    }),
    ("html entities", |t, _| {
        map(t, |c| format!("&#{};", c as u32))
    }),
    ("html hex entities", |t, _| {
        map(t, |c| format!("&#x{:x};", c as u32))
    }),
    ("concatenation", |t, _| {
        let n = t.len() / 2;
        format!("{}\" + \"{}", &t[..n], &t[n..])
    }),
    ("array elements", |t, _| {
        let n = t.len() / 2;
        format!("{}\",\"{}", &t[..n], &t[n..])
    }),
    ("brackets", |t, _| {
        let n = 3;
        format!("{}({}){}", &t[..n], &t[n..n + 4], &t[n + 4..])
    }),
];

/// Tricks for others: type and writing.
pub const OTHERS: &[(&str, &str, Trick)] = &[
    ("lower-case x", "CN_ID_CARD", |_, r| {
        id_x(r).replace('X', "x")
    }),
    ("multiplication sign", "CN_ID_CARD", |_, r| {
        id_x(r).replace('X', "×")
    }),
    ("cyrillic x", "CN_ID_CARD", |_, r| id_x(r).replace('X', "х")),
    ("fullwidth x", "CN_ID_CARD", |_, r| {
        id_x(r).replace('X', "Ｘ")
    }),
    ("fullwidth at", "EMAIL", |t, _| t.replace('@', "＠")),
    ("at and dot in words", "EMAIL", |_, r| {
        format!("zhang{} at example dot com", r.digits(2))
    }),
    ("at and dot in brackets", "EMAIL", |t, _| {
        t.replace('@', "(at)").replace('.', "(dot)")
    }),
    ("at in square brackets", "EMAIL", |t, _| {
        t.replace('@', "[at]")
    }),
    ("percent at", "EMAIL", |t, _| t.replace('@', "%40")),
    ("json at", "EMAIL", |t, _| t.replace('@', "\\u0040")),
    ("fullwidth e-mail", "EMAIL", |t, _| {
        map(t, |c| {
            char::from_u32(c as u32 + 0xfee0).unwrap().to_string()
        })
    }),
    ("split key", "AWS_ACCESS_KEY", |t, _| {
        format!("{}\" + \"{}", &t[..4], &t[4..])
    }),
    ("zero width key", "LLM_API_KEY", |t, r| {
        once(t, "\u{200b}", r)
    }),
    ("fullwidth plate", "CN_PLATE", |t, _| {
        map(t, |c| {
            if c.is_ascii_graphic() {
                char::from_u32(c as u32 + 0xfee0).unwrap().to_string()
            } else {
                c.to_string()
            }
        })
    }),
    ("spaced code", "CN_USCC", |t, _| chunks(t, &[4; 5], " ")),
    ("escaped newlines", "PRIVATE_KEY", |t, _| {
        t.replace('\n', "\\n")
    }),
    ("spaced name", "PERSON_NAME", |t, _| between(t, " ")),
];

fn id_x(r: &mut Random) -> String {
    loop {
        let id = values::of("CN_ID_CARD", r);
        if id.ends_with('X') {
            return id;
        }
    }
}

/// One sample of every trick.
#[must_use]
pub fn samples(r: &mut Random) -> Vec<Sample> {
    let mut out = Vec::new();
    let put = |kind: &str, value: &str, trick, r: &mut Random| {
        let cue = match kind {
            "CN_MOBILE" => r.pick(&["电话", "手机号：", "联系方式是", ""]),
            "CN_ID_CARD" => r.pick(&["身份证", "证件号：", "号码：", ""]),
            "BANK_CARD" => r.pick(&["卡号", "银行卡：", "账号 ", ""]),
            "PERSON_NAME" => "姓名：",
            "AWS_ACCESS_KEY" => "key = \"",
            _ => "请看：",
        };
        let end = r.pick(&["", "。", "，谢谢", "\n"]);
        Sample::marked(&format!("{cue}[[{kind}|{value}]]{end}"), trick)
    };
    for &(trick, f) in NUMBERS {
        for kind in ["CN_MOBILE", "CN_ID_CARD", "BANK_CARD"] {
            let value = match kind {
                "CN_MOBILE" => values::mobile(r),
                _ => loop {
                    let v: String = values::of(kind, r)
                        .chars()
                        .filter(|c| c.is_ascii_alphanumeric())
                        .collect();
                    if v.len() >= 16 && !v.ends_with('X') {
                        break v;
                    }
                },
            };
            let written = f(&value, r);
            out.push(put(kind, &written, trick, r));
        }
    }
    for &(trick, kind, f) in OTHERS {
        let value = values::of(kind, r);
        let written = f(&value, r);
        out.push(put(kind, &written, trick, r));
    }
    out
}
