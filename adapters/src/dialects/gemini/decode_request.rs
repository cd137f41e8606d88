//! Reads a generateContent request to canonical form: settings and tools here, the conversation in [`super::talk`].
//!
//! Text stays in slices of the body. What no other dialect has a word for is named in [`Request::lost`].

use std::collections::HashSet;

use bytes::Bytes;
use wire::canon::{Format, Raw, Request, Str, Tool, ToolChoice};
use wire::facts::RequestFacts;
use wire::json::Value;
use wire::{Fault, Kind};

use super::names::{get, is, object};
use super::request::inner;
use super::schema;
use super::talk::Talk;

/// Thinking budgets, in tokens, up to which an effort is low or medium (`dialects/mapping.md`, section 4).
const LOW_MAX: f64 = 2048.0;
const MEDIUM_MAX: f64 = 8192.0;

/// Fields that say how the vendor is to work, not what the answer is.
const HINTS: &[&str] = &["safetySettings", "serviceTier", "labels", "store"];
/// The same of the settings.
const CONFIG_HINTS: &[&str] = &[
    "topK",
    "mediaResolution",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "audioTimestamp",
    "routingConfig",
    "modelSelectionConfig",
];
const CONFIG_MEANINGS: &[&str] = &["responseFormat", "speechConfig", "imageConfig"];

