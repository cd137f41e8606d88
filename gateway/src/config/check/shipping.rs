//! Checks of where the audit log is copied to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Check, NAME_BYTES_MAX, at};
use crate::config::address::{Listen, Scheme, parse_base_url};
use crate::config::problem::Step;
use crate::config::schema::{ClientTls, Siem, SiemFormat, SiemKind};
use crate::config::units::Span;
use crate::secret::Secret;

/// Most tools: each is a thread and a connection.
const SIEM_MAX: usize = 16;
/// How often a file may be written to the lake.
const EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));

impl Check<'_> {
    pub(super) fn shipping(&mut self) {
        let audit = &self.config.audit;
        if let Some(replica) = &audit.replica {
            self.name(&at!["audit", "replica"], replica, NAME_BYTES_MAX);
        }
        self.lake();
        if audit.siem.len() > SIEM_MAX {
            let message = format!("there may be {SIEM_MAX} at most");
            self.error(&at!["audit", "siem"], message);
        }
        for (index, siem) in audit.siem.iter().enumerate() {
            let steps = at!["audit", "siem", index, "name"];
            self.name(&steps, &siem.name, NAME_BYTES_MAX);
            let mut before = audit.siem.iter().take(index);
            if before.any(|other| other.name == siem.name) {
                self.error(&steps, "this name is in the list twice");
            }
            self.siem(index, siem);
        }
    }

    fn lake(&mut self) {
        let Some(lake) = &self.config.audit.lake else {
            return;
        };
        if !(EVERY.0..=EVERY.1).contains(&lake.every.0) {
            let message = format!("must be {} to {}", Span(EVERY.0), Span(EVERY.1));
            self.error(&at!["audit", "lake", "every"], message);
        }
        self.store_options(
            (&at!["audit", "lake", "url"], &lake.url),
            &at!["audit", "lake", "options"],
            &lake.options,
        );
    }

    /// Whether a URL names a place for objects, and whether that takes these options.
    pub(super) fn store_options(
        &mut self,
        (at_url, url): (&[Step], &str),
        at_options: &[Step],
        options: &BTreeMap<String, Secret>,
    ) {
        let place = match lake::store::place(url) {
            Ok((place, _)) => place,
            Err(why) => return self.error(at_url, why),
        };
        for (option, value) in options {
            let mut steps = at_options.to_vec();
            steps.push(option.as_str().into());
            if !lake::store::takes(place, option) {
                self.error(&steps, "this place has no such option");
            }
            if option.ends_with("endpoint") && value.expose().starts_with("http://") {
                let host = parse_base_url(value.expose()).map(|(origin, _)| origin.host);
                if !host.is_ok_and(|host| host.is_private()) {
                    self.warn(
                        &steps,
                        "plain http to a public host: the log travels unencrypted",
                    );
                }
            }
        }
    }

    fn siem(&mut self, index: usize, siem: &Siem) {
        let field = |field: &str| -> [Step; 4] { at!["audit", "siem", index, field] };
        let kind = siem.kind;
        for (name, given, takers, needed) in [
            (
                "address",
                siem.address.is_some(),
                &[SiemKind::Syslog][..],
                true,
            ),
            (
                "url",
                siem.url.is_some(),
                &[SiemKind::Hec, SiemKind::Http],
                true,
            ),
            ("path", siem.path.is_some(), &[SiemKind::Jsonl], true),
            (
                "token",
                siem.token.is_some(),
                &[SiemKind::Hec, SiemKind::Http],
                kind == SiemKind::Hec,
            ),
            ("acknowledge", siem.acknowledge, &[SiemKind::Hec], false),
            (
                "headers",
                !siem.headers.is_empty(),
                &[SiemKind::Http],
                false,
            ),
            ("encrypted", !siem.encrypted, &[SiemKind::Syslog], false),
        ] {
            let taken = takers.contains(&kind);
            if given && !taken {
                self.error(&field(name), "has no effect with this kind: leave it out");
            } else if taken && needed && !given {
                self.error(&at!["audit", "siem", index], format!("needs `{name}`"));
            }
        }
        if kind == SiemKind::Jsonl && siem.format == SiemFormat::Cef {
            self.error(&field("format"), "CEF is no JSON: use json or ocsf");
        }
        let bad =
            |token: &crate::secret::Secret| http::HeaderValue::from_str(token.expose()).is_err();
        if siem.token.as_ref().is_some_and(bad) {
            self.error(&field("token"), "not the value of a header");
        }
        self.sent_headers(&field("headers"), &siem.headers);
        let encrypted = self.siem_place(index, siem);
        self.siem_tls(index, &siem.tls, encrypted);
    }

    /// Whether TLS is spoken there.
    fn siem_place(&mut self, index: usize, siem: &Siem) -> bool {
        let field = |field: &str| -> [Step; 4] { at!["audit", "siem", index, field] };
        let mut plain_to_public = false;
        let mut encrypted = siem.kind == SiemKind::Syslog && siem.encrypted;
        if let Some(address) = &siem.address {
            match Listen::parse(address) {
                Err(_) => self.error(&field("address"), "not an address: write host:port"),
                Ok(to) if to.port == 0 => self.error(&field("address"), "the port is missing"),
                Ok(to) => plain_to_public = !encrypted && !to.host.is_private(),
            }
        }
        if let Some(url) = &siem.url {
            match parse_base_url(url) {
                Err(why) => self.error(&field("url"), why),
                Ok((origin, _)) => {
                    encrypted = origin.scheme == Scheme::Https;
                    plain_to_public = !encrypted && !origin.host.is_private();
                }
            }
        }
        if siem.path.as_ref().is_some_and(String::is_empty) {
            self.error(&field("path"), "names no file");
        }
        if plain_to_public {
            let message = "unencrypted to a public host: whoever is in between reads the log";
            self.warn(&at!["audit", "siem", index], message);
        }
        encrypted
    }

    fn siem_tls(&mut self, index: usize, tls: &ClientTls, encrypted: bool) {
        let steps = at!["audit", "siem", index, "tls"];
        if tls.client_cert.is_some() != tls.client_key.is_some() {
            self.error(&steps, "`client_cert` and `client_key` go together");
        }
        if tls.insecure_skip_verify_dangerous {
            self.warn(
                &steps,
                "any certificate is accepted: whoever is in between reads the log",
            );
        }
        let named = tls.server_name.as_deref();
        if named.is_some_and(|name| rustls::pki_types::ServerName::try_from(name).is_err()) {
            self.error(
                &at!["audit", "siem", index, "tls", "server_name"],
                "not the name of a host",
            );
        }
        let any = tls.ca.is_some()
            || tls.client_cert.is_some()
            || tls.server_name.is_some()
            || tls.insecure_skip_verify_dangerous;
        if any && !encrypted {
            self.error(&steps, "has no effect: TLS is not spoken there");
        }
    }
}
