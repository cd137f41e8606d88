//! Systems that have no public service, as a runtime with their weights answers: 轩辕, MiniCPM, 式说, 奇智孔明, MedGPT. They
//! speak as vLLM does, without reasoning of their own field names; the older ones have a template for text alone.

use super::chat::Profile;
use super::read::{self, LENIENT, Rules};
use super::runtimes::{BAD, VLLM};
use super::{Trouble, Voice};
use crate::plan::Ask;
use serde_json::Value;

pub(crate) static XUANYUAN: Profile = Profile {
    name: "xuanyuan",
    label: "轩辕",
    check: text_alone,
    models: Some(&["xuanyuan-70b-chat"]),
    ..VLLM
};

pub(crate) static MINICPM: Profile = Profile {
    name: "minicpm",
    label: "MiniCPM",
    models: Some(&["minicpm5-2b"]),
    ..VLLM
};

pub(crate) static SAGEGPT: Profile = Profile {
    name: "sagegpt",
    label: "式说",
    models: Some(&["sagegpt"]),
    ..VLLM
};

pub(crate) static AINNOGC: Profile = Profile {
    name: "ainnogc",
    label: "奇智孔明",
    models: Some(&["ainnogc"]),
    ..VLLM
};

pub(crate) static MEDGPT: Profile = Profile {
    name: "medgpt",
    label: "MedGPT",
    models: Some(&["medgpt"]),
    ..XUANYUAN
};

fn text_alone(profile: &Profile, body: &Value, ask: &mut Ask) -> Result<(), Trouble> {
    const RULES: Rules = Rules {
        unknown: &["tools", "tool_choice", "reasoning_effort"],
        parts: false,
        ..LENIENT
    };
    if let Some(why) = read::broken(&RULES, body, ask) {
        return Err(profile.refuse(BAD, why));
    }
    (VLLM.check)(profile, body, ask)
}
