//! Amazon Bedrock, by Converse: the model in the path, requests signed with their body, streams in frames of its own.

use std::borrow::Cow;

use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use wire::json::{Type, Value};
use wire::{Fault, Headers, Kind, Rope};

use super::blame::{self, Blame, Told};
use super::openai_like::{HOSTED, bearer, insert_secret};
use crate::auth::percent;
use crate::auth::sigv4::{self, Signed, Signer};
use crate::dialect::Dialect;
use crate::dialects::converse::Converse;
use crate::quirks::{Messages, PLAIN, Quirks, Rule, Sampling, Thinks};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// The vendor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bedrock;

/// Registered.
pub(crate) static VENDOR: Bedrock = Bedrock;

static INFO: VendorInfo = VendorInfo {
    name: "bedrock",
    default_base_url: Some("https://bedrock-runtime.{region}.amazonaws.com"),
    needs_secret_key: true,
    needs_region: true,
    auth_modes: &["sigv4", "bearer"],
    ..HOSTED
};

/// The service, as signatures name it.
const SERVICE: &str = "bedrock";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION: HeaderName = HeaderName::from_static("x-amz-security-token");
const EVENTS: HeaderValue = HeaderValue::from_static("application/vnd.amazon.eventstream");
const ERROR_TYPE: &str = "x-amzn-errortype";

impl Vendor for Bedrock {
    fn info(&self) -> &'static VendorInfo {
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&Converse]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        let verb = if call.stream {
            parts.headers.insert(ACCEPT, EVENTS);
            "converse-stream"
        } else {
            "converse"
        };
        parts.path = format!("/model/{}/{verb}", percent(call.model, b""));
        if credential.auth == "bearer" {
            return bearer(call, credential, &mut parts.headers);
        }
        Ok(())
    }

    fn sign(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        (path, body): (&str, &Rope),
        headers: &mut Headers,
    ) -> Result<(), Fault> {
        if credential.auth == "bearer" {
            return Ok(());
        }
        let bug = |_| Fault::new(Kind::Bug).detail("a date that no header can hold");
        let date = sigv4::date(call.now_ms);
        headers.insert(DATE, HeaderValue::from_str(&date).map_err(bug)?);
        // In the order of their names.
        let mut signed = vec![("host", call.host), ("x-amz-date", &date)];
        if !credential.session_token.is_empty() {
            insert_secret(headers, SESSION, credential.session_token)?;
            signed.push(("x-amz-security-token", credential.session_token));
        }
        let signer = Signer {
            access_key: credential.api_key,
            secret_key: credential.secret_key,
            region: credential.region,
            service: SERVICE,
        };
        let signed = Signed {
            method: "POST",
            path,
            headers: &signed,
            body,
        };
        let signature = sigv4::authorization(&signer, &date, &signed);
        insert_secret(headers, AUTHORIZATION, &signature)
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        let thinks = THINKING.iter().any(|part| model.contains(part));
        if thinks { &THINKS } else { &USUAL }
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        let by_head = blame::by_status(head.status);
        let root = root.filter(|root| root.kind() == Type::Object);
        let exception = root.and_then(|root| root.get("exception"));
        if by_head.is_none() && exception.is_none() {
            return None;
        }
        let told_of = |holder: Value<'_>, name: &str| {
            let text = holder.get(name).and_then(|text| text.as_str());
            text.map(|text| text.into_owned())
        };
        let by_header = head
            .headers
            .get(&ERROR_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = match exception {
            Some(exception) => told_of(exception, "type"),
            None => by_header
                .map(str::to_owned)
                .or_else(|| root.and_then(|root| told_of(root, "__type"))),
        };
        let kind = kind.unwrap_or_default();
        // `com.amazon.coral#ThrottlingException:http://…`
        let kind = kind.split(':').next().unwrap_or_default();
        let kind = kind.rsplit('#').next().unwrap_or_default();
        let body = exception
            .and_then(|exception| exception.get("body"))
            .or(root);
        let message = ["message", "Message"]
            .iter()
            .find_map(|name| body.and_then(|body| told_of(body, name)));
        let told = Told {
            kind: Cow::Borrowed(kind),
            message: message.unwrap_or_default().into(),
            ..Told::default()
        };
        let row = KINDS
            .iter()
            .find(|(known, ..)| kind.eq_ignore_ascii_case(known));
        let blame = match row {
            Some((_, Blame::Invalid, _)) if told.says(TOO_LONG) => Blame::ContextLength,
            Some((_, blame, _)) => *blame,
            None => by_head.unwrap_or(Blame::Failed),
        };
        // In mid-stream the status is that of the head, which was good.
        let status = match (by_head, row) {
            (Some(_), _) => head.status,
            (None, Some((_, _, status))) => *status,
            (None, None) => 500,
        };
        Some(blame.fault(head, status, Some(&told)))
    }
}

