//! What several parts of this dialect must agree on: how a thought's proof is written into an item.
//!
//! A proof of this dialect's own vendor stands as it is. That of another one has its kind before it, so that it is known
//! when it comes back and never shown to a vendor that did not give it out.

use wire::canon::{Proof, Str};

use super::ENCRYPTED;

/// Shorter values are no proofs but texts that were put in their place.
const PROOF_BYTES_MIN: usize = 64;
/// Longest kind, in bytes.
const KIND_BYTES_MAX: usize = 64;

/// Kind and proof of a foreign one.
fn foreign(raw: &str) -> Option<(&str, &str)> {
    let (kind, data) = raw.split_once(':')?;
    let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.';
    (kind.len() <= KIND_BYTES_MAX && kind.contains('.') && kind.bytes().all(word))
        .then_some((kind, data))
}

/// A proof, of what stands in `encrypted_content`; `None`: there is none.
pub(super) fn proof(written: &Str) -> Option<Proof> {
    if written.is_empty() {
        return None;
    }
    let raw = std::str::from_utf8(written.bytes()).ok()?;
    let (kind, data) = match foreign(raw) {
        Some((kind, data)) => {
            let from = kind.len() + 1;
            let data = written.bytes().slice(from..from + data.len());
            (Str::escaped(kind), Str::from_raw(data))
        }
        None => (Str::from_raw(ENCRYPTED), written.clone()),
    };
    (!data.is_empty()).then_some(Proof { kind, data })
}

/// Whether it is one that this dialect's own vendor gave out.
pub(super) fn is_own(raw: &str) -> bool {
    !raw.is_empty() && foreign(raw).is_none()
}

/// Whether it can be nothing but a proof: one long word of base64.
pub(super) fn is_opaque(raw: &str) -> bool {
    let data = foreign(raw).map_or(raw, |(_, data)| data);
    data.len() >= PROOF_BYTES_MIN
        && data
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_know_whose_they_are() {
        let read = |raw: &str| {
            let proof = proof(&Str::from_raw(raw.to_owned()))?;
            Some((
                proof.kind.text().into_owned(),
                proof.data.text().into_owned(),
            ))
        };
        let pair = |kind: &str, data: &str| Some((kind.to_owned(), data.to_owned()));
        assert_eq!(read("gAAAA_x="), pair(ENCRYPTED, "gAAAA_x="));
        assert_eq!(
            read("anthropic.signature:EqQB"),
            pair("anthropic.signature", "EqQB")
        );
        assert_eq!(read(""), None);
        assert_eq!(read("anthropic.signature:"), None);
        assert!(is_own("gAAAA") && !is_own("a.b:x") && !is_own(""));
        let long = "Ab0_".repeat(16);
        assert!(is_opaque(&long) && is_opaque(&format!("a.b:{long}")));
        assert!(!is_opaque("short") && !is_opaque(&format!("{long} ")));
        assert!(!is_opaque(&format!("138-0013:{long}")));
    }
}
