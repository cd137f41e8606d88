//! What stands in place of a finding: a label, a mask, a surrogate of the same shape, or a keyed hash.
//!
//! Within one request the same value always gets the same replacement; labels are numbered by first appearance, so a
//! conversation that is sent again with its history gets the same labels again and nothing has to be kept. Surrogates and
//! hashes are keyed, so they are the same in every request under the same key. Knows no JSON and no detector. Invariant: a
//! replacement holds no quote, backslash or control character, so it stands inside a string at any nesting as it is.

use std::collections::HashMap;

use aws_lc_rs::hmac;

use crate::restore::Table;
use crate::scan::Sort;

/// How a value is replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// `<TYPE_1>`.
    #[default]
    Placeholder,
    /// The ends stay, the middle is `*`: JR/T 0171-2020, appendix A shows how much of a number may be shown.
    Mask,
    /// Something of the same shape that is nobody's: letters stay letters, digits digits.
    Pseudonym,
    /// `<TYPE:0123456789ab>`, the beginning of a keyed hash.
    Hash,
}

/// The key of surrogates and hashes. `Debug` shows nothing.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// A key from bytes of any length.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn digest(&self, name: &str, value: &str, round: u8) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(name.as_bytes());
        context.update(&[0, round]);
        context.update(value.as_bytes());
        let mut out = [0; 32];
        let tag = context.sign();
        for (to, from) in out.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        out
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper")
    }
}

/// The same value written in other ways: digits and letters only, full-width as ASCII, upper case.
fn canonical(value: &str) -> String {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        other => other,
    };
    let short: String = value
        .chars()
        .map(plain)
        .filter(|c| c.is_alphanumeric() || matches!(c, '@' | '.'))
        .flat_map(char::to_uppercase)
        .collect();
    if short.is_empty() {
        value.to_owned()
    } else {
        short
    }
}

/// The replacements of one request or one reply. Holds values: `Debug` is not for it.
#[derive(Clone, Default)]
pub struct Labels {
    numbers: HashMap<(Sort, String), u32>,
    next: HashMap<Sort, u32>,
}

impl Labels {
    /// The number of a value among those of its type. `taken` tells numbers that stand in the text already and are not
    /// ours.
    pub fn number(&mut self, sort: Sort, value: &str, taken: impl Fn(u32) -> bool) -> u32 {
        let next = &mut self.next;
        *self
            .numbers
            .entry((sort, canonical(value)))
            .or_insert_with(|| {
                let last = next.entry(sort).or_insert(0);
                *last += 1;
                while taken(*last) {
                    *last += 1;
                }
                *last
            })
    }

    /// What to write in place of `value`, a `name`; `restore` gets what is needed to put it back.
    pub fn replacement(
        &mut self,
        pepper: &Pepper,
        (sort, name): (Sort, &str),
        value: &str,
        method: Method,
        taken: impl Fn(u32) -> bool,
        restore: Option<&mut Table>,
    ) -> String {
        match method {
            Method::Placeholder => {
                let number = self.number(sort, value, taken);
                if let Some(table) = restore {
                    table.label(name, number, value);
                }
                format!("<{name}_{number}>")
            }
            Method::Mask => mask(value),
            Method::Hash => {
                let digest = pepper.digest(name, &canonical(value), 0);
                let mut label = format!("<{name}:");
                for byte in digest.iter().take(6) {
                    label.push_str(&format!("{byte:02x}"));
                }
                label.push('>');
                label
            }
            Method::Pseudonym => {
                let surrogate = surrogate(pepper, name, value);
                if let Some(table) = restore {
                    table.literal(&surrogate, value);
                }
                surrogate
            }
        }
    }
}

/// Keeps 3 and 4 of eleven or fewer, 6 and 4 of longer numbers, the first of what is short; everything else is `*`.
#[must_use]
pub fn mask(value: &str) -> String {
    let total = value.chars().filter(|c| c.is_alphanumeric()).count();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let (head, tail) = match total {
        0..=4 => (1, 0),
        5..=9 => (1, 1),
        10..=15 if digits * 2 > total => (3, 4),
        16.. if digits + 1 >= total => (6, 4),
        _ => (2, 2),
    };
    let mut seen = 0;
    value
        .chars()
        .map(|c| {
            if !c.is_alphanumeric() {
                return if matches!(c, '-' | ' ' | '.' | '@' | '(' | ')' | '+') {
                    c
                } else {
                    '*'
                };
            }
            seen += 1;
            if seen <= head || seen > total - tail {
                c
            } else {
                '*'
            }
        })
        .collect()
}

