//! Reads a messages request to canonical form. Text stays in slices of the body; arguments of calls, an object here and a
//! string elsewhere, are escaped once.
//!
//! What no other dialect has a word for is named in [`Request::lost`].

use bytes::Bytes;
use wire::canon::{
    Blob, Format, Part, Proof, Raw, Request, Role, Str, Tool, ToolCall, ToolChoice, Turn,
};
use wire::facts::RequestFacts;
use wire::json::{Type, Value};
use wire::{Fault, Kind};

use super::{REDACTED, SIGNATURE};

/// Thinking budgets, in tokens, up to which an effort is low or medium (`dialects/mapping.md`, section 4).
const LOW_MAX: u64 = 2048;
const MEDIUM_MAX: u64 = 8192;

/// Fields that say how the vendor is to work, not what the answer is.
const HINTS: &[&str] = &[
    "cache_control",
    "context_management",
    "diagnostics",
    "inference_geo",
    "service_tier",
    "speed",
    "top_k",
    "user_profile_id",
    "workspace_id",
];
/// Fields that bring more than the messages into the answer.
const MEANINGS: &[&str] = &["container", "mcp_servers"];
/// Members of a tool beside what it is.
const TOOL_HINTS: &[&str] = &[
    "allowed_callers",
    "cache_control",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
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
    };
    reading.request.settings.max_tokens = facts.max_tokens;
    if let Some(system) = root.get("system") {
        let mut turn = Turn::new(Role::System);
        reading.text_parts(system, &mut turn.parts);
        if !turn.parts.is_empty() {
            reading.request.turns.push(turn);
        }
    }
    for (key, value) in root.members() {
        if !value.is_null() {
            reading.member(key, value)?;
        }
    }
    Ok(reading.request)
}

