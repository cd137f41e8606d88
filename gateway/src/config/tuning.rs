//! The settings that bound and time things, as they are written, with their defaults.
//!
//! Part of the [`schema`](super::schema); apart from it only for its length. Defaults are those of the threat model's
//! section 3; a comment says where one is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{Size, Span};

/// Sizes and counts that nothing may exceed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Request line and headers.
    pub header_bytes: Size,
    /// Headers of a request.
    pub header_count: u32,
    /// The request's target.
    pub uri_bytes: Size,
    /// A request's body.
    pub body_bytes: Size,
    /// A form with a file, which is sent on as it comes.
    pub upload_bytes: Size,
    /// Nesting in a JSON body.
    pub json_depth: u32,
    /// Elements of one JSON array; objects hold at most 10,000 members.
    pub json_width: u32,
    /// Characters of one JSON number.
    pub json_number_len: u32,
    /// Messages of one request.
    pub messages: u32,
    /// Connections to the data endpoint.
    pub connections: u32,
    /// Connections from one address.
    pub connections_per_ip: u32,
    /// Head of a provider's reply.
    pub upstream_header_bytes: Size,
    /// A provider's reply that is not streamed.
    pub upstream_body_bytes: Size,
    /// One line of a provider's stream.
    pub upstream_line_bytes: Size,
    /// One event of a provider's stream.
    pub upstream_event_bytes: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: Size::kib(64),
            header_count: 100,
            uri_bytes: Size::kib(8),
            body_bytes: Size::mib(32),
            upload_bytes: Size::mib(128),
            json_depth: 64,
            json_width: 65_536,
            json_number_len: 64,
            messages: 4096,
            connections: 10_000,
            connections_per_ip: 1024,
            upstream_header_bytes: Size::kib(64),
            upstream_body_bytes: Size::mib(64),
            upstream_line_bytes: Size::mib(1),
            upstream_event_bytes: Size::mib(4),
        }
    }
}

/// Times of the data endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To send the request's head.
    pub header_read: Span,
    /// For the TLS handshake.
    pub tls_handshake: Span,
    /// To send the whole body.
    pub body: Span,
    /// Silence within a body.
    pub body_idle: Span,
    /// Silence between requests of a connection.
    pub keepalive: Span,
    /// A client that takes nothing of its reply for so long is cut off.
    pub client_write: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_read: Span::secs(10),
            tls_handshake: Span::secs(10),
            body: Span::secs(120),
            body_idle: Span::secs(10),
            keepalive: Span::secs(75),
            client_write: Span::secs(60),
        }
    }
}

/// Calls to providers.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The five clocks of a call.
    pub timeouts: CallTimeouts,
    /// Further attempts after the first, before the first byte went to the client.
    pub retries: u32,
    /// How long an idle connection is kept.
    pub keepalive: Span,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            timeouts: CallTimeouts::default(),
            retries: 2,
            // Under the 75 s after which many servers close.
            keepalive: Span::secs(60),
        }
    }
}

/// The five clocks of a call: defaults 5s, 300s, 300s, 300s, 3600s.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallTimeouts {
    /// To a connection, TLS included.
    pub connect: Option<Span>,
    /// From the request to the first content. Comments and keep-alives are none.
    pub first_content: Option<Span>,
    /// Between one content and the next.
    pub content_gap: Option<Span>,
    /// Between one read and the next, whatever it brings.
    pub idle: Option<Span>,
    /// The whole call.
    pub total: Option<Span>,
}

/// HTTP/2 of the data endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Http2 {
    /// Streams at once on one connection.
    pub max_streams: u32,
    /// Flow-control window of a stream.
    pub stream_window: Size,
    /// Flow-control window of a connection.
    pub connection_window: Size,
    /// A ping after so much silence.
    pub keepalive_interval: Span,
    /// And its answer must come within this.
    pub keepalive_timeout: Span,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_streams: 100,
            stream_window: Size::kib(64),
            connection_window: Size::mib(1),
            keepalive_interval: Span::secs(30),
            keepalive_timeout: Span::secs(20),
        }
    }
}

/// Streamed replies.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Stream {
    /// A comment goes to the client after so much silence; `0s` for none.
    pub ping: Span,
    /// How much of an answer may wait while its text may still become part of a finding; then the answer is stopped.
    pub hold_bytes: Size,
    /// How long it may wait.
    pub hold_time: Span,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            ping: Span::secs(15),
            hold_bytes: Size::kib(64),
            hold_time: Span::secs(300),
        }
    }
}

/// Shutting down.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long requests are still accepted after readiness turned 503.
    pub accept: Span,
    /// How long live streams may take from then on.
    pub limit: Span,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            accept: Span::secs(5),
            limit: Span::secs(120),
        }
    }
}

/// Shedding load.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Overload {
    /// Requests at once; more are answered 503.
    pub max_inflight: u32,
}

impl Default for Overload {
    fn default() -> Self {
        Self { max_inflight: 4096 }
    }
}

/// Threads.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Runtime {
    /// One runtime per core, or one shared by all.
    pub mode: Mode,
    /// Threads; default one per core.
    pub workers: Option<u32>,
}

/// How work is spread over cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each worker has its own listener and connections.
    #[default]
    PerCore,
    /// Workers take each other's work.
    Shared,
}

/// The gateway's own log.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Its form.
    pub format: LogFormat,
    /// The least that is written.
    pub level: LogLevel,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object per line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Somebody must act.
    Error,
    /// Something misbehaves.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// Every request.
    Debug,
    /// Everything.
    Trace,
}
