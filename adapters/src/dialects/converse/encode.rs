//! Writes a canonical request as Converse: settings here, the conversation in [`super::turns`].
//!
//! Text is spliced, never decoded. The model stands in the path, and a stream is asked for there.

use std::collections::HashSet;

use wire::Fault;
use wire::canon::{Format, Part, Raw, Request, Settings, Str, Tool, ToolChoice};

use super::turns::Writing;
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::anthropic::{Room, has_type, is_blank, lost_its_thought};
use crate::dialects::openai_chat::encode_request::{write_extra, write_list};
use crate::dialects::sides::is_system;
use crate::quirks::{Loss, Quirks, Thinks};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Budgets of thinking, in tokens (`dialects/mapping.md`, section 1).
const BUDGETS: [(&str, u64); 6] = [
    ("minimal", 1024),
    ("low", 2048),
    ("medium", 8192),
    ("high", 16_384),
    ("xhigh", 32_768),
    ("max", 32_768),
];

/// Asks in words for what this dialect has no field for.
const JSON_ONLY: &str = "Answer with one JSON object and nothing else.";

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
    system(&mut fields, request)?;
    fields.key("messages");
    Writing::new(fields.weave, fields.dropped, lossy).messages(&request.turns)?;
    let settings = &request.settings;
    let asked = settings.max_tokens.unwrap_or(quirks.messages.output_max);
    // What its models give out at most is not known.
    let room = Room::of(asked, u64::MAX, call.cap);
    let budget = budget(&mut fields, request, quirks, &room)?;
    config(&mut fields, settings, (quirks, lossy), (budget, &room))?;
    tools(&mut fields, request)?;
    if let Some(budget) = budget {
        fields.key("additionalModelRequestFields");
        fields
            .weave
            .lit("{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":");
        fields.weave.number(budget);
        fields.weave.lit("}}");
    }
    rest(&mut fields, request)?;
    write_extra(&mut fields, request, &[])?;
    fields.close(request.stream, !request.tools.is_empty());
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// System texts, wherever they stood, in order: the dialect takes them at the first place only.
fn system(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let turns = request.turns.iter().filter(|turn| is_system(turn));
    let mut texts: Vec<&Str> = Vec::new();
    for part in turns.flat_map(|turn| &turn.parts) {
        match part {
            Part::Text(text) | Part::Refusal(text) => texts.push(text),
            _ => fields.lose("messages", Loss::Meaning)?,
        }
    }
    let json_only = Str::from_raw(JSON_ONLY);
    if matches!(request.settings.format, Some(Format::JsonObject)) {
        fields.lose("response_format", Loss::Hint)?;
        texts.push(&json_only);
    }
    texts.retain(|text| !is_blank(text));
    if texts.is_empty() {
        return Ok(());
    }
    fields.key("system");
    for (at, text) in texts.into_iter().enumerate() {
        fields.weave.lit(if at == 0 { "[" } else { "," });
        fields.weave.lit("{\"text\":");
        fields.weave.string(text);
        fields.weave.lit("}");
    }
    fields.weave.lit("]");
    Ok(())
}

/// How much may be thought before the answer.
///
/// # Errors
/// `BadRequest` if an effort must not be lost.
fn budget(
    fields: &mut Fields<'_>,
    request: &Request,
    quirks: &Quirks,
    room: &Room,
) -> Result<Option<u64>, Fault> {
    let effort = request.settings.reasoning_effort.as_ref();
    let effort = effort.map(|effort| effort.text());
    let Some(word) = effort.filter(|word| !matches!(&**word, "none" | "")) else {
        return Ok(None);
    };
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    );
    let budget = BUDGETS.iter().find(|(known, _)| *known == word);
    let fits = budget.map(|(_, budget)| room.within(*budget));
    let able = quirks.messages.thinks == Thinks::Budget && fits != Some(None);
    if !able || forced || lost_its_thought(request) {
        fields.lose("reasoning_effort", Loss::Hint)?;
        return Ok(None);
    }
    Ok(fits.flatten())
}

/// `inferenceConfig`, if there is anything in it.
fn config(
    outer: &mut Fields<'_>,
    settings: &Settings,
    (quirks, lossy): (&Quirks, Lossy),
    (budget, room): (Option<u64>, &Room),
) -> Result<(), Fault> {
    let mut apart = Weave::new();
    let mut fields = Fields::open(&mut apart, outer.dropped, quirks, lossy);
    if settings.max_tokens.is_some() || budget.is_some() {
        let cap = room.whole(budget.unwrap_or(0));
        fields.put("maxTokens", |weave| weave.number(cap))?;
    }
    for (name, ours, raw) in [
        ("temperature", "temperature", &settings.temperature),
        ("topP", "top_p", &settings.top_p),
    ] {
        match raw {
            // Who thinks is not sampled.
            Some(_) if budget.is_some() => fields.lose(ours, Loss::Hint)?,
            raw => fields.put_raw(name, raw.as_ref())?,
        }
    }
    let stops = settings.stop.iter().filter(|stop| !stop.is_empty());
    let stops: Vec<Str> = stops.cloned().collect();
    if !stops.is_empty() {
        fields.put("stopSequences", |weave| write_list(weave, &stops))?;
    }
    fields.close(false, false);
    let written = apart.take();
    if written.len() > b"{}".len() {
        outer.key("inferenceConfig");
        for piece in written.pieces() {
            outer.weave.splice(piece);
        }
    }
    Ok(())
}

