//! Lens over a messages request: what governs it, checked; all else left alone.
//!
//! Reads the scanned tape once and copies nothing but the model's name. Knows no vendor and no policy.

use bytes::Bytes;
use wire::Fault;
use wire::facts::RequestFacts;
use wire::json::{self, Type, Value};

use crate::dialects::openai_chat::request::{
    bad, check_key, check_messages, flag, look_alike, model_name, tokens,
};

/// Keys that decide where a request goes, what it may cost and what is inspected.
const GOVERNED: &[&str] = &[
    "model",
    "messages",
    "system",
    "stream",
    "max_tokens",
    "tools",
    "tool_choice",
    "stop_sequences",
    "thinking",
    "output_config",
];

/// The same in a block of a message.
const GOVERNED_IN_BLOCK: &[&str] = &["type", "text", "input", "content", "source", "thinking"];

/// Blocks of one message (`governance/threats.md`, section 3: as messages of a request).
const BLOCKS_MAX: usize = 4096;

/// Reads a request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn read(body: &Bytes, tape: json::Tape) -> Result<RequestFacts, Fault> {
    let mut facts = RequestFacts {
        // This dialect always counts.
        usage_asked: true,
        thoughts: true,
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
    let (mut model, mut messages) = (None, None);
    for (key, value) in root.members() {
        let name = key.text_bytes();
        check_key(&name, GOVERNED)?;
        match &*name {
            b"model" => model = Some(value),
            b"messages" => messages = Some(value),
            b"stream" => facts.stream = flag(value, "stream")?,
            b"max_tokens" => facts.max_tokens = tokens(value, "max_tokens")?,
            b"tools" => facts.tools = value.elements().next().is_some(),
            b"output_config" => {
                facts.structured = value.get("format").is_some_and(|one| !one.is_null());
            }
            _ => {}
        }
    }
    let model = model.ok_or_else(|| bad("'model' is required.").param("model"))?;
    facts.model = model_name(model)?;
    facts.model_span = model.span();
    facts.turns = check_messages(messages)?;
    for (at, message) in messages.iter().flat_map(Value::elements).enumerate() {
        check_message(at, message)?;
    }
    Ok(())
}

/// Roles and shapes: what is no message must not pass as one that nobody has read.
fn check_message(at: usize, message: Value<'_>) -> Result<(), Fault> {
    let wrong =
        |field: &str, text: &'static str| Err(bad(text).param(format!("messages[{at}].{field}")));
    for (key, _) in message.members() {
        look_alike(&key.text_bytes(), &["role", "content"])?;
    }
    let known = |role: &Value<'_>| {
        ["user", "assistant", "system"]
            .iter()
            .any(|known| role.is_named(known))
    };
    if !message.get("role").is_some_and(|role| known(&role)) {
        return wrong(
            "role",
            "A message's role must be user, assistant or system.",
        );
    }
    let Some(content) = message.get("content") else {
        return wrong("content", "A message needs content.");
    };
    match content.kind() {
        Type::String => Ok(()),
        Type::Array => {
            for (nth, block) in content.elements().enumerate() {
                if nth >= BLOCKS_MAX {
                    return wrong("content", "A message holds more than 4096 blocks.");
                }
                if block.kind() != Type::Object || block.get("type").is_none() {
                    return wrong("content", "A block must be an object with a type.");
                }
                for (key, _) in block.members() {
                    look_alike(&key.text_bytes(), GOVERNED_IN_BLOCK)?;
                }
            }
            Ok(())
        }
        _ => wrong("content", "Content must be a string or an array of blocks."),
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
        let facts = read_text(r#"{"model":"claude-x","max_tokens":9,"stream":true,"tools":[{"name":"f"}],"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text","text":"b"}]}],"output_config":{"format":{"type":"json_schema"}}}"#).unwrap();
        assert_eq!(
            (facts.model.as_str(), facts.model_span.clone()),
            ("claude-x", 9..19)
        );
        assert_eq!((facts.max_tokens, facts.turns), (Some(9), 2));
        assert!(facts.stream && facts.usage_asked && facts.tools && facts.structured);
    }

    #[test]
    fn refuses() {
        for (body, field) in [
            ("[]", ""),
            (r#"{"messages":[{"role":"user","content":"a"}]}"#, "model"),
            (r#"{"model":"m"}"#, "messages"),
            (r#"{"model":"m","messages":[]}"#, "messages"),
            (
                r#"{"model":"m","messages":[{"content":"a"}]}"#,
                "messages[0].role",
            ),
            (
                r#"{"model":"m","messages":[{"role":"tool","content":"a"}]}"#,
                "messages[0].role",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user"}]}"#,
                "messages[0].content",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":1}]}"#,
                "messages[0].content",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":["a"]}]}"#,
                "messages[0].content",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":0}"#,
                "max_tokens",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":"a"}],"System":"a"}"#,
                "system",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":"a","Role":"x"}]}"#,
                "role",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","Text":"a"}]}]}"#,
                "text",
            ),
            (
                r#"{"model":"m","messages":[{"role":"user","content":"a"}],"base_url":"x"}"#,
                "base_url",
            ),
        ] {
            let fault = read_text(body).unwrap_err();
            assert_eq!(fault.field().unwrap_or_default(), field, "{body}");
        }
    }
}
