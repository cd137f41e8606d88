//! What Bedrock's Converse refuses, in sentences like its own.

use crate::json::at;
use serde_json::Value;

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// Judges a request.
pub(super) fn check(body: &Value) -> Result<(), String> {
    fields(body)?;
    tools(body)?;
    let messages = list(at(body, &["messages"]));
    if messages.is_empty() {
        return Err("A conversation must start with a user message.".into());
    }
    let mut open: Vec<&str> = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let role = at(message, &["role"]).as_str().unwrap_or_default();
        let due = if nth.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        };
        if role != due {
            return Err("A conversation must alternate between user and assistant roles and start with a user message.".into());
        }
        let content = list(at(message, &["content"]));
        if content.is_empty() {
            return Err(format!(
                "The content field in the Message object at messages.{nth} is empty."
            ));
        }
        content.iter().try_for_each(block)?;
        let ids = |kind: &str| -> Vec<&str> {
            let blocks = content
                .iter()
                .filter_map(|block| at(block, &[kind, "toolUseId"]).as_str());
            blocks.collect()
        };
        let mut answered = ids("toolResult");
        answered.sort_unstable();
        open.sort_unstable();
        if answered != open {
            return Err(
                "Expected toolResult blocks for all toolUse blocks of the previous turn.".into(),
            );
        }
        open = ids("toolUse");
        if !open.is_empty() && list(at(body, &["toolConfig", "tools"])).is_empty() {
            return Err("The toolConfig field must be defined when using toolUse and toolResult content blocks.".into());
        }
    }
    Ok(())
}

/// No field that the document does not have, and settings in their bounds.
fn fields(body: &Value) -> Result<(), String> {
    const FIELDS: [&str; 6] = [
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "additionalModelRequestFields",
        "requestMetadata",
    ];
    for name in body.as_object().into_iter().flat_map(serde_json::Map::keys) {
        if !FIELDS.contains(&&**name) {
            return Err(format!(
                "Malformed input request: #: extraneous key [{name}] is not permitted"
            ));
        }
    }
    let config = at(body, &["inferenceConfig"]);
    for (name, low, high) in [
        ("temperature", 0.0, 1.0),
        ("topP", 0.0, 1.0),
        ("maxTokens", 1.0, 1e9),
    ] {
        if super::read::outside(config, name, |value| (low..=high).contains(&value)) {
            return Err(format!(
                "Value at 'inferenceConfig.{name}' failed to satisfy constraint"
            ));
        }
    }
    Ok(())
}

fn block(block: &Value) -> Result<(), String> {
    if let Some(text) = at(block, &["text"]).as_str()
        && text.trim().is_empty()
    {
        return Err("The text field in the ContentBlock object is blank. Add text to the text field, and try again.".into());
    }
    for kind in ["toolUse", "toolResult"] {
        let held = at(block, &[kind]);
        let id = at(held, &["toolUseId"]).as_str().unwrap_or_default();
        if !held.is_null() && !is_name(id) {
            return Err(format!(
                "Value '{id}' at '{kind}.toolUseId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            ));
        }
    }
    if block
        .get("toolUse")
        .is_some_and(|call| !at(call, &["input"]).is_object())
    {
        return Err("toolUse.input must be an object".into());
    }
    let known = [
        "text",
        "image",
        "document",
        "toolUse",
        "toolResult",
        "reasoningContent",
    ];
    let mut keys = block
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    match (keys.next(), keys.next()) {
        (Some(only), None) if known.contains(&&**only) => Ok(()),
        _ => Err("A ContentBlock must have exactly one member.".into()),
    }
}

fn tools(body: &Value) -> Result<(), String> {
    let config = at(body, &["toolConfig"]);
    if config.is_null() {
        return Ok(());
    }
    if list(at(config, &["tools"])).is_empty() {
        return Err("Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1".into());
    }
    for tool in list(at(config, &["tools"])) {
        let name = at(tool, &["toolSpec", "name"]).as_str().unwrap_or_default();
        if !is_name(name) || *at(tool, &["toolSpec", "inputSchema", "json", "type"]) != "object" {
            return Err(format!(
                "Value '{name}' at 'toolConfig.tools.toolSpec' failed to satisfy constraint"
            ));
        }
    }
    let choice = at(config, &["toolChoice"]).as_object();
    if choice.is_some_and(|choice| choice.len() != 1) {
        return Err("toolChoice must have exactly one member".into());
    }
    Ok(())
}
