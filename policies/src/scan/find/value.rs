//! What a secret looks like: no placeholder, not made of words.
//!
//! Looks at the value alone; knows nothing of what stands around it.

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
    let lower = value.to_ascii_lowercase();
    let same = value
        .chars()
        .next()
        .is_some_and(|c| value.chars().all(|d| d == c));
    let marks = value.starts_with(['<', '{', '$', '[', '%'])
        && value.ends_with(['>', '}', ']', '%', ')'])
        || value.starts_with("${")
        || value.starts_with("{{")
        || value.starts_with("$(")
        || value.starts_with('<');
    let stars = value
        .bytes()
        .filter(|b| matches!(b, b'*' | b'x' | b'X' | b'.'))
        .count()
        * 2
        > value.len();
    same || marks
        || stars
        || PREFIXES.iter().any(|p| lower.starts_with(p))
        || WHOLE.contains(&lower.as_str())
        || lower.contains("example")
        || lower.ends_with("()")
        || lower.ends_with("_here")
        || lower.ends_with("-here")
        || lower.contains("your_")
        || lower.contains("your-")
        || lower.contains("_placeholder")
        || lower.contains("example_key")
        || value.contains("(") && value.ends_with(')')
        || value.starts_with("os.")
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
