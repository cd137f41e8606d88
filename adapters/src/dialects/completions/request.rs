//! Lens over a request: what governs it, checked, and where its texts stand; all else left alone.
//!
//! Reads the scanned tape once and copies nothing but the model's name. Knows no vendor and no policy.

use bytes::Bytes;
use wire::Fault;
use wire::facts::{Contents, RequestFacts, Source};
use wire::json::{self, Type, Value};

use crate::dialects::openai_chat::request::{
    CHOICES_MAX, bad, check_key, count, flag, model_name, tokens, usage_asked,
};
use crate::texts::{Own, Rules};

/// Keys that decide where a request goes, what it may cost and what is inspected.
const GOVERNED: &[&str] = &[
    "model",
    "prompt",
    "suffix",
    "stream",
    "stream_options",
    "max_tokens",
    "n",
    "best_of",
    "echo",
    "stop",
];

/// Prompts of one request, however many messages may be: each is answered by a choice of its own.
const PROMPTS_MAX: u64 = 4096;

/// What of a request is no text.
const RULES: Rules = Rules {
    keys: &[
        "model",
        "prompt",
        "suffix",
        "stream",
        "stream_options",
        "include_usage",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "n",
        "best_of",
        "echo",
        "logprobs",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "seed",
        "user",
    ],
    words: &[],
    json: &[],
    media: &["prompt_embeds"],
    coded: &[],
    places: &[],
    holders: &[],
    kept: &[],
};

/// The same of the body's own members.
const ROOT: Own = Own {
    numbers: &[
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "n",
        "best_of",
        "logprobs",
        "presence_penalty",
        "frequency_penalty",
        "seed",
    ],
    checked: &["model"],
};

/// Reads a request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn read(body: &Bytes, tape: json::Tape) -> Result<RequestFacts, Fault> {
    let mut facts = RequestFacts {
        ..RequestFacts::default()
    };
    {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        see(root, &mut facts)?;
    }
    facts.tape = tape;
    Ok(facts)
}

fn see(root: Value<'_>, facts: &mut RequestFacts) -> Result<(), Fault> {
    let (mut model, mut prompt, mut options, mut messages) = (None, None, None, false);
    let (mut choices, mut tried) = (1, 1);
    for (key, value) in root.members() {
        let name = key.text_bytes();
        check_key(&name, GOVERNED)?;
        match &*name {
            b"model" => model = Some(value),
            b"prompt" => prompt = Some(value),
            b"messages" => messages = true,
            b"stream" => facts.stream = flag(value, "stream")?,
            b"stream_options" => options = Some(value),
            b"max_tokens" => facts.max_tokens = tokens(value, "max_tokens")?,
            b"n" => choices = count(value, "n")?,
            b"best_of" => tried = count(value, "best_of")?,
            b"echo" => {
                flag(value, "echo")?;
            }
            b"logprobs" => facts.logprobs = value.as_u64().is_some(),
            _ => {}
        }
    }
    let model = model.ok_or_else(|| bad("'model' is required.").param("model"))?;
    facts.model = model_name(model)?;
    facts.model_span = model.span();
    facts.usage_asked = usage_asked(options)?;
    let prompts = check_prompt(prompt, messages)?;
    facts.turns = u32::try_from(prompts).unwrap_or(u32::MAX);
    // What is tried costs as much as what is shown.
    let all = prompts.saturating_mul(u64::from(choices.max(tried)));
    facts.choices = u32::try_from(all).unwrap_or(u32::MAX);
    if all > CHOICES_MAX.max(prompts) {
        return Err(bad("More than 128 completions of one request.").param("n"));
    }
    Ok(())
}

