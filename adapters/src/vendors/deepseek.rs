//! DeepSeek: OpenAI's dialect, with moderation, missing models and arrears told by sentence or status only.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "deepseek",
        default_base_url: Some("https://api.deepseek.com"),
        ..HOSTED
    },
    quirks: |_| &QUIRKS,
    blame,
    ..GENERIC
};

static QUIRKS: Quirks = Quirks {
    fields: &[
        (
            "max_tokens",
            Rule::Clamp {
                min: "1",
                max: "393216",
            },
        ),
        (
            "max_completion_tokens",
            Rule::RenameClamp {
                to: "max_tokens",
                min: "1",
                max: "393216",
            },
        ),
        ("temperature", Rule::Clamp { min: "0", max: "2" }),
        ("response_format", Rule::Types(&["text", "json_object"])),
        ("user", Rule::Rename("user_id")),
        ("n", Rule::Lacks),
        ("seed", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    flat_text: true,
    ..COMMON
};

/// The envelope of a 402 claims a wrong request, so there the status decides.
fn blame(status: u16, told: &Told<'_>) -> Option<Blame> {
    match status {
        402 => Some(Blame::Quota),
        _ if told.says(&["content exists risk"]) => Some(Blame::ContentFilter),
        _ if told.says(&["model not exist"]) => Some(Blame::NoModel),
        _ => None,
    }
}