struct Reading<'b> {
    body: &'b Bytes,
    request: Request,
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
            "model" | "stream" | "max_tokens" | "system" => {}
            "messages" => {
                for message in value.elements() {
                    self.message(message);
                }
            }
            "tools" => {
                for tool in value.elements() {
                    self.tool(tool);
                }
            }
            "tool_choice" => self.choice(value),
            "stop_sequences" => {
                let stops = value.elements();
                self.request.settings.stop =
                    stops.filter_map(|stop| Str::of(self.body, stop)).collect();
            }
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
            "thinking" => self.thinking(value),
            "output_config" => self.output(value),
            "metadata" => {
                self.request.settings.user = self.str(value.get("user_id"));
                if value.members().any(|(key, _)| !key.is_named("user_id")) {
                    self.lose("metadata", false);
                }
            }
            other => match HINTS.iter().find(|hint| **hint == other) {
                Some(hint) => self.lose(hint, false),
                None => match MEANINGS.iter().find(|meaning| **meaning == other) {
                    Some(meaning) => self.lose(meaning, true),
                    None => self.lose("unknown_fields", false),
                },
            },
        }
        Ok(())
    }

    /// An effort, by the words that others have.
    fn thinking(&mut self, value: Value<'_>) {
        let budget = value
            .get("budget_tokens")
            .and_then(|budget| budget.as_u64());
        let word = match budget {
            Some(..=LOW_MAX) => "low",
            Some(..=MEDIUM_MAX) => "medium",
            Some(_) => "high",
            None => return,
        };
        let enabled = value
            .get("type")
            .is_some_and(|kind| kind.is_named("enabled"));
        let effort = &mut self.request.settings.reasoning_effort;
        // A word that was said is more than one that was guessed.
        if enabled && effort.is_none() {
            *effort = Some(Str::from_raw(word));
        }
    }

    fn output(&mut self, value: Value<'_>) {
        if let Some(effort) = self.str(value.get("effort")) {
            self.request.settings.reasoning_effort = Some(effort);
        }
        let Some(format) = value.get("format").filter(|format| !format.is_null()) else {
            return;
        };
        self.request.settings.format = Some(match format.get("schema") {
            Some(schema) => {
                let raw = [b"{\"name\":\"answer\",\"schema\":", schema.raw(), b"}"].concat();
                Format::JsonSchema(Raw::from_raw(raw))
            }
            None => Format::Other(Raw::of(self.body, format)),
        });
    }

    fn tool(&mut self, value: Value<'_>) {
        let custom = value
            .get("type")
            .is_none_or(|kind| kind.is_null() || kind.is_named("custom"));
        let name = self.str(value.get("name")).filter(|_| custom);
        let Some(name) = name else {
            // The vendor's own tools run at the vendor.
            return self.lose("tools", true);
        };
        for (key, member) in value.members() {
            let known = TOOL_HINTS.iter().find(|hint| key.is_named(hint));
            if let Some(known) = known.filter(|_| !member.is_null()) {
                self.lose(known, false);
            }
        }
        let schema = value
            .get("input_schema")
            .filter(|schema| schema.kind() == Type::Object);
        self.request.tools.push(Tool::Function {
            name,
            description: self.str(value.get("description")),
            parameters: schema.map(|schema| Raw::of(self.body, schema)),
            strict: value.get("strict").and_then(|strict| strict.as_bool()),
        });
    }

    fn choice(&mut self, value: Value<'_>) {
        let kind = value.get("type").and_then(|kind| kind.as_str());
        self.request.tool_choice = Some(match kind.as_deref() {
            Some("auto") => ToolChoice::Auto,
            Some("any") => ToolChoice::Required,
            Some("none") => ToolChoice::None,
            Some("tool") => match self.str(value.get("name")) {
                Some(name) => ToolChoice::Named(name),
                None => ToolChoice::Required,
            },
            _ => return self.lose("tool_choice", true),
        });
        let single = value.get("disable_parallel_tool_use");
        if single.and_then(|single| single.as_bool()) == Some(true) {
            self.request.parallel = Some(false);
        }
    }

    fn message(&mut self, message: Value<'_>) {
        let role = message.get("role").and_then(|role| role.as_str());
        let Some(content) = message.get("content") else {
            return;
        };
        match role.as_deref() {
            Some("assistant") => self.assistant(content),
            Some("system") => {
                let mut turn = Turn::new(Role::System);
                self.text_parts(content, &mut turn.parts);
                self.request.turns.push(turn);
            }
            _ => self.user(content),
        }
    }

    /// Results of tools are turns of their own, before what the user says beside them.
    fn user(&mut self, content: Value<'_>) {
        let mut turn = Turn::new(Role::User);
        if content.kind() == Type::String {
            turn.parts
                .extend(Str::of(self.body, content).map(Part::Text));
            return self.request.turns.push(turn);
        }
        let mut results = false;
        for block in content.elements() {
            if !block
                .get("type")
                .is_some_and(|kind| kind.is_named("tool_result"))
            {
                self.part(block, &mut turn.parts);
                continue;
            }
            results = true;
            let mut result = Turn::new(Role::Tool);
            result.call_id = self.str(block.get("tool_use_id"));
            if let Some(said) = block.get("content") {
                self.text_parts(said, &mut result.parts);
            }
            if block.get("is_error").and_then(|flag| flag.as_bool()) == Some(true) {
                self.lose("is_error", false);
            }
            self.cached(block);
            self.request.turns.push(result);
        }
        if !turn.parts.is_empty() || !results {
            self.request.turns.push(turn);
        }
    }

    fn assistant(&mut self, content: Value<'_>) {
        let mut turn = Turn::new(Role::Assistant);
        if content.kind() == Type::String {
            turn.parts
                .extend(Str::of(self.body, content).map(Part::Text));
            return self.request.turns.push(turn);
        }
        let mut thoughts = Vec::new();
        for block in content.elements() {
            let kind = block.get("type").and_then(|kind| kind.as_str());
            match kind.as_deref() {
                Some("thinking") => {
                    thoughts.extend(self.str(block.get("thinking")));
                    let proof = self.str(block.get("signature"));
                    turn.proofs.extend(proved(SIGNATURE, proof));
                }
                Some("redacted_thinking") => {
                    turn.proofs
                        .extend(proved(REDACTED, self.str(block.get("data"))));
                }
                Some("tool_use") => turn.calls.extend(self.call(block)),
                _ => self.part(block, &mut turn.parts),
            }
        }
        turn.reasoning = joined(thoughts);
        self.request.turns.push(turn);
    }

    fn call(&mut self, block: Value<'_>) -> Option<ToolCall> {
        self.cached(block);
        let input = block.get("input").map_or(&b"{}"[..], |input| input.raw());
        let input = std::str::from_utf8(input).unwrap_or("{}");
        Some(ToolCall {
            id: self.str(block.get("id"))?,
            name: self.str(block.get("name"))?,
            arguments: Str::escaped(input),
        })
    }

    fn cached(&mut self, block: Value<'_>) {
        if block
            .get("cache_control")
            .is_some_and(|mark| !mark.is_null())
        {
            self.lose("cache_control", false);
        }
    }

    /// A string, or blocks.
    fn text_parts(&mut self, content: Value<'_>, parts: &mut Vec<Part>) {
        match content.kind() {
            Type::String => parts.extend(Str::of(self.body, content).map(Part::Text)),
            _ => {
                for block in content.elements() {
                    self.part(block, parts);
                }
            }
        }
    }

    fn part(&mut self, block: Value<'_>, parts: &mut Vec<Part>) {
        self.cached(block);
        let kind = block.get("type").and_then(|kind| kind.as_str());
        match kind.as_deref() {
            Some("text") => {
                let cited = block.get("citations");
                if cited.is_some_and(|cited| cited.elements().next().is_some()) {
                    self.lose("citations", false);
                }
                parts.extend(self.str(block.get("text")).map(Part::Text));
            }
            Some("image") => match block.get("source").and_then(|one| self.blob(one)) {
                Some(at) => parts.push(Part::Image { at, detail: None }),
                None => self.lose("image", true),
            },
            Some("document") => self.document(block, parts),
            // Server tools and whatever comes next.
            _ => self.lose("content", true),
        }
    }

    fn blob(&self, source: Value<'_>) -> Option<Blob> {
        let kind = source.get("type").and_then(|kind| kind.as_str())?;
        match &*kind {
            "base64" => Some(Blob::Inline {
                kind: self.str(source.get("media_type"))?,
                data: self.str(source.get("data"))?,
            }),
            "url" => Some(Blob::Url(self.str(source.get("url"))?)),
            // One that was uploaded before means something to its vendor only.
            _ => None,
        }
    }

    fn document(&mut self, block: Value<'_>, parts: &mut Vec<Part>) {
        let Some(source) = block.get("source") else {
            return self.lose("document", true);
        };
        let enabled = block
            .get("citations")
            .and_then(|cited| cited.get("enabled")?.as_bool());
        if enabled == Some(true) {
            self.lose("citations", false);
        }
        let name = self.str(block.get("title"));
        let is = |name: &str| source.get("type").is_some_and(|kind| kind.is_named(name));
        if is("text") {
            // A document of text is text.
            parts.extend(name.into_iter().map(Part::Text));
            parts.extend(self.str(source.get("data")).map(Part::Text));
        } else if is("content") {
            parts.extend(name.into_iter().map(Part::Text));
            if let Some(content) = source.get("content") {
                self.text_parts(content, parts);
            }
        } else if let Some(at) = self.blob(source) {
            parts.push(Part::File { name, at });
        } else {
            self.lose("document", true);
        }
    }
}

fn proved(kind: &'static str, data: Option<Str>) -> Option<Proof> {
    Some(Proof {
        kind: Str::from_raw(kind),
        data: data.filter(|data| !data.is_empty())?,
    })
}

/// Thoughts as one; nearly always there is one.
fn joined(mut thoughts: Vec<Str>) -> Option<Str> {
    thoughts.retain(|thought| !thought.is_empty());
    match thoughts.len() {
        0 => None,
        1 => thoughts.pop(),
        _ => {
            let all: Vec<&[u8]> = thoughts.iter().map(|one| &one.bytes()[..]).collect();
            Some(Str::from_raw(all.join(&b"\\n"[..])))
        }
    }
}
