//! What Anthropic's Messages API refuses, in sentences like its own; and the turns of a conversation.

use crate::json::at;
use crate::plan::Turn;
use serde_json::Value;

/// Fields of a request.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "stream",
    "stop_sequences",
    "metadata",
    "service_tier",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "speed",
    "inference_geo",
    "container",
    "context_management",
    "diagnostics",
    "mcp_servers",
];
/// Fields of a request that is only counted.
const COUNTED: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "context_management",
    "mcp_servers",
];
const SAMPLING: [&str; 3] = ["temperature", "top_p", "top_k"];
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// The proof of a thought: only we can make it, and it fits that thought alone.
pub(super) fn signature(thought: &str) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in thought.bytes() {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("EqQBCgIYAhIM1gbcDa9GJwZAb3hGgxBdjrkzLoky3dlpkiMOYds{sum:016x}")
}

/// Judges a request.
pub(super) fn check(body: &Value, newer: bool, counted: bool) -> Result<(), String> {
    let known = if counted { COUNTED } else { FIELDS };
    for (name, value) in body.as_object().into_iter().flatten() {
        let sampling = newer && SAMPLING.contains(&name.as_str());
        if !known.contains(&name.as_str()) || sampling {
            return Err(format!("{name}: Extra inputs are not permitted"));
        }
        if value.is_null() && name != "system" {
            return Err(format!("{name}: Input should be valid"));
        }
    }
    if at(body, &["model"]).as_str().is_none_or(str::is_empty) {
        return Err("model: Field required".into());
    }
    if !counted {
        caps(body)?;
    }
    tools(body)?;
    let messages = at(body, &["messages"]).as_array();
    let messages = messages.ok_or("messages: Field required")?;
    if messages.is_empty() {
        return Err("messages: at least one message is required".into());
    }
    if *at(messages.first().unwrap_or(&Value::Null), &["role"]) != "user" {
        return Err("messages: first message must use the \"user\" role".into());
    }
    for (nth, message) in messages.iter().enumerate() {
        let role = at(message, &["role"]).as_str().unwrap_or_default();
        if !["user", "assistant", "system"].contains(&role) {
            return Err(format!(
                "messages.{nth}.role: Input should be 'user' or 'assistant'"
            ));
        }
        content(nth, role, at(message, &["content"]))?;
    }
    blocks_of(at(body, &["system"]))
        .iter()
        .try_for_each(|block| text(0, block))?;
    calls_are_answered(messages)?;
    thoughts(body, messages)
}

fn caps(body: &Value) -> Result<(), String> {
    let cap = at(body, &["max_tokens"]).as_u64();
    let cap = cap
        .filter(|cap| *cap > 0)
        .ok_or("max_tokens: Field required")?;
    if super::read::outside(body, "temperature", |value| (0.0..=1.0).contains(&value)) {
        return Err("temperature: range: 0..1".into());
    }
    let stops = super::read::stops(at(body, &["stop_sequences"]));
    if stops.iter().any(|stop| stop.trim().is_empty()) {
        return Err("stop_sequences: each stop sequence must contain non-whitespace".into());
    }
    let thinking = at(body, &["thinking"]);
    if *at(thinking, &["type"]) == "enabled" {
        let budget = at(thinking, &["budget_tokens"]).as_u64().unwrap_or(0);
        if budget < 1024 {
            return Err(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
                    .into(),
            );
        }
        if budget >= cap {
            return Err("`max_tokens` must be greater than `thinking.budget_tokens`.".into());
        }
        if super::read::given(body, "temperature") && *at(body, &["temperature"]) != 1 {
            return Err("`temperature` may only be set to 1 when thinking is enabled.".into());
        }
        if matches!(
            at(body, &["tool_choice", "type"]).as_str(),
            Some("any" | "tool")
        ) {
            return Err("Thinking may not be enabled when tool_choice forces tool use.".into());
        }
    }
    Ok(())
}

