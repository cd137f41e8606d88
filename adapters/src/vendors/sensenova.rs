//! SenseTime SenseNova: the current platform, OpenAI's dialect with a key; and the older native protocol, whose token is
//! signed with an access key and its secret for each attempt.

use http::header::AUTHORIZATION;
use wire::{Fault, Headers, json};

/// What it does beside chat.
static BESIDE: &[Operation] = &[Operation::media(
    Asks::Image,
    "/images/generations",
    &IMAGES,
)];

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike, bearer, insert_secret};
use crate::auth::jwt;
use crate::dialects::openai_loose::OpenAiLoose;
use crate::operation::{LISTED_VECTORS, Operation};
use crate::places::Asks;
use crate::quirks::{COMMON, PLAIN, Quirks, Rule, StreamUsage};
use crate::vendor::{Call, Credential, VendorInfo};

/// The current platform.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "sensenova",
        default_base_url: Some("https://token.sensenova.cn/v1"),
        ..HOSTED
    },
    quirks: |_| &QUIRKS,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// The native protocol.
pub(crate) static NATIVE: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "sensenova-native",
        default_base_url: Some("https://api.sensenova.cn/v1/llm"),
        ..HOSTED
    },
    speaks: &[&OpenAiLoose],
    path: "/chat-completions",
    sign,
    is_constant: |_| false,
    does: |_| NATIVE_BESIDE,
    quirks: |model| {
        let model = model.to_ascii_lowercase();
        if LONG.iter().any(|length| model.contains(length)) {
            &NATIVE_LONG
        } else {
            &NATIVE_QUIRKS
        }
    },
    ..VENDOR
};

/// What the native protocol does beside chat.
static NATIVE_BESIDE: &[Operation] =
    &[Operation::new(Asks::Embed, "/embeddings", &LISTED_VECTORS).most(64)];

/// How long a signed token holds, in seconds.
const TOKEN_S: i64 = 1800;
/// How far the vendor's clock may be behind ours, in seconds.
const SKEW_S: i64 = 5;

static QUIRKS: Quirks = Quirks {
    fields: &[
        (
            "max_tokens",
            Rule::Clamp {
                min: "1",
                max: "65536",
            },
        ),
        (
            "max_completion_tokens",
            Rule::RenameClamp {
                to: "max_tokens",
                min: "1",
                max: "65536",
            },
        ),
        ("temperature", Rule::Clamp { min: "0", max: "2" }),
    ],
    openai_only: false,
    ..COMMON
};

/// Models that read and write more than the others.
const LONG: [&str; 2] = ["32k", "128k"];

macro_rules! native {
    ($cap:expr) => {
        &[
            ("max_tokens", $cap),
            (
                "temperature",
                Rule::Clamp {
                    min: "0.01",
                    max: "2",
                },
            ),
            (
                "top_p",
                Rule::Clamp {
                    min: "0.001",
                    max: "0.999",
                },
            ),
            ("stop", Rule::Lacks),
            ("seed", Rule::Lacks),
            ("response_format", Rule::Lacks),
            ("presence_penalty", Rule::Lacks),
            ("frequency_penalty", Rule::Lacks),
            ("logprobs", Rule::Lacks),
            ("top_logprobs", Rule::Lacks),
            ("logit_bias", Rule::Lacks),
            ("parallel_tool_calls", Rule::Lacks),
            ("reasoning_effort", Rule::Lacks),
            ("metadata", Rule::Lacks),
        ]
    };
}

static NATIVE_QUIRKS: Quirks = Quirks {
    fields: native!(Rule::RenameClamp {
        to: "max_new_tokens",
        min: "1",
        max: "2048",
    }),
    stream_usage: StreamUsage::Always,
    flat_text: true,
    text_only: true,
    ..QUIRKS
};

static NATIVE_LONG: Quirks = Quirks {
    fields: native!(Rule::Rename("max_new_tokens")),
    ..NATIVE_QUIRKS
};

/// A key that is used as it is, or an access key with the secret that signs a token.
fn sign(call: &Call<'_>, credential: &Credential<'_>, headers: &mut Headers) -> Result<(), Fault> {
    if credential.secret_key.is_empty() {
        return bearer(call, credential, headers);
    }
    let token = token(credential, call.now_ms / 1000);
    insert_secret(headers, AUTHORIZATION, &["Bearer ", &token].concat())
}

fn token(credential: &Credential<'_>, now_s: i64) -> String {
    let mut claims = b"{\"iss\":\"".to_vec();
    json::escape(credential.api_key, &mut claims);
    let times = format!(
        "\",\"exp\":{},\"nbf\":{}}}",
        now_s + TOKEN_S,
        now_s - SKEW_S
    );
    claims.extend_from_slice(times.as_bytes());
    let claims = String::from_utf8_lossy(&claims);
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    jwt::hs256(header, &claims, credential.secret_key.as_bytes())
}

/// By type on the current platform, where one type means a burst or a spent pool; by number on the old ones.
fn blame(status: u16, told: &Told<'_>) -> Option<Blame> {
    if told.is(&["quota_exceeded_error"]) {
        return Some(Blame::Throttled);
    }
    let code: u32 = told.code.parse().ok()?;
    Some(match code {
        3 if told.says(&["context", "length"]) => Blame::ContextLength,
        3 => Blame::Invalid,
        5 => Blame::NoModel,
        7 => Blame::Permission,
        8 => Blame::Throttled,
        13 => Blame::Failed,
        14 => Blame::Overloaded,
        16 => Blame::Auth,
        17 | 18 if status < 500 => Blame::ContentFilter,
        _ => return None,
    })
}

/// One image at a time.
static IMAGES: Quirks = Quirks {
    fields: &[("n", Rule::Lacks)],
    stream_usage: StreamUsage::Always,
    ..PLAIN
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_vector() {
        let credential = Credential {
            api_key: "AK_TEST_0001",
            secret_key: "SK_TEST_secret_0001",
            app_id: "",
            session_token: "",
            region: "",
            auth: "",
        };
        assert_eq!(
            token(&credential, 1_735_689_600),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBS19URVNUXzAwMDEiLCJleHAiOjE3MzU2OTE0MDAsIm5iZiI6MTczNTY4OTU5NX0.ldbqqQ2lhTigh4o24ncnQc3pzQB1Mc97zb4WdIOVZNE"
        );
    }
}
