//! What each vendor can do for each client dialect, asked of the code itself: `yumen matrix` and the docs.
//!
//! Nothing is written down here twice: a feature is a request, written for the vendor as any client's would be, and the
//! vendor has it if that loses nothing. Never used on a request's way.

use bytes::Bytes;
use wire::json::{Limits, scan};
use wire::{Fault, canon};

use crate::dialect::{ClientDialect, Dialect, Lossy};
use crate::dialects::openai_chat::OpenAiChat;
use crate::places::{Asked, Asks};
use crate::vendor::{Call, Vendor};
use crate::{CLIENT_DIALECTS, VENDORS};

/// One vendor, for a model whose name says nothing special.
#[derive(Debug)]
pub struct Row {
    /// Its name.
    pub vendor: &'static str,
    /// It is a runtime of one's own.
    pub self_hosted: bool,
    /// The dialects that are spoken with it, best first.
    pub speaks: Vec<&'static str>,
    /// Client dialects, and whether a request in one is forwarded (else it is translated).
    pub forwarded: Vec<(&'static str, bool)>,
    /// What it can do, in the order of [`features`].
    pub has: Vec<bool>,
    /// Common fields, by OpenAI's names, that it lacks or bounds: the model's `lossy` says whether they are dropped.
    pub lossy: Vec<&'static str>,
}

/// A request to ask with: members behind `model`, as chat completions.
struct Probe(&'static str, &'static str);

const SAY: &str = r#""messages":[{"role":"user","content":"x"}]"#;
const TOOLS: &str =
    r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
const LOOK: &str = r#""messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]"#;

/// What was thought, apart from the text; no request asks for it.
pub(crate) const REASONING: &str = "reasoning";
/// Several calls in one reply.
pub(crate) const PARALLEL: &str = "parallel tools";

/// Members of a request, joined by commas.
type Members = &'static [&'static str];

