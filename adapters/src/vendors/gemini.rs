//! Google's Gemini, and what serves its dialect as it does: Vertex AI's paths with a token of one's own.

use std::time::Duration;

use wire::Fault;
use wire::json::{Type, Value};

use super::blame::{self, Blame};
use super::openai_like::{HOSTED, bearer, insert_secret};
use crate::auth::percent;
use crate::dialect::Dialect;
use crate::dialects::gemini::{Gemini as Spoken, KEY, is_resource};
use crate::operation::{GEMINI_VECTORS, Operation};
use crate::places::Asks;
use crate::quirks::{Messages, PLAIN, Quirks, Sampling, Thinks};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// The vendor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gemini;

/// Registered.
pub(crate) static VENDOR: Gemini = Gemini;

static INFO: VendorInfo = VendorInfo {
    name: "gemini",
    default_base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
    auth_modes: &["x-goog-api-key", "bearer"],
    ..HOSTED
};

/// Its place has the model's name in it: [`Gemini::prepare`] makes it.
static VECTORS: Operation =
    Operation::new(Asks::Embed, "/models", &GEMINI_VECTORS).most(VECTORS_MAX);
/// Contents of one call (the vendor's own bound).
const VECTORS_MAX: usize = 100;

impl Vendor for Gemini {
    fn info(&self) -> &'static VendorInfo {
        &INFO
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        &[&Spoken]
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        let verb = match (call.asks, call.stream) {
            (Asks::Count, _) => "countTokens",
            (Asks::Embed, _) => "batchEmbedContents",
            (_, true) => "streamGenerateContent",
            (_, false) => "generateContent",
        };
        // A base that names a version, and perhaps a project, is complete.
        let version = if has_version(call.base_path) {
            ""
        } else {
            "/v1beta"
        };
        let kind = if is_resource(call.model) {
            ""
        } else {
            "models/"
        };
        let model = percent(call.model, b"/");
        parts.path = format!("{version}/{kind}{model}:{verb}");
        if verb == "streamGenerateContent" {
            "alt=sse".clone_into(&mut parts.query);
        }
        if credential.auth == "bearer" {
            bearer(call, credential, &mut parts.headers)
        } else {
            insert_secret(&mut parts.headers, KEY, credential.api_key)
        }
    }

    fn is_constant(&self, _: &Credential<'_>) -> bool {
        true
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        let row = MODELS.iter().find(|(begins, _)| model.starts_with(begins));
        row.map_or(&NEWEST, |(_, quirks)| quirks)
    }

    fn operation(&self, asks: Asks, _: &str) -> Option<&'static Operation> {
        (asks == Asks::Embed).then_some(&VECTORS)
    }

    fn counts(&self) -> bool {
        true
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        let by_head = blame::by_status(head.status);
        // Where a stream was asked for, the error may stand in a list.
        let root = root.map(|root| root.elements().next().unwrap_or(root));
        let error = root
            .and_then(|root| root.get("error"))
            .filter(|error| error.kind() == Type::Object);
        let Some(error) = error else {
            return Some(by_head?.fault(head, head.status, None));
        };
        let mut told = root.and_then(blame::read).unwrap_or_default();
        // In mid-stream the status is that of the head, which was good.
        let status = match by_head {
            Some(_) => head.status,
            None => told.status.unwrap_or(500),
        };
        let word = error.get("status").and_then(|word| word.as_str());
        told.kind = word.unwrap_or_default();
        let has_reason = |reason: &str| {
            details(error).any(|one| one.get("reason").is_some_and(|one| one.is_named(reason)))
        };
        let blame = match &*told.kind {
            _ if has_reason("API_KEY_INVALID") => Blame::Auth,
            _ if has_reason("PROMPT_BLOCKED") => Blame::ContentFilter,
            "INVALID_ARGUMENT" if told.says(TOO_LONG) => Blame::ContextLength,
            "INVALID_ARGUMENT" | "OUT_OF_RANGE" => Blame::Invalid,
            // The region, or billing that is not set up.
            "FAILED_PRECONDITION" | "PERMISSION_DENIED" => Blame::Permission,
            "UNAUTHENTICATED" => Blame::Auth,
            "NOT_FOUND" => Blame::NoModel,
            "RESOURCE_EXHAUSTED" if status == 402 || is_daily(error) => Blame::Quota,
            "RESOURCE_EXHAUSTED" => Blame::Throttled,
            "UNAVAILABLE" => Blame::Overloaded,
            "DEADLINE_EXCEEDED" => Blame::TimedOut,
            "INTERNAL" | "UNKNOWN" | "CANCELLED" | "ABORTED" => Blame::Failed,
            _ => blame::by_status(status).unwrap_or(Blame::Failed),
        };
        let fault = blame.fault(head, status, Some(&told));
        Some(match wait(error).filter(|_| blame == Blame::Throttled) {
            Some(wait) if fault.come_back().is_none() => fault.retry_after(wait),
            _ => fault,
        })
    }
}

