//! vivo BlueLM: the current platform, OpenAI's dialect with an application's key and a request's id in the query.

use super::blame::{Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::auth::percent;
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "bluelm",
        default_base_url: Some("https://api-ai.vivo.com.cn/v1"),
        ..HOSTED
    },
    is_constant: |_| false,
    place: |call, _, parts| parts.query = format!("requestId={}", percent(call.request_id, b"")),
    quirks: |_| &QUIRKS,
    blame,
    ..GENERIC
};

static QUIRKS: Quirks = Quirks {
    fields: &[("metadata", Rule::Lacks)],
    openai_only: false,
    ..COMMON
};

/// By number, on any status.
pub(super) fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    Some(match told.code.parse::<u32>().ok()? {
        1001 => Blame::Invalid,
        1007 => Blame::ContentFilter,
        2001 | 2003 => Blame::Quota,
        30_001 if told.says(&["rate limit"]) => Blame::Throttled,
        30_001 => Blame::Permission,
        _ => return None,
    })
}
