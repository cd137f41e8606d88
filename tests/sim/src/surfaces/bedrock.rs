//! Amazon Bedrock's Converse: signed requests, the model in the path, a binary stream, errors by their name in a header.

use super::wenxin_v1::percent_decoded;
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, bedrock_wire, code};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at};
use crate::plan::{Ask, Call, CallWish, Finish, Plan, Turn};
use http::Method;
use serde_json::Value;

/// The API.
pub(crate) struct Bedrock;

const STREAM: &str = "converse-stream";

static CODES: &[Code] = &[
    code("ValidationException", 400, "", "The request is not valid."),
    code(
        "too_long",
        400,
        "ValidationException",
        "The model returned the following errors: Input is too long for requested model.",
    ),
    code(
        "UnrecognizedClientException",
        403,
        "",
        "The security token included in the request is invalid.",
    ),
    code(
        "MissingAuthenticationTokenException",
        403,
        "",
        "Missing Authentication Token",
    ),
    code(
        "IncompleteSignatureException",
        403,
        "",
        "The signature is not complete.",
    ),
    code(
        "InvalidSignatureException",
        403,
        "",
        "The request signature we calculated does not match the signature you provided.",
    ),
    code(
        "ExpiredTokenException",
        403,
        "",
        "The security token included in the request is expired",
    ),
    code(
        "AccessDeniedException",
        403,
        "",
        "You don't have access to the model with the specified model ID.",
    ),
    code(
        "ResourceNotFoundException",
        404,
        "",
        "Could not resolve the foundation model from the provided model identifier.",
    ),
    code("ModelTimeoutException", 408, "", "Model has timed out."),
    code("ModelErrorException", 424, "", "The model failed."),
    code(
        "ThrottlingException",
        429,
        "",
        "Too many requests, please wait before trying again.",
    ),
    code(
        "ModelNotReadyException",
        429,
        "",
        "Model is not ready for inference.",
    ),
    code(
        "ServiceQuotaExceededException",
        400,
        "",
        "Your request exceeds the service quota.",
    ),
    code(
        "InternalServerException",
        500,
        "",
        "The system encountered an unexpected error.",
    ),
    code(
        "ServiceUnavailableException",
        503,
        "",
        "Service unavailable.",
    ),
];

fn place(rest: &str) -> Option<(String, &str)> {
    let (model, verb) = rest.strip_prefix("/model/")?.rsplit_once('/')?;
    ["converse", STREAM]
        .contains(&verb)
        .then(|| (percent_decoded(model), verb))
}

