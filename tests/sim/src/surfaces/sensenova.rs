//! 商汤 日日新, two voices: the current platform, usage unasked in a chunk of its own; and the older native protocol, all
//! in `data`, a message or a delta that is a bare string, `status` beside it, JWT from access key and secret.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{counts, no_headers};
use super::read::{self, LENIENT, Rules};
use super::{Arrived, Code, Trouble, Usual, Voice, bearer, code, openai};
use crate::json::{self, Obj, at, quoted};
use crate::plan::{Ask, Usage};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

const BAD: &str = "invalid_request_error";

pub(crate) static PROFILE: Profile = Profile {
    name: "sensenova",
    label: "日日新",
    codes: CODES,
    usual: Usual {
        malformed: BAD,
        unauthorised: "authentication_error",
        no_model: "model_not_found",
        broken: "server_error",
    },
    role: RoleAt::OwnChunk,
    finish: FinishAt::Bare,
    usage: UsageAt::OwnChunkAlways,
    envelope: openai::plain_envelope,
    usage_body: |usage| counts(usage).end(),
    check,
    headers: no_headers,
    models: Some(&["sensenova-6.8-flash-lite"]),
    ..openai::PROFILE
};

pub(crate) static NATIVE: Profile = Profile {
    name: "sensenova-native",
    path: "/chat-completions",
    codes: NATIVE_CODES,
    usual: Usual {
        malformed: "3",
        unauthorised: "16",
        no_model: "5",
        broken: "13",
    },
    role: RoleAt::FirstSaying,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    prefix: "data:",
    choice: native_choice,
    envelope: native_envelope,
    usage_body: native_usage,
    error_body: native_error,
    admit: native_admit,
    check: native_check,
    models: None,
    ..PROFILE
};

static CODES: &[Code] = &[
    code(BAD, 400, BAD, "The request is not valid"),
    code(
        "too_long",
        400,
        BAD,
        "This model's maximum context length is 262144 tokens",
    ),
    code(
        "authentication_error",
        401,
        "authentication_error",
        "Invalid API key",
    ),
    code("model_not_found", 404, BAD, "The model does not exist"),
    code(
        "quota_exceeded",
        429,
        "quota_exceeded_error",
        "quota exceeded, try again later",
    ),
    code("server_error", 500, "server_error", "Internal error"),
];

static NATIVE_CODES: &[Code] = &[
    code("3", 400, "", "invalid argument"),
    code(
        "3-context",
        400,
        "",
        "the context length of the model is exceeded",
    ),
    code("17", 400, "", "the input is judged sensitive"),
    code("16", 401, "", "the token is not valid"),
    code("7", 403, "", "permission denied for model SenseChat-5"),
    code("5", 404, "", "no such model"),
    code("8", 429, "", "RPM limit"),
    code("13", 500, "", "internal"),
    code("14", 503, "", "unavailable"),
];

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    const RULES: Rules = Rules {
        ranges: &[
            ("temperature", 0.0, 2.0),
            ("top_p", 0.0, 1.0),
            ("max_tokens", 1.0, 65_536.0),
        ],
        unknown: &["max_completion_tokens"],
        ..LENIENT
    };
    if let Some(why) = read::broken(&RULES, body, ask) {
        return Err(profile.refuse(BAD, why));
    }
    openai::choices_and_logprobs(body, ask);
    ask.logprobs = None;
    Ok(())
}

/// The text comes out of the object that other vendors have; reasoning and calls stand beside it.
fn native_choice(choice: &Choice<'_>) -> String {
    let said = json::parse(choice.said.as_bytes()).unwrap_or_default();
    let text = at(&said, &["content"]).as_str().unwrap_or_default();
    let beside = |key: &str| {
        let value = at(&said, &[key]);
        (!value.is_null()).then(|| value.to_string())
    };
    let finish = choice.finish.map(|word| {
        let recalled = choice.recalled && word == "content_filter";
        if recalled { "sensitive" } else { word }
    });
    Obj::new()
        .raw("index", &choice.index.to_string())
        .str("role", "assistant")
        .raw(choice.slot, &quoted(text))
        .maybe("reasoning_content", beside("reasoning_content").as_deref())
        .maybe("tool_calls", beside("tool_calls").as_deref())
        .str("finish_reason", finish.unwrap_or_default())
        .end()
}

