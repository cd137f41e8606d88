//! Huawei's Pangu, and the models of others on ModelArts: Pangu's own deployments (the model in the path, pieces of a stream
//! in `message`), its second version (the model in the body), and MaaS, which speaks OpenAI's dialect with a key.
//!
//! Pangu takes a token of the cloud's identity service, an application's code, or a signature over the request. A 401 may
//! mean a token that ran out, arrears or a service that was never opened, a 400 a missing key: codes decide.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use wire::json::{self, Value};
use wire::{Fault, Headers, Kind, Rope};

use super::blame::{self, Blame, Told};
use super::openai_like::{self, GENERIC, HOSTED, OpenAiLike, insert_secret};
use crate::auth::percent;
use crate::auth::sdk_hmac::{self, Signed, Signer};
use crate::auth::sigv4;
use crate::calendar;
use crate::dialect::Dialect;
use crate::dialects::openai_loose::OpenAiLoose;
use crate::quirks::{COMMON, Quirks, Rule, StreamUsage};
use crate::vendor::{
    Call, Credential, Head, Parts, Token, TokenFlow, TokenRequest, Vendor, VendorInfo,
};

/// Deployments: the target's model is the deployment's id.
pub(crate) static VENDOR: Pangu = Pangu {
    info: &VendorInfo {
        name: "pangu",
        needs_app_id: true,
        ..INFO
    },
    quirks: &DEPLOYED,
    path: |call, credential| {
        let (project, model) = (percent(credential.app_id, b""), percent(call.model, b""));
        format!("/v1/{project}/deployments/{model}/chat/completions")
    },
};

/// The second version.
pub(crate) static V2: Pangu = Pangu {
    info: &VendorInfo {
        name: "pangu-v2",
        ..INFO
    },
    quirks: &QUIRKS,
    path: |_, _| "/api/v2/chat/completions".to_owned(),
};

/// Models of others, with a key of the platform's own.
pub(crate) static MAAS: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "huawei-maas",
        default_base_url: Some("https://api.modelarts-maas.com/v1"),
        ..HOSTED
    },
    quirks: |_| &MAAS_QUIRKS,
    blame: blame_maas,
    ..GENERIC
};

/// One of the two ways to ask Pangu.
pub(crate) struct Pangu {
    info: &'static VendorInfo,
    quirks: &'static Quirks,
    path: fn(&Call<'_>, &Credential<'_>) -> String,
}

const INFO: VendorInfo = VendorInfo {
    name: "",
    default_base_url: Some("https://pangu.{region}.myhuaweicloud.com"),
    needs_secret_key: true,
    needs_region: true,
    auth_modes: &["iam", APP_CODE, SIGNED],
    ..HOSTED
};

/// The `auth` mode in which `api_key` is an application's code.
const APP_CODE: &str = "app-code";
/// The one in which each request is signed.
const SIGNED: &str = "ak-sk";

const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const CODE: HeaderName = HeaderName::from_static("x-apig-appcode");
const DATE: HeaderName = HeaderName::from_static("x-sdk-date");
const PROJECT: HeaderName = HeaderName::from_static("x-project-id");
const SESSION: HeaderName = HeaderName::from_static("x-security-token");
/// Where the identity service puts a token: in its reply's head.
const SUBJECT: &str = "x-subject-token";

/// Longest life that is believed of a token; the vendor says 24 hours.
const TOKEN_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// What is believed where the reply does not say.
const TOKEN_LIFE_UNSAID: Duration = Duration::from_secs(3600);

/// Zero is not taken; what the most is differs by model.
const TEMPERATURE: Rule = Rule::Clamp {
    min: "0.01",
    max: "2",
};

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("temperature", TEMPERATURE),
        ("n", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
    ],
    openai_only: false,
    ..COMMON
};

static DEPLOYED: Quirks = Quirks {
    fields: &[
        // It stands in the path.
        ("model", Rule::Lacks),
        ("temperature", TEMPERATURE),
        ("n", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("tools", Rule::Lacks),
        ("tool_choice", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
    ],
    stream_usage: StreamUsage::Always,
    ..QUIRKS
};

static MAAS_QUIRKS: Quirks = Quirks {
    openai_only: false,
    ..COMMON
};

impl Vendor for Pangu {
    fn info(&self) -> &'static VendorInfo {
        self.info
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&OpenAiLoose]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        parts.path = (self.path)(call, credential);
        match credential.auth {
            APP_CODE => insert_secret(&mut parts.headers, CODE, credential.api_key),
            SIGNED => {
                // Signed with the rest, so it must be there before.
                let kind = HeaderValue::from_static("application/json");
                parts.headers.insert(CONTENT_TYPE, kind);
                Ok(())
            }
            _ => {
                let token = call
                    .token
                    .ok_or_else(|| Fault::new(Kind::Bug).detail("no token was fetched"))?;
                insert_secret(&mut parts.headers, TOKEN, token)
            }
        }
    }

    fn sign(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        (path, body): (&str, &Rope),
        headers: &mut Headers,
    ) -> Result<(), Fault> {
        if credential.auth != SIGNED {
            return Ok(());
        }
        let date = sigv4::date(call.now_ms);
        insert_secret(headers, DATE, &date)?;
        if !credential.app_id.is_empty() {
            insert_secret(headers, PROJECT, credential.app_id)?;
        }
        if !credential.session_token.is_empty() {
            insert_secret(headers, SESSION, credential.session_token)?;
        }
        let kind = headers
            .get(&CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        // In the order of their names.
        let signed: Vec<(&str, &str)> = [
            ("content-type", kind.unwrap_or_default()),
            ("host", call.host),
            ("x-project-id", credential.app_id),
            ("x-sdk-date", &date),
            ("x-security-token", credential.session_token),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
        let signer = Signer {
            access_key: credential.api_key,
            secret_key: credential.secret_key,
        };
        let signed = Signed {
            method: "POST",
            path,
            headers: &signed,
            body,
        };
        let signature = sdk_hmac::authorization(&signer, &date, &signed);
        insert_secret(headers, AUTHORIZATION, &signature)
    }

    fn quirks(&self, _: &str) -> &'static Quirks {
        self.quirks
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        if head.status == 401 && root.and_then(blame::read).is_none() {
            return Some(Blame::Expired.fault(head, head.status, None));
        }
        openai_like::fault(head, root, blame)
    }

    fn hint(&self) -> &'static str {
        "`base_url` is the origin of the request URI that the console shows for the deployment, `app_id` the project's id. A HUAWEI ID gets no token: `api_key` is an IAM user's name, as `account/user`."
    }

    fn token_flow(&self) -> Option<&'static dyn TokenFlow> {
        Some(&Identity)
    }

    fn wants_token(&self, credential: &Credential<'_>) -> bool {
        ![APP_CODE, SIGNED].contains(&credential.auth)
    }

    fn renews(&self, credential: &Credential<'_>) -> bool {
        credential.auth != APP_CODE
    }
}

