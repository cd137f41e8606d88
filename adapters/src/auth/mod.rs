//! Signatures that more than one request, or more than one vendor, needs.
//!
//! Pure: keys and time are passed in, nothing is kept or logged.

use aws_lc_rs::digest;

pub(crate) mod bce;
pub(crate) mod jwt;
pub(crate) mod sdk_hmac;
pub(crate) mod sigv4;

/// SHA-256 of texts, told apart.
pub(crate) fn digest_of(texts: &[&str]) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        context.update(text.as_bytes());
        context.update(b"\0");
    }
    context.finish().as_ref().to_vec()
}

/// An id in the form of a UUID (RFC 9562, version 8), the same for the same texts.
pub(crate) fn uuid_of(texts: &[&str]) -> String {
    let mut bytes = digest_of(texts);
    bytes.truncate(16);
    for (at, keep, set) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *byte & keep | set;
        }
    }
    let mut text = hex(&bytes);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Percent-encodes everything but `A-Za-z0-9-_.~` and the bytes in `keep`; upper-case hex.
pub(crate) fn percent(text: &str, keep: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
