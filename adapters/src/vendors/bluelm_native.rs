//! vivo BlueLM's own models on the native protocol: each request signed with the application's id and key.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderName;
use wire::Fault;
use wire::json::Value;

use super::openai_like::{self, HOSTED};
use crate::auth::{digest_of, percent, uuid_of};
use crate::dialect::Dialect;
use crate::dialects::bluelm_native::BlueLm;
use crate::matrix::{PARALLEL, REASONING};
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo, join_path};

/// The vendor.
pub(crate) static VENDOR: Native = Native;

/// The vendor.
pub(crate) struct Native;

static INFO: VendorInfo = VendorInfo {
    name: "bluelm-native",
    default_base_url: Some("https://api-ai.vivo.com.cn"),
    needs_app_id: true,
    ..HOSTED
};

static QUIRKS: Quirks = Quirks {
    fields: &[
        ("max_tokens", Rule::Rename("max_new_tokens")),
        ("tools", Rule::Lacks),
        ("tool_choice", Rule::Lacks),
        ("response_format", Rule::Lacks),
        ("stop", Rule::Lacks),
        ("n", Rule::Lacks),
        ("seed", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
        ("logprobs", Rule::Lacks),
        ("top_logprobs", Rule::Lacks),
        ("user", Rule::Lacks),
        ("metadata", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
    ],
    openai_only: false,
    replies_lack: &[REASONING, PARALLEL],
    ..COMMON
};

/// Characters of the nonce: lower-case letters and digits.
const NONCE: usize = 8;
const SIGNED: &str = "x-ai-gateway-app-id;x-ai-gateway-timestamp;x-ai-gateway-nonce";

impl Vendor for Native {
    fn info(&self) -> &'static VendorInfo {
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&BlueLm]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        parts.path = if call.stream {
            "/vivogpt/completions/stream".to_owned()
        } else {
            "/vivogpt/completions".to_owned()
        };
        let id = uuid_of(&[call.request_id, call.model]);
        parts.query = format!("requestId={}", percent(&id, b""));
        let path = join_path(call.base_path, &parts.path);
        let nonce = nonce(call);
        let signed = Signed {
            path: &path,
            query: &parts.query,
            time_s: call.now_ms / 1000,
            nonce: &nonce,
        };
        let signature = signed.signature(credential);
        let time = signed.time_s.to_string();
        for (name, value) in [
            ("x-ai-gateway-app-id", credential.app_id),
            ("x-ai-gateway-timestamp", &time),
            ("x-ai-gateway-nonce", &nonce),
            ("x-ai-gateway-signed-headers", SIGNED),
            ("x-ai-gateway-signature", &signature),
        ] {
            let name = HeaderName::from_static(name);
            openai_like::insert_secret(&mut parts.headers, name, value)?;
        }
        Ok(())
    }

    fn quirks(&self, _: &str) -> &'static Quirks {
        &QUIRKS
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        openai_like::fault(head, root, super::bluelm::blame)
    }
}

/// Different for each request; the same request signed again at another time differs by its time.
fn nonce(call: &Call<'_>) -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let digest = digest_of(&[call.request_id, call.model, "nonce"]);
    let letters = digest.iter().take(NONCE).map(|byte| {
        let letter = LETTERS.get(usize::from(byte & 31));
        char::from(letter.copied().unwrap_or(b'0'))
    });
    letters.collect()
}

/// What is signed; the body is not.
struct Signed<'a> {
    path: &'a str,
    query: &'a str,
    time_s: i64,
    nonce: &'a str,
}

impl Signed<'_> {
    fn signature(&self, credential: &Credential<'_>) -> String {
        let (app, time, nonce) = (credential.app_id, self.time_s, self.nonce);
        let text = format!(
            "POST\n{}\n{}\n{app}\n{time}\nx-ai-gateway-app-id:{app}\nx-ai-gateway-timestamp:{time}\nx-ai-gateway-nonce:{nonce}",
            self.path, self.query
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, credential.api_key.as_bytes());
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_vectors() {
        let credential = Credential {
            api_key: "VIVO_TEST_KEY_01",
            secret_key: "",
            app_id: "1080000001",
            session_token: "",
            region: "",
            auth: "",
        };
        for (path, want) in [
            (
                "/vivogpt/completions",
                "9jAEiivhuWp7de/4Bu1Gh41Df2ZderBVcTswTC9sbfQ=",
            ),
            (
                "/vivogpt/completions/stream",
                "HqGS8+axnyfg17xf3OTZIbERbhh5f094cM4J9SfMWmc=",
            ),
        ] {
            let signed = Signed {
                path,
                query: "requestId=11111111-2222-4333-8444-555555555555",
                time_s: 1_735_689_600,
                nonce: "k3x9p0qz",
            };
            assert_eq!(signed.signature(&credential), want);
        }
    }
}
