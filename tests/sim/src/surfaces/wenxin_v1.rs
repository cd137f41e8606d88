//! 百度 文心 legacy "wenxinworkshop": the model in the path, a token in the query, errors on HTTP 200, `is_end` instead
//! of `[DONE]`, cumulative usage in every event, one function call.
//!
//! Also the token office: tokens are serial numbers, so knowing which are expired takes one number.

use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, code, read};
use crate::faults::{self, UsageFault};
use crate::json::{Obj, at};
use crate::plan::{Ask, CallWish, Finish, Plan, Turn, Usage, chars};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Base path of the chat endpoints.
pub(crate) const PREFIX: &str = "/rpc/2.0/ai_custom/v1/wenxinworkshop";
/// Path of the token office.
pub(crate) const TOKEN_PATH: &str = "/oauth/2.0/token";
/// What every reply of the token office promises.
const LIFETIME_SECONDS: i64 = 2_592_000;

pub(crate) struct WenxinV1;

static CODES: &[Code] = &[
    code("336003", 200, "", "the parameter is invalid"),
    code("336001", 200, "", "invalid argument"),
    code("336002", 200, "", "Invalid JSON"),
    code("336004", 200, "", "no permission"),
    code("336005", 200, "", "api name not exist"),
    code("336006", 200, "", "input too long"),
    code("336007", 200, "", "input too long"),
    code("336100", 200, "", "try again later"),
    code("336000", 500, "", "Internal error"),
    code("336101", 200, "", "Only POST requests are accepted"),
    code("336103", 200, "", "Prompt tokens too long"),
    code("336104", 200, "", "the content of system field is invalid"),
    code(
        "336105",
        200,
        "",
        "the content of user_setting field is invalid",
    ),
    code("336501", 200, "", "Rate limit reached for RPM"),
    code("336502", 200, "", "Rate limit reached for TPM"),
    code("1", 200, "", "Unknown error"),
    code("2", 503, "", "Service temporarily unavailable"),
    code("3", 404, "", "Unsupported openapi method"),
    code("4", 200, "", "Open api request limit reached"),
    code("6", 403, "", "No permission to access data"),
    code("13", 200, "", "Get service token failed"),
    code("14", 401, "", "IAM Certification failed"),
    code("15", 200, "", "app not exists or create failed"),
    code("17", 200, "", "Open api daily request limit reached"),
    code("18", 429, "", "Open api qps request limit reached"),
    code("19", 200, "", "Open api total request limit reached"),
    code("100", 200, "", "Invalid parameter"),
    code("110", 200, "", "Access token invalid or no longer valid"),
    code("111", 200, "", "Access token expired"),
];

/// Which access tokens were given out, and which of them are still good.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    own: Serials,
    /// Those of Huawei's identity service.
    pub(crate) iam: Serials,
}

/// Serial numbers of one office.
#[derive(Debug, Default)]
pub(crate) struct Serials {
    issued: AtomicU64,
    fresh_from: AtomicU64,
}

impl Serials {
    pub(crate) fn issued(&self) -> u64 {
        self.issued.load(Relaxed)
    }

    /// The number of a new token.
    pub(crate) fn issue(&self) -> u64 {
        self.issued.fetch_add(1, Relaxed)
    }

    /// Whether a token is still good; `None` if it was never given out.
    pub(crate) fn is_fresh(&self, serial: u64) -> Option<bool> {
        (serial < self.issued()).then(|| serial >= self.fresh_from.load(Relaxed))
    }

    fn expire_all(&self) {
        self.fresh_from.store(self.issued(), Relaxed);
    }
}

impl Tokens {
    pub(crate) fn issued(&self) -> u64 {
        self.own.issued()
    }

    pub(crate) fn expire_all(&self) {
        self.own.expire_all();
        self.iam.expire_all();
    }

    /// Answers a request for a token: status and body. Keys with `invalid` in them are refused.
    pub(crate) fn office(&self, query: &str, now_s: i64) -> (u16, String) {
        let refusal = |text: &str| {
            let body = Obj::new()
                .str("error", "invalid_client")
                .str("error_description", text);
            (401, body.end())
        };
        let field = |name| parameter(query, name).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            let body = Obj::new().str("error", "unsupported_grant_type").str(
                "error_description",
                "The authorization grant type is not supported",
            );
            return (400, body.end());
        }
        let (id, secret) = (field("client_id"), field("client_secret"));
        if id.is_empty() || id.contains("invalid") {
            return refusal("unknown client id");
        }
        if secret.is_empty() || secret.contains("invalid") {
            return refusal("Client authentication failed");
        }
        let serial = self.own.issue();
        let until = now_s + LIFETIME_SECONDS;
        let token = format!("24.sim{serial}.{LIFETIME_SECONDS}.{until}.282335-1");
        let body = Obj::new()
            .str("refresh_token", "25.sim")
            .int("expires_in", LIFETIME_SECONDS)
            .str("session_key", "sim")
            .str("access_token", &token)
            .str("scope", "public ai_custom_sim")
            .str("session_secret", "sim");
        (200, body.end())
    }

    /// The error is the vendor's code.
    fn check(&self, token: &str) -> Result<(), &'static str> {
        let serial = token
            .strip_prefix("24.sim")
            .and_then(|rest| rest.split('.').next())
            .and_then(|serial| serial.parse::<u64>().ok())
            .ok_or("110")?;
        match self.own.is_fresh(serial) {
            Some(true) => Ok(()),
            Some(false) => Err("111"),
            None => Err("110"),
        }
    }
}

