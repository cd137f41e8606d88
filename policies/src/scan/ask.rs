//! Which detectors are asked where: kinds of places, and the detectors of each.
//!
//! Knows classes of bytes; no entity's grammar. Invariant: a detector is left out only where its first look would make
//! it refuse.

use std::sync::LazyLock;

use super::engine::Scan;
use super::find::{DETECTORS, Lettered, join, leads, list_ahead, paired};
use super::site::{Found, Site};
use super::view::{DIGIT, UPPER, is};

/// Where a detector wants to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Up to three digits, and a dot in any writing may follow.
    Decimal,
    /// Digits of which a date may begin.
    Date,
    /// Up to eight digits, and a list of digits goes on behind them.
    List,
    /// Up to five digits, a space, and a capital or a digit.
    House,
    /// A group of digits begins, and at least five digits come, separators or not; or a row of Chinese numerals.
    Number,
    /// A row of Chinese numerals begins.
    Numerals,
    /// A word of ASCII letters and digits begins that is no plain one.
    Word,
    /// The same, and what may be an at sign follows, or a dot or another sign of local parts.
    Mail,
    /// The same, and `:/` or another sign of schemes follows, or `:` behind what may be `jdbc`.
    Scheme,
    /// The same, up to four hexadecimal digits with `:` behind, two with `-` or four with `.`.
    Hex,
    /// The same, with the first two letters of a known key, or 32 characters long.
    Key,
    /// The same, with `<` behind.
    Zone,
    /// The same, and something leads to it as to a value.
    Value,
    /// The same, and a quote follows that another may join.
    Joined,
    /// The same, with digits in it or all capitals.
    Code,
    /// A word begins with a capital.
    Capital,
    /// `+`, `(` or `（` before a digit.
    Plus,
    /// A surname's first character.
    Surname,
    /// A place's first character, or a Chinese character after which none stood, or one that may open an address.
    Place,
    /// A Chinese character after which, or after a word for persons, a foreign name may begin.
    Dotted,
    /// A province's short name before a capital.
    Plate,
    /// First character of 军字第….
    Form,
    /// `-----`.
    Dashes,
    /// A symbol that a password may begin with.
    Symbol,
    /// `-` before a digit, `:` before `:`.
    Sign,
}

const KINDS: usize = 25;

/// One way of finding: what `DETECTORS` lists.
#[derive(Debug)]
pub(crate) struct Detector {
    /// Its name, for reports.
    pub(crate) name: &'static str,
    /// Where it is asked.
    pub(crate) on: &'static [On],
    /// The longest hit it gives, in bytes of folded text.
    pub(crate) max_len: usize,
    /// How many digits or characters its values have, where it is asked for a number or a code.
    pub(crate) sizes: Sizes,
    /// A hit that begins at the site, if there is one. Reads forward only as far as needed.
    pub(crate) find: fn(&Site<'_, '_>) -> Option<Found>,
}

/// Sizes of values, one bit each: a value of that size can only end where a group does, so one look at where the groups
/// end tells which detectors need not be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sizes {
    Any,
    /// Digits, over separators: a value ends where they do.
    Digits(u32),
    /// The same, and something may follow that belongs to the value.
    Open(u32),
    /// The same of a telephone number, which may have a country's code before it.
    Phone(u32),
    /// Letters and digits, over separators.
    Code(u32),
    /// One to three letters first, then digits.
    Lettered,
}

/// Bits of what is known of the sizes at a site, beside one for each size: there is something, and two zeros come first.
const ANY: u64 = 1 << 31;
const ZEROS: u64 = 1 << 30;
/// Where the bits of codes' sizes begin.
const CODES: u32 = 32;

impl Sizes {
    /// A bit for each thing that makes it worth while to ask.
    fn bits(self) -> u64 {
        match self {
            Self::Any | Self::Lettered => ANY,
            Self::Digits(sizes) | Self::Open(sizes) => u64::from(sizes),
            Self::Phone(sizes) => u64::from(sizes) | ZEROS,
            Self::Code(sizes) => u64::from(sizes) << CODES,
        }
    }

