//! Checks of everything about the gateway itself: addresses, sizes, times.
//!
//! Invariant: a bound here never lets a value through that a later part cannot honour.

use std::time::Duration;

use super::{Check, at};
use crate::config::address::{Host, Listen};
use crate::config::problem::Step;
use crate::config::schema::{CallTimeouts, Config, Payload};
use crate::config::units::{Size, Span};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Longest time of any clock.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most retries; more would only make an outage worse.
const RETRIES_MAX: u32 = 10;
/// Shortest admin token that nobody is warned of: what people make up is shorter, what a tool makes is longer.
const TOKEN_BYTES_LEAST: usize = 16;
/// Most threads.
const WORKERS_MAX: u32 = 1024;

impl Check<'_> {
    pub(super) fn server(&mut self) {
        self.addresses();
        self.sizes();
        self.counts();
        self.times();
        if self.config.audit.dir.is_empty() {
            self.error(&at!["audit", "dir"], "must not be empty");
        }
        let index_dir = self.config.audit.index.dir.as_deref();
        if index_dir.is_some_and(|dir| dir.is_empty() || dir == self.config.audit.dir) {
            self.error(
                &at!["audit", "index", "dir"],
                "must be a directory of its own",
            );
        }
        self.payloads();
    }

    /// What of prompts and replies is kept, and under which keys.
    fn payloads(&mut self) {
        let config = self.config;
        let seal = &config.audit.seal;
        let key = seal.key.as_ref();
        if key.is_some_and(|key| journal::seal::LocalKek::parse(key.expose()).is_none()) {
            self.error(
                &at!["audit", "seal", "key"],
                "must be 32 bytes in base64 (openssl rand -base64 32)",
            );
        }
        if key.is_some() && !seal.command.is_empty() {
            self.error(
                &at!["audit", "seal", "command"],
                "either a key or a command wraps data keys, not both",
            );
        }
        if seal.command.first().is_some_and(String::is_empty) {
            self.error(&at!["audit", "seal", "command"], "names no program");
        }
        if !(1..=60).contains(&seal.timeout.0.as_secs()) {
            self.error(&at!["audit", "seal", "timeout"], "must be 1s to 1m");
        }
        if !config.policies.packs.is_empty() || !config.policies.rules.is_empty() {
            return;
        }
        let nothing = "without policies nothing is found, so nothing is redacted: the full text is kept, encrypted";
        if config.audit.payload == Payload::Redacted {
            self.warn(&at!["audit", "payload"], nothing);
        }
        for (name, model) in &config.models {
            if model.payload == Some(Payload::Redacted) {
                self.warn(&at!["models", name.as_str(), "payload"], nothing);
            }
        }
    }

    fn addresses(&mut self) {
        let config = self.config;
        let data = Listen::parse(&config.listen);
        if let Err(why) = &data {
            self.error(&at!["listen"], *why);
        }
        let admin = Listen::parse(&config.admin.listen);
        match &admin {
            Err(why) => self.error(&at!["admin", "listen"], *why),
            Ok(admin)
                if !admin.host.is_loopback()
                    && config.admin.token.is_none()
                    && config.admin.tokens.is_empty()
                    && config
                        .identity
                        .as_ref()
                        .is_none_or(|identity| identity.roles.is_empty()) =>
            {
                self.error(
                    &at!["admin", "listen"],
                    "beyond loopback the admin endpoint needs a token: set admin.token",
                );
            }
            Ok(admin) => {
                let token = config.admin.token.as_ref();
                let is_short = token.is_some_and(|token| {
                    let said = token.expose();
                    token.file_reference().is_none()
                        && !said.is_empty()
                        && said.len() < TOKEN_BYTES_LEAST
                });
                if is_short && !admin.host.is_loopback() {
                    let message = format!(
                        "under {TOKEN_BYTES_LEAST} characters, and it may do everything for whoever guesses it beyond loopback: `openssl rand -hex 32` makes one"
                    );
                    self.warn(&at!["admin", "token"], message);
                }
            }
        }
        if let (Ok(data), Ok(admin)) = (&data, &admin)
            && data.overlaps(admin)
        {
            let message = "the admin endpoint needs an address of its own";
            self.error(&at!["admin", "listen"], message);
        }
        for (index, host) in config.admin.hosts.iter().enumerate() {
            // `a.b:1` parses as an address with a port, and a bare `a.b` does once it has one.
            let named = Listen::parse(&format!("{host}:0"));
            if !named.is_ok_and(|listen| matches!(listen.host, Host::Name(_))) {
                self.error(
                    &at!["admin", "hosts", index],
                    "not the name of a host, without a port",
                );
            }
        }
        if let Some(tls) = &config.tls {
            let files = [
                ("cert", Some(&tls.cert)),
                ("key", Some(&tls.key)),
                ("client_ca", tls.client_ca.as_ref()),
            ];
            for (what, file) in files {
                if file.is_some_and(String::is_empty) {
                    self.error(&at!["tls", what], "names no file");
                }
            }
        }
    }

    fn sizes(&mut self) {
        for (section, field, size, low, high) in bounds(self.config) {
            if !(low..=high).contains(&size.0) {
                let message = format!("must be {} to {}", Size(low), Size(high));
                self.error(&at![section, field], message);
            }
        }
        self.parts();
    }

    /// What is part of something is not larger than it.
    fn parts(&mut self) {
        let limits = &self.config.limits;
        if limits.upstream_line_bytes > limits.upstream_event_bytes {
            let message =
                "must not be more than limits.upstream_event_bytes: a line is part of an event";
            self.error(&at!["limits", "upstream_line_bytes"], message);
        }
        if limits.uri_bytes > limits.header_bytes {
            let message = "must not be more than limits.header_bytes, which it is part of";
            self.error(&at!["limits", "uri_bytes"], message);
        }
    }

    fn counts(&mut self) {
        let config = self.config;
        let limits = &config.limits;
        let rows: [(&str, &str, u32, u32, u32); 11] = [
            ("limits", "header_count", limits.header_count, 8, 1000),
            // 128 is where the strict scanner's own stack ends.
            ("limits", "json_depth", limits.json_depth, 4, 128),
            ("limits", "json_width", limits.json_width, 16, 10_000_000),
            (
                "limits",
                "json_number_len",
                limits.json_number_len,
                20,
                4096,
            ),
            ("limits", "messages", limits.messages, 1, 1_000_000),
            ("limits", "connections", limits.connections, 1, 10_000_000),
            (
                "limits",
                "connections_per_ip",
                limits.connections_per_ip,
                1,
                10_000_000,
            ),
            ("http2", "max_streams", config.http2.max_streams, 1, 100_000),
            (
                "upstream",
                "retries",
                config.upstream.retries,
                0,
                RETRIES_MAX,
            ),
            (
                "overload",
                "max_inflight",
                config.overload.max_inflight,
                1,
                10_000_000,
            ),
            (
                "runtime",
                "workers",
                config.runtime.workers.unwrap_or(1),
                1,
                WORKERS_MAX,
            ),
        ];
        for (section, field, value, low, high) in rows {
            if !(low..=high).contains(&value) {
                self.error(&at![section, field], format!("must be {low} to {high}"));
            }
        }
    }

    fn times(&mut self) {
        let config = self.config;
        let rows: [(&str, &str, Span); 11] = [
            ("timeouts", "header_read", config.timeouts.header_read),
            ("timeouts", "tls_handshake", config.timeouts.tls_handshake),
            ("timeouts", "body", config.timeouts.body),
            ("timeouts", "body_idle", config.timeouts.body_idle),
            ("timeouts", "keepalive", config.timeouts.keepalive),
            ("timeouts", "client_write", config.timeouts.client_write),
            ("upstream", "keepalive", config.upstream.keepalive),
            (
                "http2",
                "keepalive_interval",
                config.http2.keepalive_interval,
            ),
            ("http2", "keepalive_timeout", config.http2.keepalive_timeout),
            ("drain", "limit", config.drain.limit),
            ("drain", "accept", config.drain.accept),
        ];
        for (section, field, span) in rows {
            // Accepting may end at once; nothing else may.
            let zero = field == "accept";
            self.span(&at![section, field], span, zero);
        }
        self.span(&at!["stream", "ping"], config.stream.ping, true);
        self.span(&at!["stream", "hold_time"], config.stream.hold_time, false);
        self.clocks(&at!["upstream", "timeouts"], &config.upstream.timeouts);
    }

    pub(super) fn clocks(&mut self, steps: &[Step], clocks: &CallTimeouts) {
        let rows = [
            ("connect", clocks.connect),
            ("first_content", clocks.first_content),
            ("content_gap", clocks.content_gap),
            ("idle", clocks.idle),
            ("total", clocks.total),
        ];
        for (field, span) in rows {
            if let Some(span) = span {
                let mut steps = steps.to_vec();
                steps.push(field.into());
                self.span(&steps, span, false);
            }
        }
    }

    fn span(&mut self, steps: &[Step], span: Span, zero: bool) {
        if span.0 > SPAN_MAX || (span.0.is_zero() && !zero) {
            let least = if zero { "0s" } else { "1ms" };
            self.error(steps, format!("must be {least} to {}", Span(SPAN_MAX)));
        }
    }
}

