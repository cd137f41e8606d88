//! The vendors, one file each, and what several of them share.

mod blame;
pub(crate) mod openai_like;

pub(crate) mod anthropic;
pub(crate) mod baichuan;
pub(crate) mod deepseek;
pub(crate) mod doubao;
pub(crate) mod glm;
pub(crate) mod llamacpp;
pub(crate) mod minimax;
pub(crate) mod moonshot;
pub(crate) mod ollama;
pub(crate) mod openai;
pub(crate) mod openai_compatible;
pub(crate) mod sensenova;
pub(crate) mod spark;
pub(crate) mod tongyi;
pub(crate) mod vllm;
pub(crate) mod wenxin;
pub(crate) mod wenxin_v1;