    /// The bits of those things that are so at the site, where it is asked for a number or a code.
    fn here(kind: On, site: &Site<'_, '_>) -> u64 {
        let run = if kind == On::Number { site.run() } else { None };
        let digits = run.map_or(0, |run| {
            let zeros = run.digit(0) == 0 && run.digit(1) == 0;
            u64::from(run.borders()) | if zeros { ZEROS } else { 0 }
        });
        ANY | digits | site.code_borders() << CODES
    }

    /// Whether a value of one of the sizes may begin at the site, and be better than what was found there.
    #[inline]
    fn fit(self, site: &Site<'_, '_>) -> bool {
        match self {
            Self::Any => true,
            Self::Digits(sizes) => site.digits_fit(sizes),
            Self::Open(sizes) => site.run().is_some_and(|run| run.borders() & sizes != 0),
            Self::Phone(sizes) => site.run().is_some_and(|run| {
                run.borders() & sizes != 0 || run.digit(0) == 0 && run.digit(1) == 0
            }),
            Self::Code(sizes) => site.code_fits(sizes),
            Self::Lettered => Lettered::ahead(site.view, site.at).is_some(),
        }
    }
}

/// The detectors of each kind, in the order they are asked, and what makes it worth while to ask each.
pub(super) type Kinds = [Vec<(u64, &'static Detector)>; KINDS];

pub(super) static BY_KIND: LazyLock<Kinds> = LazyLock::new(|| {
    let mut table: Kinds = Default::default();
    for detector in DETECTORS {
        for &kind in detector.on {
            if let Some(list) = table.get_mut(kind as usize) {
                list.push((detector.sizes.bits(), detector));
            }
        }
    }
    table
});

/// The names of all detectors, in the order they are asked.
pub fn detectors() -> impl Iterator<Item = &'static str> {
    DETECTORS.iter().map(|detector| detector.name)
}

/// A word of letters and digits, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Where it ends.
    pub(super) end: usize,
    /// The classes of its bytes.
    pub(super) seen: u8,
    /// The byte behind it.
    pub(super) next: u8,
}

/// The first two letters of known keys.
pub(super) fn heads_key(first: u8, second: u8) -> bool {
    matches!(
        [first, second],
        [b'A', b'K' | b'S' | b'B' | b'C' | b'L' | b'I']
            | [b'L', b'T']
            | [b's' | b'r', b'k']
            | [b'h', b'f' | b't']
            | [b'g', b'h' | b's' | b'l' | b'i']
            | [b'x', b'o' | b'a']
            | [b'e', b'y']
            | [b'b', b'c']
    )
}

impl Scan<'_, '_> {
    /// Asks the detectors of short groups of digits, each only if the group's length and what follows it are right for
    /// it. `end`: where the group ends.
    pub(super) fn ask_digits(&self, end: usize, site: &Site<'_, '_>, best: &mut Option<Found>) {
        let n = end - self.at;
        if n > 8 {
            return;
        }
        let next = self.view.byte(end);
        let dotted = match next {
            b'.' | b'\t' | b'(' | b'[' | b'{' => true,
            0x80.. => matches!(self.view.char(end), '。' | '（' | '【'),
            _ => false,
        };
        if n <= 3 && dotted {
            self.ask(On::Decimal, site, best);
        }
        let dated = match next {
            b'-' | b'/' | b'.' | b' ' | 0x80.. => n <= 4 || n == 8,
            b't' | b's' | b'n' | b'r' => n <= 2 || n == 8,
            _ => n == 8,
        };
        if dated {
            self.ask(On::Date, site, best);
        }
        if list_ahead(self.view, end) {
            self.ask(On::List, site, best);
        }
        if n <= 5 && next == b' ' && is(self.view.byte(end + 1), UPPER | DIGIT) {
            self.ask(On::House, site, best);
        }
    }

    /// Asks the detectors of one kind.
    pub(super) fn ask(&self, kind: On, site: &Site<'_, '_>, best: &mut Option<Found>) {
        let Some(list) = self.kinds.get(kind as usize) else {
            return;
        };
        let sized = matches!(kind, On::Number | On::Code);
        let here = if sized {
            Sizes::here(kind, site)
        } else {
            u64::MAX
        };
        for (bits, detector) in list {
            if bits & here != 0
                && (!sized || detector.sizes.fit(site))
                && let Some(found) = (detector.find)(site)
                && found.end - found.start <= detector.max_len
                && found.start >= self.floor
                && best.is_none_or(|b| (found.end, found.score) > (b.end, b.score))
            {
                *best = Some(found);
                site.note(found);
            }
        }
    }

