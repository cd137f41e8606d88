//! Writes a canonical request as the one message that goes up. The credential's half of its `header` is the vendor's to add.

use wire::canon::{Format, Request, Str, Tool, ToolChoice};
use wire::{Fault, json};

use crate::auth::{digest_of, hex};
use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{write_extra, write_function, write_settings};
use crate::dialects::wenxin_v1::turns::{Side, Talk, arrange};
use crate::quirks::{Loss, Quirks, Rule, lose};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// How the message begins; the vendor puts its own members behind it.
pub(crate) const OPENING: &str = "{\"header\":{";

/// Settings of the vendor's own that clients send at the top level.
const OWN: &[&str] = &["top_k"];
/// Characters of a user's id (`header.uid`).
const UID_MAX: usize = 32;

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
    let talk = arrange(&request.turns, lossy, &mut dropped)?;
    let mut settings = request.settings.clone();
    weave.lit(OPENING);
    weave.lit("\"uid\":");
    let user = settings.user.take();
    if user.is_some() {
        lose("user", Loss::Hint, lossy, &mut dropped)?;
    }
    // The vendor lets nobody ask twice at a time: each request is somebody's own. Who it is for is told to nobody.
    let user = user.as_ref().map(Str::text).unwrap_or_default();
    let mut uid = hex(&digest_of(&[call.request_id, &user, "uid"]));
    uid.truncate(UID_MAX);
    weave.quoted(&uid);
    weave.lit("},\"parameter\":{\"chat\":");
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    fields.key("domain");
    fields.weave.quoted(call.model);
    write_settings(&mut fields, &settings, quirks)?;
    if !matches!(settings.format, None | Some(Format::Text)) {
        fields.lose("response_format", Loss::Meaning)?;
    }
    write_extra(&mut fields, request, OWN)?;
    let functions = functions(&mut fields, request, quirks)?;
    fields.close(request.stream, !functions.is_empty());
    weave.lit("},\"payload\":{\"message\":{\"text\":[");
    write_talk(&mut weave, &talk, quirks);
    weave.lit("]}");
    if !functions.is_empty() {
        weave.lit(",\"functions\":{\"text\":[");
        for (at, function) in functions.into_iter().enumerate() {
            weave.lit(if at == 0 { "" } else { "," });
            write_function(&mut weave, function, true);
        }
        weave.lit("]}");
    }
    weave.lit("}}");
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// The functions to be offered: an empty list must not be written.
fn functions<'a>(
    fields: &mut Fields<'_>,
    request: &'a Request,
    quirks: &Quirks,
) -> Result<Vec<&'a Tool>, Fault> {
    let is_function = |tool: &&Tool| matches!(tool, Tool::Function { .. });
    let none = matches!(request.tool_choice, Some(ToolChoice::None));
    if none || request.tools.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(quirks.rule("tools"), Some((_, Rule::Lacks))) {
        fields.lose("tools", Loss::Meaning)?;
        return Ok(Vec::new());
    }
    if !request.tools.iter().all(|tool| is_function(&tool)) {
        fields.lose("tools", Loss::Meaning)?;
    }
    match &request.tool_choice {
        Some(ToolChoice::Named(_) | ToolChoice::Required | ToolChoice::Other(_)) => {
            fields.lose("tool_choice", Loss::Meaning)?;
        }
        Some(ToolChoice::Auto | ToolChoice::None) | None => {}
    }
    Ok(request.tools.iter().filter(is_function).collect())
}

fn write_talk(weave: &mut Weave, talk: &Talk<'_>, quirks: &Quirks) {
    let apart = !talk.system.is_empty() && !quirks.system_in_user;
    if apart {
        write_message(weave, "system", &talk.system);
    }
    for (at, side) in talk.turns.iter().enumerate() {
        weave.lit(if at == 0 && !apart { "" } else { "," });
        if side.assistant {
            write_answer(weave, side);
            continue;
        }
        // There is no role for the result of a function: it is the user's to tell.
        let system = talk.system.iter().filter(|_| at == 0 && !apart);
        let results = side.results.iter().flat_map(|row| row.1.iter());
        let texts: Vec<&Str> = system.chain(results).chain(&side.texts).copied().collect();
        write_message(weave, "user", &texts);
    }
}

fn write_message(weave: &mut Weave, role: &str, texts: &[&Str]) {
    weave.lit("{\"role\":");
    weave.quoted(role);
    weave.lit(",\"content\":\"");
    weave.lines(texts);
    weave.lit("\"}");
}

/// What the model said; a call that it made is told as text, since there is no other place for it.
fn write_answer(weave: &mut Weave, side: &Side<'_>) {
    weave.lit("{\"role\":\"assistant\",\"content\":\"");
    weave.lines(&side.texts);
    if let Some(call) = side.call {
        weave.lit(if side.texts.is_empty() { "" } else { "\\n" });
        weave.lit("{\\\"name\\\":\\\"");
        // Escaped once as a text, once more as a part of a JSON text.
        let mut name = Vec::new();
        let raw = std::str::from_utf8(call.name.bytes()).unwrap_or_default();
        json::escape(raw, &mut name);
        weave.bytes(&name);
        weave.lit("\\\",\\\"arguments\\\":");
        weave.splice(call.arguments.bytes());
        weave.lit("}");
    }
    weave.lit("\"}");
}
