//! Rows of the log as security analysts' tools read them: one row, one line.
//!
//! `json` is the row itself, `ocsf` an event of the Open Cybersecurity Schema Framework, `cef` ArcSight's Common Event
//! Format; `syslog` is the envelope of RFC 5424 around any of them. Every line names its row by `uid`, so that what was
//! sent twice can be told.
//!
//! Must never know a socket or when anything is sent.
//! Invariants: whatever a row's texts hold, a line has no line break and no character that moves a cursor or turns the
//! direction of text, and no text can end its field or begin another.

mod cef;
mod ocsf;
pub mod syslog;
#[cfg(test)]
mod tests;

use super::inert;
use super::row::Row;

/// How a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The row's columns, with `uid`, `replica` and `log`.
    Json,
    /// OCSF 1.9: API Activity with the profile `ai_operation`, and other classes for events of the gateway.
    Ocsf,
    /// CEF:0.
    Cef,
}

/// What wrote the log.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Name of the replica.
    pub replica: String,
    /// Name of the log.
    pub log: String,
    /// The gateway's version.
    pub version: String,
}

/// How much a row matters to somebody on watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// All is well.
    Info,
    /// Worth a look: limits, redactions, changes.
    Low,
    /// A refusal by policy, a failed login.
    Medium,
    /// The log itself is touched or in danger.
    High,
}

impl Source {
    /// A row's name, once and for all: log, epoch, place of its last record, place of its first. The epoch is in it because a
    /// power cut may take records that were sent already, and their places are then given again.
    #[must_use]
    pub fn uid(&self, row: &Row) -> String {
        let number = |number: Option<i64>| number.unwrap_or_default();
        format!(
            "{}:{}:{}:{}",
            self.log,
            number(row.epoch),
            number(row.settled),
            number(row.index)
        )
    }
}

/// The row as one line, without the line's end.
#[must_use]
pub fn line(format: Format, source: &Source, row: &Row) -> String {
    match format {
        Format::Json => json(source, row),
        Format::Ocsf => ocsf::line(source, row),
        Format::Cef => cef::line(source, row),
    }
}

/// When the row was complete, ms since 1970; 0 if the log does not say.
#[must_use]
pub fn moment(row: &Row) -> i64 {
    row.ended.0.or(row.time.0).unwrap_or_default()
}

/// How much a row matters.
#[must_use]
pub fn severity(row: &Row) -> Severity {
    match (row.kind.as_str(), row.what.as_str()) {
        ("lost", _) | (_, "unseal" | "shred" | "sync_failed" | "clock_step" | "checkpoint_key") => {
            Severity::High
        }
        (_, "login_failed" | "inbox_refused" | "payload_dropped" | "recovery") => Severity::Medium,
        ("event", "start" | "stop" | "drain" | "resumed") => Severity::Info,
        ("event", _) => Severity::Low,
        _ if row.verdict == "refuse" || row.outcome == "refused" => Severity::Medium,
        ("denial", _) => Severity::Low,
        _ if matches!(row.outcome.as_str(), "completed" | "client_closed")
            && row.verdict != "redact" =>
        {
            Severity::Info
        }
        _ => Severity::Low,
    }
}

fn json(source: &Source, row: &Row) -> String {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        uid: String,
        replica: &'a str,
        log: &'a str,
        #[serde(flatten)]
        row: &'a Row,
    }
    written(&Line {
        uid: source.uid(row),
        replica: &source.replica,
        log: &source.log,
        row,
    })
}

/// JSON on one line, harmless on a terminal.
fn written(value: &impl serde::Serialize) -> String {
    let mut out = Vec::new();
    let mut json = serde_json::Serializer::with_formatter(&mut out, inert::Inert);
    // Nothing of a row fails to be JSON; if it did, an empty object would say that there was one.
    if value.serialize(&mut json).is_err() {
        return "{}".to_owned();
    }
    String::from_utf8(out).unwrap_or_else(|_| "{}".to_owned())
}
