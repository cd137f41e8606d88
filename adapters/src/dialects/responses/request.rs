//! Lens over a request: what governs it, checked; all else left alone.
//!
//! Reads the scanned tape once and copies nothing but the model's name. Knows no vendor and no policy. What refers to
//! something that a vendor keeps is refused here: nobody could inspect it, and one caller could reach another's.

use bytes::Bytes;
use wire::Fault;
use wire::facts::RequestFacts;
use wire::json::{self, Type, Value};

use crate::dialects::openai_chat::request::{
    bad, check_key, flag, look_alike, model_name, not_kept, tokens,
};

/// Keys that decide where a request goes, what it may cost and what is inspected.
const GOVERNED: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "max_output_tokens",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "include",
    "store",
    "background",
    "conversation",
    "previous_response_id",
    "prompt",
];

/// The same in an item.
const GOVERNED_IN_ITEM: &[&str] = &[
    "type",
    "role",
    "content",
    "call_id",
    "name",
    "arguments",
    "output",
    "summary",
    "encrypted_content",
    "input",
];

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
    let (mut model, mut input, mut messages) = (None, None, false);
    for (key, value) in root.members() {
        let name = key.text_bytes();
        check_key(&name, GOVERNED)?;
        match &*name {
            b"model" => model = Some(value),
            b"input" => input = Some(value),
            b"messages" => messages = true,
            b"stream" => facts.stream = flag(value, "stream")?,
            b"max_output_tokens" => facts.max_tokens = tokens(value, "max_output_tokens")?,
            b"tools" => facts.tools = value.elements().next().is_some(),
            b"text" => {
                let kind = value.get("format").and_then(|format| format.get("type"));
                facts.structured = kind.is_some_and(|kind| !kind.is_named("text"));
            }
            b"top_logprobs" => facts.logprobs |= value.as_u64().is_some_and(|count| count > 0),
            b"include" => {
                let mut all = value.elements();
                facts.logprobs |= all.any(|one| one.is_named("message.output_text.logprobs"));
            }
            b"store" => {
                flag(value, "store")?;
            }
            b"background" => not_kept("background", flag(value, "background")?)?,
            b"conversation" => not_kept("conversation", !value.is_null())?,
            b"prompt" => not_kept("prompt", !value.is_null())?,
            b"previous_response_id" if !value.is_null() => {
                return Err(bad(
                    "There is no such response: this gateway keeps none. Send the whole conversation as 'input'.",
                )
                .reason("not_kept")
                .param("previous_response_id")
                .status(404));
            }
            _ => {}
        }
    }
    let model = model.ok_or_else(|| bad("'model' is required.").param("model"))?;
    facts.model = model_name(model)?;
    facts.model_span = model.span();
    facts.turns = check_input(input, messages)?;
    Ok(())
}

fn check_input(input: Option<Value<'_>>, messages: bool) -> Result<u32, Fault> {
    let wrong = |message| Err(bad(message).param("input"));
    let Some(input) = input.filter(|input| !input.is_null()) else {
        return wrong(if messages {
            "'input' is missing and 'messages' is not a field of responses; a request of chat completions belongs to /v1/chat/completions."
        } else {
            "'input' is required."
        });
    };
    match input.kind() {
        Type::String => Ok(1),
        Type::Array => {
            let mut count = 0;
            for item in input.elements() {
                check_item(count, item)?;
                count += 1;
            }
            if count == 0 {
                return wrong("'input' must not be empty.");
            }
            Ok(count)
        }
        _ => wrong("'input' must be a string or an array of items."),
    }
}

