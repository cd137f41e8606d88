//! The voices of the simulated vendors: how each reads a request, refuses one, and writes a reply.
//!
//! Surfaces must never wait, touch sockets, or know faults of transport: they turn a request into an [`Ask`] and a
//! [`Plan`] into text. Each is written from the vendor's documents alone.

mod anthropic;
mod anthropic_check;
mod baichuan;
mod bce_auth;
mod bedrock;
mod bedrock_check;
mod bedrock_wire;
pub(crate) mod beside;
mod bluelm;
mod bluelm_native;
mod chat;
mod completions;
mod deepseek;
mod doubao;
mod gemini;
mod gemini_check;
mod glm;
mod glm_key;
mod minimax;
mod minimax_pro;
mod mistral;
mod moonshot;
mod openai;
mod overseas;
mod pangu;
mod pangu_auth;
mod private;
mod profile;
mod read;
mod responses;
mod responses_check;
mod runtimes;
mod runtimes_more;
mod sensenova;
mod spark;
mod spark_ws;
mod tongyi;
mod tongyi_check;
mod tongyi_compatible;
mod wenxin;
mod wenxin_v1;

pub use pangu_auth::{
    ACCESS_KEY as PANGU_TEST_ACCESS_KEY, PROJECT as PANGU_TEST_PROJECT,
    REGION as PANGU_TEST_REGION, SECRET_KEY as PANGU_TEST_SECRET_KEY,
};
pub(crate) use pangu_auth::{TOKEN_PATH as PANGU_TOKEN_PATH, office as pangu_office};

use crate::plan::{Ask, Plan};
use http::{HeaderMap, Method};
use serde_json::Value;

pub(crate) use bce_auth::{IAM_PATH, office as iam_office};
pub use bluelm_native::{APP as BLUELM_TEST_APP, KEY as BLUELM_TEST_KEY};
pub use spark_ws::{APP as SPARK_TEST_APP, KEY as SPARK_TEST_KEY, SECRET as SPARK_TEST_SECRET};
pub(crate) use wenxin_v1::{TOKEN_PATH, Tokens};

/// One SSE event (or comment) as it goes out, with `\n` line ends.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Comment,
    Content,
    /// Carries the finish reason (or `is_end`).
    Finish,
    /// Only counts tokens.
    Usage,
    Done,
    Error,
}

impl Frame {
    pub(crate) fn new(kind: Kind, text: String) -> Self {
        Self { kind, text }
    }
    /// `data: …` and a blank line.
    pub(crate) fn data(kind: Kind, json: &str) -> Self {
        Self::new(kind, format!("data: {json}\n\n"))
    }
}

/// What is the same in all chunks of a reply.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    /// Counts requests; ids are made from it.
    pub(crate) serial: u64,
    /// Unix seconds.
    pub(crate) created: i64,
    pub(crate) model: String,
}

/// A refusal in the making: which row of the vendor's table, and words that say more.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
}

/// A row of a vendor's error table. `kind` is the `type` beside the code, where the vendor has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: &'static str,
}

pub(crate) const fn code(
    code: &'static str,
    status: u16,
    kind: &'static str,
    message: &'static str,
) -> Code {
    Code {
        code,
        status,
        kind,
        message,
    }
}

/// Which rows of its table a vendor uses for what every vendor meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    pub(crate) malformed: &'static str,
    pub(crate) unauthorised: &'static str,
    pub(crate) no_model: &'static str,
    /// In the middle of a stream.
    pub(crate) broken: &'static str,
}

