//! What the Responses API asks and refuses: a request's turns and wishes, and what does not fit together.

use crate::faults;
use crate::json::at;
use crate::plan::{Ask, CallWish, Turn};
use serde_json::Value;

/// A sentence, and the parameter that it is about.
pub(crate) type Wrong = (String, String);

fn wrong<T>(message: impl Into<String>, param: impl Into<String>) -> Result<T, Wrong> {
    Err((message.into(), param.into()))
}

pub(crate) fn ask(body: &Value) -> Result<Ask, Wrong> {
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    if model.is_empty() {
        return wrong("Missing required parameter: 'model'.", "model");
    }
    let (base, faults) = faults::read(model).map_err(|message| (message, "model".to_owned()))?;
    let mut turns = Vec::new();
    let instructions = at(body, &["instructions"]).as_str();
    turns.extend(instructions.map(|text| turn("system", text)));
    match at(body, &["input"]) {
        Value::String(text) => turns.push(turn("user", text)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                turns.extend(turn_of(at, item)?);
            }
        }
        _ => return wrong("Missing required parameter: 'input'.", "input"),
    }
    let names = at(body, &["tools"]).as_array().map(Vec::as_slice);
    let name = |tool: &Value| at(tool, &["name"]).as_str().map(str::to_owned);
    let choice = at(body, &["tool_choice"]);
    let cap = at(body, &["max_output_tokens"]).as_u64();
    let included = at(body, &["include"]).as_array().map(Vec::as_slice);
    let probable = included
        .unwrap_or_default()
        .iter()
        .any(|one| one == "message.output_text.logprobs");
    let others = at(body, &["top_logprobs"]).as_u64();
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: at(body, &["stream"]).as_bool().unwrap_or(false),
        turns,
        tools: names.unwrap_or_default().iter().filter_map(name).collect(),
        call: match choice {
            Value::String(word) if word == "none" => CallWish::Never,
            Value::String(word) if word == "required" => CallWish::Always(None),
            Value::Object(_) => CallWish::Always(name(choice)),
            _ => CallWish::Auto,
        },
        parallel: at(body, &["parallel_tool_calls"]).as_bool().unwrap_or(true),
        tool_pieces: true,
        choices: 1,
        logprobs: probable.then(|| others.and_then(|n| usize::try_from(n).ok()).unwrap_or(0)),
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        think: reasons(model) && at(body, &["reasoning", "effort"]).as_str() == Some("high"),
        incremental: true,
        message_format: true,
        ..Ask::default()
    })
}

fn turn(role: &str, text: &str) -> Turn {
    Turn {
        role: role.to_owned(),
        text: text.to_owned(),
    }
}

/// An item as a turn: what is said, or what a tool returned.
fn turn_of(nth: usize, item: &Value) -> Result<Option<Turn>, Wrong> {
    let param = |name: &str| format!("input[{nth}].{name}");
    let role = at(item, &["role"]).as_str().unwrap_or_default();
    match at(item, &["type"]).as_str() {
        None | Some("message") => {
            if !["user", "assistant", "system", "developer"].contains(&role) {
                return wrong(format!("Invalid value: '{role}'."), param("role"));
            }
            let text = text_of(at(item, &["content"]), role, &param("content"))?;
            Ok(Some(turn(role, &text)))
        }
        Some("function_call_output") => {
            let text = text_of(at(item, &["output"]), "user", &param("output"))?;
            Ok(Some(turn("tool", &text)))
        }
        Some(
            "function_call"
            | "reasoning"
            | "web_search_call"
            | "custom_tool_call"
            | "custom_tool_call_output",
        ) => Ok(None),
        Some(other) => wrong(format!("Invalid value: '{other}'."), param("type")),
    }
}