    /// Asks the detectors of words.
    pub(super) fn ask_word(&self, word: Word, site: &Site<'_, '_>, best: &mut Option<Found>) {
        let view = self.view;
        let n = word.end - self.at;
        let mail = match word.next {
            b'@' | b'.' | b'_' | b'-' | b'+' | b'%' | b'(' | b'[' | b'{' | b'<' | b'#' => true,
            0x80.. => matches!(view.char(word.end), '（' | '【'),
            b' ' => matches!(
                view.byte(word.end + 1),
                b'(' | b'[' | b'{' | b'<' | b'#' | b'@' | b'a' | b'A' | 0x80..
            ),
            _ => false,
        };
        if mail {
            self.ask(On::Mail, site, best);
        }
        let head = view.bytes().get(self.at..).unwrap_or(&[]);
        let scheme = match word.next {
            // Most are the labels of something else: `phone: `.
            b':' => view.byte(word.end + 1) == b'/' || matches!(head, [b'j' | b'J', ..]),
            next => matches!(next, b'+' | b'-'),
        };
        if scheme {
            self.ask(On::Scheme, site, best);
        }
        let hex = match word.next {
            b':' => n <= 4,
            b'-' => n == 2,
            b'.' => n == 4,
            _ => false,
        };
        if hex
            && head
                .get(..n)
                .unwrap_or(&[])
                .iter()
                .all(u8::is_ascii_hexdigit)
        {
            self.ask(On::Hex, site, best);
        }
        let known = matches!(*head, [first, second, ..] if heads_key(first, second));
        if known || n == 32 {
            self.ask(On::Key, site, best);
        }
        if word.next == b'<' {
            self.ask(On::Zone, site, best);
        }
        if leads(view, self.at) || paired(self.last, self.at) {
            self.ask(On::Value, site, best);
        }
        // The first piece may go on behind the word: "ghp_" + ….
        if known && matches!(word.next, b'_' | b'-') || join(view, word.end).is_some() {
            self.ask(On::Joined, site, best);
        }
        if word.seen & DIGIT != 0 || word.seen == UPPER {
            self.ask(On::Code, site, best);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Last;
    use super::super::view::{ALNUM, View, is};
    use super::*;
    use proptest::prelude::*;

    const PARTS: &[&str] = &[
        "0",
        "1",
        "138",
        "0013",
        "8000",
        "62",
        "110101",
        "1990",
        "0307",
        "86",
        "0086",
        "010",
        "91",
        "X",
        "MA",
        "E",
        "LSV",
        " ",
        "-",
        ".",
        ", ",
        ",",
        "/",
        "\n",
        "·",
        "\" + \"",
        "(",
        ")",
        "号",
        "a",
        "身份证：",
        "税号 ",
        "电话",
        "组织机构代码：",
        "车架号",
        "imei ",
        "ssn ",
        "4111",
        "1111",
        "13800138000",
        "11010119900307",
        "91350100M000100Y43",
        "490154203237518",
    ];

    proptest! {
        /// What is left out for its size would refuse.
        #[test]
        fn sizes_leave_nothing_out(parts in prop::collection::vec(prop::sample::select(PARTS), 1..9)) {
            let text = parts.concat();
            let view = View::new(&text, true);
            for at in 0..text.len() {
                let digit = is(view.byte(at), DIGIT);
                if !is(view.byte(at), ALNUM) {
                    continue;
                }
                let word = view.run(at, ALNUM, 512);
                let site = Site::with_word(&view, at, Last::default(), word);
                for detector in DETECTORS {
                    let asked = digit || matches!(detector.sizes, Sizes::Code(_) | Sizes::Lettered);
                    let kind = if digit { On::Number } else { On::Code };
                    let left_out = detector.sizes.bits() & Sizes::here(kind, &site) == 0;
                    if asked && (left_out || !detector.sizes.fit(&site)) {
                        let found = (detector.find)(&site);
                        prop_assert!(found.is_none(), "{} in {text:?} at {at}", detector.name);
                    }
                }
            }
        }
    }
}
