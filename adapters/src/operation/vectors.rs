//! Vectors between their two forms: a JSON list of numbers, and base64 of 32-bit floats with the lowest byte first.
//!
//! Exact both ways: a number is read as the nearest 32-bit float (by correct rounding, never by way of 64 bits), and a
//! float is written as the shortest number that reads back as itself. Knows no dialect.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use wire::canon::{Raw, Str};
use wire::operation::Vector;
use wire::{Fault, Kind};

/// Bytes of a float.
const FLOAT: usize = 4;

/// A vector as a JSON value, in the form that is wanted: pieces to be spliced.
///
/// # Errors
/// `Malformed` for what is no vector.
pub(crate) fn written(vector: &Vector, base64: bool) -> Result<Bytes, Fault> {
    match (vector, base64) {
        (Vector::Numbers(list), false) => Ok(list.bytes().clone()),
        (Vector::Base64(text), true) => Ok(quoted(text)),
        (Vector::Numbers(list), true) => coded(list).ok_or_else(odd),
        (Vector::Base64(text), false) => listed(text).ok_or_else(odd),
    }
}

fn quoted(text: &Str) -> Bytes {
    [b"\"".as_slice(), text.bytes(), b"\""].concat().into()
}

/// A JSON list of numbers as a base64 string. The list was scanned: it is JSON.
fn coded(list: &Raw) -> Option<Bytes> {
    let inside = list.bytes().trim_ascii();
    let inside = inside.strip_prefix(b"[")?.strip_suffix(b"]")?;
    // A float in full has about twelve characters.
    let mut floats = Vec::with_capacity(inside.len() / 3);
    for number in inside.split(|byte| *byte == b',') {
        let number = std::str::from_utf8(number.trim_ascii()).ok()?;
        let float: f32 = number
            .parse()
            .ok()
            .filter(|float: &f32| float.is_finite())?;
        floats.extend_from_slice(&float.to_le_bytes());
    }
    let mut out = String::with_capacity(floats.len() / 3 * 4 + 8);
    out.push('"');
    STANDARD.encode_string(&floats, &mut out);
    out.push('"');
    Some(out.into_bytes().into())
}

/// A base64 string as a JSON list of numbers.
fn listed(text: &Str) -> Option<Bytes> {
    let floats = STANDARD.decode(text.text().as_bytes()).ok()?;
    if floats.is_empty() || floats.len() % FLOAT != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(floats.len() * 3);
    let mut between = b'[';
    for bytes in floats.chunks_exact(FLOAT) {
        let float = f32::from_le_bytes(bytes.try_into().ok()?);
        if !float.is_finite() {
            return None;
        }
        out.push(between);
        between = b',';
        // Without an exponent small numbers are long.
        let small = float != 0.0 && float.abs() < 1e-4;
        let written = if small || float.abs() >= 1e16 {
            write!(out, "{float:e}")
        } else {
            write!(out, "{float}")
        };
        written.ok()?;
    }
    out.push(b']');
    Some(out.into())
}

fn odd() -> Fault {
    Fault::new(Kind::Malformed).reason("invalid_vector")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn numbers(list: &'static str) -> Vector {
        Vector::Numbers(Raw::from_raw(list))
    }

    #[test]
    fn the_documents_value() {
        let coded = written(&numbers("[1.0, -2.0,0.5]"), true).unwrap();
        assert_eq!(text(&coded), r#""AACAPwAAAMAAAAA/""#);
        let vector = Vector::Base64(Str::from_raw("AACAPwAAAMAAAAA/"));
        assert_eq!(text(&written(&vector, false).unwrap()), "[1,-2,0.5]");
        assert_eq!(text(&written(&vector, true).unwrap()), text(&coded));
        assert_eq!(text(&written(&numbers("[1e-9]"), false).unwrap()), "[1e-9]");
    }

    #[test]
    fn what_is_no_vector_is_told() {
        for list in ["[]", "[1,\"a\"]", "[[1]]", "[1e99]", "{}", "null"] {
            assert!(written(&numbers(list), true).is_err(), "{list}");
        }
        // Three bytes; no base64; a float that is none.
        for coded in ["", "AAAA", "A", "!!!!", "AADAfw=="] {
            let vector = Vector::Base64(Str::from_raw(coded));
            assert!(written(&vector, false).is_err(), "{coded}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(bits in prop::collection::vec(any::<u32>(), 1..40)) {
            let floats: Vec<f32> = bits.into_iter().map(f32::from_bits).map(|float| if float.is_finite() { float } else { 0.5 }).collect();
            let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
            let coded = STANDARD.encode(&bytes);
            let list = written(&Vector::Base64(Str::from_raw(coded.clone())), false).unwrap();
            let read: Vec<f32> = serde_json::from_slice(&list).unwrap();
            prop_assert_eq!(&read, &floats);
            let back = written(&Vector::Numbers(Raw::from_raw(list)), true).unwrap();
            prop_assert_eq!(text(&back), format!("\"{coded}\""));
        }

        /// By way of 64 bits some numbers would be rounded twice.
        #[test]
        fn numbers_are_rounded_once(number in -1e6f64..1e6) {
            let list = format!("[{number:?}]");
            let coded = written(&Vector::Numbers(Raw::from_raw(list.clone())), true).unwrap();
            let bytes = STANDARD.decode(text(&coded).trim_matches('"')).unwrap();
            let want: f32 = list.trim_matches(['[', ']']).parse().unwrap();
            prop_assert_eq!(bytes, want.to_le_bytes());
        }
    }
}
