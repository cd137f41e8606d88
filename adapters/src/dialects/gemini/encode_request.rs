//! Writes a canonical request as generateContent: settings here, the conversation in [`super::turns`].
//!
//! Text is spliced, never decoded. The model stands in the path, and a stream is asked for there. How a model is asked to
//! think differs ([`Messages`](crate::quirks::Messages)): what one does not take is lost by the rules of [`Lossy`].

use wire::Fault;
use wire::canon::{Format, Part, Request, Settings, Str, Tool, ToolChoice};

use super::turns::Writing;
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::anthropic::schema_of;
use crate::dialects::openai_chat::encode_request::{write_extra, write_list};
use crate::dialects::sides::is_system;
use crate::quirks::{Loss, Quirks, Thinks};
use crate::weave::{Fields, Weave};

/// Budgets of thinking, in tokens, for models that want a number (`dialects/mapping.md`, section 1).
const BUDGETS: [(&str, u64); 7] = [
    ("none", 0),
    ("minimal", 512),
    ("low", 1024),
    ("medium", 8192),
    ("high", 24_576),
    ("xhigh", 24_576),
    ("max", 24_576),
];
/// Words of thinking, for models that want one.
const LEVELS: [(&str, &str); 7] = [
    ("none", "MINIMAL"),
    ("minimal", "MINIMAL"),
    ("low", "LOW"),
    ("medium", "MEDIUM"),
    ("high", "HIGH"),
    ("xhigh", "XHIGH"),
    ("max", "XHIGH"),
];
/// Words at which a model stops, at most.
const STOPS_MAX: usize = 5;

/// Writes the request.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(super) fn encode(request: &Request, quirks: &Quirks, lossy: Lossy) -> Result<Encoded, Fault> {
    let mut weave = Weave::new();
    let mut dropped = Dropped::new();
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    system(&mut fields, request)?;
    fields.key("contents");
    let signs = quirks.messages.thinks == Thinks::Adaptive;
    Writing::new(fields.weave, fields.dropped, lossy, signs).contents(&request.turns)?;
    tools(&mut fields, request)?;
    config(&mut fields, request, quirks, lossy)?;
    rest(&mut fields, &request.settings)?;
    write_extra(&mut fields, request, &[])?;
    fields.close(request.stream, !request.tools.is_empty());
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// System texts, wherever they stood, joined in order: the vendor takes them at the first place only.
fn system(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let turns = request.turns.iter().filter(|turn| is_system(turn));
    let mut texts: Vec<&Str> = Vec::new();
    for part in turns.flat_map(|turn| &turn.parts) {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text),
            _ => fields.lose("messages", Loss::Meaning)?,
        }
    }
    texts.retain(|text| !text.is_empty());
    if texts.is_empty() {
        return Ok(());
    }
    fields.key("systemInstruction");
    fields.weave.lit("{\"parts\":[{\"text\":\"");
    for (at, text) in texts.into_iter().enumerate() {
        fields.weave.lit(if at == 0 { "" } else { "\\n\\n" });
        fields.weave.splice(text.bytes());
    }
    fields.weave.lit("\"}]}");
    Ok(())
}

fn tools(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let mut open = false;
    for tool in &request.tools {
        let Tool::Function {
            name,
            description,
            parameters,
            strict,
        } = tool
        else {
            fields.lose("tools", Loss::Meaning)?;
            continue;
        };
        if *strict == Some(true) {
            fields.lose("strict", Loss::Hint)?;
        }
        if std::mem::replace(&mut open, true) {
            fields.weave.lit(",");
        } else {
            fields.key("tools");
            fields.weave.lit("[{\"functionDeclarations\":[");
        }
        let weave = &mut *fields.weave;
        weave.lit("{\"name\":");
        weave.string(name);
        if let Some(description) = description {
            weave.lit(",\"description\":");
            weave.string(description);
        }
        if let Some(schema) = parameters {
            weave.lit(",\"parametersJsonSchema\":");
            weave.raw(schema);
        }
        weave.lit("}");
    }
    if !open {
        return Ok(());
    }
    fields.weave.lit("]}]");
    if request.parallel == Some(false) {
        fields.lose("parallel_tool_calls", Loss::Hint)?;
    }
    let mode = match &request.tool_choice {
        None => return Ok(()),
        Some(ToolChoice::Other(_)) => return fields.lose("tool_choice", Loss::Meaning),
        Some(ToolChoice::Auto) => "AUTO",
        Some(ToolChoice::None) => "NONE",
        Some(ToolChoice::Required | ToolChoice::Named(_)) => "ANY",
    };
    fields.key("toolConfig");
    fields.weave.lit("{\"functionCallingConfig\":{\"mode\":");
    fields.weave.quoted(mode);
    if let Some(ToolChoice::Named(name)) = &request.tool_choice {
        fields.weave.lit(",\"allowedFunctionNames\":[");
        fields.weave.string(name);
        fields.weave.lit("]");
    }
    fields.weave.lit("}}");
    Ok(())
}

