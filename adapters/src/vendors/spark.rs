//! iFlytek Spark over HTTP: nearly OpenAI's dialect, without finish reasons, with errors on any status, 200 included. The
//! console gives a key for each model version, so a provider has one; the X models lie under `/v2`.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::dialects::openai_loose::OpenAiLoose;
use crate::quirks::{Added, COMMON, Quirks, Rule, StreamUsage, When};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "spark",
        default_base_url: Some("https://spark-api-open.xf-yun.com/v1"),
        ..HOSTED
    },
    speaks: &[&OpenAiLoose],
    quirks: |model| match model {
        "4.0Ultra" | "max-32k" => &LONG,
        "generalv3.5" | "generalv3" => &MIDDLE,
        "lite" => &LITE,
        "pro-128k" => &SHORT,
        _ => &OTHER,
    },
    blame,
    ..GENERIC
};

/// Without it a call is an object, not a list.
const LIST_OF_CALLS: Added = Added {
    when: When::Tools,
    name: "tool_calls_switch",
    raw: "true",
};
/// Else the model searches the web with what was asked.
const NO_SEARCH: Added = Added {
    when: When::NoTools,
    name: "tools",
    raw: r#"[{"type":"web_search","web_search":{"enable":false}}]"#,
};

const fn cap(max: &'static str) -> (&'static str, Rule) {
    ("max_tokens", Rule::Clamp { min: "1", max })
}
const TEMPERATURE: (&str, Rule) = (
    "temperature",
    Rule::Clamp {
        min: "0.01",
        max: "2",
    },
);
const TOP_P: (&str, Rule) = (
    "top_p",
    Rule::Clamp {
        min: "0.01",
        max: "1",
    },
);
const PRESENCE: (&str, Rule) = ("presence_penalty", Rule::Clamp { min: "0", max: "2" });
const FREQUENCY: (&str, Rule) = ("frequency_penalty", Rule::Clamp { min: "0", max: "1" });
const FORMAT: (&str, Rule) = ("response_format", Rule::Types(&["text", "json_object"]));

macro_rules! fields {
    ($cap:expr) => {
        &[
            cap($cap),
            TEMPERATURE,
            TOP_P,
            PRESENCE,
            FREQUENCY,
            FORMAT,
            ("n", Rule::Lacks),
            ("seed", Rule::Lacks),
            ("stop", Rule::Lacks),
            ("logprobs", Rule::Lacks),
            ("top_logprobs", Rule::Lacks),
            ("logit_bias", Rule::Lacks),
            ("parallel_tool_calls", Rule::Lacks),
            ("reasoning_effort", Rule::Lacks),
            ("metadata", Rule::Lacks),
        ]
    };
}

static LONG: Quirks = Quirks {
    added: &[LIST_OF_CALLS, NO_SEARCH],
    ..OTHER
};

static MIDDLE: Quirks = Quirks {
    fields: fields!("8192"),
    ..LONG
};

static SHORT: Quirks = Quirks {
    fields: fields!("4096"),
    ..OTHER
};

static LITE: Quirks = Quirks {
    system_in_user: true,
    ..SHORT
};

static OTHER: Quirks = Quirks {
    fields: fields!("32768"),
    added: &[LIST_OF_CALLS],
    openai_only: false,
    stream_usage: StreamUsage::Always,
    flat_text: true,
    text_only: true,
    ..COMMON
};

/// By number, which may stand in the sentence only.
pub(super) fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let number = told.code.parse::<u32>().ok().or_else(|| {
        let (_, rest) = told.message.rsplit_once("(code=")?;
        rest.split_once(')')?.0.parse().ok()
    });
    Some(match number {
        Some(10_003..=10_005 | 10_163) => Blame::Invalid,
        Some(10_006 | 10_007 | 11_202 | 11_203) => Blame::Throttled,
        Some(10_008 | 10_110) => Blame::Overloaded,
        Some(10_000..=10_002 | 10_009..=10_012 | 10_017 | 10_222) => Blame::Failed,
        Some(10_013 | 10_014 | 10_019 | 10_021 | 10_022) => Blame::ContentFilter,
        Some(10_015) => Blame::Permission,
        Some(10_016 | 11_200 | 11_201) => Blame::Quota,
        Some(10_404) => Blame::NoModel,
        Some(10_907) => Blame::ContextLength,
        _ if told.says(&["invalid user", "hmac signature"]) => Blame::Auth,
        _ => return None,
    })
}
