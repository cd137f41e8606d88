//! Writes a canonical request in this dialect: a turn becomes an item, or several, where the model also thought and called.
//!
//! Text is spliced, never decoded. The dialect has no word for several choices, places to stop, and numbers of sampling
//! beyond two: they are lost by the rules of [`Lossy`].

use wire::Fault;
use wire::canon::{Format, Part, Raw, Request, Role, Settings, Tool, ToolChoice, Turn};
use wire::json::{self, Value};

use super::ENCRYPTED;
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{write_extra, write_joined};
use crate::quirks::{Loss, Quirks};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Top-level fields that have the same name here.
const SHARED: &[&str] = &[
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];

/// Writes the request.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(super) fn encode(
    request: &Request,
    call: &Call<'_>,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<Encoded, Fault> {
    let mut weave = Weave::new();
    let mut dropped = Dropped::new();
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    fields.key("model");
    fields.weave.quoted(call.model);
    fields.key("input");
    let mut items = Items::default();
    for turn in &request.turns {
        items.turn(fields.weave, turn);
    }
    fields.weave.lit(if items.begun { "]" } else { "[]" });
    if items.lost {
        fields.lose("messages", Loss::Meaning)?;
    }
    if request.stream {
        fields.lit("stream", "true");
    }
    fields.lit("store", "false");
    tools(&mut fields, request)?;
    settings(&mut fields, request)?;
    includes(&mut fields, &request.settings, quirks);
    let verbosity = |name: &wire::canon::Str| &*name.text() == "verbosity";
    let rest = Request {
        extra: request
            .extra
            .iter()
            .filter(|(name, _)| !verbosity(name))
            .cloned()
            .collect(),
        ..Request::default()
    };
    write_extra(&mut fields, &rest, SHARED)?;
    fields.weave.lit("}");
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

#[derive(Default)]
struct Items {
    begun: bool,
    /// Something in the turns has no word here.
    lost: bool,
}

impl Items {
    fn next(&mut self, weave: &mut Weave) {
        weave.lit(if std::mem::replace(&mut self.begun, true) {
            ","
        } else {
            "["
        });
    }

