//! Google's Gemini API: the model and the verb in the path, events that are parts of a reply, counts on each of them, no
//! end marker. Calls come whole and without ids, and what was thought before them is signed.

use super::gemini_check::{camel, check, signature, turns_of};
use super::wenxin_v1::percent_decoded;
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, code};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at};
use crate::plan::{Ask, Call, CallWish, Finish, Plan, Usage, chars};
use http::Method;
use serde_json::Value;

/// The API.
pub(crate) struct Gemini;

const STREAM: &str = "streamGenerateContent";

/// `kind` is the status word.
static CODES: &[Code] = &[
    code(
        "INVALID_ARGUMENT",
        400,
        "INVALID_ARGUMENT",
        "Request contains an invalid argument.",
    ),
    code(
        "API_KEY_INVALID",
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
    ),
    code(
        "too_long",
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    code(
        "FAILED_PRECONDITION",
        400,
        "FAILED_PRECONDITION",
        "User location is not supported for the API use.",
    ),
    code(
        "UNAUTHENTICATED",
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials.",
    ),
    code(
        "prepaid",
        402,
        "RESOURCE_EXHAUSTED",
        "Your prepayment credits are depleted.",
    ),
    code(
        "PERMISSION_DENIED",
        403,
        "PERMISSION_DENIED",
        "The caller does not have permission.",
    ),
    code(
        "NOT_FOUND",
        404,
        "NOT_FOUND",
        "models/no-such is not found for API version v1beta.",
    ),
    code(
        "RESOURCE_EXHAUSTED",
        429,
        "RESOURCE_EXHAUSTED",
        "Resource has been exhausted (e.g. check quota).",
    ),
    code(
        "per_day",
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota.",
    ),
    code(
        "INTERNAL",
        500,
        "INTERNAL",
        "An internal error has occurred.",
    ),
    code(
        "UNAVAILABLE",
        503,
        "UNAVAILABLE",
        "The model is overloaded. Please try again later.",
    ),
    code(
        "DEADLINE_EXCEEDED",
        504,
        "DEADLINE_EXCEEDED",
        "Deadline expired before operation could complete.",
    ),
];

/// Model and verb of a path: the last colon parts them.
fn place(rest: &str) -> Option<(String, &str)> {
    let versions = ["/v1beta/", "/v1/"];
    let path = versions
        .iter()
        .find_map(|version| rest.strip_prefix(version))?;
    let (model, verb) = path.rsplit_once(':')?;
    let model = percent_decoded(model.strip_prefix("models/")?);
    Some((model, verb))
}

impl Voice for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }
    fn label(&self) -> &'static str {
        "Gemini"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "INVALID_ARGUMENT",
            unauthorised: "API_KEY_INVALID",
            no_model: "NOT_FOUND",
            broken: "INTERNAL",
        }
    }

    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        let header = arrived.headers.get("x-goog-api-key");
        let header = header.map(|key| key.to_str().unwrap_or_default());
        let query = || {
            arrived
                .query
                .split('&')
                .find_map(|pair| pair.strip_prefix("key="))
        };
        let key = header.or_else(query);
        match key {
            Some(key) if !key.is_empty() && !key.contains("invalid") => Ok(()),
            None if bearer(arrived.headers).is_some() => Ok(()),
            _ => Err(self.trouble("API_KEY_INVALID")),
        }
    }

    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let bad = |message: String| self.refuse("INVALID_ARGUMENT", message);
        let (model, verb) = place(arrived.rest).ok_or_else(|| self.trouble("NOT_FOUND"))?;
        if verb == STREAM && !arrived.query.split('&').any(|pair| pair == "alt=sse") {
            return Err(bad("the simulator streams events only: alt=sse".into()));
        }
        let body = camel(body);
        check(&body, &model).map_err(bad)?;
        ask(&body, &model, verb == STREAM).map_err(bad)
    }

    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let mut parts = Vec::new();
        if let Some(thought) = plan.reasoning_whole() {
            parts.push(Obj::new().str("text", &thought).bool("thought", true).end());
        }
        let text = plan.text_whole();
        if !text.is_empty() {
            parts.push(Obj::new().str("text", &text).end());
        }
        parts.extend(calls(plan));
        let candidates: Vec<String> = (0..ask.choices.max(1))
            .map(|number| candidate(&parts, Some(&reason(ask, plan)), number))
            .collect();
        reply(&candidates, counted(ask, &plan.usage()), stamp)
    }

    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let mut frames = Vec::new();
        let (mut thought, mut said) = (0, 0);
        let mut add = |kind: Kind, parts: &[String], (thought, said): (usize, usize)| {
            let usage = counted(ask, &plan.usage_after(thought, said));
            let last = (kind == Kind::Finish).then(|| reason(ask, plan));
            for number in 0..ask.choices.max(1) {
                let one = candidate(parts, last.as_deref(), number);
                let text = reply(&[one], usage.clone(), stamp);
                frames.push(Frame::data(kind, &text));
            }
        };
        for piece in &plan.reasoning {
            thought += chars(piece);
            let part = Obj::new().str("text", piece).bool("thought", true).end();
            add(Kind::Content, &[part], (thought, said));
        }
        for piece in &plan.text {
            said += chars(piece);
            let part = Obj::new().str("text", piece).end();
            add(Kind::Content, &[part], (thought, said));
        }
        if !plan.calls.is_empty() {
            said += plan
                .calls
                .iter()
                .map(|call| chars(&call.arguments()))
                .sum::<usize>();
            add(Kind::Content, &calls(plan), (thought, said));
        }
        let nothing = Obj::new().str("text", "").end();
        add(Kind::Finish, &[nothing], (thought, said));
        frames
    }

    fn error_body(&self, trouble: &Trouble, _: u64) -> String {
        let mut details = Vec::new();
        if trouble.code == "API_KEY_INVALID" {
            details.push(
                Obj::new()
                    .str("@type", "type.googleapis.com/google.rpc.ErrorInfo")
                    .str("reason", "API_KEY_INVALID")
                    .str("domain", "googleapis.com")
                    .end(),
            );
        }
        if trouble.code == "per_day" {
            let violation = Obj::new().str("quotaId", "GenerateRequestsPerDayPerProjectPerModel");
            details.push(
                Obj::new()
                    .str("@type", "type.googleapis.com/google.rpc.QuotaFailure")
                    .raw("violations", &json::array(&[violation.end()]))
                    .end(),
            );
        }
        let details = (!details.is_empty()).then(|| json::array(&details));
        let error = Obj::new()
            .int("code", trouble.status.into())
            .str("message", &trouble.message)
            .str("status", &trouble.kind)
            .maybe("details", details.as_deref());
        Obj::new().raw("error", &error.end()).end()
    }

    fn event_stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn models(&self, _: u64) -> Option<String> {
        let row = |id: &str| {
            Obj::new()
                .str("name", &format!("models/{id}"))
                .str("version", "001")
                .str("displayName", id)
                .int("inputTokenLimit", 1_048_576)
                .int("outputTokenLimit", 65_536)
                .raw(
                    "supportedGenerationMethods",
                    r#"["generateContent","countTokens"]"#,
                )
                .end()
        };
        let rows = [row("gemini-sim-1"), row("gemini-sim-2")];
        Some(Obj::new().raw("models", &json::array(&rows)).end())
    }

    fn is_model_list(&self, arrived: &Arrived<'_>) -> bool {
        *arrived.method == Method::GET && ["/v1beta/models", "/v1/models"].contains(&arrived.rest)
    }

    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        place(arrived.rest).is_some_and(|(_, verb)| ["generateContent", STREAM].contains(&verb))
    }

    /// `countTokens`: as the prompt would be counted; and vectors.
    fn beside(&self, arrived: &Arrived<'_>, body: &Value) -> Option<Result<String, Trouble>> {
        let (model, verb) = place(arrived.rest)?;
        match verb {
            "countTokens" => {}
            "embedContent" | "batchEmbedContents" => {
                return Some(self.embedded(&camel(body), &model, verb == "embedContent"));
            }
            _ => return None,
        }
        let body = camel(body);
        let inner = at(&body, &["generateContentRequest"]);
        let inner = if inner.is_null() { &body } else { inner };
        let bad = |message: String| self.refuse("INVALID_ARGUMENT", message);
        let counted = check(inner, &model).and_then(|()| ask(inner, &model, false));
        Some(counted.map_err(bad).and_then(|ask| {
            let own = at(inner, &["model"]).as_str();
            if ask.base.starts_with("no-such")
                || own.is_some_and(|own| own != format!("models/{model}"))
            {
                return Err(self.trouble("NOT_FOUND"));
            }
            let tokens = Plan::make(self.label(), &ask, 0).usage().prompt;
            Ok(Obj::new().int("totalTokens", tokens).end())
        }))
    }
}

