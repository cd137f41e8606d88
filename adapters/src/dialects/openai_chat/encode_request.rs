//! Writes a canonical request as chat completions, and lends the parts of it to dialects that are built alike.
//!
//! Text is spliced, never decoded. Fields are judged by the vendor's quirks as they are written.

use wire::Fault;
use wire::canon::{
    Blob, Format, Part, Request, Role, Settings, Str, Tool, ToolCall, ToolChoice, Turn,
};

use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::sides::is_system;
use crate::quirks::{Loss, OPENAI_ONLY, Quirks, StreamUsage, short_call_id};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Writes the request.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(crate) fn encode(
    request: &Request,
    call: &Call<'_>,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<Encoded, Fault> {
    let mut weave = Weave::new();
    let mut dropped = Dropped::new();
    let tools = tools_given(request, quirks);
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    if quirks.text_only && request.multimodal() {
        fields.lose("messages", Loss::Meaning)?;
    }
    // Where it stands in the path, it is not said again.
    if quirks.rule("model").is_none() {
        fields.key("model");
        fields.weave.quoted(call.model);
    }
    fields.key("messages");
    if quirks.system_in_user {
        write_messages(fields.weave, &told_by_user(&request.turns), quirks);
    } else {
        write_messages(fields.weave, &request.turns, quirks);
    }
    if request.stream {
        fields.lit("stream", "true");
        if quirks.stream_usage == StreamUsage::Ask {
            fields.lit("stream_options", r#"{"include_usage":true}"#);
        }
    }
    if tools {
        fields.put("tools", |weave| write_tools(weave, &request.tools))?;
        write_choice(&mut fields, request)?;
    }
    write_settings(&mut fields, &request.settings, quirks)?;
    if let Some(format) = &request.settings.format {
        fields.put("response_format", |weave| write_format(weave, format))?;
    }
    for (name, raw) in &request.extra {
        match quirks.rule(&name.text()) {
            Some((known, _)) => fields.put_raw(known, Some(raw))?,
            None => fields.foreign(name, raw),
        }
    }
    fields.close(request.stream, tools);
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// Whether tools are to be written.
pub(crate) fn tools_given(request: &Request, quirks: &Quirks) -> bool {
    let none = matches!(request.tool_choice, Some(ToolChoice::None));
    let dropped = none && quirks.none_drops_tools;
    !request.tools.is_empty() && !dropped
}

/// `tool_choice` and `parallel_tool_calls`.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(crate) fn write_choice(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    if let Some(choice) = &request.tool_choice {
        fields.put("tool_choice", |weave| match choice {
            ToolChoice::Auto => weave.lit("\"auto\""),
            ToolChoice::None => weave.lit("\"none\""),
            ToolChoice::Required => weave.lit("\"required\""),
            ToolChoice::Named(name) => {
                weave.lit(r#"{"type":"function","function":{"name":"#);
                weave.string(name);
                weave.lit("}}");
            }
            ToolChoice::Other(raw) => weave.raw(raw),
        })?;
    }
    match request.parallel {
        Some(true) => fields.put("parallel_tool_calls", |weave| weave.lit("true")),
        Some(false) => fields.put("parallel_tool_calls", |weave| weave.lit("false")),
        None => Ok(()),
    }
}

/// The settings that are plain members.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(crate) fn write_settings(
    fields: &mut Fields<'_>,
    settings: &Settings,
    quirks: &Quirks,
) -> Result<(), Fault> {
    let zero = settings.temperature.as_ref().and_then(|raw| raw.number());
    match quirks.greedy {
        Some((name, raw)) if zero.is_some_and(|number| number <= 0.0) => fields.lit(name, raw),
        _ => {
            fields.put_raw("temperature", settings.temperature.as_ref())?;
            fields.put_raw("top_p", settings.top_p.as_ref())?;
        }
    }
    if let Some(tokens) = settings.max_tokens {
        fields.put("max_tokens", |weave| weave.number(tokens))?;
    }
    if !settings.stop.is_empty() {
        fields.put("stop", |weave| write_list(weave, &settings.stop))?;
    }
    if let Some(choices) = settings.choices {
        fields.put("n", |weave| weave.number(choices))?;
    }
    fields.put_raw("seed", settings.seed.as_ref())?;
    fields.put_raw("presence_penalty", settings.presence_penalty.as_ref())?;
    fields.put_raw("frequency_penalty", settings.frequency_penalty.as_ref())?;
    fields.put_raw("logit_bias", settings.logit_bias.as_ref())?;
    if let Some(wanted) = settings.logprobs {
        fields.put("logprobs", |weave| weave.number(wanted))?;
    }
    fields.put_raw("top_logprobs", settings.top_logprobs.as_ref())?;
    fields.put_str("reasoning_effort", settings.reasoning_effort.as_ref())?;
    fields.put_str("user", settings.user.as_ref())?;
    fields.put_raw("metadata", settings.metadata.as_ref())
}

