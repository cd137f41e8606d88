//! Moonshot (Kimi): OpenAI's dialect. The current models fix their sampling and refuse any other; usage stands inside
//! the finish chunk's choice and once more behind it. China and the rest of the world have separate hosts and keys.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "moonshot",
        default_base_url: Some("https://api.moonshot.cn/v1"),
        ..HOSTED
    },
    quirks: |model| {
        if model.starts_with("moonshot-v1") {
            &CLASSIC
        } else {
            &FIXED
        }
    },
    blame,
    ..GENERIC
};

static FIXED: Quirks = Quirks {
    fields: &[
        ("temperature", Rule::Lacks),
        ("top_p", Rule::Lacks),
        ("n", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("prompt_cache_key", Rule::Knows),
        ("prompt_cache_options", Rule::Knows),
        ("safety_identifier", Rule::Knows),
    ],
    openai_only: false,
    flat_text: true,
    ..COMMON
};

static CLASSIC: Quirks = Quirks {
    fields: &[
        ("temperature", Rule::Clamp { min: "0", max: "1" }),
        ("safety_identifier", Rule::Knows),
    ],
    ..FIXED
};

/// By type; a model that the account may not use is not found either.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let long = ["token length too long", "exceeded model token limit"];
    Some(match &*told.kind {
        "exceeded_current_quota_error" => Blame::Quota,
        "rate_limit_reached_error" if told.says(&["tpd"]) => Blame::Quota,
        "rate_limit_reached_error" => Blame::Throttled,
        "invalid_authentication_error" | "incorrect_api_key_error" => Blame::Auth,
        "permission_denied_error" => Blame::Permission,
        "resource_not_found_error" => Blame::NoModel,
        "unexpected_output" => Blame::Failed,
        _ if told.says(&long) => Blame::ContextLength,
        _ => return None,
    })
}
