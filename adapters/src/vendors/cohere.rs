//! Cohere by its OpenAI surface. An error is a sentence.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::matrix::REASONING;
use crate::operation::{Operation, RANKS_V2, VECTORS_SIZED};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "cohere",
        default_base_url: Some("https://api.cohere.ai/compatibility/v1"),
        ..HOSTED
    },
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS_SIZED).most(96),
    Operation::new(Asks::Rerank, "/v2/rerank", &RANKS_V2)
        .most(1000)
        .instead_of("/compatibility/v1"),
];

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
        ("presence_penalty", Rule::Clamp { min: "0", max: "1" }),
        ("frequency_penalty", Rule::Clamp { min: "0", max: "1" }),
        ("n", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    replies_lack: &[REASONING],
    ..COMMON
};

fn blame(status: u16, told: &Told<'_>) -> Option<Blame> {
    Some(match status {
        429 if told.says(&["trial key", "month"]) => Blame::Quota,
        _ if told.says(&["too many tokens"]) => Blame::ContextLength,
        _ if told.says(&["blocked output", "blocked input"]) => Blame::ContentFilter,
        498 => Blame::ContentFilter,
        499 => Blame::Failed,
        _ => return None,
    })
}