/// A query parameter, percent-decoded.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decoded(value))
}

/// `%XX` decoded; what is not an escape stays; what is not UTF-8 afterwards is replaced.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped.filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Voice for WenxinV1 {
    fn name(&self) -> &'static str {
        "wenxin-v1"
    }
    fn label(&self) -> &'static str {
        "文心"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "336002",
            unauthorised: "110",
            no_model: "336005",
            broken: "336000",
        }
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        arrived.rest.len() > "/chat/".len() && arrived.rest.starts_with("/chat/")
    }
    fn is_model_list(&self, _arrived: &Arrived<'_>) -> bool {
        false
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        if let Some(signed) = super::bce_auth::check(arrived) {
            return signed.map_err(|()| self.trouble("14"));
        }
        let token = parameter(arrived.query, "access_token").ok_or_else(|| self.trouble("110"))?;
        arrived
            .tokens
            .check(&token)
            .map_err(|code| self.trouble(code))
    }
    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let name = percent_decoded(arrived.rest.strip_prefix("/chat/").unwrap_or_default());
        ask(&name, body)
            .and_then(|ask| check(body, &ask).map(|()| ask))
            .map_err(|message| self.refuse("336003", message))
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        object(
            ask,
            plan,
            stamp,
            None,
            &plan.text_whole(),
            true,
            &plan.usage(),
        )
    }
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        frames(ask, plan, stamp)
    }
    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        Obj::new()
            .raw("error_code", number(&trouble.code))
            .str("error_msg", &trouble.message)
            .str("id", &format!("as-sim{serial:08x}"))
            .end()
    }
    /// The status of a row only says for which `@status` a test gets it: the vendor answers 200.
    fn status_on_wire(&self, _trouble: &Trouble) -> u16 {
        200
    }
    /// A bare line of JSON, not an SSE event.
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let body = self.error_body(trouble, stamp.serial);
        vec![Frame::new(Kind::Error, format!("{body}\n"))]
    }
    fn headers(&self, serial: u64) -> Vec<(&'static str, String)> {
        vec![("X-Baidu-Request-Id", format!("sim{serial:08x}"))]
    }
}

/// Codes are numbers here; one that is not (from a test) becomes 1, "unknown error".
fn number(code: &str) -> &str {
    let digits = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
    if digits { code } else { "1" }
}

