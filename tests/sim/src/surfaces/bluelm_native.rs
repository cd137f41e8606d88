//! vivo 蓝心's own models: signed requests, `prompt` never and `messages` in turn, named events without a space behind the
//! colon, `close` as the end, errors as a `code` on 200, nothing counted.

use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, code};
use crate::faults;
use crate::json::{Obj, at};
use crate::plan::{Ask, CallWish, Plan, Turn};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The one application that is known, and its key.
pub const APP: &str = "1080000001";
/// See [`APP`].
pub const KEY: &str = "VIVO_TEST_KEY_01";

pub(crate) struct BlueLm;

const WHOLE: &str = "/vivogpt/completions";
const STREAM: &str = "/vivogpt/completions/stream";

static CODES: &[Code] = &[
    code("1001", 400, "", "param error"),
    code("1007", 422, "", "the content is refused"),
    code("401", 401, "", "signature error"),
    code("30001", 429, "", "hit model rate limit"),
    code("30001-model", 404, "", "no access to this model"),
    code("2003", 402, "", "today's usage limit is reached"),
    code("5000", 500, "", "internal error"),
];

impl Voice for BlueLm {
    fn name(&self) -> &'static str {
        "bluelm-native"
    }
    fn label(&self) -> &'static str {
        "蓝心"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "1001",
            unauthorised: "401",
            no_model: "30001-model",
            broken: "5000",
        }
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        matches!(arrived.rest, WHOLE | STREAM)
    }
    fn is_model_list(&self, _arrived: &Arrived<'_>) -> bool {
        false
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        signed(arrived).ok_or_else(|| self.trouble("401"))
    }
    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        ask(arrived, body).map_err(|message| self.refuse("1001", message))
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let data = Obj::new()
            .str("sessionId", "sim")
            .str("requestId", &format!("sim-{:08x}", stamp.serial))
            .str("content", &plan.text_whole())
            .str("contentType", "text")
            .raw("image", "null")
            .str("provider", "vivo")
            .str("model", &ask.model);
        Obj::new()
            .int("code", 0)
            .str("msg", "done.")
            .raw("data", &data.end())
            .end()
    }
    fn frames(&self, ask: &Ask, plan: &Plan, _stamp: &Stamp) -> Vec<Frame> {
        let event = |kind, name: &str, message: &str, reply: &str| {
            let json = Obj::new().str("message", message).str("reply", reply).end();
            Frame::new(kind, format!("event:{name}\ndata:{json}\n\n"))
        };
        let mut frames: Vec<Frame> = plan
            .text
            .iter()
            .map(|piece| event(Kind::Content, "message", piece, ""))
            .collect();
        frames.push(if ask.faults.recall {
            event(Kind::Finish, "antispam", "", "换个话题聊聊吧。")
        } else {
            Frame::new(Kind::Finish, "event:close\ndata:\n\n".to_owned())
        });
        frames
    }
    fn error_body(&self, trouble: &Trouble, _serial: u64) -> String {
        let number = trouble.code.split('-').next().unwrap_or_default();
        Obj::new()
            .raw("code", number.parse::<u32>().map_or("5000", |_| number))
            .str("msg", &trouble.message)
            .end()
    }
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let body = self.error_body(trouble, stamp.serial);
        let text = format!("event:error\ndata:{body}\n\n");
        vec![Frame::new(Kind::Error, text)]
    }
    /// All but a bad signature is told on 200.
    fn status_on_wire(&self, trouble: &Trouble) -> u16 {
        if trouble.code == "401" { 401 } else { 200 }
    }
}

