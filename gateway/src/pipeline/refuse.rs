//! An answer that is an error, in the client's dialect, before anything else went down.

use std::time::Duration;

use adapters::ClientDialect;
use adapters::dialect::ErrorBody;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use journal::Durable;
use wire::fault::Code;
use wire::{Fault, Kind, Verdict};

use super::body::{ReplyBody, Response};
use super::lines::Lines;
use super::settle::{Exchange, outcome_of};
use crate::worker::RequestId;

/// Longest `retry-after` that is passed on, in seconds: a day. Budgets say when their period ends.
const RETRY_AFTER_MAX_S: u64 = 86_400;
/// When to come back to us, where nobody knows better.
const COME_BACK: Duration = Duration::from_secs(1);

/// Ends the exchange with an error.
pub(super) fn answer(mut exchange: Exchange, fault: Fault) -> (Response, Durable) {
    let told = exchange.dialect.refusal(&fault, exchange.id.as_str());
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
    let mut reply = response(dialect.refusal(fault, id.as_str()), fault);
    text(&mut reply.headers, &name::REQUEST_ID, id.as_str());
    reply
}

fn response(told: ErrorBody, fault: &Fault) -> Response {
    let mut reply = Response::new(ReplyBody::Whole(told.body.into()));
    reply.status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = &mut reply.headers;
    text(headers, &CONTENT_TYPE, told.content_type);
    text(headers, &CACHE_CONTROL, "no-store");
    let ours = (fault.public_code() == Code::Overloaded).then_some(COME_BACK);
    if let Some(after) = fault.come_back().or(ours) {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let most = match fault.kind() {
            Kind::BudgetSpent => u64::MAX,
            _ => RETRY_AFTER_MAX_S,
        };
        number(headers, &RETRY_AFTER, seconds.clamp(1, most));
    }
    if is_final(fault) {
        text(headers, &name::SHOULD_RETRY, "false");
    }
    reply
}

/// Whether the same request fails again, whatever its status says: what is spent, here or at the vendor, and a credential of
/// ours that is refused.
fn is_final(fault: &Fault) -> bool {
    fault.kind() == Kind::BudgetSpent || matches!(fault.why(), "quota_exhausted" | "auth_failed")
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

/// The headers that every answer has, as far as they apply. None of their names is there yet.
pub(super) fn describe(exchange: &Exchange, headers: &mut Lines) {
    let id = exchange.id.as_str();
    if let Some(name) = exchange.dialect.id_header() {
        text(headers, &name, id);
    }
    text(headers, &name::REQUEST_ID, id);
    // Names come from the config, where those that fit no header have none.
    let mut put = |name: &HeaderName, value: Option<&HeaderValue>| {
        if let Some(value) = value {
            headers.add(name, value);
        }
    };
    if exchange.principal.is_some() && exchange.request_bytes > 0 {
        let grade = exchange.snapshot.grades.header(exchange.grade);
        put(&name::GRADE, grade);
    }
    if let Some(target) = exchange.answering() {
        let [provider, model] = &target.shown;
        put(&name::PROVIDER, provider.header());
        put(&name::MODEL, model.header());
    }
    if let Some(verdict) = exchange.verdict {
        text(headers, &name::VERDICT, verdict.as_str());
    }
    if exchange.attempts() > 0 {
        number(headers, &name::ATTEMPTS, exchange.attempts() as u64);
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
        let [limit, remaining, reset] = &names;
        number(headers, limit, standing.limit);
        number(headers, remaining, standing.remaining);
        let ms = standing.reset_ns.div_ceil(1_000_000);
        headers.made(reset, |text| span(text, ms));
    }
    for (name, value) in &exchange.extra {
        headers.put(name, value);
    }
    if exchange.closes {
        headers.close();
    }
}

/// A header that says a text of ours: ids, types and words, which hold no end of a line.
fn text(headers: &mut Lines, name: &HeaderName, value: &str) {
    debug_assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    headers.made(name, |text| text.extend_from_slice(value.as_bytes()));
}

fn number(headers: &mut Lines, name: &HeaderName, value: u64) {
    headers.made(name, |text| {
        text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    });
}

/// A time as OpenAI writes it: `20ms`, `1.5s`, `6m0s`, `2h0m4s`.
fn span(text: &mut Vec<u8>, ms: u64) {
    let put = |text: &mut Vec<u8>, number: u64, unit: &[u8]| {
        text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        text.extend_from_slice(unit);
    };
    if ms < 1000 {
        return put(text, ms, if ms == 0 { b"s" } else { b"ms" });
    }
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    if hours > 0 {
        put(text, hours, b"h");
    }
    if minutes > 0 {
        put(text, minutes % 60, b"m");
    }
    put(text, seconds % 60, b"");
    if ms > 0 {
        let mut digits = itoa::Buffer::new();
        // With a one before them, zeros stay.
        let digits = digits.format(1000 + ms).get(1..).unwrap_or_default();
        text.extend_from_slice(b".");
        text.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
    text.extend_from_slice(b"s");
}

#[cfg(test)]
mod tests {
    use adapters::dialects::openai_chat::OpenAiChat;

    use super::*;

    #[test]
    fn clients_hear_whether_to_come_back_and_when() {
        let days = |fault: Fault| fault.retry_after(Duration::from_secs(3 * 86_400));
        let after = |fault: Fault| {
            let reply = response(OpenAiChat.refusal(&fault, ""), &fault);
            let text = String::from_utf8(reply.headers.as_bytes().to_vec()).unwrap();
            let of = |name: &str| {
                let mut lines = text.lines();
                let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                value.map(str::to_owned)
            };
            (of("retry-after"), of("x-should-retry"))
        };
        let said = |after: &str, retry: Option<&str>| {
            let after = Some(after).filter(|after| !after.is_empty());
            (after.map(str::to_owned), retry.map(str::to_owned))
        };
        let (no, free) = (Some("false"), None);
        assert_eq!(after(days(Kind::BudgetSpent.into())), said("259200", no));
        assert_eq!(after(days(Kind::Throttled.into())), said("86400", free));
        let held = Fault::new(Kind::BudgetHeld).retry_after(COME_BACK);
        assert_eq!(after(held), said("1", free));
        for kind in [Kind::Draining, Kind::Overloaded, Kind::LedgerDown] {
            assert_eq!(after(kind.into()), said("1", free));
        }
        for reason in ["quota_exhausted", "auth_failed"] {
            let fault = Fault::new(Kind::UpstreamError).reason(reason);
            assert_eq!(after(fault), said("", no));
        }
        assert_eq!(after(Kind::UpstreamError.into()), said("", free));
    }

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
            let mut text = Vec::new();
            span(&mut text, ms);
            assert_eq!(text, told.as_bytes());
        }
    }
}
