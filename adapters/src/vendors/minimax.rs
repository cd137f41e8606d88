//! MiniMax: its OpenAI surface, and the native `chatcompletion_v2` under the same key. The first tells errors by status
//! with its own number at the end of the sentence; the second on status 200, in `base_resp`, and may repeat the whole
//! text in a last event.

use super::blame::{self, Blame, Told};
use super::openai_like::{GENERIC, HOSTED, OpenAiLike};
use crate::auth::percent;
use crate::dialects::openai_loose::OpenAiLoose;
use crate::operation::{LISTED_IMAGES, MINIMAX_VECTORS, Operation};
use crate::places::Asks;
use crate::quirks::{Added, COMMON, Quirks, Rule, When};
use crate::vendor::{Call, Credential, Parts, VendorInfo};

/// The OpenAI surface.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "minimax",
        default_base_url: Some(BASE),
        ..HOSTED
    },
    quirks,
    place,
    does: |_| BESIDE,
    blame,
    ..GENERIC
};

/// What it does beside chat.
static BESIDE: &[Operation] = &[
    Operation::new(Asks::Embed, "/embeddings", &MINIMAX_VECTORS).most(64),
    Operation::new(Asks::Image, "/image_generation", &LISTED_IMAGES),
];

/// Vectors are asked for in the name of a group, the provider's `app_id`.
fn place(call: &Call<'_>, credential: &Credential<'_>, parts: &mut Parts) {
    if call.asks == Asks::Embed && !credential.app_id.is_empty() {
        parts.query = format!("GroupId={}", percent(credential.app_id, b""));
    }
}

/// The native protocol.
pub(crate) static NATIVE: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "minimax-v2",
        default_base_url: Some(BASE),
        ..HOSTED
    },
    speaks: &[&OpenAiLoose],
    path: "/text/chatcompletion_v2",
    ..VENDOR
};

pub(super) const BASE: &str = "https://api.minimaxi.com/v1";

/// Without it thoughts stand between tags in the text.
const SPLIT: Added = Added {
    when: When::Always,
    name: "reasoning_split",
    raw: "true",
};
pub(super) const UNIT: Rule = Rule::Clamp {
    min: "0.01",
    max: "1",
};

fn quirks(model: &str) -> &'static Quirks {
    if model.starts_with("MiniMax-M3") {
        &M3
    } else if model.starts_with("MiniMax-M") {
        &M2
    } else {
        &CLASSIC
    }
}

static CLASSIC: Quirks = Quirks {
    fields: &[
        ("temperature", UNIT),
        ("top_p", UNIT),
        ("n", Rule::Lacks),
        // Passed over in silence.
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
    ],
    openai_only: false,
    ..COMMON
};

static M2: Quirks = Quirks {
    added: &[SPLIT],
    ..CLASSIC
};

static M3: Quirks = Quirks {
    fields: &[
        ("temperature", Rule::Clamp { min: "0", max: "2" }),
        ("top_p", UNIT),
        ("n", Rule::Lacks),
        ("presence_penalty", Rule::Lacks),
        ("frequency_penalty", Rule::Lacks),
        ("logit_bias", Rule::Lacks),
    ],
    ..M2
};

/// By number, wherever it stands; else by type.
pub(super) fn blame(_: u16, told: &Told<'_>) -> Option<Blame> {
    let number = told.code.parse::<u32>().ok().or_else(|| {
        let (_, last) = told.message.rsplit_once('(')?;
        last.strip_suffix(')')?.parse().ok()
    });
    let context = || told.says(&["context window", "context length"]);
    Some(match number {
        Some(1000 | 1013 | 1024 | 1033) => Blame::Failed,
        Some(1001) => Blame::TimedOut,
        Some(1039 | 2013) if context() => Blame::ContextLength,
        Some(1002 | 1039 | 1041 | 2045 | 2062) => Blame::Throttled,
        Some(1004 | 2049) => Blame::Auth,
        Some(1008 | 2056) => Blame::Quota,
        Some(1026 | 1027) => Blame::ContentFilter,
        Some(2013) if told.says(&["unknown model"]) => Blame::NoModel,
        Some(1042 | 2013) => return blame::common(told).or(Some(Blame::Invalid)),
        _ if told.is(&["authorized_error"]) => Blame::Auth,
        _ if told.is(&["insufficient_balance_error"]) => Blame::Quota,
        _ if told.is(&["bad_request_error"]) => {
            return blame::common(told).or(Some(Blame::Invalid));
        }
        _ => return None,
    })
}
