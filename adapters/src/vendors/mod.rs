//! The vendors, one file each, and what several of them share.

mod blame;
pub(crate) mod openai_like;

pub(crate) mod ainnogc;
pub(crate) mod anthropic;
pub(crate) mod azure_openai;
pub(crate) mod baichuan;
pub(crate) mod bluelm;
pub(crate) mod bluelm_native;
pub(crate) mod cohere;
pub(crate) mod deepseek;
pub(crate) mod doubao;
pub(crate) mod gemini;
pub(crate) mod glm;
pub(crate) mod llamacpp;
pub(crate) mod lmdeploy;
pub(crate) mod medgpt;
pub(crate) mod mindie;
pub(crate) mod minicpm;
pub(crate) mod minimax;
pub(crate) mod mistral;
pub(crate) mod moonshot;
pub(crate) mod ollama;
pub(crate) mod openai;
pub(crate) mod openai_compatible;
pub(crate) mod sagegpt;
pub(crate) mod sensenova;
pub(crate) mod sglang;
pub(crate) mod spark;
pub(crate) mod tgi;
pub(crate) mod tongyi;
pub(crate) mod vllm;
pub(crate) mod wenxin;
pub(crate) mod wenxin_v1;
pub(crate) mod xai;
pub(crate) mod xinference;
pub(crate) mod xuanyuan;
