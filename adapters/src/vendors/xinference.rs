//! Xinference, self-hosted; a model is asked for by the uid it was launched under. Errors are a sentence in `detail`, a
//! model that is missing among them, on status 400.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use super::vllm;
use crate::operation::{MEDIA, Operation, RANKS, VECTORS_SIZED};
use crate::places::Asks;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "xinference",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &vllm::QUIRKS,
    does: |_| BESIDE,
    blame,
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

fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    if told.says(&["model not found"]) {
        Some(Blame::NoModel)
    } else if told.says(&["rate limit reached"]) {
        Some(Blame::Throttled)
    } else {
        None
    }
}
