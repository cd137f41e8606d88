//! The llama.cpp server, self-hosted. Sends comment pings while silent, and an own error type for a full context.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME, RUNTIMES_SPEAK};
use crate::operation::{Operation, RANKS, VECTORS_PLAIN};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "llamacpp",
        ..RUNTIME
    },
    speaks: RUNTIMES_SPEAK,
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/v1/embeddings", &VECTORS_PLAIN),
    Operation::new(Asks::Rerank, "/v1/rerank", &RANKS),
];

static QUIRKS: Quirks = Quirks {
    fields: &[("metadata", Rule::Lacks)],
    openai_only: false,
    ..COMMON
};