/// All sizes: section and field, what is set, the least and the most that may be.
fn bounds(config: &Config) -> [(&'static str, &'static str, Size, u64, u64); 13] {
    let limits = &config.limits;
    let http2 = &config.http2;
    let audit = &config.audit;
    [
        // Tokens of usual clients take kilobytes.
        ("limits", "header_bytes", limits.header_bytes, 8 * KIB, MIB),
        ("limits", "uri_bytes", limits.uri_bytes, 256, 64 * KIB),
        ("limits", "body_bytes", limits.body_bytes, KIB, GIB),
        (
            "limits",
            "upstream_header_bytes",
            limits.upstream_header_bytes,
            8 * KIB,
            MIB,
        ),
        (
            "limits",
            "upstream_body_bytes",
            limits.upstream_body_bytes,
            KIB,
            GIB,
        ),
        (
            "limits",
            "upstream_line_bytes",
            limits.upstream_line_bytes,
            KIB,
            GIB,
        ),
        (
            "limits",
            "upstream_event_bytes",
            limits.upstream_event_bytes,
            KIB,
            GIB,
        ),
        // The protocol: windows are at least 64 KiB - 1 by default and at most 2^31 - 1.
        (
            "http2",
            "stream_window",
            http2.stream_window,
            KIB,
            (1 << 31) - 1,
        ),
        (
            "http2",
            "connection_window",
            http2.connection_window,
            64 * KIB,
            (1 << 31) - 1,
        ),
        ("audit", "segment_bytes", audit.segment_bytes, MIB, 4 * GIB),
        ("audit", "reserve_bytes", audit.reserve_bytes, 0, 4 * GIB),
        ("audit", "payload_bytes", audit.payload_bytes, KIB, GIB),
        (
            "audit",
            "payload_memory",
            audit.payload_memory,
            MIB,
            64 * GIB,
        ),
    ]
}
