//! xAI (Grok): OpenAI's dialect. Reasoning may be counted beside the completion; what is refused for its content and an
//! account without credits both come with a 403, told apart by the sentence.

use super::blame::{Blame, Told};

/// What it does beside chat.
static BESIDE: &[Operation] = &[Operation::media(Asks::Image, "/images/generations", &MEDIA)];
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::operation::{MEDIA, Operation};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "xai",
        default_base_url: Some("https://api.x.ai/v1"),
        ..HOSTED
    },
    quirks: |model| {
        if model.starts_with("grok-4") || model.starts_with("grok-3-mini") {
            &REASONING
        } else {
            &CHAT
        }
    },
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

static CHAT: Quirks = Quirks {
    fields: &[("logit_bias", Rule::Lacks), ("metadata", Rule::Lacks)],
    openai_only: false,
    ..COMMON
};

static REASONING: Quirks = Quirks {
    fields: &[
        ("logit_bias", Rule::Lacks),
        ("metadata", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("stop", Rule::Lacks),
    ],
    ..CHAT
};

fn blame(status: u16, told: &Told<'_>) -> Option<Blame> {
    Some(match status {
        403 | 429 if told.says(&["credits", "spending limit"]) => Blame::Quota,
        403 if told.says(&["content violates", "safety", "usage guidelines"]) => {
            Blame::ContentFilter
        }
        400 if told.says(&["incorrect api key"]) => Blame::Auth,
        400 if told.says(&["maximum prompt length"]) => Blame::ContextLength,
        _ => return None,
    })
}
