//! OpenBMB MiniCPM: open weights behind vLLM, SGLang, llama.cpp or Ollama.
//!
//! MiniCPM3 and later ship a ChatML template and call tools. The 1B and 2B models write `<用户>…<AI>…` and have no place for
//! a system text, so their runtime must be given a template that puts it before the first question. MiniCPM-V and -o take
//! pictures as `image_url` parts.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use super::{vllm, xuanyuan};
use crate::quirks::Quirks;
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "minicpm",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |model| {
        let name = model.to_ascii_lowercase();
        let first = ["minicpm-1b", "minicpm-2b", "minicpm-s-1b", "minicpm-moe"];
        if first.iter().any(|old| name.contains(old)) {
            &FIRST
        } else {
            &vllm::QUIRKS
        }
    },
    hint: "the first MiniCPM-1B and 2B want `<用户>{question}<AI>` and have no system slot; MiniCPM3 and later have ChatML in their tokenizer; CPM-Bee is no chat model; MiniCPM5 calls tools",
    ..GENERIC
};

static FIRST: Quirks = xuanyuan::PLAIN_TEXT;
