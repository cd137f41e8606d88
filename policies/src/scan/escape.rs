//! Escapes that are undone before anything is looked for: JSON's, percent and HTML.
//!
//! Each function reads one escape at the beginning of `rest` and says what it stands for. Invariant: reads at most
//! [`UNIT_MAX`] bytes ahead and [`BACK`] back; an escape that the end may have cut is left for later.

use super::fold::{BACK, Single, UNIT_MAX, Unit, single};

fn hex(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0u32, |n, &b| Some(n * 16 + char::from(b).to_digit(16)?))
}

/// JSON's escapes, escaped once more or not: `\u0031`, `\\u0031`, `\n`, `\/`.
pub(super) fn backslash(rest: &[u8], finished: bool) -> Unit {
    let slashes = rest.iter().take(4).take_while(|&&b| b == b'\\').count();
    let Some(&next) = rest.get(slashes) else {
        return if finished {
            Unit::Copy(slashes)
        } else {
            Unit::Cut
        };
    };
    let simple = |c| Unit::To(c, slashes + 1);
    match next {
        b'n' | b'r' => simple('\n'),
        b't' => simple('\t'),
        b'/' => simple('/'),
        b'"' => simple('"'),
        b'u' => unicode(rest, slashes, finished),
        _ => Unit::Copy(slashes),
    }
}

fn unicode(rest: &[u8], slashes: usize, finished: bool) -> Unit {
    let from = slashes + 1;
    let Some(digits) = rest.get(from..from + 4) else {
        let all_hex = rest
            .get(from..)
            .unwrap_or(&[])
            .iter()
            .all(u8::is_ascii_hexdigit);
        return if finished || !all_hex {
            Unit::Copy(slashes)
        } else {
            Unit::Cut
        };
    };
    let Some(code) = hex(digits) else {
        return Unit::Copy(slashes);
    };
    let end = from + 4;
    let made = |code: u32, n: usize| match char::from_u32(code) {
        Some(c) => match single(c) {
            Single::Drop => Unit::Drop(n),
            Single::To(c) => Unit::To(c, n),
            Single::Same => Unit::To(c, n),
        },
        None => Unit::Copy(slashes),
    };
    if !(0xd800..0xdc00).contains(&code) {
        return made(code, end);
    }
    // A surrogate pair is two escapes.
    let need = end + slashes + 5;
    let Some(low) = rest.get(end..need) else {
        return if finished {
            Unit::Copy(slashes)
        } else {
            Unit::Cut
        };
    };
    match low.get(slashes + 1..).and_then(hex) {
        Some(second @ 0xdc00..0xe000) if low.get(slashes) == Some(&b'u') => {
            made(0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00), need)
        }
        _ => Unit::Copy(slashes),
    }
}

/// `%XX`, if the token has two of them or it is an at sign.
pub(super) fn percent(text: &str, at: usize, finished: bool) -> Unit {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..).unwrap_or(&[]);
    if rest.len() < 3 {
        let possible = rest.iter().skip(1).all(u8::is_ascii_hexdigit);
        return if finished || !possible {
            Unit::Copy(1)
        } else {
            Unit::Cut
        };
    }
    let Some(first) = rest.get(1..3).and_then(hex) else {
        return Unit::Copy(1);
    };
    if first != 0x40 {
        match company(bytes, at, finished) {
            Some(true) => {}
            Some(false) => return Unit::Copy(1),
            None => return Unit::Cut,
        }
    }
    // The bytes of one character.
    let n = match first {
        0x20..0x7f => return Unit::To(char::from_u32(first).unwrap_or(' '), 3),
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return Unit::Copy(1),
    };
    if rest.len() < n * 3 && !finished {
        return Unit::Cut;
    }
    let mut buffer = [0u8; 4];
    for (i, slot) in buffer.iter_mut().take(n).enumerate() {
        let piece = rest.get(i * 3..i * 3 + 3).unwrap_or(&[]);
        match (piece.first(), piece.get(1..3).and_then(hex)) {
            (Some(b'%'), Some(byte)) => *slot = u8::try_from(byte).unwrap_or(0),
            _ => return Unit::Copy(1),
        }
    }
    match buffer
        .get(..n)
        .and_then(|b| std::str::from_utf8(b).ok())
        .and_then(|s| s.chars().next())
    {
        Some(c) => match single(c) {
            Single::Drop => Unit::Drop(n * 3),
            Single::To(c) => Unit::To(c, n * 3),
            Single::Same => Unit::To(c, n * 3),
        },
        None => Unit::Copy(1),
    }
}

