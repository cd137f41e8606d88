//! Lens over a native request: what governs it, checked; all else left alone.
//!
//! The conversation stands in `input`, settings in `parameters`. How the reply is to be written depends on both and on the
//! path. Knows no vendor, no policy and no limit that a config could change.

use bytes::Bytes;
use wire::Fault;
use wire::facts::{RequestFacts, Shape};
use wire::json::{self, Type, Value};

use crate::dialects::openai_chat::request::{
    bad, check_key, check_messages, count, look_alike, model_name, tokens,
};
use crate::places::Asked;

/// The path of models that see and hear; replies there are lists of parts.
pub(super) const MULTIMODAL: &str = "/api/v1/services/aigc/multimodal-generation/generation";

/// Keys that decide where a request goes, what it may cost and what is inspected.
const GOVERNED: &[&str] = &["model", "input", "parameters"];
/// The same inside `input`.
const GOVERNED_IN_INPUT: &[&str] = &["messages", "prompt", "history"];
/// The same inside `parameters`.
const GOVERNED_IN_PARAMETERS: &[&str] = &[
    "incremental_output",
    "max_tokens",
    "n",
    "response_format",
    "result_format",
    "stop",
    "tool_choice",
    "tools",
];

/// Reads a request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn read(body: &Bytes, tape: json::Tape, asked: &Asked) -> Result<RequestFacts, Fault> {
    let mut facts = RequestFacts {
        stream: asked.stream,
        // This dialect always counts.
        usage_asked: true,
        thoughts: true,
        ..RequestFacts::default()
    };
    {
        let root = Value::root(&tape, body).filter(|root| root.kind() == Type::Object);
        let root = root.ok_or_else(|| bad("The request body must be a JSON object."))?;
        see(root, &mut facts, asked.endpoint.path == MULTIMODAL)?;
    }
    facts.tape = tape;
    Ok(facts)
}

fn see(root: Value<'_>, facts: &mut RequestFacts, multimodal: bool) -> Result<(), Fault> {
    let (mut model, mut input, mut parameters) = (None, None, None);
    for (key, value) in root.members() {
        let name = key.text_bytes();
        check_key(&name, GOVERNED)?;
        match &*name {
            b"model" => model = Some(value),
            b"input" => input = Some(value),
            b"parameters" => parameters = Some(value).filter(|value| !value.is_null()),
            _ => {}
        }
    }
    let model = model.ok_or_else(|| bad("'model' is required.").param("model"))?;
    facts.model = model_name(model)?;
    facts.model_span = model.span();
    let input = input.filter(|input| input.kind() == Type::Object);
    let input =
        input.ok_or_else(|| bad("'input' is required and must be an object.").param("input"))?;
    facts.turns = turns(input)?;
    let (mut incremental, mut message) = (false, multimodal);
    if let Some(parameters) = parameters {
        if parameters.kind() != Type::Object {
            return Err(bad("'parameters' must be an object.").param("parameters"));
        }
        for (key, value) in parameters.members() {
            let name = key.text_bytes();
            look_alike(&name, GOVERNED_IN_PARAMETERS)?;
            match &*name {
                b"max_tokens" => facts.max_tokens = tokens(value, "parameters.max_tokens")?,
                b"n" => facts.choices = count(value, "n")?,
                b"incremental_output" => incremental = value.as_bool().unwrap_or(false),
                b"result_format" => message |= value.is_named("message"),
                b"tools" => facts.tools = value.elements().next().is_some(),
                b"logprobs" => facts.logprobs = value.as_bool().unwrap_or(false),
                b"response_format" => {
                    let kind = value.get("type");
                    facts.structured = kind.is_some_and(|kind| !kind.is_named("text"));
                }
                _ => {}
            }
        }
    }
    facts.shape = Shape {
        cumulative: facts.stream && !incremental,
        // With tools the vendor answers in messages whatever is asked for.
        bare: !message && !facts.tools,
        parts: multimodal,
        ..Shape::default()
    };
    Ok(())
}

fn turns(input: Value<'_>) -> Result<u32, Fault> {
    for (key, _) in input.members() {
        look_alike(&key.text_bytes(), GOVERNED_IN_INPUT)?;
    }
    if input.get("history").is_some_and(|value| !value.is_null()) {
        return Err(bad(
            "'input.history' is not supported: send the conversation as 'input.messages'.",
        )
        .param("input.history"));
    }
    let given = |name: &str| input.get(name).filter(|value| !value.is_null());
    match (given("messages"), given("prompt")) {
        (Some(_), Some(_)) => Err(bad(
            "'input' holds both 'messages' and 'prompt': which one counts is not defined.",
        )
        .param("input.prompt")),
        (None, Some(prompt)) if prompt.kind() == Type::String => Ok(1),
        (None, Some(_)) => Err(bad("'input.prompt' must be a string.").param("input.prompt")),
        (messages, None) => check_messages(messages),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::ClientDialect as _;
    use crate::dialects::dashscope::DashScope;
    use wire::json::{Limits, scan};

    fn facts(body: &str, path: usize, stream: bool) -> Result<RequestFacts, Fault> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let asked = Asked {
            stream,
            ..Asked::at(&DashScope.endpoints()[path])
        };
        read(&body, scan(&body, &Limits::default()).unwrap(), &asked)
    }

    #[test]
    fn reads_what_governs() {
        let body = r#"{"model":"qwen","input":{"messages":[{"role":"user","content":"a"}]},"parameters":{"max_tokens":5,"n":2,"result_format":"message","incremental_output":true}}"#;
        let read = facts(body, 0, true).unwrap();
        assert_eq!((read.model.as_str(), read.turns), ("qwen", 1));
        assert_eq!((read.max_tokens, read.choices), (Some(5), 2));
        assert!(read.stream && read.shape == Shape::default());
        let read = facts(r#"{"model":"m","input":{"prompt":"a"}}"#, 0, true).unwrap();
        assert!(read.shape.cumulative && read.shape.bare && !read.shape.parts);
        let read = facts(r#"{"model":"m","input":{"prompt":"a"}}"#, 1, false).unwrap();
        assert!(!read.shape.cumulative && !read.shape.bare && read.shape.parts);
    }

    #[test]
    fn refuses() {
        for (body, field) in [
            ("[]", ""),
            (r#"{"input":{"prompt":"a"}}"#, "model"),
            (r#"{"model":"m"}"#, "input"),
            (r#"{"model":"m","input":{}}"#, "messages"),
            (r#"{"model":"m","input":{"prompt":1}}"#, "input.prompt"),
            (
                r#"{"model":"m","input":{"prompt":"a","messages":[{}]}}"#,
                "input.prompt",
            ),
            (
                r#"{"model":"m","input":{"prompt":"a","history":[]}}"#,
                "input.history",
            ),
            (r#"{"model":"m","input":{"Prompt":"a"}}"#, "prompt"),
            (
                r#"{"model":"m","input":{"prompt":"a"},"parameters":[]}"#,
                "parameters",
            ),
            (
                r#"{"model":"m","input":{"prompt":"a"},"parameters":{"max_tokens":0}}"#,
                "parameters.max_tokens",
            ),
            (
                r#"{"model":"m","input":{"prompt":"a"},"api_key":"x"}"#,
                "api_key",
            ),
        ] {
            let fault = facts(body, 0, false).unwrap_err();
            assert_eq!(fault.field().unwrap_or_default(), field, "{body}");
        }
    }
}
