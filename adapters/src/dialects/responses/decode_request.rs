//! Reads a request to canonical form. Text stays in slices of the body.
//!
//! Items that follow each other and are all the model's are one turn, as the other dialects have it. What no other dialect
//! has a word for is named in [`Request::lost`].

use std::collections::HashSet;

use bytes::Bytes;
use wire::canon::{Blob, Format, Part, Raw, Request, Role, Str, Tool, ToolCall, ToolChoice, Turn};
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Fault, Kind};

use super::items;

/// Fields that say how the vendor is to work, not what the answer is.
const HINTS: &[&str] = &[
    "access_programs",
    "background_options",
    "context_management",
    "max_tool_calls",
];
/// Fields that chat completions have too, by the same name.
const SHARED: &[&str] = &[
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];
/// What may be asked to be included and is there anyway.
const INCLUDED: &[&str] = &[
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "message.input_image.image_url",
];

/// Reads the request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn decode(body: &Bytes, facts: &RequestFacts) -> Result<Request, Fault> {
    let root = Value::root(&facts.tape, body);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let mut reading = Reading {
        body,
        request: Request {
            stream: facts.stream,
            ..Request::default()
        },
        choice: None,
    };
    reading.request.settings.max_tokens = facts.max_tokens;
    if facts.logprobs {
        reading.request.settings.logprobs = Some(true);
    }
    if let Some(text) = reading
        .str(root.get("instructions"))
        .filter(|text| !text.is_empty())
    {
        let mut turn = Turn::new(Role::System);
        turn.parts.push(Part::Text(text));
        reading.request.turns.push(turn);
    }
    for (key, value) in root.members() {
        if !value.is_null() {
            reading.member(key, value)?;
        }
    }
    if let Some(allowed) = reading.choice.take() {
        reading.only(&allowed);
    }
    Ok(reading.request)
}

struct Reading<'b> {
    body: &'b Bytes,
    request: Request,
    /// Names of the tools that alone may be called.
    choice: Option<Vec<Str>>,
}

