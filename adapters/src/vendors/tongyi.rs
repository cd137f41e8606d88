//! Alibaba Tongyi (DashScope): the native protocol and the compatible one, under one key. Codes are shared, in two
//! spellings; the same code may stand on status 200.

use http::header::{ACCEPT, HeaderName, HeaderValue};
use wire::Fault;
use wire::json::Value;

use super::blame::{Blame, Told};
use super::openai_like::{self, GENERIC, HOSTED, OpenAiLike};
use crate::dialect::Dialect;
use crate::dialects::dashscope::DashScope;
use crate::operation::{
    CHAT_IMAGES, DASHSCOPE_RANKS, DASHSCOPE_VECTORS, Operation, RANKS_BARE, TASK_IMAGES,
    VECTORS_SIZED,
};
use crate::places::Asks;
use crate::quirks::{Added, COMMON, Quirks, Rule, When};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// The compatible protocol.
pub(crate) static COMPATIBLE: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "tongyi-compatible",
        default_base_url: Some("https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ..HOSTED
    },
    does: |model| if is_old(model) { &BESIDE_OLD } else { &BESIDE },
    quirks: |model| {
        if model.contains("omni") {
            &COMPATIBLE_OMNI
        } else if streams_only(model) {
            &COMPATIBLE_STREAMS
        } else if thinks_by_default(model) {
            &COMPATIBLE_OPEN
        } else {
            &COMPATIBLE_CHAT
        }
    },
    blame,
    ..GENERIC
};

/// Texts of one call for vectors, in the older models and in the newer ones.
const MOST_OLD: usize = 25;
const MOST: usize = 10;
/// Documents of one call.
const DOCUMENTS: usize = 500;

const fn beside(most: usize) -> [Operation; 2] {
    [
        Operation::new(Asks::Embed, "/embeddings", &VECTORS_SIZED).most(most),
        Operation::new(Asks::Rerank, "/compatible-api/v1/reranks", &RANKS_BARE)
            .most(DOCUMENTS)
            .instead_of("/compatible-mode/v1"),
    ]
}

static BESIDE: [Operation; 2] = beside(MOST);
static BESIDE_OLD: [Operation; 2] = beside(MOST_OLD);

fn is_old(model: &str) -> bool {
    model.ends_with("-v1") || model.ends_with("-v2")
}

const fn native(most: usize) -> [Operation; 3] {
    [
        Operation::new(
            Asks::Embed,
            "/services/embeddings/text-embedding/text-embedding",
            &DASHSCOPE_VECTORS,
        )
        .most(most),
        Operation::new(
            Asks::Rerank,
            "/services/rerank/text-rerank/text-rerank",
            &DASHSCOPE_RANKS,
        )
        .most(DOCUMENTS),
        Operation::new(Asks::Image, TASKS, &TASK_IMAGES),
    ]
}

/// Where images are made as a task, and where the newer models make them at once.
const TASKS: &str = "/services/aigc/text2image/image-synthesis";
static AT_ONCE: Operation = Operation::new(Asks::Image, MULTIMODAL, &CHAT_IMAGES);
const MULTIMODAL: &str = "/services/aigc/multimodal-generation/generation";

/// Models that make images at once, and refuse a task.
fn is_at_once(model: &str) -> bool {
    model.starts_with("qwen-image") || model.starts_with("wan2.6")
}

static NATIVE_BESIDE: [Operation; 3] = native(MOST);
static NATIVE_BESIDE_OLD: [Operation; 3] = native(MOST_OLD);

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
        match self.operation(call.asks, call.model) {
            Some(operation) => operation.place(parts),
            None if call.multimodal || in_parts(call.model) => {
                parts.path = MULTIMODAL.to_owned();
            }
            None => parts.path = "/services/aigc/text-generation/generation".to_owned(),
        }
        if parts.path == TASKS {
            let switch = HeaderName::from_static("x-dashscope-async");
            parts
                .headers
                .insert(switch, HeaderValue::from_static("enable"));
        } else if call.stream && call.asks == Asks::Reply {
            let switch = HeaderName::from_static("x-dashscope-sse");
            parts
                .headers
                .insert(switch, HeaderValue::from_static("enable"));
            let sse = HeaderValue::from_static("text/event-stream");
            parts.headers.insert(ACCEPT, sse);
        }
        openai_like::bearer(call, credential, &mut parts.headers)
    }

    fn is_constant(&self, _: &Credential<'_>) -> bool {
        true
    }

    fn operation(&self, asks: Asks, model: &str) -> Option<&'static Operation> {
        if asks == Asks::Image && is_at_once(model) {
            return Some(&AT_ONCE);
        }
        let beside = if is_old(model) {
            &NATIVE_BESIDE_OLD
        } else {
            &NATIVE_BESIDE
        };
        beside.iter().find(|one| one.asks == asks)
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        match (in_parts(model), streams_only(model)) {
            (true, true) => &NATIVE_SENSES_STREAMS,
            (true, false) => &NATIVE_SENSES,
            (false, true) => &NATIVE_STREAMS,
            (false, false) if thinks_by_default(model) => &NATIVE_OPEN,
            (false, false) => &NATIVE_CHAT,
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

/// Models that see or hear: a text model's path knows none of them, whatever they are asked.
fn in_parts(model: &str) -> bool {
    ["vl", "omni", "qvq", "audio"]
        .iter()
        .any(|word| model.contains(word))
}

/// Models that refuse to answer whole.
fn streams_only(model: &str) -> bool {
    let thinking_eyes = model.contains("vl") && model.contains("thinking");
    thinking_eyes
        || ["qwq", "qvq", "omni"]
            .iter()
            .any(|word| model.contains(word))
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
const TEXT: Added = Added {
    when: When::Always,
    name: "modalities",
    raw: "[\"text\"]",
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
    added: &[PARALLEL, TEXT],
    ..COMPATIBLE_STREAMS
};

static COMPATIBLE_STREAMS: Quirks = Quirks {
    streams_only: true,
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

static NATIVE_SENSES: Quirks = Quirks {
    in_parts: true,
    ..NATIVE_CHAT
};

static NATIVE_STREAMS: Quirks = Quirks {
    streams_only: true,
    ..NATIVE_CHAT
};

static NATIVE_SENSES_STREAMS: Quirks = Quirks {
    streams_only: true,
    ..NATIVE_SENSES
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
