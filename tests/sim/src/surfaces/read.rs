//! Reads the parts that requests of OpenAI's shape share, and the small checks that several vendors make with their own
//! words. It must never decide what is refused: callers do.

use crate::faults;
use crate::json::at;
use crate::plan::{Ask, CallWish, Turn, UsageWish};
use serde_json::Value;

/// Reads messages, tools and switches. The error is a sentence for the vendor's own envelope.
pub(crate) fn ask(body: &Value) -> Result<Ask, String> {
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    if model.is_empty() {
        return Err("you must provide a model parameter".into());
    }
    let (base, faults) = faults::read(model)?;
    let messages = at(body, &["messages"])
        .as_array()
        .ok_or("'messages' is a required property")?;
    if messages.is_empty() {
        return Err("[] is too short - 'messages'".into());
    }
    let options = at(body, &["stream_options"]);
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: at(body, &["stream"]).as_bool().unwrap_or(false),
        usage: match at(options, &["include_usage"]).as_bool() {
            Some(true) => UsageWish::End,
            _ => UsageWish::No,
        },
        turns: messages.iter().map(turn).collect(),
        tools: tools(at(body, &["tools"])),
        call: call_wish(at(body, &["tool_choice"])),
        parallel: at(body, &["parallel_tool_calls"]).as_bool().unwrap_or(true),
        tool_pieces: true,
        choices: 1,
        logprobs: None,
        tokens_max: tokens_max(body),
        stop: stops(at(body, &["stop"])),
        think: false,
        incremental: true,
        message_format: true,
    })
}

fn turn(message: &Value) -> Turn {
    Turn {
        role: at(message, &["role"])
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        text: text(at(message, &["content"])),
    }
}

/// The text of a content value: a string, or parts; a part that is no text shows as its type in brackets.
pub(crate) fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(part).collect(),
        _ => String::new(),
    }
}

fn part(part: &Value) -> String {
    if let Some(text) = at(part, &["text"]).as_str() {
        return text.to_owned();
    }
    let first_key = || part.as_object().and_then(|map| map.keys().next()).cloned();
    let kind = at(part, &["type"])
        .as_str()
        .map(str::to_owned)
        .or_else(first_key);
    format!("[{}]", kind.unwrap_or_else(|| "?".into()))
}

/// Names of the functions offered, also in the unwrapped form of older protocols.
pub(crate) fn tools(tools: &Value) -> Vec<String> {
    let name = |tool: &Value| {
        let inner = tool.get("function").unwrap_or(tool);
        at(inner, &["name"]).as_str().map(str::to_owned)
    };
    let list = tools.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(name).collect()
}

pub(crate) fn call_wish(choice: &Value) -> CallWish {
    match choice {
        Value::String(word) if word == "none" => CallWish::Never,
        Value::String(word) if word == "required" => CallWish::Always(None),
        Value::Object(_) => {
            let name = at(choice, &["function", "name"]).as_str();
            CallWish::Always(name.map(str::to_owned))
        }
        _ => CallWish::Auto,
    }
}

fn tokens_max(body: &Value) -> Option<usize> {
    let newer = at(body, &["max_completion_tokens"]).as_u64();
    let cap = newer.or_else(|| at(body, &["max_tokens"]).as_u64())?;
    usize::try_from(cap).ok()
}

pub(crate) fn stops(stop: &Value) -> Vec<String> {
    match stop {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(|stop| stop.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Present and not null.
pub(crate) fn given(body: &Value, key: &str) -> bool {
    body.get(key).is_some_and(|value| !value.is_null())
}

/// The number under `key` if it is there and lies outside of what `good` allows; so does a value that is no number.
pub(crate) fn outside(body: &Value, key: &str, good: impl Fn(f64) -> bool) -> bool {
    given(body, key) && !body[key].as_f64().is_some_and(good)
}

/// The first role that is not among `known`, as the request wrote it.
pub(crate) fn strange_role(ask: &Ask, known: &[&str]) -> Option<String> {
    let turn = ask
        .turns
        .iter()
        .find(|turn| !known.contains(&turn.role.as_str()))?;
    Some(turn.role.clone())
}

pub(crate) fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}
