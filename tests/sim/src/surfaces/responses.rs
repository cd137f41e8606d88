//! OpenAI's Responses API, as OpenAI and Azure serve it: items in, items out, events with names and numbers.
//!
//! Written from the documents. A vendor that keeps what it is told to keep has nothing to refer to here: whoever refers to
//! a response or an item of before is told that there is none.

use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, openai};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at, quoted};
use crate::plan::{Ask, Call, CallWish, Finish, Plan, Turn};
use serde_json::Value;

/// Where it is served, and with which credential.
pub(crate) struct Responses {
    name: &'static str,
    rest: &'static str,
    api_key: bool,
}

pub(crate) static OPENAI: Responses = Responses {
    name: "openai-responses",
    rest: "/responses",
    api_key: false,
};
pub(crate) static AZURE: Responses = Responses {
    name: "azure-openai-responses",
    rest: "/openai/v1/responses",
    api_key: true,
};

impl Voice for Responses {
    fn name(&self) -> &'static str {
        self.name
    }
    fn label(&self) -> &'static str {
        "OpenAI"
    }
    fn codes(&self) -> &'static [Code] {
        openai::PROFILE.codes
    }
    fn usual(&self) -> Usual {
        openai::PROFILE.usual
    }
    fn owns(&self, rest: &str) -> bool {
        rest == self.rest
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        arrived.rest == self.rest
    }
    fn is_model_list(&self, _: &Arrived<'_>) -> bool {
        false
    }

    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        let own = arrived.headers.get("api-key").filter(|_| self.api_key);
        let key = own.and_then(|key| key.to_str().ok());
        let good = key.is_some_and(|key| !key.is_empty() && !key.contains("invalid"));
        if good || bearer(arrived.headers).is_some() {
            return Ok(());
        }
        Err(self.trouble("invalid_api_key"))
    }

    fn read(&self, _: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let ask = ask(body).map_err(|(message, param)| self.wrong(&message, &param))?;
        check(body, &ask).map_err(|(message, param)| match param.as_str() {
            "previous_response_id" | "id" => Trouble {
                status: 404,
                ..self.wrong(&message, &param)
            },
            _ => self.wrong(&message, &param),
        })?;
        Ok(ask)
    }

    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let mut stream = Stream::new(ask, plan, stamp);
        stream.run();
        response(ask, plan, stamp, End::of(ask, plan), &stream.output)
    }

    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let mut stream = Stream::new(ask, plan, stamp);
        for name in ["response.created", "response.in_progress"] {
            stream.lifecycle(Kind::Content, name, End::No);
        }
        stream.run();
        let end = End::of(ask, plan);
        let name = match end {
            End::Incomplete(_) => "response.incomplete",
            _ => "response.completed",
        };
        stream.lifecycle(Kind::Finish, name, end);
        stream.frames
    }

    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        openai::error_body(trouble, serial)
    }

    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let error = Obj::new()
            .str("code", &trouble.code)
            .str("message", &trouble.message)
            .end();
        let failed = head(stamp)
            .str("status", "failed")
            .raw("error", &error)
            .raw("output", "[]")
            .null("usage")
            .end();
        let data = Obj::new()
            .str("type", "response.failed")
            .int("sequence_number", 1 << 20)
            .raw("response", &failed)
            .end();
        let text = format!("event: response.failed\ndata: {data}\n\n");
        vec![Frame::new(Kind::Error, text)]
    }
}

impl Responses {
    fn wrong(&self, message: &str, param: &str) -> Trouble {
        Trouble {
            param: Some(param.to_owned()),
            ..self.refuse("invalid_value", message)
        }
    }
}

/// A sentence, and the parameter that it is about.
type Wrong = (String, String);

fn wrong<T>(message: impl Into<String>, param: impl Into<String>) -> Result<T, Wrong> {
    Err((message.into(), param.into()))
}

