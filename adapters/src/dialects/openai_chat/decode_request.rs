//! Reads a chat-completions request to canonical form. Text stays in slices of the body.
//!
//! Accepts the legacy `functions` and `function_call` as tools. Fields it does not know are kept as they stood.

use std::collections::HashSet;

use bytes::Bytes;
use wire::canon::{
    Blob, Format, Part, Proof, Raw, Request, Role, Settings, Str, Tool, ToolCall, ToolChoice, Turn,
};
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Fault, Kind};

/// Reads the request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn decode(body: &Bytes, facts: &RequestFacts) -> Result<Request, Fault> {
    let root = Value::root(&facts.tape, body);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut request = Request {
        stream: facts.stream,
        ..Request::default()
    };
    request.settings.max_tokens = facts.max_tokens;
    request.settings.choices = (facts.choices > 1).then_some(facts.choices);
    for (key, value) in root.members() {
        if value.is_null() {
            continue;
        }
        let name = key.as_str().unwrap_or_default();
        match &*name {
            "model"
            | "stream"
            | "stream_options"
            | "n"
            | "max_tokens"
            | "max_completion_tokens" => {}
            "messages" => {
                for (at, message) in value.elements().enumerate() {
                    request.turns.push(turn(body, message, at, part)?);
                }
            }
            "tools" => request.tools.append(&mut tools(body, value)?),
            "functions" => {
                let functions = objects(value, "functions")?;
                request
                    .tools
                    .extend(functions.map(|one| function(body, one)));
            }
            "tool_choice" | "function_call" => request.tool_choice = Some(choice(body, value)),
            "parallel_tool_calls" => request.parallel = Some(switch(value, "parallel_tool_calls")?),
            _ => {
                if !setting(body, &name, value, &mut request.settings)? {
                    let name = Str::of(body, key).unwrap_or_default();
                    request.extra.push((name, Raw::of(body, value)));
                }
            }
        }
    }
    only_allowed(body, root, &mut request);
    Ok(request)
}

/// `tools`, each an object.
///
/// # Errors
/// `BadRequest` for what is no list of objects.
pub(crate) fn tools(body: &Bytes, value: Value<'_>) -> Result<Vec<Tool>, Fault> {
    Ok(objects(value, "tools")?
        .map(|one| tool(body, one))
        .collect())
}

fn objects<'a>(
    value: Value<'a>,
    name: &'static str,
) -> Result<impl Iterator<Item = Value<'a>>, Fault> {
    let is_object = |one: Value<'_>| one.kind() == Type::Object;
    if value.kind() != Type::Array || !value.elements().all(is_object) {
        return Err(misfit(
            name,
            "A field that must be a list of objects is not.",
        ));
    }
    Ok(value.elements())
}

/// A choice among some tools: other dialects have no word for it, so they are told of those alone.
fn only_allowed(body: &Bytes, root: Value<'_>, request: &mut Request) {
    let Some(ToolChoice::Other(_)) = &request.tool_choice else {
        return;
    };
    let choice = root.get("tool_choice");
    let Some(allowed) = choice.and_then(|choice| choice.get("allowed_tools")) else {
        return;
    };
    let list = allowed.get("tools");
    let names = list.iter().flat_map(Value::elements).filter_map(|one| {
        let name = one.get("function").and_then(|inner| inner.get("name"));
        Str::of(body, name?)
    });
    let names: Vec<Str> = names.collect();
    let names: HashSet<&[u8]> = names.iter().map(|name| &name.bytes()[..]).collect();
    let is_allowed = |tool: &Tool| matches!(tool, Tool::Function { name, .. } if names.contains(&name.bytes()[..]));
    if !request.tools.iter().any(is_allowed) {
        return;
    }
    request.tools.retain(is_allowed);
    let must = allowed
        .get("mode")
        .is_some_and(|mode| mode.is_named("required"));
    request.tool_choice = Some(if must {
        ToolChoice::Required
    } else {
        ToolChoice::Auto
    });
}

fn misfit(name: &str, message: &'static str) -> Fault {
    Fault::new(Kind::BadRequest)
        .param(name.to_owned())
        .message(message)
}

fn switch(value: Value<'_>, name: &str) -> Result<bool, Fault> {
    let message = "A field that must be true, false or null is not.";
    value.as_bool().ok_or_else(|| misfit(name, message))
}

