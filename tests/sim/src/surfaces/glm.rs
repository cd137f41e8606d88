//! 智谱 GLM v4: numeric-string errors, usage unasked in the finish chunk, tool arguments whole unless `tool_stream`,
//! safety told through finish reason `sensitive`.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::counts;
use super::{Arrived, Code, Trouble, Usual, Voice, bearer, code, glm_key, read};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, CallWish, Usage};
use serde_json::Value;

pub(crate) static PROFILE: Profile = Profile {
    name: "glm",
    label: "智谱",
    codes: CODES,
    usual: Usual {
        malformed: "1210",
        unauthorised: "1002",
        no_model: "1211",
        broken: "500",
    },
    reasoning: "reasoning_content",
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    twin_null: false,
    opening: "",
    whole_opening: "",
    event_stream_type: "text/event-stream;charset=UTF-8",
    choice,
    envelope,
    usage_body,
    error_body,
    error_then_done: false,
    admit,
    check,
    headers,
    models: None,
    ..super::openai::PROFILE
};

static CODES: &[Code] = &[
    code("1210", 400, "", "API 调用参数有误,请检查文档。"),
    code("1213", 400, "", "未正常接收到 prompt 参数。"),
    code("1214", 400, "", "参数非法。请检查文档。"),
    code("1215", 400, "", "参数不能同时设置,请检查文档。"),
    code("1211", 400, "", "模型不存在,请检查模型代码。"),
    code("1212", 400, "", "当前模型不支持该调用方式"),
    code("1231", 400, "", "请求 id 重复"),
    code("1261", 400, "", "Prompt 超长"),
    code("1300", 400, "", "API 调用被策略阻止"),
    code(
        "1301",
        400,
        "",
        "系统检测到输入或生成内容可能包含不安全或敏感内容",
    ),
    code("1000", 401, "", "身份验证失败"),
    code(
        "1001",
        401,
        "",
        "Header 中未收到 Authentication 参数,无法进行身份验证",
    ),
    code("1002", 401, "", "Authentication Token非法"),
    code("1003", 401, "", "Authentication Token 已过期"),
    code(
        "1004",
        401,
        "",
        "通过提供的 Authentication Token 的验证失败",
    ),
    code("1302", 429, "", "并发数过高"),
    code("1303", 429, "", "请求频率过高"),
    code("1304", 429, "", "该 API 达日调用次数限额"),
    code("1305", 429, "", "该模型当前访问量过大"),
    code(
        "1308",
        429,
        "",
        "已达到 5 小时的使用上限。您的限额将在 2026-01-01 05:00:00 重置",
    ),
    code("1309", 429, "", "您的套餐已到期"),
    code("1312", 429, "", "该模型当前访问量过大"),
    code("1113", 429, "", "您的账户已欠费,请充值后重试"),
    code("1112", 429, "", "账户已被锁定"),
    code("1220", 434, "", "您无权访问该 API"),
    code("1311", 434, "", "您的套餐不包含该模型"),
    code("500", 500, "", "内部错误"),
    code("1200", 500, "", "API 调用失败"),
    code("1230", 500, "", "API 调用流程出错"),
    code("1234", 500, "", "网络错误"),
];

fn choice(choice: &Choice<'_>) -> String {
    let finish = choice.finish.map(|word| {
        let recalled = choice.recalled && word == "content_filter";
        quoted(if recalled { "sensitive" } else { word })
    });
    Obj::new()
        .raw("index", &choice.index.to_string())
        .maybe("finish_reason", finish.as_deref())
        .raw(choice.slot, choice.said)
        .end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    let id = format!("20260101000000{:08x}", envelope.stamp.serial);
    let open = Obj::new()
        .str("id", &id)
        .int("created", envelope.stamp.created)
        .str("model", &envelope.stamp.model);
    let open = if envelope.streams {
        open
    } else {
        open.str("request_id", &id)
    };
    let filter = "[{\"role\":\"assistant\",\"level\":1}]";
    open.raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .maybe("content_filter", envelope.recalled.then_some(filter))
        .end()
}

