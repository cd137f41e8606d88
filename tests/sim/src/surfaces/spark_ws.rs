//! 讯飞 星火 over its WebSocket: the time and the host are signed into the URL, path and domain must agree, one message goes
//! up, many come down with a status of 0, 1 and at last 2, errors are a `code` in a header, a call of a function has no id.

use super::bedrock_wire::seconds;
use super::wenxin_v1::percent_decoded;
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, code};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at};
use crate::plan::{Ask, Call, CallWish, Plan, Turn};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The one key that is known, its secret, and the application that they are for; they are of the published vector.
pub const KEY: &str = "fakeapikey0123456789abcdef012345";
/// See [`KEY`].
pub const SECRET: &str = "FakeSparkSecretForTest";
/// See [`KEY`].
pub const APP: &str = "fakeapp1";

pub(crate) struct SparkWs;

/// How far a signer's clock may be off.
const SKEW_S: i64 = 300;
/// Characters of a user's id.
const UID_MAX: usize = 32;

/// Where models are asked, and the most tokens that each may say.
const MODELS: [(&str, &str, u64); 7] = [
    ("/v4.0/chat", "4.0Ultra", 32_768),
    ("/v3.5/chat", "generalv3.5", 8192),
    ("/v3.1/chat", "generalv3", 8192),
    ("/v1.1/chat", "lite", 4096),
    ("/v1/x1", "x1", 32_768),
    ("/chat/max-32k", "max-32k", 32_768),
    ("/chat/pro-128k", "pro-128k", 4096),
];

/// The first three answer handshakes; all others are told in the socket. The statuses there are what `@status` goes by.
static CODES: &[Code] = &[
    code("401", 401, "", "HMAC signature does not match"),
    code(
        "401-key",
        401,
        "",
        "HMAC signature cannot be verified: apikey not found",
    ),
    code(
        "403",
        403,
        "",
        "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication",
    ),
    code("10003", 400, "", "message format error"),
    code("10005", 400, "", "parameter value error"),
    code("10163", 400, "", "engine parameter schema check failed"),
    code("10013", 400, "", "input content audit failed"),
    code("10014", 400, "", "output content audit failed"),
    code("10907", 400, "", "token count exceeds limit"),
    code("11200", 403, "", "AppIdNoAuthError"),
    code("10404", 404, "", "unknown domain"),
    code("11202", 429, "", "licc limit"),
    code("10007", 429, "", "user traffic is limited"),
    code("10012", 500, "", "engine internal error"),
    code("10008", 503, "", "service capacity is insufficient"),
];

impl Voice for SparkWs {
    fn name(&self) -> &'static str {
        "spark-ws"
    }
    fn label(&self) -> &'static str {
        "星火"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "10003",
            unauthorised: "401",
            no_model: "10404",
            broken: "10012",
        }
    }
    fn is_model_list(&self, _: &Arrived<'_>) -> bool {
        false
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        model_of(arrived.rest).is_some()
    }
    fn socket_model(&self, arrived: &Arrived<'_>) -> Option<String> {
        model_of(arrived.rest)
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        signed(arrived).map_err(|code| self.trouble(code))
    }
    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        if at(body, &["header", "app_id"]) != APP {
            return Err(self.trouble("11200"));
        }
        let domain = at(body, &["parameter", "chat", "domain"]).as_str();
        if domain != model_of(arrived.rest).as_deref() {
            return Err(self.refuse("10404", "the domain is not that of the path"));
        }
        ask(body, domain.unwrap_or_default()).map_err(|why| self.refuse("10163", why))
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        let thought = plan.reasoning_whole();
        let text = text(&plan.text_whole(), thought.as_deref(), plan.calls.first());
        message(ask, plan, stamp, (0, 2), &text)
    }
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let thoughts = plan
            .reasoning
            .iter()
            .map(|piece| text("", Some(piece), None));
        let mut texts: Vec<String> = thoughts.collect();
        match plan.calls.first() {
            Some(call) => texts.push(text("", None, Some(call))),
            None => texts.extend(plan.text.iter().map(|piece| text(piece, None, None))),
        }
        if texts.is_empty() {
            texts.push(text("", None, None));
        }
        let last = texts.len() - 1;
        let frame = |(seq, text): (usize, &String)| {
            let (status, kind) = match seq {
                _ if seq == last => (2, Kind::Finish),
                0 => (0, Kind::Content),
                _ => (1, Kind::Content),
            };
            Frame::data(kind, &message(ask, plan, stamp, (seq, status), text))
        };
        texts.iter().enumerate().map(frame).collect()
    }
    fn error_body(&self, trouble: &Trouble, _: u64) -> String {
        Obj::new().str("message", &trouble.message).end()
    }
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        let header = Obj::new()
            .int("code", trouble.code.parse().unwrap_or(10_012))
            .str("message", &trouble.message)
            .str("sid", &sid(stamp))
            .int("status", 2);
        let error = Obj::new().raw("header", &header.end()).end();
        vec![Frame::data(Kind::Error, &error)]
    }
}

