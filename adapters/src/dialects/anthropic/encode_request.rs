//! Writes a canonical request as messages: settings here, the conversation in [`super::turns`].
//!
//! Text is spliced, never decoded. What models take differs ([`Messages`](crate::quirks::Messages)): what one does not is
//! lost by the rules of [`Lossy`].

use wire::Fault;
use wire::canon::{Format, Raw, Request, Role, Settings, Str, Tool, ToolChoice};
use wire::json::{self, Type, Value};

use super::turns::{Writing, is_blank};
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{write_extra, write_list};
use crate::dialects::sides::is_system;
use crate::quirks::{Loss, Quirks, Sampling, Thinks};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Budgets of thinking, in tokens, for models that want a number (`dialects/mapping.md`, section 1).
const BUDGETS: [(&str, u64); 6] = [
    ("minimal", 1024),
    ("low", 2048),
    ("medium", 8192),
    ("high", 16_384),
    ("xhigh", 32_768),
    ("max", 32_768),
];

/// Fewest tokens that the vendor takes as a budget of thinking.
const BUDGET_MIN: u64 = 1024;

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
    fields.key("model");
    fields.weave.quoted(call.model);
    let settings = &request.settings;
    let most = quirks.messages.output_max;
    let room = Room::of(settings.max_tokens.unwrap_or(most), most, call.cap);
    let thinking = thinking(&mut fields, request, quirks, &room)?;
    let budget = match thinking {
        Thinking::Budget(budget) => budget,
        _ => 0,
    };
    fields.key("max_tokens");
    fields.weave.number(room.whole(budget));
    write_thinking(&mut fields, &thinking, settings)?;
    system(&mut fields, request)?;
    fields.key("messages");
    let mut writing = Writing::new(fields.weave, fields.dropped, lossy);
    writing.messages(&request.turns)?;
    if request.stream {
        fields.lit("stream", "true");
    }
    tools(&mut fields, request)?;
    sampling(&mut fields, settings, quirks, !thinking.is_on())?;
    rest(&mut fields, settings)?;
    write_extra(&mut fields, request, &[])?;
    fields.close(request.stream, !request.tools.is_empty());
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// How much is thought before the answer.
enum Thinking {
    Off,
    Adaptive,
    Budget(u64),
}

impl Thinking {
    fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// Tokens of a reply. What is thought is part of it, and the caller's cap is meant for the answer; but what a budget has
/// left, and what the model gives out at most, is for both.
pub(crate) struct Room {
    /// Of the answer.
    asked: u64,
    /// Of all.
    most: u64,
}

impl Room {
    /// `most` is what the model gives out, `bound` what a budget has left. A caller who asks for more than we know of the
    /// model is taken at their word.
    pub(crate) fn of(asked: u64, most: u64, bound: Option<u64>) -> Self {
        let (asked, most) = bound.map_or((asked, most.max(asked)), |bound| (bound, bound));
        Self { asked, most }
    }

    /// The cap on all of it.
    pub(crate) fn whole(&self, thought: u64) -> u64 {
        self.asked.saturating_add(thought).min(self.most)
    }

