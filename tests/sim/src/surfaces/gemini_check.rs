//! What Google's Gemini API refuses, in sentences like its own; and the turns of a conversation.

use crate::json::at;
use crate::plan::{Call, Turn};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Fields of a request, of its settings, of a part.
const FIELDS: &[&str] = &[
    "model",
    "contents",
    "systemInstruction",
    "generationConfig",
    "tools",
    "toolConfig",
    "safetySettings",
    "cachedContent",
    "serviceTier",
    "store",
];
const CONFIG: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseLogprobs",
    "logprobs",
    "responseModalities",
    "thinkingConfig",
    "mediaResolution",
    "speechConfig",
];
const PART: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "thought",
    "thoughtSignature",
];
/// What a schema of the vendor's own kind may not hold.
const NOT_IN_SCHEMA: [&str; 4] = ["$ref", "$schema", "additionalProperties", "const"];
/// Values whose members have names of the caller's.
const FREE: [&str; 6] = [
    "args",
    "response",
    "parametersJsonSchema",
    "responseJsonSchema",
    "properties",
    "labels",
];
/// What clients may put in the place of a signature that they never had.
const STAND_IN: &str = "skip_thought_signature_validator";

/// The same body with the vendor's own spelling of names: it takes the other one too.
pub(super) fn camel(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(camel).collect(),
        Value::Object(members) => {
            let spelt = |(name, value): (&String, &Value)| {
                let mut words = name.split('_');
                let mut new = words.next().unwrap_or_default().to_owned();
                for word in words {
                    let mut letters = word.chars();
                    new.extend(letters.next().map(|first| first.to_ascii_uppercase()));
                    new.push_str(letters.as_str());
                }
                let free = FREE.contains(&&*new);
                let value = if free { value.clone() } else { camel(value) };
                (new, value)
            };
            Value::Object(members.iter().map(spelt).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// The proof of the thought that led to calls: only we can make it, and it fits these calls alone.
pub(super) fn signature(calls: &[Call]) -> String {
    let text: String = calls
        .iter()
        .map(|call| call.name.clone() + &call.arguments())
        .collect();
    sealed(&text)
}

fn sealed(text: &str) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    STANDARD.encode(format!(
        "sim-thought-signature-of-gemini-{sum:016x}-0123456789abcdef"
    ))
}

/// Judges a request.
pub(super) fn check(body: &Value, model: &str) -> Result<(), String> {
    known(body, FIELDS, "")?;
    let config = at(body, &["generationConfig"]);
    known(config, CONFIG, " at 'generation_config'")?;
    settings(config)?;
    tools(body)?;
    let contents = list(at(body, &["contents"]));
    if contents.is_empty() {
        return Err("* GenerateContentRequest.contents: contents is not specified".into());
    }
    let system = at(body, &["systemInstruction"]);
    if !system.is_null() {
        parts("system_instruction", system)?;
    }
    let mut calls = 0;
    for (nth, content) in contents.iter().enumerate() {
        let role = at(content, &["role"]).as_str().unwrap_or("user");
        if !["user", "model", "function"].contains(&role) {
            return Err("Please use a valid role: user, model.".into());
        }
        parts(&format!("contents[{nth}]"), content)?;
        let said = list(at(content, &["parts"]));
        let count = |name: &str| said.iter().filter(|part| part.get(name).is_some()).count();
        let results = count("functionResponse");
        if results != calls && (results > 0 || calls > 0) {
            return Err("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.".into());
        }
        calls = count("functionCall");
        if calls > 0 && (nth == 0 || role != "model") {
            return Err("Please ensure that function call turn comes immediately after a user turn or after a function response turn.".into());
        }
        if calls > 0 && model.starts_with("gemini-3") {
            signed(said)?;
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn known(object: &Value, names: &[&str], place: &str) -> Result<(), String> {
    for name in object.as_object().into_iter().flat_map(Map::keys) {
        if !names.contains(&&**name) {
            return Err(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            ));
        }
    }
    Ok(())
}

fn settings(config: &Value) -> Result<(), String> {
    for (name, low, high) in [
        ("temperature", 0.0, 2.0),
        ("topP", 0.0, 1.0),
        ("candidateCount", 1.0, 8.0),
        ("maxOutputTokens", 1.0, 1e9),
        ("presencePenalty", -2.0, 2.0),
        ("frequencyPenalty", -2.0, 2.0),
    ] {
        if super::read::outside(config, name, |value| (low..=high).contains(&value)) {
            return Err(format!(
                "* GenerateContentRequest.generation_config.{name}: out of range"
            ));
        }
    }
    if list(at(config, &["stopSequences"])).len() > 5 {
        return Err("The number of stop sequences may not be more than 5.".into());
    }
    let given = |name: &str| super::read::given(config, name);
    if given("responseSchema") && given("responseJsonSchema") {
        return Err("response_schema and response_json_schema exclude each other".into());
    }
    let shaped = given("responseSchema") || given("responseJsonSchema");
    if shaped
        && at(config, &["responseMimeType"])
            .as_str()
            .is_none_or(|kind| kind == "text/plain")
    {
        return Err(
            "A schema needs a response_mime_type of application/json or text/x.enum".into(),
        );
    }
    schema(at(config, &["responseSchema"]))?;
    let thinking = at(config, &["thinkingConfig"]);
    if super::read::given(thinking, "thinkingBudget")
        && super::read::given(thinking, "thinkingLevel")
    {
        return Err("You can only set only one of thinking budget and thinking level.".into());
    }
    Ok(())
}

fn schema(value: &Value) -> Result<(), String> {
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            if NOT_IN_SCHEMA.contains(&&**name) {
                return Err(format!(
                    "Invalid JSON payload received. Unknown name \"{name}\" at a schema: Cannot find field."
                ));
            }
            schema(value)
        }),
        Value::Array(all) => all.iter().try_for_each(schema),
        _ => Ok(()),
    }
}

fn tools(body: &Value) -> Result<(), String> {
    for tool in list(at(body, &["tools"])) {
        for function in list(at(tool, &["functionDeclarations"])) {
            let name = at(function, &["name"]).as_str().unwrap_or_default();
            let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
            let goes_on = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
            if !name.starts_with(begins) || name.len() > 64 || !name.chars().all(goes_on) {
                return Err("Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:) or dashes (-), with a maximum length of 64.".into());
            }
            schema(at(function, &["parameters"]))?;
        }
    }
    let choice = at(body, &["toolConfig", "functionCallingConfig"]);
    let mode = at(choice, &["mode"]).as_str().unwrap_or("AUTO");
    if !["AUTO", "ANY", "NONE", "VALIDATED"].contains(&mode) {
        return Err("Invalid value at 'tool_config.function_calling_config.mode'".into());
    }
    if mode == "AUTO" && !list(at(choice, &["allowedFunctionNames"])).is_empty() {
        return Err("allowed_function_names may only be set with mode ANY or VALIDATED".into());
    }
    Ok(())
}

fn parts(place: &str, content: &Value) -> Result<(), String> {
    let all = list(at(content, &["parts"]));
    if all.is_empty() {
        return Err(format!(
            "* GenerateContentRequest.{place}.parts: contents.parts must not be empty."
        ));
    }
    for (nth, part) in all.iter().enumerate() {
        let place = format!("{place}.parts[{nth}]");
        known(part, PART, &format!(" at '{place}'"))?;
        let data = part.as_object().into_iter().flat_map(Map::keys);
        if data.filter(|name| !name.starts_with("thought")).count() != 1 {
            return Err(format!(
                "* GenerateContentRequest.{place}.data: required oneof field 'data' must have one initialized field"
            ));
        }
        for (holder, field) in [("functionCall", "args"), ("functionResponse", "response")] {
            let held = at(part, &[holder]);
            let named = at(held, &["name"])
                .as_str()
                .is_some_and(|name| !name.is_empty());
            let object = held.get(field).is_none_or(Value::is_object);
            if !(held.is_null() || named && object) {
                return Err(format!("Invalid value at '{place}.{holder}'"));
            }
        }
        let inline = at(part, &["inlineData"]);
        let data = at(inline, &["data"]).as_str().unwrap_or_default();
        if !inline.is_null()
            && (at(inline, &["mimeType"]).as_str().is_none_or(str::is_empty)
                || STANDARD.decode(data).is_err())
        {
            return Err(format!(
                "Invalid value at '{place}.inline_data.data' (TYPE_BYTES)"
            ));
        }
    }
    Ok(())
}

/// The calls of one turn are proved by the first of them.
fn signed(parts: &[Value]) -> Result<(), String> {
    let mut calls = parts
        .iter()
        .filter(|part| part.get("functionCall").is_some());
    let first = calls.next().unwrap_or(&Value::Null);
    let said: String = std::iter::once(first)
        .chain(calls)
        .map(|part| {
            let call = at(part, &["functionCall"]);
            let name = at(call, &["name"]).as_str().unwrap_or_default();
            format!("{name}{}", at(call, &["args"]))
        })
        .collect();
    let given = at(first, &["thoughtSignature"])
        .as_str()
        .unwrap_or_default();
    if given == STAND_IN || given == sealed(&said) {
        return Ok(());
    }
    Err("Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly.".into())
}

/// What each turn says; a result of a tool says what it holds.
pub(super) fn turns_of(body: &Value) -> Vec<Turn> {
    let system = at(body, &["systemInstruction"]);
    let system = (!system.is_null()).then(|| Turn {
        role: "system".into(),
        text: text(list(at(system, &["parts"]))),
    });
    let contents = list(at(body, &["contents"])).iter().map(|content| {
        let parts = list(at(content, &["parts"]));
        let result = parts
            .iter()
            .any(|part| part.get("functionResponse").is_some());
        let role = if result {
            "tool"
        } else {
            at(content, &["role"]).as_str().unwrap_or("user")
        };
        Turn {
            role: role.to_owned(),
            text: text(parts),
        }
    });
    system.into_iter().chain(contents).collect()
}

fn text(parts: &[Value]) -> String {
    let said = |part: &Value| {
        if let Some(text) = at(part, &["text"]).as_str() {
            return text.to_owned();
        }
        let kind = at(part, &["inlineData", "mimeType"]).as_str();
        if kind.is_some_and(|kind| kind.starts_with("image/")) {
            return "[image]".to_owned();
        }
        let response = at(part, &["functionResponse", "response"]);
        if response.is_null() {
            let names = part.as_object().into_iter().flat_map(Map::keys);
            return names.map(|name| format!("[{name}]")).collect();
        }
        let result = at(response, &["result"]).as_str();
        result.map_or_else(|| response.to_string(), str::to_owned)
    };
    parts.iter().map(said).collect()
}
