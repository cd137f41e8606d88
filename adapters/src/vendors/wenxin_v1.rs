//! Baidu's legacy wenxinworkshop: the model in the path, a token in the query or a signed request, errors on status 200.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use wire::json::Value;
use wire::{Fault, Kind};

use super::blame::{self, Blame, Told};
use super::openai_like::{self, HOSTED};
use crate::auth::bce::{self, Signed};
use crate::auth::percent;
use crate::calendar;
use crate::dialect::Dialect;
use crate::dialects::wenxin_v1::WenxinV1;
use crate::matrix::{PARALLEL, REASONING};
use crate::operation::{IMAGES_BY_PATH, Operation, RANKS_BY_PATH, VECTORS_BY_PATH};
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks, Rule, StreamUsage};
use crate::vendor::{
    Call, Credential, Head, Parts, Token, TokenFlow, TokenRequest, Vendor, VendorInfo, join_path,
};

/// The vendor.
pub(crate) static VENDOR: Legacy = Legacy;

/// The vendor.
pub(crate) struct Legacy;

static INFO: VendorInfo = VendorInfo {
    name: "wenxin-v1",
    default_base_url: Some("https://aip.baidubce.com"),
    needs_secret_key: true,
    auth_modes: &["oauth", SIGNED],
    ..HOSTED
};

/// The `auth` mode that signs each request instead of fetching a token.
const SIGNED: &str = "bce-auth-v1";
/// How long a signature holds.
const SIGNATURE_S: u32 = 1800;
/// Where chat lies, before the model's name.
const CHAT: &str = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/";
/// Where vectors, orders and images lie, before the model's name.
const VECTORS: &str = "/rpc/2.0/ai_custom/v1/wenxinworkshop/embeddings/";
const RANKS: &str = "/rpc/2.0/ai_custom/v1/wenxinworkshop/reranker/";
const IMAGES: &str = "/rpc/2.0/ai_custom/v1/wenxinworkshop/text2image/";
/// One model takes one text at a time.
const ONE_TEXT: &[&str] = &["tao_8k", "tao-8k"];

const fn beside(texts: usize) -> [Operation; 3] {
    [
        Operation::new(Asks::Embed, VECTORS, &VECTORS_BY_PATH).most(texts),
        Operation::new(Asks::Rerank, RANKS, &RANKS_BY_PATH).most(64),
        Operation::new(Asks::Image, IMAGES, &IMAGES_BY_PATH),
    ]
}

static BESIDE: [Operation; 3] = beside(16);
static BESIDE_ONE: [Operation; 3] = beside(1);

/// Longest life that is believed of a token; the vendor says 30 days.
const TOKEN_LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

macro_rules! fields {
    ($cap:expr) => {
        &[
            (
                "temperature",
                Rule::Clamp {
                    min: "0.01",
                    max: "1",
                },
            ),
            ("max_tokens", $cap),
            ("user", Rule::Rename("user_id")),
            ("n", Rule::Lacks),
            ("seed", Rule::Lacks),
            ("frequency_penalty", Rule::Lacks),
            ("logit_bias", Rule::Lacks),
            ("logprobs", Rule::Lacks),
            ("top_logprobs", Rule::Lacks),
            ("reasoning_effort", Rule::Lacks),
            ("metadata", Rule::Lacks),
        ]
    };
}

static QUIRKS: Quirks = Quirks {
    fields: fields!(Rule::Rename("max_output_tokens")),
    openai_only: false,
    stream_usage: StreamUsage::Always,
    none_drops_tools: true,
    replies_lack: &[REASONING, PARALLEL],
    ..COMMON
};

/// Models that read 8,000 tokens.
static SHORT: Quirks = Quirks {
    fields: fields!(Rule::RenameClamp {
        to: "max_output_tokens",
        min: "2",
        max: "2048",
    }),
    ..QUIRKS
};

/// Models whose path is not their name in lower case.
const PATHS: &[(&str, &str)] = &[
    ("ernie-4.0-8k", "completions_pro"),
    ("ernie-bot-4", "completions_pro"),
    ("ernie-4.0-8k-preview-0518", "completions_adv_pro"),
    ("ernie-3.5-8k", "completions"),
    ("ernie-bot", "completions"),
    ("ernie-speed-8k", "ernie_speed"),
    ("ernie-lite-8k-0922", "eb-instant"),
    ("ernie-bot-turbo", "eb-instant"),
    ("ernie-lite-8k-0308", "ernie-lite-8k"),
    ("ernie-function-8k", "ernie-func-8k"),
    ("ernie-character-8k", "ernie-char-8k"),
    ("ernie-character-fiction-8k", "ernie-char-fiction-8k"),
    ("bloomz-7b", "bloomz_7b1"),
    ("yi-34b-chat", "yi_34b_chat"),
    ("mixtral-8x7b", "mixtral_8x7b_instruct"),
    ("mixtral-8x7b-instruct", "mixtral_8x7b_instruct"),
];