/// How many prompts there are.
fn check_prompt(prompt: Option<Value<'_>>, messages: bool) -> Result<u64, Fault> {
    let wrong = |message| Err(bad(message).param("prompt"));
    let Some(prompt) = prompt.filter(|prompt| !prompt.is_null()) else {
        return wrong(if messages {
            "'prompt' is missing and 'messages' is not a field of completions; a request of chat completions belongs to /v1/chat/completions."
        } else {
            "'prompt' is required."
        });
    };
    let mut count = 0;
    match prompt.kind() {
        Type::String => return Ok(1),
        Type::Array => {
            for one in prompt.elements() {
                match one.kind() {
                    Type::String => count += 1,
                    Type::Number | Type::Array => {
                        return wrong(
                            "A prompt of token ids cannot be inspected. Send it as text.",
                        );
                    }
                    _ => return wrong("Every prompt must be a string."),
                }
            }
        }
        _ => return wrong("'prompt' must be a string or an array of strings."),
    }
    match count {
        0 => wrong("'prompt' must not be empty."),
        1..=PROMPTS_MAX => Ok(count),
        _ => wrong("'prompt' holds more than 4096 prompts."),
    }
}

/// All texts of a request.
pub(super) fn contents(body: &[u8], facts: &RequestFacts) -> Contents {
    let mut contents = Contents::default();
    let Some(root) = Value::root(&facts.tape, body) else {
        return contents;
    };
    for (key, value) in root.members() {
        let mut add = |key, value, source, turn| {
            RULES.collect_of(
                &ROOT,
                &facts.tape,
                body,
                (key, value),
                (source, turn),
                &mut contents,
            );
        };
        // The key itself too: an unknown one may say anything.
        add(None, key, Source::System, None);
        if key.is_named("prompt") && value.kind() == Type::Array {
            for (turn, one) in value.elements().enumerate() {
                add(Some(key), one, Source::User, u32::try_from(turn).ok());
            }
        } else if key.is_named("prompt") || key.is_named("suffix") {
            // The one goes on from the other, with the model's text between them.
            let turn = u32::from(key.is_named("suffix"));
            add(Some(key), value, Source::User, Some(turn));
        } else {
            add(Some(key), value, Source::System, None);
        }
    }
    contents
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
        let facts = read_text(r#"{"model":"m","prompt":["a","b"],"n":2,"best_of":3,"stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"logprobs":0}"#).unwrap();
        assert_eq!((facts.choices, facts.turns), (6, 2));
        assert_eq!(
            (facts.max_tokens, facts.model_span.clone()),
            (Some(9), 9..12)
        );
        assert!(facts.stream && facts.usage_asked && facts.logprobs);
        let plain = read_text(r#"{"model":"m","prompt":"a","logprobs":null}"#).unwrap();
        assert_eq!((plain.choices, plain.turns), (1, 1));
        assert!(!plain.logprobs);
    }

    #[test]
    fn refuses() {
        for (body, field) in [
            ("[]", ""),
            (r#"{"prompt":"a"}"#, "model"),
            (r#"{"model":"m"}"#, "prompt"),
            (r#"{"model":"m","prompt":null}"#, "prompt"),
            (r#"{"model":"m","messages":[]}"#, "prompt"),
            (r#"{"model":"m","prompt":[]}"#, "prompt"),
            (r#"{"model":"m","prompt":[1,2]}"#, "prompt"),
            (r#"{"model":"m","prompt":[[1,2]]}"#, "prompt"),
            (r#"{"model":"m","prompt":["a",{}]}"#, "prompt"),
            (r#"{"model":"m","prompt":{}}"#, "prompt"),
            (r#"{"model":"m","prompt":"a","n":0}"#, "n"),
            (r#"{"model":"m","prompt":"a","best_of":129}"#, "best_of"),
            (r#"{"model":"m","prompt":["a","b"],"n":65}"#, "n"),
            (r#"{"model":"m","prompt":"a","max_tokens":0}"#, "max_tokens"),
            (r#"{"model":"m","prompt":"a","echo":"yes"}"#, "echo"),
            (r#"{"model":"m","prompt":"a","Prompt":"b"}"#, "prompt"),
            (r#"{"model":"m","prompt":"a","base_url":"x"}"#, "base_url"),
        ] {
            let fault = read_text(body).unwrap_err();
            assert_eq!(fault.field().unwrap_or_default(), field, "{body}");
        }
    }
}
