//! Doubao on Volcengine Ark: OpenAI's dialect under `/api/v3`; a model's name or an endpoint's id (`ep-…`) is the model.

use super::blame::{self, Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::operation::{Operation, VECTORS_SIZED};
use crate::places::Asks;
use crate::quirks::{COMMON, PLAIN, Quirks, Rule, StreamUsage};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "doubao",
        default_base_url: Some("https://ark.cn-beijing.volces.com/api/v3"),
        ..HOSTED
    },
    quirks: |model| {
        if model.starts_with("doubao-seed-2") {
            &FIXED
        } else {
            &CHAT
        }
    },
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS_SIZED).most(64),
    Operation::media(Asks::Image, "/images/generations", &IMAGES),
];

/// What is thought is part of it.
const CAP: (&str, Rule) = (
    "max_completion_tokens",
    Rule::Clamp {
        min: "1",
        max: "65536",
    },
);

/// The one or the other; the newer name counts, as with OpenAI.
const OLD_CAP: (&str, Rule) = ("max_tokens", Rule::Yields("max_completion_tokens"));

static CHAT: Quirks = Quirks {
    fields: &[
        CAP,
        OLD_CAP,
        ("temperature", Rule::Clamp { min: "0", max: "2" }),
        (
            "top_p",
            Rule::Clamp {
                min: "0.01",
                max: "1",
            },
        ),
        ("n", Rule::Lacks),
        ("seed", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
        ("service_tier", Rule::Knows),
    ],
    openai_only: false,
    no_auto_detail: true,
    ..COMMON
};

/// Models that think fix their sampling.
static FIXED: Quirks = Quirks {
    fields: &[
        CAP,
        OLD_CAP,
        ("temperature", Rule::Lacks),
        ("top_p", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("stop", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("n", Rule::Lacks),
        ("seed", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
        ("service_tier", Rule::Knows),
    ],
    ..CHAT
};

/// By code, which may go on behind a dot.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let code = &*told.code;
    let stem = code.split('.').next().unwrap_or_default();
    let context = || told.says(&["max message tokens"]) || blame::common(told).is_some();
    Some(match stem {
        "OutofContextError" => Blame::ContextLength,
        "InvalidParameter" if context() => Blame::ContextLength,
        "MissingParameter" | "InvalidParameter" | "InvalidArgumentError" | "InvalidImageURL" => {
            Blame::Invalid
        }
        "ContentSecurityDetectionError" | "InternalServiceError" => Blame::Failed,
        "InvalidSubscription" | "AccountOverdueError" | "SetLimitExceeded" => Blame::Quota,
        "QuotaExceeded" if told.says(&["queue"]) => Blame::Throttled,
        "QuotaExceeded" => Blame::Quota,
        "OperationDenied" if code.ends_with("ServiceOverdue") => Blame::Quota,
        "OperationDenied" | "AccessDenied" => Blame::Permission,
        "AuthenticationError" | "InvalidAccountStatus" => Blame::Auth,
        "InvalidEndpoint" | "ServerOverloaded" | "RequestBurstTooFast" => Blame::Overloaded,
        "InvalidEndpointOrModel" | "ModelNotOpen" | "UnsupportedModel" => Blame::NoModel,
        "InflightBatchsizeExceeded" | "AccountRateLimitExceeded" => Blame::Throttled,
        _ if stem.contains("SensitiveContentDetected") || stem.contains("RiskDetection") => {
            Blame::ContentFilter
        }
        _ if stem.contains("RateLimitExceeded") => Blame::Throttled,
        _ => return None,
    })
}

/// What images are asked for.
static IMAGES: Quirks = Quirks {
    fields: &[("n", Rule::Lacks)],
    openai_only: true,
    stream_usage: StreamUsage::Always,
    ..PLAIN
};
