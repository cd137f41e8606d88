//! A vendor that keeps the letter of OpenAI's chat grammar: own role chunk, bare finish chunk, usage only when asked and
//! then `null` in every earlier chunk. Other profiles borrow its writers.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt, error_object};
use super::{Arrived, Code, Trouble, Usual, Voice, bearer, code, read};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, Usage};
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "openai",
    label: "OpenAI",
    path: "/chat/completions",
    codes: CODES,
    usual: Usual {
        malformed: "",
        unauthorised: "invalid_api_key",
        no_model: "model_not_found",
        broken: "server_error",
    },
    reasoning: "reasoning_content",
    role: RoleAt::OwnChunk,
    finish: FinishAt::Bare,
    usage: UsageAt::OwnChunk { null_before: true },
    twin_null: false,
    prefix: "data: ",
    done: true,
    on_200: false,
    opening: "",
    whole_opening: "",
    event_stream_type: "text/event-stream; charset=utf-8",
    choice,
    envelope,
    usage_body,
    error_body,
    error_event: None,
    error_then_done: false,
    admit,
    check,
    headers,
    models: Some(&["gpt-sim", "gpt-sim-think"]),
};

/// The first row is used for requests that cannot be read; an empty code is written as `null`.
static CODES: &[Code] = &[
    code(
        "",
        400,
        BAD,
        "We could not parse the JSON body of your request.",
    ),
    code("invalid_value", 400, BAD, "Invalid value."),
    code("unsupported_parameter", 400, BAD, "Unsupported parameter."),
    code(
        "context_length_exceeded",
        400,
        BAD,
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
    ),
    code(
        "content_policy_violation",
        400,
        BAD,
        "Your request was rejected as a result of our safety system.",
    ),
    code("invalid_api_key", 401, BAD, "Incorrect API key provided."),
    code(
        "unsupported_country_region_territory",
        403,
        "request_forbidden",
        "Country, region, or territory not supported",
    ),
    code(
        "model_not_found",
        404,
        BAD,
        "The model does not exist or you do not have access to it.",
    ),
    code(
        "rate_limit_exceeded",
        429,
        "requests",
        "Rate limit reached for requests.",
    ),
    code(
        "insufficient_quota",
        429,
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    code(
        "server_error",
        500,
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
    code(
        "overloaded",
        503,
        "server_error",
        "The engine is currently overloaded, please try again later.",
    ),
];

pub(crate) fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .raw("logprobs", choice.logprobs)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "chatcmpl-sim")
        .str("service_tier", "default")
        .str("system_fingerprint", "fp_sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

/// Nothing around the choices but what everybody has.
pub(crate) fn plain_envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "chatcmpl-sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

/// No headers of its own.
pub(crate) fn no_headers(_serial: u64) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// `id`, `object`, `created`, `model`: how most vendors of this shape begin.
pub(crate) fn opening(envelope: &Envelope<'_>, id: &str) -> Obj {
    let object = if envelope.streams {
        "chat.completion.chunk"
    } else {
        "chat.completion"
    };
    Obj::new()
        .str("id", &format!("{id}{:08x}", envelope.stamp.serial))
        .str("object", object)
        .int("created", envelope.stamp.created)
        .str("model", &envelope.stamp.model)
}

pub(crate) fn usage_body(usage: &Usage) -> String {
    let prompt = Obj::new().int("cached_tokens", 0).int("audio_tokens", 0);
    let completion = Obj::new()
        .int("reasoning_tokens", usage.reasoning)
        .int("audio_tokens", 0)
        .int("accepted_prediction_tokens", 0)
        .int("rejected_prediction_tokens", 0);
    counts(usage)
        .raw("prompt_tokens_details", &prompt.end())
        .raw("completion_tokens_details", &completion.end())
        .end()
}

/// The three counts that every vendor of this shape has.
pub(crate) fn counts(usage: &Usage) -> Obj {
    Obj::new()
        .int("prompt_tokens", usage.prompt)
        .int("completion_tokens", usage.completion)
        .int("total_tokens", usage.total())
}

pub(crate) fn error_body(trouble: &Trouble, _serial: u64) -> String {
    Obj::new().raw("error", &error_object(trouble)).end()
}

pub(crate) fn admit(profile: &Profile, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    match bearer(arrived.headers) {
        Some(_) => Ok(()),
        None => Err(profile.trouble(profile.usual().unauthorised)),
    }
}

fn headers(serial: u64) -> Vec<(&'static str, String)> {
    vec![
        ("x-request-id", format!("req_sim{serial:08x}")),
        ("openai-version", "2020-10-01".into()),
        ("openai-processing-ms", "7".into()),
        ("x-ratelimit-limit-requests", "10000".into()),
        ("x-ratelimit-remaining-requests", "9999".into()),
        ("x-ratelimit-limit-tokens", "2000000".into()),
        ("x-ratelimit-remaining-tokens", "1999000".into()),
        ("x-ratelimit-reset-requests", "6ms".into()),
        ("x-ratelimit-reset-tokens", "30ms".into()),
    ]
}

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: &str, param: &str| Trouble {
        param: Some(param.to_owned()),
        ..profile.refuse("invalid_value", message)
    };
    let roles = [
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "function",
    ];
    if let Some(role) = read::strange_role(ask, &roles) {
        return Err(bad(
            &format!("Invalid value: '{role}'."),
            "messages[0].role",
        ));
    }
    for (key, low, high) in [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
        ("top_logprobs", 0.0, 20.0),
        ("n", 1.0, 128.0),
    ] {
        if read::outside(body, key, |value| (low..=high).contains(&value)) {
            return Err(bad(&format!("Invalid '{key}': out of range."), key));
        }
    }
    if read::given(body, "stream_options") && !ask.stream {
        return Err(bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        ));
    }
    if read::is_empty_list(at(body, &["tools"])) {
        return Err(bad(
            "Invalid 'tools': empty array. Expected an array with minimum length 1.",
            "tools",
        ));
    }
    if read::given(body, "tool_choice") && ask.tools.is_empty() {
        return Err(bad(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            "tool_choice",
        ));
    }
    if ask.stop.len() > 4 {
        return Err(bad(
            "Invalid 'stop': array too long. Expected an array with maximum length 4.",
            "stop",
        ));
    }
    if read::given(body, "top_logprobs") && *at(body, &["logprobs"]) != true {
        return Err(bad(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            "top_logprobs",
        ));
    }
    answers_match_calls(body).map_err(|message| bad(&message, "messages"))?;
    choices_and_logprobs(body, ask);
    Ok(())
}

/// For vendors that know `n` and `logprobs`.
pub(crate) fn choices_and_logprobs(body: &Value, ask: &mut Ask) {
    let number = |key: &str| {
        at(body, &[key])
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
    };
    ask.choices = number("n").unwrap_or(1).clamp(1, 128);
    if *at(body, &["logprobs"]) == true {
        ask.logprobs = Some(number("top_logprobs").unwrap_or(0).min(20));
    }
}

/// Every tool message answers a call of the assistant turn before it, and every call is answered.
pub(crate) fn answers_match_calls(body: &Value) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let messages = at(body, &["messages"]).as_array().map(Vec::as_slice);
    for message in messages.unwrap_or_default() {
        if *at(message, &["role"]) == "tool" {
            let id = at(message, &["tool_call_id"]).as_str().unwrap_or_default();
            let before = open.len();
            open.retain(|call| *call != id);
            if open.len() == before {
                return Err("messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.".into());
            }
            continue;
        }
        if !open.is_empty() {
            break;
        }
        let calls = at(message, &["tool_calls"]).as_array().map(Vec::as_slice);
        open.extend(
            calls
                .unwrap_or_default()
                .iter()
                .filter_map(|call| at(call, &["id"]).as_str()),
        );
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    ))
}