fn ask(name: &str, body: &Value) -> Result<Ask, String> {
    let (base, faults) = faults::read(name)?;
    let messages = at(body, &["messages"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if messages.is_empty() {
        return Err("the messages field is required".into());
    }
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        turns.push(Turn {
            role: at(message, &["role"])
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            text: at(message, &["content"])
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        });
    }
    let cap = at(body, &["max_output_tokens"]).as_u64();
    Ok(Ask {
        model: name.to_owned(),
        base,
        faults,
        stream: *at(body, &["stream"]) == true,
        turns,
        tools: read::tools(at(body, &["functions"])),
        call: match at(body, &["tool_choice", "function", "name"]).as_str() {
            Some(name) => CallWish::Always(Some(name.to_owned())),
            None => CallWish::Auto,
        },
        choices: 1,
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        stop: read::stops(at(body, &["stop"])),
        ..Ask::default()
    })
}

fn check(body: &Value, ask: &Ask) -> Result<(), String> {
    for (at, turn) in ask.turns.iter().enumerate() {
        let speaks = matches!(turn.role.as_str(), "user" | "function");
        if at % 2 == 1 && turn.role != "assistant" {
            return Err(
                "the role of message with even index in the messages must be assistant".into(),
            );
        }
        if at % 2 == 0 && !speaks {
            return Err(
                "the role of message with odd index in the messages must be user or function"
                    .into(),
            );
        }
    }
    if ask.turns.len().is_multiple_of(2) {
        return Err("the length of messages must be an odd number".into());
    }
    if ask
        .turns
        .first()
        .is_some_and(|turn| turn.role == "function")
    {
        return Err("the role of first message must be user".into());
    }
    let messages = at(body, &["messages"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for message in messages {
        let called = at(message, &["function_call"]).is_object();
        let content = at(message, &["content"]).as_str();
        if content.is_none_or(|text| text.trim().is_empty()) && !called {
            return Err("message content can not be empty".into());
        }
        if *at(message, &["role"]) == "function" && !message["name"].is_string() {
            return Err("name is required when role is function".into());
        }
    }
    parameters(body)
}

fn parameters(body: &Value) -> Result<(), String> {
    if read::given(body, "tools") {
        return Err("unknown parameter tools, use functions".into());
    }
    if read::outside(body, "temperature", |value| value > 0.0 && value <= 1.0) {
        return Err("temperature must be in (0, 1.0]".into());
    }
    if read::outside(body, "top_p", |value| (0.0..=1.0).contains(&value)) {
        return Err("top_p must be in [0, 1.0]".into());
    }
    if read::outside(body, "penalty_score", |value| (1.0..=2.0).contains(&value)) {
        return Err("penalty_score must be in [1.0, 2.0]".into());
    }
    if read::outside(body, "max_output_tokens", |value| value >= 2.0) {
        return Err("max_output_tokens must be at least 2".into());
    }
    let stops = read::stops(at(body, &["stop"]));
    let too_long = stops.iter().any(|stop| chars(stop) > 20);
    if read::given(body, "stop") && !body["stop"].is_array() || stops.len() > 4 || too_long {
        return Err("stop must be an array of at most 4 items of at most 20 characters".into());
    }
    if read::given(body, "response_format")
        && !matches!(
            at(body, &["response_format"]).as_str(),
            Some("json_object" | "text")
        )
    {
        return Err("response_format must be json_object or text".into());
    }
    if read::given(body, "tool_choice") && !body["tool_choice"].is_object() {
        return Err("tool_choice must be an object".into());
    }
    let functions = at(body, &["functions"])
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if functions
        .iter()
        .any(|function| !function["parameters"].is_object())
    {
        return Err("parameters of functions must be an object".into());
    }
    Ok(())
}

fn frames(ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
    let nothing = [String::new()];
    let pieces = if plan.text.is_empty() {
        &nothing[..]
    } else {
        &plan.text[..]
    };
    let mut said = 0;
    let last = pieces.len() - 1;
    let mut out = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        said += chars(piece);
        let ends = at == last;
        let usage = if ends {
            plan.usage()
        } else {
            plan.usage_after(0, said)
        };
        let json = object(ask, plan, stamp, Some(at), piece, ends, &usage);
        let kind = if ends { Kind::Finish } else { Kind::Content };
        out.push(Frame::data(kind, &json));
    }
    out
}

/// A whole reply, or with `sentence` one event of it.
fn object(
    ask: &Ask,
    plan: &Plan,
    stamp: &Stamp,
    sentence: Option<usize>,
    text: &str,
    ends: bool,
    usage: &Usage,
) -> String {
    let sentence = sentence.map(|at| at.to_string());
    let is_end = sentence
        .as_ref()
        .map(|_| if ends { "true" } else { "false" });
    let recalled = ends && ask.faults.recall;
    let word = ask
        .faults
        .odd_finish
        .as_deref()
        .unwrap_or(match plan.finish {
            _ if recalled => "content_filter",
            Finish::Stop => "normal",
            Finish::Length => "length",
            Finish::Calls => "function_call",
        });
    let counted = Obj::new()
        .int("prompt_tokens", usage.prompt)
        .int("completion_tokens", usage.completion)
        .int("total_tokens", usage.total())
        .end();
    let hidden = ask.faults.usage == Some(UsageFault::None);
    let call = plan.calls.first().filter(|_| ends).map(|call| {
        Obj::new()
            .str("name", &call.name)
            .str("thoughts", "用户想查天气")
            .str("arguments", &call.arguments())
            .end()
    });
    Obj::new()
        .str("id", &format!("as-sim{:08x}", stamp.serial))
        .str("object", "chat.completion")
        .int("created", stamp.created)
        .maybe("sentence_id", sentence.as_deref())
        .maybe("is_end", is_end)
        .bool("is_truncated", ends && plan.finish == Finish::Length)
        .str("result", text)
        .bool("need_clear_history", recalled)
        .maybe("ban_round", recalled.then_some("-1"))
        .str("finish_reason", if ends { word } else { "normal" })
        .maybe("function_call", call.as_deref())
        .maybe("usage", (!hidden).then_some(counted.as_str()))
        .end()
}