impl Voice for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }
    fn label(&self) -> &'static str {
        "Bedrock"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "ValidationException",
            unauthorised: "UnrecognizedClientException",
            no_model: "ResourceNotFoundException",
            broken: "InternalServerException",
        }
    }

    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        if bearer(arrived.headers).is_some() {
            return Ok(());
        }
        let keys = (
            crate::BEDROCK_TEST_ACCESS_KEY,
            crate::BEDROCK_TEST_SECRET_KEY,
            crate::BEDROCK_TEST_REGION,
        );
        bedrock_wire::verify(arrived, arrived.body, keys).map_err(|name| self.trouble(name))
    }

    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let bad = |message: String| self.refuse("ValidationException", message);
        let (model, verb) =
            place(arrived.rest).ok_or_else(|| self.trouble("ResourceNotFoundException"))?;
        check(body).map_err(bad)?;
        ask(body, &model, verb == STREAM).map_err(bad)
    }

    fn whole(&self, ask: &Ask, plan: &Plan, _: &Stamp) -> String {
        let mut blocks = Vec::new();
        if let Some(thought) = plan.reasoning_whole() {
            let inner = Obj::new()
                .str("text", &thought)
                .str("signature", &signature(&thought))
                .end();
            let inner = Obj::new().raw("reasoningText", &inner).end();
            blocks.push(Obj::new().raw("reasoningContent", &inner).end());
        }
        let text = plan.text_whole();
        if !text.is_empty() {
            blocks.push(Obj::new().str("text", &text).end());
        }
        for call in &plan.calls {
            let inner = opening(call).raw("input", &call.arguments()).end();
            blocks.push(Obj::new().raw("toolUse", &inner).end());
        }
        let message = Obj::new()
            .str("role", "assistant")
            .raw("content", &json::array(&blocks))
            .end();
        Obj::new()
            .raw("metrics", r#"{"latencyMs":7}"#)
            .raw("output", &Obj::new().raw("message", &message).end())
            .str("stopReason", &reason(ask, plan))
            .maybe("usage", usage(ask, plan).as_deref())
            .end()
    }

    fn frames(&self, ask: &Ask, plan: &Plan, _: &Stamp) -> Vec<Frame> {
        let mut frames = vec![event(
            Kind::Content,
            "messageStart",
            Obj::new().str("role", "assistant"),
        )];
        let mut index = 0;
        let mut block = |frames: &mut Vec<Frame>, start: Option<String>, deltas: Vec<String>| {
            let at = || Obj::new().int("contentBlockIndex", index);
            if let Some(start) = start {
                frames.push(event(
                    Kind::Content,
                    "contentBlockStart",
                    at().raw("start", &start),
                ));
            }
            for delta in deltas {
                frames.push(event(
                    Kind::Content,
                    "contentBlockDelta",
                    at().raw("delta", &delta).str("p", "abcdefgh"),
                ));
            }
            frames.push(event(Kind::Content, "contentBlockStop", at()));
            index += 1;
        };
        if let Some(thought) = plan.reasoning_whole() {
            let delta = |key: &str, value: &str| {
                let inner = Obj::new().str(key, value).end();
                Obj::new().raw("reasoningContent", &inner).end()
            };
            let mut deltas: Vec<String> = plan
                .reasoning
                .iter()
                .map(|piece| delta("text", piece))
                .collect();
            deltas.push(delta("signature", &signature(&thought)));
            block(&mut frames, None, deltas);
        }
        if plan.calls.is_empty() {
            let deltas = plan
                .text
                .iter()
                .map(|piece| Obj::new().str("text", piece).end());
            block(&mut frames, None, deltas.collect());
        }
        for call in &plan.calls {
            let start = Obj::new().raw("toolUse", &opening(call).end()).end();
            let delta = |piece: &String| {
                let inner = Obj::new().str("input", piece).end();
                Obj::new().raw("toolUse", &inner).end()
            };
            block(
                &mut frames,
                Some(start),
                call.pieces.iter().map(delta).collect(),
            );
        }
        frames.push(event(
            Kind::Finish,
            "messageStop",
            Obj::new().str("stopReason", &reason(ask, plan)),
        ));
        let told = Obj::new()
            .maybe("usage", usage(ask, plan).as_deref())
            .raw("metrics", r#"{"latencyMs":7}"#);
        frames.push(event(Kind::Usage, "metadata", told));
        frames
    }

    fn error_body(&self, trouble: &Trouble, _: u64) -> String {
        Obj::new().str("message", &trouble.message).end()
    }

    fn error_headers(&self, trouble: &Trouble) -> Vec<(&'static str, String)> {
        let name = format!(
            "{}:http://internal.amazon.com/coral/com.amazon.bedrock/",
            name_of(trouble)
        );
        vec![("x-amzn-errortype", name)]
    }

    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let body = self.error_body(trouble, stamp.serial);
        // Members of a union begin with a small letter.
        let mut name = name_of(trouble).to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        vec![Frame::new(
            Kind::Error,
            format!("event: !{name}\ndata: {body}\n\n"),
        )]
    }

    fn event_stream_type(&self) -> &'static str {
        "application/vnd.amazon.eventstream"
    }

    fn wire(&self, text: &str) -> Vec<u8> {
        bedrock_wire::frame(text)
    }

    fn is_model_list(&self, _: &Arrived<'_>) -> bool {
        false
    }

    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        *arrived.method == Method::POST && place(arrived.rest).is_some()
    }
}

