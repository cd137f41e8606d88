//! Self-hosted runtimes of OpenAI's shape: vLLM, llama.cpp server, Ollama. Keys are optional; a wrong one is refused.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{choice, choices_and_logprobs, counts, error_body, no_headers, opening};
use super::{Arrived, Trouble, Usual, Voice, bearer, code, read};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, Usage, UsageWish};
use serde_json::Value;

pub(super) const BAD: &str = "BadRequestError";

pub(crate) static VLLM: Profile = Profile {
    name: "vllm",
    label: "vLLM",
    codes: &[
        code(BAD, 400, BAD, "The request body is invalid."),
        code(
            "ContextLength",
            400,
            BAD,
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        ),
        code("Unauthorized", 401, "Unauthorized", "Unauthorized"),
        code(
            "NotFoundError",
            404,
            "NotFoundError",
            "The model does not exist.",
        ),
        code(
            "TooManyRequests",
            429,
            "TooManyRequests",
            "Too many requests.",
        ),
        code(
            "InternalServerError",
            500,
            "InternalServerError",
            "EngineCore encountered an issue.",
        ),
        code(
            "ServiceUnavailable",
            503,
            "ServiceUnavailable",
            "The engine is dead.",
        ),
    ],
    usual: Usual {
        malformed: BAD,
        unauthorised: "Unauthorized",
        no_model: "NotFoundError",
        broken: "InternalServerError",
    },
    reasoning: "reasoning",
    role: RoleAt::OwnChunk,
    finish: FinishAt::LastSaying,
    usage: UsageAt::OwnChunk { null_before: false },
    twin_null: false,
    opening: "",
    whole_opening: "",
    event_stream_type: "text/event-stream; charset=utf-8",
    choice: vllm_choice,
    envelope: vllm_envelope,
    usage_body: vllm_usage,
    error_body: vllm_error,
    error_then_done: true,
    admit,
    check: vllm_check,
    headers: no_headers,
    models: Some(&["qwen3-8b"]),
    ..super::openai::PROFILE
};

pub(crate) static LLAMACPP: Profile = Profile {
    name: "llamacpp",
    label: "llama.cpp",
    codes: &[
        code(
            "invalid_request_error",
            400,
            "invalid_request_error",
            "The request body is invalid.",
        ),
        code(
            "exceed_context_size_error",
            400,
            "exceed_context_size_error",
            "the request exceeds the available context size",
        ),
        code(
            "authentication_error",
            401,
            "authentication_error",
            "Invalid API Key",
        ),
        code("not_found_error", 404, "not_found_error", "model not found"),
        code("server_error", 500, "server_error", "Internal error"),
        code(
            "not_supported_error",
            501,
            "not_supported_error",
            "This feature is not supported",
        ),
        code(
            "unavailable_error",
            503,
            "unavailable_error",
            "Loading model",
        ),
    ],
    usual: Usual {
        malformed: "invalid_request_error",
        unauthorised: "authentication_error",
        no_model: "not_found_error",
        broken: "server_error",
    },
    reasoning: "reasoning_content",
    finish: FinishAt::Bare,
    opening: ":\n\n",
    event_stream_type: "text/event-stream",
    choice,
    envelope: llamacpp_envelope,
    usage_body: llamacpp_usage,
    error_body: llamacpp_error,
    error_then_done: false,
    check: llamacpp_check,
    models: Some(&["local.gguf"]),
    ..VLLM
};

pub(crate) static OLLAMA: Profile = Profile {
    name: "ollama",
    label: "Ollama",
    codes: &[
        code("", 400, "invalid_request_error", "invalid JSON"),
        code(
            "not_found_error",
            404,
            "api_error",
            "model not found, try pulling it first",
        ),
        code(
            "server_error",
            500,
            "api_error",
            "llama runner process has terminated",
        ),
        code(
            "overloaded",
            503,
            "api_error",
            "server busy, please try again.  maximum pending requests exceeded",
        ),
    ],
    usual: Usual {
        malformed: "",
        unauthorised: "",
        no_model: "not_found_error",
        broken: "server_error",
    },
    reasoning: "reasoning",
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    event_stream_type: "text/event-stream",
    choice: ollama_choice,
    envelope: ollama_envelope,
    usage_body: ollama_usage,
    error_body: ollama_error,
    error_then_done: false,
    admit: anyone,
    check: ollama_check,
    models: Some(&["llama3.2:latest"]),
    ..VLLM
};

/// No key is good, a key is good, a key with `invalid` in it is not.
pub(super) fn admit(profile: &Profile, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    let sent = arrived.headers.contains_key(http::header::AUTHORIZATION);
    if sent && bearer(arrived.headers).is_none() {
        return Err(profile.trouble(profile.usual().unauthorised));
    }
    Ok(())
}

pub(super) fn anyone(_profile: &Profile, _arrived: &Arrived<'_>) -> Result<(), Trouble> {
    Ok(())
}

