//! 阿里 通义, DashScope native: `input`/`parameters`, SSE with id, event and a status in a comment, usage in every event,
//! increments or everything so far, the word "null" as finish reason while running, and no `[DONE]`.

use super::tongyi_check::{check, is_multimodal};
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, code, read};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at, quoted};
use crate::plan::{Ask, Call, Finish, Plan, Turn, Usage, chars};
use serde_json::Value;

const TEXT_PATH: &str = "/services/aigc/text-generation/generation";
const MULTIMODAL_PATH: &str = "/services/aigc/multimodal-generation/generation";

pub(crate) struct Tongyi;

static CODES: &[Code] = &[
    code("InvalidParameter", 400, "", "The request body is invalid."),
    code("InvalidURL", 400, "", "url error, please check url!"),
    code(
        "DataInspectionFailed",
        400,
        "",
        "Output data may contain inappropriate content.",
    ),
    code(
        "Arrearage",
        400,
        "",
        "Access denied, please make sure your account is in good standing.",
    ),
    code("InvalidApiKey", 401, "", "Invalid API-key provided."),
    code("AccessDenied", 403, "", "Access denied."),
    code("Model.AccessDenied", 403, "", "Model access denied."),
    code(
        "AllocationQuota.FreeTierOnly",
        403,
        "",
        "The free tier of the model has been exhausted.",
    ),
    code("ModelNotFound", 404, "", "Model can not be found."),
    code("Throttling", 429, "", "Requests throttling triggered."),
    code(
        "Throttling.RateQuota",
        429,
        "",
        "Requests rate limit exceeded, please try again later.",
    ),
    code(
        "Throttling.BurstRate",
        429,
        "",
        "Request rate increased too quickly.",
    ),
    code(
        "Throttling.AllocationQuota",
        429,
        "",
        "Allocated quota exceeded, please increase your quota limit.",
    ),
    code(
        "PrepaidBillOverdue",
        429,
        "",
        "The prepaid bill is overdue.",
    ),
    code(
        "PostpaidBillOverdue",
        429,
        "",
        "The postpaid bill is overdue.",
    ),
    code(
        "CommodityNotPurchased",
        429,
        "",
        "Commodity has not purchased yet.",
    ),
    code(
        "InternalError",
        500,
        "",
        "An internal error has occured, please try again later or contact service support.",
    ),
    code(
        "RequestTimeOut",
        500,
        "",
        "Request timed out, please try again later.",
    ),
    code(
        "ModelServingError",
        503,
        "",
        "Too many requests. Your requests are being throttled due to system capacity limits.",
    ),
    code(
        "ModelUnavailable",
        503,
        "",
        "Model is unavailable, please try again later.",
    ),
];

impl Voice for Tongyi {
    fn name(&self) -> &'static str {
        "tongyi"
    }
    fn label(&self) -> &'static str {
        "通义"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "InvalidParameter",
            unauthorised: "InvalidApiKey",
            no_model: "ModelNotFound",
            broken: "InternalError",
        }
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        matches!(arrived.rest, TEXT_PATH | MULTIMODAL_PATH)
    }
    fn is_model_list(&self, _arrived: &Arrived<'_>) -> bool {
        false
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        match bearer(arrived.headers) {
            Some(_) => Ok(()),
            None => Err(self.trouble("InvalidApiKey")),
        }
    }
    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let multimodal = arrived.rest == MULTIMODAL_PATH;
        let ask = ask(arrived, body)
            .and_then(|ask| check(body, &ask, multimodal).map(|()| ask))
            .map_err(|message| self.refuse("InvalidParameter", message))?;
        Ok(ask)
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let so_far = SoFar::all(plan);
        envelope(
            ask,
            &so_far,
            Some(&finish_word(ask, plan)),
            &plan.usage(),
            stamp,
        )
    }
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        frames(ask, plan, stamp)
    }
    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        Obj::new()
            .str("code", &trouble.code)
            .str("message", &trouble.message)
            .str("request_id", &format!("sim-{serial:08x}"))
            .end()
    }
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let body = self.error_body(trouble, stamp.serial);
        let status = trouble.status;
        let text = format!("id:9999\nevent:error\n:HTTP_STATUS/{status}\ndata:{body}\n\n");
        vec![Frame::new(Kind::Error, text)]
    }
    fn event_stream_type(&self) -> &'static str {
        "text/event-stream;charset=UTF-8"
    }
    fn headers(&self, serial: u64) -> Vec<(&'static str, String)> {
        vec![("x-request-id", format!("sim-{serial:08x}"))]
    }
}