fn text_of(content: &Value, role: &str, param: &str) -> Result<String, Wrong> {
    let Value::Array(parts) = content else {
        let text = content.as_str();
        return text
            .map(str::to_owned)
            .ok_or_else(|| ("Invalid type for content.".to_owned(), param.to_owned()));
    };
    let mut text = String::new();
    for part in parts {
        let kind = at(part, &["type"]).as_str().unwrap_or_default();
        let known: &[&str] = if role == "assistant" {
            &["output_text", "refusal"]
        } else {
            &["input_text", "input_image", "input_file", "input_audio"]
        };
        if !known.contains(&kind) {
            return wrong(
                format!("Invalid value: '{kind}'. Supported values are: {known:?}."),
                param,
            );
        }
        match at(part, &["text"]).as_str() {
            Some(said) => text.push_str(said),
            None => text.push_str(&format!("[{kind}]")),
        }
    }
    Ok(text)
}

/// Models that think, and hand out their thoughts encrypted.
fn reasons(model: &str) -> bool {
    model.starts_with("gpt-5")
        || model
            .strip_prefix('o')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

pub(crate) fn check(body: &Value, ask: &Ask) -> Result<(), Wrong> {
    for unknown in [
        "messages",
        "stop",
        "n",
        "seed",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "functions",
    ] {
        if body.get(unknown).is_some() {
            return wrong(format!("Unknown parameter: '{unknown}'."), unknown);
        }
    }
    if let Some(id) = at(body, &["previous_response_id"]).as_str() {
        let message = format!("Previous response with id '{id}' not found.");
        return wrong(message, "previous_response_id");
    }
    for (key, low, high) in [("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0)] {
        if super::read::outside(body, key, |value| (low..=high).contains(&value)) {
            return wrong(format!("Invalid '{key}': out of range."), key);
        }
    }
    let included = at(body, &["include"]).as_array().map(Vec::as_slice);
    let mut included = included.unwrap_or_default().iter();
    if included.any(|one| one == "reasoning.encrypted_content") && !reasons(&ask.base) {
        return wrong(
            "Encrypted content is not supported with this model.",
            "include",
        );
    }
    for tool in at(body, &["tools"]).as_array().into_iter().flatten() {
        let function = at(tool, &["type"]) == "function";
        if function && !at(tool, &["name"]).is_string() {
            return wrong(
                "Missing required parameter: 'tools[0].name'.",
                "tools[0].name",
            );
        }
    }
    let format = at(body, &["text", "format"]);
    if at(format, &["type"]) == "json_schema"
        && (!at(format, &["name"]).is_string() || !at(format, &["schema"]).is_object())
    {
        return wrong(
            "Missing required parameter: 'text.format.name'.",
            "text.format.name",
        );
    }
    items_fit(body)
}

/// Every output answers a call, every call is answered, and nothing refers to what was not stored.
fn items_fit(body: &Value) -> Result<(), Wrong> {
    let stored = at(body, &["store"]).as_bool().unwrap_or(true);
    let items = at(body, &["input"]).as_array().map(Vec::as_slice);
    let items = items.unwrap_or_default();
    let of = |kind: &str| {
        let kind = kind.to_owned();
        items
            .iter()
            .filter(move |item| at(item, &["type"]) == kind.as_str())
    };
    let id = |item: &Value| {
        at(item, &["call_id"])
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let calls: Vec<String> = of("function_call").map(id).collect();
    let outputs: Vec<String> = of("function_call_output").map(id).collect();
    if let Some(lone) = outputs.iter().find(|id| !calls.contains(id)) {
        return wrong(
            format!("No tool call found for function call output with call_id {lone}."),
            "input",
        );
    }
    if let Some(open) = calls.iter().find(|id| !outputs.contains(id)) {
        return wrong(
            format!("No tool output found for function call {open}."),
            "input",
        );
    }
    let proven = |item: &&Value| {
        let proof = at(item, &["encrypted_content"])
            .as_str()
            .unwrap_or_default();
        proof.starts_with("gAAAA")
    };
    if let Some(thought) = of("reasoning").find(|item| !proven(item)) {
        let id = at(thought, &["id"]).as_str().unwrap_or_default();
        let why = if stored {
            ""
        } else {
            " Items are not persisted when `store` is set to false."
        };
        return wrong(format!("Item with id '{id}' not found.{why}"), "id");
    }
    Ok(())
}