fn name_of(trouble: &Trouble) -> &str {
    if trouble.kind.ends_with("Exception") {
        &trouble.kind
    } else {
        &trouble.code
    }
}

fn event(kind: Kind, name: &str, data: Obj) -> Frame {
    Frame::new(kind, format!("event: {name}\ndata: {}\n\n", data.end()))
}

fn signature(thought: &str) -> String {
    format!("EqoBCkgIBRABGAIqQ{:064x}", thought.len())
}

fn opening(call: &Call) -> Obj {
    let id = call.id.replace("call_", "tooluse_");
    Obj::new().str("toolUseId", &id).str("name", &call.name)
}

fn reason(ask: &Ask, plan: &Plan) -> String {
    if let Some(odd) = &ask.faults.odd_finish {
        return odd.clone();
    }
    let word = match plan.finish {
        _ if ask.faults.recall => "content_filtered",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
    };
    word.to_owned()
}

fn usage(ask: &Ask, plan: &Plan) -> Option<String> {
    if ask.faults.usage == Some(UsageFault::None) {
        return None;
    }
    let usage = plan.usage();
    let counted = Obj::new()
        .int("inputTokens", usage.prompt)
        .int("outputTokens", usage.completion)
        .int("totalTokens", usage.total());
    Some(counted.end())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// Judges a request.
fn check(body: &Value) -> Result<(), String> {
    const FIELDS: [&str; 6] = [
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "additionalModelRequestFields",
        "requestMetadata",
    ];
    for name in body.as_object().into_iter().flat_map(serde_json::Map::keys) {
        if !FIELDS.contains(&&**name) {
            return Err(format!(
                "Malformed input request: #: extraneous key [{name}] is not permitted"
            ));
        }
    }
    let config = at(body, &["inferenceConfig"]);
    for (name, low, high) in [
        ("temperature", 0.0, 1.0),
        ("topP", 0.0, 1.0),
        ("maxTokens", 1.0, 1e9),
    ] {
        if super::read::outside(config, name, |value| (low..=high).contains(&value)) {
            return Err(format!(
                "Value at 'inferenceConfig.{name}' failed to satisfy constraint"
            ));
        }
    }
    tools(body)?;
    let messages = list(at(body, &["messages"]));
    if messages.is_empty() {
        return Err("A conversation must start with a user message.".into());
    }
    let mut open: Vec<&str> = Vec::new();
    for (nth, message) in messages.iter().enumerate() {
        let role = at(message, &["role"]).as_str().unwrap_or_default();
        let due = if nth.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        };
        if role != due {
            return Err("A conversation must alternate between user and assistant roles and start with a user message.".into());
        }
        let content = list(at(message, &["content"]));
        if content.is_empty() {
            return Err(format!(
                "The content field in the Message object at messages.{nth} is empty."
            ));
        }
        content.iter().try_for_each(block)?;
        let ids = |kind: &str| -> Vec<&str> {
            let blocks = content
                .iter()
                .filter_map(|block| at(block, &[kind, "toolUseId"]).as_str());
            blocks.collect()
        };
        let mut answered = ids("toolResult");
        answered.sort_unstable();
        open.sort_unstable();
        if answered != open {
            return Err(
                "Expected toolResult blocks for all toolUse blocks of the previous turn.".into(),
            );
        }
        open = ids("toolUse");
        if !open.is_empty() && list(at(body, &["toolConfig", "tools"])).is_empty() {
            return Err("The toolConfig field must be defined when using toolUse and toolResult content blocks.".into());
        }
    }
    Ok(())
}

