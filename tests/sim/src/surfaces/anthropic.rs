//! Anthropic's Messages API: named events, one block at a time, thoughts with signatures that must come back as they were.
//!
//! Two versions are served; the newer one knows no sampling fields. Counting tokens is a call of its own.

use super::anthropic_check::{check, signature, turns_of};
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, code};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at};
use crate::plan::{Ask, Call, CallWish, Finish, Plan, Usage};
use http::Method;
use serde_json::Value;

/// The API.
pub(crate) struct Anthropic;

/// Both codes and types of errors: on the wire only the type is told.
static CODES: &[Code] = &[
    code(
        "invalid_request_error",
        400,
        "invalid_request_error",
        "The request is not valid.",
    ),
    code(
        "too_long",
        400,
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    code(
        "credit",
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API.",
    ),
    code(
        "filtered",
        400,
        "invalid_request_error",
        "Output blocked by content filtering policy",
    ),
    code(
        "authentication_error",
        401,
        "authentication_error",
        "invalid x-api-key",
    ),
    code(
        "billing_error",
        402,
        "billing_error",
        "Payment is required.",
    ),
    code(
        "permission_error",
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    code("not_found_error", 404, "not_found_error", "model: no-such"),
    code(
        "request_too_large",
        413,
        "request_too_large",
        "Request exceeds the maximum size",
    ),
    code(
        "rate_limit_error",
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit.",
    ),
    code(
        "enforced_spend_limit_reached",
        429,
        "rate_limit_error",
        "You have reached your specified API usage limits.",
    ),
    code("api_error", 500, "api_error", "Internal server error"),
    code(
        "timeout_error",
        504,
        "timeout_error",
        "The request timed out.",
    ),
    code("overloaded_error", 529, "overloaded_error", "Overloaded"),
];

impl Voice for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }
    fn label(&self) -> &'static str {
        "Anthropic"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "invalid_request_error",
            unauthorised: "authentication_error",
            no_model: "not_found_error",
            broken: "api_error",
        }
    }

    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        let key = arrived.headers.get("x-api-key");
        let good = match key {
            // With both, the vendor reads this one.
            Some(key) => key
                .to_str()
                .is_ok_and(|key| !key.is_empty() && !key.contains("invalid")),
            None => bearer(arrived.headers).is_some(),
        };
        if !good {
            return Err(self.trouble("authentication_error"));
        }
        if !arrived.headers.contains_key("anthropic-version") {
            return Err(self.refuse(
                "invalid_request_error",
                "anthropic-version: header is required",
            ));
        }
        Ok(())
    }

    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let newer = arrived
            .headers
            .get("anthropic-version")
            .is_some_and(|version| version == "2026-10-21");
        let bad = |message: String| self.refuse("invalid_request_error", message);
        check(body, newer, false).map_err(bad)?;
        ask(body).map_err(bad)
    }

    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let mut blocks: Vec<String> = Vec::new();
        if let Some(thought) = plan.reasoning_whole() {
            blocks.push(
                Obj::new()
                    .str("type", "thinking")
                    .str("thinking", &thought)
                    .str("signature", &signature(&thought))
                    .end(),
            );
        }
        let text = plan.text_whole();
        if !text.is_empty() {
            blocks.push(Obj::new().str("type", "text").str("text", &text).end());
        }
        for call in &plan.calls {
            blocks.push(opening(call).raw("input", &call.arguments()).end());
        }
        let (reason, sequence) = stop(ask, plan);
        let usage = usage(&plan.usage());
        let hidden = ask.faults.usage == Some(UsageFault::None);
        head(stamp)
            .raw("content", &json::array(&blocks))
            .str("stop_reason", &reason)
            .raw("stop_sequence", &sequence)
            .maybe("usage", (!hidden).then_some(usage.as_str()))
            .end()
    }

    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let mut stream = Stream {
            frames: Vec::new(),
            blocks: 0,
        };
        let counts = ask.faults.usage != Some(UsageFault::None);
        let begun = usage(&Usage {
            completion: 1,
            reasoning: 0,
            ..plan.usage()
        });
        let message = head(stamp)
            .raw("content", "[]")
            .null("stop_reason")
            .null("stop_sequence")
            .maybe("usage", counts.then_some(begun.as_str()))
            .end();
        stream.event(Kind::Content, "message_start", |event| {
            event.raw("message", &message)
        });
        if let Some(thought) = plan.reasoning_whole() {
            stream.open(r#"{"type":"thinking","thinking":"","signature":""}"#);
            for piece in &plan.reasoning {
                stream.delta("thinking_delta", "thinking", piece);
            }
            stream.delta("signature_delta", "signature", &signature(&thought));
            stream.close();
        }
        if plan.calls.is_empty() {
            stream.open(r#"{"type":"text","text":""}"#);
            stream.event(Kind::Comment, "ping", |event| event);
            for piece in &plan.text {
                stream.delta("text_delta", "text", piece);
            }
            stream.close();
        }
        for call in &plan.calls {
            stream.open(&opening(call).raw("input", "{}").end());
            stream.delta("input_json_delta", "partial_json", "");
            for piece in &call.pieces {
                stream.delta("input_json_delta", "partial_json", piece);
            }
            stream.close();
        }
        let (reason, sequence) = stop(ask, plan);
        let delta = Obj::new()
            .str("stop_reason", &reason)
            .raw("stop_sequence", &sequence)
            .end();
        let plan_usage = plan.usage();
        let mut counted = Obj::new().int("output_tokens", plan_usage.completion);
        if plan_usage.reasoning != 0 {
            let details = Obj::new().int("thinking_tokens", plan_usage.reasoning);
            counted = counted.raw("output_tokens_details", &details.end());
        }
        let counted = counted.end();
        stream.event(Kind::Finish, "message_delta", |event| {
            event
                .raw("delta", &delta)
                .maybe("usage", counts.then_some(counted.as_str()))
        });
        stream.event(Kind::Done, "message_stop", |event| event);
        stream.frames
    }

    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        let mut error = Obj::new()
            .str("type", &trouble.kind)
            .str("message", &trouble.message);
        if trouble.code.ends_with("_reached") {
            let details = Obj::new().str("error_code", &trouble.code).end();
            error = error.raw("details", &details);
        }
        Obj::new()
            .str("type", "error")
            .raw("error", &error.end())
            .str("request_id", &format!("req_sim{serial:x}"))
            .end()
    }

    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let body = self.error_body(trouble, stamp.serial);
        let text = format!("event: error\ndata: {body}\n\n");
        vec![Frame::new(Kind::Error, text)]
    }

    fn headers(&self, serial: u64) -> Vec<(&'static str, String)> {
        vec![("request-id", format!("req_sim{serial:x}"))]
    }

    fn models(&self, _: u64) -> Option<String> {
        let row = |id: &str| {
            Obj::new()
                .str("type", "model")
                .str("id", id)
                .str("display_name", id)
                .str("created_at", "2026-01-01T00:00:00Z")
                .str("lifecycle", "active")
                .end()
        };
        let rows = [row("claude-sim-1"), row("claude-sim-2")];
        Some(
            Obj::new()
                .raw("data", &json::array(&rows))
                .bool("has_more", false)
                .str("first_id", "claude-sim-1")
                .str("last_id", "claude-sim-2")
                .end(),
        )
    }

    fn is_model_list(&self, arrived: &Arrived<'_>) -> bool {
        *arrived.method == Method::GET && arrived.rest == "/v1/models"
    }

    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        arrived.rest == "/v1/messages"
    }

    /// `count_tokens`: as a message's prompt would be counted.
    fn beside(&self, arrived: &Arrived<'_>, body: &Value) -> Option<Result<String, Trouble>> {
        if arrived.rest != "/v1/messages/count_tokens" {
            return None;
        }
        let bad = |message: String| self.refuse("invalid_request_error", message);
        let counted = check(body, false, true).and_then(|()| ask(body));
        Some(counted.map_err(bad).and_then(|ask| {
            if ask.base.starts_with("no-such") {
                return Err(self.trouble("not_found_error"));
            }
            let tokens = Plan::make(self.label(), &ask, 0).usage().prompt;
            Ok(Obj::new().int("input_tokens", tokens).end())
        }))
    }
}

