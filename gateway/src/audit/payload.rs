//! `GET /api/audit/entries/{id}/payload?reason=…`: what was kept of one request, for an auditor who says why.
//!
//! Must never answer before the log holds who asked and why. Knows no token: whoever calls has checked it.
//! The answer is JSON of printable characters: `{"id","index","request","reply"}`, each body with `kind`, `size` and `text`
//! (or `base64`, if it is no text), or with `error`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use journal::seal::{Direction, Kek};
use journal::{Event, Journal, What};
use serde_json::{Map, Value, json};

use super::unseal::{Entry, Unsealing, is_reason};

/// Shows what was kept.
pub struct Payloads {
    unsealing: Unsealing,
    journal: Arc<Journal>,
}

impl Payloads {
    /// Of the log in `dir`.
    pub fn new(dir: &str, kek: Arc<dyn Kek>, journal: Arc<Journal>) -> Self {
        Self {
            unsealing: Unsealing::new(dir, kek),
            journal,
        }
    }

    /// Status and JSON, for whoever asks and from where. Blocks: reads the log, asks whoever wraps keys.
    pub fn answer(
        &self,
        id: &str,
        query: &str,
        (actor, origin): (&str, &str),
    ) -> (StatusCode, Value) {
        let told = |status, why: &str| (status, json!({"error": why}));
        let Some(reason) = reason_in(query).filter(|reason| is_reason(reason)) else {
            return told(
                StatusCode::BAD_REQUEST,
                "say why: ?reason=… of at most 1024 bytes on one line",
            );
        };
        let entry = match self.unsealing.entry(id) {
            Ok(Some(entry)) => entry,
            Ok(None) => return told(StatusCode::NOT_FOUND, "the log knows no such request"),
            Err(_) => return told(StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read"),
        };
        let subject = entry.bodies.first().map_or("", |(_, body)| &body.subject);
        let written = self.journal.note(&Event {
            what: What::Unseal,
            actor,
            origin,
            subject,
            entry: Some(entry.index),
            detail: id,
            reason: &reason,
            ..Event::default()
        });
        if written.is_err() {
            return told(
                StatusCode::SERVICE_UNAVAILABLE,
                "this reading could not be written into the log",
            );
        }
        (StatusCode::OK, self.told(&entry))
    }

    /// All that was kept of an entry, as JSON.
    pub fn told(&self, entry: &Entry) -> Value {
        told(&self.unsealing, entry)
    }
}

/// All that was kept of an entry, as JSON.
#[must_use]
pub fn told(unsealing: &Unsealing, entry: &Entry) -> Value {
    let mut out = Map::new();
    out.insert("id".into(), entry.id.as_str().into());
    out.insert("index".into(), entry.index.into());
    for body in &entry.bodies {
        let (direction, reference) = body;
        let mut one = Map::new();
        one.insert("kind".into(), reference.kind.as_str().into());
        match unsealing.open(entry, body) {
            Ok(bytes) => {
                one.insert("size".into(), bytes.len().into());
                if reference.truncated {
                    one.insert("whole".into(), reference.whole.into());
                }
                let (name, text) = match String::from_utf8(bytes) {
                    Ok(text) => ("text", text),
                    Err(binary) => ("base64", STANDARD.encode(binary.as_bytes())),
                };
                one.insert(name.into(), text.into());
            }
            Err(why) => {
                one.insert("error".into(), why.to_string().into());
                if !reference.dropped.is_empty() {
                    one.insert("dropped".into(), reference.dropped.as_str().into());
                }
            }
        }
        let name = match direction {
            Direction::Request => "request",
            Direction::Reply => "reply",
        };
        out.insert(name.into(), one.into());
    }
    out.into()
}

/// The reason in a query, decoded.
fn reason_in(query: &str) -> Option<String> {
    let raw = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("reason="))?;
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_strictly() {
        let reason = |query| reason_in(query);
        assert_eq!(
            reason("a=b&reason=case+4%20%E6%A1%88").as_deref(),
            Some("case 4 案")
        );
        for bad in [
            "",
            "reason",
            "reason=%",
            "reason=%4",
            "reason=%zz",
            "reason=%ff",
        ] {
            assert_eq!(reason(bad), None, "{bad}");
        }
        assert!(is_reason("ticket 4711") && !is_reason("  ") && !is_reason("two\nlines"));
    }
}
