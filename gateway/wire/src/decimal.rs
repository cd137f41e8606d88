//! Whole numbers from digits: strictly, and without a text in between.
//!
//! Knows nothing of what is counted.

/// The number that these digits are, as a length is told (RFC 9110, section 8.6): digits and nothing else, no sign, no blank.
/// `None` for anything else, and for what 64 bits do not hold.
#[must_use]
pub fn number(digits: &[u8]) -> Option<u64> {
    let mut all = digits.iter();
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let first = digit(all.next()?)?;
    all.try_fold(first, |number, byte| {
        number.checked_mul(10)?.checked_add(digit(byte)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_digits_and_nothing_else() {
        for (text, expected) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1,1", None),
            ("0x1", None),
            ("\u{661}", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