fn ask(arrived: &Arrived<'_>, body: &Value) -> Result<Ask, String> {
    let (input, parameters) = (at(body, &["input"]), at(body, &["parameters"]));
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    if model.is_empty() {
        return Err(
            "Required parameter(model) missing or invalid, please check the request parameters."
                .into(),
        );
    }
    let (base, faults) = faults::read(model)?;
    let turns = match (at(input, &["messages"]), at(input, &["prompt"])) {
        (Value::Array(messages), _) if messages.is_empty() => {
            return Err("[] is too short - 'messages'".into());
        }
        (Value::Array(messages), _) => messages.iter().map(turn).collect(),
        (_, Value::String(prompt)) => vec![Turn {
            role: "user".into(),
            text: prompt.clone(),
        }],
        _ => {
            return Err(
                "Either \"prompt\" or \"messages\" must exist and cannot both be none".into(),
            );
        }
    };
    let number = |key: &str| {
        at(parameters, &[key])
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
    };
    let header = |name: &str| {
        arrived
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: header("x-dashscope-sse").is_some_and(|word| word.eq_ignore_ascii_case("enable")),
        turns,
        tools: read::tools(at(parameters, &["tools"])),
        call: read::call_wish(at(parameters, &["tool_choice"])),
        parallel: *at(parameters, &["parallel_tool_calls"]) == true,
        tool_pieces: true,
        choices: number("n").unwrap_or(1),
        tokens_max: number("max_tokens"),
        stop: read::stops(at(parameters, &["stop"])),
        think: *at(parameters, &["enable_thinking"]) == true,
        incremental: *at(parameters, &["incremental_output"]) == true,
        message_format: *at(parameters, &["result_format"]) == "message"
            || arrived.rest == MULTIMODAL_PATH,
        ..Ask::default()
    })
}

fn turn(message: &Value) -> Turn {
    Turn {
        role: at(message, &["role"])
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        text: read::text(at(message, &["content"])),
    }
}

fn finish_word(ask: &Ask, plan: &Plan) -> String {
    if let Some(odd) = &ask.faults.odd_finish {
        return odd.clone();
    }
    let word = match plan.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
    };
    word.to_owned()
}

/// What one event carries: an increment, or everything up to it.
#[derive(Default, Clone)]
struct SoFar {
    text: String,
    reasoning: String,
    /// `tool_calls` entries: index, id, name, arguments.
    calls: Vec<(usize, String, String, String)>,
}

impl SoFar {
    fn all(plan: &Plan) -> Self {
        let call =
            |(at, call): (usize, &Call)| (at, call.id.clone(), call.name.clone(), call.arguments());
        Self {
            text: plan.text_whole(),
            reasoning: plan.reasoning_whole().unwrap_or_default(),
            calls: plan.calls.iter().enumerate().map(call).collect(),
        }
    }

    fn add(&mut self, step: &Self) {
        self.text.push_str(&step.text);
        self.reasoning.push_str(&step.reasoning);
        for (at, id, name, arguments) in &step.calls {
            match self.calls.iter_mut().find(|call| call.0 == *at) {
                Some(call) => call.3.push_str(arguments),
                None => self
                    .calls
                    .push((*at, id.clone(), name.clone(), arguments.clone())),
            }
        }
    }
}

/// Increments in order; the last is empty and carries the finish.
fn increments(plan: &Plan) -> Vec<SoFar> {
    let mut out = Vec::new();
    for piece in &plan.reasoning {
        out.push(SoFar {
            reasoning: piece.clone(),
            ..SoFar::default()
        });
    }
    for piece in &plan.text {
        out.push(SoFar {
            text: piece.clone(),
            ..SoFar::default()
        });
    }
    for (at, call) in plan.calls.iter().enumerate() {
        for (piece_at, piece) in call.pieces.iter().enumerate() {
            let first = piece_at == 0;
            let id = if first {
                call.id.clone()
            } else {
                String::new()
            };
            let name = if first {
                call.name.clone()
            } else {
                String::new()
            };
            out.push(SoFar {
                calls: vec![(at, id, name, piece.clone())],
                ..SoFar::default()
            });
        }
    }
    out.push(SoFar::default());
    out
}

