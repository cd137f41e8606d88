//! The closer look at Latin text: whether a word, or a sign, is one at which no finder would find anything.
//!
//! Says beforehand, without marks and without asking, what the step at a word ([`super::steps`]) and its finders would
//! say; of values and names it knows only the finders' own first looks. Invariants: what hangs on a byte past the end is
//! not plain; what is plain would be refused under every continuation.

use super::ask::heads_key;
use super::engine::Scan;
use super::find::{
    flagged, leads, may_be_capital, may_be_named, opens_behind, opens_capital, paired,
};
use super::view::{ALNUM, DASH, DIGIT, DOT, LOWER, UNDER, UPPER, is};

/// Letters of the longest word that is read as no code.
const SHORT: usize = 11;
/// Letters of the longest word that may be plain.
const LONGEST: usize = 28;
/// Letters that make a value, if something leads to it.
const VALUE: usize = 8;
/// Words that hyphens and underscores join, at most.
const JOINED: usize = 4;
/// Bytes of the longest key in quotes that is passed: a longer one may be a secret.
const KEY: usize = 19;
/// Letters of the longest word of a name as programs have them, and bytes of the longest name.
const PART: usize = 19;
const NAME: usize = 40;
/// Bytes before a word among which a sign may lead to it.
const BEHIND: usize = 8;
/// The longest domain that is looked past.
const LABEL: usize = 40;

/// What follows a plain word.
#[derive(Clone, Copy)]
struct Ending {
    /// A value, if this word were one, would end as well.
    closes: bool,
    /// The sign makes a short word a value, if something leads to it.
    sign: bool,
    /// Finders are asked, whatever leads to the word.
    asked: bool,
}

impl Ending {
    const BLANK: Self = Self {
        closes: true,
        sign: false,
        asked: false,
    };
    const ASKED: Self = Self {
        asked: true,
        ..Self::BLANK
    };
    const STOP: Self = Self {
        closes: true,
        sign: true,
        asked: false,
    };
    const SIGN: Self = Self {
        closes: false,
        sign: true,
        asked: false,
    };
}

impl Scan<'_, '_> {
    /// The end of the word at `at`, if it is an ordinary one. No letter or digit may stand before it.
    #[inline]
    pub(super) fn plain_word(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let n = match self.window.letters(at) {
            Some(n) => n.min(LONGEST + 1),
            None => letters(bytes, at, LONGEST + 1),
        };
        let first = bytes.get(at).copied()?;
        let second = bytes.get(at + 1).copied()?;
        let capital = is(first, UPPER);
        // Most words are short ones before a blank.
        if n < VALUE && is(second, LOWER) && blank_follows(bytes, at + n) {
            return (!capital || !opens_capital(bytes, at)).then_some(at + n);
        }
        // One capital, or a word of them.
        let alone = if capital && is(second, UPPER) {
            shouted(bytes, at, n)?
        } else {
            capital && n == 1
        };
        let behind = bytes.get(at.saturating_sub(4)..at).unwrap_or(&[]);
        let joint = bytes.get(at + n).is_some_and(|&b| is(b, DASH | UNDER));
        let end = if joint || n > SHORT {
            asked_about(bytes, at, n, behind)
        } else {
            Some(at + n)
        };
        let Some((end, ending)) = end.and_then(|end| Some((end, ending(bytes, end, alone)?)))
        else {
            return key_end(bytes, at, behind);
        };
        if (joint || ending.sign || n >= VALUE)
            && (signed(behind)
                || (joint || !ending.closes) && (behind == b" is " || flagged(self.view, at))
                || joint && paired(self.last, at))
        {
            return None;
        }
        // A code may go on behind capitals.
        if ending.asked && (!calm(behind) || alone && n > 1) {
            return None;
        }
        (!capital || !opens_capital(bytes, at)).then_some(end)
    }

