//! Azure OpenAI: a deployment is the model. A base URL that ends in `/openai/v1` is the current surface; any other is a
//! resource's origin, where the deployment stands in the path and the version of the API in the query. The key has a
//! header of its own; `auth: bearer` is for a token of Entra.

use http::header::HeaderName;
use wire::{Fault, Headers};

use super::blame::{Blame, Told};
use super::openai;
use super::openai_like::{GENERIC, HOSTED, OpenAiLike, bearer, insert_secret};
use crate::auth::percent;
use crate::dialect::DialectId;
use crate::dialects::openai_chat::OpenAiChat;
use crate::dialects::responses::Responses;
use crate::operation::{MEDIA, Operation, VECTORS};
use crate::places::Asks;
use crate::vendor::{Call, Credential, Parts, VendorInfo};

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "azure-openai",
        auth_modes: &["api-key", BEARER],
        ..HOSTED
    },
    speaks: &[&OpenAiChat, &Responses],
    place,
    sign,
    quirks: openai::quirks,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &VECTORS).most(2048),
    Operation::media(Asks::Image, "/images/generations", &MEDIA),
    Operation::media(Asks::Speak, "/audio/speech", &MEDIA),
    Operation::media(Asks::Transcribe, "/audio/transcriptions", &MEDIA),
    Operation::media(Asks::Translate, "/audio/translations", &MEDIA),
];

const BEARER: &str = "bearer";
/// The version of the API that is asked for in the classic form: the newest that is generally available.
const API_VERSION: &str = "api-version=2024-10-21";

fn place(call: &Call<'_>, _: &Credential<'_>, parts: &mut Parts) {
    if call.base_path.trim_end_matches('/').ends_with("/v1") {
        return;
    }
    if call.dialect == DialectId::Responses {
        // Only the current surface has them; it lies on the same origin, and there the deployment stands in the body.
        "/openai/v1/responses".clone_into(&mut parts.path);
        return;
    }
    let deployment = percent(call.model, b"");
    parts.path = format!("/openai/deployments/{deployment}{}", parts.path);
    API_VERSION.clone_into(&mut parts.query);
}

fn sign(call: &Call<'_>, credential: &Credential<'_>, headers: &mut Headers) -> Result<(), Fault> {
    if credential.auth == BEARER {
        return bearer(call, credential, headers);
    }
    let name = HeaderName::from_static("api-key");
    insert_secret(headers, name, credential.api_key)
}

fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    told.is(&["deploymentnotfound"]).then_some(Blame::NoModel)
}