fn model_of(rest: &str) -> Option<String> {
    let known = MODELS.iter().find(|(path, ..)| *path == rest);
    let known = known.map(|(_, model, _)| (*model).to_owned());
    known.or_else(|| {
        let name = rest.strip_prefix("/chat/")?;
        (!name.is_empty() && !name.contains('/')).then(|| percent_decoded(name))
    })
}

/// The error is the row of the table.
fn signed(arrived: &Arrived<'_>) -> Result<(), &'static str> {
    let parameter = |name: &str| {
        let pairs = arrived.query.split('&');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        // The vendor's SDK writes a blank as forms do.
        Some(percent_decoded(&value.replace('+', " ")))
    };
    let (Some(token), Some(date), Some(host)) = (
        parameter("authorization"),
        parameter("date"),
        parameter("host"),
    ) else {
        return Err("401-key");
    };
    let token = STANDARD
        .decode(token)
        .ok()
        .and_then(|token| String::from_utf8(token).ok());
    let token = token.ok_or("401-key")?;
    let member = |name: &str| {
        // Blanks between them, as many as there are, mean nothing.
        let members = token.split(',').map(str::trim);
        let mut members = members.filter_map(|member| member.split_once('='));
        let value = members.find(|(key, _)| *key == name)?.1;
        value.strip_prefix('"')?.strip_suffix('"')
    };
    if member("api_key") != Some(KEY) {
        return Err("401-key");
    }
    if member("algorithm") != Some("hmac-sha256")
        || member("headers") != Some("host date request-line")
    {
        return Err("401");
    }
    let time = at_second(&date).ok_or("403")?;
    if (time - arrived.now_ms / 1000).abs() > SKEW_S {
        return Err("403");
    }
    let named = arrived
        .headers
        .get("host")
        .and_then(|host| host.to_str().ok());
    if named != Some(host.as_str()) {
        return Err("401");
    }
    let text = format!(
        "host: {host}\ndate: {date}\n{} {} HTTP/1.1",
        arrived.method, arrived.path
    );
    let given = member("signature").and_then(|given| STANDARD.decode(given).ok());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let holds = |given: Vec<u8>| hmac::verify(&key, text.as_bytes(), &given).ok();
    given.and_then(holds).ok_or("401")
}

/// `Thu, 01 Jan 2026 00:00:00 GMT` as seconds since the epoch.
fn at_second(date: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else {
        return None;
    };
    let month = MONTHS.find(month)? / 3 + 1;
    seconds(&format!("{year}{month:02}{day}T{}Z", time.replace(':', "")))
}

/// All that is known stands here; anything else is refused.
fn ask(body: &Value, domain: &str) -> Result<Ask, String> {
    known(body, &["header", "parameter", "payload"])?;
    known(at(body, &["header"]), &["app_id", "uid", "patch_id"])?;
    known(at(body, &["payload"]), &["message", "functions"])?;
    let chat = at(body, &["parameter", "chat"]);
    known(
        chat,
        &["domain", "temperature", "top_k", "max_tokens", "auditing"],
    )?;
    let uid = at(body, &["header", "uid"]).as_str().unwrap_or_default();
    if uid.chars().count() > UID_MAX {
        return Err("uid is too long".into());
    }
    let (base, faults) = faults::read(domain)?;
    let cap = MODELS.iter().find(|(_, model, _)| *model == base);
    let cap = cap.map_or(32_768, |(.., cap)| *cap);
    for (name, least, most) in [
        ("temperature", 0.000_001, 1.0),
        ("top_k", 1.0, 6.0),
        (
            "max_tokens",
            1.0,
            f64::from(u32::try_from(cap).unwrap_or(u32::MAX)),
        ),
    ] {
        let value = at(chat, &[name]);
        if !value.is_null()
            && !value
                .as_f64()
                .is_some_and(|value| (least..=most).contains(&value))
        {
            return Err(format!("{name} is out of range"));
        }
    }
    let turns = turns(body, &base)?;
    let functions = at(body, &["payload", "functions"]);
    let tools = match functions {
        Value::Null => Vec::new(),
        _ if base == "lite" => return Err("this domain has no functions".into()),
        functions => {
            names(at(functions, &["text"])).ok_or("functions must be a list that is not empty")?
        }
    };
    Ok(Ask {
        model: domain.to_owned(),
        think: base == "x1",
        base,
        faults,
        // Whether it is told whole is not for the vendor to know.
        stream: true,
        turns,
        tools,
        call: CallWish::Auto,
        choices: 1,
        tokens_max: at(chat, &["max_tokens"])
            .as_u64()
            .and_then(|cap| usize::try_from(cap).ok()),
        incremental: true,
        ..Ask::default()
    })
}

fn known(object: &Value, names: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or("an object is missing")?;
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown field {key}")),
        None => Ok(()),
    }
}