fn tools(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    // There is no word for "none": the tools go instead, unless the conversation has calls already.
    let none = matches!(request.tool_choice, Some(ToolChoice::None));
    let called = request.turns.iter().any(|turn| !turn.calls.is_empty());
    if none && !called {
        return Ok(());
    }
    let mut open = false;
    for tool in &request.tools {
        if !matches!(tool, Tool::Function { .. }) {
            fields.lose("tools", Loss::Meaning)?;
            continue;
        }
        if std::mem::replace(&mut open, true) {
            fields.weave.lit(",");
        } else {
            fields.key("toolConfig");
            fields.weave.lit("{\"tools\":[");
        }
        write_tool(fields.weave, tool);
    }
    if !open && called {
        // Calls may stand in a conversation only beside tools.
        open = true;
        fields.key("toolConfig");
        fields.weave.lit("{\"tools\":[");
        called_tools(fields.weave, request);
    }
    if !open {
        return Ok(());
    }
    fields.weave.lit("]");
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => fields.weave.lit(",\"toolChoice\":{\"auto\":{}}"),
        Some(ToolChoice::Required) => fields.weave.lit(",\"toolChoice\":{\"any\":{}}"),
        Some(ToolChoice::Named(name)) => {
            fields.weave.lit(",\"toolChoice\":{\"tool\":{\"name\":");
            fields.weave.string(name);
            fields.weave.lit("}}");
        }
        Some(ToolChoice::None | ToolChoice::Other(_)) => {
            fields.lose("tool_choice", Loss::Meaning)?;
        }
    }
    fields.weave.lit("}");
    if request.parallel == Some(false) {
        fields.lose("parallel_tool_calls", Loss::Hint)?;
    }
    Ok(())
}

/// The tools that were called before, as far as is known of them.
fn called_tools(weave: &mut Weave, request: &Request) {
    let mut names: HashSet<&[u8]> = HashSet::new();
    for call in request.turns.iter().flat_map(|turn| &turn.calls) {
        if names.insert(&call.name.bytes()[..]) {
            weave.lit(if names.len() == 1 { "" } else { "," });
            weave.lit("{\"toolSpec\":{\"name\":");
            weave.string(&call.name);
            weave.lit(r#","inputSchema":{"json":{"type":"object"}}}}"#);
        }
    }
}

fn write_tool(weave: &mut Weave, tool: &Tool) {
    let Tool::Function {
        name,
        description,
        parameters,
        ..
    } = tool
    else {
        return;
    };
    weave.lit("{\"toolSpec\":{\"name\":");
    weave.string(name);
    if let Some(description) = description.as_ref().filter(|text| !is_blank(text)) {
        weave.lit(",\"description\":");
        weave.string(description);
    }
    weave.lit(",\"inputSchema\":{\"json\":");
    match parameters {
        Some(schema) if has_type(schema) => weave.raw(schema),
        // The models' makers ask for the type that a function's arguments always have.
        Some(schema) if schema.bytes().len() > 2 => {
            weave.lit("{\"type\":\"object\",");
            weave.splice(&schema.bytes().slice(1..));
        }
        _ => weave.lit(r#"{"type":"object","properties":{}}"#),
    }
    weave.lit("}}}");
}

/// What this dialect has no word for.
fn rest(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let settings = &request.settings;
    let is_not_zero = |raw: &Option<Raw>| raw.as_ref().is_some_and(|raw| raw.number() != Some(0.0));
    let strict = |tool: &Tool| {
        matches!(
            tool,
            Tool::Function {
                strict: Some(true),
                ..
            }
        )
    };
    let shaped = matches!(
        settings.format,
        Some(Format::JsonSchema(_) | Format::Other(_))
    );
    let lacking = [
        ("n", settings.choices.is_some(), Loss::Meaning),
        ("response_format", shaped, Loss::Meaning),
        ("strict", request.tools.iter().any(strict), Loss::Hint),
        ("seed", settings.seed.is_some(), Loss::Hint),
        (
            "presence_penalty",
            is_not_zero(&settings.presence_penalty),
            Loss::Hint,
        ),
        (
            "frequency_penalty",
            is_not_zero(&settings.frequency_penalty),
            Loss::Hint,
        ),
        ("logit_bias", settings.logit_bias.is_some(), Loss::Hint),
        ("logprobs", settings.logprobs == Some(true), Loss::Hint),
        (
            "top_logprobs",
            is_not_zero(&settings.top_logprobs),
            Loss::Hint,
        ),
        ("user", settings.user.is_some(), Loss::Hint),
        ("metadata", settings.metadata.is_some(), Loss::Hint),
    ];
    for (name, given, loss) in lacking {
        if given {
            fields.lose(name, loss)?;
        }
    }
    Ok(())
}
