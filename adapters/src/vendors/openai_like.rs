//! What vendors that speak OpenAI's dialect share: a path, a bearer key, errors in the usual shapes.
//!
//! Each of them is one constant of [`OpenAiLike`] in a file of its own. Knows none of them.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use wire::json::Value;
use wire::{Fault, Headers};

use super::blame::{self, Blame, Told};
use crate::dialect::{Dialect, DialectId};
use crate::dialects::completions::Completions;
use crate::dialects::openai_chat::OpenAiChat;
use crate::operation::Operation;
use crate::places::Asks;
use crate::quirks::{COMMON, Quirks};
use crate::vendor::{Call, Credential, Head, Parts, Vendor, VendorInfo};

/// A vendor as data.
pub(crate) struct OpenAiLike {
    /// Facts for the config.
    pub info: &'static VendorInfo,
    /// OpenAI's dialect, or the loose one.
    pub speaks: &'static [&'static dyn Dialect],
    /// Path of chat completions after the base path.
    pub path: &'static str,
    /// What the path and the query must have beyond that.
    pub place: fn(&Call<'_>, &Credential<'_>, &mut Parts),
    /// Authentication and other headers.
    pub sign: fn(&Call<'_>, &Credential<'_>, &mut Headers) -> Result<(), Fault>,
    /// As [`Vendor::renews`].
    pub renews: fn(&Credential<'_>) -> bool,
    /// As [`Vendor::is_constant`].
    pub is_constant: fn(&Credential<'_>) -> bool,
    /// What it does beside chat, by model.
    pub does: fn(&str) -> &'static [Operation],
    /// By model.
    pub quirks: fn(&str) -> &'static Quirks,
    /// The vendor's own codes (status, error); `None`: what is common holds.
    pub blame: fn(u16, &Told<'_>) -> Option<Blame>,
    /// For whoever serves it; empty if there is nothing special.
    pub hint: &'static str,
}

/// A vendor of which nothing is known but its dialect.
pub(crate) const GENERIC: OpenAiLike = OpenAiLike {
    info: &HOSTED,
    speaks: &[&OpenAiChat],
    path: "/chat/completions",
    place: |_, _, _| {},
    sign: bearer,
    renews: |_| false,
    is_constant: |_| true,
    does: |_| &[],
    quirks: |_| &COMMON_QUIRKS,
    blame: |_, _| None,
    hint: "",
};

/// What runtimes speak: prompts may go on as they are, where a client asks so.
pub(crate) const RUNTIMES_SPEAK: &[&dyn Dialect] = &[&OpenAiChat, &Completions];

/// What the config must know of a vendor with a key and a fixed place.
pub(crate) const HOSTED: VendorInfo = VendorInfo {
    name: "",
    default_base_url: None,
    needs_api_key: true,
    needs_secret_key: false,
    needs_region: false,
    needs_app_id: false,
    self_hosted: false,
    auth_modes: &[],
    websocket: false,
};

/// What the config must know of a runtime of one's own.
pub(crate) const RUNTIME: VendorInfo = VendorInfo {
    needs_api_key: false,
    self_hosted: true,
    ..HOSTED
};

static COMMON_QUIRKS: Quirks = COMMON;

impl Vendor for OpenAiLike {
    fn info(&self) -> &'static VendorInfo {
        self.info
    }

    fn speaks(&self) -> &'static [&'static dyn Dialect] {
        self.speaks
    }

    fn prepare(
        &self,
        call: &Call<'_>,
        credential: &Credential<'_>,
        parts: &mut Parts,
    ) -> Result<(), Fault> {
        match self.operation(call.asks, call.model) {
            Some(operation) => operation.place(parts),
            None => parts.path = path_of(self.path, call.dialect),
        }
        (self.place)(call, credential, parts);
        (self.sign)(call, credential, &mut parts.headers)
    }

    fn is_constant(&self, credential: &Credential<'_>) -> bool {
        (self.is_constant)(credential)
    }

    fn operation(&self, asks: Asks, model: &str) -> Option<&'static Operation> {
        (self.does)(model).iter().find(|one| one.asks == asks)
    }

    fn quirks(&self, model: &str) -> &'static Quirks {
        (self.quirks)(model)
    }

    fn fault(&self, head: &Head<'_>, root: Option<Value<'_>>) -> Option<Fault> {
        fault(head, root, self.blame)
    }

    fn renews(&self, credential: &Credential<'_>) -> bool {
        (self.renews)(credential)
    }

    /// It stands beside the chat completions, where those have their usual place.
    fn listing(&self) -> Option<&'static str> {
        match self.path {
            "/chat/completions" => Some("/models"),
            "/v1/chat/completions" => Some("/v1/models"),
            _ => None,
        }
    }

    fn hint(&self) -> &'static str {
        self.hint
    }
}