impl Gemini {
    fn embedded(&self, body: &Value, model: &str, alone: bool) -> Result<String, Trouble> {
        if model.starts_with("no-such") {
            return Err(self.trouble("NOT_FOUND"));
        }
        if let Some(status) = faults::read(model)
            .ok()
            .and_then(|(_, faults)| faults.status)
        {
            return Err(self.trouble_of_status(status));
        }
        let bad = |message: String| self.refuse("INVALID_ARGUMENT", message);
        let wanted = wanted(body, model, alone).map_err(bad)?;
        let tokens: usize = wanted
            .iter()
            .map(|(text, _)| text.chars().count().div_ceil(2))
            .sum();
        let vectors: Vec<String> = wanted
            .iter()
            .map(|(text, length)| {
                let numbers = super::beside::vector(text, *length);
                let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
                Obj::new().raw("values", &json::array(&numbers)).end()
            })
            .collect();
        let tokens = i64::try_from(tokens).unwrap_or(0);
        let usage = Obj::new()
            .int("promptTokenCount", tokens)
            .int("totalTokenCount", tokens);
        let reply = match vectors.first() {
            Some(only) if alone => Obj::new().raw("embedding", only),
            _ => Obj::new().raw("embeddings", &json::array(&vectors)),
        };
        Ok(reply.raw("usageMetadata", &usage.end()).end())
    }
}

