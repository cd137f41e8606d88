//! The form of a virtual key: what is made, what is accepted, what is stored.
//!
//! Knows no store and no principal. Invariant: nothing that fails [`has_form`] is hashed or looked up (threat T-40), and
//! only [`digest`] is ever kept (T-41): 192 random bits need neither a slow hash nor a pepper that could be lost.
//!
//! A key that we make is `ym-` + 33 random characters of base62 + 6 characters of checksum:
//!
//! ```text
//! ym- 4fQ…33 characters…z 0Kx9aB
//!     └ 33 × log2(62) = 196 random bits
//!                         └ the first 4 bytes of SHA-256("ym-" + the 33), big-endian, in base62, most significant first
//! ```
//!
//! The checksum lets a secret scanner tell a real key from a look-alike without asking anybody. It is not required of a
//! key that is presented: a company may bring keys of its own, and sample keys such as `ym-demo` have none.

use aws_lc_rs::digest::{SHA256, digest as sha};

/// What every virtual key begins with.
pub const PREFIX: &str = "ym-";
/// Fewest bytes after the prefix (`demo` has four).
pub const BODY_BYTES_MIN: usize = 4;
/// Most bytes after the prefix: a key fits a header line with room to spare.
pub const BODY_BYTES_MAX: usize = 4096;
/// Random characters of a key that we make.
pub const RANDOM_CHARS: usize = 33;
/// Characters of its checksum: 62^6 > 2^32.
pub const CHECK_CHARS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Bytes from here on are thrown away, so that every character is equally likely (248 = 4 × 62).
const UNBIASED_BELOW: u8 = 248;

/// SHA-256 of a whole key: the only form in which a key is stored.
pub type Digest = [u8; 32];

/// Whether `token` looks like a virtual key. Constant work per byte, no allocation.
#[must_use]
pub fn has_form(token: &[u8]) -> bool {
    let Some(body) = token.strip_prefix(PREFIX.as_bytes()) else {
        return false;
    };
    (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&body.len())
        && body
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// SHA-256 of `key`, prefix included.
#[must_use]
pub fn digest(key: &[u8]) -> Digest {
    let mut out = [0; 32];
    // SHA-256 is always 32 bytes; `zip` needs no proof of it.
    for (to, from) in out.iter_mut().zip(sha(&SHA256, key).as_ref()) {
        *to = *from;
    }
    out
}

/// Reads `sha256:` and 64 hexadecimal digits, as the config holds it.
#[must_use]
pub fn parse_digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?.as_bytes();
    if hex.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (to, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *to = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Writes a digest as the config holds it.
#[must_use]
pub fn show_digest(digest: &Digest) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(71);
    out.push_str("sha256:");
    for byte in digest {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Makes a new key from `random`, which fills the slice it is given with random bytes.
///
/// # Errors
/// Whatever `random` answers.
pub fn create<E>(mut random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<String, E> {
    let mut key = String::with_capacity(PREFIX.len() + RANDOM_CHARS + CHECK_CHARS);
    key.push_str(PREFIX);
    let full = PREFIX.len() + RANDOM_CHARS;
    while key.len() < full {
        let mut pool = [0_u8; 64];
        random(&mut pool)?;
        for byte in pool.into_iter().filter(|b| *b < UNBIASED_BELOW) {
            if key.len() == full {
                break;
            }
            key.push(letter(u32::from(byte)));
        }
    }
    let check = checksum(&key);
    key.push_str(&check);
    Ok(key)
}

/// Whether `key` has the form and the checksum of a key that [`create`] made.
#[must_use]
pub fn is_ours(key: &str) -> bool {
    if !has_form(key.as_bytes()) || key.len() != PREFIX.len() + RANDOM_CHARS + CHECK_CHARS {
        return false;
    }
    key.split_at_checked(PREFIX.len() + RANDOM_CHARS)
        .is_some_and(|(head, check)| checksum(head) == check)
}

fn checksum(head: &str) -> String {
    let [a, b, c, d, ..] = digest(head.as_bytes());
    let mut rest = u32::from_be_bytes([a, b, c, d]);
    let mut out = [0_u32; CHECK_CHARS];
    for slot in out.iter_mut().rev() {
        *slot = rest % 62;
        rest /= 62;
    }
    out.into_iter().map(letter).collect()
}

fn letter(value: u32) -> char {
    ALPHABET
        .get(value as usize % ALPHABET.len())
        .map_or('0', |b| char::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random enough for tests, and the same each time.
    fn counting(mut state: u64) -> impl FnMut(&mut [u8]) -> Result<(), ()> {
        move |out| {
            for b in out {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                *b = (state >> 56) as u8;
            }
            Ok(())
        }
    }

    #[test]
    fn only_the_key_form_passes() {
        let longest = format!("ym-{}", "a".repeat(BODY_BYTES_MAX));
        let too_long = format!("ym-{}", "a".repeat(BODY_BYTES_MAX + 1));
        let cases: [(&str, bool); 14] = [
            ("ym-demo", true),
            ("ym-demo-restricted", true),
            ("ym-A_b-9", true),
            (&longest, true),
            (&too_long, false),
            ("", false),
            ("ym-", false),
            ("ym-abc", false),
            ("sk-abcdef", false),
            ("YM-abcdef", false),
            ("ym-' OR 1=1 --", false),
            ("ym-abc\0def", false),
            ("ym-ключ1234", false),
            ("Bearer ym-demo", false),
        ];
        for (token, expected) in cases {
            assert_eq!(has_form(token.as_bytes()), expected, "{token:.40}");
        }
    }

    #[test]
    fn created_keys_have_form_checksum_and_differ() {
        let mut random = counting(1);
        let a = create(&mut random).unwrap();
        let b = create(&mut random).unwrap();
        assert_ne!(a, b);
        assert_eq!(a.len(), 3 + 33 + 6);
        assert!(is_ours(&a) && is_ours(&b));
        assert!(has_form(a.as_bytes()));
        // One changed character is noticed.
        let typo: String = a
            .char_indices()
            .map(|(i, c)| match (i, c) {
                (10, 'x') => 'y',
                (10, _) => 'x',
                _ => c,
            })
            .collect();
        assert!(!is_ours(&typo));
        assert!(!is_ours("ym-demo"));
    }

    #[test]
    fn a_failing_source_of_randomness_makes_no_key() {
        assert_eq!(create(|_| Err("dry")), Err("dry"));
    }

    #[test]
    fn digests_round_trip() {
        let shown = show_digest(&digest(b"ym-demo"));
        // From sha256sum.
        assert_eq!(
            shown,
            "sha256:297832a5d945e7598e3f5d7b9a6360322673119ed49d687286a68c2944636a46"
        );
        assert_eq!(parse_digest(&shown), Some(digest(b"ym-demo")));
        assert_eq!(parse_digest(&shown.to_uppercase()), None);
        for bad in ["", "sha256:", "sha256:00", "md5:00", &shown[..70]] {
            assert_eq!(parse_digest(bad), None, "{bad}");
        }
        assert_eq!(parse_digest(&shown.replace(['a', '0'], "g")), None);
    }
}
