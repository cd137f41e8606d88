//! Signatures that more than one request, or more than one vendor, needs.
//!
//! Pure: keys and time are passed in, nothing is kept or logged.

pub(crate) mod bce;
pub(crate) mod jwt;
pub(crate) mod sigv4;

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
