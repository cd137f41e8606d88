//! DeepSeek: OpenAI's dialect, with moderation, missing models and arrears told by sentence or status only.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::quirks::{Back, COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "deepseek",
        default_base_url: Some("https://api.deepseek.com"),
        ..HOSTED
    },
    quirks: |model| match model {
        "deepseek-reasoner" => &REASONER,
        _ => &QUIRKS,
    },
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

/// The older of its models that think refused a thought that led to no call; the newer want the others back.
static REASONER: Quirks = Quirks {
    reasoning_back: Back::WithCalls,
    ..QUIRKS
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
