//! 4Paradigm SageGPT: sold as a platform on premises, without a public API; or its models behind a runtime.
//!
//! What the deployment can do is the operator's to know: nothing is refused beforehand.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use super::vllm;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "sagegpt",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &vllm::QUIRKS,
    hint: "there is no public API: base_url and credential are those of the platform that 4Paradigm installed, or of your own runtime",
    ..GENERIC
};
