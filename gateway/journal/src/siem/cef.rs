//! ArcSight's Common Event Format, version 0.
//!
//! Custom strings: 1 model asked for, 2 provider and model that answered, 3 key, 4 team, 5 policies, 6 findings.
//! Custom numbers: 1 tokens of the prompt, 2 tokens of the reply, 3 status.
//!
//! Must never know where a line goes.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::{Severity, Source, severity};
use crate::inert::is_active;
use crate::row::{Count, Row};

/// Longest value of an extension in bytes: what the format's keys of free text take.
const VALUE_BYTES_MAX: usize = 1023;

pub(super) fn line(source: &Source, row: &Row) -> String {
    let mut out = String::from("CEF:0|yumen|gateway|");
    let event = match row.kind.as_str() {
        "event" => row.what.as_str(),
        kind => kind,
    };
    header(&mut out, &source.version);
    header(&mut out, event);
    header(&mut out, &name(row));
    let severity = match severity(row) {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 6,
        Severity::High => 8,
    };
    let _ = write!(out, "{severity}|");
    let mut fields = Fields {
        out,
        source,
        first: true,
    };
    fields.all(row);
    fields.out
}

fn name(row: &Row) -> String {
    match row.kind.as_str() {
        "event" => format!("gateway event {}", row.what),
        "denial" => format!("request denied {}", row.code),
        "lost" => "records lost".to_owned(),
        _ => format!("request {}", row.outcome),
    }
}

/// Adds a field of the header, with its bar.
fn header(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' | '|' => out.extend(['\\', c]),
            c if is_active(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('|');
}

/// Adds the value of an extension.
fn value(out: &mut String, text: &str) {
    let cut = text.floor_char_boundary(VALUE_BYTES_MAX);
    for c in text.get(..cut).unwrap_or_default().chars() {
        match c {
            '\\' | '=' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if is_active(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

struct Fields<'a> {
    out: String,
    source: &'a Source,
    first: bool,
}

impl Fields<'_> {
    fn all(&mut self, row: &Row) {
        self.number("rt", Some(super::moment(row)));
        self.number("start", row.time.0);
        self.number("end", row.ended.0);
        self.text("externalId", &self.source.uid(row));
        self.text("dvchost", &self.source.replica.clone());
        let client = if row.client.is_empty() {
            &row.origin
        } else {
            &row.client
        };
        match client.parse() {
            Ok(IpAddr::V4(_)) => self.text("src", client),
            Ok(IpAddr::V6(_)) => {
                self.text("c6a2", client);
                self.text("c6a2Label", "Source IPv6 Address");
            }
            Err(_) => self.text("shost", client),
        }
        let person = [&row.user, &row.actor, &row.key];
        let person = person.into_iter().find(|name| !name.is_empty());
        self.text("suser", person.map_or("", String::as_str));
        self.text("request", &row.endpoint);
        self.text("act", &row.verdict);
        self.text("outcome", &row.outcome);
        self.text(
            "reason",
            if row.code.is_empty() {
                &row.reason
            } else {
                &row.code
            },
        );
        self.number("in", row.request_bytes);
        self.number("out", row.bytes_down);
        let served = match (row.provider.as_str(), row.model.as_str()) {
            ("", "") => String::new(),
            (provider, model) => format!("{provider}/{model}"),
        };
        self.labelled("cs1", "model", &row.asked);
        self.labelled("cs2", "served by", &served);
        self.labelled("cs3", "key", &row.key);
        self.labelled("cs4", "team", &row.team);
        let policies = [&row.policies[..], &row.stop_policies, &row.reply_policies].concat();
        self.labelled("cs5", "policies", &policies.join(","));
        self.labelled(
            "cs6",
            "findings",
            &counts(&row.findings, &row.reply_findings),
        );
        for (field, label, number) in [
            ("cn1", "prompt tokens", row.prompt_tokens),
            ("cn2", "completion tokens", row.completion_tokens),
            ("cn3", "status", row.status),
        ] {
            if number.is_some() {
                self.number(field, number);
                self.text(&format!("{field}Label"), label);
            }
        }
        let said = [row.detail.clone(), row.names.join(",")].join(" ");
        self.text("msg", said.trim());
    }

    fn labelled(&mut self, field: &str, label: &str, text: &str) {
        if !text.is_empty() {
            self.text(field, text);
            self.text(&format!("{field}Label"), label);
        }
    }

    fn number(&mut self, field: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.text(field, &number.to_string());
        }
    }

    fn text(&mut self, field: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.first) {
            self.out.push(' ');
        }
        self.out.push_str(field);
        self.out.push('=');
        value(&mut self.out, text);
    }
}

fn counts(request: &[Count], reply: &[Count]) -> String {
    let all = request.iter().chain(reply);
    let shown: Vec<String> = all
        .map(|count| format!("{}:{}", count.name, count.count))
        .collect();
    shown.join(",")
}