/// Where to stop: a string, or a list of them.
fn stops(body: &Bytes, value: Value<'_>) -> Result<Vec<Str>, Fault> {
    let one = |value: Value<'_>| {
        let message = "A field that must be a string or a list of strings is not.";
        Str::of(body, value).ok_or_else(|| misfit("stop", message))
    };
    match value.kind() {
        Type::Array => value.elements().map(one).collect(),
        _ => one(value).map(|only| vec![only]),
    }
}

/// A fault that names a field of a message.
fn wrong(at: usize, field: &str, message: &'static str) -> Fault {
    Fault::new(Kind::BadRequest)
        .param(format!("messages[{at}].{field}"))
        .message(message)
}

/// Reads a setting. False: it is none that is known.
///
/// # Errors
/// `BadRequest` for a value of another type: it would be lost in silence.
pub(crate) fn setting(
    body: &Bytes,
    name: &str,
    value: Value<'_>,
    settings: &mut Settings,
) -> Result<bool, Fault> {
    let raw = || Some(Raw::of(body, value));
    match name {
        "temperature" => settings.temperature = raw(),
        "top_p" => settings.top_p = raw(),
        "seed" => settings.seed = raw(),
        "presence_penalty" => settings.presence_penalty = raw(),
        "frequency_penalty" => settings.frequency_penalty = raw(),
        "logit_bias" => settings.logit_bias = raw(),
        "top_logprobs" => settings.top_logprobs = raw(),
        "metadata" => settings.metadata = raw(),
        "logprobs" => settings.logprobs = Some(switch(value, name)?),
        "reasoning_effort" => settings.reasoning_effort = Some(text(body, value, name)?),
        "user" => settings.user = Some(text(body, value, name)?),
        "response_format" => settings.format = Some(format(body, value)),
        "stop" => settings.stop = stops(body, value)?,
        _ => return Ok(false),
    }
    let number = [
        "temperature",
        "top_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
    ];
    if number.contains(&name) && value.as_f64().is_none() {
        return Err(misfit(name, "A field that must be a number is not."));
    }
    Ok(true)
}

fn text(body: &Bytes, value: Value<'_>, name: &str) -> Result<Str, Fault> {
    Str::of(body, value).ok_or_else(|| misfit(name, "A field that must be a string is not."))
}

fn format(body: &Bytes, value: Value<'_>) -> Format {
    let kind = value.get("type").and_then(|kind| kind.as_str());
    match (kind.as_deref(), value.get("json_schema")) {
        (Some("text"), _) => Format::Text,
        (Some("json_object"), _) => Format::JsonObject,
        (Some("json_schema"), Some(schema)) => Format::JsonSchema(Raw::of(body, schema)),
        _ => Format::Other(Raw::of(body, value)),
    }
}

/// A tool as chat completions have them.
pub(crate) fn tool(body: &Bytes, value: Value<'_>) -> Tool {
    match value.get("function") {
        Some(inner) if inner.get("name").is_some() => function(body, inner),
        _ => Tool::Other(Raw::of(body, value)),
    }
}

fn function(body: &Bytes, value: Value<'_>) -> Tool {
    let text = |name: &str| value.get(name).and_then(|one| Str::of(body, one));
    match text("name") {
        None => Tool::Other(Raw::of(body, value)),
        Some(name) => Tool::Function {
            name,
            description: text("description"),
            parameters: value
                .get("parameters")
                .filter(|one| one.kind() == Type::Object)
                .map(|one| Raw::of(body, one)),
            strict: value.get("strict").and_then(|one| one.as_bool()),
        },
    }
}

/// `tool_choice`, and the legacy `function_call`, which names the function one level higher.
pub(crate) fn choice(body: &Bytes, value: Value<'_>) -> ToolChoice {
    if let Some(word) = value.as_str() {
        return match &*word {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => ToolChoice::Other(Raw::of(body, value)),
        };
    }
    let outer = value.get("function").unwrap_or(value);
    let name = outer.get("name").and_then(|name| Str::of(body, name));
    name.map_or_else(
        || ToolChoice::Other(Raw::of(body, value)),
        ToolChoice::Named,
    )
}