/// Reads the request.
///
/// # Errors
/// `BadRequest` with the field's name.
pub(super) fn decode(body: &Bytes, facts: &RequestFacts) -> Result<Request, Fault> {
    let root = Value::root(&facts.tape, body);
    let root = root.ok_or_else(|| Fault::new(Kind::Bug).detail("a request without a root"))?;
    let root = inner(root);
    let mut reading = Reading {
        body,
        request: Request {
            stream: facts.stream,
            ..Request::default()
        },
    };
    reading.request.settings.max_tokens = facts.max_tokens;
    reading.request.settings.choices = (facts.choices > 1).then_some(facts.choices);
    let mut talk = Talk::new(body, &mut reading.request);
    if let Some(system) = get(root, "systemInstruction") {
        talk.system(system);
    }
    for content in get(root, "contents").iter().flat_map(Value::elements) {
        talk.content(content);
    }
    for (key, value) in root.members() {
        if !value.is_null() {
            reading.member(key, value)?;
        }
    }
    // It chooses among the tools, wherever it stood.
    for (key, value) in object(root, "toolConfig").iter().flat_map(Value::members) {
        if is(key, "functionCallingConfig") {
            reading.choice(value);
        } else if !value.is_null() {
            reading.lose("toolConfig", false);
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

    /// Loses a member that one of the lists names; else it is one that nobody knows.
    fn unknown(&mut self, key: Value<'_>, hints: &[&'static str], meanings: &[&'static str]) {
        let of = |names: &[&'static str]| names.iter().copied().find(|name| is(key, name));
        match (of(hints), of(meanings)) {
            (Some(hint), _) => self.lose(hint, false),
            (None, Some(meaning)) => self.lose(meaning, true),
            (None, None) => self.lose("unknown_fields", false),
        }
    }

    fn member(&mut self, key: Value<'_>, value: Value<'_>) -> Result<(), Fault> {
        let named = |name: &str| is(key, name);
        if ["model", "contents", "systemInstruction", "toolConfig"]
            .into_iter()
            .any(named)
        {
            return Ok(());
        }
        if named("generationConfig") {
            for (key, value) in value.members() {
                if !value.is_null() {
                    self.setting(key, value)?;
                }
            }
            self.format(value);
        } else if named("tools") {
            for tool in value.elements() {
                self.tool(tool);
            }
        } else {
            self.unknown(key, HINTS, &[]);
        }
        Ok(())
    }

    fn setting(&mut self, key: Value<'_>, value: Value<'_>) -> Result<(), Fault> {
        let name = [
            "temperature",
            "topP",
            "presencePenalty",
            "frequencyPenalty",
            "seed",
        ]
        .into_iter()
        .find(|name| is(key, name));
        let settings = &mut self.request.settings;
        if let Some(name) = name {
            if value.as_f64().is_none() {
                return Err(Fault::new(Kind::BadRequest)
                    .param(["generationConfig.", name].concat())
                    .message("A field that must be a number is not."));
            }
            let raw = Some(Raw::of(self.body, value));
            match name {
                "temperature" => settings.temperature = raw,
                "topP" => settings.top_p = raw,
                "presencePenalty" => settings.presence_penalty = raw,
                "frequencyPenalty" => settings.frequency_penalty = raw,
                _ => settings.seed = raw,
            }
            return Ok(());
        }
        let read = [
            "maxOutputTokens",
            "candidateCount",
            "responseMimeType",
            "responseSchema",
            "responseJsonSchema",
        ];
        if is(key, "stopSequences") {
            let stops = value.elements();
            settings.stop = stops.filter_map(|stop| Str::of(self.body, stop)).collect();
        } else if is(key, "thinkingConfig") {
            self.thinking(value);
        } else if is(key, "responseModalities") {
            if !value
                .elements()
                .all(|one| one.is_named("TEXT") || one.is_named("text"))
            {
                self.lose("responseModalities", true);
            }
        } else if !read.into_iter().any(|name| is(key, name)) {
            let off = value.as_bool() == Some(false);
            if !off {
                self.unknown(key, CONFIG_HINTS, CONFIG_MEANINGS);
            }
        }
        Ok(())
    }

    /// An effort, by the words that others have.
    fn thinking(&mut self, config: Value<'_>) {
        let level = get(config, "thinkingLevel").and_then(|level| level.as_str());
        let budget = get(config, "thinkingBudget").and_then(|budget| budget.as_f64());
        let word = match (level.as_deref(), budget) {
            (Some("THINKING_LEVEL_UNSPECIFIED"), _) => return,
            (Some(level), _) => level.to_ascii_lowercase(),
            // As much as the model likes.
            (None, Some(budget)) if budget < 0.0 => return,
            (None, Some(budget)) if budget <= 0.0 => "none".to_owned(),
            (None, Some(budget)) if budget <= LOW_MAX => "low".to_owned(),
            (None, Some(budget)) if budget <= MEDIUM_MAX => "medium".to_owned(),
            (None, Some(_)) => "high".to_owned(),
            (None, None) => return,
        };
        self.request.settings.reasoning_effort = Some(Str::escaped(&word));
    }

    fn format(&mut self, config: Value<'_>) {
        let kind = get(config, "responseMimeType").and_then(|kind| kind.as_str());
        let kind = kind.as_deref().unwrap_or_default();
        let given = get(config, "responseJsonSchema").map(|schema| Raw::of(self.body, schema));
        let own = || get(config, "responseSchema").map(schema::as_json_schema);
        let schema = given.or_else(own);
        self.request.settings.format = match (kind, schema) {
            ("" | "text/plain", None) => return,
            ("application/json", None) => Some(Format::JsonObject),
            ("" | "application/json", Some(schema)) => {
                let raw = [
                    b"{\"name\":\"answer\",\"schema\":",
                    &schema.bytes()[..],
                    b"}",
                ];
                Some(Format::JsonSchema(Raw::from_raw(raw.concat())))
            }
            // One word of a list, or a form that is yet to come.
            _ => return self.lose("responseMimeType", true),
        };
    }

    fn tool(&mut self, value: Value<'_>) {
        for (key, tool) in value.members() {
            if !is(key, "functionDeclarations") {
                if !tool.is_null() {
                    // The vendor's own tools run at the vendor.
                    self.lose("tools", true);
                }
                continue;
            }
            for function in tool.elements() {
                let Some(name) = self.str(get(function, "name")) else {
                    self.lose("tools", true);
                    continue;
                };
                if ["response", "responseJsonSchema", "behavior"]
                    .iter()
                    .any(|name| get(function, name).is_some())
                {
                    self.lose("functionDeclarations", false);
                }
                let given = object(function, "parametersJsonSchema");
                let given = given.map(|schema| Raw::of(self.body, schema));
                let own = || object(function, "parameters").map(schema::as_json_schema);
                self.request.tools.push(Tool::Function {
                    name,
                    description: self.str(get(function, "description")),
                    parameters: given.or_else(own),
                    strict: None,
                });
            }
        }
    }

    fn choice(&mut self, config: Value<'_>) {
        let allowed = get(config, "allowedFunctionNames");
        let allowed: Vec<Str> = allowed
            .iter()
            .flat_map(Value::elements)
            .filter_map(|name| Str::of(self.body, name))
            .collect();
        let mode = get(config, "mode").and_then(|mode| mode.as_str());
        let choice = match (mode.as_deref(), allowed.as_slice()) {
            (Some("NONE"), _) => ToolChoice::None,
            (Some("ANY"), [only]) => ToolChoice::Named(only.clone()),
            (Some("ANY"), _) => ToolChoice::Required,
            (Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED") | None, _) => ToolChoice::Auto,
            (Some(_), _) => return self.lose("toolConfig", true),
        };
        if !allowed.is_empty() && !matches!(choice, ToolChoice::None) {
            // Who has no list of the allowed gets none but these.
            let allowed: HashSet<&[u8]> = allowed.iter().map(|name| &name.bytes()[..]).collect();
            self.request.tools.retain(|tool| match tool {
                Tool::Function { name, .. } => allowed.contains(&name.bytes()[..]),
                Tool::Other(_) => true,
            });
        }
        self.request.tool_choice = Some(choice);
    }
}
