//! What a secret looks like: no placeholder, not made of words.
//!
//! Looks at the value alone; knows nothing of what stands around it.

use memchr::{memchr_iter, memchr2_iter, memchr3_iter};

/// How placeholders begin, in lower case.
const PREFIXES: [&str; 26] = [
    "your",
    "my_",
    "my-",
    "<",
    "example",
    "os.environ",
    "process.env",
    "getenv",
    "env.",
    "env(",
    "config.",
    "settings.",
    "secrets.",
    "vault:",
    "changeme",
    "change_me",
    "placeholder",
    "xxx",
    "todo",
    "dummy",
    "insert",
    "replace",
    "self.",
    "this.",
    "request.",
    "args.",
];

/// Whole placeholders, in lower case.
const WHOLE: [&str; 24] = [
    "null",
    "none",
    "nil",
    "undefined",
    "true",
    "false",
    "password",
    "secret",
    "token",
    "test",
    "required",
    "optional",
    "string",
    "redacted",
    "hidden",
    "masked",
    "default",
    "sample",
    "username",
    "passwd",
    "credentials",
    "apikey",
    "api_key",
    "fake",
];

/// Whether the value only stands for one.
pub(super) fn placeholder(value: &str) -> bool {
    let bytes = value.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let marks = first == b'<'
        || matches!(first, b'{' | b'$' | b'[' | b'%')
            && (matches!(last, b'>' | b'}' | b']' | b'%' | b')')
                || matches!(bytes, [b'$', b'{' | b'(', ..] | [b'{', b'{', ..]));
    let begins = |word: &str| heads(bytes, word);
    let ends = |word: &str| {
        let n = bytes.len().wrapping_sub(word.len());
        bytes.get(n..).is_some_and(|end| heads(end, word))
    };
    let words = || {
        HEADS.begin(first, bytes.get(1).copied().unwrap_or(0))
            && (PREFIXES.iter().any(|word| begins(word))
                || WHOLE
                    .iter()
                    .any(|word| word.len() == bytes.len() && begins(word)))
    };
    marks
        || words()
        || dull(bytes, first)
        || !first.is_ascii() && value.chars().all(|c| value.starts_with(c))
        || holds_placeholder(bytes)
        || ["()", "_here", "-here"].into_iter().any(ends)
        || last == b')' && bytes.contains(&b'(')
        || value.starts_with("os.")
}

/// Whether it is one character all along, or more than half of it is stars and the like.
fn dull(bytes: &[u8], first: u8) -> bool {
    let star = |b: u8| matches!(b, b'*' | b'x' | b'X' | b'.');
    let stars = || bytes.iter().filter(|&&b| star(b)).count();
    bytes.iter().all(|&b| b == first) || stars() * 2 > bytes.len()
}

/// How the words above that begin with a letter begin, without regard to case: for each first letter a bit for each
/// second one. Most values begin with none of them.
struct Heads([u32; 26]);

static HEADS: Heads = {
    let mut heads = [0; 26];
    let (mut i, mut words) = (0, PREFIXES.as_slice());
    while i < 2 {
        while let [word, rest @ ..] = words {
            if let [first @ b'a'..=b'z', second, ..] = word.as_bytes() {
                #[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
                {
                    heads[(*first - b'a') as usize] |= 1 << (*second & 31);
                }
            }
            words = rest;
        }
        words = WHOLE.as_slice();
        i += 1;
    }
    Heads(heads)
};

impl Heads {
    /// Whether a word may begin with these two.
    #[inline]
    fn begin(&self, first: u8, second: u8) -> bool {
        let slot = self.0.get(usize::from((first | 0x20).wrapping_sub(b'a')));
        slot.is_some_and(|bits| bits >> (second & 31) & 1 == 1)
    }
}

/// Whether the text begins with the word, which is in lower case, in either.
fn heads(text: &[u8], word: &str) -> bool {
    let head = text.get(..word.len());
    text.first().map(u8::to_ascii_lowercase) == word.bytes().next()
        && head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a word of placeholders stands anywhere in the text.
fn holds_placeholder(text: &[u8]) -> bool {
    let at = |from: usize, word: &str| text.get(from..).is_some_and(|rest| heads(rest, word));
    // Told by the letter of each that is rarest in values: exa·m·ple, your_, _p·laceholder.
    memchr3_iter(b'_', b'-', b'm', text).any(|i| match text.get(i) {
        Some(b'm') => i.checked_sub(3).is_some_and(|from| at(from, "example")),
        Some(b'_') if at(i, "_placeholder") => true,
        _ => i.checked_sub(4).is_some_and(|from| at(from, "your")),
    }) || memchr_iter(b'M', text).any(|i| i.checked_sub(3).is_some_and(|from| at(from, "example")))
}

/// Whether `your` stands anywhere in the text, in either case.
pub(super) fn says_your(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr2_iter(b'y', b'Y', bytes).any(|i| bytes.get(i..).is_some_and(|rest| heads(rest, "your")))
}

/// Whether `EXAMPLE` stands anywhere in the text.
pub(super) fn says_example(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(b'X', bytes).any(|i| {
        let word = i.checked_sub(1).and_then(|from| bytes.get(from..));
        word.is_some_and(|word| word.starts_with(b"EXAMPLE"))
    })
}

/// Shannon entropy in bits per character.
pub(super) fn entropy(value: &str) -> f64 {
    let mut counts = [0u32; 256];
    for b in value.bytes() {
        if let Some(n) = counts.get_mut(usize::from(b)) {
            *n += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths are small")]
    let total = value.len().max(1) as f64;
    counts
        .iter()
        .filter(|&&n| n > 0)
        .map(|&n| {
            let p = f64::from(n) / total;
            -p * p.log2()
        })
        .sum()
}

/// The kinds of characters in the value: its digits, small letters, capitals and others, one bit each.
fn kinds(value: &str) -> u32 {
    value.bytes().fold(0, |kinds, b| {
        kinds
            | match b {
                b'0'..=b'9' => DIGITS,
                b'a'..=b'z' => 2,
                b'A'..=b'Z' => 4,
                _ => 8,
            }
    })
}

/// Whether there are digits.
const DIGITS: u32 = 1;

/// Whether the value has a digit, or three kinds of characters: all that [`random`] asks at least.
pub(super) fn varied(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) || kinds(text).count_ones() == 3
}

/// Whether a value looks made to be guessed badly.
pub(super) fn random(value: &str) -> bool {
    let kinds = kinds(value);
    let (digit, classes) = (kinds & DIGITS != 0, kinds.count_ones());
    if classes >= 3 && digit {
        return true;
    }
    let hex = || value.bytes().all(|b| b.is_ascii_hexdigit());
    let bits = entropy(value);
    digit && bits >= 3.5
        || classes >= 3 && bits >= 3.2
        || digit && classes >= 2 && bits >= 2.8
        || digit && bits >= 3.0 && value.len() >= 16 && hex()
}