fn native_envelope(envelope: &Envelope<'_>) -> String {
    let data = Obj::new()
        .str("id", &format!("sim{:08x}", envelope.stamp.serial))
        .raw("choices", envelope.choices)
        .maybe("usage", envelope.usage);
    let well = Obj::new().int("code", 0).str("message", "ok").end();
    Obj::new()
        .raw("data", &data.end())
        .maybe("status", envelope.streams.then_some(well.as_str()))
        .end()
}

fn native_usage(usage: &Usage) -> String {
    counts(usage).int("knowledge_tokens", 0).end()
}

fn native_error(trouble: &Trouble, _serial: u64) -> String {
    let number = trouble.code.split('-').next().unwrap_or_default();
    let error = Obj::new()
        .raw("code", number)
        .str("message", &trouble.message)
        .raw("details", "[]");
    Obj::new().raw("error", &error.end()).end()
}

/// A key that begins with `sk-`, or a JWT signed with the secret that the simulator was told.
fn native_admit(profile: &Profile, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    let token = bearer(arrived.headers).unwrap_or_default();
    let now_s = arrived.now_ms / 1000;
    if token.starts_with("sk-") || jwt(token, now_s).is_some() {
        return Ok(());
    }
    Err(profile.trouble("16"))
}

fn jwt(token: &str, now_s: i64) -> Option<()> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let read = |part: &str| json::parse(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (read(header)?, read(claims)?);
    let key = hmac::Key::new(
        hmac::HMAC_SHA256,
        crate::SENSENOVA_TEST_SECRET_KEY.as_bytes(),
    );
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    hmac::verify(&key, signed.as_bytes(), &signature).ok()?;
    let number = |key: &str| at(&claims, &[key]).as_i64();
    let known = *at(&claims, &["iss"]) == crate::SENSENOVA_TEST_ACCESS_KEY;
    let good = *at(&header, &["alg"]) == "HS256" && known;
    (good && number("exp")? > now_s && number("nbf")? <= now_s).then_some(())
}

fn native_check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    const RULES: Rules = Rules {
        ranges: &[
            ("temperature", 0.000_001, 2.0),
            ("top_p", 0.000_001, 0.999_999),
            ("n", 1.0, 4.0),
            ("max_new_tokens", 1.0, 2048.0),
        ],
        unknown: &[
            "max_tokens",
            "max_completion_tokens",
            "stop",
            "frequency_penalty",
            "presence_penalty",
            "response_format",
        ],
        parts: false,
        ..LENIENT
    };
    if let Some(why) = read::broken(&RULES, body, ask) {
        return Err(profile.refuse("3", why));
    }
    let cap = at(body, &["max_new_tokens"]).as_u64();
    ask.tokens_max = cap.and_then(|cap| usize::try_from(cap).ok());
    openai::choices_and_logprobs(body, ask);
    ask.logprobs = None;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_the_published_vector() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBS19URVNUXzAwMDEiLCJleHAiOjE3MzU2OTE0MDAsIm5iZiI6MTczNTY4OTU5NX0.ldbqqQ2lhTigh4o24ncnQc3pzQB1Mc97zb4WdIOVZNE";
        assert_eq!(jwt(token, 1_735_689_600), Some(()));
        assert_eq!(jwt(token, 1_735_689_594), None, "not yet valid");
        assert_eq!(jwt(token, 1_735_691_400), None, "expired");
        assert_eq!(jwt(&token.replace("ldbq", "ldbr"), 1_735_689_600), None);
    }
}
