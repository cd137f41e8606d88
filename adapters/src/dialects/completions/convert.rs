//! Requests to canonical form and back: a prompt is what a user says.
//!
//! Text stays in slices of the body. A chat can neither repeat its prompt nor write up to a suffix, and it has one prompt;
//! a prompt cannot hold a conversation.

use bytes::Bytes;
use wire::canon::{Part, Raw, Request, Role, Settings, Str, Turn};
use wire::facts::RequestFacts;
use wire::fault::Retry;
use wire::json::{Type, Value};
use wire::{Fault, Kind};

use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::decode_request::setting;
use crate::dialects::openai_chat::encode_request::{write_extra, write_settings};
use crate::quirks::{Loss, Quirks};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Settings that mean what they do in a chat.
const SETTINGS: &[&str] = &[
    "frequency_penalty",
    "logit_bias",
    "presence_penalty",
    "seed",
    "stop",
    "temperature",
    "top_p",
    "user",
];

/// Reads the request.
///
/// # Errors
/// `BadRequest` with the field's name; another target may take what a chat does not.
pub(super) fn decode(body: &Bytes, facts: &RequestFacts) -> Result<Request, Fault> {
    let root = Value::root(&facts.tape, body);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut request = Request {
        stream: facts.stream,
        ..Request::default()
    };
    request.settings.max_tokens = facts.max_tokens;
    for (key, value) in root.members() {
        if value.is_null() {
            continue;
        }
        let name = key.as_str().unwrap_or_default();
        match &*name {
            "model" | "stream" | "stream_options" | "max_tokens" => {}
            "prompt" => request.turns.push(turn(body, value)?),
            "n" => {
                let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
                request.settings.choices = count.filter(|count| *count > 1);
            }
            "echo" if value.as_bool() != Some(true) => {}
            "best_of" if value.as_u64() == root.get("n").map_or(Some(1), |n| n.as_u64()) => {}
            "suffix" if !value.has_text() => {}
            "echo" => request.lose("echo", true),
            "best_of" => request.lose("best_of", true),
            "suffix" => request.lose("suffix", true),
            // They are told in another form there.
            "logprobs" => request.lose("logprobs", false),
            _ => {
                let known = SETTINGS.contains(&&*name);
                if !known || !setting(body, &name, value, &mut request.settings)? {
                    let name = Str::of(body, key).unwrap_or_default();
                    request.extra.push((name, Raw::of(body, value)));
                }
            }
        }
    }
    Ok(request)
}

fn turn(body: &Bytes, prompt: Value<'_>) -> Result<Turn, Fault> {
    let mut all = prompt.elements();
    let only = match prompt.kind() {
        Type::Array => all.next().filter(|_| all.next().is_none()),
        _ => Some(prompt),
    };
    let text = only.and_then(|only| Str::of(body, only)).ok_or_else(|| {
        Fault::new(Kind::BadRequest)
            .reason("unsupported_parameter")
            .param("prompt")
            .retry(Retry::NextTarget)
            .message("The provider of this model takes one prompt at a time, as text.")
    })?;
    let mut turn = Turn::new(Role::User);
    turn.parts.push(Part::Text(text));
    Ok(turn)
}

