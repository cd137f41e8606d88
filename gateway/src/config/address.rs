//! Where things are: the addresses we listen on and the URLs of providers, read strictly.
//!
//! Knows no DNS: names stay names. Invariant: an error says what is wrong and never repeats the text, which may hold a
//! password or come from a variable.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

/// Longest URL of a provider.
const URL_BYTES_MAX: usize = 2048;

/// A host as a URL or `host:port` names it, without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name, in lower case.
    Name(Box<str>),
}

impl Host {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let ip: Ipv6Addr = inner
                .parse()
                .map_err(|_| "the brackets hold no IPv6 address")?;
            return Ok(Self::Ip(IpAddr::V6(ip)));
        }
        if text.is_empty() {
            return Err("the host is missing");
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Ip(IpAddr::V4(ip)));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        // What ends in a number is an address to a URL parser, and this one is not well formed.
        let last = text.trim_end_matches('.').rsplit('.').next();
        let numeric = last.is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
        if text.len() > 253 || numeric || !text.bytes().all(allowed) {
            return Err("the host is not a name or an address");
        }
        Ok(Self::Name(text.to_ascii_lowercase().into()))
    }

    /// Whether this is this very machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
        }
    }

    /// As it is looked up and connected to: an IPv6 address without brackets.
    #[must_use]
    pub fn bare(&self) -> String {
        match self {
            Self::Ip(ip) => ip.to_string(),
            Self::Name(name) => name.to_string(),
        }
    }

    /// Whether this is inside the company as far as its form tells: loopback, private and link-local addresses, names
    /// without a dot and names of internal zones.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self {
            Self::Ip(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Self::Ip(IpAddr::V6(ip)) => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
            Self::Name(name) => {
                let inner = [
                    ".local",
                    ".internal",
                    ".svc",
                    ".lan",
                    ".intranet",
                    ".corp",
                    ".home.arpa",
                ];
                self.is_loopback()
                    || !name.contains('.')
                    || inner.iter().any(|zone| name.ends_with(zone))
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// `host:port` to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The host.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl Listen {
    /// Reads `host:port`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "not an address: write host:port, as 127.0.0.1:8080 or [::]:8080";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        if host.is_empty() {
            return Err(
                "the host is missing: write 127.0.0.1 for this machine only, 0.0.0.0 for all",
            );
        }
        Ok(Self {
            host: Host::parse(host).map_err(|_| FORM)?,
            port: read_port(port).ok_or(FORM)?,
        })
    }
}

impl Listen {
    /// Whether both mean one port of one address of this machine, as far as their form tells.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let all = |host: &Host| matches!(host, Host::Ip(ip) if ip.is_unspecified());
        let named = |host: &Host| matches!(host, Host::Name(_));
        let (a, b) = (&self.host, &other.host);
        let same_host = a == b
            || all(a)
            || all(b)
            || ((named(a) || named(b)) && a.is_loopback() && b.is_loopback());
        self.port != 0 && self.port == other.port && same_host
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn read_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As URLs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Whom a credential is for: scheme, host and port of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Scheme.
    pub scheme: Scheme,
    /// Host.
    pub host: Host,
    /// Port.
    pub port: u16,
}

