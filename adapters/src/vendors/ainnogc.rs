//! AInnovation AInnoGC: an industrial model on premises, without a public API, mostly behind vLLM or MindIE.
//!
//! What the deployment can do is the operator's to know: nothing is refused beforehand.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use super::vllm;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "ainnogc",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &vllm::QUIRKS,
    hint: "there is no public API: base_url and credential are those of the appliance, or of your own vLLM or MindIE",
    ..GENERIC
};
