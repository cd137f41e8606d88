//! vLLM, self-hosted. A LoRA is chosen by its name as the model; errors carry their status inside.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use crate::operation::{Operation, RANKS_V2, VECTORS};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "vllm",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/v1/embeddings", &VECTORS),
    Operation::new(Asks::Rerank, "/v1/rerank", &RANKS_V2),
];

pub(super) static QUIRKS: Quirks = Quirks {
    fields: &[("metadata", Rule::Lacks)],
    openai_only: false,
    ..COMMON
};
