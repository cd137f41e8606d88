//! Huawei MindIE Service on Ascend, self-hosted, mostly behind mutual TLS (`tls` of the provider). The model must be the
//! configured `modelName`, and the tokenizer's config must hold a chat template.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use crate::operation::{Operation, VECTORS_PLAIN};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule, StreamUsage};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "mindie",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[Operation::new(
    Asks::Embed,
    "/v1/embeddings",
    &VECTORS_PLAIN,
)];

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        (
            "temperature",
            Rule::Clamp {
                min: "0.001",
                max: "2",
            },
        ),
        (
            "top_p",
            Rule::Clamp {
                min: "0.001",
                max: "1",
            },
        ),
        (
            "seed",
            Rule::Clamp {
                min: "1",
                max: "18446744073709551615",
            },
        ),
        ("n", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    stream_usage: StreamUsage::Always,
    flat_text: true,
    ..COMMON
};
