//! Text Generation Inference, self-hosted; the model's name is free. Its errors are a sentence and a type; 422 is what it
//! does not accept, 424 a generation that failed, 429 too many at a time.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use crate::matrix::REASONING;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "tgi",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    blame,
    ..GENERIC
};

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        (
            "temperature",
            Rule::Clamp {
                min: "0.01",
                max: "100",
            },
        ),
        (
            "top_p",
            Rule::Clamp {
                min: "0.01",
                max: "0.99",
            },
        ),
        ("n", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    replies_lack: &[REASONING],
    ..COMMON
};

fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let long = ["`inputs` tokens", "`inputs` must have less than"];
    Some(match &*told.kind {
        _ if told.says(&long) => Blame::ContextLength,
        "overloaded" => Blame::Throttled,
        "generation" | "incomplete_generation" => Blame::Failed,
        _ => return None,
    })
}
