//! Mistral: refuses every field that it does not know (422, a list of details), thoughts are parts of the content, ids of
//! calls are nine letters and digits, usage comes unasked in the finish chunk.

use super::chat::{FinishAt, PARTS, Profile, RoleAt, UsageAt};
use super::openai::{choices_and_logprobs, counts, no_headers, plain_envelope};
use super::read::{self, LENIENT, Rules};
use super::{Code, Trouble, Usual, Voice, code, openai};
use crate::json::{self, Obj, at};
use crate::plan::{Ask, CallWish};
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "mistral",
    label: "Mistral",
    codes: CODES,
    usual: Usual {
        malformed: "400",
        unauthorised: "401",
        no_model: "1500",
        broken: "3000",
    },
    reasoning: PARTS,
    role: RoleAt::OwnChunk,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    envelope: plain_envelope,
    usage_body: |usage| counts(usage).end(),
    error_body,
    check,
    headers: no_headers,
    models: Some(&["mistral-large-latest", "magistral-medium-latest"]),
    ..openai::PROFILE
};

static CODES: &[Code] = &[
    code(
        "422",
        422,
        "extra_forbidden",
        "Extra inputs are not permitted",
    ),
    code("400", 400, BAD, "The body is not valid JSON"),
    code(
        "3051",
        400,
        BAD,
        "Prompt contains 200000 tokens, too large for model with 131072 maximum context length",
    ),
    code("1500", 400, "invalid_model", "Invalid model: m"),
    code("401", 401, "", "Unauthorized"),
    code("402", 402, "", "Payment required"),
    code(
        "403",
        403,
        "guardrail",
        "The content was refused by moderation",
    ),
    code("1300", 429, "rate_limited", "Rate limit exceeded"),
    code("3000", 500, "internal_server_error", "Service unavailable."),
    code(
        "3505",
        503,
        "unreachable_backend",
        "Unreachable backend (max retries)",
    ),
];

fn error_body(trouble: &Trouble, _serial: u64) -> String {
    match trouble.status {
        401 => Obj::new().str("detail", &trouble.message).end(),
        422 => {
            let row = Obj::new()
                .str("type", &trouble.kind)
                .raw("loc", "[\"body\"]")
                .str("msg", &trouble.message);
            Obj::new().raw("detail", &json::array(&[row.end()])).end()
        }
        _ => Obj::new()
            .str("object", "error")
            .str("message", &trouble.message)
            .str("type", &trouble.kind)
            .null("param")
            .str("code", &trouble.code)
            .end(),
    }
}

const RULES: Rules = Rules {
    ranges: &[("temperature", 0.0, 1.5), ("top_p", 0.0, 1.0)],
    words: &[("tool_choice", &["auto", "none", "any"])],
    ..LENIENT
};

/// All that it knows.
const KNOWN: &[&str] = &[
    "model",
    "messages",
    "stream",
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "random_seed",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "safe_prompt",
    "prompt_mode",
    "prediction",
];

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: String| Err(profile.refuse("422", message));
    let fields = body.as_object().into_iter().flatten();
    let mut strange = fields.filter(|(key, _)| !KNOWN.contains(&key.as_str()));
    if let Some((key, _)) = strange.next() {
        return bad(format!("Extra inputs are not permitted: {key}"));
    }
    if let Some(why) = read::broken(&RULES, body, ask) {
        return bad(why);
    }
    let messages = at(body, &["messages"]).as_array().map(Vec::as_slice);
    for message in messages.unwrap_or_default() {
        let calls = at(message, &["tool_calls"]).as_array().map(Vec::as_slice);
        let ids = calls
            .unwrap_or_default()
            .iter()
            .map(|call| at(call, &["id"]));
        for id in ids.chain([at(message, &["tool_call_id"])]) {
            let id = id.as_str().unwrap_or("abcdefghi");
            if id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return bad("Tool call id must be a-z, A-Z, 0-9, with a length of 9.".into());
            }
        }
    }
    openai::answers_match_calls(body).or_else(bad)?;
    choices_and_logprobs(body, ask);
    ask.short_ids = true;
    if *at(body, &["tool_choice"]) == "any" {
        ask.call = CallWish::Always(None);
    }
    Ok(())
}