/// What all three refuse.
pub(super) fn check(profile: &Profile, body: &Value, ask: &Ask) -> Result<(), Trouble> {
    let bad = |message: &str| profile.refuse(profile.usual().malformed, message);
    if read::outside(body, "temperature", |value| value >= 0.0) {
        return Err(bad("temperature must be non-negative"));
    }
    if read::outside(body, "n", |value| value >= 1.0) {
        return Err(bad("n must be at least 1"));
    }
    if ask.turns.iter().any(|turn| turn.role.is_empty()) {
        return Err(bad("every message needs a role"));
    }
    Ok(())
}

pub(super) fn vllm_choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    let entry = Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .raw("logprobs", choice.logprobs)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"));
    match finish {
        Some(_) => entry.null("stop_reason").end(),
        None => entry.end(),
    }
}

pub(super) fn vllm_envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "chatcmpl-sim")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

fn vllm_usage(usage: &Usage) -> String {
    Obj::new()
        .int("prompt_tokens", usage.prompt)
        .int("total_tokens", usage.total())
        .int("completion_tokens", usage.completion)
        .end()
}

/// `code` is the status as a number; a refused key is a bare string.
pub(super) fn vllm_error(trouble: &Trouble, _serial: u64) -> String {
    if trouble.status == 401 {
        return Obj::new().str("error", &trouble.message).end();
    }
    let error = Obj::new()
        .str("message", &trouble.message)
        .str("type", &trouble.kind)
        .null("param")
        .int("code", i64::from(trouble.status));
    Obj::new().raw("error", &error.end()).end()
}

pub(super) fn vllm_check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    check(profile, body, ask)?;
    if read::given(body, "stream_options") && !ask.stream {
        return Err(profile.refuse(
            BAD,
            "Stream options can only be defined when `stream=True`.",
        ));
    }
    choices_and_logprobs(body, ask);
    if *at(body, &["stream_options", "continuous_usage_stats"]) == true
        && ask.usage == UsageWish::End
    {
        ask.usage = UsageWish::Each;
    }
    Ok(())
}

fn llamacpp_envelope(envelope: &Envelope<'_>) -> String {
    let timings = Obj::new()
        .int("cache_n", 0)
        .int("prompt_n", 9)
        .raw("prompt_ms", "12.5")
        .raw("prompt_per_second", "720.0")
        .int("predicted_n", 20)
        .raw("predicted_ms", "400.25")
        .raw("predicted_per_second", "49.97")
        .end();
    let separate_usage = envelope.streams && envelope.choices == "[]";
    let timed = envelope.last && (!envelope.streams || separate_usage || envelope.usage.is_none());
    Obj::new()
        .raw("choices", envelope.choices)
        .int("created", envelope.stamp.created)
        .str("id", &format!("chatcmpl-sim{:08x}", envelope.stamp.serial))
        .str("model", &envelope.stamp.model)
        .str("system_fingerprint", "b9999-sim")
        .str(
            "object",
            if envelope.streams {
                "chat.completion.chunk"
            } else {
                "chat.completion"
            },
        )
        .maybe("usage", envelope.usage)
        .maybe("timings", timed.then_some(timings.as_str()))
        .end()
}

fn llamacpp_usage(usage: &Usage) -> String {
    let cached = Obj::new().int("cached_tokens", 0).end();
    Obj::new()
        .int("completion_tokens", usage.completion)
        .int("prompt_tokens", usage.prompt)
        .int("total_tokens", usage.total())
        .raw("prompt_tokens_details", &cached)
        .end()
}

fn llamacpp_error(trouble: &Trouble, _serial: u64) -> String {
    let error = Obj::new()
        .int("code", i64::from(trouble.status))
        .str("message", &trouble.message)
        .str("type", &trouble.kind);
    let error = match trouble.code.as_str() {
        "exceed_context_size_error" => error.int("n_prompt_tokens", 5000).int("n_ctx", 4096),
        _ => error,
    };
    Obj::new().raw("error", &error.end()).end()
}

fn llamacpp_check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    check(profile, body, ask)?;
    choices_and_logprobs(body, ask);
    Ok(())
}

/// Ollama has no log probabilities on this path.
fn ollama_choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(quoted);
    Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(choice.slot, choice.said)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .end()
}

fn ollama_envelope(envelope: &Envelope<'_>) -> String {
    opening(envelope, "chatcmpl-")
        .str("system_fingerprint", "fp_ollama")
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

fn ollama_usage(usage: &Usage) -> String {
    counts(usage).end()
}

fn ollama_error(trouble: &Trouble, serial: u64) -> String {
    let bare = Trouble {
        code: String::new(),
        ..trouble.clone()
    };
    error_body(&bare, serial)
}

/// Ignores `tool_choice`, `parallel_tool_calls`, `n` and `max_completion_tokens`; arguments always come whole.
fn ollama_check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    check(profile, body, ask)?;
    ask.call = crate::plan::CallWish::Auto;
    ask.parallel = true;
    ask.tool_pieces = false;
    let cap = at(body, &["max_tokens"]).as_u64();
    ask.tokens_max = cap.and_then(|cap| usize::try_from(cap).ok());
    ask.think = read::given(body, "reasoning_effort") && *at(body, &["reasoning_effort"]) != "none";
    Ok(())
}