fn block(block: &Value) -> Result<(), String> {
    if let Some(text) = at(block, &["text"]).as_str()
        && text.trim().is_empty()
    {
        return Err("The text field in the ContentBlock object is blank. Add text to the text field, and try again.".into());
    }
    for kind in ["toolUse", "toolResult"] {
        let held = at(block, &[kind]);
        let id = at(held, &["toolUseId"]).as_str().unwrap_or_default();
        if !held.is_null() && !is_name(id) {
            return Err(format!(
                "Value '{id}' at '{kind}.toolUseId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            ));
        }
    }
    if block
        .get("toolUse")
        .is_some_and(|call| !at(call, &["input"]).is_object())
    {
        return Err("toolUse.input must be an object".into());
    }
    let known = [
        "text",
        "image",
        "document",
        "toolUse",
        "toolResult",
        "reasoningContent",
    ];
    let mut keys = block
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    match (keys.next(), keys.next()) {
        (Some(only), None) if known.contains(&&**only) => Ok(()),
        _ => Err("A ContentBlock must have exactly one member.".into()),
    }
}

fn tools(body: &Value) -> Result<(), String> {
    let config = at(body, &["toolConfig"]);
    if config.is_null() {
        return Ok(());
    }
    if list(at(config, &["tools"])).is_empty() {
        return Err("Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1".into());
    }
    for tool in list(at(config, &["tools"])) {
        let name = at(tool, &["toolSpec", "name"]).as_str().unwrap_or_default();
        if !is_name(name) || *at(tool, &["toolSpec", "inputSchema", "json", "type"]) != "object" {
            return Err(format!(
                "Value '{name}' at 'toolConfig.tools.toolSpec' failed to satisfy constraint"
            ));
        }
    }
    let choice = at(config, &["toolChoice"]).as_object();
    if choice.is_some_and(|choice| choice.len() != 1) {
        return Err("toolChoice must have exactly one member".into());
    }
    Ok(())
}

fn ask(body: &Value, model: &str, stream: bool) -> Result<Ask, String> {
    let (base, faults) = faults::read(model)?;
    let config = at(body, &["inferenceConfig"]);
    let choice = at(body, &["toolConfig", "toolChoice"]);
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let thinking = at(body, &["additionalModelRequestFields", "thinking"]);
    let budget = at(thinking, &["budget_tokens"]).as_u64().unwrap_or(0);
    let cap = at(config, &["maxTokens"])
        .as_u64()
        .map(|cap| cap.saturating_sub(budget));
    let tools = list(at(body, &["toolConfig", "tools"])).iter();
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream,
        turns: turns(body),
        tools: tools
            .filter_map(|tool| name(at(tool, &["toolSpec", "name"])))
            .collect(),
        call: match choice {
            _ if choice.get("any").is_some() => CallWish::Always(None),
            _ if choice.get("tool").is_some() => {
                CallWish::Always(name(at(choice, &["tool", "name"])))
            }
            _ => CallWish::Auto,
        },
        parallel: true,
        tool_pieces: true,
        choices: 1,
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        stop: super::read::stops(at(config, &["stopSequences"])),
        think: !thinking.is_null(),
        incremental: true,
        message_format: true,
        ..Ask::default()
    })
}

/// What each turn says; a result of a tool says what it holds.
fn turns(body: &Value) -> Vec<Turn> {
    let system = list(at(body, &["system"])).iter().map(|block| Turn {
        role: "system".into(),
        text: text(block),
    });
    let messages = list(at(body, &["messages"])).iter().map(|message| {
        let content = list(at(message, &["content"]));
        let result = content
            .iter()
            .any(|block| block.get("toolResult").is_some());
        let role = at(message, &["role"]).as_str().unwrap_or_default();
        Turn {
            role: if result { "tool" } else { role }.to_owned(),
            text: content.iter().map(text).collect(),
        }
    });
    system.chain(messages).collect()
}

fn text(block: &Value) -> String {
    if let Some(text) = at(block, &["text"]).as_str() {
        return text.to_owned();
    }
    let result = at(block, &["toolResult", "content"]);
    if !result.is_null() {
        return list(result).iter().map(text).collect();
    }
    let names = block
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    names.map(|name| format!("[{name}]")).collect()
}
