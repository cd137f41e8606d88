//! iFlytek Spark over a signed WebSocket: one question a connection. The signature stands in the URL and holds the time, so
//! each connection has its own; path and `domain` both say which model it is, and must agree.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes};
use wire::json::{Type, Value};
use wire::{Fault, Kind, Rope, json};

use super::blame::{self, Blame, Told};
use super::openai_like::HOSTED;
use super::spark;
use crate::auth::percent;
use crate::calendar;
use crate::dialect::Dialect;
use crate::dialects::spark_native::{SparkNative, encode::OPENING};
use crate::matrix::PARALLEL;
use crate::quirks::{Added, COMMON, Quirks, Rule, StreamUsage, When};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// The vendor.
pub(crate) struct SparkWs;

/// Registered.
pub(crate) static VENDOR: SparkWs = SparkWs;

static INFO: VendorInfo = VendorInfo {
    name: "spark-ws",
    default_base_url: Some("wss://spark-api.xf-yun.com"),
    needs_secret_key: true,
    needs_app_id: true,
    websocket: true,
    ..HOSTED
};

/// Models and where they are asked; the others lie under `/chat/`, as the later ones of these do.
const PLACES: [(&str, &str); 8] = [
    ("4.0Ultra", "/v4.0/chat"),
    ("max-32k", "/chat/max-32k"),
    ("generalv3.5", "/v3.5/chat"),
    ("pro-128k", "/chat/pro-128k"),
    ("generalv3", "/v3.1/chat"),
    ("lite", "/v1.1/chat"),
    ("general", "/v1.1/chat"),
    ("x1", "/v1/x1"),
];

impl Vendor for SparkWs {
    fn info(&self) -> &'static VendorInfo {
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&SparkNative]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        let known = PLACES.iter().find(|(model, _)| *model == call.model);
        parts.path = known.map_or_else(
            || format!("/chat/{}", percent(call.model, b"")),
            |(_, path)| (*path).to_owned(),
        );
        let date = calendar::to_http_date(call.now_ms);
        let line = format!("GET {} HTTP/1.1", parts.path_behind(call.base_path));
        let signed = authorization(credential, call.host, &date, &line);
        parts.query = format!(
            "authorization={}&date={}&host={}",
            percent(&signed, b""),
            percent(&date, b""),
            percent(call.host, b"")
        );
        Ok(())
    }

    /// The application's id joins what the dialect wrote.
    fn body(&self, credential: &Credential<'_>, body: &Rope) -> Rope {
        let mut opening = [OPENING.as_bytes(), b"\"app_id\":\""].concat();
        json::escape(credential.app_id, &mut opening);
        opening.extend_from_slice(b"\",");
        let mut rest = body.clone();
        debug_assert!(rest.chunk().starts_with(OPENING.as_bytes()));
        rest.advance(OPENING.len().min(rest.len()));
        let mut body = Rope::from(Bytes::from(opening));
        body.append(rest);
        body
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        match model {
            "generalv3.5" => &MIDDLE,
            "generalv3" => &PRO,
            "pro-128k" => &PRO_LONG,
            "lite" | "general" => &LITE,
            _ => &LONG,
        }
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        let by_head = blame::by_status(head.status);
        let root = root.filter(|root| root.kind() == Type::Object);
        let told = root.and_then(|root| match by_head {
            None => of_message(root),
            Some(_) => blame::bare(root),
        });
        let Some(told) = told else {
            return Some(by_head?.fault(head, head.status, None));
        };
        // By its words: the manual shows them with 403, the gateway in front may say them with 401.
        if matches!(head.status, 401 | 403) && told.says(&["a valid date"]) {
            return Some(
                Fault::new(Kind::UpstreamError)
                    .reason("clock_skew")
                    .message("The provider refused the time by the gateway's clock.")
                    .detail("the clock of this machine is wrong by minutes"),
            );
        }
        let blame = spark::blame(head.status, &told)
            .or(by_head)
            .unwrap_or(Blame::Failed);
        Some(blame.fault(head, head.status, Some(&told)))
    }

    fn hint(&self) -> &'static str {
        "app_id, api_key and secret_key are the console's APPID, APIKey and APISecret, not the APIPassword of `spark`; the \
         clock of this machine must be right to five minutes"
    }
}

/// The error that a message's header tells, if it tells one.
fn of_message(root: Value<'_>) -> Option<Told<'_>> {
    let header = root.get("header")?;
    let code = header.get("code")?;
    if code.is_null() || code.as_u64() == Some(0) {
        return None;
    }
    let message = header.get("message").and_then(|message| message.as_str());
    Some(Told {
        code: std::str::from_utf8(code.raw()).unwrap_or_default().into(),
        message: message.unwrap_or_default(),
        ..Told::default()
    })
}

/// `authorization` of the URL. `line`: the request line that will be sent, without its query.
fn authorization(credential: &Credential<'_>, host: &str, date: &str, line: &str) -> String {
    let signature = signature(credential.secret_key, host, date, line);
    let origin = format!(
        "api_key=\"{}\", algorithm=\"hmac-sha256\", headers=\"host date request-line\", signature=\"{signature}\"",
        credential.api_key
    );
    STANDARD.encode(origin)
}

fn signature(secret: &str, host: &str, date: &str, line: &str) -> String {
    let text = format!("host: {host}\ndate: {date}\n{line}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

macro_rules! fields {
    ($cap:expr $(, $more:expr)?) => {
        &[
            ("max_tokens", Rule::Clamp { min: "1", max: $cap }),
            ("temperature", Rule::Clamp { min: "0.01", max: "1" }),
            ("top_p", Rule::Lacks),
            ("presence_penalty", Rule::Lacks),
            ("frequency_penalty", Rule::Lacks),
            ("n", Rule::Lacks),
            ("seed", Rule::Lacks),
            ("stop", Rule::Lacks),
            ("logprobs", Rule::Lacks),
            ("top_logprobs", Rule::Lacks),
            ("logit_bias", Rule::Lacks),
            ("reasoning_effort", Rule::Lacks),
            ("metadata", Rule::Lacks),
            $($more,)?
        ]
    };
}

/// Ultra and Max with a long context, and models that are not known.
static LONG: Quirks = Quirks {
    fields: fields!("32768"),
    added: &[Added {
        when: When::Always,
        name: "auditing",
        raw: "\"default\"",
    }],
    openai_only: false,
    stream_usage: StreamUsage::Always,
    text_only: true,
    replies_lack: &[PARALLEL],
    ..COMMON
};

/// Max.
static MIDDLE: Quirks = Quirks {
    fields: fields!("8192"),
    ..LONG
};

/// Pro, which knows no system.
static PRO: Quirks = Quirks {
    system_in_user: true,
    ..MIDDLE
};

/// Pro with a long context.
static PRO_LONG: Quirks = Quirks {
    fields: fields!("4096"),
    ..PRO
};

/// Lite, which calls no functions either.
static LITE: Quirks = Quirks {
    fields: fields!("4096", ("tools", Rule::Lacks)),
    ..PRO
};

#[cfg(test)]
mod tests;
