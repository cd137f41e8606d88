//! DeepSeek: keep-alive comments before a stream, blank lines before a whole body, usage in the finish chunk, errors
//! whose code says little and whose text says all.

use super::chat::{Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{admit, choice, choices_and_logprobs, counts, error_body, opening};
use super::{Code, Trouble, Usual, Voice, code, read};
use crate::json::{Obj, at};
use crate::plan::{Ask, CallWish, Usage};
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "deepseek",
    label: "DeepSeek",
    codes: CODES,
    usual: Usual {
        malformed: "invalid_request_error",
        unauthorised: "authentication_error",
        no_model: "model_not_exist",
        broken: "server_error",
    },
    reasoning: "reasoning_content",
    role: RoleAt::FirstSaying,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunk,
    twin_null: true,
    opening: ": keep-alive\n\n",
    whole_opening: "\n\n\n",
    event_stream_type: "text/event-stream; charset=utf-8",
    choice,
    envelope,
    usage_body,
    error_body: told,
    error_then_done: false,
    admit,
    check,
    headers,
    models: Some(&["deepseek-v4-flash", "deepseek-v4-pro"]),
    ..super::openai::PROFILE
};

/// The codes are ours; on the wire every one is `invalid_request_error` and the text tells them apart.
static CODES: &[Code] = &[
    code(
        "invalid_request_error",
        400,
        BAD,
        "Failed to parse the request body as JSON",
    ),
    code("content_risk", 400, BAD, "Content Exists Risk"),
    code("model_not_exist", 400, BAD, "Model Not Exist"),
    code(
        "context_length",
        400,
        BAD,
        "This model's maximum context length is 131072 tokens. However, you requested 200000 tokens.",
    ),
    code(
        "authentication_error",
        401,
        "authentication_error",
        "Authentication Fails (no such user)",
    ),
    code(
        "insufficient_balance",
        402,
        "unknown_error",
        "Insufficient Balance",
    ),
    code(
        "invalid_parameters",
        422,
        BAD,
        "Failed to deserialize the JSON body into the target type",
    ),
    code("rate_limit", 429, "rate_limit_error", "Rate limit reached"),
    code("server_error", 500, "server_error", "Internal Server Error"),
    code(
        "overloaded",
        503,
        "service_unavailable_error",
        "Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.",
    ),
];

fn told(trouble: &Trouble, serial: u64) -> String {
    let flat = Trouble {
        code: "invalid_request_error".into(),
        ..trouble.clone()
    };
    error_body(&flat, serial)
}

fn envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "sim-")
        .str("system_fingerprint", "fp_sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

fn usage_body(usage: &Usage) -> String {
    let cached = Obj::new().int("cached_tokens", 0).end();
    let reasoning = Obj::new().int("reasoning_tokens", usage.reasoning).end();
    counts(usage)
        .raw("prompt_tokens_details", &cached)
        .raw("completion_tokens_details", &reasoning)
        .int("prompt_cache_hit_tokens", 0)
        .int("prompt_cache_miss_tokens", usage.prompt)
        .end()
}

fn headers(serial: u64) -> Vec<(&'static str, String)> {
    vec![("x-ds-trace-id", format!("sim{serial:08x}"))]
}

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: &str| profile.refuse("invalid_request_error", message);
    if let Some(role) = read::strange_role(ask, &["system", "user", "assistant", "tool"]) {
        return Err(bad(&format!(
            "Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant `{role}`, expected one of `system`, `user`, `assistant`, `tool`"
        )));
    }
    if read::outside(body, "temperature", |value| (0.0..=2.0).contains(&value)) {
        return Err(bad(
            "Invalid temperature value, the valid range of temperature is [0, 2.0]",
        ));
    }
    if read::outside(body, "max_tokens", |value| {
        (1.0..=393_216.0).contains(&value)
    }) {
        return Err(bad(
            "Invalid max_tokens value, the valid range of max_tokens is [1, 393216]",
        ));
    }
    if *at(body, &["response_format", "type"]) == "json_schema" {
        return Err(bad("This response_format type is unavailable now"));
    }
    let thinks = ask.base.starts_with("deepseek-v4") || ask.base.starts_with("deepseek-reasoner");
    ask.think = match at(body, &["thinking", "type"]).as_str() {
        Some(word) => word == "enabled",
        None => thinks,
    };
    if ask.think && matches!(ask.call, CallWish::Always(_)) {
        return Err(bad("Thinking mode does not support this tool_choice"));
    }
    let messages = at(body, &["messages"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let forgot = |message: &Value| {
        !read::is_empty_list(at(message, &["tool_calls"]))
            && at(message, &["tool_calls"]).is_array()
            && !read::given(message, "reasoning_content")
    };
    if ask.think && messages.iter().any(forgot) {
        return Err(bad(
            "The \"reasoning_content\" in the thinking mode must be passed back to the API",
        ));
    }
    super::openai::answers_match_calls(body).map_err(|message| bad(&message))?;
    choices_and_logprobs(body, ask);
    ask.choices = 1;
    Ok(())
}
