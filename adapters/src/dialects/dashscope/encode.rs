//! Writes a canonical request as native generation.
//!
//! System texts go first, joined; content is a string on the text path and single-key objects on the multimodal path,
//! on which a request goes for what it holds ([`Call::multimodal`]) or for its model ([`Quirks::in_parts`]).

use wire::Fault;
use wire::canon::{Part, Request, Role, Settings, Turn};

use crate::dialect::{Dropped, Encoded, Lossy};
use crate::dialects::openai_chat::encode_request::{
    role_name, tools_given, write_after_content, write_choice, write_extra, write_format,
    write_joined, write_settings, write_tools,
};
use crate::quirks::{Loss, Quirks, lose};
use crate::vendor::Call;
use crate::weave::{Fields, Weave};

/// Settings of the vendor's own that clients send at the top level.
const OWN: &[&str] = &[
    "enable_search",
    "enable_thinking",
    "preserve_thinking",
    "repetition_penalty",
    "search_options",
    "thinking_budget",
    "top_k",
    "translation_options",
    "vl_high_resolution_images",
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
    weave.lit("{\"model\":");
    weave.quoted(call.model);
    weave.lit(",\"input\":{\"messages\":[");
    let mut messages = Messages {
        weave: &mut weave,
        dropped: &mut dropped,
        quirks,
        lossy,
        multimodal: call.multimodal || quirks.in_parts,
        any: false,
    };
    messages.write(&request.turns)?;
    weave.lit("]},\"parameters\":");
    let tools = tools_given(request, quirks);
    let mut fields = Fields::open(&mut weave, &mut dropped, quirks, lossy);
    fields.lit("result_format", "\"message\"");
    if request.stream {
        fields.lit("incremental_output", "true");
    }
    if tools {
        fields.put("tools", |weave| write_tools(weave, &request.tools))?;
        write_choice(&mut fields, request)?;
    }
    let settings = told(&mut fields, &request.settings)?;
    write_settings(&mut fields, &settings, quirks)?;
    if let Some(format) = &request.settings.format {
        fields.put("response_format", |weave| write_format(weave, format))?;
    }
    write_extra(&mut fields, request, OWN)?;
    fields.close(request.stream, tools);
    weave.lit("}");
    Ok(Encoded {
        body: weave.take(),
        dropped,
    })
}

/// Settings without probabilities: where they stand in a native reply is not told.
fn told(fields: &mut Fields<'_>, settings: &Settings) -> Result<Settings, Fault> {
    let mut told = settings.clone();
    if told.logprobs.take() == Some(true) {
        fields.lose("logprobs", Loss::Hint)?;
    }
    told.top_logprobs = None;
    Ok(told)
}

struct Messages<'a> {
    weave: &'a mut Weave,
    dropped: &'a mut Dropped,
    quirks: &'a Quirks,
    lossy: Lossy,
    multimodal: bool,
    any: bool,
}

impl Messages<'_> {
    fn write(&mut self, turns: &[Turn]) -> Result<(), Fault> {
        let is_system = |turn: &&Turn| matches!(turn.role, Role::System | Role::Developer);
        // The vendor takes system texts at the first place only.
        let system: Vec<Part> = turns
            .iter()
            .filter(is_system)
            .flat_map(|turn| turn.parts.iter().cloned())
            .collect();
        if !system.is_empty() {
            self.open("system");
            self.content(&system, "\\n\\n")?;
            self.weave.lit("}");
        }
        for turn in turns.iter().filter(|turn| !is_system(turn)) {
            self.open(role_name(turn.role, self.quirks));
            self.content(&turn.parts, "\\n")?;
            if let Some(id) = &turn.call_id {
                self.weave.lit(",\"tool_call_id\":");
                self.weave.string(id);
            }
            if let Some(name) = &turn.name {
                if turn.role == Role::Tool {
                    self.weave.lit(",\"name\":");
                    self.weave.string(name);
                } else {
                    lose("name", Loss::Hint, self.lossy, self.dropped)?;
                }
            }
            write_after_content(self.weave, turn, self.quirks);
            self.weave.lit("}");
        }
        Ok(())
    }

    fn open(&mut self, role: &str) {
        self.weave.lit(if std::mem::replace(&mut self.any, true) {
            ","
        } else {
            ""
        });
        self.weave.lit("{\"role\":\"");
        self.weave.lit(role);
        self.weave.lit("\",\"content\":");
    }

    fn content(&mut self, parts: &[Part], between: &str) -> Result<(), Fault> {
        if !self.multimodal {
            let is_text = |part: &Part| matches!(part, Part::Text(_) | Part::Refusal(_));
            if !parts.iter().all(is_text) {
                lose("messages", Loss::Meaning, self.lossy, self.dropped)?;
            }
            write_joined(self.weave, parts, between);
            return Ok(());
        }
        self.weave.lit("[");
        let mut comma = "";
        for part in parts {
            match part {
                Part::Text(text) | Part::Refusal(text) => {
                    self.weave.lit(comma);
                    self.weave.lit("{\"text\":");
                    self.weave.string(text);
                }
                Part::Image { at, .. } => {
                    self.weave.lit(comma);
                    self.weave.lit("{\"image\":");
                    self.weave.blob(at);
                }
                Part::Audio { data, format } => {
                    self.weave.lit(comma);
                    self.weave.lit("{\"audio\":\"data:audio/");
                    self.weave.splice(format.bytes());
                    self.weave.lit(";base64,");
                    self.weave.splice(data.bytes());
                    self.weave.lit("\"");
                }
                Part::File { .. } | Part::Other(_) => {
                    lose("messages", Loss::Meaning, self.lossy, self.dropped)?;
                    continue;
                }
            }
            self.weave.lit("}");
            comma = ",";
        }
        self.weave.lit("]");
        Ok(())
    }
}