/// The path of a dialect, beside that of chat completions.
fn path_of(chat: &str, dialect: DialectId) -> String {
    let beside = |own: &str| {
        let base = chat.strip_suffix("/chat/completions").unwrap_or_default();
        [base, own].concat()
    };
    match dialect {
        DialectId::Responses => beside("/responses"),
        DialectId::Completions => beside("/completions"),
        _ => chat.to_owned(),
    }
}

/// `Authorization: Bearer`; nothing where there is no key.
pub(crate) fn bearer(
    _: &Call<'_>,
    credential: &Credential<'_>,
    headers: &mut Headers,
) -> Result<(), Fault> {
    if credential.api_key.is_empty() {
        return Ok(());
    }
    insert(
        headers,
        AUTHORIZATION,
        HeaderValue::try_from(["Bearer ", credential.api_key].concat()),
    )
}

/// A header whose value no log may show.
///
/// # Errors
/// That of [`blame::unusable`]: the credential holds bytes that no header may.
pub(crate) fn insert_secret(
    headers: &mut Headers,
    name: HeaderName,
    value: &str,
) -> Result<(), Fault> {
    insert(headers, name, HeaderValue::from_str(value))
}

fn insert<E>(
    headers: &mut Headers,
    name: HeaderName,
    value: Result<HeaderValue, E>,
) -> Result<(), Fault> {
    let mut value = value.map_err(|_| blame::unusable("it holds characters that no header can"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// The fault of a reply, or of an event of a stream, by the vendor's own codes, then the common ones, then the status.
pub(crate) fn fault(
    head: &Head<'_>,
    root: Option<Value<'_>>,
    own: fn(u16, &Told<'_>) -> Option<Blame>,
) -> Option<Fault> {
    let by_head = blame::by_status(head.status);
    if by_head.is_none() && root.is_some_and(blame::is_silent) {
        return None;
    }
    // A response that failed holds its error.
    let failed = |root: &Value<'_>| root.get("error").is_some_and(|error| !error.is_null());
    let root = root.map(|root| root.get("response").filter(failed).unwrap_or(root));
    let told = root.and_then(|root| {
        // On a success, a sentence where the reply should be.
        let bare = || match by_head {
            Some(_) => blame::bare(root),
            None if ["choices", "code"]
                .iter()
                .any(|name| root.get(name).is_some()) =>
            {
                None
            }
            None => blame::bare(root),
        };
        blame::read(root).or_else(bare)
    });
    let Some(told) = told else {
        return Some(by_head?.fault(head, head.status, None));
    };
    // An error on status 200 may carry its status inside.
    let status = if by_head.is_none() {
        told.status.unwrap_or(head.status)
    } else {
        head.status
    };
    let blame = own(status, &told)
        .or_else(|| blame::common(&told))
        .or_else(|| blame::by_status(status))
        .unwrap_or_else(|| {
            if told.is(&["invalid_request_error", "badrequesterror"]) {
                Blame::Invalid
            } else {
                Blame::Failed
            }
        });
    Some(blame.fault(head, status, Some(&told)))
}
