//! MiniMax's legacy `chatcompletion_pro`: senders in place of roles, a bot's setting, a group in the query; a stream whose last
//! event says everything once more; errors on 200 in `base_resp`; the sum of the tokens and nothing else.

use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, bearer, code};
use crate::faults::{self, UsageFault};
use crate::json::{self, Obj, at};
use crate::plan::{Ask, Call, CallWish, Finish, Plan, Turn};
use serde_json::Value;

pub(crate) struct Pro;

const BOT: &str = "MM智能助理";

static CODES: &[Code] = &[
    code("2013", 400, "", "invalid params"),
    code(
        "2013-context",
        400,
        "",
        "invalid params, context window exceeds limit",
    ),
    code("2013-model", 404, "", "invalid params, unknown model"),
    code(
        "1004",
        401,
        "",
        "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
    ),
    code("1004-group", 403, "", "token not match group"),
    code("1008", 402, "", "insufficient balance"),
    code("1026", 422, "", "input new_sensitive"),
    code("1027", 422, "", "output new_sensitive"),
    code("1002", 429, "", "rate limit"),
    code("1039", 429, "", "token limit"),
    code("2056", 429, "", "usage limit exceeded"),
    code("1000", 500, "", "unknown error"),
    code("1001", 504, "", "request timeout"),
];

impl Voice for Pro {
    fn name(&self) -> &'static str {
        "minimax-pro"
    }
    fn label(&self) -> &'static str {
        "MiniMax"
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        Usual {
            malformed: "2013",
            unauthorised: "1004",
            no_model: "2013-model",
            broken: "1000",
        }
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        arrived.rest == "/text/chatcompletion_pro"
    }
    fn is_model_list(&self, _arrived: &Arrived<'_>) -> bool {
        false
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        if bearer(arrived.headers).is_none() {
            return Err(self.trouble("1004"));
        }
        let group = super::wenxin_v1::parameter(arrived.query, "GroupId").unwrap_or_default();
        if group.is_empty() || group.contains("invalid") {
            return Err(self.trouble("1004-group"));
        }
        Ok(())
    }
    fn read(&self, _: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        ask(body).map_err(|why| self.refuse("2013", format!("invalid params, {why}")))
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        last(ask, plan, stamp)
    }
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let mut frames: Vec<Frame> = plan
            .text
            .iter()
            .map(|piece| message(piece, None))
            .chain(plan.calls.first().map(|call| message("", Some(call))))
            .map(|message| {
                let choice = Obj::new().raw("messages", &json::array(&[message])).end();
                let event = opening(stamp, "")
                    .raw("choices", &json::array(&[choice]))
                    .maybe("usage", each(ask, plan).as_deref())
                    .bool("output_sensitive", false);
                Frame::data(Kind::Content, &event.end())
            })
            .collect();
        frames.push(Frame::data(Kind::Finish, &last(ask, plan, stamp)));
        frames
    }
    fn error_body(&self, trouble: &Trouble, _serial: u64) -> String {
        let number = trouble.code.split('-').next().unwrap_or_default();
        Obj::new()
            .raw("base_resp", &told(number, &trouble.message))
            .end()
    }
    fn status_on_wire(&self, _: &Trouble) -> u16 {
        200
    }
}

fn told(number: &str, words: &str) -> String {
    let number = number.parse::<u32>().unwrap_or(1000);
    Obj::new()
        .int("status_code", number.into())
        .str("status_msg", words)
        .end()
}

fn opening(stamp: &Stamp, reply: &str) -> Obj {
    Obj::new()
        .int("created", stamp.created)
        .str("model", &stamp.model)
        .str("reply", reply)
}

fn message(text: &str, call: Option<&Call>) -> String {
    let call = call.map(|call| {
        Obj::new()
            .str("name", &call.name)
            .str("arguments", &call.arguments())
            .end()
    });
    Obj::new()
        .str("sender_type", "BOT")
        .str("sender_name", BOT)
        .str("text", text)
        .maybe("function_call", call.as_deref())
        .end()
}

/// The sum alone, in every event if that is asked for.
fn each(ask: &Ask, plan: &Plan) -> Option<String> {
    let each = ask.faults.usage == Some(UsageFault::Each);
    each.then(|| Obj::new().int("total_tokens", plan.usage().total()).end())
}

