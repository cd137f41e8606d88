//! Medlinker MedGPT: a hospital's own deployment, or its LLaMA weights behind a runtime. Text only, no tools.
//!
//! What is asked of it is patients' data: give its provider a clearance for that, and no other provider of the model. The
//! weights' context is that of LLaMA-13B, 2K to 4K tokens.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use super::xuanyuan::PLAIN_TEXT;
use crate::quirks::Quirks;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "medgpt",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    hint: "patients' data goes here: give no other provider of the model that clearance; weights of LLaMA-13B have contexts of 2K to 4K and no tools",
    ..GENERIC
};

static QUIRKS: Quirks = PLAIN_TEXT;