/// Texts and the lengths of their vectors.
fn wanted(body: &Value, model: &str, alone: bool) -> Result<Vec<(String, usize)>, String> {
    const LENGTH: usize = 6;
    const BATCH_MAX: usize = 100;
    let one = |request: &Value| {
        let own = at(request, &["model"]).as_str();
        if !alone && own.is_none_or(|own| own != format!("models/{model}")) {
            return Err(
                "* BatchEmbedContentsRequest.requests[0].model: must be the model of the path"
                    .to_owned(),
            );
        }
        let parts = at(request, &["content", "parts"]).as_array();
        let texts: Option<Vec<&str>> = parts
            .into_iter()
            .flatten()
            .map(|part| at(part, &["text"]).as_str())
            .collect();
        let text = texts.unwrap_or_default().join("\n");
        if text.is_empty() {
            return Err("* EmbedContentRequest.content: contents is not specified".to_owned());
        }
        let length = at(request, &["outputDimensionality"]).as_u64();
        let length = length.and_then(|length| usize::try_from(length).ok());
        Ok((text, length.unwrap_or(LENGTH)))
    };
    if alone {
        return Ok(vec![one(body)?]);
    }
    let requests = at(body, &["requests"]).as_array().map(Vec::as_slice);
    let requests = requests.unwrap_or_default();
    if requests.is_empty() || requests.len() > BATCH_MAX {
        return Err(
            "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch".into(),
        );
    }
    requests.iter().map(one).collect()
}

