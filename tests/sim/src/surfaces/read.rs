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
        single_call: false,
        short_ids: false,
        tool_pieces: true,
        choices: 1,
        logprobs: None,
        tokens_max: tokens_max(body),
        stop: stops(at(body, &["stop"])),
        think: false,
        incremental: true,
        message_format: true,
        ready: None,
    })
}

/// What a vendor of OpenAI's shape refuses, as far as it can be told in a table.
pub(crate) struct Rules {
    /// Roles that it knows.
    pub(crate) roles: &'static [&'static str],
    /// Numbers and the bounds that they may have.
    pub(crate) ranges: &'static [(&'static str, f64, f64)],
    /// Fields that it does not take.
    pub(crate) unknown: &'static [&'static str],
    /// Fields whose value may be only one of some words, where it is a word.
    pub(crate) words: &'static [(&'static str, &'static [&'static str])],
    /// Types that `response_format` may have.
    pub(crate) formats: &'static [&'static str],
    /// Parts of a content may be other than text.
    pub(crate) parts: bool,
}

/// The roles of nearly everybody.
pub(crate) const ROLES: &[&str] = &["system", "user", "assistant", "tool"];

/// The types of a format of nearly everybody.
pub(crate) const FORMATS: &[&str] = &["text", "json_object", "json_schema"];

/// Knows all and bounds nothing.
pub(crate) const LENIENT: Rules = Rules {
    roles: ROLES,
    ranges: &[],
    unknown: &[],
    words: &[],
    formats: FORMATS,
    parts: true,
};

/// Why a request is refused, by the table and because of empty tools; callers say it in the vendor's way.
pub(crate) fn broken(rules: &Rules, body: &Value, ask: &Ask) -> Option<String> {
    if let Some(role) = strange_role(ask, rules.roles) {
        return Some(format!("messages: unknown role '{role}'"));
    }
    let bad = |(key, low, high): &&(&str, f64, f64)| {
        outside(body, key, |value| (*low..=*high).contains(&value))
    };
    if let Some((key, ..)) = rules.ranges.iter().find(bad) {
        return Some(format!("{key} is out of range"));
    }
    if let Some(key) = rules.unknown.iter().find(|key| given(body, key)) {
        return Some(format!("{key} is not supported"));
    }
    let odd = |(key, words): &&(&str, &[&str])| {
        let word = at(body, &[key]).as_str();
        word.is_some_and(|word| !words.contains(&word))
    };
    if let Some((key, _)) = rules.words.iter().find(odd) {
        return Some(format!("{key} has a value that is not supported"));
    }
    let format = at(body, &["response_format", "type"]).as_str();
    if format.is_some_and(|format| !rules.formats.contains(&format)) {
        return Some("response_format.type is not supported".into());
    }
    if is_empty_list(at(body, &["tools"])) {
        return Some("tools must not be empty".into());
    }
    (!rules.parts && contents(body).any(Value::is_array)).then(|| "content must be a string".into())
}

/// The contents of all messages.
pub(crate) fn contents(body: &Value) -> impl Iterator<Item = &Value> {
    let messages = at(body, &["messages"]).as_array().map(Vec::as_slice);
    let contents = |message| at(message, &["content"]);
    messages.unwrap_or_default().iter().map(contents)
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