    /// The end of a short word with a capital at `at` between two blanks, if it is an ordinary one: most of what is marked in
    /// prose is such. Says what [`Self::plain_word`] would, or nothing.
    #[inline]
    pub(super) fn plain_capital(&self, bytes: &[u8], at: usize) -> Option<usize> {
        if !bytes.get(at)?.is_ascii_uppercase() {
            return None;
        }
        let near = bytes.get(at.checked_sub(4)?..)?.first_chunk()?;
        let &[a, b, c, b' ', first, second, third] = near else {
            return None;
        };
        let n = self.window.letters(at)?;
        let (before, last) = if matches!(c, b'.' | b',') {
            (a, b)
        } else {
            (b, c)
        };
        let plain = is(second, LOWER)
            && n < VALUE
            && blank_follows(bytes, at + n)
            && !opens_behind([first, second, third], before, last);
        plain.then_some(at + n)
    }

    /// The end of a name as programs have them, `self.read_all`, if all finders would refuse it and each of its words: it has
    /// letters only, nothing leads to it as to a value, and what follows is no at sign in any writing.
    pub(super) fn plain_name(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let rest = bytes.get(at..)?;
        let n = rest
            .iter()
            .take(NAME)
            .take_while(|&&b| is(b, LOWER | UPPER | UNDER | DOT))
            .count();
        let name = rest.get(..n)?;
        // Most that are none show it here: digits, dashes and quotes.
        if !ends_quietly(*rest.get(n)?, *rest.get(n + 1)?) || !is(*name.last()?, LOWER | UPPER) {
            return None;
        }
        let head = bytes.get(..at)?;
        let behind = head.get(head.len().saturating_sub(BEHIND)..)?;
        let sign = behind
            .iter()
            .rev()
            .find(|b| !matches!(b, b' ' | b'"' | b'\''));
        if matches!(sign, Some(b':' | b'=' | 0x80..))
            || paired(self.last, at)
            || leads(self.view, at) && may_be_named(head)
        {
            return None;
        }
        let mut from = at;
        for word in name.split(|&b| is(b, UNDER | DOT)) {
            let end = from + word.len();
            let (first, second) = (*word.first()?, *bytes.get(from + 1)?);
            // Keys, `wxid_…` and `jdbc:`, groups of a hardware address, and codes.
            if word.len() > PART
                || heads_key(first, second)
                || matches!([first | 0x20, second | 0x20], [b'w', b'x'] | [b'j', b'd'])
                || word.len() <= 4 && word.iter().all(u8::is_ascii_hexdigit)
                || word.iter().all(u8::is_ascii_uppercase)
                || is(first, UPPER) && may_be_capital(bytes, from, end)
            {
                return None;
            }
            from = end + 1;
        }
        Some(at + n)
    }

    /// Whether nothing begins with the sign `b` at `at`.
    #[inline]
    pub(super) fn plain_sign(&self, bytes: &[u8], at: usize, b: u8) -> bool {
        let Some(&next) = bytes.get(at + 1) else {
            return false;
        };
        let inside = is(self.view.before(at), ALNUM);
        match b {
            b'+' => false,
            b'(' => {
                let number = is(next, DIGIT) || matches!(next, b'+' | b'(' | b' ' | 0x80..);
                !number && (inside || !leads(self.view, at))
            }
            b':' => inside || next != b':',
            b'-' if next == b'-' => !armoured(bytes, at) && (inside || !leads(self.view, at)),
            b'-' if !inside && is(next, DIGIT) => false,
            b'-' if inside => true,
            b'!' | b'@' | b'#' | b'$' | b'^' | b'&' | b'*' | b'-' => {
                inside || matches!(next, b' ' | b'\n') || !leads(self.view, at)
            }
            _ => true,
        }
    }
}

/// Whether what follows a word of letters is the end of it for all finders: no digit, no dash, no quote, no at sign or dot in
/// brackets or words, no scheme.
#[inline]
fn ends_quietly(next: u8, second: u8) -> bool {
    match next {
        b',' | b';' | b')' | b']' | b'}' | b'*' | b'/' | b'!' | b'?' | b'=' | b'|' | b'&'
        | b'>' | b'\n' | b'\r' => true,
        b':' => matches!(second, b' ' | b'\n' | b':'),
        b'(' | b'[' | b'{' => !matches!(
            second,
            b'@' | b'.' | b' ' | b'a' | b'A' | b'd' | b'D' | 0x80..
        ),
        b' ' => !matches!(
            second,
            b'@' | b'(' | b'[' | b'{' | b'<' | b'#' | b'a' | b'A' | b'd' | b'D' | 0x80..
        ),
        _ => false,
    }
}