/// Writes the request, if it is one thing that a user says.
///
/// # Errors
/// `BadRequest` for a conversation, whatever `lossy` says: nothing would be left of it.
pub(super) fn encode(
    request: &Request,
    call: &Call<'_>,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<Encoded, Fault> {
    let prompt = match request.turns.as_slice() {
        [turn] if turn.role == Role::User && request.tools.is_empty() => turn.parts.as_slice(),
        _ => &[],
    };
    let [Part::Text(prompt)] = prompt else {
        return Err(Fault::new(Kind::BadRequest)
            .reason("unsupported_parameter")
            .param("messages")
            .retry(Retry::NextTarget)
            .message("The provider of this model completes a text and holds no conversations."));
    };
    let mut weave = Weave::new();
    let mut dropped = Dropped::new();
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    fields.key("model");
    fields.weave.quoted(call.model);
    fields.key("prompt");
    fields.weave.string(prompt);
    if request.stream {
        fields.lit("stream", "true");
        fields.lit("stream_options", r#"{"include_usage":true}"#);
    }
    let settings = Settings {
        logprobs: None,
        top_logprobs: None,
        format: None,
        reasoning_effort: None,
        metadata: None,
        ..request.settings.clone()
    };
    write_settings(&mut fields, &settings, quirks)?;
    if request.settings.format.is_some() {
        fields.lose("response_format", Loss::Meaning)?;
    }
    for (name, given) in [
        ("logprobs", request.settings.logprobs.is_some()),
        (
            "reasoning_effort",
            request.settings.reasoning_effort.is_some(),
        ),
        ("metadata", request.settings.metadata.is_some()),
    ] {
        if given {
            fields.lose(name, Loss::Hint)?;
        }
    }
    write_extra(&mut fields, request, &[])?;
    fields.close(request.stream, false);
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{ClientDialect, Dialect};
    use crate::dialects::completions::Completions;
    use crate::dialects::openai_chat::OpenAiChat;
    use crate::places::{Asked, Asks};
    use crate::quirks::PLAIN;
    use serde_json::{Value as Json, json};
    use wire::json::{Limits, scan};

    fn written(spoken: &dyn Dialect, body: &Json, lossy: Lossy) -> Result<(Json, Dropped), Fault> {
        let body = Bytes::from(body.to_string());
        let tape = scan(&body, &Limits::default()).unwrap();
        let asked = Asked::at(&Completions.endpoints()[0]);
        let facts = Completions.read_request(&body, tape, &asked)?;
        let request = Completions.decode_request(&body, &facts)?;
        let call = Call {
            model: "up",
            stream: false,
            dialect: spoken.id(),
            asks: Asks::Reply,
            multimodal: false,
            request_id: "r",
            now_ms: 0,
            cap: None,
            token: None,
            host: "",
            base_path: "",
        };
        let mut made = spoken.encode_request(&request, &call, &PLAIN, lossy)?;
        crate::dialect::lose(&request.lost, lossy, &mut made.dropped)?;
        let body = made.body.into_bytes();
        Ok((serde_json::from_slice(&body).unwrap(), made.dropped))
    }

    #[test]
    fn a_prompt_is_what_a_user_says() {
        let body = json!({"model":"m","prompt":["say \"hi\"\n"],"max_tokens":5,"temperature":0.5,"stop":"x","n":2,"best_of":2,"echo":false,"suffix":"","logprobs":3,"user":"u","seed":7,"x":1});
        let (made, dropped) = written(&OpenAiChat, &body, Lossy::Hints).unwrap();
        assert_eq!(
            made,
            json!({"model":"up","messages":[{"role":"user","content":"say \"hi\"\n"}],"temperature":0.5,"max_tokens":5,"stop":["x"],"n":2,"seed":7,"user":"u","x":1})
        );
        assert_eq!(dropped.as_slice(), ["logprobs"]);
        let same = json!({"model":"up","prompt":"a","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"max_tokens":5,"stop":["x"],"n":2,"seed":7,"user":"u"});
        let (made, dropped) = written(&Completions, &same, Lossy::Refuse).unwrap();
        assert_eq!(made, same);
        assert!(dropped.is_empty());
    }

    #[test]
    fn what_a_chat_cannot_do_is_refused() {
        for (more, field) in [
            (json!({"prompt":["a","b"]}), "prompt"),
            (json!({"echo":true}), "echo"),
            (json!({"suffix":"end"}), "suffix"),
            (json!({"best_of":3}), "best_of"),
            (json!({"temperature":"hot"}), "temperature"),
        ] {
            let mut body = json!({"model":"m","prompt":"a"});
            for (key, value) in more.as_object().unwrap() {
                body[key] = value.clone();
            }
            let fault = written(&OpenAiChat, &body, Lossy::Hints).unwrap_err();
            assert_eq!(fault.field(), Some(field), "{body}");
        }
    }
}
