//! Alibaba Tongyi (DashScope): the native protocol and the compatible one, under one key. Codes are shared, in two
//! spellings; the same code may stand on status 200.

use http::header::{ACCEPT, HeaderName, HeaderValue};
use wire::Fault;
use wire::json::Value;

use super::blame::{Blame, Told};
use super::openai_like::{self, GENERIC, HOSTED, OpenAiLike};
use crate::dialect::Dialect;
use crate::dialects::dashscope::DashScope;
use crate::quirks::{Added, COMMON, Quirks, Rule, When};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// The compatible protocol.
pub(crate) static COMPATIBLE: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "tongyi-compatible",
        default_base_url: Some("https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ..HOSTED
    },
    quirks: |model| {
        if model.contains("omni") {
            &COMPATIBLE_OMNI
        } else if thinks_by_default(model) {
            &COMPATIBLE_OPEN
        } else {
            &COMPATIBLE_CHAT
        }
    },
    blame,
    ..GENERIC
};

/// The native protocol.
pub(crate) static NATIVE: Native = Native;

/// The native protocol.
pub(crate) struct Native;

impl Vendor for Native {
    fn info(&self) -> &'static VendorInfo {
        static INFO: VendorInfo = VendorInfo {
            name: "tongyi",
            default_base_url: Some("https://dashscope.aliyuncs.com/api/v1"),
            ..HOSTED
        };
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&DashScope]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        parts.path = if call.multimodal {
            "/services/aigc/multimodal-generation/generation".to_owned()
        } else {
            "/services/aigc/text-generation/generation".to_owned()
        };
        if call.stream {
            let switch = HeaderName::from_static("x-dashscope-sse");
            parts
                .headers
                .insert(switch, HeaderValue::from_static("enable"));
            let sse = HeaderValue::from_static("text/event-stream");
            parts.headers.insert(ACCEPT, sse);
        }
        openai_like::bearer(call, credential, &mut parts.headers)
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        if thinks_by_default(model) {
            &NATIVE_OPEN
        } else {
            &NATIVE_CHAT
        }
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        openai_like::fault(head, root, blame)
    }
}

/// Open-weight models of the third generation think unless told not to, and thinking wants a stream.
fn thinks_by_default(model: &str) -> bool {
    model.strip_prefix("qwen3-").is_some_and(|size| {
        size.starts_with(|first: char| first.is_ascii_digit())
            && !size.contains("instruct")
            && !size.contains("thinking")
    })
}

/// The vendor's own default is one call at a time.
const PARALLEL: Added = Added {
    when: When::Tools,
    name: "parallel_tool_calls",
    raw: "true",
};
const NO_THINKING: Added = Added {
    when: When::Whole,
    name: "enable_thinking",
    raw: "false",
};
const TEMPERATURE: Rule = Rule::Clamp {
    min: "0",
    max: "1.99",
};
const SEED: Rule = Rule::Clamp {
    min: "0",
    max: "2147483647",
};

static COMPATIBLE_CHAT: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        ("temperature", TEMPERATURE),
        (
            "top_p",
            Rule::Clamp {
                min: "0.000001",
                max: "1",
            },
        ),
        ("seed", SEED),
        ("tool_choice", Rule::Words(&[("required", "auto")])),
        ("frequency_penalty", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    added: &[PARALLEL],
    openai_only: false,
    ..COMMON
};

/// Omni models want `modalities` and `audio`.
static COMPATIBLE_OMNI: Quirks = Quirks {
    openai_only: true,
    ..COMPATIBLE_CHAT
};

static COMPATIBLE_OPEN: Quirks = Quirks {
    added: &[PARALLEL, NO_THINKING],
    ..COMPATIBLE_CHAT
};

static NATIVE_CHAT: Quirks = Quirks {
    fields: &[
        ("temperature", TEMPERATURE),
        (
            "top_p",
            Rule::Clamp {
                min: "0.000001",
                max: "0.999",
            },
        ),
        ("seed", SEED),
        ("tool_choice", Rule::Words(&[("required", "auto")])),
        ("response_format", Rule::Types(&["text", "json_object"])),
        ("frequency_penalty", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    added: &[PARALLEL],
    openai_only: false,
    ..COMMON
};

static NATIVE_OPEN: Quirks = Quirks {
    added: &[PARALLEL, NO_THINKING],
    ..NATIVE_CHAT
};

/// By code, in either spelling. `insufficient_quota` mostly means tokens a minute, whatever it says.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let code = told.code.to_ascii_lowercase().replace('_', "");
    let free_spent = || told.says(&["free allocated quota exceeded"]);
    Some(match code.as_str() {
        "invalidapikey" => Blame::Auth,
        "arrearage"
        | "commoditynotpurchased"
        | "prepaidbilloverdue"
        | "postpaidbilloverdue"
        | "budgetlimitexceeded"
        | "allocationquota.freetieronly" => Blame::Quota,
        "insufficientquota" | "throttling.allocationquota" if free_spent() => Blame::Quota,
        "insufficientquota" | "limitrequests" | "limitburstrate" => Blame::Throttled,
        "datainspectionfailed" => Blame::ContentFilter,
        "modelnotfound" | "modelnotsupported" => Blame::NoModel,
        "modelservingerror" | "modelunavailable" => Blame::Overloaded,
        "requesttimeout" => Blame::TimedOut,
        "systemerror" | "modelservicefailed" => Blame::Failed,
        "invalidurl" => Blame::Invalid,
        _ if code.starts_with("throttling") => Blame::Throttled,
        _ if code.contains("accessdenied") => Blame::Permission,
        _ if code.contains("invalidparameter") || code == "invalidvalue" => {
            return super::blame::common(told).or(Some(Blame::Invalid));
        }
        _ if code.starts_with("internalerror") => Blame::Failed,
        _ => return None,
    })
}
