//! The query of a request: names and values, decoded.
//!
//! Must never guess. Invariants: what is not well-formed is refused; at most `PAIRS_MAX` pairs are read.

/// Most pairs.
const PAIRS_MAX: usize = 100;

/// The pairs of a query as HTML forms write it; `None` if it is not one.
pub(super) fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let pairs: Option<Vec<_>> = parts
        .take(PAIRS_MAX + 1)
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((decoded(name)?, decoded(value)?))
        })
        .collect();
    pairs.filter(|pairs| pairs.len() <= PAIRS_MAX)
}

/// Text in which `%` and two hex digits are a byte, and `+` is a blank.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_or_refused() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs(""), Some(Vec::new()));
        assert_eq!(
            pairs("text=%E8%BA%AB+x&key=a%26b&key="),
            Some(vec![
                pair("text", "身 x"),
                pair("key", "a&b"),
                pair("key", "")
            ])
        );
        for bad in ["text", "a=%", "a=%e", "a=%zz", "a=%ff", &"a=b&".repeat(101)] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
    }
}
