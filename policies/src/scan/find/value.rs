//! What a secret looks like: no placeholder, not made of words.
//!
//! Looks at the value alone; knows nothing of what stands around it.

use memchr::{memchr_iter, memchr2_iter};

use crate::scan::view::{DIGIT, is};

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
    let same = || {
        let mut chars = value.chars();
        let first = chars.next();
        chars.all(|c| Some(c) == first)
    };
    let marks = first == b'<'
        || matches!(first, b'{' | b'$' | b'[' | b'%')
            && (matches!(last, b'>' | b'}' | b']' | b'%' | b')')
                || matches!(bytes, [b'$', b'{' | b'(', ..] | [b'{', b'{', ..]));
    let stars = || {
        let stars = bytes
            .iter()
            .filter(|b| matches!(b, b'*' | b'x' | b'X' | b'.'));
        stars.count() * 2 > bytes.len()
    };
    let begins = |word: &str| heads(bytes, word);
    let ends = |word: &str| {
        let n = bytes.len().wrapping_sub(word.len());
        bytes.get(n..).is_some_and(|end| heads(end, word))
    };
    marks
        || same()
        || stars()
        || PREFIXES.into_iter().any(begins)
        || WHOLE
            .into_iter()
            .any(|word| word.len() == bytes.len() && begins(word))
        || holds_placeholder(bytes)
        || ["()", "_here", "-here"].into_iter().any(ends)
        || last == b')' && bytes.contains(&b'(')
        || value.starts_with("os.")
}

/// Whether the text begins with the word, which is in lower case, in either.
fn heads(text: &[u8], word: &str) -> bool {
    let head = text.get(..word.len());
    text.first().map(u8::to_ascii_lowercase) == word.bytes().next()
        && head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a word of placeholders stands anywhere in the text.
fn holds_placeholder(text: &[u8]) -> bool {
    text.iter().enumerate().any(|(i, b)| {
        let words: &[&str] = match b {
            b'e' | b'E' => &["example"],
            b'y' | b'Y' => &["your_", "your-"],
            b'_' => &["_placeholder"],
            _ => return false,
        };
        let rest = text.get(i..).unwrap_or(&[]);
        words.iter().any(|word| heads(rest, word))
    })
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

/// Whether the value has a digit, or three kinds of characters: all that [`random`] asks at least.
pub(super) fn varied(text: &str) -> bool {
    let mut kinds = [false; 3];
    for b in text.bytes() {
        match b {
            b'0'..=b'9' => return true,
            b'a'..=b'z' => kinds[0] = true,
            b'A'..=b'Z' => kinds[1] = true,
            _ => kinds[2] = true,
        }
    }
    kinds == [true; 3]
}

/// Whether a value looks made to be guessed badly.
pub(super) fn random(value: &str) -> bool {
    let has = |f: fn(&u8) -> bool| value.bytes().any(|b| f(&b));
    let digit = has(u8::is_ascii_digit);
    let classes = [
        has(u8::is_ascii_lowercase),
        has(u8::is_ascii_uppercase),
        digit,
        value.bytes().any(|b| !b.is_ascii_alphanumeric()),
    ]
    .iter()
    .filter(|&&c| c)
    .count();
    let hex = value.bytes().all(|b| b.is_ascii_hexdigit());
    let bits = entropy(value);
    classes >= 3 && digit
        || hex && bits >= 3.0 && digit && value.len() >= 16
        || digit && bits >= 3.5
        || classes >= 3 && bits >= 3.2
        || digit && classes >= 2 && bits >= 2.8 && !value.bytes().all(|b| is(b, DIGIT))
}
