//! 华为 盘古, three voices: deployments, whose id stands in the path and whose chunks have `message` in place of `delta` and
//! counts in each; the second version, with the model in the body; and MaaS, where others' models are asked with a key.

use super::chat::{Choice, FinishAt, Profile, UsageAt};
use super::openai::{counts, no_headers, plain_envelope};
use super::read::{self, LENIENT, ROLES, Rules};
use super::wenxin_v1::percent_decoded;
use super::{Arrived, Code, Frame, Kind, Stamp, Trouble, Usual, Voice, code, openai, pangu_auth};
use crate::json::{Obj, at, quoted};
use crate::plan::{Ask, Plan, UsageWish};
use serde_json::Value;

/// The deployments.
pub(crate) struct Deployed;

const SAID: &str = "抱歉，这个问题我不能回答。";

static DEPLOYED: Profile = Profile {
    name: "pangu",
    finish: FinishAt::EmptyContent,
    usage: UsageAt::FinishChunkAlways,
    choice: deployed_choice,
    ..V2
};

pub(crate) static V2: Profile = Profile {
    name: "pangu-v2",
    label: "盘古",
    path: "/api/v2/chat/completions",
    codes: CODES,
    usual: Usual {
        malformed: "PANGU.0010",
        unauthorised: "APIG.0301",
        no_model: "PANGU.3254",
        broken: "PANGU.0031",
    },
    prefix: "data:",
    choice,
    envelope: plain_envelope,
    usage_body: |usage| counts(usage).end(),
    error_body,
    admit: |profile, arrived| pangu_auth::admit(profile, arrived),
    check,
    headers: no_headers,
    models: None,
    ..openai::PROFILE
};

pub(crate) static MAAS: Profile = Profile {
    name: "huawei-maas",
    label: "MaaS",
    path: "/chat/completions",
    codes: MAAS_CODES,
    usual: Usual {
        malformed: "ModelArts.81001",
        unauthorised: "ModelArts.81003",
        no_model: "ModelArts.81009",
        broken: "ModelArts.81500",
    },
    prefix: "data: ",
    choice,
    admit: openai::admit,
    check: |profile, body, ask| {
        if let Some(why) = read::broken(&LENIENT, body, ask) {
            return Err(profile.refuse("ModelArts.81001", why));
        }
        openai::choices_and_logprobs(body, ask);
        Ok(())
    },
    ..V2
};

/// The first row is used for requests that cannot be read.
static CODES: &[Code] = &[
    code("PANGU.0010", 400, "", "The parameter is not valid."),
    code("PANGU.0011", 401, "", "Authentication failed."),
    code("PANGU.0012", 401, "", "The authentication is missing."),
    code(
        "APIG.0301",
        401,
        "",
        "Incorrect IAM authentication information",
    ),
    code(
        "APIG.0303",
        401,
        "",
        "Incorrect app authentication information",
    ),
    code("APIG.0307", 401, "", "The token must be updated."),
    code("PANGU.3307", 403, "", "The API is not opened."),
    code(
        "PANGU.3254",
        404,
        "",
        "The project or the deployment does not exist.",
    ),
    code(
        "PANGU.3267",
        429,
        "",
        "The QPS exceeds the limit of the project.",
    ),
    code(
        "APIG.0308",
        429,
        "",
        "The throttling threshold has been reached",
    ),
    code("PANGU.3317", 400, "", "The max tokens are out of range."),
    code(
        "PANGU.3318",
        400,
        "",
        "The content length must be 1 to 4096.",
    ),
    code("PANGU.3320", 400, "", "n must be 1 or 2."),
    code("PANGU.3321", 400, "", "n must be 1 in a stream."),
    code("PANGU.0031", 500, "", "Internal error."),
    code("PANGU.3342", 500, "", "The inference failed."),
    code("PANGU.3259", 503, "", "The deployment is not running."),
    code("APIG.0203", 504, "", "Backend timeout."),
];

static MAAS_CODES: &[Code] = &[
    code("ModelArts.81001", 400, "", "The body is not valid."),
    code(
        "ModelArts.81002",
        400,
        "",
        "The Authorization header is missing.",
    ),
    code("ModelArts.81003", 401, "", "The key is not valid."),
    code("ModelArts.81004", 401, "", "The service is not opened."),
    code("ModelArts.81005", 401, "", "The free quota is used up."),
    code("ModelArts.81006", 401, "", "The resource is frozen."),
    code(
        "ModelArts.81011",
        403,
        "",
        "May contain sensitive information, please try again.",
    ),
    code("ModelArts.81009", 404, "", "The model does not exist."),
    code(
        "ModelArts.81101",
        429,
        "",
        "Too many requests, exceeded rate limit is 3 times per minute.",
    ),
    code("ModelArts.81103", 429, "", "Too many tokens."),
    code("ModelArts.81500", 500, "", "Internal error."),
    code("APIG.0203", 504, "", "Backend timeout."),
];

