//! vivo 蓝心: the current platform, OpenAI's shape, a request's id in the query.

use super::chat::{Profile, UsageAt};
use super::openai::{choices_and_logprobs, counts, no_headers, plain_envelope};
use super::read::{self, LENIENT};
use super::{Arrived, Code, Trouble, Usual, Voice, bearer, code, openai};
use crate::plan::Ask;
use serde_json::Value;

pub(crate) static PROFILE: Profile = Profile {
    name: "bluelm",
    label: "蓝心",
    codes: CODES,
    usual: Usual {
        malformed: "1001",
        unauthorised: "invalid_api_key",
        no_model: "model_not_found",
        broken: "server_error",
    },
    usage: UsageAt::OwnChunk { null_before: false },
    envelope: plain_envelope,
    usage_body: |usage| counts(usage).end(),
    admit,
    check,
    headers: no_headers,
    models: None,
    ..openai::PROFILE
};

static CODES: &[Code] = &[
    code("1001", 400, "invalid_request_error", "param error"),
    code(
        "1007",
        400,
        "invalid_request_error",
        "the content is refused",
    ),
    code(
        "context_length_exceeded",
        400,
        "invalid_request_error",
        "This model's maximum context length is 32768 tokens.",
    ),
    code(
        "invalid_api_key",
        401,
        "invalid_request_error",
        "invalid api-key",
    ),
    code(
        "model_not_found",
        404,
        "invalid_request_error",
        "no such model",
    ),
    code("30001", 429, "rate_limit_error", "hit model rate limit"),
    code("2003", 429, "quota_error", "today's usage limit is reached"),
    code("server_error", 500, "server_error", "internal error"),
];

fn admit(profile: &Profile, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    if bearer(arrived.headers).is_none() {
        return Err(profile.trouble("invalid_api_key"));
    }
    let mut query = arrived
        .query
        .split('&')
        .filter_map(|row| row.split_once('='));
    let id = query.find(|(key, _)| *key == "requestId").map(|(_, id)| id);
    if id.is_none_or(str::is_empty) {
        return Err(profile.refuse("1001", "requestId is required"));
    }
    Ok(())
}

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    if let Some(why) = read::broken(&LENIENT, body, ask) {
        return Err(profile.refuse("1001", why));
    }
    choices_and_logprobs(body, ask);
    Ok(())
}
