//! Lens over a chat-completions request: what governs it, checked; all else left alone.
//!
//! Reads the scanned tape once and copies nothing but the model's name. Knows no vendor, no policy and no limit that a
//! config could change. Refuses what another parser could read differently (`governance/threats.md`, section 4).

use bytes::Bytes;
use wire::facts::{RequestFacts, Shape};
use wire::json::{self, Type, Value, text};
use wire::{Fault, Kind};

/// Bytes of a model's name.
pub const MODEL_BYTES_MAX: usize = 256;
/// Choices of one request.
pub const CHOICES_MAX: u64 = 128;

/// Keys that decide where a request goes, what it may cost and what is inspected. A key that only looks the same is
/// refused: lenient parsers would take it for the key itself.
const GOVERNED: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "stop",
];

/// The same inside a message.
const GOVERNED_IN_MESSAGE: &[&str] = &["role", "content", "name", "tool_calls", "tool_call_id"];

/// Fields by which clients of other gateways choose the upstream, the model or a credential; here never honoured (T-23), and
/// not passed on: behind an upstream that routes, they would go round what a key may ask for and a provider is cleared for.
const FORBIDDEN: &[&str] = &[
    "api_base",
    "base_url",
    "api_key",
    "api_type",
    "api-key",
    "api_version",
    "authorization",
    "custom_llm_provider",
    "default_headers",
    "default_query",
    "extra_body",
    "extra_headers",
    "extra_query",
    "headers",
    "http_client",
    "fallbacks",
    "litellm_credential_name",
    "litellm_params",
    "model_list",
    "models",
    "organization",
    "provider",
    "route",
    "user_config",
    "proxies",
    "proxy",
    "azure_ad_token",
    "azure_endpoint",
    "aws_access_key_id",
    "aws_bedrock_runtime_endpoint",
    "aws_role_name",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region_name",
    "vertex_ai_credentials",
    "vertex_ai_location",
    "vertex_ai_project",
    "vertex_credentials",
    "vertex_location",
    "vertex_project",
];

/// Letters that they begin with, the lowest bit for `a`: few usual fields begin with one of them.
const FORBIDDEN_BEGIN: u32 = {
    let (mut letters, mut rest) = (0, FORBIDDEN);
    while let [name, others @ ..] = rest {
        if let [first, ..] = name.as_bytes() {
            letters |= 1 << (*first - b'a');
        }
        rest = others;
    }
    letters
};

/// Reads a request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn read(body: &Bytes, tape: json::Tape) -> Result<RequestFacts, Fault> {
    let seen = {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        see(root)?
    };
    Ok(RequestFacts {
        tape,
        model: seen.model,
        model_span: seen.model_span,
        stream: seen.stream,
        usage_asked: seen.usage_asked,
        max_tokens: seen.max_tokens,
        choices: seen.choices,
        turns: seen.turns,
        tools: seen.tools,
        structured: seen.structured,
        logprobs: seen.logprobs,
        thoughts: true,
        shape: Shape {
            functions: seen.functions && !seen.tools,
            ..Shape::default()
        },
    })
}

struct Seen {
    model: String,
    model_span: std::ops::Range<usize>,
    stream: bool,
    usage_asked: bool,
    max_tokens: Option<u64>,
    choices: u32,
    turns: u32,
    tools: bool,
    functions: bool,
    structured: bool,
    logprobs: bool,
}

fn see(root: Value<'_>) -> Result<Seen, Fault> {
    let (mut model, mut messages, mut input) = (None, None, false);
    let (mut stream, mut options, mut choices) = (false, None, 1);
    let (mut old_cap, mut cap) = (None, None);
    let (mut tools, mut functions) = (false, false);
    let (mut structured, mut logprobs) = (false, false);
    for (key, value) in root.members() {
        let name = key.text_bytes();
        check_key(&name, GOVERNED)?;
        match &*name {
            b"model" => model = Some(value),
            b"messages" => messages = Some(value),
            b"input" => input = true,
            b"stream" => stream = flag(value, "stream")?,
            b"stream_options" => options = Some(value),
            b"n" => choices = count(value, "n")?,
            b"max_tokens" => old_cap = tokens(value, "max_tokens")?,
            b"max_completion_tokens" => cap = tokens(value, "max_completion_tokens")?,
            b"tools" => tools = value.elements().next().is_some(),
            b"functions" => functions = value.elements().next().is_some(),
            b"response_format" => {
                structured = value.get("type").is_some_and(|kind| !kind.is_named("text"));
            }
            b"logprobs" => logprobs = value.as_bool().unwrap_or(false),
            _ => {}
        }
    }
    if messages.is_none() && input {
        return Err(bad(
            "'messages' is missing and 'input' is not a field of chat completions; \
             a request of the Responses API belongs to /v1/responses.",
        )
        .param("messages"));
    }
    let model = model.ok_or_else(|| bad("'model' is required.").param("model"))?;
    let turns = check_messages(messages)?;
    Ok(Seen {
        model: model_name(model)?,
        model_span: model.span(),
        stream,
        usage_asked: usage_asked(options)?,
        max_tokens: cap.or(old_cap),
        choices,
        turns,
        tools,
        functions,
        structured,
        logprobs,
    })
}