fn tools(body: &Value) -> Result<(), String> {
    for (nth, tool) in blocks_of(at(body, &["tools"])).iter().enumerate() {
        if tool.get("type").is_some_and(|kind| kind != "custom") {
            continue;
        }
        let name = at(tool, &["name"]).as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            return Err(format!(
                "tools.{nth}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            ));
        }
        if *at(tool, &["input_schema", "type"]) != "object" {
            return Err(format!(
                "tools.{nth}.custom.input_schema.type: Field required"
            ));
        }
    }
    Ok(())
}

fn blocks_of(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn content(nth: usize, role: &str, content: &Value) -> Result<(), String> {
    if let Some(text) = content.as_str() {
        if text.trim().is_empty() {
            return Err(format!("messages.{nth}: text content must be non-empty"));
        }
        return Ok(());
    }
    if blocks_of(content).is_empty() {
        return Err(format!("messages.{nth}.content: Field required"));
    }
    let mut texts = false;
    for block in blocks_of(content) {
        match (role, at(block, &["type"]).as_str().unwrap_or_default()) {
            (_, "text") => {
                texts = true;
                text(nth, block)?;
            }
            (_, "image") => image(nth, block)?,
            ("user", "document") | (_, "search_result") => {}
            ("user", "tool_result") => {
                if texts {
                    return Err(format!(
                        "messages.{nth}: tool_result blocks must come first"
                    ));
                }
            }
            ("assistant", "tool_use") => {
                let id = at(block, &["id"]).as_str().unwrap_or_default();
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                if id.is_empty() || !id.chars().all(fits) {
                    return Err(format!(
                        "messages.{nth}.content: tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
                    ));
                }
                if !at(block, &["input"]).is_object() {
                    return Err(format!(
                        "messages.{nth}.content: tool_use.input: Input should be a valid dictionary"
                    ));
                }
            }
            ("assistant", "thinking") => {
                let thought = at(block, &["thinking"]).as_str().unwrap_or_default();
                if *at(block, &["signature"]) != signature(thought) {
                    return Err(format!(
                        "messages.{nth}.content: Invalid `signature` in `thinking` block"
                    ));
                }
            }
            ("assistant", "redacted_thinking" | "server_tool_use" | "web_search_tool_result") => {}
            (_, kind) => {
                return Err(format!(
                    "messages.{nth}.content: Input tag '{kind}' found using 'type' does not match any of the expected tags"
                ));
            }
        }
    }
    Ok(())
}

fn text(nth: usize, block: &Value) -> Result<(), String> {
    let text = at(block, &["text"]).as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(format!(
            "messages.{nth}: text content blocks must contain non-whitespace text"
        ));
    }
    Ok(())
}

fn image(nth: usize, block: &Value) -> Result<(), String> {
    let source = at(block, &["source"]);
    let kind = at(source, &["media_type"]).as_str().unwrap_or_default();
    match at(source, &["type"]).as_str() {
        Some("base64") if IMAGES.contains(&kind) => Ok(()),
        Some("url") if at(source, &["url"]).is_string() => Ok(()),
        Some("file") => Ok(()),
        _ => Err(format!(
            "messages.{nth}.content: image.source: Input should be a supported image"
        )),
    }
}

fn ids(message: &Value, kind: &str, key: &str) -> Vec<String> {
    blocks_of(at(message, &["content"]))
        .iter()
        .filter(|block| *at(block, &["type"]) == kind)
        .filter_map(|block| at(block, &[key]).as_str().map(str::to_owned))
        .collect()
}

/// Every call is answered in the next message, and nothing else is.
fn calls_are_answered(messages: &[Value]) -> Result<(), String> {
    let mut open: Vec<String> = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let answers = ids(message, "tool_result", "tool_use_id");
        if let Some(stray) = answers.iter().find(|id| !open.contains(id)) {
            return Err(format!(
                "messages.{nth}.content: unexpected `tool_use_id` found in `tool_result` blocks: {stray}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            ));
        }
        open.retain(|id| !answers.contains(id));
        if let Some(left) = open.first() {
            return Err(format!(
                "messages.{nth}: `tool_use` ids were found without `tool_result` blocks immediately after: {left}."
            ));
        }
        open = ids(message, "tool_use", "id");
    }
    Ok(())
}

/// With thinking, an answer to a call follows the thought that led to it.
fn thoughts(body: &Value, messages: &[Value]) -> Result<(), String> {
    let on = matches!(
        at(body, &["thinking", "type"]).as_str(),
        Some("enabled" | "adaptive")
    );
    let Some([.., before, last]) = messages.len().checked_sub(2).map(|_| messages) else {
        return Ok(());
    };
    if !on || ids(last, "tool_result", "tool_use_id").is_empty() {
        return Ok(());
    }
    let first = blocks_of(at(before, &["content"])).first();
    let kind = first.and_then(|block| at(block, &["type"]).as_str());
    match kind {
        Some("thinking" | "redacted_thinking") => Ok(()),
        _ => Err("messages: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.".into()),
    }
}

/// All that is said, in order; results of tools are turns of their own.
pub(super) fn turns_of(body: &Value) -> Vec<Turn> {
    let mut turns = Vec::new();
    let mut say = |role: &str, text: String| {
        turns.push(Turn {
            role: role.to_owned(),
            text,
        });
    };
    let system = at(body, &["system"]);
    if !system.is_null() {
        say("system", super::read::text(system));
    }
    for message in blocks_of(at(body, &["messages"])) {
        let role = at(message, &["role"]).as_str().unwrap_or_default();
        let content = at(message, &["content"]);
        let Some(blocks) = content.as_array() else {
            say(role, super::read::text(content));
            continue;
        };
        let mut rest = Vec::new();
        for block in blocks {
            if *at(block, &["type"]) == "tool_result" {
                say("tool", super::read::text(at(block, &["content"])));
            } else {
                rest.push(block.clone());
            }
        }
        if !rest.is_empty() {
            say(role, super::read::text(&Value::Array(rest)));
        }
    }
    turns
}