const FEATURES: &[(&str, Members)] = &[
    ("text", &[SAY]),
    ("stream", &[SAY, r#""stream":true"#]),
    ("tools", &[SAY, TOOLS]),
    (PARALLEL, &[SAY, TOOLS, r#""parallel_tool_calls":true"#]),
    ("forced tool", &[SAY, TOOLS, r#""tool_choice":"required""#]),
    ("images", &[LOOK]),
    (REASONING, &[SAY]),
    (
        "json object",
        &[SAY, r#""response_format":{"type":"json_object"}"#],
    ),
    (
        "json schema",
        &[
            SAY,
            r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}"#,
        ],
    ),
];

/// What is done beside chat, whatever the client's dialect.
const BESIDE: &[(&str, Asks)] = &[
    ("embeddings", Asks::Embed),
    ("rerank", Asks::Rerank),
    ("image making", Asks::Image),
    ("speech", Asks::Speak),
    ("transcripts", Asks::Transcribe),
];

/// Fields with a usual value.
const FIELDS: &[Probe] = &[
    Probe("temperature", "0.7"),
    Probe("top_p", "0.9"),
    Probe("max_tokens", "16"),
    Probe("stop", r#"["x"]"#),
    Probe("n", "2"),
    Probe("seed", "7"),
    Probe("presence_penalty", "0.5"),
    Probe("frequency_penalty", "0.5"),
    Probe("logit_bias", r#"{"1":1}"#),
    Probe("logprobs", "true"),
    Probe("user", r#""user-0001""#),
    Probe("metadata", r#"{"k":"v"}"#),
    Probe("reasoning_effort", r#""low""#),
    Probe("service_tier", r#""flex""#),
];

/// The names of the features, in order.
pub fn features() -> impl Iterator<Item = &'static str> {
    let chat = FEATURES.iter().map(|row| row.0);
    chat.chain(BESIDE.iter().map(|row| row.0))
}

/// All vendors, by name.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = VENDORS.iter().map(|vendor| row(*vendor)).collect();
    rows.sort_by_key(|row| row.vendor);
    rows
}

fn row(vendor: &'static dyn Vendor) -> Row {
    let info = vendor.info();
    let speaks = |client: &dyn ClientDialect| {
        let mut spoken = vendor.speaks().iter();
        spoken.any(|spoken| spoken.id() == client.id())
    };
    let has = |(name, members): &(&str, Members)| {
        let lacks = vendor.quirks("").replies_lack.contains(name);
        !lacks && fits(vendor, &members.join(","))
    };
    let does = |(_, asks): &(&str, Asks)| vendor.operation(*asks, "").is_some();
    let loses = |Probe(name, raw): &&Probe| !fits(vendor, &format!("{SAY},\"{name}\":{raw}"));
    Row {
        vendor: info.name,
        self_hosted: info.self_hosted,
        speaks: vendor.speaks().iter().map(|one| one.name()).collect(),
        forwarded: CLIENT_DIALECTS
            .iter()
            .map(|client| (client.name(), speaks(*client)))
            .collect(),
        has: FEATURES
            .iter()
            .map(has)
            .chain(BESIDE.iter().map(does))
            .collect(),
        lossy: FIELDS
            .iter()
            .filter(loses)
            .map(|Probe(name, _)| *name)
            .collect(),
    }
}

/// Whether a request can be written for the vendor and loses nothing.
fn fits(vendor: &'static dyn Vendor, members: &str) -> bool {
    let body = Bytes::from(format!("{{\"model\":\"m\",{members}}}"));
    let written = read(&body).and_then(|request| write(vendor, &request));
    written.is_ok_and(|nothing_lost| nothing_lost)
}

fn read(body: &Bytes) -> Result<canon::Request, Fault> {
    let bug = || Fault::new(wire::Kind::Bug);
    let tape = scan(body, &Limits::default()).map_err(|_| bug())?;
    let endpoint = OpenAiChat.endpoints().first().ok_or_else(bug)?;
    let facts = OpenAiChat.read_request(body, tape, &Asked::at(endpoint))?;
    OpenAiChat.decode_request(body, &facts)
}

fn write(vendor: &'static dyn Vendor, request: &canon::Request) -> Result<bool, Fault> {
    let bug = || Fault::new(wire::Kind::Bug);
    let spoken: &dyn Dialect = *vendor.speaks().first().ok_or_else(bug)?;
    let call = Call {
        model: "m",
        stream: request.stream,
        dialect: spoken.id(),
        asks: Asks::Reply,
        multimodal: request.multimodal(),
        cap: None,
        request_id: "",
        now_ms: 0,
        token: None,
        host: "",
        base_path: "",
    };
    let made = spoken.encode_request(request, &call, vendor.quirks(""), Lossy::Refuse)?;
    Ok(made.dropped.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_some() {
        let rows = rows();
        assert_eq!(rows.len(), VENDORS.len());
        let row = |name: &str| rows.iter().find(|row| row.vendor == name).unwrap();
        let has = |name: &str, feature: &str| {
            let at = features().position(|one| one == feature).unwrap();
            row(name).has[at]
        };
        // Whoever it is, it answers.
        for name in rows.iter().map(|row| row.vendor) {
            assert!(has(name, "text") && has(name, "stream"), "{name}");
        }
        assert!(has("openai", "json schema") && has("openai", "forced tool"));
        assert!(row("openai").lossy.is_empty());
        assert!(!has("xuanyuan", "tools") && !has("xuanyuan", "images"));
        assert!(!has("glm", "json schema") && has("glm", "json object"));
        assert!(!has("wenxin-v1", "reasoning") && !has("wenxin-v1", "parallel tools"));
        assert!(has("deepseek", "reasoning"));
        assert!(row("moonshot").lossy.contains(&"temperature"));
        assert!(row("openai").forwarded.contains(&("openai-chat", true)));
        assert!(has("openai", "embeddings") && !has("openai", "rerank"));
        assert!(has("tongyi", "rerank") && !has("anthropic", "embeddings"));
        assert!(has("vllm", "transcripts") && !has("vllm", "speech"));
        assert!(row("spark").forwarded.contains(&("openai-chat", false)));
    }
}
