//! 百川: few fields, no `finish_reason` before the end, usage unasked on the last chunk, type and code the same word.

use super::chat::{Choice, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{counts, no_headers};
use super::read::{self, LENIENT, Rules};
use super::{Code, Trouble, Usual, Voice, code, openai};
use crate::json::{Obj, quoted};
use crate::plan::{Ask, Usage};
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "baichuan",
    label: "百川",
    codes: CODES,
    usual: Usual {
        malformed: BAD,
        unauthorised: "invalid_api_key",
        no_model: "model_not_found",
        broken: "internal_server_error",
    },
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    choice,
    envelope: openai::plain_envelope,
    usage_body,
    check,
    headers: no_headers,
    models: None,
    ..openai::PROFILE
};

static CODES: &[Code] = &[
    code(BAD, 400, BAD, "Invalid request"),
    code(
        "too_long",
        400,
        BAD,
        "This model's maximum context length is 32768 tokens",
    ),
    code(
        "content_filter",
        400,
        "content_filter",
        "The content was filtered",
    ),
    code(
        "invalid_api_key",
        401,
        "invalid_api_key",
        "Incorrect API key provided",
    ),
    code("model_not_found", 404, BAD, "The model does not exist"),
    code(
        "rate_limit_exceeded",
        429,
        "rate_limit_exceeded",
        "Rate limit reached",
    ),
    code(
        "insufficient_quota",
        429,
        "insufficient_quota",
        "You exceeded your current quota",
    ),
    code(
        "internal_server_error",
        500,
        "internal_server_error",
        "Internal error",
    ),
];

fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .maybe("finish_reason", finish.as_deref())
        .end()
}

fn usage_body(usage: &Usage) -> String {
    counts(usage).int("search_count", 0).end()
}

const RULES: Rules = Rules {
    ranges: &[
        ("temperature", 0.0, 1.0),
        ("top_p", 0.000_001, 0.999_999),
        ("max_tokens", 1.0, 2048.0),
    ],
    unknown: &[
        "max_completion_tokens",
        "stop",
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "logit_bias",
        "stream_options",
    ],
    words: &[("tool_choice", &["auto", "none"])],
    formats: &["text", "json_object"],
    parts: false,
    ..LENIENT
};

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    match read::broken(&RULES, body, ask) {
        Some(why) => Err(profile.refuse(BAD, why)),
        None => Ok(()),
    }
}