/// A request with what a surface needs to judge it.
pub(crate) struct Arrived<'a> {
    pub(crate) method: &'a Method,
    /// The whole path.
    pub(crate) path: &'a str,
    /// The path below the surface's base.
    pub(crate) rest: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The body, which some vendors sign.
    pub(crate) body: &'a [u8],
    pub(crate) tokens: &'a Tokens,
    pub(crate) glm_keys: &'a [String],
    /// Access and secret keys of `bce-auth-v1`.
    pub(crate) bce_keys: &'a [(String, String)],
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// One wire protocol of one vendor.
pub(crate) trait Voice: Send + Sync {
    /// The surface's name in [`crate::Received`].
    fn name(&self) -> &'static str;
    /// The vendor's name as it opens every reply.
    fn label(&self) -> &'static str;
    fn codes(&self) -> &'static [Code];
    fn usual(&self) -> Usual;
    /// Checks the credential.
    fn admit(&self, arrived: &Arrived<'_>) -> Result<(), Trouble>;
    /// Checks and reads a chat request.
    fn read(&self, arrived: &Arrived<'_>, body: &Value) -> Result<Ask, Trouble>;
    /// The whole reply.
    fn whole(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> String;
    /// The reply as events.
    fn frames(&self, ask: &Ask, plan: &Plan, stamp: &Stamp) -> Vec<Frame>;
    fn error_body(&self, trouble: &Trouble, serial: u64) -> String;
    /// An error after the stream began; it ends the stream.
    fn error_frames(&self, trouble: &Trouble, stamp: &Stamp) -> Vec<Frame> {
        vec![Frame::data(
            Kind::Error,
            &self.error_body(trouble, stamp.serial),
        )]
    }
    fn event_stream_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }
    /// Further headers of a good reply.
    fn headers(&self, _serial: u64) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// Further headers of an error.
    fn error_headers(&self, _: &Trouble) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// A frame's text as bytes of the stream.
    fn wire(&self, text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }
    /// What stands before a whole body.
    fn whole_opening(&self) -> &'static str {
        ""
    }
    /// The model list, if the vendor has one.
    fn models(&self, _serial: u64) -> Option<String> {
        None
    }
    fn is_model_list(&self, arrived: &Arrived<'_>) -> bool {
        *arrived.method == Method::GET && arrived.rest == "/models"
    }
    fn is_chat(&self, arrived: &Arrived<'_>) -> bool {
        arrived.rest == "/chat/completions"
    }
    /// Of what is spoken with over a WebSocket: the model, faults included, as the path of the handshake has it.
    fn socket_model(&self, _: &Arrived<'_>) -> Option<String> {
        None
    }
    /// Whether a path below a base that it shares with another voice is its own.
    fn owns(&self, _rest: &str) -> bool {
        false
    }
    /// The answer to a `POST` that is no chat, if the vendor has such a call.
    fn beside(&self, _: &Arrived<'_>, _: &Value) -> Option<Result<String, Trouble>> {
        None
    }

    /// The HTTP status that goes with a row of the table.
    fn status_on_wire(&self, trouble: &Trouble) -> u16 {
        trouble.status
    }

    /// A row of the table by its code; a code that is not in it is used as it is, with status 400.
    fn trouble(&self, wanted: &str) -> Trouble {
        let row = self.codes().iter().find(|row| row.code == wanted);
        row.map_or_else(
            || Trouble {
                status: 400,
                code: wanted.to_owned(),
                kind: "invalid_request_error".to_owned(),
                message: format!("simulated error {wanted}"),
                param: None,
            },
            Trouble::from,
        )
    }

    /// The vendor's way to say `wanted`, with a message of our own.
    fn refuse(&self, wanted: &str, message: impl Into<String>) -> Trouble
    where
        Self: Sized,
    {
        Trouble {
            message: message.into(),
            ..self.trouble(wanted)
        }
    }

    /// The first row with this status, or the vendor's general failure under it.
    fn trouble_of_status(&self, status: u16) -> Trouble {
        let row = self.codes().iter().find(|row| row.status == status);
        let fallback = || Trouble {
            status,
            ..self.trouble(self.usual().broken)
        };
        row.map_or_else(fallback, Trouble::from)
    }
}

impl From<&Code> for Trouble {
    fn from(row: &Code) -> Self {
        Self {
            status: row.status,
            code: row.code.to_owned(),
            kind: row.kind.to_owned(),
            message: row.message.to_owned(),
            param: None,
        }
    }
}

/// Name, path of the provider's `base_url`, path prefix that is matched, voice.
type Surface = (&'static str, &'static str, &'static str, &'static dyn Voice);

/// Bases of all surfaces. The longest matching prefix wins, so their order does not matter.
pub(crate) static SURFACES: &[Surface] = &[
    (
        "anthropic",
        "/anthropic",
        "/anthropic",
        &anthropic::Anthropic,
    ),
    ("bedrock", "/bedrock", "/bedrock", &bedrock::Bedrock),
    ("gemini", "/gemini/v1beta", "/gemini", &gemini::Gemini),
    ("wenxin", "/v2", "/v2", &wenxin::PROFILE),
    ("wenxin-v1", "", wenxin_v1::PREFIX, &wenxin_v1::WenxinV1),
    ("tongyi", "/api/v1", "/api/v1", &tongyi::Tongyi),
    (
        "tongyi-compatible",
        "/compatible-mode/v1",
        "/compatible-mode/v1",
        &tongyi_compatible::PROFILE,
    ),
    // Where the same vendor is asked for orders of documents.
    (
        "tongyi-compatible-api",
        "/compatible-api/v1",
        "/compatible-api/v1",
        &tongyi_compatible::PROFILE,
    ),
    ("glm", "/api/paas/v4", "/api/paas/v4", &glm::PROFILE),
    ("openai", "/openai/v1", "/openai/v1", &openai::PROFILE),
    (
        "openai-responses",
        "/openai/v1",
        "/openai/v1",
        &responses::OPENAI,
    ),
    ("vllm", "/vllm/v1", "/vllm/v1", &runtimes::VLLM),
    (
        "llamacpp",
        "/llamacpp/v1",
        "/llamacpp/v1",
        &runtimes::LLAMACPP,
    ),
    ("ollama", "/ollama/v1", "/ollama/v1", &runtimes::OLLAMA),
    (
        "deepseek",
        "/deepseek/v1",
        "/deepseek/v1",
        &deepseek::PROFILE,
    ),
    own("/moonshot/v1", &moonshot::PROFILE),
    own("/minimax/v1", &minimax::COMPATIBLE),
    own("/minimax-v2/v1", &minimax::NATIVE),
    (
        "minimax-pro",
        "/minimax-pro/v1",
        "/minimax-pro/v1",
        &minimax_pro::Pro,
    ),
    ("pangu", "/pangu", "/pangu", &pangu::Deployed),
    own("/pangu-v2", &pangu::V2),
    own("/huawei-maas/v1", &pangu::MAAS),
    own("/baichuan/v1", &baichuan::PROFILE),
    own("/doubao/api/v3", &doubao::PROFILE),
    own("/sensenova/v1", &sensenova::PROFILE),
    own("/sensenova-native/v1/llm", &sensenova::NATIVE),
    own("/spark/v1", &spark::PROFILE),
    ("spark-ws", "/spark-ws", "/spark-ws", &spark_ws::SparkWs),
    (
        "vllm-completions",
        "/vllm/v1",
        "/vllm/v1",
        &completions::VLLM,
    ),
    (
        "llamacpp-completions",
        "/llamacpp/v1",
        "/llamacpp/v1",
        &completions::LLAMACPP,
    ),
    (
        "ollama-completions",
        "/ollama/v1",
        "/ollama/v1",
        &completions::OLLAMA,
    ),
    own("/sglang/v1", &runtimes_more::SGLANG),
    (
        "sglang-completions",
        "/sglang/v1",
        "/sglang/v1",
        &completions::SGLANG,
    ),
    own("/tgi/v1", &runtimes_more::TGI),
    own("/lmdeploy/v1", &runtimes_more::LMDEPLOY),
    own("/xinference/v1", &runtimes_more::XINFERENCE),
    own("/mindie/v1", &runtimes_more::MINDIE),
    own("/mistral/v1", &mistral::PROFILE),
    own("/xai/v1", &overseas::XAI),
    own("/cohere/compatibility/v1", &overseas::COHERE),
    // Where it is asked for orders of documents.
    ("cohere-v2", "/cohere/v2", "/cohere/v2", &overseas::COHERE),
    own("/azure-openai", &overseas::AZURE),
    (
        "azure-openai-responses",
        "/azure-openai",
        "/azure-openai",
        &responses::AZURE,
    ),
    own("/xuanyuan/v1", &private::XUANYUAN),
    own("/minicpm/v1", &private::MINICPM),
    own("/sagegpt/v1", &private::SAGEGPT),
    own("/ainnogc/v1", &private::AINNOGC),
    own("/medgpt/v1", &private::MEDGPT),
    own("/bluelm/v1", &bluelm::PROFILE),
    (
        "bluelm-native",
        "/bluelm-native",
        "/bluelm-native",
        &bluelm_native::BlueLm,
    ),
];

/// A surface whose base path is its own.
const fn own(base: &'static str, profile: &'static chat::Profile) -> Surface {
    (profile.name, base, base, profile)
}

/// The surface of a path, and what stands behind its prefix.
pub(crate) fn find(path: &str) -> Option<(&'static dyn Voice, &str)> {
    SURFACES
        .iter()
        .filter_map(|(_, _, prefix, voice)| Some((*voice, path.strip_prefix(prefix)?)))
        .filter(|(_, rest)| rest.starts_with('/'))
        .min_by_key(|(voice, rest)| (rest.len(), !voice.owns(rest)))
}

/// The bearer credential, if it is not one that tests use as a wrong one: empty, or with `invalid` in it.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    let good = scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty();
    (good && !key.contains("invalid")).then(|| key.trim())
}
