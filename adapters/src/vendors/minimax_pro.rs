//! MiniMax' legacy `chatcompletion_pro`, of the abab models: asked in the name of a group, errors on status 200.

use super::minimax::{BASE, UNIT, blame};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::auth::percent;
use crate::dialects::minimax_pro::MiniMaxPro;
use crate::matrix::{PARALLEL, REASONING};
use crate::quirks::{COMMON, Quirks, Rule, StreamUsage};
use crate::vendor::VendorInfo;

/// The vendor. The group is the provider's `app_id`.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "minimax-pro",
        default_base_url: Some(BASE),
        needs_app_id: true,
        ..HOSTED
    },
    speaks: &[&MiniMaxPro],
    path: "/text/chatcompletion_pro",
    place: |_, credential, parts| {
        parts.query = format!("GroupId={}", percent(credential.app_id, b""));
    },
    quirks: |_| &QUIRKS,
    blame,
    hint: "`app_id` is the group's id, and `api_key` must be a key of that group.",
    ..GENERIC
};

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_tokens", Rule::Rename("tokens_to_generate")),
        ("temperature", UNIT),
        ("top_p", UNIT),
        ("response_format", Rule::Lacks),
        ("stop", Rule::Lacks),
        ("n", Rule::Lacks),
        ("seed", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
    ],
    openai_only: false,
    stream_usage: StreamUsage::Always,
    none_drops_tools: true,
    replies_lack: &[REASONING, PARALLEL],
    ..COMMON
};
