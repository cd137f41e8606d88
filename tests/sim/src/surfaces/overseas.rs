//! xAI, Cohere's OpenAI surface and Azure OpenAI: OpenAI's shape with errors, credentials and paths of their own.

use super::chat::{Choice, Envelope, Profile, RoleAt, UsageAt};
use super::openai::{choices_and_logprobs, counts, no_headers, opening, plain_envelope};
use super::read::{self, LENIENT, Rules};
use super::{Arrived, Code, Trouble, Usual, Voice, code, openai};
use crate::json::{Obj, quoted};
use crate::plan::{Ask, Usage};
use serde_json::Value;

pub(crate) static XAI: Profile = Profile {
    name: "xai",
    label: "Grok",
    codes: &[
        code("invalid-argument", 400, "", "Invalid request content"),
        code(
            "too_long",
            400,
            "",
            "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
        ),
        code("unauthenticated", 401, "", "Invalid or missing credentials"),
        code(
            "safety",
            403,
            "",
            "Content violates usage guidelines. Failed check: SAFETY_CHECK",
        ),
        code(
            "credits",
            403,
            "",
            "Your team has no credits. Please purchase credits.",
        ),
        code("not-found", 404, "", "The model does not exist"),
        code("resource-exhausted", 429, "", "Too many requests"),
        code("internal", 500, "", "Internal error"),
    ],
    usual: Usual {
        malformed: "invalid-argument",
        unauthorised: "unauthenticated",
        no_model: "not-found",
        broken: "internal",
    },
    envelope: plain_envelope,
    usage_body: xai_usage,
    error_body: |trouble, _| {
        Obj::new()
            .str("code", &trouble.code)
            .str("error", &trouble.message)
            .end()
    },
    check: |profile, body, ask| {
        let reasons = ask.base.starts_with("grok-4") || ask.base.starts_with("grok-3-mini");
        const REASONING: Rules = Rules {
            unknown: &["presence_penalty", "frequency_penalty", "stop"],
            ..LENIENT
        };
        let rules = if reasons { &REASONING } else { &LENIENT };
        checked(rules, "invalid-argument", profile, body, ask)
    },
    headers: no_headers,
    models: Some(&["grok-4"]),
    ..openai::PROFILE
};

pub(crate) static COHERE: Profile = Profile {
    name: "cohere",
    label: "Cohere",
    codes: COHERE_CODES,
    usual: Usual {
        malformed: "invalid",
        unauthorised: "unauthorized",
        no_model: "no_model",
        broken: "internal",
    },
    usage: UsageAt::OwnChunk { null_before: false },
    envelope: plain_envelope,
    usage_body: |usage| counts(usage).end(),
    error_body: |trouble, serial| {
        Obj::new()
            .str("id", &format!("sim{serial:08x}"))
            .str("message", &trouble.message)
            .end()
    },
    error_event: Some(|trouble| {
        let error = Obj::new().str("message", &trouble.message).end();
        Obj::new().raw("error", &error).end()
    }),
    check: |profile, body, ask| {
        const RULES: Rules = Rules {
            ranges: &[
                ("temperature", 0.0, 1.0),
                ("top_p", 0.01, 0.99),
                ("presence_penalty", 0.0, 1.0),
                ("frequency_penalty", 0.0, 1.0),
            ],
            unknown: &["n", "logit_bias", "top_logprobs", "parallel_tool_calls"],
            ..LENIENT
        };
        checked(&RULES, "invalid", profile, body, ask)
    },
    headers: no_headers,
    models: None,
    ..openai::PROFILE
};

static COHERE_CODES: &[Code] = &[
    code(
        "invalid",
        400,
        "",
        "invalid request: a parameter is not valid",
    ),
    code(
        "too_long",
        400,
        "",
        "too many tokens: total number of tokens in the prompt cannot exceed 128000",
    ),
    code(
        "filtered",
        400,
        "",
        "blocked output: please rewrite the prompt",
    ),
    code("unauthorized", 401, "", "invalid api token"),
    code("no_model", 404, "", "model 'm' not found"),
    code(
        "limited",
        429,
        "",
        "You are past the per minute request limit",
    ),
    code(
        "trial",
        429,
        "",
        "You are using a Trial key, which is limited to 1000 API calls / month",
    ),
    code("internal", 500, "", "internal server error"),
];