struct Stream {
    frames: Vec<Frame>,
    blocks: i64,
}

impl Stream {
    fn event(&mut self, kind: Kind, name: &str, fill: impl FnOnce(Obj) -> Obj) {
        let data = fill(Obj::new().str("type", name)).end();
        let text = format!("event: {name}\ndata: {data}\n\n");
        self.frames.push(Frame::new(kind, text));
    }

    fn open(&mut self, block: &str) {
        let index = self.blocks;
        self.event(Kind::Content, "content_block_start", |event| {
            event.int("index", index).raw("content_block", block)
        });
    }

    fn delta(&mut self, kind: &str, key: &str, piece: &str) {
        let index = self.blocks;
        let delta = Obj::new().str("type", kind).str(key, piece).end();
        self.event(Kind::Content, "content_block_delta", |event| {
            event.int("index", index).raw("delta", &delta)
        });
    }

    fn close(&mut self) {
        let index = self.blocks;
        self.event(Kind::Content, "content_block_stop", |event| {
            event.int("index", index)
        });
        self.blocks += 1;
    }
}

fn head(stamp: &Stamp) -> Obj {
    Obj::new()
        .str("id", &format!("msg_sim{:x}", stamp.serial))
        .str("type", "message")
        .str("role", "assistant")
        .str("model", &stamp.model)
}