/// Whether the token that `at` stands in has another `%XX`; `None` if that cannot be told yet.
fn company(bytes: &[u8], at: usize, finished: bool) -> Option<bool> {
    let inside = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b',');
    let is_escape =
        |w: &[u8]| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let back = bytes.get(at.saturating_sub(BACK)..at).unwrap_or(&[]);
    let token = back.len() - back.iter().rev().take_while(|&&b| inside(b)).count();
    if back.get(token..).unwrap_or(&[]).windows(3).any(is_escape) {
        return Some(true);
    }
    let ahead = bytes.get(at + 3..).unwrap_or(&[]);
    let reach = UNIT_MAX - 3;
    let n = ahead.iter().take(reach).take_while(|&&b| inside(b)).count();
    if ahead.get(..n).unwrap_or(&[]).windows(3).any(is_escape) {
        return Some(true);
    }
    if n == ahead.len() && n < reach && !finished {
        return None;
    }
    Some(false)
}

/// `&#49;`, `&#x31;` and the few named ones that matter.
pub(super) fn entity(rest: &[u8], finished: bool) -> Unit {
    const NAMED: [(&str, char); 13] = [
        ("amp;", '&'),
        ("nbsp;", ' '),
        ("commat;", '@'),
        ("period;", '.'),
        ("quot;", '"'),
        ("lt;", '<'),
        ("gt;", '>'),
        ("hyphen;", '-'),
        ("colon;", ':'),
        ("apos;", '\''),
        ("sol;", '/'),
        ("lowbar;", '_'),
        ("dash;", '-'),
    ];
    let body = rest.get(1..).unwrap_or(&[]);
    if body.first() == Some(&b'#') {
        let (skip, radix) = match body.get(1) {
            Some(b'x' | b'X') => (2, 16),
            _ => (1, 10),
        };
        let digits = body.get(skip..).unwrap_or(&[]);
        let n = digits
            .iter()
            .take(7)
            .take_while(|&&b| char::from(b).is_digit(radix))
            .count();
        return match digits.get(n) {
            Some(b';') if n > 0 => {
                let code = digits.iter().take(n).fold(0, |v, &b| {
                    v * radix + char::from(b).to_digit(radix).unwrap_or(0)
                });
                match char::from_u32(code).filter(|&c| c != '\0') {
                    Some(c) => match single(c) {
                        Single::Drop => Unit::Drop(1 + skip + n + 1),
                        Single::To(c) => Unit::To(c, 1 + skip + n + 1),
                        Single::Same => Unit::To(c, 1 + skip + n + 1),
                    },
                    None => Unit::Copy(1),
                }
            }
            None if !finished => Unit::Cut,
            _ => Unit::Copy(1),
        };
    }
    // Most stand alone, or before a name of a program's.
    if let Some(first) = body.first()
        && NAMED
            .iter()
            .all(|(name, _)| name.as_bytes().first() != Some(first))
    {
        return Unit::Copy(1);
    }
    for (name, c) in NAMED {
        if body.starts_with(name.as_bytes()) {
            return Unit::To(c, 1 + name.len());
        }
        if !finished && name.as_bytes().starts_with(body) {
            return Unit::Cut;
        }
    }
    Unit::Copy(1)
}