/// Whether some step of a path is a version: `v1`, `v1beta`.
fn has_version(base: &str) -> bool {
    base.split('/').any(|step| {
        step.strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    })
}

/// Sentences by which a prompt that is too long is told.
const TOO_LONG: &[&str] = &[
    "input token count",
    "token count exceeds",
    "exceeds the maximum number of tokens",
];

fn details<'a>(error: Value<'a>) -> impl Iterator<Item = Value<'a>> {
    let details = error.get("details");
    details.into_iter().flat_map(|details| details.elements())
}

/// Whether what is used up is a day's: waiting seconds does not help.
fn is_daily(error: Value<'_>) -> bool {
    let violations = details(error).filter_map(|one| one.get("violations"));
    let mut ids = violations
        .flat_map(|all| all.elements())
        .filter_map(|one| one.get("quotaId")?.as_str());
    ids.any(|id| id.contains("PerDay"))
}

/// When to come back: `retryDelay`, in seconds, perhaps with a fraction.
fn wait(error: Value<'_>) -> Option<Duration> {
    /// Longest wait that is believed.
    const WAIT_MAX_S: f64 = 86_400.0;
    let delay = details(error).find_map(|one| one.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    (0.0..=WAIT_MAX_S)
        .contains(&seconds)
        .then(|| Duration::from_secs_f64(seconds))
}

const fn model(thinks: Thinks) -> Quirks {
    Quirks {
        messages: Messages {
            output_max: 8192,
            sampling: Sampling::Both,
            thinks,
        },
        ..PLAIN
    }
}

/// By the beginning of a model's name: how it is asked to think (`dialects/mapping.md`, section 1). Those that are asked by
/// a word are also those that want their calls signed.
static MODELS: [(&str, Quirks); 4] = [
    ("gemini-1", model(Thinks::Never)),
    ("gemini-2.0", model(Thinks::Never)),
    ("gemini-2.5", model(Thinks::Budget)),
    ("gemma", model(Thinks::Never)),
];

/// What is not known is taken for the newest.
static NEWEST: Quirks = model(Thinks::Adaptive);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectId;

    #[test]
    fn paths() {
        let path = |base_path: &str, model: &str, stream: bool, asks: Asks| {
            let call = Call {
                model,
                stream,
                dialect: DialectId::Gemini,
                asks,
                multimodal: false,
                cap: None,
                request_id: "r",
                now_ms: 0,
                token: None,
                host: "h",
                base_path,
            };
            let credential = Credential {
                api_key: "AIza-fake",
                secret_key: "",
                app_id: "",
                session_token: "",
                region: "",
                auth: "",
            };
            let mut parts = Parts::default();
            Gemini.prepare(&call, &credential, &mut parts).unwrap();
            assert_eq!(parts.headers.get("x-goog-api-key").unwrap(), "AIza-fake");
            assert!(!format!("{:?}", parts.headers).contains("AIza"));
            (parts.path, parts.query)
        };
        assert_eq!(
            path("/v1beta", "gemini-x", true, Asks::Reply),
            (
                "/models/gemini-x:streamGenerateContent".into(),
                "alt=sse".into()
            )
        );
        assert_eq!(
            path("", "gemini-x", false, Asks::Reply).0,
            "/v1beta/models/gemini-x:generateContent"
        );
        assert_eq!(
            path(
                "/v1/projects/p/locations/l/publishers/google",
                "a?b",
                true,
                Asks::Count
            ),
            ("/models/a%3Fb:countTokens".into(), String::new())
        );
        assert_eq!(
            path("/v1beta", "tunedModels/t", false, Asks::Reply).0,
            "/tunedModels/t:generateContent"
        );
    }

    #[test]
    fn models_are_told_apart() {
        let of = |name: &str| Gemini.quirks(name).messages.thinks;
        assert_eq!(of("gemini-2.0-flash"), Thinks::Never);
        assert_eq!(of("gemini-2.5-pro"), Thinks::Budget);
        assert_eq!(of("gemini-3-pro"), Thinks::Adaptive);
    }
}