/// `generationConfig`, if there is anything in it.
fn config(
    outer: &mut Fields<'_>,
    request: &Request,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<(), Fault> {
    let settings = &request.settings;
    let mut apart = Weave::new();
    let mut fields = Fields::open(&mut apart, outer.dropped, quirks, lossy);
    for (name, raw) in [
        ("temperature", &settings.temperature),
        ("topP", &settings.top_p),
        ("seed", &settings.seed),
        ("presencePenalty", &settings.presence_penalty),
        ("frequencyPenalty", &settings.frequency_penalty),
    ] {
        fields.put_raw(name, raw.as_ref())?;
    }
    if let Some(cap) = settings.max_tokens {
        fields.put("maxOutputTokens", |weave| weave.number(cap))?;
    }
    if let Some(count) = settings.choices {
        fields.put("candidateCount", |weave| weave.number(count))?;
    }
    match settings.stop.len() {
        0 => {}
        count if count > STOPS_MAX => fields.lose("stop", Loss::Meaning)?,
        _ => fields.put("stopSequences", |weave| write_list(weave, &settings.stop))?,
    }
    match &settings.format {
        None | Some(Format::Text) => {}
        Some(Format::JsonObject) => fields.lit("responseMimeType", "\"application/json\""),
        Some(Format::JsonSchema(raw)) => {
            fields.lit("responseMimeType", "\"application/json\"");
            if let Some(schema) = schema_of(raw) {
                fields.key("responseJsonSchema");
                fields.weave.raw(&schema);
            }
        }
        Some(Format::Other(_)) => fields.lose("response_format", Loss::Meaning)?,
    }
    thinking(&mut fields, settings, quirks)?;
    fields.close(false, false);
    let written = apart.take();
    if written.len() > b"{}".len() {
        outer.key("generationConfig");
        for piece in written.pieces() {
            outer.weave.splice(piece);
        }
    }
    Ok(())
}

fn thinking(fields: &mut Fields<'_>, settings: &Settings, quirks: &Quirks) -> Result<(), Fault> {
    let Some(effort) = settings.reasoning_effort.as_ref() else {
        return Ok(());
    };
    let effort = effort.text();
    let budget = BUDGETS.iter().find(|(word, _)| *word == effort);
    let level = LEVELS.iter().find(|(word, _)| *word == effort);
    let shows = effort != "none";
    match (quirks.messages.thinks, budget, level) {
        (Thinks::Budget, Some((_, budget)), _) => {
            fields.key("thinkingConfig");
            fields.weave.lit("{\"thinkingBudget\":");
            fields.weave.number(budget);
        }
        (Thinks::Adaptive, _, Some((_, level))) => {
            fields.key("thinkingConfig");
            fields.weave.lit("{\"thinkingLevel\":");
            fields.weave.quoted(level);
        }
        (Thinks::Never, ..) if !shows => return Ok(()),
        _ => return fields.lose("reasoning_effort", Loss::Hint),
    }
    fields.weave.lit(if shows {
        ",\"includeThoughts\":true}"
    } else {
        "}"
    });
    Ok(())
}

/// What this dialect has no word for.
fn rest(fields: &mut Fields<'_>, settings: &Settings) -> Result<(), Fault> {
    let ranked = settings.top_logprobs.as_ref();
    let lacking = [
        ("logit_bias", settings.logit_bias.is_some()),
        ("logprobs", settings.logprobs == Some(true)),
        (
            "top_logprobs",
            ranked.is_some_and(|raw| raw.number() != Some(0.0)),
        ),
        ("user", settings.user.is_some()),
        ("metadata", settings.metadata.is_some()),
    ];
    for (name, given) in lacking {
        if given {
            fields.lose(name, Loss::Hint)?;
        }
    }
    Ok(())
}
