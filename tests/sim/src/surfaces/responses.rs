//! OpenAI's Responses API, as OpenAI and Azure serve it: items in, items out, events with names and numbers.
//!
//! Written from the documents. A vendor that keeps what it is told to keep has nothing to refer to here: whoever refers to
//! a response or an item of before is told that there is none.

use super::responses_check::{ask, check};
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, openai};
use crate::faults::UsageFault;
use crate::json::{self, Obj, quoted};
use crate::plan::{Ask, Call, Finish, Plan};
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