fn error_body(trouble: &Trouble, _serial: u64) -> String {
    Obj::new()
        .str("error_code", &trouble.code)
        .str("error_msg", &trouble.message)
        .end()
}

/// A list of calls always stands in a whole message, also where there are none.
fn choice(choice: &Choice<'_>) -> String {
    let bare = choice.slot == "message" && !choice.said.contains("\"tool_calls\":");
    let said = match choice.said.strip_suffix('}').filter(|_| bare) {
        Some(open) => format!("{open},\"tool_calls\":[]}}"),
        None => choice.said.to_owned(),
    };
    written(choice, choice.slot, &said)
}

/// Chunks say `message` too.
fn deployed_choice(one: &Choice<'_>) -> String {
    match one.slot {
        "message" => choice(one),
        _ => written(one, "message", one.said),
    }
}

fn written(choice: &Choice<'_>, slot: &str, said: &str) -> String {
    let finish = choice.finish.map(quoted);
    Obj::new()
        .raw("index", &choice.index.to_string())
        .raw(slot, said)
        .raw("logprobs", choice.logprobs)
        .raw("finish_reason", finish.as_deref().unwrap_or("null"))
        .raw("stop_reason", "null")
        .end()
}

const RULES: Rules = Rules {
    roles: ROLES,
    ranges: &[("temperature", 0.000_001, 2.0)],
    unknown: &["frequency_penalty"],
    ..LENIENT
};

fn check(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    if let Some(why) = read::broken(&RULES, body, ask) {
        return Err(profile.refuse("PANGU.0010", why));
    }
    if at(body, &["max_tokens"]).as_u64() == Some(0) {
        return Err(profile.trouble("PANGU.3317"));
    }
    openai::choices_and_logprobs(body, ask);
    match ask.choices {
        1 => Ok(()),
        2 if !ask.stream => Ok(()),
        2 => Err(profile.trouble("PANGU.3321")),
        _ => Err(profile.trouble("PANGU.3320")),
    }
}

/// Project and deployment of a path below the base.
fn place(rest: &str) -> Option<(&str, &str)> {
    let rest = rest
        .strip_prefix("/v1/")?
        .strip_suffix("/chat/completions")?;
    let (project, deployment) = rest.split_once("/deployments/")?;
    let one = |text: &str| !text.is_empty() && !text.contains('/');
    (one(project) && one(deployment)).then_some((project, deployment))
}

impl Voice for Deployed {
    fn name(&self) -> &'static str {
        "pangu"
    }
    fn label(&self) -> &'static str {
        DEPLOYED.label
    }
    fn codes(&self) -> &'static [Code] {
        CODES
    }
    fn usual(&self) -> Usual {
        DEPLOYED.usual
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        place(arrived.rest).is_some()
    }
    fn is_model_list(&self, _arrived: &Arrived<'_>) -> bool {
        false
    }
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble> {
        pangu_auth::admit(self, arrived)
    }
    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble> {
        let (project, deployment) = place(arrived.rest).unwrap_or_default();
        if project != pangu_auth::PROJECT {
            return Err(self.trouble("PANGU.3254"));
        }
        if read::given(body, "model") || read::given(body, "tools") {
            return Err(self.refuse("PANGU.0010", "model and tools are not known here"));
        }
        let mut body = body.clone();
        if let Some(body) = body.as_object_mut() {
            body.insert("model".into(), percent_decoded(deployment).into());
        }
        let mut ask = DEPLOYED.read(arrived, &body)?;
        ask.usage = UsageWish::Each;
        Ok(ask)
    }
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String {
        DEPLOYED.whole(ask, plan, stamp)
    }
    /// Moderation takes an answer back with an event of its own.
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame> {
        let mut frames = DEPLOYED.frames(ask, plan, stamp);
        if ask.faults.recall {
            let verdict = Obj::new()
                .str("suggestion", "block")
                .str("reply", SAID)
                .end();
            frames.retain(|frame| frame.kind != Kind::Finish);
            let event = format!("event:moderation\ndata:{verdict}\n\n");
            let before_done = frames.len().saturating_sub(1);
            frames.insert(before_done, Frame::new(Kind::Finish, event));
        }
        frames
    }
    fn error_body(&self, trouble: &Trouble, serial: u64) -> String {
        error_body(trouble, serial)
    }
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        DEPLOYED.error_frames(trouble, stamp)
    }
}