impl Vendor for Legacy {
    fn info(&self) -> &'static VendorInfo {
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&WenxinV1]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        let name = call.model.to_ascii_lowercase();
        let known = PATHS.iter().find(|row| row.0 == name);
        let name = known.map_or(name.as_str(), |row| row.1);
        let operation = self.operation(call.asks, call.model);
        let before = operation.map_or(CHAT, |operation| operation.path);
        parts.path = format!("{before}{}", percent(name, b""));
        if credential.auth == SIGNED {
            return sign(call, credential, parts);
        }
        let token = call
            .token
            .ok_or_else(|| Fault::new(Kind::Bug).detail("no token was fetched"))?;
        parts.query = format!("access_token={}", percent(token, b""));
        Ok(())
    }

    fn operation(&self, asks: Asks, model: &str) -> Option<&'static Operation> {
        let one = ONE_TEXT.iter().any(|name| name.eq_ignore_ascii_case(model));
        let beside = if one { &BESIDE_ONE } else { &BESIDE };
        beside.iter().find(|one| one.asks == asks)
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        let model = model.to_ascii_lowercase();
        if model.contains("-8k") {
            &SHORT
        } else {
            &QUIRKS
        }
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        openai_like::fault(head, root, blame)
    }

    fn token_flow(&self) -> Option<&'static dyn TokenFlow> {
        Some(&VENDOR)
    }

    fn wants_token(&self, credential: &Credential<'_>) -> bool {
        credential.auth != SIGNED
    }
}

fn sign(call: &Call<'_>, credential: &Credential<'_>, parts: &mut Parts) -> Result<(), Fault> {
    let date = calendar::iso8601(call.now_ms);
    let path = join_path(call.base_path, &parts.path);
    let authorization = bce::authorization(
        credential.api_key,
        credential.secret_key,
        call.now_ms,
        SIGNATURE_S,
        &Signed {
            method: "POST",
            path: &path,
            query: &[],
            headers: &[("host", call.host), ("x-bce-date", &date)],
        },
    );
    let name = HeaderName::from_static("x-bce-date");
    openai_like::insert_secret(&mut parts.headers, name, &date)?;
    openai_like::insert_secret(&mut parts.headers, AUTHORIZATION, &authorization)
}

impl TokenFlow for Legacy {
    fn request(&self, credential: &Credential<'_>) -> TokenRequest {
        TokenRequest {
            method: http::Method::POST,
            path_and_query: format!(
                "/oauth/2.0/token?grant_type=client_credentials&client_id={}&client_secret={}",
                percent(credential.api_key, b""),
                percent(credential.secret_key, b"")
            ),
            body: Bytes::new(),
        }
    }

    fn read(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Result<Token, Fault> {
        let field = |name: &str| root.and_then(|root| root.get(name));
        let value = field("access_token").and_then(|token| token.as_str());
        let lifetime = field("expires_in").and_then(|seconds| seconds.as_u64());
        if let (Some(value), Some(lifetime)) = (value, lifetime)
            && !value.is_empty()
        {
            return Ok(Token {
                value: value.into_owned(),
                lifetime: Duration::from_secs(lifetime).min(TOKEN_LIFE_MAX),
            });
        }
        // A refusal is an object with an `error` word; anything else is an outage.
        let told = root.and_then(blame::read);
        let refused = told.is_some() || (400..500).contains(&head.status);
        let blame = if refused { Blame::Auth } else { Blame::Failed };
        Err(blame.fault(head, head.status, told.as_ref()))
    }
}

/// By code; the status is always 200.
fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let code: u32 = told.code.parse().ok()?;
    Some(match code {
        1 | 336_000 | 15 => Blame::Failed,
        2 | 336_100 => Blame::Overloaded,
        3 | 336_005 => Blame::NoModel,
        4 | 18 | 336_501 | 336_502 => Blame::Throttled,
        6 | 336_004 => Blame::Permission,
        13 | 14 => Blame::Auth,
        17 | 19 => Blame::Quota,
        100 | 110 | 111 => Blame::Expired,
        336_006 | 336_007 | 336_103 => Blame::ContextLength,
        336_104 | 336_105 => Blame::ContentFilter,
        336_001..=336_003 => return blame::common(told).or(Some(Blame::Invalid)),
        _ => return None,
    })
}
