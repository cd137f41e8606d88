//! Whose request a proxy passes on: the client's address out of `X-Forwarded-For`.
//!
//! Believed only as far as it was written by proxies of `trusted_proxies`: read from its end, each entry is what the proxy
//! after it saw. Invariants: from anybody else the header means nothing; an entry that is no address makes the client's
//! address unknown, and what is unknown is in no network.

use std::net::{IpAddr, SocketAddr};

use http::HeaderName;
use ipnet::IpNet;
use policies::access::scope::holds;
use wire::Headers;

const HEADER: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most proxies behind each other; what lies beyond is not looked at.
const HOPS_MAX: usize = 16;

/// The client behind a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// `None`: a proxy said something that is no address.
    pub(super) address: Option<IpAddr>,
    /// As the journal writes it.
    pub(super) text: Box<str>,
}

/// The client behind `peer`; `None` if `peer` is the client.
pub(super) fn client(headers: &Headers, peer: IpAddr, trusted: &[IpNet]) -> Option<Box<Forwarded>> {
    if trusted.is_empty() || !holds(trusted, peer) {
        return None;
    }
    let lines: Vec<&[u8]> = headers
        .get_all(&HEADER)
        .map(|line| line.as_bytes())
        .collect();
    let entries = lines
        .iter()
        .rev()
        .flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut client = None;
    for entry in entries.take(HOPS_MAX) {
        let Some(address) = address(entry) else {
            return Some(Box::new(Forwarded {
                address: None,
                text: "unknown".into(),
            }));
        };
        client = Some(address);
        if !holds(trusted, address) {
            break;
        }
    }
    let address = client?.to_canonical();
    Some(Box::new(Forwarded {
        address: Some(address),
        text: address.to_string().into(),
    }))
}

/// An address, with or without a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let parsed = bare.unwrap_or(text).parse().ok();
    parsed.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], peer: &str, expected: Option<&str>) {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .map(|net| net.parse().unwrap())
            .into();
        let mut headers = Headers::new();
        for line in lines {
            headers.append(HEADER, line.parse().unwrap());
        }
        let found = client(&headers, peer.parse().unwrap(), &trusted);
        let text = found.as_ref().map(|found| &*found.text);
        assert_eq!(text, expected, "{lines:?} from {peer}");
        assert_eq!(
            found.is_some_and(|found| found.address.is_none()),
            expected == Some("unknown")
        );
    }

    #[test]
    fn only_proxies_that_are_trusted_are_believed() {
        check(&["192.0.2.1"], "10.0.0.1", Some("192.0.2.1"));
        check(&["192.0.2.1"], "203.0.113.9", None);
        check(&[], "10.0.0.1", None);
        // What a client wrote itself stands before what the first proxy saw.
        check(
            &["10.9.9.9, 192.0.2.1, 10.0.0.2"],
            "10.0.0.1",
            Some("192.0.2.1"),
        );
        check(&["1.1.1.1", "192.0.2.1"], "10.0.0.1", Some("192.0.2.1"));
        check(&["10.0.0.7, 10.0.0.2"], "10.0.0.1", Some("10.0.0.7"));
        check(&["192.0.2.1:4711"], "::ffff:10.0.0.1", Some("192.0.2.1"));
        check(&["[2001:db8::1]:80"], "fd00::1", Some("2001:db8::1"));
        check(&["::ffff:192.0.2.1"], "fd00::1", Some("192.0.2.1"));
        check(&["192.0.2.1, unknown"], "10.0.0.1", Some("unknown"));
        check(&["unknown, 192.0.2.1"], "10.0.0.1", Some("192.0.2.1"));
        check(&["192.0.2.1, "], "10.0.0.1", Some("unknown"));
    }

    #[test]
    fn the_way_is_bounded() {
        let long = format!("192.0.2.1{}", ", 10.0.0.2".repeat(HOPS_MAX));
        check(&[&long], "10.0.0.1", Some("10.0.0.2"));
    }
}
