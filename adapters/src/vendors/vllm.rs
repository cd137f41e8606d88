//! vLLM, self-hosted. A LoRA is chosen by its name as the model; errors carry their status inside.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME, RUNTIMES_SPEAK};
use crate::operation::{MEDIA, Operation, RANKS_V2, VECTORS};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "vllm",
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
    Operation::new(Asks::Embed, "/v1/embeddings", &VECTORS),
    Operation::new(Asks::Rerank, "/v1/rerank", &RANKS_V2),
    Operation::media(Asks::Transcribe, "/v1/audio/transcriptions", &MEDIA),
    Operation::media(Asks::Translate, "/v1/audio/translations", &MEDIA),
];

pub(super) static QUIRKS: Quirks = Quirks {
    fields: &[("metadata", Rule::Lacks)],
    openai_only: false,
    ..COMMON
};
