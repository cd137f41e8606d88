//! SGLang, self-hosted. Errors stand flat at the top, in streams inside `error`.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME, RUNTIMES_SPEAK};
use super::vllm;
use crate::operation::{MEDIA, Operation, RANKS_BARE, VECTORS_SIZED};
use crate::places::Asks;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "sglang",
        ..RUNTIME
    },
    speaks: RUNTIMES_SPEAK,
    path: "/v1/chat/completions",
    quirks: |_| &vllm::QUIRKS,
    does: |_| BESIDE,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/v1/embeddings", &VECTORS_SIZED),
    Operation::new(Asks::Rerank, "/v1/rerank", &RANKS_BARE),
    Operation::media(Asks::Transcribe, "/v1/audio/transcriptions", &MEDIA),
];