fn ask(body: &Value) -> Result<Ask, Wrong> {
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    if model.is_empty() {
        return wrong("Missing required parameter: 'model'.", "model");
    }
    let (base, faults) = faults::read(model).map_err(|message| (message, "model".to_owned()))?;
    let mut turns = Vec::new();
    let instructions = at(body, &["instructions"]).as_str();
    turns.extend(instructions.map(|text| turn("system", text)));
    match at(body, &["input"]) {
        Value::String(text) => turns.push(turn("user", text)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                turns.extend(turn_of(at, item)?);
            }
        }
        _ => return wrong("Missing required parameter: 'input'.", "input"),
    }
    let names = at(body, &["tools"]).as_array().map(Vec::as_slice);
    let name = |tool: &Value| at(tool, &["name"]).as_str().map(str::to_owned);
    let choice = at(body, &["tool_choice"]);
    let cap = at(body, &["max_output_tokens"]).as_u64();
    let included = at(body, &["include"]).as_array().map(Vec::as_slice);
    let probable = included
        .unwrap_or_default()
        .iter()
        .any(|one| one == "message.output_text.logprobs");
    let others = at(body, &["top_logprobs"]).as_u64();
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: at(body, &["stream"]).as_bool().unwrap_or(false),
        turns,
        tools: names.unwrap_or_default().iter().filter_map(name).collect(),
        call: match choice {
            Value::String(word) if word == "none" => CallWish::Never,
            Value::String(word) if word == "required" => CallWish::Always(None),
            Value::Object(_) => CallWish::Always(name(choice)),
            _ => CallWish::Auto,
        },
        parallel: at(body, &["parallel_tool_calls"]).as_bool().unwrap_or(true),
        tool_pieces: true,
        choices: 1,
        logprobs: probable.then(|| others.and_then(|n| usize::try_from(n).ok()).unwrap_or(0)),
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        think: reasons(model) && at(body, &["reasoning", "effort"]).as_str() == Some("high"),
        incremental: true,
        message_format: true,
        ..Ask::default()
    })
}

fn turn(role: &str, text: &str) -> Turn {
    Turn {
        role: role.to_owned(),
        text: text.to_owned(),
    }
}

/// An item as a turn: what is said, or what a tool returned.
fn turn_of(nth: usize, item: &Value) -> Result<Option<Turn>, Wrong> {
    let param = |name: &str| format!("input[{nth}].{name}");
    let role = at(item, &["role"]).as_str().unwrap_or_default();
    match at(item, &["type"]).as_str() {
        None | Some("message") => {
            if !["user", "assistant", "system", "developer"].contains(&role) {
                return wrong(format!("Invalid value: '{role}'."), param("role"));
            }
            let text = text_of(at(item, &["content"]), role, &param("content"))?;
            Ok(Some(turn(role, &text)))
        }
        Some("function_call_output") => {
            let text = text_of(at(item, &["output"]), "user", &param("output"))?;
            Ok(Some(turn("tool", &text)))
        }
        Some(
            "function_call"
            | "reasoning"
            | "web_search_call"
            | "custom_tool_call"
            | "custom_tool_call_output",
        ) => Ok(None),
        Some(other) => wrong(format!("Invalid value: '{other}'."), param("type")),
    }
}

fn text_of(content: &Value, role: &str, param: &str) -> Result<String, Wrong> {
    let Value::Array(parts) = content else {
        let text = content.as_str();
        return text
            .map(str::to_owned)
            .ok_or_else(|| ("Invalid type for content.".to_owned(), param.to_owned()));
    };
    let mut text = String::new();
    for part in parts {
        let kind = at(part, &["type"]).as_str().unwrap_or_default();
        let known: &[&str] = if role == "assistant" {
            &["output_text", "refusal"]
        } else {
            &["input_text", "input_image", "input_file", "input_audio"]
        };
        if !known.contains(&kind) {
            return wrong(
                format!("Invalid value: '{kind}'. Supported values are: {known:?}."),
                param,
            );
        }
        match at(part, &["text"]).as_str() {
            Some(said) => text.push_str(said),
            None => text.push_str(&format!("[{kind}]")),
        }
    }
    Ok(text)
}

