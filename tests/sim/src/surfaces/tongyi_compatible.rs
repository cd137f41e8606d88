//! 阿里 通义 in OpenAI-compatible mode: choices stand first, the fingerprint is null, parallel calls are off by default.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt, error_object};
use super::openai::{admit, counts};
use super::{Code, Trouble, Usual, Voice, code, read};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, Usage};
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "tongyi-compatible",
    label: "通义",
    codes: CODES,
    usual: Usual {
        malformed: "invalid_parameter_error",
        unauthorised: "invalid_api_key",
        no_model: "model_not_found",
        broken: "internal_error",
    },
    reasoning: "reasoning_content",
    role: RoleAt::OwnChunk,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::OwnChunk { null_before: true },
    twin_null: false,
    opening: "",
    whole_opening: "",
    event_stream_type: "text/event-stream;charset=UTF-8",
    choice,
    envelope,
    usage_body,
    error_body,
    error_then_done: false,
    admit,
    check,
    headers,
    models: Some(&["qwen-plus", "qwen-max"]),
    ..super::openai::PROFILE
};

static CODES: &[Code] = &[
    code(
        "invalid_parameter_error",
        400,
        BAD,
        "<400> InternalError.Algo.InvalidParameter: The request body is invalid.",
    ),
    code("invalid_value", 400, BAD, "invalid value"),
    code(
        "data_inspection_failed",
        400,
        "data_inspection_failed",
        "Input data may contain inappropriate content.",
    ),
    code(
        "Arrearage",
        400,
        "Arrearage",
        "Access denied, please make sure your account is in good standing.",
    ),
    code("invalid_api_key", 401, BAD, "Incorrect API key provided."),
    code("access_denied", 403, "access_denied", "Access denied."),
    code(
        "model_not_found",
        404,
        BAD,
        "The model does not exist or you do not have access to it.",
    ),
    code(
        "model_not_supported",
        404,
        BAD,
        "Unsupported model for OpenAI compatibility mode.",
    ),
    code(
        "limit_requests",
        429,
        "limit_requests",
        "Requests rate limit exceeded, please try again later.",
    ),
    code(
        "limit_burst_rate",
        429,
        "limit_burst_rate",
        "Request rate increased too quickly.",
    ),
    code(
        "insufficient_quota",
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    code(
        "internal_error",
        500,
        "internal_error",
        "An internal error has occured, please try again later or contact service support.",
    ),
    code(
        "ModelUnavailable",
        503,
        "ModelUnavailable",
        "Model is unavailable, please try again later.",
    ),
];

fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    Obj::new()
        .raw(choice.slot, choice.said)
        .raw("index", &choice.index.to_string())
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .raw("logprobs", choice.logprobs)
        .end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    let object = if envelope.streams {
        "chat.completion.chunk"
    } else {
        "chat.completion"
    };
    Obj::new()
        .raw("choices", envelope.choices)
        .str("object", object)
        .maybe("usage", envelope.usage)
        .int("created", envelope.stamp.created)
        .null("system_fingerprint")
        .str("model", &envelope.stamp.model)
        .str("id", &format!("chatcmpl-sim{:08x}", envelope.stamp.serial))
        .end()
}

fn usage_body(usage: &Usage) -> String {
    let cached = Obj::new().int("cached_tokens", 0).end();
    let reasoning = Obj::new().int("reasoning_tokens", usage.reasoning).end();
    counts(usage)
        .raw("prompt_tokens_details", &cached)
        .raw("completion_tokens_details", &reasoning)
        .end()
}

fn error_body(trouble: &Trouble, serial: u64) -> String {
    Obj::new()
        .raw("error", &error_object(trouble))
        .str("request_id", &format!("sim-{serial:08x}"))
        .end()
}

fn headers(serial: u64) -> Vec<(&'static str, String)> {
    vec![("x-request-id", format!("sim-{serial:08x}"))]
}

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: &str| {
        let told = format!("<400> InternalError.Algo.InvalidParameter: {message}");
        profile.refuse("invalid_parameter_error", told)
    };
    turn_order(ask)
        .and_then(|()| super::tongyi_check::streams_if_it_must(ask))
        .map_err(|message| bad(&message))?;
    if *at(body, &["tool_choice"]) == "required" {
        return Err(bad(
            "The tool_choice parameter does not support being set to required",
        ));
    }
    if read::is_empty_list(at(body, &["tools"])) {
        return Err(bad("[] is too short - 'tools'"));
    }
    if read::outside(body, "temperature", |value| (0.0..2.0).contains(&value)) {
        return Err(bad("temperature should be in [0.0, 2.0)"));
    }
    if read::outside(body, "top_p", |value| value > 0.0 && value <= 1.0) {
        return Err(bad("top_p should be in (0.0, 1.0]"));
    }
    if read::outside(body, "seed", |value| {
        (0.0..=2_147_483_647.0).contains(&value)
    }) {
        return Err(bad("seed should be in [0, 2147483647]"));
    }
    if read::outside(body, "n", |value| (1.0..=4.0).contains(&value)) {
        return Err(bad("n should be in [1, 4]"));
    }
    if *at(body, &["enable_thinking"]) == true && !ask.stream {
        return Err(bad(
            "parameter.enable_thinking must be set to false for non-streaming calls",
        ));
    }
    ask.parallel = *at(body, &["parallel_tool_calls"]) == true;
    ask.think = *at(body, &["enable_thinking"]) == true;
    super::openai::choices_and_logprobs(body, ask);
    Ok(())
}

/// System only first, some user turn, last turn of the user or a tool; shared with the native surface.
pub(crate) fn turn_order(ask: &Ask) -> Result<(), String> {
    let roles: Vec<&str> = ask.turns.iter().map(|turn| turn.role.as_str()).collect();
    let known = ["system", "user", "assistant", "tool"];
    if let Some(role) = read::strange_role(ask, &known) {
        return Err(format!(
            "{role} is not one of ['system', 'assistant', 'user', 'tool'] - 'messages.0.role'"
        ));
    }
    if roles.iter().skip(1).any(|role| *role == "system") {
        return Err("System message must be at the beginning.".into());
    }
    if !roles.contains(&"user") {
        return Err("The input messages do not contain elements with the role of user.".into());
    }
    match roles.last() {
        Some(&"user" | &"tool") => Ok(()),
        _ => Err("The role of the last message must be user or tool.".into()),
    }
}
