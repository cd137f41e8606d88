//! Amazon Bedrock's Converse: signed requests, the model in the path, a binary stream, errors by their name in a header.

use super::bedrock_check::{check, list};
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
