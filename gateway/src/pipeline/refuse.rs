//! An answer that is an error, in the client's dialect, before anything else went down.

use adapters::ClientDialect;
use adapters::dialect::ErrorBody;
use bytes::BytesMut;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use journal::Durable;
use wire::fault::Code;
use wire::{Fault, Headers, Verdict};

use super::body::{ReplyBody, Response};
use super::settle::{Exchange, outcome_of};
use crate::worker::RequestId;
use wire::decimal::decimal;

/// Longest `retry-after` that is passed on, in seconds: a day.
const RETRY_AFTER_MAX_S: u64 = 86_400;

/// Ends the exchange with an error.
pub(super) fn answer(mut exchange: Exchange, fault: Fault) -> (Response, Durable) {
    let told = exchange.dialect.refusal(&fault);
    exchange.status = told.status;
    if exchange.principal.is_some()
        && matches!(
            fault.public_code(),
            Code::PolicyRefused | Code::NoClearedProvider
        )
    {
        exchange.verdict = Some(Verdict::Refuse);
    }
    exchange.meter.bytes_down = told.body.len() as u64;
    exchange.keep_own(&told.body);
    let mut reply = response(told, &fault);
    describe(&exchange, &mut reply.headers);
    exchange.finish(outcome_of(&fault), Some(&fault));
    let ended = exchange.ended();
    (reply, ended)
}

/// An error without an exchange to tell of.
pub(super) fn bare(fault: &Fault, id: RequestId, dialect: &dyn ClientDialect) -> Response {
    let mut reply = response(dialect.refusal(fault), fault);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        reply.headers.insert(name::REQUEST_ID, id);
    }
    reply
}

fn response(told: ErrorBody, fault: &Fault) -> Response {
    let mut reply = Response::new(ReplyBody::Whole(told.body.into()));
    reply.status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = &mut reply.headers;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(told.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = fault.come_back() {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, seconds.clamp(1, RETRY_AFTER_MAX_S).into());
    }
    if fault.public_code() == Code::BudgetExceeded {
        headers.insert(name::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    reply
}

/// Names of our headers, parsed when this is compiled.
mod name {
    use http::HeaderName;

    pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    pub(super) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
    pub(super) const GRADE: HeaderName = HeaderName::from_static("x-yumen-grade");
    pub(super) const VERDICT: HeaderName = HeaderName::from_static("x-yumen-verdict");
    pub(super) const PROVIDER: HeaderName = HeaderName::from_static("x-yumen-provider");
    pub(super) const MODEL: HeaderName = HeaderName::from_static("x-yumen-model");
    pub(super) const ATTEMPTS: HeaderName = HeaderName::from_static("x-yumen-attempts");
    pub(super) const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
    pub(super) const REMAINING: HeaderName =
        HeaderName::from_static("x-ratelimit-remaining-requests");
    pub(super) const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
    pub(super) const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
    pub(super) const REMAINING_TOKENS: HeaderName =
        HeaderName::from_static("x-ratelimit-remaining-tokens");
    pub(super) const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
}

/// The headers that every answer has, as far as they apply.
pub(super) fn describe(exchange: &Exchange, headers: &mut Headers) {
    // Names come from the config and the route table, where they were checked; what does not fit is left out.
    // None of these names is there yet.
    let mut put = |name: HeaderName, value: Option<HeaderValue>| {
        if let Some(value) = value {
            headers.append(name, value);
        }
    };
    let mut made = Made::new(exchange);
    let id = made.text(exchange.id.as_str().as_bytes());
    if let Some(name) = exchange.dialect.id_header() {
        put(name, id.clone());
    }
    put(name::REQUEST_ID, id);
    if exchange.principal.is_some() && exchange.request_bytes > 0 {
        let grade = exchange.snapshot.grades.header(exchange.grade);
        put(name::GRADE, grade.cloned());
    }
    if let Some(verdict) = exchange.verdict {
        let verdict = HeaderValue::from_static(verdict.as_str());
        put(name::VERDICT, Some(verdict));
    }
    if let Some(target) = exchange.answering() {
        let [provider, model] = &target.shown;
        put(name::PROVIDER, provider.header().cloned());
        put(name::MODEL, model.header().cloned());
    }
    if exchange.attempts() > 0 {
        put(name::ATTEMPTS, Some(count(exchange.attempts())));
    }
    for (standing, names) in [
        (
            &exchange.standing,
            [name::LIMIT, name::REMAINING, name::RESET],
        ),
        (
            &exchange.tokens_standing,
            [
                name::LIMIT_TOKENS,
                name::REMAINING_TOKENS,
                name::RESET_TOKENS,
            ],
        ),
    ] {
        let Some(standing) = standing else { continue };
        let [limit, remaining, reset] = names;
        put(limit, made.number(standing.limit, b""));
        put(remaining, made.number(standing.remaining, b""));
        put(reset, made.span(standing.reset_ns.div_ceil(1_000_000)));
    }
    for (name, value) in &exchange.extra {
        headers.insert(name.clone(), value.clone());
    }
}

/// Values that are made for one answer: slices of one piece of memory.
struct Made(BytesMut);

impl Made {
    fn new(exchange: &Exchange) -> Self {
        const NUMBERS: usize = 6 * 22;
        Self(BytesMut::with_capacity(
            exchange.id.as_str().len() + NUMBERS,
        ))
    }

    fn text(&mut self, text: &[u8]) -> Option<HeaderValue> {
        self.0.extend_from_slice(text);
        HeaderValue::from_maybe_shared(self.0.split().freeze()).ok()
    }

    fn number(&mut self, number: u64, unit: &[u8]) -> Option<HeaderValue> {
        self.0.extend_from_slice(decimal(number, &mut [0; 20]));
        self.text(unit)
    }

    /// A time as OpenAI writes it: `20ms`, `1.5s`, `6m0s`, `2h0m4s`.
    fn span(&mut self, ms: u64) -> Option<HeaderValue> {
        if ms < 1000 {
            return self.number(ms, if ms == 0 { b"s" } else { b"ms" });
        }
        let (seconds, ms) = (ms / 1000, ms % 1000);
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let parts = [
            (hours, hours > 0, &b"h"[..]),
            (minutes % 60, minutes > 0, b"m"),
            (seconds % 60, true, b""),
        ];
        for (number, _, unit) in parts.into_iter().filter(|(_, told, _)| *told) {
            self.0.extend_from_slice(decimal(number, &mut [0; 20]));
            self.0.extend_from_slice(unit);
        }
        if ms > 0 {
            let mut digits = [0; 20];
            // With a one before them, zeros stay.
            let digits = decimal(1000 + ms, &mut digits).get(1..).unwrap_or_default();
            let end = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(0);
            self.0.extend_from_slice(b".");
            self.0
                .extend_from_slice(digits.get(..=end).unwrap_or_default());
        }
        self.text(b"s")
    }
}

/// A small number; nearly always one.
fn count(number: usize) -> HeaderValue {
    const SMALL: [&str; 5] = ["0", "1", "2", "3", "4"];
    match SMALL.get(number) {
        Some(text) => HeaderValue::from_static(text),
        None => number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_writes_them() {
        for (ms, told) in [
            (0, "0s"),
            (7, "7ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1500, "1.5s"),
            (8_640, "8.64s"),
            (60_000, "1m0s"),
            (360_001, "6m0.001s"),
            (86_400_000, "24h0m0s"),
        ] {
            let mut made = Made(BytesMut::new());
            assert_eq!(made.span(ms).unwrap(), told);
        }
    }
}
