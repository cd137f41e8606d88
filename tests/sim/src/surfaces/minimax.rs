//! MiniMax, two voices: the OpenAI surface, errors by status with the number at the end of the sentence; and
//! `chatcompletion_v2`, errors on 200 in `base_resp`, a summary of the whole reply as last event, no `[DONE]`.

use super::chat::{Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{counts, no_headers, opening};
use super::read::{self, LENIENT, ROLES, Rules};
use super::{Code, Trouble, Usual, Voice, code, openai};
use crate::json::{Obj, at};
use crate::plan::{Ask, Usage};
use serde_json::Value;

const USUAL: Usual = Usual {
    malformed: "2013",
    unauthorised: "1004",
    no_model: "2013-model",
    broken: "1000",
};

pub(crate) static COMPATIBLE: Profile = Profile {
    name: "minimax",
    label: "MiniMax",
    codes: CODES,
    usual: USUAL,
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunk,
    envelope,
    usage_body,
    error_body: compatible_error,
    check,
    headers: |serial| vec![("trace-id", format!("sim{serial:08x}"))],
    models: None,
    ..openai::PROFILE
};

pub(crate) static NATIVE: Profile = Profile {
    name: "minimax-v2",
    path: "/text/chatcompletion_v2",
    finish: FinishAt::Summary,
    usage: UsageAt::FinishChunkAlways,
    done: false,
    on_200: true,
    error_body: native_error,
    headers: no_headers,
    ..COMPATIBLE
};

static CODES: &[Code] = &[
    code("2013", 400, "bad_request_error", "invalid params"),
    code(
        "2013-context",
        400,
        "bad_request_error",
        "invalid params, context window exceeds limit",
    ),
    code(
        "2013-model",
        404,
        "not_found_error",
        "invalid params, unknown model",
    ),
    code(
        "1004",
        401,
        "authorized_error",
        "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
    ),
    code(
        "1008",
        402,
        "insufficient_balance_error",
        "insufficient balance",
    ),
    code("1026", 422, "bad_request_error", "input new_sensitive"),
    code("1002", 429, "rate_limit_error", "rate limit"),
    code("2056", 429, "rate_limit_error", "usage limit exceeded"),
    code("1000", 500, "api_error", "unknown error"),
    code("1001", 504, "api_error", "request timeout"),
];

/// The number of a row: rows that share one have a word behind it.
fn number(trouble: &Trouble) -> &str {
    trouble.code.split('-').next().unwrap_or_default()
}

fn compatible_error(trouble: &Trouble, serial: u64) -> String {
    let error = Obj::new()
        .str("type", &trouble.kind)
        .str(
            "message",
            &format!("{} ({})", trouble.message, number(trouble)),
        )
        .str("http_code", &trouble.status.to_string());
    Obj::new()
        .str("type", "error")
        .raw("error", &error.end())
        .str("request_id", &format!("sim{serial:08x}"))
        .end()
}

fn native_error(trouble: &Trouble, _serial: u64) -> String {
    let told = Obj::new()
        .raw("status_code", number(trouble))
        .str("status_msg", &trouble.message);
    Obj::new().raw("base_resp", &told.end()).end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    let well = Obj::new().int("status_code", 0).str("status_msg", "").end();
    let whole = !envelope.streams;
    opening(envelope, "sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .bool("input_sensitive", false)
        .bool("output_sensitive", envelope.recalled)
        .int("input_sensitive_type", 0)
        .maybe("base_resp", whole.then_some(well.as_str()))
        .end()
}

fn usage_body(usage: &Usage) -> String {
    let reasoning = Obj::new().int("reasoning_tokens", usage.reasoning).end();
    counts(usage)
        .int("total_characters", 0)
        .raw("completion_tokens_details", &reasoning)
        .end()
}

const RULES: Rules = Rules {
    roles: ROLES,
    ranges: &[("temperature", 0.000_001, 2.0), ("top_p", 0.000_001, 1.0)],
    ..LENIENT
};

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: String| Err(profile.refuse("2013", format!("invalid params, {message}")));
    if let Some(why) = read::broken(&RULES, body, ask) {
        return bad(why);
    }
    if read::outside(body, "n", |value| (value - 1.0).abs() < 1e-9) {
        return bad("n must be 1".into());
    }
    openai::answers_match_calls(body)
        .or_else(|_| bad("tool call result does not follow tool call".into()))?;
    // Without the switch thoughts would stand between tags in the text: who reads these is not simulated.
    ask.think = ask.base.starts_with("MiniMax-M") && *at(body, &["reasoning_split"]) == true;
    Ok(())
}
