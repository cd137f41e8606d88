//! Mistral: nearly OpenAI's dialect. What its reasoning models say is a list of parts; fields that it does not know are
//! refused; ids of tool calls are nine letters and digits.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::dialects::openai_loose::OpenAiLoose;
use crate::operation::{MEDIA, Operation, VECTORS_OUTPUT};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule, StreamUsage};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "mistral",
        default_base_url: Some("https://api.mistral.ai/v1"),
        ..HOSTED
    },
    speaks: &[&OpenAiLoose],
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS_OUTPUT).most(128),
    Operation::media(Asks::Transcribe, "/audio/transcriptions", &MEDIA),
];

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        ("seed", Rule::Rename("random_seed")),
        ("tool_choice", Rule::Spelt(&[("required", "any")])),
        ("logit_bias", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    stream_usage: StreamUsage::Unknown,
    short_call_ids: true,
    ..COMMON
};

fn blame(status: u16, told: &Told<'_>) -> Option<Blame> {
    Some(match status {
        402 => Blame::Quota,
        _ if told.says(&["too large for model", "too many tokens"]) => Blame::ContextLength,
        _ if told.says(&["invalid model"]) => Blame::NoModel,
        403 if told.says(&["moderation", "content"]) => Blame::ContentFilter,
        _ => return None,
    })
}
