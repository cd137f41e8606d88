//! 火山方舟 豆包: dotted codes, every sentence with a request id, usage in a chunk of its own when asked for.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{counts, opening};
use super::read::{self, LENIENT, Rules};
use super::{Code, Trouble, Usual, Voice, code, openai};
use crate::json::{Obj, quoted};
use crate::plan::{Ask, Usage};
use serde_json::Value;

const BAD: &str = "BadRequest";

pub(crate) static PROFILE: Profile = Profile {
    name: "doubao",
    label: "豆包",
    codes: CODES,
    usual: Usual {
        malformed: "InvalidParameter",
        unauthorised: "AuthenticationError",
        no_model: "InvalidEndpointOrModel.NotFound",
        broken: "InternalServiceError",
    },
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::OwnChunk { null_before: true },
    choice,
    envelope,
    usage_body,
    error_body,
    check,
    headers: |serial| vec![("x-request-id", format!("sim{serial:08x}"))],
    models: None,
    ..openai::PROFILE
};

static CODES: &[Code] = &[
    code("InvalidParameter", 400, BAD, "A parameter is not valid."),
    code(
        "OutofContextError",
        400,
        BAD,
        "The request exceeds the context of the model.",
    ),
    code(
        "InputTextSensitiveContentDetected",
        400,
        BAD,
        "The request failed because the input text may contain sensitive information.",
    ),
    code(
        "AuthenticationError",
        401,
        "Unauthorized",
        "The API key in the request is missing or invalid.",
    ),
    code(
        "AccessDenied",
        403,
        "Forbidden",
        "The request failed because you do not have access to the requested resource.",
    ),
    code("AccountOverdueError", 403, "Forbidden", "overdue balance."),
    code(
        "InvalidEndpointOrModel.NotFound",
        404,
        "NotFound",
        "The model or endpoint ep-sim does not exist or you do not have access to it.",
    ),
    code(
        "RateLimitExceeded.EndpointTPMExceeded",
        429,
        "TooManyRequests",
        "TPM exceeded.",
    ),
    code(
        "SetLimitExceeded",
        429,
        "TooManyRequests",
        "inference limit reached.",
    ),
    code(
        "ServerOverloaded",
        429,
        "TooManyRequests",
        "The service is overloaded.",
    ),
    code(
        "InternalServiceError",
        500,
        "InternalServerError",
        "Internal error.",
    ),
];

fn error_body(trouble: &Trouble, serial: u64) -> String {
    let error = Obj::new()
        .str("code", &trouble.code)
        .str(
            "message",
            &format!("{} Request id: sim{serial:08x}", trouble.message),
        )
        .str("param", "")
        .str("type", &trouble.kind);
    Obj::new().raw("error", &error.end()).end()
}

fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    let hit = if choice.recalled {
        "\"violence\""
    } else {
        "null"
    };
    let hit = finish.as_ref().map(|_| hit);
    Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .raw("logprobs", choice.logprobs)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .maybe("moderation_hit_type", hit)
        .end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "0217670000sim")
        .str("service_tier", "default")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

fn usage_body(usage: &Usage) -> String {
    let prompt = Obj::new().int("cached_tokens", 0).end();
    let completion = Obj::new().int("reasoning_tokens", usage.reasoning).end();
    counts(usage)
        .raw("prompt_tokens_details", &prompt)
        .raw("completion_tokens_details", &completion)
        .end()
}

const RULES: Rules = Rules {
    ranges: &[
        ("temperature", 0.0, 2.0),
        ("top_p", 0.000_001, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
    ],
    unknown: &["n", "seed"],
    ..LENIENT
};

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let bad = |message: String| Err(profile.refuse("InvalidParameter", message));
    if let Some(why) = read::broken(&RULES, body, ask) {
        return bad(why);
    }
    if read::given(body, "max_tokens") && read::given(body, "max_completion_tokens") {
        return bad("max_tokens and max_completion_tokens are mutually exclusive.".into());
    }
    if ask.stop.len() > 4 {
        return bad("stop has more than 4 items.".into());
    }
    openai::choices_and_logprobs(body, ask);
    ask.choices = 1;
    Ok(())
}