/// The whole reply, also as a stream's last event.
fn last(ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
    let word = match plan.finish {
        Finish::Length => "length",
        Finish::Stop | Finish::Calls => "stop",
    };
    let text = if ask.faults.recall {
        String::new()
    } else {
        plan.text_whole()
    };
    let choice = Obj::new()
        .str(
            "finish_reason",
            ask.faults.odd_finish.as_deref().unwrap_or(word),
        )
        .int("index", 0)
        .raw(
            "messages",
            &json::array(&[message(&text, plan.calls.first())]),
        );
    let counted = Obj::new().int("total_tokens", plan.usage().total()).end();
    let hidden = ask.faults.usage == Some(UsageFault::None);
    opening(stamp, &text)
        .raw("choices", &json::array(&[choice.end()]))
        .maybe("usage", (!hidden).then_some(counted.as_str()))
        .bool("input_sensitive", false)
        .bool("output_sensitive", ask.faults.recall)
        .str("id", &format!("sim{:08x}", stamp.serial))
        .raw("base_resp", &told("0", ""))
        .end()
}

const KNOWN: [&str; 10] = [
    "model",
    "stream",
    "tokens_to_generate",
    "temperature",
    "top_p",
    "mask_sensitive_info",
    "messages",
    "bot_setting",
    "reply_constraints",
    "functions",
];

fn ask(body: &Value) -> Result<Ask, String> {
    let odd = |key: &&String| !KNOWN.contains(&key.as_str());
    if let Some(key) = body
        .as_object()
        .into_iter()
        .flat_map(|body| body.keys())
        .find(odd)
    {
        return Err(format!("unknown field {key}"));
    }
    let model = at(body, &["model"])
        .as_str()
        .filter(|name| !name.is_empty());
    let model = model.ok_or("model is required")?;
    let (base, faults) = faults::read(model)?;
    for key in ["temperature", "top_p"] {
        let good = |number: f64| number > 0.0 && number <= 1.0;
        if super::read::outside(body, key, good) {
            return Err(format!("{key} must be in (0, 1]"));
        }
    }
    let text = |value: &Value, key: &str| at(value, &[key]).as_str().unwrap_or_default().to_owned();
    let settings = at(body, &["bot_setting"]).as_array().map(Vec::as_slice);
    let settings = settings.filter(|all| !all.is_empty());
    let settings = settings.ok_or("bot_setting must not be empty")?;
    let names: Vec<String> = settings.iter().map(|one| text(one, "bot_name")).collect();
    let blank = |one: &Value| text(one, "bot_name").is_empty() || text(one, "content").is_empty();
    if settings.iter().any(blank) {
        return Err("bot_name and content must not be empty".into());
    }
    let wanted = at(body, &["reply_constraints"]);
    let of_bot = *at(wanted, &["sender_type"]) == "BOT";
    if !of_bot || !names.contains(&text(wanted, "sender_name")) {
        return Err("reply_constraints must name one of the bots".into());
    }
    let mut turns: Vec<Turn> = settings
        .iter()
        .map(|one| Turn {
            role: "system".into(),
            text: text(one, "content"),
        })
        .collect();
    turns.extend(messages(at(body, &["messages"]), &names)?);
    let functions = at(body, &["functions"]);
    if super::read::is_empty_list(functions) {
        return Err("functions must not be empty".into());
    }
    let cap = at(body, &["tokens_to_generate"]).as_u64();
    Ok(Ask {
        model: model.to_owned(),
        base,
        faults,
        stream: at(body, &["stream"]).as_bool().unwrap_or(false),
        turns,
        tools: super::read::tools(functions),
        call: CallWish::Auto,
        choices: 1,
        tokens_max: cap.and_then(|cap| usize::try_from(cap).ok()),
        ..Ask::default()
    })
}

fn messages(list: &Value, bots: &[String]) -> Result<Vec<Turn>, String> {
    let mut turns: Vec<Turn> = Vec::new();
    for message in list.as_array().into_iter().flatten() {
        let word = |key: &str| at(message, &[key]).as_str().unwrap_or_default();
        let text = at(message, &["text"]).as_str();
        let text = text.ok_or("text must be a string")?;
        if word("sender_name").is_empty() {
            return Err("sender_name is required".into());
        }
        let role = match word("sender_type") {
            "USER" => "user",
            "BOT" if !bots.iter().any(|name| name == word("sender_name")) => {
                return Err("a bot speaks that has no setting".into());
            }
            "BOT" => "assistant",
            "FUNCTION" if turns.last().is_some_and(|last| last.role != "user") => "function",
            "FUNCTION" => return Err("tool call result does not follow tool call".into()),
            other => return Err(format!("unknown sender_type {other}")),
        };
        turns.push(Turn {
            role: role.into(),
            text: text.to_owned(),
        });
    }
    match turns.last() {
        Some(last) if last.role != "assistant" => Ok(turns),
        _ => Err("the last message must be a user's".into()),
    }
}