/// Refuses a field that asks for what was kept of an earlier request, or for something to be kept: nobody looked into it on
/// the way.
///
/// # Errors
/// `BadRequest` if it is `asked` for.
pub(crate) fn not_kept(name: &'static str, asked: bool) -> Result<(), Fault> {
    if !asked {
        return Ok(());
    }
    Err(
        bad("This gateway keeps nothing between requests, so this field cannot be honoured.")
            .reason("not_kept")
            .param(name),
    )
}

pub(crate) fn bad(message: &'static str) -> Fault {
    Fault::new(Kind::BadRequest).message(message)
}

/// Checks a top-level key against a dialect's governed ones and against what no request may say.
///
/// # Errors
/// `duplicate_key` for a look-alike of a governed key, `forbidden_parameter`.
pub(crate) fn check_key(name: &[u8], governed: &'static [&'static str]) -> Result<(), Fault> {
    let forbidden = if is_lower(name) {
        let may_be = name.first().is_some_and(|first| {
            let letter = first.wrapping_sub(b'a');
            letter < 32 && FORBIDDEN_BEGIN >> letter & 1 == 1
        });
        let mut all = FORBIDDEN.iter().filter(|_| may_be);
        all.find(|known| known.as_bytes() == name)
    } else {
        let name = std::str::from_utf8(name).unwrap_or_default();
        FORBIDDEN.iter().find(|known| text::folds_to(name, known))
    };
    if let Some(known) = forbidden {
        return Err(
            bad("A request may not choose its provider or carry credentials for one.")
                .reason("forbidden_parameter")
                .param(*known),
        );
    }
    look_alike(name, governed)
}

/// A key in plain lower case can only be a known one or none: nearly all keys are.
fn is_lower(name: &[u8]) -> bool {
    name.iter()
        .all(|byte| byte.is_ascii_lowercase() || *byte == b'_')
}

/// # Errors
/// `duplicate_key` for a key that differs from a governed one only in how its letters are written.
pub(crate) fn look_alike(name: &[u8], governed: &'static [&'static str]) -> Result<(), Fault> {
    if is_lower(name) {
        return Ok(());
    }
    let name = std::str::from_utf8(name).unwrap_or_default();
    match governed.iter().find(|known| text::folds_to(name, known)) {
        Some(known) if *known != name => Err(bad(
            "A key differs from a known one only in letter case; parsers disagree on what it means.",
        )
        .reason("duplicate_key")
        .param(*known)),
        _ => Ok(()),
    }
}

/// A model's name, checked.
///
/// # Errors
/// `BadRequest`.
pub(crate) fn model_name(value: Value<'_>) -> Result<String, Fault> {
    let name = value.as_str().unwrap_or_default();
    if !is_model_name(&name) {
        return Err(
            bad("'model' must be a string of 1 to 256 letters, digits and '._:/@-'.")
                .param("model"),
        );
    }
    Ok(name.into_owned())
}

