//! 讯飞 星火 over HTTP: `code`, `message` and `sid` around every chunk, no finish reason, `data:` without a space, errors
//! on 200, a single call without a list unless the request's switch says otherwise.

use super::chat::{Choice, Envelope, FinishAt, Profile, RoleAt, UsageAt};
use super::openai::{counts, no_headers};
use super::read::{self, LENIENT, Rules};
use super::{Code, Trouble, Usual, Voice, code, openai};
use crate::json::{Obj, at};
use crate::plan::Ask;
use serde_json::Value;

pub(crate) static PROFILE: Profile = Profile {
    name: "spark",
    label: "星火",
    codes: CODES,
    usual: Usual {
        malformed: "10003",
        unauthorised: "401",
        no_model: "10404",
        broken: "10012",
    },
    role: RoleAt::Every,
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    prefix: "data:",
    on_200: true,
    choice,
    envelope,
    usage_body: |usage| counts(usage).end(),
    error_body,
    check,
    headers: no_headers,
    models: None,
    ..openai::PROFILE
};

/// Numbers come on status 200; the status here is what `@status` goes by.
static CODES: &[Code] = &[
    code("10003", 400, "", "message format error"),
    code("10005", 400, "", "parameter value error"),
    code("10013", 400, "", "input content audit failed"),
    code("10907", 400, "", "token count exceeds limit"),
    code("401", 401, "api_error", "invalid user"),
    code("11200", 403, "api_error", "AppIdNoAuthError:(code=11200)"),
    code("10404", 404, "", "unknown domain"),
    code("11202", 429, "", "licc limit"),
    code("10012", 500, "", "engine internal error"),
    code("10008", 503, "", "service capacity is insufficient"),
];

/// What its front says has an `error`; the engine's own numbers stand at the top.
fn error_body(trouble: &Trouble, serial: u64) -> String {
    if trouble.kind == "api_error" {
        let code = match trouble.code.as_str() {
            "401" => "null".to_owned(),
            code => crate::json::quoted(code),
        };
        let error = Obj::new()
            .str("message", &trouble.message)
            .str("type", "api_error")
            .null("param")
            .raw("code", &code);
        return Obj::new().raw("error", &error.end()).end();
    }
    let number = trouble.code.parse().unwrap_or(10_012);
    Obj::new()
        .int("code", number)
        .str("message", &trouble.message)
        .str("sid", &format!("cha{serial:08x}"))
        .end()
}

fn choice(choice: &Choice<'_>) -> String {
    Obj::new()
        .raw(choice.slot, choice.said)
        .raw("index", &choice.index.to_string())
        .end()
}

fn envelope(envelope: &Envelope<'_>) -> String {
    let sid = format!("cha{:08x}", envelope.stamp.serial);
    let open = Obj::new()
        .int("code", 0)
        .str("message", "Success")
        .str("sid", &sid);
    let open = match envelope.streams {
        true => open.str("id", &sid).int("created", envelope.stamp.created),
        false => open,
    };
    open.raw("choices", envelope.choices)
        .maybe("usage", envelope.usage)
        .end()
}

const RULES: Rules = Rules {
    ranges: &[
        ("temperature", 0.000_001, 2.0),
        ("top_p", 0.000_001, 1.0),
        ("presence_penalty", 0.0, 2.0),
        ("frequency_penalty", 0.0, 1.0),
        ("max_tokens", 1.0, 32_768.0),
    ],
    formats: &["text", "json_object"],
    parts: false,
    ..LENIENT
};

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    if let Some(why) = read::broken(&RULES, body, ask) {
        return Err(profile.refuse("10005", why));
    }
    ask.single_call = *at(body, &["tool_calls_switch"]) != true;
    ask.tool_pieces = false;
    ask.think = ask.base == "x1";
    // Undocumented: passed over.
    ask.stop.clear();
    Ok(())
}