/// The cloud's identity service.
struct Identity;

impl TokenFlow for Identity {
    fn office(&self) -> Option<&'static str> {
        Some("https://iam.{region}.myhuaweicloud.com")
    }

    /// `api_key` is `account/user`, or the account's own user; the token is for the project of the region.
    fn request(&self, credential: &Credential<'_>) -> TokenRequest {
        let key = credential.api_key;
        let (account, user) = key.split_once('/').unwrap_or((key, key));
        let mut body = Vec::new();
        for (before, text) in [
            (
                r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"name":""#,
                account,
            ),
            (r#""},"name":""#, user),
            (r#"","password":""#, credential.secret_key),
            (r#""}}},"scope":{"project":{"name":""#, credential.region),
        ] {
            body.extend_from_slice(before.as_bytes());
            json::escape(text, &mut body);
        }
        body.extend_from_slice(br#""}}}}"#);
        TokenRequest {
            method: http::Method::POST,
            path_and_query: "/v3/auth/tokens".to_owned(),
            body: body.into(),
        }
    }

    fn read(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Result<Token, Fault> {
        let value = head
            .headers
            .get(&SUBJECT)
            .and_then(|value| value.to_str().ok());
        if let (200..=299, Some(value)) = (head.status, value.filter(|value| !value.is_empty())) {
            let end = root
                .and_then(|root| root.get("token")?.get("expires_at")?.as_str())
                .and_then(|end| calendar::rfc3339(&end));
            let lifetime = end.map_or(TOKEN_LIFE_UNSAID, |end| {
                let left = end.saturating_sub(head.now_ms.div_euclid(1000));
                Duration::from_secs(u64::try_from(left).unwrap_or(0)).min(TOKEN_LIFE_MAX)
            });
            return Ok(Token {
                value: value.to_owned(),
                lifetime,
            });
        }
        // A refusal of the credential in any of its words; anything else is an outage.
        let blame = match blame::by_status(head.status) {
            Some(Blame::Invalid | Blame::Permission | Blame::NoModel | Blame::Auth) => Blame::Auth,
            Some(other) => other,
            None => Blame::Failed,
        };
        Err(blame.fault(head, head.status, None))
    }
}

/// The number of a code like `PANGU.3267`, if it begins so.
fn number(told: &Told<'_>, before: &str) -> Option<u32> {
    let (word, number) = told.code.split_once('.')?;
    if !word.eq_ignore_ascii_case(before) {
        return None;
    }
    number.parse().ok()
}

/// By the code of Pangu, or of the gateway in front of it.
fn blame(status: u16, told: &Told<'_>) -> Option<Blame> {
    if let Some(blame) = blame_front(told) {
        return Some(blame);
    }
    match number(told, "PANGU") {
        Some(11 | 12) => Some(Blame::Expired),
        Some(10 | 3278 | 3306 | 3308 | 3317 | 3320 | 3321) => Some(Blame::Invalid),
        Some(3254) => Some(Blame::NoModel),
        Some(3267) => Some(Blame::Throttled),
        Some(3307 | 3315) => Some(Blame::Permission),
        Some(3318) => Some(Blame::ContextLength),
        Some(1 | 31 | 3259 | 3342) => Some(Blame::Failed),
        _ if status == 401 => Some(Blame::Expired),
        _ => None,
    }
}

/// What the cloud's gateway answers for a service behind it.
fn blame_front(told: &Told<'_>) -> Option<Blame> {
    let number = number(told, "APIG").or_else(|| number(told, "APIGW"))?;
    Some(match number {
        301 | 303 | 307 => Blame::Expired,
        308 => Blame::Throttled,
        203 => Blame::TimedOut,
        _ => return None,
    })
}

fn blame_maas(_: u16, told: &Told<'_>) -> Option<Blame> {
    if let Some(blame) = blame_front(told) {
        // A key does not run out.
        let expired = blame == Blame::Expired;
        return Some(if expired { Blame::Auth } else { blame });
    }
    let number = number(told, "ModelArts").or_else(|| told.code.parse().ok())?;
    Some(match number {
        81001 => blame::common(told).unwrap_or(Blame::Invalid),
        81002 | 81003 => Blame::Auth,
        81004 => Blame::Permission,
        81005 | 81006 => Blame::Quota,
        81009 => Blame::NoModel,
        81011 => Blame::ContentFilter,
        81101 | 81103 => Blame::Throttled,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
