//! What the request holds: facts by lens, and its grade.
//!
//! The grade is the highest of what the key declares and what the header declares; what detectors find joins here.

use bytes::Bytes;
use http::request::Parts;
use wire::facts::RequestFacts;
use wire::json;
use wire::{Fault, Kind};

use super::arrive::bad;
use super::settle::Exchange;

/// The header with which a caller raises the grade of its request.
const GRADE_HEADER: &str = "x-yumen-grade";

/// A request that was read and graded.
pub(super) struct Inspected {
    pub(super) body: Bytes,
    pub(super) facts: RequestFacts,
}

pub(super) fn inspect(
    exchange: &mut Exchange,
    head: &Parts,
    body: Bytes,
) -> Result<Inspected, Fault> {
    if let Some(value) = head.headers.get(GRADE_HEADER) {
        let named = value
            .to_str()
            .ok()
            .and_then(|name| exchange.snapshot.grades.find(name.trim()));
        let declared = named.ok_or_else(|| {
            bad("grade", "The x-yumen-grade header names no grade.").param(GRADE_HEADER)
        })?;
        exchange.grade = exchange.grade.max(declared);
    }
    let tape = json::scan(&body, &json_limits(exchange)).map_err(|reject| {
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
    })?;
    let facts = exchange.dialect.read_request(&body, tape)?;
    exchange.asked.clone_from(&facts.model);
    exchange.streams = facts.stream;
    exchange.usage_asked = facts.usage_asked;
    Ok(Inspected { body, facts })
}

fn json_limits(exchange: &Exchange) -> json::Limits {
    let limits = exchange.limits();
    json::Limits {
        depth: limits.json_depth as usize,
        elements: limits.json_width,
        number: limits.json_number_len as usize,
        ..json::Limits::default()
    }
}
