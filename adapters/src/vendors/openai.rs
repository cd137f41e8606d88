//! OpenAI itself.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::dialects::openai_chat::OpenAiChat;
use crate::dialects::responses::Responses;
use crate::operation::{MEDIA, Operation, VECTORS};
use crate::places::Asks;
use crate::quirks::{Back, PLAIN, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "openai",
        default_base_url: Some("https://api.openai.com/v1"),
        ..HOSTED
    },
    speaks: &[&OpenAiChat, &Responses],
    quirks,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS).most(2048),
    Operation::media(Asks::Image, "/images/generations", &MEDIA),
    Operation::media(Asks::Speak, "/audio/speech", &MEDIA),
    Operation::media(Asks::Transcribe, "/audio/transcriptions", &MEDIA),
    Operation::media(Asks::Translate, "/audio/translations", &MEDIA),
];

static CHAT: Quirks = Quirks {
    reasoning_back: Back::Never,
    omit_empty_tools: true,
    ..PLAIN
};

/// Reasoning models refuse the old name of the output cap.
static REASONING: Quirks = Quirks {
    fields: &[("max_tokens", Rule::Rename("max_completion_tokens"))],
    encrypts_thoughts: true,
    ..CHAT
};

pub(super) fn quirks(model: &str) -> &'static Quirks {
    let series = model
        .strip_prefix('o')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    if series || model.starts_with("gpt-5") {
        &REASONING
    } else {
        &CHAT
    }
}

fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    told.is(&["unsupported_country_region_territory"])
        .then_some(Blame::Permission)
}