/// A message; `part` reads one of its parts.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(crate) fn turn(
    body: &Bytes,
    message: Value<'_>,
    at: usize,
    part: fn(&Bytes, Value<'_>) -> Part,
) -> Result<Turn, Fault> {
    let text = |name: &str| message.get(name).and_then(|one| Str::of(body, one));
    let role = message.get("role").and_then(|role| role.as_str());
    let role = match role.as_deref() {
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => return Err(wrong(at, "role", "A message's role is missing or unknown.")),
    };
    let mut turn = Turn::new(role);
    turn.name = text("name");
    turn.call_id = text("tool_call_id");
    turn.reasoning = text("reasoning_content").filter(|text| !text.is_empty());
    let details = message.get("reasoning_details");
    turn.proofs = details
        .iter()
        .flat_map(Value::elements)
        .filter_map(|detail| proof(body, detail))
        .collect();
    if role == Role::Tool && turn.call_id.is_none() {
        // Legacy results are told apart by the function's name, as their calls are, see below.
        turn.call_id.clone_from(&turn.name);
        if turn.call_id.is_none() {
            return Err(wrong(
                at,
                "tool_call_id",
                "A tool's result must name the call.",
            ));
        }
    }
    if let Some(content) = message.get("content") {
        parts(body, content, at, part, &mut turn.parts)?;
    }
    if let Some(refusal) = text("refusal").filter(|text| !text.is_empty()) {
        turn.parts.push(Part::Refusal(refusal));
    }
    for call in message.get("tool_calls").iter().flat_map(Value::elements) {
        let inner = call.get("function");
        let inner =
            inner.ok_or_else(|| wrong(at, "tool_calls", "A tool call without function."))?;
        turn.calls.push(read_call(body, inner, call.get("id"), at)?);
    }
    if let Some(call) = message.get("function_call").filter(|call| !call.is_null()) {
        turn.calls
            .push(read_call(body, call, call.get("name"), at)?);
    }
    Ok(turn)
}

/// A vendor's proof of a thought, as we gave it out.
fn proof(body: &Bytes, detail: Value<'_>) -> Option<Proof> {
    let text = |name: &str| detail.get(name).and_then(|one| Str::of(body, one));
    Some(Proof {
        kind: text("type")?,
        data: text("data").filter(|data| !data.is_empty())?,
    })
}

fn read_call(
    body: &Bytes,
    function: Value<'_>,
    id: Option<Value<'_>>,
    at: usize,
) -> Result<ToolCall, Fault> {
    let text = |value: Option<Value<'_>>| value.and_then(|value| Str::of(body, value));
    let name = text(function.get("name"));
    let (Some(id), Some(name)) = (text(id), name) else {
        return Err(wrong(
            at,
            "tool_calls",
            "A tool call needs an id and a name.",
        ));
    };
    Ok(ToolCall {
        id,
        name,
        arguments: text(function.get("arguments")).unwrap_or_default(),
    })
}

fn parts(
    body: &Bytes,
    content: Value<'_>,
    at: usize,
    part: fn(&Bytes, Value<'_>) -> Part,
    out: &mut Vec<Part>,
) -> Result<(), Fault> {
    match content.kind() {
        Type::Null => {}
        Type::String => out.extend(Str::of(body, content).map(Part::Text)),
        Type::Array => {
            for value in content.elements() {
                if value.kind() != Type::Object {
                    return Err(wrong(at, "content", "A content part must be an object."));
                }
                out.push(part(body, value));
            }
        }
        _ => {
            return Err(wrong(
                at,
                "content",
                "Content must be a string or an array of parts.",
            ));
        }
    }
    Ok(())
}

fn part(body: &Bytes, value: Value<'_>) -> Part {
    let kind = value.get("type").and_then(|kind| kind.as_str());
    let text = |value: Option<Value<'_>>| value.and_then(|value| Str::of(body, value));
    let known = match kind.as_deref() {
        Some("text") => text(value.get("text")).map(Part::Text),
        Some("refusal") => text(value.get("refusal")).map(Part::Refusal),
        Some("image_url") => value.get("image_url").and_then(|image| {
            // Some clients write the URL without the object around it.
            let url = text(image.get("url")).or_else(|| Str::of(body, image))?;
            let detail = text(image.get("detail"));
            let at = Blob::of_url(url);
            Some(Part::Image { at, detail })
        }),
        Some("input_audio") => value.get("input_audio").and_then(|audio| {
            Some(Part::Audio {
                data: text(audio.get("data"))?,
                format: text(audio.get("format"))?,
            })
        }),
        // One that was uploaded before means something to its vendor only.
        Some("file") => value.get("file").and_then(|file| {
            Some(Part::File {
                at: Blob::of_url(text(file.get("file_data"))?),
                name: text(file.get("filename")),
            })
        }),
        _ => None,
    };
    known.unwrap_or_else(|| Part::Other(Raw::of(body, value)))
}
