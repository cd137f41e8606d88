//! The folded shadow of a text: what evasions look like once they are undone, and the way back.
//!
//! Undoes JSON escapes, percent escapes, HTML entities, fullwidth forms, other scripts' digits, look-alike X, and drops
//! characters that are not seen. Never changes the text itself. Invariants: the fold of a character depends only on what
//! stands at most [`BACK`] bytes before and [`UNIT_MAX`] bytes from its beginning on, so a text may be folded in pieces;
//! a text without anything to undo folds to itself. Chinese numerals are not folded here: whether they are digits
//! depends on the run, which only the number reader sees.

use memchr::memchr3;

use super::blocks::{BLOCK, folds, ordinary};
use super::escape::{backslash, entity, percent};

/// The longest escape that is undone as one, in bytes.
pub(crate) const UNIT_MAX: usize = 192;
/// How far a fold looks back, in bytes.
pub(crate) const BACK: usize = 160;

/// A stretch of folded text and where it came from.
#[derive(Clone, Copy, Debug)]
struct Segment {
    fold: usize,
    raw: usize,
    /// Raw bytes that the stretch stands for; equal to its folded length if it was copied.
    raw_len: usize,
    copied: bool,
}

/// The way back from folded offsets to the text's own.
#[derive(Debug, Default)]
pub(crate) struct Map {
    segments: Vec<Segment>,
}

impl Map {
    fn segment(&self, at: usize) -> Option<&Segment> {
        let n = self.segments.partition_point(|s| s.fold <= at);
        self.segments.get(n.checked_sub(1)?)
    }

    /// Where the character at folded offset `at` begins in the text. Past the last: where that ended.
    pub(crate) fn start(&self, at: usize) -> usize {
        match self.segment(at) {
            Some(s) if s.copied => s.raw + (at - s.fold),
            Some(s) => s.raw,
            None => at,
        }
    }

    /// Where the character that ends at folded offset `at` ends in the text.
    pub(crate) fn end(&self, at: usize) -> usize {
        let Some(last) = at.checked_sub(1) else {
            return 0;
        };
        match self.segment(last) {
            Some(s) if s.copied => s.raw + (at - s.fold),
            Some(s) => s.raw + s.raw_len,
            None => at,
        }
    }

    fn push(&mut self, segment: Segment) {
        if let Some(last) = self.segments.last_mut()
            && last.copied
            && segment.copied
            && last.raw + last.raw_len == segment.raw
        {
            last.raw_len += segment.raw_len;
            return;
        }
        self.segments.push(segment);
    }
}

/// A folded text, its map, and how much of the text it covers.
pub(crate) struct Folded {
    pub(crate) text: String,
    pub(crate) map: Map,
    /// Raw bytes folded; less than all only where an escape is cut by an end that is not final.
    pub(crate) upto: usize,
}

/// Whether there is nothing to undo. Fast: most texts have nothing.
pub(crate) fn is_plain(text: &str) -> bool {
    text.is_ascii() && memchr3(b'\\', b'%', b'&', text.as_bytes()).is_none()
        || undone(text, 0) == text.len()
}

/// The first place from `from` on where something is undone, or may be once more text comes; else the text's end.
fn undone(text: &str, from: usize) -> usize {
    let (blocks, rest) = text.as_bytes().get(from..).unwrap_or(&[]).as_chunks();
    // Up to where all is known to stay.
    let (mut at, mut upto) = (from, from);
    for block in blocks {
        if !ordinary(block)
            && let Some(place) = undone_in(text, at, folds(block), &mut upto)
        {
            return place;
        }
        at += BLOCK;
    }
    let mut block = [0; BLOCK];
    if let Some(to) = block.get_mut(..rest.len()) {
        to.copy_from_slice(rest);
    }
    undone_in(text, at, folds(&block), &mut upto).unwrap_or(text.len())
}

/// The first of the bytes that `marks` has a bit for, from `at` on, at which something may be undone.
#[inline]
fn undone_in(text: &str, at: usize, marks: u64, upto: &mut usize) -> Option<usize> {
    let mut left = marks;
    while left != 0 {
        let place = at + left.trailing_zeros() as usize;
        if place >= *upto {
            match stays(text, place) {
                Some(n) => *upto = place + n,
                None => return Some(place),
            }
        }
        left &= left - 1;
    }
    None
}

