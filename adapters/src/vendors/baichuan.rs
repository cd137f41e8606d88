//! Baichuan: OpenAI's dialect with few of its fields; usage comes unasked in the last chunk. Model names are
//! case-sensitive.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::matrix::REASONING;
use crate::operation::{Operation, VECTORS_PLAIN};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule, StreamUsage};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "baichuan",
        default_base_url: Some("https://api.baichuan-ai.com/v1"),
        ..HOSTED
    },
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] =
    &[Operation::new(Asks::Embed, "/embeddings", &VECTORS_PLAIN).most(16)];

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        ("temperature", Rule::Clamp { min: "0", max: "1" }),
        (
            "top_p",
            Rule::Clamp {
                min: "0.01",
                max: "0.99",
            },
        ),
        ("tool_choice", Rule::Words(&[("required", "auto")])),
        ("response_format", Rule::Types(&["text", "json_object"])),
        ("stop", Rule::Lacks),
        ("n", Rule::Lacks),
        ("seed", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    stream_usage: StreamUsage::Unknown,
    flat_text: true,
    text_only: true,
    replies_lack: &[REASONING],
    ..COMMON
};

/// By type: statuses are not relied on.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let kind = told.kind.to_ascii_lowercase();
    Some(match kind.as_str() {
        "api_key_empty" => Blame::Auth,
        _ if told.is(&["insufficient_quota"]) => Blame::Quota,
        _ if kind.contains("rate") => Blame::Throttled,
        _ if kind.contains("internal") => Blame::Failed,
        _ if told.says(&["risk", "敏感"]) => Blame::ContentFilter,
        _ => return None,
    })
}
