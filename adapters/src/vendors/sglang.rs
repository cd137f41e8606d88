//! SGLang, self-hosted. Errors stand flat at the top, in streams inside `error`.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use super::vllm;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "sglang",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &vllm::QUIRKS,
    ..GENERIC
};
