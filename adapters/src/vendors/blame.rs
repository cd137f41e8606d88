//! What a vendor's error is, in the terms of our faults; and the many shapes in which errors are told.
//!
//! Vendors classify by their own codes and fall back to what is common. Nothing that a vendor wrote goes into a fault's
//! message; of its codes only letters, digits and a few marks go into the detail for our log. Retry is decided by code,
//! not by status: a 429 may mean arrears, a 401 may mean no right to one model.

use std::borrow::Cow;
use std::time::Duration;

use wire::fault::{Code, Retry};
use wire::json::{Type, Value};
use wire::{Fault, Headers, Kind};

use crate::calendar;
use crate::vendor::Head;

/// A vendor's error, whatever its shape. All parts may be empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told<'a> {
    /// The code, number or word, as text.
    pub code: Cow<'a, str>,
    /// The `type`.
    pub kind: Cow<'a, str>,
    /// The vendor's sentence: only ever matched against, never shown.
    pub message: Cow<'a, str>,
    /// A status told inside the body.
    pub status: Option<u16>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The request is not valid for this vendor.
    Invalid,
    /// The prompt is too long.
    ContextLength,
    /// The vendor's moderation refused it.
    ContentFilter,
    /// Our credential is refused.
    Auth,
    /// A token ran out: fetch another one.
    Expired,
    /// Our account may not do this.
    Permission,
    /// The vendor knows no such model.
    NoModel,
    /// Too many requests or tokens at a time.
    Throttled,
    /// Money or quota is spent: waiting does not help.
    Quota,
    /// The vendor is overloaded.
    Overloaded,
    /// The vendor took too long.
    TimedOut,
    /// The vendor failed.
    Failed,
}

/// Longest wait that a vendor may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// Characters of a vendor's code that go into our log.
const CODE_CHARS_MAX: usize = 64;
/// Bytes of a vendor's sentence that are searched for known words.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Whether a body has none of the members by which [`read`] and [`bare`] know an error, nor one that holds a reply of its
/// own: as nearly all replies, whose members are then looked at once and not once for each of these names.
pub(crate) fn is_silent(root: Value<'_>) -> bool {
    let silent = |(key, value): (Value<'_>, Value<'_>)| match key.raw() {
        b"\"error\""
        | b"\"error_type\""
        | b"\"error_code\""
        | b"\"error_msg\""
        | b"\"base_resp\""
        | b"\"status\""
        | b"\"code\""
        | b"\"type\""
        | b"\"msg\""
        | b"\"message\""
        | b"\"http_status_code\""
        | b"\"detail\""
        | b"\"response\"" => false,
        b"\"object\"" => !value.is_named("error"),
        // What is escaped may be any of them.
        _ => !key.is_escaped(),
    };
    root.kind() == Type::Object && root.members().all(silent)
}

/// Reads an error in any of the shapes that vendors and runtimes use; `None` if the body tells none.
pub(crate) fn read<'a>(root: Value<'a>) -> Option<Told<'a>> {
    let mut told = match root.get("error") {
        Some(error) if error.kind() == Type::Object && error.members().next().is_some() => {
            shape(error)
        }
        Some(error) if error.inner().is_some_and(|text| !text.is_empty()) => Told {
            message: error.as_str().unwrap_or_default(),
            kind: word(root, "error_type").unwrap_or_default(),
            ..Told::default()
        },
        _ => beside(root).or_else(|| flat(root))?,
    };
    // Where the outer object has more to say than the inner one.
    if told.code.is_empty() {
        told.code = word(root, "code").unwrap_or_default();
    }
    Some(told)
}

/// `{code, type, message}` and the names these go by.
fn shape<'a>(error: Value<'a>) -> Told<'a> {
    let first = |names: &[&str]| names.iter().find_map(|name| word(error, name));
    let code = first(&["code", "error_code"]).unwrap_or_default();
    let number = error.get("http_status_code").and_then(|code| code.as_u64());
    let number = number.or_else(|| code.parse().ok());
    Told {
        status: number
            .and_then(|number| u16::try_from(number).ok())
            .filter(|status| (400..600).contains(status)),
        code,
        kind: first(&["type", "error_type"]).unwrap_or_default(),
        message: first(&["message", "error_msg", "msg"]).unwrap_or_default(),
    }
}

/// Errors told beside a reply, which may be there too: a code that is not zero.
fn beside<'a>(root: Value<'a>) -> Option<Told<'a>> {
    let objects = ["base_resp", "status"];
    let told = objects.iter().filter_map(|name| {
        let object = root.get(name)?;
        let first = |names: [&str; 2]| names.iter().find_map(|name| word(object, name));
        Some(Told {
            code: first(["status_code", "code"])?,
            message: first(["status_msg", "message"]).unwrap_or_default(),
            ..Told::default()
        })
    });
    let mut told = told.filter(|told| !is_zero(&told.code));
    told.next()
}