pub(crate) static AZURE: Profile = Profile {
    name: "azure-openai",
    label: "Azure",
    path: "/openai/deployments/*/chat/completions",
    codes: AZURE_CODES,
    usual: Usual {
        malformed: "BadRequest",
        unauthorised: "401",
        no_model: "DeploymentNotFound",
        broken: "InternalServerError",
    },
    role: RoleAt::OwnChunk,
    opening: "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]}\n\n",
    choice: azure_choice,
    envelope: azure_envelope,
    error_body: azure_error,
    admit: azure_admit,
    headers: |serial| vec![("apim-request-id", format!("sim{serial:08x}"))],
    models: None,
    ..openai::PROFILE
};

static AZURE_CODES: &[Code] = &[
    code(
        "invalid_value",
        400,
        "invalid_request_error",
        "Invalid value.",
    ),
    code("BadRequest", 400, "", "The request is not valid"),
    code(
        "context_length_exceeded",
        400,
        "invalid_request_error",
        "This model's maximum context length is 4096 tokens.",
    ),
    code(
        "content_filter",
        400,
        "",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    ),
    code(
        "401",
        401,
        "",
        "Access denied due to invalid subscription key or wrong API endpoint.",
    ),
    code(
        "DeploymentNotFound",
        404,
        "",
        "The API deployment for this resource does not exist.",
    ),
    code(
        "429",
        429,
        "",
        "Requests to the ChatCompletions operation have exceeded the token rate limit. Please retry after 7 seconds.",
    ),
    code("InternalServerError", 500, "", "The server had an error"),
];

fn checked(
    rules: &Rules,
    wanted: &str,
    profile: &Profile,
    body: &Value,
    ask: &mut Ask,
) -> Result<(), Trouble> {
    if let Some(why) = read::broken(rules, body, ask) {
        return Err(profile.refuse(wanted, why));
    }
    openai::answers_match_calls(body).map_err(|why| profile.refuse(wanted, why))?;
    choices_and_logprobs(body, ask);
    Ok(())
}

/// Reasoning is counted beside the completion.
fn xai_usage(usage: &Usage) -> String {
    let reasoning = Obj::new().int("reasoning_tokens", usage.reasoning).end();
    Obj::new()
        .int("prompt_tokens", usage.prompt)
        .int("completion_tokens", usage.completion - usage.reasoning)
        .int("total_tokens", usage.total())
        .raw("completion_tokens_details", &reasoning)
        .end()
}

/// The key's own header, the version in the query; a bearer token is good too.
fn azure_admit(profile: &Profile, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    let key = arrived
        .headers
        .get("api-key")
        .and_then(|key| key.to_str().ok());
    let good = key.is_some_and(|key| !key.is_empty() && !key.contains("invalid"));
    if !good && super::bearer(arrived.headers).is_none() {
        return Err(profile.trouble("401"));
    }
    let mut query = arrived
        .query
        .split('&')
        .filter_map(|row| row.split_once('='));
    match query.find(|(key, _)| *key == "api-version") {
        Some((_, version)) if version.starts_with("20") => Ok(()),
        _ => Err(profile.refuse("BadRequest", "api-version is required")),
    }
}

fn azure_choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    let filtered = if choice.recalled { "true" } else { "false" };
    let hate = Obj::new()
        .raw("filtered", filtered)
        .str("severity", "safe")
        .end();
    let results = Obj::new().raw("hate", &hate).end();
    Obj::new()
        .raw("content_filter_results", &results)
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .raw("logprobs", choice.logprobs)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .end()
}

fn azure_envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "chatcmpl-sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

fn azure_error(trouble: &Trouble, _serial: u64) -> String {
    let error = Obj::new()
        .str("message", &trouble.message)
        .null("type")
        .null("param")
        .str("code", &trouble.code)
        .int("status", i64::from(trouble.status));
    let error = match trouble.code.as_str() {
        "content_filter" => {
            let inner = Obj::new().str("code", "ResponsibleAIPolicyViolation").end();
            error.raw("innererror", &inner)
        }
        _ => error,
    };
    Obj::new().raw("error", &error.end()).end()
}
