//! 百度 千帆 v2: OpenAI's shape with a safety `flag` in every choice, text errors with an `id`, usage only when asked.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{admit, counts, opening};
use super::{Code, Trouble, Usual, Voice, code, read};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, Usage, UsageWish};
use serde_json::Value;

const BAD: &str = "invalid_request_error";
const UNSAFE: &str = "unsafe_request";
const RATE: &str = "rate_limit_exceeded";

pub(crate) static PROFILE: Profile = Profile {
    name: "wenxin",
    label: "文心",
    codes: CODES,
    usual: Usual {
        malformed: "malformed_json",
        unauthorised: "invalid_iam_token",
        no_model: "invalid_model",
        broken: "internal_error",
    },
    reasoning: "reasoning_content",
    role: RoleAt::FirstSaying,
    finish: FinishAt::LastSaying,
    usage: UsageAt::OwnChunk { null_before: false },
    twin_null: false,
    opening: "",
    whole_opening: "",
    event_stream_type: "text/event-stream; charset=utf-8",
    choice,
    envelope,
    usage_body,
    error_body,
    error_then_done: false,
    admit,
    check,
    headers,
    models: Some(&["ernie-4.5-turbo-128k", "ernie-x1-turbo-32k"]),
    ..super::openai::PROFILE
};

static CODES: &[Code] = &[
    code("invalid_argument", 400, BAD, "invalid argument"),
    code("malformed_json", 400, BAD, "The JSON body is malformed"),
    code(
        "invalid_model",
        400,
        BAD,
        "The model does not exist or you do not have access to it.",
    ),
    code("invalid_messages", 400, BAD, "the messages are invalid"),
    code(
        "characters_too_long",
        400,
        BAD,
        "Prompt characters too long",
    ),
    code("tokens_too_long", 400, BAD, "Prompt tokens too long"),
    code("image_url_unsafe", 400, UNSAFE, "The image is unsafe"),
    code("invalid_iam_token", 401, BAD, "IAM Certification failed"),
    code("invalid_appid", 401, BAD, "No permission to use the appid"),
    code(
        "no_parameter_permission",
        401,
        BAD,
        "No permission to use the parameter",
    ),
    code(
        "account_overdue",
        403,
        "access_denied",
        "Access denied due to overdue account",
    ),
    code(
        "model_offline",
        403,
        "access_denied",
        "The model is offline",
    ),
    code(
        "system_unsafe",
        403,
        UNSAFE,
        "the content of system field is invalid",
    ),
    code(
        "user_setting_unsafe",
        403,
        UNSAFE,
        "the content of user field is invalid",
    ),
    code(
        "functions_unsafe",
        403,
        UNSAFE,
        "the content of functions field is invalid",
    ),
    code(
        "method_not_supported",
        405,
        BAD,
        "Only POST requests are accepted",
    ),
    code(
        "rpm_rate_limit_exceeded",
        429,
        RATE,
        "Rate limit reached for RPM",
    ),
    code(
        "tpm_rate_limit_exceeded",
        429,
        RATE,
        "Rate limit reached for TPM",
    ),
    code(
        "user_rate_limit_exceeded",
        429,
        RATE,
        "Rate limit reached for user",
    ),
    code(
        "preemptible_rate_limit_exceeded",
        429,
        RATE,
        "Rate limit reached for preemptible resource",
    ),
    code(
        "cluster_rate_limit_exceeded",
        429,
        RATE,
        "Rate limit reached for the cluster",
    ),
    code(
        "coding_plan_subscription_expired",
        429,
        RATE,
        "The subscription has expired",
    ),
    code("internal_error", 500, "Internal_error", "Internal error"),
    code(
        "dispatch_internal_error",
        500,
        "Internal_error",
        "Internal error",
    ),
];

fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    let entry = Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .maybe("finish_reason", finish.as_deref());
    if choice.recalled {
        return entry.int("flag", 4).int("ban_round", -1).end();
    }
    entry.int("flag", 0).end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "as-sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

fn usage_body(usage: &Usage) -> String {
    counts(usage).end()
}

fn error_body(trouble: &Trouble, serial: u64) -> String {
    let error = Obj::new()
        .str("code", &trouble.code)
        .str("message", &trouble.message)
        .str("type", &trouble.kind);
    Obj::new()
        .raw("error", &error.end())
        .str("id", &format!("as-sim{serial:08x}"))
        .end()
}

fn headers(serial: u64) -> Vec<(&'static str, String)> {
    vec![
        ("X-Baidu-Request-Id", format!("sim{serial:08x}")),
        ("X-Ratelimit-Limit-Requests", "300".into()),
        ("X-Ratelimit-Remaining-Requests", "299".into()),
        ("X-Ratelimit-Limit-Input-Tokens", "500000".into()),
        ("X-Ratelimit-Remaining-Input-Tokens", "499000".into()),
    ]
}

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: &str| profile.refuse("invalid_argument", message);
    let bad_messages = |message: &str| profile.refuse("invalid_messages", message);
    if read::strange_role(ask, &["system", "user", "assistant", "tool"]).is_some() {
        return Err(bad_messages(
            "the role of message must be one of system, user, assistant, tool",
        ));
    }
    let blank = |text: &str| {
        text.chars()
            .all(|c| matches!(c, ' ' | '\n' | '\r' | '\u{c}'))
    };
    let last = ask.turns.last().map_or("", |turn| turn.text.as_str());
    if blank(last) {
        return Err(bad_messages(
            "the content of the last message can not be blank",
        ));
    }
    let messages = at(body, &["messages"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let hollow = |message: &Value| {
        *at(message, &["content"]) == "" && *at(message, &["role"]) != "assistant"
    };
    if messages.iter().any(hollow) {
        return Err(bad_messages("message content can not be empty"));
    }
    if read::outside(body, "seed", |seed| seed > 0.0 && seed < 2_147_483_647.0) {
        return Err(bad("seed must be in (0, 2147483647)"));
    }
    if read::given(body, "stop") && !body["stop"].is_array() {
        return Err(bad("stop must be an array"));
    }
    if ask.stop.len() > 4 || ask.stop.iter().any(|stop| stop.chars().count() > 20) {
        return Err(bad("stop accepts at most 4 items of at most 20 characters"));
    }
    if read::outside(body, "penalty_score", |value| (1.0..=2.0).contains(&value)) {
        return Err(bad("penalty_score must be in [1.0, 2.0]"));
    }
    if at(body, &["metadata"])
        .as_object()
        .is_some_and(|map| map.len() > 16)
    {
        return Err(bad("metadata accepts at most 16 pairs"));
    }
    let controls = [
        "temperature",
        "top_p",
        "seed",
        "stop",
        "penalty_score",
        "response_format",
    ];
    let x1_turbo = ask.base.starts_with("ernie-x1-turbo");
    if let Some(key) = controls
        .iter()
        .find(|key| x1_turbo && read::given(body, key))
    {
        return Err(bad(&format!("{key} is not supported by this model")));
    }
    ask.think = *at(body, &["enable_thinking"]) == true || ask.base.starts_with("ernie-x1");
    if *at(body, &["stream_options", "chunk_include_usage"]) == true {
        ask.usage = UsageWish::Each;
    }
    Ok(())
}
