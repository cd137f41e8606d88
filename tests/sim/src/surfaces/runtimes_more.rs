//! More self-hosted runtimes: SGLang, TGI, LMDeploy, Xinference, MindIE. They differ in how they tell errors, and in what
//! they refuse.

use super::chat::{FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{choice, choices_and_logprobs, counts, plain_envelope};
use super::read::{self, FORMATS, LENIENT, ROLES, Rules};
use super::runtimes::{BAD, VLLM};
use super::{Code, Trouble, Usual, Voice, code};
use crate::json::Obj;
use crate::plan::Ask;
use serde_json::Value;

pub(crate) static SGLANG: Profile = Profile {
    name: "sglang",
    label: "SGLang",
    codes: &[
        code(BAD, 400, BAD, "The request is not valid."),
        code(
            "ContextLength",
            400,
            BAD,
            "The input is longer than the model's context length (4096 tokens).",
        ),
        code("Unauthorized", 401, "Unauthorized", "Unauthorized"),
        code("NotFound", 404, "NotFound", "The model is not found."),
        code(
            "InternalServerError",
            500,
            "InternalServerError",
            "The engine failed.",
        ),
        code(
            "ServiceUnavailable",
            503,
            "ServiceUnavailable",
            "The server is starting.",
        ),
        code(
            "TooManyRequests",
            429,
            "TooManyRequests",
            "The queue is full.",
        ),
    ],
    usual: Usual {
        malformed: BAD,
        unauthorised: "Unauthorized",
        no_model: "NotFound",
        broken: "InternalServerError",
    },
    reasoning: "reasoning_content",
    finish: FinishAt::Bare,
    choice,
    envelope: plain_envelope,
    usage_body: |usage| counts(usage).int("reasoning_tokens", usage.reasoning).end(),
    error_body: flat_error,
    error_event: Some(wrapped_error),
    models: Some(&["qwen3"]),
    ..VLLM
};

pub(crate) static LMDEPLOY: Profile = Profile {
    name: "lmdeploy",
    label: "LMDeploy",
    check: |profile, body, ask| {
        const RULES: Rules = Rules {
            words: &[("reasoning_effort", &["low", "medium", "high", "max"])],
            ..OPEN
        };
        checked(&RULES, profile, body, ask)
    },
    ..SGLANG
};

pub(crate) static TGI: Profile = Profile {
    name: "tgi",
    label: "TGI",
    codes: &[
        code(
            "validation",
            422,
            "validation",
            "Input validation error: a parameter is not valid",
        ),
        code(
            "too_long",
            422,
            "validation",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`",
        ),
        code("bad", 400, "validation", "The body is not valid JSON"),
        code("unauthorized", 401, "unauthorized", "Unauthorized"),
        code("not_found", 404, "not_found", "Model not found"),
        code(
            "generation",
            424,
            "generation",
            "Request failed during generation: Server error",
        ),
        code("overloaded", 429, "overloaded", "Model is overloaded"),
        code(
            "incomplete_generation",
            500,
            "incomplete_generation",
            "Incomplete generation",
        ),
    ],
    usual: Usual {
        malformed: "bad",
        unauthorised: "unauthorized",
        no_model: "not_found",
        broken: "incomplete_generation",
    },
    finish: FinishAt::EmptyContent,
    prefix: "data:",
    error_body: typed_error,
    error_event: Some(|trouble| {
        let error = Obj::new()
            .str("message", &trouble.message)
            .int("http_status_code", i64::from(trouble.status));
        Obj::new().raw("error", &error.end()).end()
    }),
    check: |profile, body, ask| {
        const RULES: Rules = Rules {
            ranges: &[
                ("temperature", 0.000_001, 1000.0),
                ("top_p", 0.000_001, 0.999_999),
                ("n", 1.0, 1.0),
            ],
            ..OPEN
        };
        checked(&RULES, profile, body, ask)
    },
    models: Some(&["tgi"]),
    ..SGLANG
};

pub(crate) static XINFERENCE: Profile = Profile {
    name: "xinference",
    label: "Xinference",
    codes: &[
        code(
            "invalid",
            400,
            "",
            "Invalid input. Please specify the prompt.",
        ),
        code(
            "too_long",
            400,
            "",
            "This model's maximum context length is 4096 tokens.",
        ),
        code(
            "no_model",
            400,
            "",
            "Model not found in the model list, uid: m",
        ),
        code("unauthorized", 401, "", "Not authenticated"),
        code("limited", 429, "", "Rate limit reached for the model."),
        code("internal", 500, "", "Remote server closed"),
    ],
    usual: Usual {
        malformed: "invalid",
        unauthorised: "unauthorized",
        no_model: "no_model",
        broken: "internal",
    },
    error_body: |trouble, _| {
        let place = "[address=10.1.2.3:40001, pid=77]";
        let detail = format!("{place} {}", trouble.message);
        Obj::new().str("detail", &detail).end()
    },
    error_event: Some(|trouble| Obj::new().str("error", &trouble.message).end()),
    check: |profile, body, ask| checked(&OPEN, profile, body, ask),
    models: None,
    ..SGLANG
};

pub(crate) static MINDIE: Profile = Profile {
    name: "mindie",
    label: "MindIE",
    codes: MINDIE_CODES,
    usual: Usual {
        malformed: "Input Validation Error",
        unauthorised: "Unauthorized",
        no_model: "Model Not Found",
        broken: "Generation Error",
    },
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    error_body: typed_error,
    error_event: None,
    check: |profile, body, ask| {
        const RULES: Rules = Rules {
            ranges: &[
                ("temperature", 0.000_001, 2.0),
                ("top_p", 0.000_001, 1.0),
                ("seed", 1.0, 1.9e19),
            ],
            unknown: &["n", "logit_bias"],
            ..OPEN
        };
        checked(&RULES, profile, body, ask)
    },
    models: None,
    ..SGLANG
};

static MINDIE_CODES: &[Code] = &[
    code(
        "Input Validation Error",
        422,
        "Input Validation Error",
        "Input validation error: a parameter is not valid",
    ),
    code(
        "too_long",
        422,
        "Input Validation Error",
        "Input validation error: token num of prompt is over the limit",
    ),
    code("Unauthorized", 401, "Unauthorized", "Unauthorized"),
    code(
        "Model Not Found",
        404,
        "Model Not Found",
        "The model is unknown",
    ),
    code(
        "Too Many Requests",
        429,
        "Too Many Requests",
        "Engine queue is full",
    ),
    code("Generation Error", 500, "Generation Error", "Engine failed"),
];

/// Knows what vLLM knows, and empty tools are an error.
const OPEN: Rules = Rules {
    roles: ROLES,
    formats: FORMATS,
    ..LENIENT
};

fn checked(rules: &Rules, profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let first = profile.codes().first().map_or("", |row| row.code);
    if let Some(why) = read::broken(rules, body, ask) {
        return Err(profile.refuse(first, why));
    }
    choices_and_logprobs(body, ask);
    Ok(())
}

/// At the top, beside `object: error`; a refused key is a bare string.
fn flat_error(trouble: &Trouble, _serial: u64) -> String {
    if trouble.status == 401 {
        return Obj::new().str("error", &trouble.message).end();
    }
    told(trouble).end()
}

fn wrapped_error(trouble: &Trouble) -> String {
    Obj::new().raw("error", &told(trouble).end()).end()
}

fn told(trouble: &Trouble) -> Obj {
    Obj::new()
        .str("object", "error")
        .str("message", &trouble.message)
        .str("type", &trouble.kind)
        .null("param")
        .int("code", i64::from(trouble.status))
}

/// A sentence and a type.
fn typed_error(trouble: &Trouble, _serial: u64) -> String {
    Obj::new()
        .str("error", &trouble.message)
        .str("error_type", &trouble.kind)
        .end()
}