impl Reading<'_> {
    fn str(&self, value: Option<Value<'_>>) -> Option<Str> {
        value.and_then(|value| Str::of(self.body, value))
    }

    fn lose(&mut self, name: &'static str, meaning: bool) {
        self.request.lose(name, meaning);
    }

    fn member(&mut self, key: Value<'_>, value: Value<'_>) -> Result<(), Fault> {
        let name = key.as_str().unwrap_or_default();
        match &*name {
            "model" | "stream" | "stream_options" | "max_output_tokens" | "instructions"
            | "background" => {}
            "input" => self.input(value)?,
            "tools" => {
                for tool in value.elements() {
                    self.tool(tool);
                }
            }
            "tool_choice" => self.tool_choice(value),
            "parallel_tool_calls" => self.request.parallel = value.as_bool(),
            "temperature" | "top_p" => {
                if value.as_f64().is_none() {
                    return Err(Fault::new(Kind::BadRequest)
                        .param(name.into_owned())
                        .message("A field that must be a number is not."));
                }
                let raw = Some(Raw::of(self.body, value));
                if name == "top_p" {
                    self.request.settings.top_p = raw;
                } else {
                    self.request.settings.temperature = raw;
                }
            }
            "top_logprobs" => {
                if value.as_u64() != Some(0) {
                    self.request.settings.top_logprobs = Some(Raw::of(self.body, value));
                }
            }
            "include" => {
                let known = |one: Value<'_>| INCLUDED.iter().any(|name| one.is_named(name));
                if !value.elements().all(known) {
                    self.lose("include", false);
                }
            }
            "text" => self.text(value),
            "reasoning" => self.reasoning(value),
            "metadata" => self.request.settings.metadata = Some(Raw::of(self.body, value)),
            "user" => self.request.settings.user = Str::of(self.body, value),
            "store" => {
                if value.as_bool() == Some(true) {
                    self.lose("store", false);
                }
            }
            "truncation" => {
                if !value.is_named("disabled") {
                    self.lose("truncation", false);
                }
            }
            other if SHARED.contains(&other) => self.shared(key, value),
            other => match HINTS.iter().find(|hint| **hint == other) {
                Some(hint) => self.lose(hint, false),
                None => self.lose("unknown_fields", false),
            },
        }
        Ok(())
    }

    fn shared(&mut self, key: Value<'_>, value: Value<'_>) {
        if let Some(name) = Str::of(self.body, key) {
            self.request.extra.push((name, Raw::of(self.body, value)));
        }
    }

    fn text(&mut self, value: Value<'_>) {
        if let Some(verbosity) = value.get("verbosity").filter(|one| !one.is_null()) {
            let raw = Raw::of(self.body, verbosity);
            self.request.extra.push((Str::from_raw("verbosity"), raw));
        }
        let Some(format) = value.get("format").filter(|format| !format.is_null()) else {
            return;
        };
        let kind = format.get("type").and_then(|kind| kind.as_str());
        self.request.settings.format = Some(match kind.as_deref() {
            Some("text") => Format::Text,
            Some("json_object") => Format::JsonObject,
            Some("json_schema") => Format::JsonSchema(without_type(format)),
            _ => return self.lose("text", true),
        });
    }

    fn reasoning(&mut self, value: Value<'_>) {
        for (key, inner) in value.members() {
            match key.inner().unwrap_or_default() {
                "effort" => self.request.settings.reasoning_effort = Str::of(self.body, inner),
                // What is thought is told in any case.
                "summary" | "generate_summary" => {}
                _ if inner.is_null() => {}
                _ => self.lose("reasoning", false),
            }
        }
    }

    fn tool(&mut self, value: Value<'_>) {
        let function = value
            .get("type")
            .is_some_and(|kind| kind.is_named("function"));
        let Some(name) = self.str(value.get("name")).filter(|_| function) else {
            // The vendor's own tools run at the vendor; free text is for tools of its models.
            return self.lose("tools", true);
        };
        let parameters = value
            .get("parameters")
            .filter(|schema| schema.kind() == Type::Object);
        self.request.tools.push(Tool::Function {
            name,
            description: self.str(value.get("description")),
            parameters: parameters.map(|schema| Raw::of(self.body, schema)),
            strict: value.get("strict").and_then(|strict| strict.as_bool()),
        });
    }

    fn tool_choice(&mut self, value: Value<'_>) {
        if let Some(word) = value.as_str() {
            self.request.tool_choice = Some(match &*word {
                "auto" => ToolChoice::Auto,
                "none" => ToolChoice::None,
                "required" => ToolChoice::Required,
                _ => return self.lose("tool_choice", true),
            });
            return;
        }
        let kind = value.get("type").and_then(|kind| kind.as_str());
        self.request.tool_choice = Some(match kind.as_deref() {
            Some("function") => match self.str(value.get("name")) {
                Some(name) => ToolChoice::Named(name),
                None => return self.lose("tool_choice", true),
            },
            Some("allowed_tools") => {
                let tools = value.get("tools");
                let tools = tools.iter().flat_map(Value::elements);
                let names = tools.filter_map(|tool| self.str(tool.get("name")));
                self.choice = Some(names.collect());
                let must = value
                    .get("mode")
                    .is_some_and(|mode| mode.is_named("required"));
                if must {
                    ToolChoice::Required
                } else {
                    ToolChoice::Auto
                }
            }
            _ => return self.lose("tool_choice", true),
        });
    }

    /// Of all tools only those: other dialects have no word for a choice among some.
    fn only(&mut self, allowed: &[Str]) {
        let allowed: HashSet<&[u8]> = allowed.iter().map(|name| &name.bytes()[..]).collect();
        self.request.tools.retain(|tool| matches!(tool, Tool::Function { name, .. } if allowed.contains(&name.bytes()[..])));
        if self.request.tools.is_empty() {
            self.request.tool_choice = None;
        }
    }

    fn input(&mut self, input: Value<'_>) -> Result<(), Fault> {
        if let Some(text) = Str::of(self.body, input) {
            let mut turn = Turn::new(Role::User);
            turn.parts.push(Part::Text(text));
            self.request.turns.push(turn);
            return Ok(());
        }
        for (at, item) in input.elements().enumerate() {
            self.item(at, item)?;
        }
        Ok(())
    }

    fn item(&mut self, at: usize, item: Value<'_>) -> Result<(), Fault> {
        let wrong = |field: &str, message: &'static str| {
            Err(Fault::new(Kind::BadRequest)
                .param(format!("input[{at}].{field}"))
                .message(message))
        };
        let kind = item.get("type").and_then(|kind| kind.as_str());
        match kind.as_deref() {
            None | Some("message") => self.message(item),
            Some("function_call") => {
                let (id, name) = (self.str(item.get("call_id")), self.str(item.get("name")));
                let (Some(id), Some(name)) = (id, name) else {
                    return wrong("call_id", "A function call needs a call_id and a name.");
                };
                let arguments = self.str(item.get("arguments")).unwrap_or_default();
                self.model().calls.push(ToolCall {
                    id,
                    name,
                    arguments,
                });
            }
            Some("function_call_output") => {
                let Some(id) = self.str(item.get("call_id")) else {
                    return wrong("call_id", "A function's output must name its call.");
                };
                let mut turn = Turn::new(Role::Tool);
                turn.call_id = Some(id);
                if let Some(output) = item.get("output") {
                    self.parts(output, &mut turn.parts);
                }
                self.request.turns.push(turn);
            }
            Some("reasoning") => self.thought(item),
            // The vendor's own tools, and whatever comes next.
            Some(_) => self.lose("input", true),
        }
        Ok(())
    }

    /// The turn of the model that is open, or a new one.
    fn model(&mut self) -> &mut Turn {
        let open = self
            .request
            .turns
            .last()
            .is_some_and(|turn| turn.role == Role::Assistant);
        if !open {
            self.request.turns.push(Turn::new(Role::Assistant));
        }
        let last = self.request.turns.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "there is one, or one was pushed")]
        &mut self.request.turns[last]
    }

    fn message(&mut self, item: Value<'_>) {
        let role = item.get("role").and_then(|role| role.as_str());
        let role = match role.as_deref() {
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some("assistant") => Role::Assistant,
            _ => Role::User,
        };
        let mut parts = Vec::new();
        if let Some(content) = item.get("content") {
            self.parts(content, &mut parts);
        }
        if role == Role::Assistant {
            // It goes on with what was thought before it; two messages in a row stay two.
            if !self.model().parts.is_empty() {
                self.request.turns.push(Turn::new(role));
            }
            return self.model().parts.append(&mut parts);
        }
        let mut turn = Turn::new(role);
        turn.parts = parts;
        self.request.turns.push(turn);
    }

    fn thought(&mut self, item: Value<'_>) {
        let texts = |name: &str| {
            let list = item.get(name);
            let parts = list.iter().flat_map(Value::elements);
            let texts = parts.filter_map(|part| self.str(part.get("text")));
            texts.filter(|text| !text.is_empty()).collect::<Vec<_>>()
        };
        let mut thoughts = texts("content");
        if thoughts.is_empty() {
            thoughts = texts("summary");
        }
        let proof = self
            .str(item.get("encrypted_content"))
            .and_then(|one| items::proof(&one));
        let turn = self.model();
        if !turn.parts.is_empty() {
            self.request.turns.push(Turn::new(Role::Assistant));
        }
        let turn = self.model();
        turn.proofs.extend(proof);
        thoughts.splice(0..0, turn.reasoning.take());
        turn.reasoning = joined(thoughts);
    }

    /// A string, or parts.
    fn parts(&mut self, content: Value<'_>, parts: &mut Vec<Part>) {
        if content.kind() == Type::String {
            parts.extend(Str::of(self.body, content).map(Part::Text));
            return;
        }
        for part in content.elements() {
            match self.part(part) {
                Ok(part) => parts.push(part),
                Err(name) => self.lose(name, true),
            }
        }
    }

    /// # Errors
    /// The name of what no other dialect has: a file that a vendor keeps, a part of an unknown kind.
    fn part(&self, part: Value<'_>) -> Result<Part, &'static str> {
        let text = |name: &str| self.str(part.get(name));
        let kind = part.get("type").and_then(|kind| kind.as_str());
        let known = match kind.as_deref() {
            Some("input_text" | "output_text" | "text" | "summary_text") => {
                text("text").map(Part::Text)
            }
            Some("refusal") => text("refusal").map(Part::Refusal),
            Some("input_image") => {
                let at = text("image_url").map(Blob::of_url);
                let detail = text("detail");
                return at.map(|at| Part::Image { at, detail }).ok_or("image");
            }
            Some("input_file") => {
                let at = text("file_data").or_else(|| text("file_url"));
                let name = text("filename");
                let at = at.map(Blob::of_url);
                return at.map(|at| Part::File { name, at }).ok_or("file");
            }
            Some("input_audio") => part.get("input_audio").and_then(|audio| {
                Some(Part::Audio {
                    data: self.str(audio.get("data"))?,
                    format: self.str(audio.get("format"))?,
                })
            }),
            _ => None,
        };
        known.ok_or("content")
    }
}

/// A format's members but for its type: what chat completions have in `json_schema`.
fn without_type(format: Value<'_>) -> Raw {
    let mut raw = vec![b'{'];
    for (key, value) in format.members() {
        if key.is_named("type") || value.is_null() {
            continue;
        }
        if raw.len() > 1 {
            raw.push(b',');
        }
        raw.extend_from_slice(key.raw());
        raw.push(b':');
        raw.extend_from_slice(value.raw());
    }
    raw.push(b'}');
    Raw::from_raw(raw)
}

/// Thoughts as one; nearly always there is one.
fn joined(mut thoughts: Vec<Str>) -> Option<Str> {
    match thoughts.len() {
        0 => None,
        1 => thoughts.pop(),
        _ => {
            let all: Vec<&[u8]> = thoughts.iter().map(|one| &one.bytes()[..]).collect();
            Some(Str::from_raw(all.join(&b"\\n"[..])))
        }
    }
}
