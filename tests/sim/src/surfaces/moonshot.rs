//! 月之暗面 Kimi: sampling is fixed, text alone must be a string, usage in the finish chunk's choice and once more behind
//! it, errors with a type and no code.

use super::chat::{Choice, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{choices_and_logprobs, counts};
use super::read::{self, LENIENT, ROLES, Rules};
use super::{Code, Trouble, Usual, Voice, code, openai};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, Usage};
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "moonshot",
    label: "Kimi",
    codes: CODES,
    usual: Usual {
        malformed: BAD,
        unauthorised: "invalid_authentication_error",
        no_model: "resource_not_found_error",
        broken: "server_error",
    },
    role: RoleAt::OwnChunk,
    finish: FinishAt::Bare,
    usage: UsageAt::FinishChoice,
    choice,
    envelope: openai::plain_envelope,
    usage_body,
    error_body,
    check,
    headers: |serial| vec![("msh-request-id", format!("sim{serial:08x}"))],
    models: Some(&["kimi-k2.6", "kimi-k3"]),
    ..openai::PROFILE
};

/// The codes are ours: on the wire there is the type alone.
static CODES: &[Code] = &[
    code(BAD, 400, BAD, "Invalid request"),
    code(
        "content_filter",
        400,
        "content_filter",
        "The request was rejected because it was considered high risk",
    ),
    code(
        "too_long",
        400,
        BAD,
        "Invalid request: Your request exceeded model token limit : 131072",
    ),
    code(
        "invalid_authentication_error",
        401,
        "invalid_authentication_error",
        "Invalid Authentication",
    ),
    code(
        "permission_denied_error",
        403,
        "permission_denied_error",
        "The API you are accessing is not open",
    ),
    code(
        "resource_not_found_error",
        404,
        "resource_not_found_error",
        "Not found the model kimi-x or Permission denied",
    ),
    code(
        "rate_limit_reached_error",
        429,
        "rate_limit_reached_error",
        "Your account org-sim<ak-sim> request reached organization max RPM: 3, please try again after 1 seconds",
    ),
    code(
        "exceeded_current_quota_error",
        429,
        "exceeded_current_quota_error",
        "Your account org-sim<ak-sim> is suspended, please check your plan and billing details",
    ),
    code(
        "engine_overloaded_error",
        429,
        "engine_overloaded_error",
        "The engine is currently overloaded, please try again later",
    ),
    code("server_error", 500, "server_error", "Internal error"),
];

fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .maybe("usage", choice.usage)
        .end()
}

fn usage_body(usage: &Usage) -> String {
    counts(usage).int("cached_tokens", 0).end()
}

fn error_body(trouble: &Trouble, _serial: u64) -> String {
    let error = Obj::new()
        .str("message", &trouble.message)
        .str("type", &trouble.kind);
    Obj::new().raw("error", &error.end()).end()
}

const RULES: Rules = Rules {
    roles: ROLES,
    unknown: &["functions"],
    ..LENIENT
};

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: String| Err(profile.refuse(BAD, message));
    if let Some(why) = read::broken(&RULES, body, ask) {
        return bad(why);
    }
    let classic = ask.base.starts_with("moonshot-v1");
    let fits = |value: f64| {
        if classic {
            (0.0..=1.0).contains(&value)
        } else {
            (value - 1.0).abs() < 1e-9
        }
    };
    if read::outside(body, "temperature", fits) {
        return bad("invalid temperature: only 1 is allowed for this model".into());
    }
    let fixed = ["top_p", "n", "presence_penalty", "frequency_penalty"];
    if let Some(key) = fixed.iter().find(|key| !classic && read::given(body, key)) {
        return bad(format!("invalid {key}: it is fixed for this model"));
    }
    let text = |part: &Value| *at(part, &["type"]) == "text";
    let plain = |content: &Value| {
        let parts = content.as_array();
        parts.is_some_and(|parts| parts.iter().all(text))
    };
    if read::contents(body).any(plain) {
        return bad("content must be a string".into());
    }
    openai::answers_match_calls(body).or_else(bad)?;
    choices_and_logprobs(body, ask);
    ask.logprobs = None;
    Ok(())
}