fn frames(ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
    let mut out = Vec::new();
    let mut so_far = SoFar::default();
    let steps = increments(plan);
    let last = steps.len().saturating_sub(1);
    for (at, step) in steps.iter().enumerate() {
        so_far.add(step);
        let said: usize = so_far.calls.iter().map(|call| chars(&call.3)).sum();
        let usage = plan.usage_after(chars(&so_far.reasoning), chars(&so_far.text) + said);
        let word = finish_word(ask, plan);
        let finish = if at == last { word.as_str() } else { "null" };
        let shown = if ask.incremental { step } else { &so_far };
        let json = envelope(ask, shown, Some(finish), &usage, stamp);
        let kind = if at == last {
            Kind::Finish
        } else {
            Kind::Content
        };
        let id = at + 1;
        let text = format!("id:{id}\nevent:result\n:HTTP_STATUS/200\ndata:{json}\n\n");
        out.push(Frame::new(kind, text));
    }
    if ask.faults.recall {
        out.pop();
        let trouble = Tongyi.trouble("DataInspectionFailed");
        out.extend(Tongyi.error_frames(&trouble, stamp));
    }
    out
}

fn envelope(ask: &Ask, said: &SoFar, finish: Option<&str>, usage: &Usage, stamp: &Stamp) -> String {
    let finish = quoted(finish.unwrap_or("null"));
    let output = if ask.message_format {
        let message = message(ask, said);
        let choices: Vec<String> = (0..ask.choices.max(1))
            .map(|index| {
                let index = (ask.choices > 1).then(|| index.to_string());
                Obj::new()
                    .raw("message", &message)
                    .raw("finish_reason", &finish)
                    .maybe("index", index.as_deref())
                    .end()
            })
            .collect();
        Obj::new().raw("choices", &json::array(&choices)).end()
    } else {
        Obj::new()
            .raw("finish_reason", &finish)
            .str("text", &said.text)
            .end()
    };
    let hidden = ask.faults.usage == Some(UsageFault::None);
    let usage = usage_body(usage);
    Obj::new()
        .raw("output", &output)
        .maybe("usage", (!hidden).then_some(usage.as_str()))
        .str("request_id", &format!("sim-{:08x}", stamp.serial))
        .end()
}

fn message(ask: &Ask, said: &SoFar) -> String {
    let multimodal = is_multimodal(&ask.base);
    let part = Obj::new().str("text", &said.text).end();
    let content = match multimodal {
        true if said.text.is_empty() => "[]".to_owned(),
        true => json::array(&[part]),
        false => quoted(&said.text),
    };
    let reasoning = (!said.reasoning.is_empty()).then(|| quoted(&said.reasoning));
    let calls: Vec<String> = said
        .calls
        .iter()
        .map(|(at, id, name, arguments)| {
            let function = Obj::new().str("name", name).str("arguments", arguments);
            Obj::new()
                .raw("index", &at.to_string())
                .str("id", id)
                .str("type", "function")
                .raw("function", &function.end())
                .end()
        })
        .collect();
    let calls = (!calls.is_empty()).then(|| json::array(&calls));
    Obj::new()
        .raw("content", &content)
        .maybe("reasoning_content", reasoning.as_deref())
        .maybe("tool_calls", calls.as_deref())
        .str("role", "assistant")
        .end()
}

fn usage_body(usage: &Usage) -> String {
    let cached = Obj::new().int("cached_tokens", 0).end();
    let body = Obj::new()
        .int("total_tokens", usage.total())
        .int("output_tokens", usage.completion)
        .int("input_tokens", usage.prompt)
        .raw("prompt_tokens_details", &cached);
    if usage.reasoning == 0 {
        return body.end();
    }
    let reasoning = Obj::new().int("reasoning_tokens", usage.reasoning).end();
    body.raw("output_tokens_details", &reasoning).end()
}
