//! Baidu Qianfan v2 (ERNIE): OpenAI's dialect, a bearer key, an optional application id. The older protocol is a vendor of
//! its own.

use http::header::HeaderName;
use wire::{Fault, Headers};

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike, bearer, insert_secret};
use crate::operation::{MEDIA, Operation, RANKS, VECTORS_PLAIN};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::{Call, Credential, VendorInfo};

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "wenxin",
        default_base_url: Some("https://qianfan.baidubce.com/v2"),
        ..HOSTED
    },
    sign,
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS_PLAIN).most(16),
    Operation::new(Asks::Rerank, "/rerank", &RANKS).most(64),
    Operation::media(Asks::Image, "/images/generations", &MEDIA),
];

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("stop", Rule::List),
        (
            "seed",
            Rule::Clamp {
                min: "1",
                max: "2147483646",
            },
        ),
        (
            "reasoning_effort",
            Rule::Words(&[
                ("none", "low"),
                ("minimal", "low"),
                ("xhigh", "high"),
                ("max", "high"),
            ]),
        ),
        ("n", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
    ],
    openai_only: false,
    ..COMMON
};

fn sign(call: &Call<'_>, credential: &Credential<'_>, headers: &mut Headers) -> Result<(), Fault> {
    if !credential.app_id.is_empty() {
        insert_secret(headers, HeaderName::from_static("appid"), credential.app_id)?;
    }
    bearer(call, credential, headers)
}

/// By code: a 401 is often a missing right to one model, a 403 often moderation or arrears.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let code = told.code.to_ascii_lowercase();
    Some(match code.as_str() {
        "characters_too_long" | "tokens_too_long" => Blame::ContextLength,
        "invalid_iam_token" => Blame::Auth,
        "invalid_appid" | "no_parameter_permission" => Blame::Permission,
        "invalid_model" | "model_offline" => Blame::NoModel,
        "account_overdue" | "coding_plan_subscription_expired" => Blame::Quota,
        "method_not_supported" => Blame::Failed,
        "offline_batch_reasoning_refused" => Blame::Throttled,
        _ if told.is(&["unsafe_request"]) || code.ends_with("_unsafe") => Blame::ContentFilter,
        _ if code.starts_with("cluster_") => Blame::Overloaded,
        _ if code.ends_with("rate_limit_exceeded") => Blame::Throttled,
        _ if code.ends_with("internal_error") || code.ends_with("interal_error") => Blame::Failed,
        _ => return None,
    })
}