/// Sentences by which a prompt that is too long is told.
const TOO_LONG: &[&str] = &[
    "too long",
    "too many tokens",
    "maximum tokens",
    "context length",
];

/// Exceptions, what they mean, and the status that goes with those that come inside a stream.
const KINDS: [(&str, Blame, u16); 17] = [
    ("ValidationException", Blame::Invalid, 400),
    ("AccessDeniedException", Blame::Permission, 403),
    ("UnrecognizedClientException", Blame::Auth, 403),
    ("InvalidSignatureException", Blame::Auth, 403),
    ("IncompleteSignatureException", Blame::Auth, 403),
    ("MissingAuthenticationTokenException", Blame::Auth, 403),
    ("ExpiredTokenException", Blame::Auth, 403),
    ("ResourceNotFoundException", Blame::NoModel, 404),
    ("ModelTimeoutException", Blame::TimedOut, 408),
    ("ModelErrorException", Blame::Failed, 424),
    ("ModelStreamErrorException", Blame::Failed, 424),
    ("ThrottlingException", Blame::Throttled, 429),
    ("ModelNotReadyException", Blame::Overloaded, 429),
    ("ServiceQuotaExceededException", Blame::Quota, 400),
    ("InternalServerException", Blame::Failed, 500),
    ("InternalFailure", Blame::Failed, 500),
    ("ServiceUnavailableException", Blame::Overloaded, 503),
];

const fn model(thinks: Thinks) -> Quirks {
    Quirks {
        fields: &[
            ("temperature", Rule::Clamp { min: "0", max: "1" }),
            ("topP", Rule::Clamp { min: "0", max: "1" }),
        ],
        messages: Messages {
            output_max: 8192,
            sampling: Sampling::Both,
            thinks,
        },
        ..PLAIN
    }
}

/// What stands in the names of models that think by a budget, under whatever inference profile.
const THINKING: [&str; 4] = [
    "claude-3-7-",
    "claude-opus-4-",
    "claude-sonnet-4-",
    "claude-haiku-4-",
];

static THINKS: Quirks = model(Thinks::Budget);
static USUAL: Quirks = model(Thinks::Never);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectId;
    use crate::places::Asks;
    use bytes::Bytes;

    fn signed(auth: &str, session_token: &str) -> (String, Headers) {
        let call = Call {
            cap: None,
            model: "anthropic.claude-test-v1:0",
            stream: false,
            dialect: DialectId::Converse,
            asks: Asks::Reply,
            multimodal: false,
            request_id: "r",
            now_ms: 1_735_689_600_000,
            token: None,
            host: "bedrock-runtime.us-east-1.amazonaws.com",
            base_path: "",
        };
        let credential = Credential {
            api_key: "AKIDEXAMPLE",
            secret_key: "TESTSECRETKEY0001",
            app_id: "",
            session_token,
            region: "us-east-1",
            auth,
        };
        let mut parts = Parts::default();
        Bedrock.prepare(&call, &credential, &mut parts).unwrap();
        let body = Rope::from(Bytes::from_static(b"{}"));
        let place = (parts.path.as_str(), &body);
        Bedrock
            .sign(&call, &credential, place, &mut parts.headers)
            .unwrap();
        assert!(!format!("{:?}", parts.headers).contains("AKIDEXAMPLE"));
        (parts.path, parts.headers)
    }

    #[test]
    fn requests_are_signed_or_carry_a_key() {
        let (path, headers) = signed("", "");
        assert_eq!(path, "/model/anthropic.claude-test-v1%3A0/converse");
        assert_eq!(headers.get("x-amz-date").unwrap(), "20250101T000000Z");
        let signature = headers.get("authorization").unwrap().to_str().unwrap();
        assert!(
            signature.contains("SignedHeaders=host;x-amz-date,"),
            "{signature}"
        );
        let (_, temporary) = signed("sigv4", "FwoGZXIvYXdzEXAMPLE");
        assert_eq!(
            temporary.get("x-amz-security-token").unwrap(),
            "FwoGZXIvYXdzEXAMPLE"
        );
        let other = temporary.get("authorization").unwrap().to_str().unwrap();
        assert!(other.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
        assert_ne!(other.rsplit('=').next(), signature.rsplit('=').next());
        let (_, bearer) = signed("bearer", "");
        assert_eq!(bearer.get("authorization").unwrap(), "Bearer AKIDEXAMPLE");
        assert!(bearer.get("x-amz-date").is_none());
    }

    #[test]
    fn models_are_told_apart() {
        let of = |name: &str| Bedrock.quirks(name).messages.thinks;
        assert_eq!(
            of("us.anthropic.claude-sonnet-4-20250514-v1:0"),
            Thinks::Budget
        );
        assert_eq!(of("anthropic.claude-3-haiku-20240307-v1:0"), Thinks::Never);
        assert_eq!(of("amazon.nova-pro-v1:0"), Thinks::Never);
    }
}