    fn turn(&mut self, weave: &mut Weave, turn: &Turn) {
        if turn.role == Role::Tool {
            self.next(weave);
            weave.lit(r#"{"type":"function_call_output","call_id":"#);
            weave.string(&turn.call_id.clone().unwrap_or_default());
            weave.lit(",\"output\":");
            let text = |part: &Part| matches!(part, Part::Text(_) | Part::Refusal(_));
            if turn.parts.iter().all(text) {
                write_joined(weave, &turn.parts, "\\n");
            } else {
                self.parts(weave, turn);
            }
            return weave.lit("}");
        }
        // Only a thought that its own vendor can read again is worth showing.
        for proof in turn
            .proofs
            .iter()
            .filter(|proof| &*proof.kind.text() == ENCRYPTED)
        {
            self.next(weave);
            weave.lit(r#"{"type":"reasoning","summary":[],"encrypted_content":"#);
            weave.string(&proof.data);
            weave.lit("}");
        }
        if !turn.parts.is_empty() || turn.calls.is_empty() {
            self.next(weave);
            weave.lit("{\"role\":\"");
            weave.lit(match turn.role {
                Role::System => "system",
                Role::Developer => "developer",
                Role::Assistant => "assistant",
                Role::User | Role::Tool => "user",
            });
            weave.lit("\",\"content\":");
            match turn.parts.as_slice() {
                [] => weave.lit("\"\""),
                [Part::Text(text)] => weave.string(text),
                _ => self.parts(weave, turn),
            }
            weave.lit("}");
        }
        for call in &turn.calls {
            self.next(weave);
            weave.lit(r#"{"type":"function_call","call_id":"#);
            weave.string(&call.id);
            weave.lit(",\"name\":");
            weave.string(&call.name);
            weave.lit(",\"arguments\":");
            weave.string(&call.arguments);
            weave.lit("}");
        }
    }

    fn parts(&mut self, weave: &mut Weave, turn: &Turn) {
        weave.lit("[");
        let mut comma = "";
        for part in &turn.parts {
            if matches!(part, Part::Other(_)) {
                self.lost = true;
                continue;
            }
            weave.lit(comma);
            comma = ",";
            write_part(weave, part, turn.role == Role::Assistant);
        }
        weave.lit("]");
    }
}

fn write_part(weave: &mut Weave, part: &Part, of_model: bool) {
    match part {
        Part::Text(text) => {
            weave.lit(if of_model {
                r#"{"type":"output_text","text":"#
            } else {
                r#"{"type":"input_text","text":"#
            });
            weave.string(text);
        }
        Part::Refusal(text) => {
            weave.lit(r#"{"type":"refusal","refusal":"#);
            weave.string(text);
        }
        Part::Image { at, detail } => {
            weave.lit(r#"{"type":"input_image","image_url":"#);
            weave.blob(at);
            if let Some(detail) = detail {
                weave.lit(",\"detail\":");
                weave.string(detail);
            }
        }
        Part::Audio { data, format } => {
            weave.lit(r#"{"type":"input_audio","input_audio":{"data":"#);
            weave.string(data);
            weave.lit(",\"format\":");
            weave.string(format);
            weave.lit("}");
        }
        Part::File { name, at } => {
            weave.lit(r#"{"type":"input_file""#);
            if let Some(name) = name {
                weave.lit(",\"filename\":");
                weave.string(name);
            }
            weave.lit(match at {
                wire::canon::Blob::Url(_) => ",\"file_url\":",
                wire::canon::Blob::Inline { .. } => ",\"file_data\":",
            });
            weave.blob(at);
        }
        Part::Other(raw) => return weave.raw(raw),
    }
    weave.lit("}");
}

/// # Errors
/// `BadRequest` for tools that this dialect has no word for.
fn tools(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let functions = || {
        request
            .tools
            .iter()
            .filter(|tool| matches!(tool, Tool::Function { .. }))
    };
    if functions().count() < request.tools.len() {
        // Written in another dialect's words.
        fields.lose("tools", Loss::Meaning)?;
    }
    if functions().next().is_none() {
        return Ok(());
    }
    fields.key("tools");
    for (at, tool) in functions().enumerate() {
        fields.weave.lit(if at == 0 { "[" } else { "," });
        write_tool(fields.weave, tool);
    }
    fields.weave.lit("]");
    match &request.tool_choice {
        Some(ToolChoice::Auto) => fields.lit("tool_choice", "\"auto\""),
        Some(ToolChoice::None) => fields.lit("tool_choice", "\"none\""),
        Some(ToolChoice::Required) => fields.lit("tool_choice", "\"required\""),
        Some(ToolChoice::Named(name)) => {
            fields.key("tool_choice");
            fields.weave.lit(r#"{"type":"function","name":"#);
            fields.weave.string(name);
            fields.weave.lit("}");
        }
        Some(ToolChoice::Other(_)) => fields.lose("tool_choice", Loss::Meaning)?,
        None => {}
    }
    match request.parallel {
        Some(true) => fields.lit("parallel_tool_calls", "true"),
        Some(false) => fields.lit("parallel_tool_calls", "false"),
        None => {}
    }
    Ok(())
}

fn write_tool(weave: &mut Weave, tool: &Tool) {
    let Tool::Function {
        name,
        description,
        parameters,
        strict,
    } = tool
    else {
        return weave.lit("null");
    };
    weave.lit(r#"{"type":"function","name":"#);
    weave.string(name);
    if let Some(description) = description {
        weave.lit(",\"description\":");
        weave.string(description);
    }
    weave.lit(",\"parameters\":");
    match parameters {
        Some(parameters) => weave.raw(parameters),
        None => weave.lit(r#"{"type":"object","properties":{}}"#),
    }
    // Strict is the default here and nowhere else.
    weave.lit(",\"strict\":");
    weave.number(strict.unwrap_or(false));
    weave.lit("}");
}

/// # Errors
/// `BadRequest` for what must not be lost.
fn settings(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let settings = &request.settings;
    for (name, raw) in [
        ("temperature", &settings.temperature),
        ("top_p", &settings.top_p),
    ] {
        fields.put_raw(name, raw.as_ref())?;
    }
    if let Some(tokens) = settings.max_tokens {
        fields.key("max_output_tokens");
        fields.weave.number(tokens);
    }
    if let Some(effort) = &settings.reasoning_effort {
        fields.key("reasoning");
        fields.weave.lit("{\"effort\":");
        fields.weave.string(effort);
        fields.weave.lit("}");
    }
    fields.put_str("user", settings.user.as_ref())?;
    fields.put_raw("metadata", settings.metadata.as_ref())?;
    fields.put_raw("top_logprobs", settings.top_logprobs.as_ref())?;
    write_text(fields, request)?;
    if !settings.stop.is_empty() {
        fields.lose("stop", Loss::Meaning)?;
    }
    if settings.choices.is_some() {
        fields.lose("n", Loss::Meaning)?;
    }
    for (name, raw) in [
        ("seed", &settings.seed),
        ("presence_penalty", &settings.presence_penalty),
        ("frequency_penalty", &settings.frequency_penalty),
        ("logit_bias", &settings.logit_bias),
    ] {
        if raw.as_ref().is_some_and(|raw| raw.number() != Some(0.0)) {
            fields.lose(name, Loss::Hint)?;
        }
    }
    Ok(())
}

/// Shape and length of the answer.
///
/// # Errors
/// `BadRequest` for a shape that this dialect has no word for.
fn write_text(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let mut extra = request.extra.iter();
    let verbosity = extra.find(|(name, _)| &*name.text() == "verbosity");
    let format = match &request.settings.format {
        Some(Format::Other(_)) => {
            fields.lose("response_format", Loss::Meaning)?;
            None
        }
        other => other.as_ref(),
    };
    if verbosity.is_none() && format.is_none() {
        return Ok(());
    }
    fields.key("text");
    fields.weave.lit("{");
    if let Some((_, raw)) = verbosity {
        fields.weave.lit("\"verbosity\":");
        fields.weave.raw(raw);
    }
    if let Some(format) = format {
        fields.weave.lit(if verbosity.is_some() { "," } else { "" });
        fields.weave.lit("\"format\":");
        match format {
            Format::JsonObject => fields.weave.lit(r#"{"type":"json_object"}"#),
            Format::JsonSchema(schema) => write_schema(fields.weave, schema),
            Format::Text | Format::Other(_) => fields.weave.lit(r#"{"type":"text"}"#),
        }
    }
    fields.weave.lit("}");
    Ok(())
}

/// What chat completions have in `json_schema` stands one level higher here.
fn write_schema(weave: &mut Weave, schema: &Raw) {
    weave.lit(r#"{"type":"json_schema""#);
    if let Ok(tape) = json::scan(schema.bytes(), &json::Limits::default()) {
        let root = Value::root(&tape, schema.bytes());
        for (key, value) in root.iter().flat_map(Value::members) {
            weave.lit(",");
            weave.bytes(key.raw());
            weave.lit(":");
            weave.raw(&Raw::of(schema.bytes(), value));
        }
    }
    weave.lit("}");
}

fn includes(fields: &mut Fields<'_>, settings: &Settings, quirks: &Quirks) {
    let mut all: smallvec::SmallVec<[&str; 2]> = smallvec::SmallVec::new();
    if quirks.encrypts_thoughts {
        all.push("\"reasoning.encrypted_content\"");
    }
    if settings.logprobs == Some(true) {
        all.push("\"message.output_text.logprobs\"");
    }
    if !all.is_empty() {
        let list = all.join(",");
        fields.key("include");
        for piece in ["[", &list, "]"] {
            fields.weave.lit(piece);
        }
    }
}
