//! Dialects and vendors: how requests and replies are written, and who speaks how.
//!
//! Adding a vendor is one file and one line in [`VENDORS`]; adding a dialect one folder and one line in [`DIALECTS`].
//! Nothing here opens a socket, waits, reads a clock, knows a policy or decides whether anything may be sent.

mod auth;
mod calendar;
#[cfg(test)]
mod caps;
#[cfg(test)]
mod corpus;
pub mod dialect;
pub mod dialects;
pub mod frames;
pub mod fuzz;
#[cfg(test)]
mod growth;
#[cfg(test)]
mod inert;
pub mod listing;
pub mod matrix;
mod members;
mod mold;
pub mod operation;
pub mod places;
pub mod quirks;
#[cfg(test)]
mod requests;
mod texts;
pub mod vendor;
mod vendors;
mod weave;

pub use dialect::{ClientDialect, Decoder, Dialect, DialectId, Encoder, Lossy, ReplyHead};
pub use operation::Operation;
pub use places::{Asked, Asks, Endpoint};
pub use quirks::Quirks;
pub use vendor::{Call, Credential, Framing, Head, Parts, Vendor, VendorInfo};

/// Every dialect that an upstream may speak.
pub static DIALECTS: &[&dyn Dialect] = &[
    &dialects::anthropic::Anthropic,
    &dialects::converse::Converse,
    &dialects::completions::Completions,
    &dialects::bluelm_native::BlueLm,
    &dialects::dashscope::DashScope,
    &dialects::gemini::Gemini,
    &dialects::minimax_pro::MiniMaxPro,
    &dialects::openai_chat::OpenAiChat,
    &dialects::openai_loose::OpenAiLoose,
    &dialects::responses::Responses,
    &dialects::spark_native::SparkNative,
    &dialects::wenxin_v1::WenxinV1,
];

/// Every dialect that a client may speak; the first is answered in where nothing is known of a client.
pub static CLIENT_DIALECTS: &[&dyn ClientDialect] = &[
    &dialects::openai_chat::OpenAiChat,
    &dialects::anthropic::Anthropic,
    &dialects::responses::Responses,
    &dialects::completions::Completions,
    &dialects::dashscope::DashScope,
    &dialects::gemini::Gemini,
];

/// Every vendor, by the name in `providers.*.vendor`.
pub static VENDORS: &[&dyn Vendor] = &[
    &vendors::ainnogc::VENDOR,
    &vendors::anthropic::VENDOR,
    &vendors::azure_openai::VENDOR,
    &vendors::baichuan::VENDOR,
    &vendors::bedrock::VENDOR,
    &vendors::bluelm::VENDOR,
    &vendors::bluelm_native::VENDOR,
    &vendors::cohere::VENDOR,
    &vendors::deepseek::VENDOR,
    &vendors::doubao::VENDOR,
    &vendors::gemini::VENDOR,
    &vendors::glm::VENDOR,
    &vendors::llamacpp::VENDOR,
    &vendors::lmdeploy::VENDOR,
    &vendors::medgpt::VENDOR,
    &vendors::mindie::VENDOR,
    &vendors::minicpm::VENDOR,
    &vendors::minimax::VENDOR,
    &vendors::minimax::NATIVE,
    &vendors::minimax_pro::VENDOR,
    &vendors::mistral::VENDOR,
    &vendors::moonshot::VENDOR,
    &vendors::ollama::VENDOR,
    &vendors::openai::VENDOR,
    &vendors::openai_compatible::VENDOR,
    &vendors::pangu::VENDOR,
    &vendors::pangu::V2,
    &vendors::pangu::MAAS,
    &vendors::sagegpt::VENDOR,
    &vendors::sensenova::VENDOR,
    &vendors::sensenova::NATIVE,
    &vendors::sglang::VENDOR,
    &vendors::spark::VENDOR,
    &vendors::spark_ws::VENDOR,
    &vendors::tgi::VENDOR,
    &vendors::tongyi::NATIVE,
    &vendors::tongyi::COMPATIBLE,
    &vendors::vllm::VENDOR,
    &vendors::wenxin::VENDOR,
    &vendors::wenxin_v1::VENDOR,
    &vendors::xai::VENDOR,
    &vendors::xinference::VENDOR,
    &vendors::xuanyuan::VENDOR,
];

/// The vendor of that name.
#[must_use]
pub fn vendor(name: &str) -> Option<&'static dyn Vendor> {
    let mut all = VENDORS.iter().copied();
    all.find(|vendor| vendor.info().name == name)
}