fn usage_body(usage: &Usage) -> String {
    let cached = Obj::new().int("cached_tokens", 0).end();
    counts(usage).raw("prompt_tokens_details", &cached).end()
}

fn error_body(trouble: &Trouble, _serial: u64) -> String {
    let error = Obj::new()
        .str("code", &trouble.code)
        .str("message", &trouble.message);
    let filter = "[{\"level\":1,\"role\":\"user\"}]";
    let filtered = (trouble.code == "1301").then_some(filter);
    Obj::new()
        .maybe("contentFilter", filtered)
        .raw("error", &error.end())
        .end()
}

fn headers(serial: u64) -> Vec<(&'static str, String)> {
    vec![("x-log-id", format!("20260101000000{serial:08x}"))]
}

/// The key as it is (`id.secret`), or a JWT made of a key that the simulator was told.
fn admit(profile: &Profile, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    if !arrived.headers.contains_key(http::header::AUTHORIZATION) {
        return Err(profile.trouble("1001"));
    }
    let token = bearer(arrived.headers).ok_or_else(|| profile.trouble("1002"))?;
    glm_key::check(token, arrived.glm_keys, arrived.now_ms).map_err(|code| profile.trouble(code))
}

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    let wrong = |message: &str| profile.refuse("1210", message);
    let illegal = |message: &str| profile.refuse("1214", message);
    if read::strange_role(ask, &["system", "user", "assistant", "tool"]).is_some() {
        return Err(illegal("messages 参数非法。角色信息不正确。"));
    }
    if ask.turns.iter().all(|turn| turn.role == "system") {
        return Err(illegal("messages 参数非法。请检查文档。"));
    }
    let hollow = |role: &str, text: &str| role == "user" && text.is_empty();
    if ask.turns.iter().any(|turn| hollow(&turn.role, &turn.text)) {
        return Err(illegal("输入不能为空"));
    }
    for (key, low, high) in [("temperature", 0.0, 1.0), ("top_p", 0.01, 1.0)] {
        if read::outside(body, key, |value| (low..=high).contains(&value)) {
            return Err(wrong(&format!("{key} 参数有误。取值范围 [{low}, {high}]")));
        }
    }
    tools(body, ask).map_err(|(code, message)| profile.refuse(code, message))?;
    if read::given(body, "stop") && !body["stop"].is_array() || ask.stop.len() > 4 {
        return Err(wrong("stop 参数有误。请传入最多 4 项的数组"));
    }
    let unknown = [
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "parallel_tool_calls",
    ];
    if let Some(key) = unknown.iter().find(|key| read::given(body, key)) {
        return Err(wrong(&format!("API 调用参数有误:{key}")));
    }
    if *at(body, &["response_format", "type"]) == "json_schema" {
        return Err(wrong(
            "response_format 参数有误。仅支持 text 和 json_object",
        ));
    }
    for (key, low, high) in [("user_id", 6, 128), ("request_id", 6, 64)] {
        let chars = at(body, &[key]).as_str().map(|text| text.chars().count());
        if chars.is_some_and(|chars| !(low..=high).contains(&chars)) {
            return Err(illegal(&format!(
                "{key} 参数非法。长度应为 {low} 到 {high}"
            )));
        }
    }
    let hybrid = ["glm-4.5", "glm-4.6", "glm-4.7", "glm-5"];
    ask.think = match at(body, &["thinking", "type"]).as_str() {
        Some(word) => word == "enabled",
        None => hybrid.iter().any(|name| ask.base.starts_with(name)),
    };
    ask.tool_pieces = *at(body, &["tool_stream"]) == true;
    ask.call = CallWish::Auto;
    Ok(())
}

fn tools(body: &Value, ask: &Ask) -> Result<(), (&'static str, &'static str)> {
    if read::is_empty_list(at(body, &["tools"])) {
        return Err(("1214", "tools 参数非法。请检查文档。"));
    }
    if ask.tools.len() > 128 {
        return Err(("1210", "tools 参数有误。最多 128 个函数"));
    }
    if read::given(body, "tool_choice") && *at(body, &["tool_choice"]) != "auto" {
        return Err(("1210", "tool_choice 参数有误。仅支持 auto"));
    }
    Ok(())
}