/// Given names and words of nobody in particular: the heavenly stems and earthly branches.
const HAN: [char; 22] = [
    '甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸', '子', '丑', '寅', '卯', '辰', '巳',
    '午', '未', '申', '酉', '戌', '亥',
];

/// The same shape, from a keyed stream of bytes. Numbers of persons go to ranges that are never given out, so that no
/// surrogate is anybody's: region 99 of identity cards, mobile numbers from 10.
fn surrogate(pepper: &Pepper, name: &str, value: &str) -> String {
    let canonical = canonical(value);
    let mut pool = Vec::new();
    let mut round = 0u8;
    let mut draw = || {
        if pool.is_empty() {
            pool = pepper.digest(name, &canonical, round).to_vec();
            round = round.wrapping_add(1);
        }
        pool.pop().unwrap_or(7)
    };
    let unassigned: &[u8] = match name {
        "CN_ID_CARD" | "CN_HMT_RESIDENCE" | "CN_ID_CARD_15" | "BANK_CARD" | "CREDIT_CARD" => b"99",
        "CN_MOBILE" => b"10",
        _ => b"",
    };
    let mut fixed = unassigned.iter().copied();
    let letter = |base: u8, byte: u8| char::from(base + byte % 26);
    value
        .chars()
        .map(|c| match c {
            '0'..='9' | '０'..='９' => match fixed.next() {
                Some(digit) => char::from(digit),
                None => char::from(b'0' + draw() % 10),
            },
            'a'..='z' => letter(b'a', draw()),
            'A'..='Z' => letter(b'A', draw()),
            '-' | ' ' | '.' | '@' | '(' | ')' | '+' | '/' | ':' | '_' => c,
            _ if c.is_alphanumeric() => HAN
                .get(usize::from(draw()) % HAN.len())
                .copied()
                .unwrap_or('甲'),
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::restore;

    const MOBILE: (Sort, &str) = (Sort(8), "CN_MOBILE");

    #[test]
    fn the_same_value_gets_the_same_label() {
        let pepper = Pepper::new(b"k");
        let mut labels = Labels::default();
        let mut table = Table::new();
        let mut of = |value: &str| {
            labels.replacement(
                &pepper,
                MOBILE,
                value,
                Method::Placeholder,
                |n| n == 2,
                Some(&mut table),
            )
        };
        assert_eq!(of("13800138000"), "<CN_MOBILE_1>");
        assert_eq!(of("138-0013-8000"), "<CN_MOBILE_1>");
        assert_eq!(of("13900139000"), "<CN_MOBILE_3>");
        assert_eq!(of("１３９００１３９０００"), "<CN_MOBILE_3>");
        assert_eq!(
            restore(&table, "<CN_MOBILE_3> <CN_MOBILE_2>"),
            "13900139000 <CN_MOBILE_2>"
        );
    }

    #[test]
    fn masks_show_the_ends() {
        assert_eq!(mask("13800138000"), "138****8000");
        assert_eq!(mask("138-0013-8000"), "138-****-8000");
        assert_eq!(mask("11010519491231002X"), "110105********002X");
        assert_eq!(mask("张伟"), "张*");
        assert_eq!(mask("a\"b\\c"), "a****");
    }

    #[test]
    fn surrogates_keep_the_shape_and_are_nobodys() {
        let pepper = Pepper::new(b"k");
        let mut labels = Labels::default();
        let mut table = Table::new();
        let mut of = |name, value: &str| {
            labels.replacement(
                &pepper,
                (Sort(1), name),
                value,
                Method::Pseudonym,
                |_| false,
                Some(&mut table),
            )
        };
        let mobile = of("CN_MOBILE", "138-0013-8000");
        assert!(mobile.starts_with("10") && mobile.len() == 13 && mobile.contains('-'));
        assert_eq!(
            of("CN_MOBILE", "13800138000").replace('-', ""),
            mobile.replace('-', "")
        );
        assert!(of("CN_ID_CARD", "11010519491231002X").starts_with("99"));
        assert_eq!(of("PERSON_NAME", "张伟").chars().count(), 2);
        assert_eq!(restore(&table, &format!("打{mobile}")), "打138-0013-8000");
        assert!(
            !crate::scan::scan(&mobile)
                .iter()
                .any(|hit| hit.entity.name() == "CN_MOBILE")
        );
    }

    #[test]
    fn hashes_hang_on_the_key() {
        let of = |key: &[u8]| {
            let pepper = Pepper::new(key);
            Labels::default().replacement(
                &pepper,
                MOBILE,
                "13800138000",
                Method::Hash,
                |_| false,
                None,
            )
        };
        assert_eq!(of(b"a"), of(b"a"));
        assert_ne!(of(b"a"), of(b"b"));
        assert!(of(b"a").starts_with("<CN_MOBILE:"));
    }
}
