//! Writes a canonical request for the legacy chat. The model's name is not written: it stands in the path.

use wire::Fault;
use wire::canon::{Format, Request, Str, ToolChoice};

use super::turns::{Side, arrange, result_text};
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{write_extra, write_functions, write_settings};
use crate::quirks::{Loss, Quirks};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Settings of the vendor's own that clients send at the top level.
const OWN: &[&str] = &[
    "disable_search",
    "enable_citation",
    "enable_trace",
    "penalty_score",
    "user_setting",
];

/// Fewest tokens that the vendor takes as a cap.
const TOKENS_MIN: u64 = 2;

/// Writes the request.
///
/// # Errors
/// `BadRequest` for what must not be lost.
pub(super) fn encode(
    request: &Request,
    _: &Call<'_>,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<Encoded, Fault> {
    let mut weave = Weave::new();
    let mut dropped = Dropped::new();
    let talk = arrange(&request.turns, lossy, &mut dropped)?;
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    fields.key("messages");
    fields.weave.lit("[");
    for (at, side) in talk.turns.iter().enumerate() {
        fields.weave.lit(if at == 0 { "" } else { "," });
        write_side(fields.weave, side);
    }
    fields.weave.lit("]");
    if !talk.system.is_empty() {
        fields.key("system");
        write_texts(fields.weave, &talk.system, "");
    }
    if request.stream {
        fields.lit("stream", "true");
    }
    let tools = write_functions(&mut fields, request)?;
    if tools {
        write_choice(&mut fields, request)?;
    }
    let mut settings = request.settings.clone();
    settings.max_tokens = settings.max_tokens.map(|tokens| tokens.max(TOKENS_MIN));
    let penalty = settings.presence_penalty.take();
    write_settings(&mut fields, &settings, quirks)?;
    if let Some(penalty) = penalty.and_then(|raw| raw.number()) {
        write_penalty(&mut fields, penalty)?;
    }
    match &settings.format {
        Some(Format::JsonObject) => fields.lit("response_format", "\"json_object\""),
        Some(Format::JsonSchema(_) | Format::Other(_)) => {
            fields.lose("response_format", Loss::Meaning)?;
        }
        Some(Format::Text) | None => {}
    }
    write_extra(&mut fields, request, OWN)?;
    fields.close(request.stream, tools);
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// The vendor's penalty runs from 1 (neutral) to 2; it knows no reward for repetition.
fn write_penalty(fields: &mut Fields<'_>, penalty: f64) -> Result<(), Fault> {
    if penalty < 0.0 {
        return fields.lose("presence_penalty", Loss::Hint);
    }
    if penalty > 0.0 {
        fields.key("penalty_score");
        let score = (1.0 + penalty / 2.0).clamp(1.0, 2.0);
        fields.weave.number(score);
    }
    Ok(())
}

/// The choice among functions.
fn write_choice(fields: &mut Fields<'_>, request: &Request) -> Result<(), Fault> {
    match &request.tool_choice {
        Some(ToolChoice::Named(name)) => {
            fields.key("tool_choice");
            fields
                .weave
                .lit(r#"{"type":"function","function":{"name":"#);
            fields.weave.string(name);
            fields.weave.lit("}}");
        }
        Some(ToolChoice::Required | ToolChoice::Other(_)) => {
            fields.lose("tool_choice", Loss::Meaning)?;
        }
        Some(ToolChoice::Auto | ToolChoice::None) | None => {}
    }
    Ok(())
}

fn write_side(weave: &mut Weave, side: &Side<'_>) {
    if side.assistant {
        weave.lit("{\"role\":\"assistant\",\"content\":");
        let blank = if side.call.is_some() { "" } else { "/" };
        write_texts(weave, &side.texts, blank);
        if let Some(call) = side.call {
            weave.lit(",\"function_call\":{\"name\":");
            weave.string(&call.name);
            weave.lit(",\"arguments\":");
            weave.string(&call.arguments);
            weave.lit("}");
        }
        weave.lit("}");
        return;
    }
    let named = match side.results.as_slice() {
        [(Some(name), texts)] if side.texts.is_empty() => Some((name, texts)),
        _ => None,
    };
    if let Some((name, texts)) = named {
        weave.lit("{\"role\":\"function\",\"name\":");
        weave.string(name);
        weave.lit(",\"content\":");
        weave.string(&result_text(texts));
    } else {
        // Several results, or a result and a question: only the user's own words can follow a call then.
        let results = side.results.iter().flat_map(|row| row.1.iter().copied());
        let texts: Vec<&Str> = results.chain(side.texts.iter().copied()).collect();
        weave.lit("{\"role\":\"user\",\"content\":");
        write_texts(weave, &texts, "/");
    }
    weave.lit("}");
}

/// Texts joined by line feeds; `blank` where there is none, since the vendor refuses empty content.
fn write_texts(weave: &mut Weave, texts: &[&Str], blank: &str) {
    if texts.is_empty() {
        weave.quoted(blank);
    } else {
        weave.joined(texts);
    }
}
