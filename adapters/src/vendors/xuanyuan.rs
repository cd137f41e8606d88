//! Du Xiaoman XuanYuan: open weights behind a compatible runtime. Text only, no tools, no reasoning.
//!
//! The weights' template is `{system}Human: {user} Assistant:{answer}</s>`, one space behind each user turn; some of them
//! ship none in `tokenizer_config.json`, and then the runtime must be given one (`vllm serve --chat-template FILE`).
//! Their card holds the default system text. Contexts are short: 4K to 8K, some 16K.

use super::openai_like::{GENERIC, OpenAiLike, RUNTIME};
use crate::matrix::REASONING;
use crate::quirks::{Added, Quirks, Rule, When};
use crate::vendor::VendorInfo;

/// The vendor.
pub(crate) static VENDOR: OpenAiLike = OpenAiLike {
    info: &VendorInfo {
        name: "xuanyuan",
        ..RUNTIME
    },
    path: "/v1/chat/completions",
    quirks: |_| &QUIRKS,
    hint: "some weights ship no chat template in tokenizer_config.json: serve them with one (vllm serve --chat-template FILE), `{system}Human: {user} Assistant:{answer}</s>`; contexts are 4K to 16K",
    ..GENERIC
};

/// The end of a turn, and a guard against the model's going on as the user.
const STOP: Added = Added {
    when: When::Always,
    name: "stop",
    raw: r#"["</s>","Human:"]"#,
};

static QUIRKS: Quirks = Quirks {
    added: &[STOP],
    ..PLAIN_TEXT
};

/// Of older models behind a runtime: text in, text out.
pub(super) const PLAIN_TEXT: Quirks = Quirks {
    fields: &[
        ("tools", Rule::Lacks),
        ("tool_choice", Rule::Lacks),
        ("parallel_tool_calls", Rule::Lacks),
        ("functions", Rule::Lacks),
        ("function_call", Rule::Lacks),
        ("reasoning_effort", Rule::Lacks),
        ("metadata", Rule::Lacks),
    ],
    openai_only: false,
    flat_text: true,
    text_only: true,
    functions_are_tools: false,
    replies_lack: &[REASONING],
    ..crate::quirks::COMMON
};