impl Origin {
    /// `host`, or `host:port` if the port is not the scheme's own: the value of a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

/// Reads a base URL into origin and path. The path has no slash at its end; it may be empty.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn parse_base_url(url: &str) -> Result<(Origin, String), &'static str> {
    if url.len() > URL_BYTES_MAX {
        return Err("the URL is longer than 2048 bytes");
    }
    let (scheme, rest) = match url.split_once("://") {
        Some((s, rest)) if s.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
        Some((s, rest)) if s.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
        _ => return Err("the URL must begin with http:// or https://"),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err("the URL must not hold a user or a password: use api_key");
    }
    if rest.contains(['?', '#']) {
        return Err("the URL must not hold a query or a fragment");
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&b);
    let dots = path.split('/').any(|part| matches!(part, "." | ".."));
    if !path.bytes().all(allowed) || dots || path.contains("//") {
        return Err("the URL's path holds characters, dots or slashes that it must not");
    }
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are before its bracket's end.
        Some((host, port)) if !port.ends_with(']') => {
            let port = read_port(port).filter(|port| *port > 0);
            (
                host,
                port.ok_or("the URL's port is not a number from 1 to 65535")?,
            )
        }
        _ => (authority, scheme.default_port()),
    };
    let origin = Origin {
        scheme,
        host: Host::parse(host)?,
        port,
    };
    Ok((origin, path.trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for (text, expected) in [
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("[::]:0", Some("[::]:0")),
            ("LocalHost:80", Some("localhost:80")),
            (":8080", None),
            ("8080", None),
            ("host", None),
            ("1.2.3.4:", None),
            ("1.2.3.4:99999", None),
            ("1.2.3.4:+80", None),
            ("::1:80", None),
            ("a b:80", None),
        ] {
            let parsed = Listen::parse(text).ok().map(|l| l.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn one_port_by_two_names() {
        for (one, other, overlap) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "localhost:80", true),
            ("[::1]:80", "localhost:80", true),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("10.0.0.1:80", "[::]:80", true),
            ("10.0.0.1:80", "localhost:80", false),
            ("localhost:0", "127.0.0.1:0", false),
        ] {
            let (a, b) = (Listen::parse(one).unwrap(), Listen::parse(other).unwrap());
            assert_eq!(
                (a.overlaps(&b), b.overlaps(&a)),
                (overlap, overlap),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn base_urls() {
        for (url, expected) in [
            ("http://10.0.0.7:8000", Ok(("http://10.0.0.7:8000", ""))),
            (
                "https://API.example.com/v2/",
                Ok(("https://api.example.com", "/v2")),
            ),
            (
                "https://a.example:443/x/y",
                Ok(("https://a.example", "/x/y")),
            ),
            ("http://[::1]:9/v1", Ok(("http://[::1]:9", "/v1"))),
            ("http://[::1]", Ok(("http://[::1]", ""))),
            ("ftp://x", Err("begin with http")),
            ("example.com", Err("begin with http")),
            ("https://u:p@h/", Err("user or a password")),
            ("https://h/?a=b", Err("query")),
            ("https://h#f", Err("query")),
            ("https:///x", Err("host is missing")),
            ("https://h:0", Err("port")),
            ("https://h:x", Err("port")),
            ("https://h/a/../b", Err("path")),
            ("https://h/a b", Err("path")),
            ("https://h\\@evil", Err("user or a password")),
            ("https://h\\evil", Err("host is not")),
            ("https://1.2.3", Err("host is not")),
            ("https://0x7f.1", Err("host is not")),
            ("https://[::g]", Err("IPv6")),
        ] {
            match (parse_base_url(url), expected) {
                (Ok((origin, path)), Ok((o, p))) => {
                    assert_eq!(
                        (origin.to_string().as_str(), path.as_str()),
                        (o, p),
                        "{url}"
                    );
                }
                (Err(said), Err(part)) => assert!(said.contains(part), "{url}: {said}"),
                (got, _) => panic!("{url}: {got:?}"),
            }
        }
    }

    #[test]
    fn what_is_private() {
        for (host, loopback, private) in [
            ("127.0.0.1", true, true),
            ("[::1]", true, true),
            ("localhost", true, true),
            ("10.1.2.3", false, true),
            ("vllm", false, true),
            ("vllm.models.svc", false, true),
            ("8.8.8.8", false, false),
            ("api.example.com", false, false),
            ("0.0.0.0", false, false),
        ] {
            let host = Host::parse(host).unwrap();
            assert_eq!(
                (host.is_loopback(), host.is_private()),
                (loopback, private),
                "{host}"
            );
        }
    }
}
