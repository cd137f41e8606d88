//! Any server that speaks OpenAI's dialect and of which nothing else is known. The base URL must be given; one without a
//! version gets `/v1`.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use crate::operation::{MEDIA, Operation, RANKS, VECTORS_SIZED};
use crate::places::Asks;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "openai-compatible",
        self_hosted: false,
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    does: |_| BESIDE,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/v1/embeddings", &VECTORS_SIZED),
    Operation::new(Asks::Rerank, "/v1/rerank", &RANKS),
    Operation::media(Asks::Image, "/v1/images/generations", &MEDIA),
    Operation::media(Asks::Speak, "/v1/audio/speech", &MEDIA),
    Operation::media(Asks::Transcribe, "/v1/audio/transcriptions", &MEDIA),
    Operation::media(Asks::Translate, "/v1/audio/translations", &MEDIA),
];
