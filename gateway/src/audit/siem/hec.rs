//! Splunk's HTTP Event Collector.
//!
//! Portions go to `/services/collector/event` on one channel. With acknowledgement the collector answers with a number, and
//! `/services/collector/ack` is asked about it until the indexer has written the portion.
//!
//! Invariant: a portion counts as arrived when the collector said so, and with acknowledgement when the indexer did.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use journal::siem::{Format, Source};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::lines::secret;
use super::{Line, Refused};
use crate::audit::http::Caller;
use crate::config::schema::Siem;
use lake::store::CallError;

/// Where events go, behind the URL of the config.
const EVENTS: &str = "/services/collector/event";
/// Where it is asked what was indexed.
const ACKS: &str = "/services/collector/ack";
/// How long an indexer may take; then the portion is sent again.
const ACK_TIME: Duration = Duration::from_secs(60);
/// Time between two questions.
const ASK_EVERY: Duration = Duration::from_millis(200);

pub(super) struct Collector {
    caller: Caller,
    base: String,
    token: HeaderValue,
    /// A name of our own for the stream of portions: a UUID, as the protocol wants.
    channel: HeaderValue,
    acknowledge: bool,
    host: String,
}

impl Collector {
    pub(super) fn new(config: &Siem, caller: Caller, source: &Source) -> Option<Self> {
        let url = config.url.as_deref()?.trim_end_matches('/');
        let base = url.split_once("/services/").map_or(url, |(base, _)| base);
        let token = config.token.as_ref()?.expose();
        Some(Self {
            caller,
            base: base.to_owned(),
            token: secret(&format!("Splunk {token}"))?,
            channel: HeaderValue::from_str(&channel()?).ok()?,
            acknowledge: config.acknowledge,
            host: source.replica.clone(),
        })
    }

    /// A row in the collector's envelope. CEF goes as text, the others as objects.
    pub(super) fn envelope(&self, format: Format, time_ms: i64, text: &str) -> Vec<u8> {
        #[derive(serde::Serialize)]
        struct Envelope<'a, E> {
            time: f64,
            host: &'a str,
            source: &'a str,
            sourcetype: &'a str,
            event: E,
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of our age fit")]
        let time = time_ms as f64 / 1000.0;
        let (host, source) = (self.host.as_str(), "yumen");
        let written = match format {
            Format::Cef => serde_json::to_vec(&Envelope {
                time,
                host,
                source,
                sourcetype: "yumen:audit:cef",
                event: text,
            }),
            Format::Json | Format::Ocsf => {
                let event: Result<&RawValue, _> = serde_json::from_str(text);
                event.and_then(|event| {
                    serde_json::to_vec(&Envelope {
                        time,
                        host,
                        source,
                        sourcetype: "yumen:audit",
                        event,
                    })
                })
            }
        };
        // A line is JSON by its making.
        written.unwrap_or_default()
    }

    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), Refused> {
        #[derive(Deserialize)]
        struct Taken {
            #[serde(rename = "ackId")]
            ack: Option<u64>,
        }
        if lines.is_empty() {
            return Ok(());
        }
        let answer = self.post(EVENTS, super::body(lines)).await?;
        if !self.acknowledge {
            return Ok(());
        }
        let taken: Taken = serde_json::from_slice(&answer).map_err(|_| CallError::Malformed)?;
        // A token without acknowledgement answers without a number: then there is nothing to wait for, and no promise kept.
        let ack = taken.ack.ok_or(Refused::Unacknowledged)?;
        self.indexed(ack).await
    }

    async fn indexed(&self, ack: u64) -> Result<(), Refused> {
        #[derive(Deserialize)]
        struct Answer {
            acks: std::collections::HashMap<String, bool>,
        }
        let began = Instant::now();
        while began.elapsed() < ACK_TIME {
            let asked = format!("{{\"acks\":[{ack}]}}");
            let answer = self.post(ACKS, asked.into()).await?;
            let answer: Answer =
                serde_json::from_slice(&answer).map_err(|_| CallError::Malformed)?;
            if answer.acks.get(&ack.to_string()) == Some(&true) {
                return Ok(());
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Err(Refused::Unacknowledged)
    }

    async fn post(&self, path: &str, body: Bytes) -> Result<Bytes, Refused> {
        let request = Request::post(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.token.clone())
            .header("x-splunk-request-channel", self.channel.clone())
            .header("content-type", "application/json")
            .body(body)
            .map_err(|_| CallError::Malformed)?;
        let answer = self.caller.call(request).await?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(Refused::Status(answer.status()))
    }
}

/// A random UUID.
fn channel() -> Option<String> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    // Version 4, variant 1 (RFC 9562).
    let number = u128::from_be_bytes(random) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts: Option<Vec<&str>> = parts.iter().map(|(from, to)| hex.get(*from..*to)).collect();
    Some(parts?.join("-"))
}