/// Models that think, and hand out their thoughts encrypted.
fn reasons(model: &str) -> bool {
    model.starts_with("gpt-5")
        || model
            .strip_prefix('o')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn check(body: &Value, ask: &Ask) -> Result<(), Wrong> {
    for unknown in [
        "messages",
        "stop",
        "n",
        "seed",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
        "functions",
    ] {
        if body.get(unknown).is_some() {
            return wrong(format!("Unknown parameter: '{unknown}'."), unknown);
        }
    }
    if let Some(id) = at(body, &["previous_response_id"]).as_str() {
        let message = format!("Previous response with id '{id}' not found.");
        return wrong(message, "previous_response_id");
    }
    for (key, low, high) in [("temperature", 0.0, 2.0), ("top_p", 0.0, 1.0)] {
        if super::read::outside(body, key, |value| (low..=high).contains(&value)) {
            return wrong(format!("Invalid '{key}': out of range."), key);
        }
    }
    let included = at(body, &["include"]).as_array().map(Vec::as_slice);
    let mut included = included.unwrap_or_default().iter();
    if included.any(|one| one == "reasoning.encrypted_content") && !reasons(&ask.base) {
        return wrong(
            "Encrypted content is not supported with this model.",
            "include",
        );
    }
    for tool in at(body, &["tools"]).as_array().into_iter().flatten() {
        let function = at(tool, &["type"]) == "function";
        if function && !at(tool, &["name"]).is_string() {
            return wrong(
                "Missing required parameter: 'tools[0].name'.",
                "tools[0].name",
            );
        }
    }
    let format = at(body, &["text", "format"]);
    if at(format, &["type"]) == "json_schema"
        && (!at(format, &["name"]).is_string() || !at(format, &["schema"]).is_object())
    {
        return wrong(
            "Missing required parameter: 'text.format.name'.",
            "text.format.name",
        );
    }
    items_fit(body)
}

/// Every output answers a call, every call is answered, and nothing refers to what was not stored.
fn items_fit(body: &Value) -> Result<(), Wrong> {
    let stored = at(body, &["store"]).as_bool().unwrap_or(true);
    let items = at(body, &["input"]).as_array().map(Vec::as_slice);
    let items = items.unwrap_or_default();
    let of = |kind: &str| {
        let kind = kind.to_owned();
        items
            .iter()
            .filter(move |item| at(item, &["type"]) == kind.as_str())
    };
    let id = |item: &Value| {
        at(item, &["call_id"])
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let calls: Vec<String> = of("function_call").map(id).collect();
    let outputs: Vec<String> = of("function_call_output").map(id).collect();
    if let Some(lone) = outputs.iter().find(|id| !calls.contains(id)) {
        return wrong(
            format!("No tool call found for function call output with call_id {lone}."),
            "input",
        );
    }
    if let Some(open) = calls.iter().find(|id| !outputs.contains(id)) {
        return wrong(
            format!("No tool output found for function call {open}."),
            "input",
        );
    }
    let proven = |item: &&Value| {
        let proof = at(item, &["encrypted_content"])
            .as_str()
            .unwrap_or_default();
        proof.starts_with("gAAAA")
    };
    if let Some(thought) = of("reasoning").find(|item| !proven(item)) {
        let id = at(thought, &["id"]).as_str().unwrap_or_default();
        let why = if stored {
            ""
        } else {
            " Items are not persisted when `store` is set to false."
        };
        return wrong(format!("Item with id '{id}' not found.{why}"), "id");
    }
    Ok(())
}

/// How a response ended.
#[derive(Clone, Copy)]
enum End {
    No,
    Complete,
    Incomplete(&'static str),
}

impl End {
    fn of(ask: &Ask, plan: &Plan) -> Self {
        match plan.finish {
            _ if ask.faults.recall => Self::Incomplete("content_filter"),
            Finish::Length => Self::Incomplete("max_output_tokens"),
            Finish::Stop | Finish::Calls => Self::Complete,
        }
    }
}

fn id(stamp: &Stamp) -> String {
    format!("resp_{:048x}", stamp.serial)
}

fn head(stamp: &Stamp) -> Obj {
    Obj::new()
        .str("id", &id(stamp))
        .str("object", "response")
        .int("created_at", stamp.created)
        .str("model", &stamp.model)
}

fn response(ask: &Ask, plan: &Plan, stamp: &Stamp, end: End, output: &[String]) -> String {
    let counted = plan.usage();
    let cached = Obj::new().int("cached_tokens", 0).end();
    let thought = Obj::new().int("reasoning_tokens", counted.reasoning).end();
    let usage = Obj::new()
        .int("input_tokens", counted.prompt)
        .raw("input_tokens_details", &cached)
        .int("output_tokens", counted.completion)
        .raw("output_tokens_details", &thought)
        .int("total_tokens", counted.total())
        .end();
    let over = !matches!(end, End::No);
    let shown = over && ask.faults.usage != Some(UsageFault::None);
    let details = match end {
        End::Incomplete(reason) => Obj::new().str("reason", reason).end(),
        End::No | End::Complete => "null".to_owned(),
    };
    let status = match end {
        End::No => "in_progress",
        End::Complete => "completed",
        End::Incomplete(_) => "incomplete",
    };
    head(stamp)
        .str("status", status)
        .null("error")
        .raw("incomplete_details", &details)
        .null("instructions")
        .raw("output", &json::array(if over { output } else { &[] }))
        .bool("parallel_tool_calls", ask.parallel)
        .null("previous_response_id")
        .bool("store", false)
        .str("tool_choice", "auto")
        .raw("tools", "[]")
        .raw("metadata", "{}")
        .raw("usage", if shown { &usage } else { "null" })
        .end()
}

/// The events of one response, and the items that come of them.
struct Stream<'a> {
    ask: &'a Ask,
    plan: &'a Plan,
    stamp: &'a Stamp,
    frames: Vec<Frame>,
    sequence: i64,
    output: Vec<String>,
}

impl<'a> Stream<'a> {
    fn new(ask: &'a Ask, plan: &'a Plan, stamp: &'a Stamp) -> Self {
        Self {
            ask,
            plan,
            stamp,
            frames: Vec::new(),
            sequence: 0,
            output: Vec::new(),
        }
    }

    fn event(&mut self, kind: Kind, name: &str, fill: impl FnOnce(Obj) -> Obj) {
        let data = Obj::new()
            .str("type", name)
            .int("sequence_number", self.sequence);
        let data = fill(data).end();
        self.sequence += 1;
        let text = format!("event: {name}\ndata: {data}\n\n");
        self.frames.push(Frame::new(kind, text));
    }

    fn lifecycle(&mut self, kind: Kind, name: &str, end: End) {
        let response = response(self.ask, self.plan, self.stamp, end, &self.output);
        self.event(kind, name, |event| event.raw("response", &response));
    }

    fn run(&mut self) {
        if !self.plan.reasoning.is_empty() {
            self.thought();
        }
        if self.plan.calls.is_empty() {
            self.message();
        }
        for call in &self.plan.calls {
            self.call(call);
        }
    }

    fn index(&self) -> i64 {
        i64::try_from(self.output.len()).unwrap_or(i64::MAX)
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}_{:x}{:02x}", self.stamp.serial, self.output.len())
    }

    fn item(&mut self, name: &str, item: &str) {
        let index = self.index();
        self.event(Kind::Content, name, |event| {
            event.int("output_index", index).raw("item", item)
        });
    }

    /// Where a piece belongs.
    fn place(event: Obj, id: &str, index: i64, (name, part): (&str, i64)) -> Obj {
        let event = event.str("item_id", id).int("output_index", index);
        if name.is_empty() {
            event
        } else {
            event.int(name, part)
        }
    }

    fn thought(&mut self) {
        let (id, index) = (self.id("rs"), self.index());
        let place = ("summary_index", 0);
        let whole = self.plan.reasoning.concat();
        let part = |text: &str| {
            Obj::new()
                .str("type", "summary_text")
                .str("text", text)
                .end()
        };
        let item = |summary: &str| {
            Obj::new()
                .str("id", &id)
                .str("type", "reasoning")
                .raw("summary", summary)
        };
        self.item("response.output_item.added", &item("[]").end());
        self.event(
            Kind::Content,
            "response.reasoning_summary_part.added",
            |event| Self::place(event, &id, index, place).raw("part", &part("")),
        );
        for piece in &self.plan.reasoning {
            self.event(
                Kind::Content,
                "response.reasoning_summary_text.delta",
                |event| Self::place(event, &id, index, place).str("delta", piece),
            );
        }
        self.event(
            Kind::Content,
            "response.reasoning_summary_text.done",
            |event| Self::place(event, &id, index, place).str("text", &whole),
        );
        self.event(
            Kind::Content,
            "response.reasoning_summary_part.done",
            |event| Self::place(event, &id, index, place).raw("part", &part(&whole)),
        );
        let proof = format!("gAAAAAB{}==", "Zm9vYmFy".repeat(12));
        let done = item(&json::array(&[part(&whole)]))
            .str("encrypted_content", &proof)
            .end();
        self.item("response.output_item.done", &done);
        self.output.push(done);
    }

    fn message(&mut self) {
        let (id, index) = (self.id("msg"), self.index());
        let place = ("content_index", 0);
        let probable = |pieces: &[String]| probabilities(self.ask, pieces);
        let all = probable(&self.plan.text);
        let part = |text: &str, logprobs: &str| {
            Obj::new()
                .str("type", "output_text")
                .raw("annotations", "[]")
                .raw("logprobs", logprobs)
                .str("text", text)
                .end()
        };
        let item = |status: &str, content: &str| {
            Obj::new()
                .str("id", &id)
                .str("type", "message")
                .str("status", status)
                .raw("content", content)
                .str("role", "assistant")
                .end()
        };
        let added = item("in_progress", "[]");
        self.item("response.output_item.added", &added);
        self.event(Kind::Content, "response.content_part.added", |event| {
            Self::place(event, &id, index, place).raw("part", &part("", "[]"))
        });
        for (nth, piece) in self.plan.text.iter().enumerate() {
            let logprobs = probabilities(self.ask, std::slice::from_ref(piece));
            let padding = "xQ7mT2"
                .repeat(3)
                .get(..nth % 16 + 1)
                .unwrap_or("x")
                .to_owned();
            self.event(Kind::Content, "response.output_text.delta", |event| {
                Self::place(event, &id, index, place)
                    .str("delta", piece)
                    .raw("logprobs", &logprobs)
                    .str("obfuscation", &padding)
            });
        }
        let whole = self.plan.text_whole();
        self.event(Kind::Content, "response.output_text.done", |event| {
            Self::place(event, &id, index, place)
                .str("text", &whole)
                .raw("logprobs", &all)
        });
        let content = part(&whole, &all);
        self.event(Kind::Content, "response.content_part.done", |event| {
            Self::place(event, &id, index, place).raw("part", &content)
        });
        let status = match End::of(self.ask, self.plan) {
            End::Incomplete(_) => "incomplete",
            End::No | End::Complete => "completed",
        };
        let done = item(status, &json::array(&[content]));
        self.item("response.output_item.done", &done);
        self.output.push(done);
    }

    fn call(&mut self, call: &Call) {
        let (id, index) = (self.id("fc"), self.index());
        let item = |status: &str, arguments: &str| {
            Obj::new()
                .str("id", &id)
                .str("type", "function_call")
                .str("status", status)
                .str("arguments", arguments)
                .str("call_id", &call.id)
                .str("name", &call.name)
                .end()
        };
        self.item("response.output_item.added", &item("in_progress", ""));
        for piece in &call.pieces {
            self.event(
                Kind::Content,
                "response.function_call_arguments.delta",
                |event| Self::place(event, &id, index, ("", 0)).str("delta", piece),
            );
        }
        let arguments = call.arguments();
        self.event(
            Kind::Content,
            "response.function_call_arguments.done",
            |event| Self::place(event, &id, index, ("", 0)).str("arguments", &arguments),
        );
        let done = item("completed", &arguments);
        self.item("response.output_item.done", &done);
        self.output.push(done);
    }
}

/// One entry a piece: probability 0.9, with as many alternatives as were asked for.
fn probabilities(ask: &Ask, pieces: &[String]) -> String {
    let Some(alternatives) = ask.logprobs else {
        return "[]".to_owned();
    };
    let entry = |token: &str| {
        let bytes: Vec<String> = token.bytes().map(|byte| byte.to_string()).collect();
        Obj::new()
            .raw("token", &quoted(token))
            .raw("bytes", &json::array(&bytes))
            .raw("logprob", "-0.10536")
    };
    let row = |piece: &String| {
        let others: Vec<String> = (0..alternatives).map(|_| entry(piece).end()).collect();
        entry(piece)
            .raw("top_logprobs", &json::array(&others))
            .end()
    };
    json::array(&pieces.iter().map(row).collect::<Vec<_>>())
}
