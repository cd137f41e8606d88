//! Anthropic itself, and what serves its dialect as it does.

use http::header::HeaderValue;
use wire::Fault;
use wire::json::Value;

use super::blame::{self, Blame};
use super::openai_like::{HOSTED, bearer, insert_secret};
use crate::dialect::Dialect;
use crate::dialects::anthropic::{Anthropic as Spoken, VERSION};
use crate::places::Asks;
use crate::quirks::{Messages, PLAIN, Quirks, Rule, Sampling, Thinks};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// The vendor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anthropic;

/// Registered.
pub(crate) static VENDOR: Anthropic = Anthropic;

static INFO: VendorInfo = VendorInfo {
    name: "anthropic",
    default_base_url: Some("https://api.anthropic.com"),
    auth_modes: &["x-api-key", "bearer"],
    ..HOSTED
};

/// The version that is spoken with requests that are translated: the last one that takes sampling fields.
const PINNED: HeaderValue = HeaderValue::from_static("2023-06-01");

impl Vendor for Anthropic {
    fn info(&self) -> &'static VendorInfo {
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&Spoken]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        match call.asks {
            Asks::Count => "/v1/messages/count_tokens",
            _ => "/v1/messages",
        }
        .clone_into(&mut parts.path);
        // A client of the same dialect has a version of its own, which comes in this one's place.
        parts.headers.insert(VERSION, PINNED);
        if credential.auth == "bearer" {
            bearer(call, credential, &mut parts.headers)
        } else {
            let name = http::HeaderName::from_static("x-api-key");
            insert_secret(&mut parts.headers, name, credential.api_key)
        }
    }

    fn is_constant(&self, _: &Credential<'_>) -> bool {
        true
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        let row = MODELS.iter().find(|(begins, _)| model.starts_with(begins));
        row.map_or(&NEWEST, |(_, quirks)| quirks)
    }

    fn counts(&self) -> bool {
        true
    }

    fn listing(&self) -> Option<&'static str> {
        Some("/v1/models")
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        let by_head = blame::by_status(head.status);
        let Some(error) = root.and_then(|root| root.get("error")) else {
            let blame = by_head?;
            return Some(blame.fault(head, head.status, None));
        };
        let mut told = root.and_then(blame::read).unwrap_or_default();
        let details = error.get("details");
        let code = details.and_then(|details| details.get("error_code")?.as_str());
        told.code = code.unwrap_or_default();
        let blame = match &*told.kind {
            // Limits that a contract or the account's owner set: waiting does not help.
            "rate_limit_error" if told.code.ends_with("_spend_limit_reached") => Blame::Quota,
            "rate_limit_error" => Blame::Throttled,
            "billing_error" => Blame::Quota,
            "authentication_error" => Blame::Auth,
            "permission_error" => Blame::Permission,
            "not_found_error" => Blame::NoModel,
            "overloaded_error" => Blame::Overloaded,
            "timeout_error" => Blame::TimedOut,
            // It says no more than that something went wrong.
            "api_error" => by_head.unwrap_or(Blame::Failed),
            "invalid_request_error" | "request_too_large"
                if told.says(&["prompt is too long", "exceed context limit"]) =>
            {
                Blame::ContextLength
            }
            "invalid_request_error" if told.says(&["credit balance"]) => Blame::Quota,
            "invalid_request_error" if told.says(&["content filtering policy"]) => {
                Blame::ContentFilter
            }
            "invalid_request_error" | "request_too_large" => Blame::Invalid,
            _ => by_head.unwrap_or(Blame::Failed),
        };
        // In mid-stream the status is that of the head, which was good.
        let status = match by_head {
            Some(_) => head.status,
            None => usual_status(&told.kind),
        };
        Some(blame.fault(head, status, Some(&told)))
    }
}

/// The status that goes with a type of error, for those that come inside a stream.
fn usual_status(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "overloaded_error" => 529,
        "timeout_error" => 504,
        _ => 500,
    }
}

const FIELDS: &[(&str, Rule)] = &[("temperature", Rule::Clamp { min: "0", max: "1" })];

const fn model(output_max: u64, sampling: Sampling, thinks: Thinks) -> Quirks {
    Quirks {
        fields: FIELDS,
        messages: Messages {
            output_max,
            sampling,
            thinks,
        },
        ..PLAIN
    }
}

/// By the beginning of a model's name, the longer ones first. Output caps: the vendor's published limits; who may be
/// sampled and how thinking is asked for: `dialects/anthropic-messages.md`, section 1.
static MODELS: [(&str, Quirks); 11] = [
    ("claude-2", model(4096, Sampling::Both, Thinks::Never)),
    ("claude-instant", model(4096, Sampling::Both, Thinks::Never)),
    ("claude-3-7", model(64_000, Sampling::Both, Thinks::Budget)),
    ("claude-3-5", model(8192, Sampling::Both, Thinks::Never)),
    ("claude-3", model(4096, Sampling::Both, Thinks::Never)),
    (
        "claude-opus-4-1",
        model(32_000, Sampling::Either, Thinks::Budget),
    ),
    (
        "claude-opus-4-2",
        model(32_000, Sampling::Either, Thinks::Budget),
    ),
    (
        "claude-sonnet-4-2",
        model(64_000, Sampling::Either, Thinks::Budget),
    ),
    (
        "claude-opus-4-5",
        model(64_000, Sampling::Either, Thinks::Budget),
    ),
    (
        "claude-sonnet-4-5",
        model(64_000, Sampling::Either, Thinks::Budget),
    ),
    (
        "claude-haiku-4-5",
        model(64_000, Sampling::Either, Thinks::Budget),
    ),
];

/// What is not known is taken for the newest: no sampling, thinking as the model likes.
static NEWEST: Quirks = model(32_000, Sampling::None, Thinks::Adaptive);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart() {
        let of = |name: &str| {
            let quirks = Anthropic.quirks(name);
            (quirks.messages.output_max, quirks.messages.thinks)
        };
        assert_eq!(of("claude-3-haiku-20240307"), (4096, Thinks::Never));
        assert_eq!(of("claude-3-7-sonnet-20250219"), (64_000, Thinks::Budget));
        assert_eq!(of("claude-opus-4-20250514"), (32_000, Thinks::Budget));
        assert_eq!(of("claude-opus-5"), (32_000, Thinks::Adaptive));
    }
}