/// Strings as an array.
pub(crate) fn write_list(weave: &mut Weave, texts: &[Str]) {
    weave.lit("[");
    for (at, text) in texts.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        weave.string(text);
    }
    weave.lit("]");
}

/// `response_format`.
pub(crate) fn write_format(weave: &mut Weave, format: &Format) {
    match format {
        Format::Text => weave.lit(r#"{"type":"text"}"#),
        Format::JsonObject => weave.lit(r#"{"type":"json_object"}"#),
        Format::JsonSchema(schema) => {
            weave.lit(r#"{"type":"json_schema","json_schema":"#);
            weave.raw(schema);
            weave.lit("}");
        }
        Format::Other(raw) => weave.raw(raw),
    }
}

/// `tools`, each wrapped in `{"type":"function",…}`.
pub(crate) fn write_tools(weave: &mut Weave, tools: &[Tool]) {
    weave.lit("[");
    for (at, tool) in tools.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        match tool {
            Tool::Other(raw) => weave.raw(raw),
            function => {
                weave.lit(r#"{"type":"function","function":"#);
                write_function(weave, function, false);
                weave.lit("}");
            }
        }
    }
    weave.lit("]");
}

/// The legacy `functions`, for dialects without other tools. True if any are written: the choice among them is the caller's
/// to write or lose.
///
/// # Errors
/// `BadRequest` for tools of other kinds that must not be lost.
pub(crate) fn write_functions(fields: &mut Fields<'_>, request: &Request) -> Result<bool, Fault> {
    let is_function = |tool: &&Tool| matches!(tool, Tool::Function { .. });
    if request.tools.iter().any(|tool| !is_function(&tool)) {
        fields.lose("tools", Loss::Meaning)?;
    }
    let mut functions = request.tools.iter().filter(is_function).peekable();
    let none = matches!(request.tool_choice, Some(ToolChoice::None));
    if none || functions.peek().is_none() {
        return Ok(false);
    }
    fields.key("functions");
    fields.weave.lit("[");
    for (at, function) in functions.enumerate() {
        fields.weave.lit(if at == 0 { "" } else { "," });
        write_function(fields.weave, function, true);
    }
    fields.weave.lit("]");
    Ok(true)
}

/// `{name, description, parameters, strict}`; a vendor may want parameters always.
pub(crate) fn write_function(weave: &mut Weave, tool: &Tool, always_parameters: bool) {
    let Tool::Function {
        name,
        description,
        parameters,
        strict,
    } = tool
    else {
        weave.lit("null");
        return;
    };
    weave.lit("{\"name\":");
    weave.string(name);
    if let Some(description) = description {
        weave.lit(",\"description\":");
        weave.string(description);
    }
    match parameters {
        Some(parameters) => {
            weave.lit(",\"parameters\":");
            weave.raw(parameters);
        }
        None if always_parameters => {
            weave.lit(r#","parameters":{"type":"object","properties":{}}"#);
        }
        None => {}
    }
    if let Some(strict) = strict {
        weave.lit(",\"strict\":");
        weave.number(strict);
    }
    weave.lit("}");
}

/// Turns with what the system says before the first words of the user.
fn told_by_user(turns: &[Turn]) -> Vec<Turn> {
    let (system, mut rest): (Vec<Turn>, Vec<Turn>) = turns.iter().cloned().partition(is_system);
    let mut parts: Vec<Part> = system.into_iter().flat_map(|turn| turn.parts).collect();
    if parts.is_empty() {
        return rest;
    }
    match rest.iter_mut().find(|turn| turn.role == Role::User) {
        Some(first) => {
            parts.append(&mut first.parts);
            first.parts = parts;
        }
        None => {
            let mut first = Turn::new(Role::User);
            first.parts = parts;
            rest.insert(0, first);
        }
    }
    rest
}

fn write_messages(weave: &mut Weave, turns: &[Turn], quirks: &Quirks) {
    weave.lit("[");
    // What results of tools hold beside text: here that is for users to say, behind the last result.
    let mut shown: Vec<&Part> = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        if turn.role != Role::Tool && !shown.is_empty() {
            write_shown(weave, &std::mem::take(&mut shown), quirks);
        }
        weave.lit(if at == 0 { "" } else { "," });
        weave.lit("{\"role\":\"");
        weave.lit(role_name(turn.role, quirks));
        weave.lit("\"");
        if let Some(name) = &turn.name {
            weave.lit(",\"name\":");
            weave.string(name);
        }
        if let Some(id) = &turn.call_id {
            weave.lit(",\"tool_call_id\":");
            write_id(weave, id, quirks);
        }
        weave.lit(",\"content\":");
        let is_text = |part: &&Part| matches!(part, Part::Text(_) | Part::Refusal(_));
        if turn.role == Role::Tool && !turn.parts.iter().all(|part| is_text(&part)) {
            let texts: Vec<Part> = turn.parts.iter().filter(is_text).cloned().collect();
            write_joined(weave, &texts, "\\n");
            shown.extend(turn.parts.iter().filter(|part| !is_text(part)));
        } else {
            write_content(weave, turn, quirks);
        }
        write_after_content(weave, turn, quirks);
        weave.lit("}");
    }
    if !shown.is_empty() {
        write_shown(weave, &shown, quirks);
    }
    weave.lit("]");
}

fn write_shown(weave: &mut Weave, parts: &[&Part], quirks: &Quirks) {
    weave.lit(",{\"role\":\"user\",\"content\":[");
    for (at, part) in parts.iter().enumerate() {
        weave.lit(if at == 0 { "" } else { "," });
        write_part(weave, part, quirks);
    }
    weave.lit("]}");
}

/// A role by OpenAI's word.
pub(crate) fn role_name(role: Role, quirks: &Quirks) -> &'static str {
    match role {
        Role::Developer if !quirks.developer_is_system => "developer",
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// What an assistant's message has beside its content.
pub(crate) fn write_after_content(weave: &mut Weave, turn: &Turn, quirks: &Quirks) {
    let shows = quirks.reasoning_back.shows(!turn.calls.is_empty());
    if let Some(reasoning) = turn.reasoning.as_ref().filter(|_| shows) {
        weave.lit(",\"reasoning_content\":");
        weave.string(reasoning);
    }
    if !turn.calls.is_empty() {
        weave.lit(",\"tool_calls\":[");
        for (at, call) in turn.calls.iter().enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            write_call(weave, call, quirks);
        }
        weave.lit("]");
    }
}

/// A tool call's id, in the vendor's form.
fn write_id(weave: &mut Weave, id: &Str, quirks: &Quirks) {
    match short_call_id(id.bytes()).filter(|_| quirks.short_call_ids) {
        Some(short) => weave.quoted(&short),
        None => weave.string(id),
    }
}

fn write_call(weave: &mut Weave, call: &ToolCall, quirks: &Quirks) {
    weave.lit("{\"id\":");
    write_id(weave, &call.id, quirks);
    weave.lit(r#","type":"function","function":{"name":"#);
    weave.string(&call.name);
    weave.lit(",\"arguments\":");
    weave.string(&call.arguments);
    weave.lit("}}");
}

/// A message's content: null, a string, or parts.
fn write_content(weave: &mut Weave, turn: &Turn, quirks: &Quirks) {
    let text = |part: &Part| matches!(part, Part::Text(_));
    match turn.parts.as_slice() {
        [] if turn.calls.is_empty() => weave.lit("\"\""),
        [] => weave.lit("null"),
        [Part::Text(text)] => weave.string(text),
        parts if quirks.flat_text && (quirks.text_only || parts.iter().all(text)) => {
            write_joined(weave, parts, "\\n");
        }
        parts => {
            weave.lit("[");
            for (at, part) in parts.iter().enumerate() {
                weave.lit(if at == 0 { "" } else { "," });
                write_part(weave, part, quirks);
            }
            weave.lit("]");
        }
    }
}

/// The texts of parts as one string; other parts are passed over.
pub(crate) fn write_joined(weave: &mut Weave, parts: &[Part], between: &str) {
    weave.lit("\"");
    let mut first = true;
    for part in parts {
        if let Part::Text(text) | Part::Refusal(text) = part {
            weave.lit(if std::mem::replace(&mut first, false) {
                ""
            } else {
                between
            });
            weave.splice(text.bytes());
        }
    }
    weave.lit("\"");
}

fn write_part(weave: &mut Weave, part: &Part, quirks: &Quirks) {
    match part {
        Part::Text(text) => {
            weave.lit(r#"{"type":"text","text":"#);
            weave.string(text);
            weave.lit("}");
        }
        Part::Refusal(text) => {
            weave.lit(r#"{"type":"refusal","refusal":"#);
            weave.string(text);
            weave.lit("}");
        }
        Part::Image { at, detail } => {
            weave.lit(r#"{"type":"image_url","image_url":{"url":"#);
            match at {
                Blob::Inline { data, .. } if quirks.bare_pictures => weave.string(data),
                _ => weave.blob(at),
            }
            let says = |detail: &&Str| !quirks.no_auto_detail || detail.text() != "auto";
            if let Some(detail) = detail.as_ref().filter(says) {
                weave.lit(",\"detail\":");
                weave.string(detail);
            }
            weave.lit("}}");
        }
        Part::Audio { data, format } => {
            weave.lit(r#"{"type":"input_audio","input_audio":{"data":"#);
            weave.string(data);
            weave.lit(",\"format\":");
            weave.string(format);
            weave.lit("}}");
        }
        Part::File { name, at } => {
            weave.lit(r#"{"type":"file","file":{"#);
            if let Some(name) = name {
                weave.lit("\"filename\":");
                weave.string(name);
                weave.lit(",");
            }
            weave.lit("\"file_data\":");
            weave.blob(at);
            weave.lit("}}");
        }
        Part::Other(raw) => weave.raw(raw),
    }
}

/// What becomes of fields that were not understood, in a dialect that knows only `passes` of them.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(crate) fn write_extra(
    fields: &mut Fields<'_>,
    request: &Request,
    passes: &[&'static str],
) -> Result<(), Fault> {
    for (name, raw) in &request.extra {
        let text = name.text();
        if passes.contains(&&*text) {
            fields.foreign(name, raw);
        } else if raw.bytes().as_ref() != b"null" {
            match OPENAI_ONLY.iter().find(|known| **known == text) {
                Some(known) => fields.lack(known, raw)?,
                None => fields.lose("unknown_fields", Loss::Hint)?,
            }
        }
    }
    Ok(())
}
