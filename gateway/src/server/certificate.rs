//! A certificate → the names by which a key may know a client, and when it ends.
//!
//! The handshake has verified a client's already. Knows no key. Invariants: names are kept as digests, by kind, so that a name of
//! one kind is none of another; a certificate has at most [`NAMES_MAX`] of them; what cannot be read has no name.

use policies::access::token::{Digest, digest};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::config::time::parse_moment_ms;

/// Most names of a certificate that count.
const NAMES_MAX: usize = 32;

/// A kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SHA-256 of the certificate.
    Fingerprint,
    /// A name of a host, or a URI such as a SPIFFE id, from `subjectAltName`.
    San,
    /// The common name of the subject.
    Subject,
}

/// A name as it is looked up.
#[must_use]
pub fn name(kind: Kind, value: &[u8]) -> Digest {
    let kind: &[u8] = match kind {
        Kind::Fingerprint => b"certificate\0fingerprint\0",
        Kind::San => b"certificate\0san\0",
        Kind::Subject => b"certificate\0subject\0",
    };
    digest(&[kind, value].concat())
}

/// All names of a certificate, the most particular first.
#[must_use]
pub fn names(certificate: &CertificateDer<'_>) -> Box<[Digest]> {
    let mut all = vec![name(Kind::Fingerprint, &digest(certificate))];
    if let Ok(parsed) = EndEntityCert::try_from(certificate) {
        let uris = parsed.valid_uri_names().map(str::to_owned);
        let hosts = parsed.valid_dns_names().map(str::to_ascii_lowercase);
        let sans = uris.chain(hosts);
        all.extend(sans.map(|san| name(Kind::San, san.as_bytes())));
        all.truncate(NAMES_MAX - 1);
        all.extend(common_name(parsed.subject()).map(|common| name(Kind::Subject, common)));
    }
    all.into()
}

/// The one common name of a subject (RFC 5280, section 4.1.2.4); `None` if there are none or several.
fn common_name(mut subject: &[u8]) -> Option<&[u8]> {
    /// 2.5.4.3.
    const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    const OID: u8 = 0x06;
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    /// UTF8String, PrintableString, IA5String: bytes that are their text.
    const TEXTS: [u8; 3] = [0x0C, 0x13, 0x16];
    let mut found = None;
    while !subject.is_empty() {
        let (tag, mut set, rest) = element(subject)?;
        subject = rest;
        if tag != SET {
            return None;
        }
        while !set.is_empty() {
            let (tag, pair, rest) = element(set)?;
            set = rest;
            let (of, oid, value) = element(pair)?;
            if (tag, of) != (SEQUENCE, OID) {
                return None;
            }
            if oid != COMMON_NAME {
                continue;
            }
            let (tag, text, _) = element(value)?;
            if found.replace(text).is_some() || !TEXTS.contains(&tag) {
                return None;
            }
        }
    }
    found
}

/// When a certificate ends (RFC 5280, section 4.1.2.5), in Unix milliseconds.
#[must_use]
pub fn ends_ms(certificate: &CertificateDer<'_>) -> Option<u64> {
    const VERSION: u8 = 0xA0;
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // The serial number, the signature's algorithm, the issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields)?;
    let (_, _, end) = element(validity)?;
    let (tag, end, _) = element(end)?;
    let end = std::str::from_utf8(end).ok()?;
    let century = match tag {
        UTC_TIME if end.get(..2)? < "50" => "20",
        UTC_TIME => "19",
        GENERALIZED_TIME => "",
        _ => return None,
    };
    let end = [century, end].concat();
    let (year, month, day) = (end.get(..4)?, end.get(4..6)?, end.get(6..8)?);
    let (hour, minute, second) = (end.get(8..10)?, end.get(10..12)?, end.get(12..)?);
    parse_moment_ms(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))
}

/// Tag, contents and what follows (X.690, section 8.1), of at most 64 KiB.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => rest
            .split_first()
            .map(|(a, rest)| (usize::from(*a), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn made(common: &[&str], sans: Vec<SanType>) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example");
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.subject_alt_names = sans;
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn ends() {
        let key = KeyPair::generate().unwrap();
        for (year, ends) in [
            (2027, Some(1_799_107_200_000)),
            (2049, Some(2_493_417_600_000)),
            (2050, Some(2_524_953_600_000)),
        ] {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 5);
            let made = params.self_signed(&key).unwrap();
            assert_eq!(ends_ms(made.der()), ends, "{year}");
        }
        assert_eq!(ends_ms(&CertificateDer::from(&b"0\x820\x03"[..])), None);
    }

    #[test]
    fn names_of_each_kind() {
        let uri = "spiffe://example.com/crm";
        let sans = vec![
            SanType::DnsName("CRM.example.com".try_into().unwrap()),
            SanType::URI(uri.try_into().unwrap()),
        ];
        let certificate = made(&["客户 crm"], sans);
        let all = names(&certificate);
        for (kind, value, has) in [
            (Kind::Fingerprint, &digest(&certificate)[..], true),
            (Kind::San, b"crm.example.com", true),
            (Kind::San, uri.as_bytes(), true),
            (Kind::Subject, "客户 crm".as_bytes(), true),
            (Kind::Subject, b"crm.example.com", false),
            (Kind::Subject, b"Example", false),
            (Kind::San, "客户 crm".as_bytes(), false),
        ] {
            assert_eq!(all.contains(&name(kind, value)), has, "{kind:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_only_a_fingerprint() {
        assert_eq!(names(&CertificateDer::from(vec![0x30, 0x82])).len(), 1);
        assert_eq!(names(&made(&[], vec![])).len(), 1);
        let many: Vec<_> = (0..100)
            .map(|n| SanType::DnsName(format!("h{n}.example").try_into().unwrap()))
            .collect();
        assert_eq!(names(&made(&["last"], many)).len(), NAMES_MAX);
    }

    #[test]
    fn any_bytes_are_a_subject_or_none() {
        let subject = [
            0x31, 12, 0x30, 10, 6, 3, 0x55, 4, 3, 0x0C, 3, b'c', b'r', b'm',
        ];
        assert_eq!(common_name(&subject), Some(&b"crm"[..]));
        assert_eq!(common_name(&[subject, subject].concat()), None);
        for at in 0..subject.len() {
            for byte in [0, 0x7F, 0x80, 0x82, 0xFF] {
                let mut changed = subject;
                changed[at] = byte;
                let _ = common_name(&changed);
            }
            assert_eq!(common_name(&subject[..at]), None, "{at}");
        }
    }
}