/// A sentence at the top of the body and nothing else: an error only where there is no reply.
pub(crate) fn bare<'a>(root: Value<'a>) -> Option<Told<'a>> {
    let message = word(root, "message").filter(|message| !message.is_empty());
    Some(Told {
        message: message?,
        ..Told::default()
    })
}

/// Whether a code says that all is well.
fn is_zero(code: &str) -> bool {
    matches!(code, "" | "0" | "200")
}

/// Errors that stand at the top of the body.
fn flat<'a>(root: Value<'a>) -> Option<Told<'a>> {
    if root.kind() != Type::Object {
        return None;
    }
    let told = shape(root);
    let number = |code: Value<'a>| code.kind() == Type::Number;
    let sentence = root.get("message").or_else(|| root.get("msg")).is_some();
    let numbered = root.get("code").is_some_and(number) && sentence;
    if root.get("choices").is_some() && !numbered {
        return None;
    }
    if root
        .get("object")
        .is_some_and(|kind| kind.is_named("error"))
        || root.get("error_msg").is_some()
        || word(root, "error_code").is_some_and(|code| !is_zero(&code))
        || (!is_zero(&told.code) && sentence)
    {
        return Some(told);
    }
    let detail = root.get("detail")?;
    let message = match detail.kind() {
        Type::String => detail.as_str()?,
        Type::Array => detail
            .elements()
            .next()
            .and_then(|first| word(first, "msg"))
            .unwrap_or_default(),
        _ => return None,
    };
    Some(Told {
        message,
        ..Told::default()
    })
}

/// A string's text, or a number's digits.
fn word<'a>(object: Value<'a>, name: &str) -> Option<Cow<'a, str>> {
    let value = object.get(name)?;
    match value.kind() {
        Type::String => value.as_str(),
        Type::Number => std::str::from_utf8(value.raw()).ok().map(Cow::Borrowed),
        _ => None,
    }
}

impl Told<'_> {
    /// Whether the vendor's sentence holds any of these words; ASCII letters are compared without case.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        let end = self.message.floor_char_boundary(MESSAGE_BYTES_MAX);
        let text = self.message.get(..end).unwrap_or_default();
        let text = text.to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// Whether the code or the type is one of these, without case.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        let same = |name: &&str| {
            self.code.eq_ignore_ascii_case(name) || self.kind.eq_ignore_ascii_case(name)
        };
        names.iter().any(same)
    }
}

/// Sentences by which a prompt that is too long is told, over all vendors that give it no code of its own.
const TOO_LONG: &[&str] = &[
    "maximum context length",
    "context length",
    "context_length",
    "context size",
    "context window",
    "range of input length",
    "input length should be",
    "token length exceed",
    "prompt tokens too long",
    "prompt is too long",
    "prompt too long",
    "prompt 超长",
    "token num of prompt is over",
    "too many input tokens",
];

/// Codes and types that mean the same everywhere.
const COMMON: [(&[&str], Blame); 9] = [
    (
        &[
            "context_length_exceeded",
            "exceed_context_size_error",
            "string_above_max_length",
        ],
        Blame::ContextLength,
    ),
    (
        &[
            "content_filter",
            "content_policy_violation",
            "content_filtered",
        ],
        Blame::ContentFilter,
    ),
    (
        &[
            "invalid_api_key",
            "authentication_error",
            "unauthorized",
            "invalid_authentication",
        ],
        Blame::Auth,
    ),
    (
        &[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "quota_exceeded",
            "insufficient_balance",
        ],
        Blame::Quota,
    ),
    (
        &["permission_denied", "permission_error", "access_denied"],
        Blame::Permission,
    ),
    (&["model_not_found", "model_not_available"], Blame::NoModel),
    (
        &[
            "overloaded",
            "overloaded_error",
            "server_overloaded",
            "unavailable_error",
            "engine_overloaded_error",
        ],
        Blame::Overloaded,
    ),
    (
        &[
            "rate_limit_exceeded",
            "rate_limit_error",
            "too_many_requests",
            "requests",
            "tokens",
        ],
        Blame::Throttled,
    ),
    (
        &["server_error", "internal_error", "internal_server_error"],
        Blame::Failed,
    ),
];

/// What an error is, by codes and words that mean the same everywhere.
pub(crate) fn common(told: &Told<'_>) -> Option<Blame> {
    if let Some(row) = COMMON.iter().find(|row| told.is(row.0)) {
        return Some(row.1);
    }
    told.says(TOO_LONG).then_some(Blame::ContextLength)
}

/// What a status says by itself; `None` for success.
pub(crate) fn by_status(status: u16) -> Option<Blame> {
    Some(match status {
        200..=299 => return None,
        400 | 406 | 409 | 411..=428 if status != 424 => Blame::Invalid,
        401 | 407 => Blame::Auth,
        402 => Blame::Quota,
        403 | 434 => Blame::Permission,
        404 => Blame::NoModel,
        408 | 504 | 524 => Blame::TimedOut,
        429 => Blame::Throttled,
        451 => Blame::ContentFilter,
        503 | 529 => Blame::Overloaded,
        _ => Blame::Failed,
    })
}

