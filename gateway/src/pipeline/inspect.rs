//! What the request holds: facts by lens, and its grade.
//!
//! What is declared is the higher of the key's grade and the header's; what the policy's detectors find is the law's to
//! grade.

use adapters::{Asked, ClientDialect};
use bytes::Bytes;
use http::HeaderName;
use policies::findings::Findings;
use policies::policy::Policy;
use wire::facts::{Contents, Form, RequestFacts, Source, Text};
use wire::json;
use wire::{Fault, Kind};

use super::arrive::bad;
use super::head::Head;
use super::limits;
use super::look::look;
use super::settle::Exchange;
use crate::config::tuning::Limits;

/// The header with which a caller raises the grade of its request.
static GRADE_HEADER: HeaderName = HeaderName::from_static("x-yumen-grade");

/// A request that was read and graded.
pub(super) struct Inspected {
    pub(super) asked: Asked,
    pub(super) body: Bytes,
    pub(super) facts: RequestFacts,
    pub(super) findings: Findings,
}

pub(super) async fn inspect(
    exchange: &mut Exchange,
    head: &Head,
    (asked, body): (Asked, Bytes),
) -> Result<Inspected, Fault> {
    // Whoever stands between may add one: none of them makes the request harmless.
    for value in head.headers.get_all(&GRADE_HEADER) {
        let named = value
            .to_str()
            .ok()
            .and_then(|name| exchange.snapshot.grades.find(name.trim()));
        let declared = named.ok_or_else(|| {
            bad("grade", "The x-yumen-grade header names no grade.").param(GRADE_HEADER.as_str())
        })?;
        exchange.grade = exchange.grade.max(declared);
    }
    let facts = read(exchange, &asked, &body)?;
    exchange.asked.clone_from(&facts.model);
    exchange.streams = facts.stream;
    exchange.usage_asked = facts.usage_asked;
    exchange.shape = facts.shape;
    exchange.thoughts = facts.thoughts;
    exchange.array = asked.array;
    limits::reserve(exchange, &facts).await?;
    let findings = match exchange.snapshot.policy.clone() {
        None => Findings::default(),
        Some(policy) => {
            let contents = exchange.dialect.contents(&body, &facts);
            let findings = look(&policy, &body, &contents).await?;
            look_at_headers(&policy, &asked).await?;
            findings
        }
    };
    exchange.counts = findings.counts().to_vec();
    exchange.media = findings.media;
    Ok(Inspected {
        asked,
        body,
        facts,
        findings,
    })
}

/// Headers that travel on cannot be redacted: one that holds what the policy looks for stays here with its request.
async fn look_at_headers(policy: &Policy, asked: &Asked) -> Result<(), Fault> {
    for (name, value) in &asked.carried {
        let value = Bytes::copy_from_slice(value.as_bytes());
        let contents = Contents {
            texts: vec![Text {
                span: 0..value.len(),
                form: Form::String,
                source: Source::User,
                key: 0..0,
                turn: None,
            }],
            media: Vec::new(),
        };
        if !look(policy, &value, &contents).await?.list.is_empty() {
            return Err(Fault::new(Kind::Refused)
                .reason("header")
                .param(name.as_str().to_owned())
                .message(
                    "A header that goes to the provider as it came holds what a policy looks for.",
                ));
        }
    }
    Ok(())
}

/// A body's facts, if it is what the limits and its dialect allow.
pub(super) fn read(
    exchange: &Exchange,
    asked: &Asked,
    body: &Bytes,
) -> Result<RequestFacts, Fault> {
    read_as(exchange.dialect, exchange.limits(), asked, body)
}

/// The same, for a dialect and limits.
pub(super) fn read_as(
    dialect: &dyn ClientDialect,
    limits: &Limits,
    asked: &Asked,
    body: &Bytes,
) -> Result<RequestFacts, Fault> {
    let tape = scanned(limits, body)?;
    let facts = dialect.read_request(body, tape, asked)?;
    let most = limits.messages;
    if facts.turns > most {
        let sentence = format!("The request holds more than {most} messages.");
        return Err(Fault::new(Kind::BadRequest).message(sentence));
    }
    Ok(facts)
}

/// A body's tokens, if it is JSON as strictly as we read it.
pub(super) fn scanned(limits: &Limits, body: &Bytes) -> Result<json::Tape, Fault> {
    json::scan(body, &json_limits(limits)).map_err(|reject| {
        let sentence = match reject.reason {
            json::Reason::Syntax => "The body is not valid JSON",
            json::Reason::DuplicateKey => "The body has the same key twice",
            json::Reason::TooDeep => "The body is nested too deeply",
            json::Reason::TooWide => "The body has too many members or elements",
            json::Reason::LongNumber => "The body holds a number that is too long",
            json::Reason::Unicode => "The body is not valid Unicode",
        };
        Fault::new(Kind::BadRequest)
            .reason(reject.reason.as_str())
            .message(format!("{sentence} (at byte {}).", reject.at))
    })
}

fn json_limits(limits: &Limits) -> json::Limits {
    json::Limits {
        depth: limits.json_depth as usize,
        elements: limits.json_width,
        number: limits.json_number_len as usize,
        ..json::Limits::default()
    }
}