fn opening(call: &Call) -> Obj {
    let id = call.id.replace("call_", "toolu_");
    Obj::new()
        .str("type", "tool_use")
        .str("id", &id)
        .str("name", &call.name)
}

fn stop(ask: &Ask, plan: &Plan) -> (String, String) {
    if let Some(odd) = &ask.faults.odd_finish {
        return (odd.clone(), "null".to_owned());
    }
    let word = match plan.finish {
        _ if ask.faults.recall => "refusal",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
    };
    (word.to_owned(), "null".to_owned())
}

fn usage(usage: &Usage) -> String {
    let mut counted = Obj::new()
        .int("input_tokens", usage.prompt)
        .int("cache_creation_input_tokens", 0)
        .int("cache_read_input_tokens", 0)
        .int("output_tokens", usage.completion);
    if usage.reasoning != 0 {
        let details = Obj::new().int("thinking_tokens", usage.reasoning);
        counted = counted.raw("output_tokens_details", &details.end());
    }
    counted.str("service_tier", "standard").end()
}

fn ask(body: &Value) -> Result<Ask, String> {
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    let (base, faults) = faults::read(model)?;
    let choice = at(body, &["tool_choice"]);
    let number = |key: &str| at(body, &[key]).as_u64();
    let budget = at(body, &["thinking", "budget_tokens"]).as_u64();
    let cap = number("max_tokens").map(|cap| cap.saturating_sub(budget.unwrap_or(0)));
    let names = at(body, &["tools"]).as_array().map(Vec::as_slice);
    let name = |tool: &Value| at(tool, &["name"]).as_str().map(str::to_owned);
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: at(body, &["stream"]).as_bool().unwrap_or(false),
        turns: turns_of(body),
        tools: names.unwrap_or_default().iter().filter_map(name).collect(),
        call: match at(choice, &["type"]).as_str() {
            Some("none") => CallWish::Never,
            Some("any") => CallWish::Always(None),
            Some("tool") => CallWish::Always(name(choice)),
            _ => CallWish::Auto,
        },
        parallel: *at(choice, &["disable_parallel_tool_use"]) != true,
        tool_pieces: true,
        choices: 1,
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        stop: super::read::stops(at(body, &["stop_sequences"])),
        think: matches!(
            at(body, &["thinking", "type"]).as_str(),
            Some("enabled" | "adaptive")
        ),
        incremental: true,
        message_format: true,
        ..Ask::default()
    })
}