impl Blame {
    /// The fault to raise. `status` is what the vendor answered (or told inside its body).
    pub(crate) fn fault(self, head: &Head<'_>, status: u16, told: Option<&Told<'_>>) -> Fault {
        let kept = |range: std::ops::RangeInclusive<u16>, or: u16| {
            if range.contains(&status) { status } else { or }
        };
        let rejected = |status: u16| Fault::new(Kind::UpstreamRejected).status(status);
        let failed = |status: u16| Fault::new(Kind::UpstreamError).status(status);
        let fault = match self {
            Self::Invalid => rejected(match status {
                400 | 404 | 409 | 413 | 415 | 422 => status,
                _ => 400,
            }),
            Self::ContextLength => rejected(kept(413..=413, 400))
                .code(Code::ContextLengthExceeded)
                .reason("context_length_exceeded")
                .message("The prompt is longer than the model's context."),
            // A filter's 401 or 403 would read like a bad key.
            Self::ContentFilter => rejected(kept(451..=451, 400))
                .code(Code::ContentFiltered)
                .reason("content_filtered")
                .message("The provider's content filter refused the request."),
            Self::Auth => failed(502)
                .reason("auth_failed")
                .message("The provider refused the gateway's credential."),
            Self::Expired => failed(502)
                .reason("auth_failed")
                .retry(Retry::FreshCredential)
                .message("The provider refused the gateway's credential."),
            Self::Permission => failed(502)
                .reason("not_permitted")
                .message("The provider does not permit this to the gateway's account."),
            Self::NoModel => rejected(404)
                .reason("no_such_model")
                .retry(Retry::NextTarget)
                .message("The provider does not know the model."),
            Self::Throttled => Fault::new(Kind::Throttled),
            Self::Quota => Fault::new(Kind::Throttled)
                .reason("quota_exhausted")
                .message("The quota at the provider is used up."),
            Self::Overloaded => failed(503)
                .reason("provider_overloaded")
                .message("The provider is overloaded."),
            Self::TimedOut => failed(504)
                .code(Code::UpstreamTimeout)
                .reason("provider_timeout")
                .message("The provider took too long."),
            Self::Failed => failed(kept(500..=504, 502)),
        };
        let wait =
            retry_after(head).or_else(|| told_wait(told.filter(|_| self == Self::Throttled)?));
        let fault = match wait {
            Some(after) => fault.retry_after(after),
            None => fault,
        };
        fault.detail(detail(head.status, told))
    }
}

/// The fault of a credential that cannot even be sent: as if the vendor refused it, so that another one is asked. `why`
/// holds nothing of it.
pub(crate) fn unusable(why: &'static str) -> Fault {
    Fault::new(Kind::UpstreamError)
        .reason("auth_failed")
        .message("The gateway's credential for the provider cannot be used.")
        .detail(why)
}

/// Status and code. A vendor's words may hold anything, a key of ours among them: a code is shown if it is a number, or
/// words without digits; keys have both.
fn detail(status: u16, told: Option<&Told<'_>>) -> String {
    let clean = |text: &str| -> String {
        let number = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-');
        let words = text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || b"._".contains(&byte));
        if text.len() <= CODE_CHARS_MAX && (number || words) {
            text.to_owned()
        } else {
            "(not shown)".to_owned()
        }
    };
    told.map_or_else(
        || format!("status {status}"),
        |told| {
            format!(
                "status {status}, code {}, type {}",
                clean(&told.code),
                clean(&told.kind)
            )
        },
    )
}

/// When to come back: `retry-after-ms`, or `retry-after` in seconds (perhaps with a fraction) or as a date.
pub(crate) fn retry_after(head: &Head<'_>) -> Option<Duration> {
    let text = |headers: &Headers, name: &str| -> Option<String> {
        Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
    };
    let seconds = if let Some(ms) =
        text(head.headers, "retry-after-ms").and_then(|ms| ms.parse::<f64>().ok())
    {
        ms / 1000.0
    } else {
        let after = text(head.headers, "retry-after")?;
        if let Ok(seconds) = after.parse::<f64>() {
            seconds
        } else {
            let at_ms = calendar::http_date(&after)?.saturating_mul(1000);
            #[expect(
                clippy::cast_precision_loss,
                reason = "a wait of seconds; bounded just below"
            )]
            let wait = at_ms.saturating_sub(head.now_ms) as f64 / 1000.0;
            wait
        }
    };
    if !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    Some(Duration::from_secs_f64(
        seconds.min(RETRY_AFTER_MAX.as_secs_f64()),
    ))
}

/// When to come back, told in a sentence: `… after 3 seconds`.
fn told_wait(told: &Told<'_>) -> Option<Duration> {
    let (_, rest) = told.message.rsplit_once(" after ")?;
    let (number, unit) = rest.split_once(' ')?;
    let seconds = number.parse::<u32>().ok()?;
    let wait = Duration::from_secs(seconds.into()).min(RETRY_AFTER_MAX);
    unit.starts_with("second").then_some(wait)
}

#[cfg(test)]
mod tests;
