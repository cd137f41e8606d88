//! LMDeploy, self-hosted. Errors stand flat at the top, in streams inside `error`.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use crate::quirks::{COMMON, Quirks, Rule};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "lmdeploy",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    ..GENERIC
};

static QUIRKS: Quirks = Quirks {
    fields: &[
        (
            "reasoning_effort",
            Rule::Words(&[("none", "low"), ("minimal", "low"), ("xhigh", "max")]),
        ),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    ..COMMON
};
