//! The dialects, one folder each, and the lenses of calls that we answer ourselves.

pub(crate) mod sides;

pub mod anthropic;
pub mod bluelm_native;
pub mod completions;
pub mod converse;
pub mod dashscope;
pub mod gemini;
pub mod minimax_pro;
pub mod moderations;
pub mod openai_chat;
pub mod openai_loose;
pub mod openai_other;
pub mod responses;
pub mod spark_native;
pub mod wenxin_v1;