/// Whether `-----B` may stand at `at`, as keys in armour begin.
fn armoured(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or(&[]);
    rest.iter()
        .zip(b"-----B")
        .all(|(byte, wanted)| byte == wanted)
}

/// Whether a word of `n` letters, two capitals first, has nothing but capitals; none if it may be more than a word: a longer
/// one a code, and behind two letters a plate may go on.
#[cold]
fn shouted(bytes: &[u8], at: usize, n: usize) -> Option<bool> {
    let word = bytes.get(at..at + n)?;
    (3..VALUE)
        .contains(&n)
        .then(|| word.iter().all(u8::is_ascii_uppercase))
}

/// How many letters stand at `at`, at most `max`.
#[inline]
fn letters(bytes: &[u8], at: usize, max: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    let rest = rest.get(..max).unwrap_or(rest);
    rest.iter().take_while(|b| b.is_ascii_alphabetic()).count()
}

/// Whether a sign, a quote or a Chinese character leads to a value.
#[inline]
fn signed(behind: &[u8]) -> bool {
    matches!(
        behind,
        [
            ..,
            b'=' | b':' | b'"' | b'\'' | b'`' | b'|' | b'\t' | 0x80..
        ] | [.., b'=' | b':' | b'>' | b'|' | b'"' | 0x80.., b' ']
    )
}

/// Whether nothing leads to a value, not even further up.
#[inline]
fn calm(behind: &[u8]) -> bool {
    matches!(
        behind,
        [.., b'a'..=b'z' | b'A'..=b'Z' | b',' | b'.' | b';' | b')', b' ']
            | [.., b'\n' | b'(' | b',' | b'/' | b'-']
    )
}

/// What follows a word that ends at `end`; nothing if that may make it the beginning of something. `alone`: the word has
/// nothing but capitals.
#[inline]
fn ending(bytes: &[u8], end: usize, alone: bool) -> Option<Ending> {
    let next = bytes.get(end).copied()?;
    let second = bytes.get(end + 1).copied()?;
    match next {
        b' ' => spaced(bytes, end, second),
        b'\n' | b';' => Some(Ending::BLANK),
        b',' => Some(Ending::STOP),
        b'.' | b'?' if matches!(second, b' ' | b'\n') => Some(Ending::STOP),
        b'.' => (!is(second, ALNUM)).then_some(Ending::SIGN),
        b'!' | b')' | b'*' | b'/' | b'?' | b'=' | b'>' | b']' | b'}' | b'\r' | b'\t' | b'|' => {
            Some(Ending::SIGN)
        }
        b':' => matches!(second, b' ' | b'\n').then_some(Ending::SIGN),
        // An at sign or a dot may stand in brackets.
        b'(' | b'[' | b'{' => {
            let sign = matches!(second, b'@' | b'.' | b' ' | b'a' | b'A' | b'd' | b'D');
            (!alone && !sign).then_some(Ending::SIGN)
        }
        b'\'' | b'"' | b'`' => (!alone && is(second, LOWER | UPPER)).then_some(Ending::SIGN),
        // （ and 【 may stand for an at sign's bracket.
        0x80.. => {
            let third = bytes.get(end + 2).copied()?;
            let bracket = matches!(
                [next, second, third],
                [0xEF, 0xBC, 0x88] | [0xE3, 0x80, 0x90]
            );
            (!bracket).then_some(Ending::SIGN)
        }
        _ => None,
    }
}

/// Whether a blank follows, and nothing that may make the word before it more than one: [`ending`] would say the same.
#[inline]
fn blank_follows(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end..) {
        Some([b' ', second, ..]) => !matches!(second, b'@' | b'(' | b'[' | b'{' | b'a' | b'A'),
        Some([b'\n', _, ..]) => true,
        _ => false,
    }
}