/// Shapes: what is no item must not pass as one that nobody has read.
fn check_item(at: u32, item: Value<'_>) -> Result<(), Fault> {
    let wrong =
        |field: &str, text: &'static str| Err(bad(text).param(format!("input[{at}]{field}")));
    if item.kind() != Type::Object {
        return wrong("", "An item must be an object.");
    }
    for (key, _) in item.members() {
        look_alike(&key.text_bytes(), GOVERNED_IN_ITEM)?;
    }
    let kind = item.get("type").filter(|kind| !kind.is_null());
    if kind.is_some_and(|kind| kind.kind() != Type::String) {
        return wrong(".type", "An item's type must be a string.");
    }
    if kind.is_some_and(|kind| kind.is_named("item_reference")) {
        return Err(
            bad("There is no such item: this gateway keeps none. Send the item itself.")
                .reason("not_kept")
                .param(format!("input[{at}].id"))
                .status(404),
        );
    }
    if kind.is_none_or(|kind| kind.is_named("message")) {
        let roles = ["user", "assistant", "system", "developer"];
        let known = |role: Value<'_>| roles.iter().any(|known| role.is_named(known));
        if !item.get("role").is_some_and(known) {
            return wrong(
                ".role",
                "A message's role must be user, assistant, system or developer.",
            );
        }
        let content = item.get("content").map(|content| content.kind());
        if !matches!(content, Some(Type::String | Type::Array)) {
            return wrong(
                ".content",
                "A message's content must be a string or an array of parts.",
            );
        }
    }
    Ok(())
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
        let facts = read_text(r#"{"model":"gpt-x","input":[{"role":"user","content":"a"},{"type":"function_call_output","call_id":"c","output":"r"}],"stream":true,"max_output_tokens":9,"tools":[{"type":"function","name":"f"}],"text":{"format":{"type":"json_schema"}},"include":["message.output_text.logprobs"],"store":true,"background":false,"previous_response_id":null,"conversation":null,"prompt":null}"#).unwrap();
        assert_eq!(
            (facts.model.as_str(), facts.model_span.clone()),
            ("gpt-x", 9..16)
        );
        assert_eq!((facts.max_tokens, facts.turns), (Some(9), 2));
        assert!(facts.stream && facts.usage_asked && facts.tools);
        assert!(facts.structured && facts.logprobs);
        let plain = read_text(
            r#"{"model":"m","input":"hi","text":{"format":{"type":"text"}},"top_logprobs":0}"#,
        );
        let plain = plain.unwrap();
        assert_eq!(plain.turns, 1);
        assert!(!plain.structured && !plain.logprobs && !plain.stream);
    }

    /// Bodies, what the refusal names, and its status.
    const REFUSED: &[(&str, &str, u16)] = &[
        ("[]", "", 400),
        (r#"{"input":"a"}"#, "model", 400),
        (r#"{"model":"m"}"#, "input", 400),
        (r#"{"model":"m","messages":[]}"#, "input", 400),
        (r#"{"model":"m","input":[]}"#, "input", 400),
        (r#"{"model":"m","input":1}"#, "input", 400),
        (r#"{"model":"m","input":["a"]}"#, "input[0]", 400),
        (
            r#"{"model":"m","input":[{"content":"a"}]}"#,
            "input[0].role",
            400,
        ),
        (
            r#"{"model":"m","input":[{"role":"tool","content":"a"}]}"#,
            "input[0].role",
            400,
        ),
        (
            r#"{"model":"m","input":[{"role":"user"}]}"#,
            "input[0].content",
            400,
        ),
        (
            r#"{"model":"m","input":[{"type":7}]}"#,
            "input[0].type",
            400,
        ),
        (
            r#"{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}"#,
            "input[0].id",
            404,
        ),
        (
            r#"{"model":"m","input":"a","previous_response_id":"resp_1"}"#,
            "previous_response_id",
            404,
        ),
        (
            r#"{"model":"m","input":"a","conversation":"conv_1"}"#,
            "conversation",
            400,
        ),
        (
            r#"{"model":"m","input":"a","background":true}"#,
            "background",
            400,
        ),
        (
            r#"{"model":"m","input":"a","prompt":{"id":"pmpt_1"}}"#,
            "prompt",
            400,
        ),
        (
            r#"{"model":"m","input":"a","max_output_tokens":0}"#,
            "max_output_tokens",
            400,
        ),
        (r#"{"model":"m","input":"a","store":"no"}"#, "store", 400),
        (r#"{"model":"m","input":"a","Input":"b"}"#, "input", 400),
        (
            r#"{"model":"m","input":[{"role":"user","content":"a","Content":"b"}]}"#,
            "content",
            400,
        ),
        (
            r#"{"model":"m","input":"a","base_url":"x"}"#,
            "base_url",
            400,
        ),
    ];

    #[test]
    fn refuses() {
        for (body, field, status) in REFUSED {
            let fault = read_text(body).unwrap_err();
            assert_eq!(fault.field().unwrap_or_default(), *field, "{body}");
            assert_eq!(fault.http_status(), *status, "{body}");
        }
    }
}