/// The vendor's description, section 1: method, path, query, application, time, and the three headers again.
fn signed(arrived: &Arrived<'_>) -> Option<()> {
    let header = |name: &str| arrived.headers.get(name)?.to_str().ok();
    let app = header("x-ai-gateway-app-id").filter(|app| *app == APP)?;
    let time = header("x-ai-gateway-timestamp")?;
    let nonce = header("x-ai-gateway-nonce").filter(|nonce| nonce.len() == 8)?;
    let names = "x-ai-gateway-app-id;x-ai-gateway-timestamp;x-ai-gateway-nonce";
    (header("x-ai-gateway-signed-headers")? == names).then_some(())?;
    let seconds: i64 = time.parse().ok()?;
    ((arrived.now_ms / 1000 - seconds).abs() < 300).then_some(())?;
    let mut query: Vec<&str> = arrived.query.split('&').collect();
    query.sort_unstable();
    let text = [
        arrived.method.as_str(),
        arrived.path,
        &query.join("&"),
        app,
        time,
        &format!("x-ai-gateway-app-id:{app}"),
        &format!("x-ai-gateway-timestamp:{time}"),
        &format!("x-ai-gateway-nonce:{nonce}"),
    ]
    .join("\n");
    let signature = STANDARD.decode(header("x-ai-gateway-signature")?).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    hmac::verify(&key, text.as_bytes(), &signature).ok()
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
}

/// A field that the document does not have is refused.
fn known_fields(body: &Value) -> Result<(), String> {
    for key in body.as_object().into_iter().flat_map(|body| body.keys()) {
        if !["model", "sessionId", "systemPrompt", "messages", "extra"].contains(&key.as_str()) {
            return Err(format!("unknown field {key}"));
        }
    }
    let known = [
        "temperature",
        "top_p",
        "max_new_tokens",
        "top_k",
        "repetition_penalty",
    ];
    for key in at(body, &["extra"])
        .as_object()
        .into_iter()
        .flat_map(|extra| extra.keys())
    {
        if !known.contains(&key.as_str()) {
            return Err(format!("unknown field extra.{key}"));
        }
    }
    Ok(())
}

fn ask(arrived: &Arrived<'_>, body: &Value) -> Result<Ask, String> {
    let id = arrived.query.strip_prefix("requestId=");
    if !id.is_some_and(is_uuid) || !is_uuid(at(body, &["sessionId"]).as_str().unwrap_or_default()) {
        return Err("requestId and sessionId are required".into());
    }
    let model = at(body, &["model"]).as_str().unwrap_or_default();
    if model.is_empty() || body.get("prompt").is_some() {
        return Err("model is required, prompt and messages exclude each other".into());
    }
    known_fields(body)?;
    let (base, faults) = faults::read(model)?;
    let mut turns: Vec<Turn> = Vec::new();
    if let Some(system) = at(body, &["systemPrompt"]).as_str() {
        turns.push(Turn {
            role: "system".into(),
            text: system.to_owned(),
        });
    }
    let mut last = "";
    for message in at(body, &["messages"]).as_array().into_iter().flatten() {
        let word = |key: &str| at(message, &[key]).as_str().unwrap_or_default();
        let (role, text) = (word("role"), word("content"));
        let picture = word("contentType") == "image";
        if !["user", "assistant"].contains(&role) || text.is_empty() {
            return Err("role must be user or assistant, content must not be empty".into());
        }
        if (last.is_empty() && role != "user") || (role == last && !picture) {
            return Err("messages must begin with user and take turns".into());
        }
        if picture {
            match turns.last_mut() {
                Some(turn) if turn.role == "user" => turn.text.push_str(" [image]"),
                _ => turns.push(Turn {
                    role: "user".into(),
                    text: "[image]".into(),
                }),
            }
            continue;
        }
        last = if role == "user" { "user" } else { "assistant" };
        turns.push(Turn {
            role: role.to_owned(),
            text: text.to_owned(),
        });
    }
    if last != "user" {
        return Err("the last message must be the user's".into());
    }
    let cap = at(body, &["extra", "max_new_tokens"]).as_u64();
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: arrived.rest == STREAM,
        turns,
        call: CallWish::Auto,
        choices: 1,
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        ..Ask::default()
    })
}
