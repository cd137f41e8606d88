//! Zhipu GLM: OpenAI's dialect under `/v4`, a bearer key or a token signed with it, numeric error codes.

use http::header::AUTHORIZATION;
use wire::{Fault, Headers, json};

use super::blame::{self, Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike, bearer, insert_secret};
use crate::auth::jwt;
use crate::operation::{Operation, RANKS, VECTORS_SIZED};
use crate::places::Asks;
use crate::quirks::{COMMON, PLAIN, Quirks, Rule, StreamUsage};
use crate::vendor::{Call, Credential, VendorInfo};

/// The `auth` mode in which each request has a token made of the key.
const SIGNED: &str = "jwt";

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "glm",
        default_base_url: Some("https://open.bigmodel.cn/api/paas/v4"),
        auth_modes: &["bearer", SIGNED],
        ..HOSTED
    },
    sign,
    renews: |credential| credential.auth == SIGNED,
    is_constant: |credential| credential.auth != SIGNED,
    quirks: |model| {
        if model.starts_with("glm-4v") {
            &EYES
        } else {
            &QUIRKS
        }
    },
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS_SIZED).most(64),
    Operation::new(Asks::Rerank, "/rerank", &RANKS).most(128),
    Operation::media(Asks::Image, "/images/generations", &IMAGES),
];

/// How long a signed token holds; it is made for each attempt.
const TOKEN_MS: i64 = 210_000;

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_completion_tokens", Rule::Rename("max_tokens")),
        ("temperature", UNIT),
        ("top_p", UNIT),
        ("stop", Rule::List),
        ("tool_choice", Rule::OneOf(&["auto"])),
        ("response_format", Rule::Types(&["text", "json_object"])),
        (
            "user",
            Rule::RenameSized {
                to: "user_id",
                min: 6,
                max: 128,
            },
        ),
        ("n", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    stream_usage: StreamUsage::Always,
    none_drops_tools: true,
    greedy: Some(("do_sample", "false")),
    ..COMMON
};

/// Its first models that see.
static EYES: Quirks = Quirks {
    bare_pictures: true,
    ..QUIRKS
};

const UNIT: Rule = Rule::Clamp {
    min: "0.01",
    max: "1",
};

fn sign(call: &Call<'_>, credential: &Credential<'_>, headers: &mut Headers) -> Result<(), Fault> {
    if credential.auth != SIGNED {
        return bearer(call, credential, headers);
    }
    let token = token(credential.api_key, call.now_ms, TOKEN_MS)?;
    insert_secret(headers, AUTHORIZATION, &format!("Bearer {token}"))
}

/// A token made of a key `id.secret`. Times are in milliseconds, which no common JWT library writes.
fn token(api_key: &str, now_ms: i64, lifetime_ms: i64) -> Result<String, Fault> {
    let (id, secret) = api_key
        .split_once('.')
        .ok_or_else(|| blame::unusable("the key is not of the form id.secret"))?;
    let mut payload = b"{\"api_key\":\"".to_vec();
    json::escape(id, &mut payload);
    let expires = now_ms.saturating_add(lifetime_ms);
    payload.extend_from_slice(format!("\",\"exp\":{expires},\"timestamp\":{now_ms}}}").as_bytes());
    let payload = String::from_utf8_lossy(&payload);
    let header = r#"{"alg":"HS256","sign_type":"SIGN"}"#;
    Ok(jwt::hs256(header, &payload, secret.as_bytes()))
}

/// By code: 429 stands for rate, for arrears and for a locked account alike.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let code: u16 = told.code.parse().ok()?;
    Some(match code {
        1000 | 1001 | 1002 | 1004 => Blame::Auth,
        1003 => Blame::Expired,
        1110..=1112 | 1121 | 1220 | 1311 => Blame::Permission,
        1113 | 1304 | 1308..=1310 => Blame::Quota,
        500 | 1120 | 1200 | 1230 | 1234 => Blame::Failed,
        1210 | 1213..=1215 | 1231 => Blame::Invalid,
        1211 | 1212 | 1221 | 1222 => Blame::NoModel,
        1261 => Blame::ContextLength,
        1300 | 1301 => Blame::ContentFilter,
        1302 | 1303 | 1313 => Blame::Throttled,
        1305 | 1312 => Blame::Overloaded,
        _ => return None,
    })
}

/// What images are asked for.
static IMAGES: Quirks = Quirks {
    fields: &[
        ("n", Rule::Lacks),
        ("response_format", Rule::Lacks),
        (
            "user",
            Rule::RenameSized {
                to: "user_id",
                min: 6,
                max: 128,
            },
        ),
    ],
    openai_only: true,
    stream_usage: StreamUsage::Always,
    ..PLAIN
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_vectors() {
        // The signature was computed by a second implementation; two letters of it are swapped in the vendor notes.
        let key = "0123456789abcdef0123456789abcdef.FakeSecretForTest";
        assert_eq!(
            token(key, 1_767_225_600_000, TOKEN_MS).unwrap(),
            "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ.eyJhcGlfa2V5IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJleHAiOjE3NjcyMjU4MTAwMDAsInRpbWVzdGFtcCI6MTc2NzIyNTYwMDAwMH0.sA-Xu6eE7EgoG-SjQabETpNQTjq-m_wDy2dsLxLIWOM"
        );
        let hour = token(key, 1_767_225_600_000, 3_600_000).unwrap();
        assert!(hour.ends_with(".8PwuBwl8gwL-r3thvCOBVjqnxspZD0Zem-vs3l-aq5A"));
        let fault = token("no dot", 0, 0).unwrap_err();
        assert_eq!(
            (fault.why(), fault.retry_advice()),
            ("auth_failed", wire::fault::Retry::NextTarget)
        );
    }
}