/// The same where a space follows: an at sign may come, in brackets or in words.
#[inline]
fn spaced(bytes: &[u8], end: usize, second: u8) -> Option<Ending> {
    let third = bytes.get(end + 2).copied();
    match second {
        b'@' => None,
        b'(' | b'[' | b'{' => third
            .is_some_and(|b| !matches!(b, b'@' | b'a' | b'A' | b'.' | b'd' | b'D'))
            .then_some(Ending::ASKED),
        b'a' | b'A' => match (third, bytes.get(end + 3)) {
            (None, _) | (Some(b't' | b'T'), None) => None,
            (Some(b't' | b'T'), Some(b' ')) => {
                (!domain_follows(bytes, end + 4)).then_some(Ending::ASKED)
            }
            _ => Some(Ending::BLANK),
        },
        _ => Some(Ending::BLANK),
    }
}

/// Whether a domain may stand behind ` at `: a name, and a dot in any writing.
fn domain_follows(bytes: &[u8], from: usize) -> bool {
    let label = bytes
        .get(from..)
        .unwrap_or(&[])
        .iter()
        .take(LABEL)
        .take_while(|&&b| is(b, ALNUM) || b == b'-')
        .count();
    let next = bytes.get(from + label + 1);
    label == LABEL
        || match bytes.get(from + label) {
            None | Some(b'.' | b'(' | b'[' | b'{' | b'\t' | 0x80..) => true,
            Some(b' ') => matches!(next, None | Some(b'(' | b'[' | b'{' | b'd' | b'D' | 0x80..)),
            _ => false,
        }
}

/// The end of a key in quotes, `{"name": ` or `, "customer_phone": `, if all finders would refuse it and each of its words:
/// nothing leads to it as to a value, and what is a value in quotes ends with them.
fn key_end(bytes: &[u8], at: usize, behind: &[u8]) -> Option<usize> {
    if !matches!(
        behind,
        [.., b'{' | b',', b'"'] | [.., b'{' | b',', b' ', b'"']
    ) {
        return None;
    }
    let mut end = at;
    for _ in 0..JOINED {
        end = small_word(bytes, end)?;
        match bytes.get(end)? {
            b'-' | b'_' => end += 1,
            b'"' => {
                let key = end - at <= KEY && bytes.get(end + 1) == Some(&b':');
                return key.then_some(end);
            }
            _ => return None,
        }
    }
    None
}

/// The end of a short word at `at` that begins with a small letter, and as no key does.
fn small_word(bytes: &[u8], at: usize) -> Option<usize> {
    let n = letters(bytes, at, SHORT + 1);
    let (first, second) = (*bytes.get(at)?, *bytes.get(at + 1)?);
    let plain = (1..=SHORT).contains(&n) && is(first, LOWER) && !heads_key(first, second);
    plain.then_some(at + n)
}

/// The end of a word that finders are asked about for its length or what joins it, if all would refuse: `organisations`,
/// `well-known`, `id_card`. `n`: its letters, up to the joint.
fn asked_about(bytes: &[u8], at: usize, n: usize, behind: &[u8]) -> Option<usize> {
    let word = bytes.get(at..at + n)?;
    let (&first, rest) = word.split_first()?;
    // sk-…, xoxb-…, glpat-…: keys may be letters alone.
    if !calm(behind)
        || n > LONGEST
        || rest.iter().any(u8::is_ascii_uppercase)
        || heads_key(first, rest.first().copied()?)
    {
        return None;
    }
    let mut end = at + n;
    for _ in 1..JOINED {
        if !matches!(bytes.get(end), Some(b'-' | b'_')) {
            break;
        }
        let next = small_word(bytes, end + 1)?;
        // A capital is asked about for itself.
        if bytes.get(end + 1..next)?.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        end = next;
    }
    // An at sign or a dot may come in more ways than behind a word that is not asked about.
    let quiet = |at: usize| {
        bytes.get(at).is_some_and(|b| {
            b.is_ascii_alphabetic()
                && !matches!(b, b'd' | b'D')
                && (*b | 0x20 != b'a' || at == end + 1)
        })
    };
    match bytes.get(end)? {
        b' ' => quiet(end + 1),
        b'.' => bytes.get(end + 1) == Some(&b' ') && quiet(end + 2),
        b'\t' | b'(' | b'[' | b'{' => false,
        _ => true,
    }
    .then_some(end)
}