fn names(functions: &Value) -> Option<Vec<String>> {
    let functions = functions.as_array().filter(|list| !list.is_empty())?;
    let name = |function: &Value| {
        at(function, &["parameters"]).as_object()?;
        at(function, &["name"]).as_str().map(str::to_owned)
    };
    functions.iter().map(name).collect()
}

/// System first, where there is one, then user and assistant in turn, the user first and last.
fn turns(body: &Value, base: &str) -> Result<Vec<Turn>, String> {
    let texts = at(body, &["payload", "message", "text"]).as_array();
    let mut turns: Vec<Turn> = Vec::new();
    for text in texts.into_iter().flatten() {
        known(text, &["role", "content"])?;
        let word = |name: &str| at(text, &[name]).as_str().map(str::to_owned);
        let (Some(role), Some(content)) = (word("role"), word("content")) else {
            return Err("role and content are texts".into());
        };
        let before = turns.last().map_or("", |turn| turn.role.as_str());
        let order = match role.as_str() {
            "system" => before.is_empty() && !["lite", "generalv3", "pro-128k"].contains(&base),
            "user" => before != "user",
            "assistant" => before == "user",
            _ => false,
        };
        if !order || content.is_empty() {
            return Err("roles must take turns, and say something".into());
        }
        turns.push(Turn {
            role,
            text: content,
        });
    }
    match turns.last() {
        Some(last) if last.role == "user" => Ok(turns),
        _ => Err("the last message must be the user's".into()),
    }
}

fn sid(stamp: &Stamp) -> String {
    format!("cht{:08x}", stamp.serial)
}

fn text(said: &str, thought: Option<&str>, call: Option<&Call>) -> String {
    let mut text = Obj::new().str("content", said).str("role", "assistant");
    if let Some(thought) = thought {
        text = text.str("reasoning_content", thought);
    }
    if let Some(call) = call {
        let call = Obj::new()
            .str("name", &call.name)
            .str("arguments", &call.arguments());
        text = text
            .str("content_type", "text")
            .raw("function_call", &call.end());
    }
    text.int("index", 0).end()
}

fn message(
    ask: &Ask,
    plan: &Plan,
    stamp: &Stamp,
    (seq, status): (usize, i64),
    text: &str,
) -> String {
    let header = Obj::new()
        .int("code", 0)
        .str("message", "Success")
        .str("sid", &sid(stamp))
        .int("status", status);
    let choices = Obj::new()
        .int("status", status)
        .raw("seq", &seq.to_string())
        .raw("text", &json::array(&[text]));
    let mut payload = Obj::new().raw("choices", &choices.end());
    let told = match ask.faults.usage {
        Some(UsageFault::None) => false,
        Some(UsageFault::Each) => true,
        _ => status == 2,
    };
    if told {
        let usage = plan.usage();
        let counts = Obj::new()
            .int("question_tokens", 1)
            .int("prompt_tokens", usage.prompt)
            .int("completion_tokens", usage.completion)
            .int("total_tokens", usage.total());
        let usage = Obj::new().raw("text", &counts.end());
        payload = payload.raw("usage", &usage.end());
    }
    Obj::new()
        .raw("header", &header.end())
        .raw("payload", &payload.end())
        .end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_places() {
        assert_eq!(
            at_second("Thu, 01 Jan 2026 00:00:00 GMT"),
            Some(1_767_225_600)
        );
        assert_eq!(at_second("Thu, 01 Jan 2026 00:00:00 CET"), None);
        assert_eq!(model_of("/v4.0/chat").as_deref(), Some("4.0Ultra"));
        assert_eq!(model_of("/chat/a%40b").as_deref(), Some("a@b"));
        assert_eq!(model_of("/chat/a/b"), None);
    }
}