    /// How much of that may be thought: what the answer does not need, or half. `None`: less than the vendor takes.
    pub(crate) fn within(&self, thought: u64) -> Option<u64> {
        let spare = self.most.saturating_sub(self.asked);
        let thought = thought.min(spare.max(self.most / 2));
        (thought >= BUDGET_MIN).then_some(thought)
    }
}

/// # Errors
/// `BadRequest` if an effort must not be lost.
fn thinking(
    fields: &mut Fields<'_>,
    request: &Request,
    quirks: &Quirks,
    room: &Room,
) -> Result<Thinking, Fault> {
    let effort = request.settings.reasoning_effort.as_ref();
    let effort = effort.map(|effort| effort.text());
    let Some(word) = effort.filter(|word| !matches!(&**word, "none" | "")) else {
        return Ok(Thinking::Off);
    };
    let forced = matches!(
        request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    );
    let budget = BUDGETS.iter().find(|(known, _)| *known == word);
    let possible = match quirks.messages.thinks {
        Thinks::Never => None,
        Thinks::Adaptive => Some(Thinking::Adaptive),
        Thinks::Budget => budget
            .and_then(|(_, budget)| room.within(*budget))
            .map(Thinking::Budget),
    };
    match possible {
        // The vendor takes no forced tool with it, and no result of a tool without the thought that led to the call.
        Some(thinking) if !forced && !lost_its_thought(request) => Ok(thinking),
        _ => {
            fields.lose("reasoning_effort", Loss::Hint)?;
            Ok(Thinking::Off)
        }
    }
}

/// Whether the last thing that the model did was to call tools, and what it thought before is not there to be shown.
pub(crate) fn lost_its_thought(request: &Request) -> bool {
    let turns = request.turns.iter().rev();
    let mut turns = turns.skip_while(|turn| turn.role == Role::Tool);
    let last = turns.next();
    last.is_some_and(|turn| {
        turn.role == Role::Assistant && !turn.calls.is_empty() && turn.proofs.is_empty()
    })
}

fn write_thinking(
    fields: &mut Fields<'_>,
    thinking: &Thinking,
    settings: &Settings,
) -> Result<(), Fault> {
    let schema = match &settings.format {
        Some(Format::JsonSchema(raw)) => schema_of(raw),
        _ => None,
    };
    match thinking {
        Thinking::Off => {}
        Thinking::Adaptive => fields.lit("thinking", r#"{"type":"adaptive"}"#),
        Thinking::Budget(budget) => {
            fields.key("thinking");
            fields.weave.lit("{\"type\":\"enabled\",\"budget_tokens\":");
            fields.weave.number(budget);
            fields.weave.lit("}");
        }
    }
    let effort = match thinking {
        Thinking::Adaptive => settings.reasoning_effort.as_ref(),
        _ => None,
    };
    match &settings.format {
        None | Some(Format::Text | Format::JsonObject) => {}
        Some(_) if schema.is_none() => fields.lose("response_format", Loss::Meaning)?,
        Some(_) => {}
    }
    if effort.is_none() && schema.is_none() {
        return Ok(());
    }
    fields.key("output_config");
    let weave = &mut *fields.weave;
    weave.lit("{");
    if let Some(effort) = effort {
        weave.lit("\"effort\":");
        // The least that this dialect has a word for.
        match &*effort.text() {
            "minimal" => weave.lit("\"low\""),
            _ => weave.string(effort),
        }
    }
    if let Some(schema) = &schema {
        weave.lit(if effort.is_some() { "," } else { "" });
        weave.lit("\"format\":{\"type\":\"json_schema\",\"schema\":");
        weave.raw(schema);
        weave.lit("}");
    }
    weave.lit("}");
    Ok(())
}

/// The schema inside OpenAI's `json_schema` value.
pub(crate) fn schema_of(raw: &Raw) -> Option<Raw> {
    let tape = json::scan(raw.bytes(), &json::Limits::default()).ok()?;
    let schema = Value::root(&tape, raw.bytes())?.get("schema")?;
    Some(Raw::of(raw.bytes(), schema))
}

/// System texts, wherever they stood, joined in order: the vendor takes them at the first place only.
fn system(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let parts = request
        .turns
        .iter()
        .filter(|turn| is_system(turn))
        .flat_map(|turn| &turn.parts);
    let mut texts: Vec<&Str> = Vec::new();
    for part in parts {
        match part {
            wire::canon::Part::Text(text) | wire::canon::Part::Refusal(text) => texts.push(text),
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
    fields.weave.lit("\"");
    for (at, text) in texts.into_iter().enumerate() {
        fields.weave.lit(if at == 0 { "" } else { "\\n\\n" });
        fields.weave.splice(text.bytes());
    }
    fields.weave.lit("\"");
    Ok(())
}

fn tools(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    let functions = || {
        let all = request.tools.iter();
        all.filter(|tool| matches!(tool, Tool::Function { .. }))
    };
    if functions().count() < request.tools.len() {
        fields.lose("tools", Loss::Meaning)?;
    }
    if functions().next().is_none() {
        return Ok(());
    }
    fields.key("tools");
    fields.weave.lit("[");
    for (at, tool) in functions().enumerate() {
        fields.weave.lit(if at == 0 { "" } else { "," });
        write_tool(fields.weave, tool);
    }
    fields.weave.lit("]");
    let single = request.parallel == Some(false);
    let choice = match &request.tool_choice {
        Some(ToolChoice::Other(_)) => {
            fields.lose("tool_choice", Loss::Meaning)?;
            None
        }
        Some(choice) => Some(choice),
        None => single.then_some(&ToolChoice::Auto),
    };
    let Some(choice) = choice else { return Ok(()) };
    fields.key("tool_choice");
    let weave = &mut *fields.weave;
    match choice {
        ToolChoice::None => weave.lit("{\"type\":\"none\""),
        ToolChoice::Required => weave.lit("{\"type\":\"any\""),
        ToolChoice::Named(name) => {
            weave.lit("{\"type\":\"tool\",\"name\":");
            weave.string(name);
        }
        _ => weave.lit("{\"type\":\"auto\""),
    }
    if single && !matches!(choice, ToolChoice::None) {
        weave.lit(",\"disable_parallel_tool_use\":true");
    }
    weave.lit("}");
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
        return;
    };
    weave.lit("{\"name\":");
    weave.string(name);
    if let Some(description) = description {
        weave.lit(",\"description\":");
        weave.string(description);
    }
    weave.lit(",\"input_schema\":");
    match parameters {
        Some(schema) if has_type(schema) => weave.raw(schema),
        // The vendor asks for the type that a function's arguments always have.
        Some(schema) if schema.bytes().len() > 2 => {
            weave.lit("{\"type\":\"object\",");
            weave.splice(&schema.bytes().slice(1..));
        }
        _ => weave.lit(r#"{"type":"object","properties":{}}"#),
    }
    if let Some(strict) = strict {
        weave.lit(",\"strict\":");
        weave.number(strict);
    }
    weave.lit("}");
}

/// Whether a schema says its type; an object without members says nothing and is written anew.
pub(crate) fn has_type(schema: &Raw) -> bool {
    let Ok(tape) = json::scan(schema.bytes(), &json::Limits::default()) else {
        return true;
    };
    Value::root(&tape, schema.bytes())
        .is_none_or(|root| root.kind() != Type::Object || root.get("type").is_some())
}

fn sampling(
    fields: &mut Fields<'_>,
    settings: &Settings,
    quirks: &Quirks,
    free: bool,
) -> Result<(), Fault> {
    let (temperature, top_p) = match quirks.messages.sampling {
        Sampling::Both if free => (true, true),
        Sampling::Either if free => (true, settings.temperature.is_none()),
        _ => (false, false),
    };
    for (name, raw, takes) in [
        ("temperature", &settings.temperature, temperature),
        ("top_p", &settings.top_p, top_p),
    ] {
        match raw {
            Some(raw) if takes => fields.put_raw(name, Some(raw))?,
            Some(_) => fields.lose(name, Loss::Hint)?,
            None => {}
        }
    }
    Ok(())
}

fn rest(fields: &mut Fields<'_>, settings: &Settings) -> Result<(), Fault> {
    let stops: Vec<Str> = settings
        .stop
        .iter()
        .filter(|stop| !is_blank(stop))
        .cloned()
        .collect();
    if stops.len() < settings.stop.len() {
        fields.lose("stop", Loss::Meaning)?;
    }
    if !stops.is_empty() {
        fields.key("stop_sequences");
        write_list(fields.weave, &stops);
    }
    if let Some(user) = &settings.user {
        fields.key("metadata");
        fields.weave.lit("{\"user_id\":");
        fields.weave.string(user);
        fields.weave.lit("}");
    }
    let lacking = [
        ("n", settings.choices.is_some(), Loss::Meaning),
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
        ("metadata", settings.metadata.is_some(), Loss::Hint),
    ];
    for (name, given, loss) in lacking {
        if given {
            fields.lose(name, loss)?;
        }
    }
    Ok(())
}

fn is_not_zero(raw: &Option<Raw>) -> bool {
    raw.as_ref().is_some_and(|raw| raw.number() != Some(0.0))
}
