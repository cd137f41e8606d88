//! The dialects, one folder each.

pub mod dashscope;
pub mod openai_chat;
pub mod wenxin_v1;