/// Whether a text can be a model's name.
pub(crate) fn is_model_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
    (1..=MODEL_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// The list of messages, checked; how many there are.
///
/// # Errors
/// `BadRequest`.
pub(crate) fn check_messages(messages: Option<Value<'_>>) -> Result<u32, Fault> {
    let wrong = |message| Err(bad(message).param("messages"));
    let Some(messages) = messages.filter(|messages| messages.kind() == Type::Array) else {
        return wrong("'messages' is required and must be an array.");
    };
    let mut count = 0;
    for message in messages.elements() {
        if message.kind() != Type::Object {
            return Err(bad("Every message must be an object.").param(format!("messages[{count}]")));
        }
        for (key, _) in message.members() {
            look_alike(&key.text_bytes(), GOVERNED_IN_MESSAGE)?;
        }
        count += 1;
    }
    if count == 0 {
        return wrong("'messages' must not be empty.");
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A switch; `null` is off.
///
/// # Errors
/// `BadRequest`.
pub(crate) fn flag(value: Value<'_>, name: &'static str) -> Result<bool, Fault> {
    match value.as_bool() {
        Some(flag) => Ok(flag),
        None if value.is_null() => Ok(false),
        None => Err(bad("A field that must be true, false or null is not.").param(name)),
    }
}

/// Whether usage is asked for in a stream.
///
/// # Errors
/// `BadRequest`.
pub(crate) fn usage_asked(options: Option<Value<'_>>) -> Result<bool, Fault> {
    let Some(options) = options.filter(|options| !options.is_null()) else {
        return Ok(false);
    };
    if options.kind() != Type::Object {
        return Err(bad("'stream_options' must be an object.").param("stream_options"));
    }
    for (key, _) in options.members() {
        look_alike(&key.text_bytes(), &["include_usage"])?;
    }
    options.get("include_usage").map_or(Ok(false), |value| {
        flag(value, "stream_options.include_usage")
    })
}

/// How many of something are wanted.
///
/// # Errors
/// `BadRequest`.
pub(crate) fn count(value: Value<'_>, name: &'static str) -> Result<u32, Fault> {
    if value.is_null() {
        return Ok(1);
    }
    let count = value
        .as_u64()
        .filter(|count| (1..=CHOICES_MAX).contains(count))
        .and_then(|count| u32::try_from(count).ok());
    count.ok_or_else(|| bad("A count must be a whole number from 1 to 128.").param(name))
}

/// An output cap.
///
/// # Errors
/// `BadRequest`.
pub(crate) fn tokens(value: Value<'_>, name: &'static str) -> Result<Option<u64>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    match value.as_u64() {
        Some(tokens) if tokens >= 1 => Ok(Some(tokens)),
        _ => Err(bad("An output cap must be a whole number of tokens, 1 or more.").param(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::json::{Limits, scan};

    fn read_text(body: &str) -> Result<RequestFacts, Fault> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        read(&body, scan(&body, &Limits::default()).unwrap())
    }

    #[test]
    fn reads_what_governs() {
        let facts = read_text(r#"{"m\u006fdel":"a/b:c","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":true},"n":2,"max_tokens":5,"max_completion_tokens":7.0}"#).unwrap();
        assert_eq!(facts.model, "a/b:c");
        assert_eq!(facts.model_span, 14..21);
        assert!(facts.stream && facts.usage_asked);
        assert_eq!((facts.choices, facts.max_tokens), (2, Some(7)));
        let facts = read_text(r#"{"model":"a","messages":[{}],"stream":null,"stream_options":null,"n":null,"max_tokens":null}"#).unwrap();
        assert!(!facts.stream && !facts.usage_asked);
        assert_eq!((facts.choices, facts.max_tokens), (1, None));
    }

    /// Body, reason, field.
    const REFUSED: &[(&str, &str, &str)] = &[
        ("[]", "bad_request", ""),
        (r#"{"messages":[{}]}"#, "bad_request", "model"),
        (r#"{"model":1,"messages":[{}]}"#, "bad_request", "model"),
        (r#"{"model":"a b","messages":[{}]}"#, "bad_request", "model"),
        (r#"{"model":"a"}"#, "bad_request", "messages"),
        (r#"{"model":"a","messages":[]}"#, "bad_request", "messages"),
        (
            r#"{"model":"a","messages":[{},1]}"#,
            "bad_request",
            "messages[1]",
        ),
        (r#"{"model":"a","input":"hi"}"#, "bad_request", "messages"),
        (
            r#"{"model":"a","messages":[{}],"stream":1}"#,
            "bad_request",
            "stream",
        ),
        (
            r#"{"model":"a","messages":[{}],"stream_options":1}"#,
            "bad_request",
            "stream_options",
        ),
        (
            r#"{"model":"a","messages":[{}],"stream_options":{"include_usage":1}}"#,
            "bad_request",
            "stream_options.include_usage",
        ),
        (
            r#"{"model":"a","messages":[{}],"stream_options":{"Include_usage":true}}"#,
            "duplicate_key",
            "include_usage",
        ),
        (r#"{"model":"a","messages":[{}],"n":0}"#, "bad_request", "n"),
        (
            r#"{"model":"a","messages":[{}],"n":129}"#,
            "bad_request",
            "n",
        ),
        (
            r#"{"model":"a","messages":[{}],"max_tokens":-1}"#,
            "bad_request",
            "max_tokens",
        ),
        (
            r#"{"model":"a","messages":[{}],"max_tokens":1.5}"#,
            "bad_request",
            "max_tokens",
        ),
        (
            r#"{"model":"a","messages":[{}],"max_tokens":1e30}"#,
            "bad_request",
            "max_tokens",
        ),
        (
            r#"{"model":"a","messages":[{}],"MODEL":"b"}"#,
            "duplicate_key",
            "model",
        ),
        (
            r#"{"model":"a","me\u017f\u017fages":[{}],"messages":[{}]}"#,
            "duplicate_key",
            "messages",
        ),
        (
            r#"{"model":"a","messages":[{"Content":"x"}]}"#,
            "duplicate_key",
            "content",
        ),
        (
            r#"{"model":"a","messages":[{}],"api_base":"http://x"}"#,
            "forbidden_parameter",
            "api_base",
        ),
        (
            r#"{"model":"a","messages":[{}],"Extra_Headers":{}}"#,
            "forbidden_parameter",
            "extra_headers",
        ),
    ];

    #[test]
    fn refuses() {
        for (body, reason, field) in REFUSED {
            let fault = read_text(body).unwrap_err();
            assert_eq!(fault.kind(), Kind::BadRequest, "{body}");
            assert_eq!(fault.why(), *reason, "{body}");
            assert_eq!(fault.field().unwrap_or_default(), *field, "{body}");
        }
        let long = "x".repeat(257);
        let fault = read_text(&format!(r#"{{"model":"{long}","messages":[{{}}]}}"#)).unwrap_err();
        assert_eq!(
            (fault.kind(), fault.why(), fault.field()),
            (Kind::BadRequest, "bad_request", Some("model"))
        );
    }
}