/// The calls as parts; the first of them has the signature of what was thought.
fn calls(plan: &Plan) -> Vec<String> {
    let part = |(nth, call): (usize, &Call)| {
        let call = Obj::new()
            .str("name", &call.name)
            .raw("args", &call.arguments());
        let signed = (nth == 0).then(|| json::quoted(&signature(&plan.calls)));
        Obj::new()
            .raw("functionCall", &call.end())
            .maybe("thoughtSignature", signed.as_deref())
            .end()
    };
    plan.calls.iter().enumerate().map(part).collect()
}

fn candidate(parts: &[String], reason: Option<&str>, number: usize) -> String {
    let content = Obj::new()
        .raw("parts", &json::array(parts))
        .str("role", "model")
        .end();
    let reason = reason.map(json::quoted);
    Obj::new()
        .raw("content", &content)
        .maybe("finishReason", reason.as_deref())
        .int("index", i64::try_from(number).unwrap_or(0))
        .end()
}

fn reply(candidates: &[String], usage: Option<String>, stamp: &Stamp) -> String {
    Obj::new()
        .raw("candidates", &json::array(candidates))
        .maybe("usageMetadata", usage.as_deref())
        .str("modelVersion", &stamp.model)
        .str("responseId", &format!("sim{:x}", stamp.serial))
        .end()
}

fn reason(ask: &Ask, plan: &Plan) -> String {
    if let Some(odd) = &ask.faults.odd_finish {
        return odd.clone();
    }
    let word = match plan.finish {
        _ if ask.faults.recall => "SAFETY",
        Finish::Length => "MAX_TOKENS",
        // Calls are told by the parts alone.
        Finish::Stop | Finish::Calls => "STOP",
    };
    word.to_owned()
}

/// Thoughts are counted beside the candidates.
fn counted(ask: &Ask, usage: &Usage) -> Option<String> {
    if ask.faults.usage == Some(UsageFault::None) {
        return None;
    }
    let mut counted = Obj::new()
        .int("promptTokenCount", usage.prompt)
        .int("candidatesTokenCount", usage.completion - usage.reasoning);
    if usage.reasoning != 0 {
        counted = counted.int("thoughtsTokenCount", usage.reasoning);
    }
    Some(counted.int("totalTokenCount", usage.total()).end())
}

fn ask(body: &Value, model: &str, stream: bool) -> Result<Ask, String> {
    let (base, faults) = faults::read(model)?;
    let config = at(body, &["generationConfig"]);
    let choice = at(body, &["toolConfig", "functionCallingConfig"]);
    let tools = at(body, &["tools"]).as_array().map(Vec::as_slice);
    let declared = tools.unwrap_or_default().iter().flat_map(|tool| {
        let all = at(tool, &["functionDeclarations"]).as_array();
        all.map(Vec::as_slice).unwrap_or_default()
    });
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let number = |key: &str| {
        let number = at(config, &[key]).as_u64();
        number.and_then(|number| usize::try_from(number).ok())
    };
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream,
        turns: turns_of(body),
        tools: declared
            .filter_map(|one| name(at(one, &["name"])))
            .collect(),
        call: match at(choice, &["mode"]).as_str() {
            Some("NONE") => CallWish::Never,
            Some("ANY") => CallWish::Always(name(
                at(choice, &["allowedFunctionNames"])
                    .get(0)
                    .unwrap_or(&Value::Null),
            )),
            _ => CallWish::Auto,
        },
        parallel: true,
        choices: number("candidateCount").unwrap_or(1),
        tokens_max: number("maxOutputTokens"),
        stop: super::read::stops(at(config, &["stopSequences"])),
        think: *at(config, &["thinkingConfig", "includeThoughts"]) == true,
        incremental: true,
        message_format: true,
        ..Ask::default()
    })
}