/// How many bytes from `at` on are not folded, whatever stands before them or is still to come; none if they may be.
#[inline]
fn stays(text: &str, at: usize) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    match *rest {
        // 。、「」 and the like; the ideographic space is E3 80 80.
        [0xE3, 0x80, third, ..] => (third != 0x80).then_some(3),
        // ！（），：；？ are EF BC and one of these, folded only beside fullwidth letters and digits.
        [
            0xEF,
            0xBC,
            0x81 | 0x88 | 0x89 | 0x8C | 0x9A | 0x9B | 0x9F,
            ..,
        ] => {
            let wide =
                at >= 3 && text.as_bytes().get(at - 3) == Some(&0xEF) && beside_wide(text, at);
            (!wide).then_some(3)
        }
        [first, ..] if first >= 0x80 => {
            let c = text.get(at..)?.chars().next()?;
            (!unusual(c)).then_some(c.len_utf8())
        }
        // An escape that is one may have its company before.
        [b'%', first, second, ..] => {
            (!(first.is_ascii_hexdigit() && second.is_ascii_hexdigit())).then_some(1)
        }
        [b'\\', ..] => {
            let slashes = rest.iter().take(4).take_while(|&&b| b == b'\\').count();
            let (&next, after) = rest.get(slashes..)?.split_first()?;
            let escape = match next {
                b'n' | b'r' | b't' | b'/' | b'"' => true,
                b'u' => after.first().is_none_or(u8::is_ascii_hexdigit),
                _ => false,
            };
            (!escape).then_some(slashes)
        }
        [b'&', ..] => match entity(rest, false) {
            Unit::Copy(n) => Some(n),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a character is folded by itself to something else.
fn unusual(c: char) -> bool {
    match c {
        // Ordinary punctuation of Chinese texts; folded only beside fullwidth letters and digits.
        '！' | '，' | '：' | '；' | '？' | '（' | '）' => false,
        _ => !matches!(single(c), Single::Same),
    }
}

pub(super) enum Single {
    Same,
    Drop,
    To(char),
}

pub(super) fn single(c: char) -> Single {
    use Single::{Drop, Same, To};
    let digit = |zero: u32| match char::from_digit(u32::from(c).wrapping_sub(zero), 10) {
        Some(d) => To(d),
        None => Same,
    };
    match c {
        '\0'..='\u{a9}' => match c {
            '\u{a0}' => To(' '),
            _ => Same,
        },
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{20e3}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{e0000}'..='\u{e0fff}' => Drop,
        '²' => To('2'),
        '³' => To('3'),
        '¹' => To('1'),
        '×' | 'х' | 'Х' | 'Χ' | '✕' | '✖' => To('X'),
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{1819}' => match ZEROS
            .iter()
            .find(|zero| (**zero..**zero + 10).contains(&u32::from(c)))
        {
            Some(zero) => digit(*zero),
            None => Same,
        },
        '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => To(' '),
        '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{fe63}' => To('-'),
        '\u{2070}' => To('0'),
        '\u{2074}'..='\u{2079}' => digit(0x2070),
        '\u{2080}'..='\u{2089}' => digit(0x2080),
        '\u{2460}'..='\u{2468}' => digit(0x245f),
        '\u{24ea}' | '\u{24ff}' => To('0'),
        '\u{24b6}'..='\u{24cf}' => shifted(c, 0x24b6, 'A'),
        '\u{24d0}'..='\u{24e9}' => shifted(c, 0x24d0, 'a'),
        '\u{2776}'..='\u{277e}' => digit(0x2775),
        '\u{2780}'..='\u{2788}' => digit(0x277f),
        '\u{278a}'..='\u{2792}' => digit(0x2789),
        '\u{24f5}'..='\u{24fd}' => digit(0x24f4),
        '\u{ff01}'..='\u{ff5e}' => shifted(c, 0xff01, '!'),
        '\u{1d7ce}'..='\u{1d7ff}' => match char::from_digit((u32::from(c) - 0x1d7ce) % 10, 10) {
            Some(d) => To(d),
            None => Same,
        },
        '\u{1d400}'..='\u{1d6a3}' => {
            let n = (u32::from(c) - 0x1d400) % 52;
            let (base, n) = if n < 26 { ('A', n) } else { ('a', n - 26) };
            match char::from_u32(u32::from(base) + n) {
                Some(letter) => To(letter),
                None => Same,
            }
        }
        '\u{1fbf0}'..='\u{1fbf9}' => digit(0x1fbf0),
        _ => Same,
    }
}

/// The noughts of scripts of Asia, whose digits follow them: from Devanagari to Mongolian.
const ZEROS: [u32; 16] = [
    0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x17e0, 0x1810,
];

fn shifted(c: char, from: u32, to: char) -> Single {
    match char::from_u32(u32::from(c).wrapping_sub(from) + u32::from(to)) {
        Some(c) => Single::To(c),
        None => Single::Same,
    }
}

/// What begins at one place of the text.
pub(super) enum Unit {
    /// Copy this many bytes.
    Copy(usize),
    /// Leave out this many bytes.
    Drop(usize),
    /// One character for this many bytes.
    To(char, usize),
    /// Cannot be told before more text comes.
    Cut,
}

/// Folds `text` from `from` on; what stands before is context. If the end is not `finished`, an escape that the end may
/// have cut is left out, and `upto` says where it begins.
pub(crate) fn fold(text: &str, from: usize, finished: bool) -> Folded {
    let mut out = Folded {
        text: String::with_capacity(text.len() - from.min(text.len())),
        map: Map::default(),
        upto: from,
    };
    fold_into(text, from, finished, &mut out);
    out
}

fn fold_into(text: &str, from: usize, finished: bool, out: &mut Folded) {
    let bytes = text.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        // Escapes stand together.
        let escape = matches!(
            bytes.get(at),
            Some(b'\\' | b'%' | b'&' | 0xC2..=0xE3 | 0xEF..)
        );
        let next = if escape { at } else { undone(text, at) };
        if next > at {
            copy(text, at, next - at, out);
            at = next;
            continue;
        }
        match unit(text, at, finished) {
            Unit::Copy(n) => {
                copy(text, at, n, out);
                at += n;
            }
            Unit::Drop(n) => at += n,
            Unit::To(c, n) => {
                out.map.push(Segment {
                    fold: out.text.len(),
                    raw: at,
                    raw_len: n,
                    copied: false,
                });
                out.text.push(c);
                at += n;
            }
            Unit::Cut => break,
        }
        debug_assert!(text.is_char_boundary(at), "a fold ends inside a character");
    }
    out.upto = at;
    // Offsets at the very end map to where folding stopped.
    out.map.push(Segment {
        fold: out.text.len(),
        raw: at,
        raw_len: 0,
        copied: true,
    });
}

fn copy(text: &str, at: usize, n: usize, out: &mut Folded) {
    out.map.push(Segment {
        fold: out.text.len(),
        raw: at,
        raw_len: n,
        copied: true,
    });
    out.text.push_str(text.get(at..at + n).unwrap_or(""));
}

fn unit(text: &str, at: usize, finished: bool) -> Unit {
    let Some(rest) = text.get(at..) else {
        return Unit::Copy(1);
    };
    match rest.as_bytes().first() {
        Some(b'\\') => backslash(rest.as_bytes(), finished),
        Some(b'%') => percent(text, at, finished),
        Some(b'&') => entity(rest.as_bytes(), finished),
        _ => {
            let Some(c) = rest.chars().next() else {
                return Unit::Copy(1);
            };
            let n = c.len_utf8();
            if matches!(c, '！' | '，' | '：' | '；' | '？' | '（' | '）') && !beside_wide(text, at)
            {
                return Unit::Copy(n);
            }
            match single(c) {
                Single::Same => Unit::Copy(n),
                Single::Drop => Unit::Drop(n),
                Single::To(to) => Unit::To(to, n + trailing_marks(rest, n)),
            }
        }
    }
}

/// Variation selectors and key-cap marks that belong to the character before.
fn trailing_marks(rest: &str, from: usize) -> usize {
    rest.get(from..)
        .unwrap_or("")
        .chars()
        .take(4)
        .take_while(|c| matches!(c, '\u{fe0f}' | '\u{20e3}'))
        .map(char::len_utf8)
        .sum()
}

fn beside_wide(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|head| head.chars().next_back());
    matches!(before, Some('０'..='９' | 'ａ'..='ｚ' | 'Ａ'..='Ｚ'))
}

#[cfg(test)]
mod tests;
