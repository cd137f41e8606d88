//! Ollama's OpenAI surface, self-hosted. It passes over what it does not know, tool choice included, so that is told here.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME, RUNTIMES_SPEAK};
use crate::operation::{Operation, VECTORS};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "ollama",
        ..RUNTIME
    },
    speaks: RUNTIMES_SPEAK,
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[Operation::new(Asks::Embed, "/v1/embeddings", &VECTORS)];

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        ("tool_choice", Rule::OneOf(&["auto"])),
        ("parallel_tool_calls", Rule::Lacks),
        ("n", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    flat_text: true,
    none_drops_tools: true,
    ..COMMON
};
