//! What a translated request costs in memory: its text is spliced from the client's bytes, whoever is asked by whom.
//!
//! Text is written anew, once, only where it stands otherwise in the other dialect: JSON inside a string that is an object
//! there, or the other way round.

use wire::json;

use super::*;
use crate::{CLIENT_DIALECTS, VENDORS};

/// Bytes of a prompt.
const PROMPT_BYTES: usize = 200 << 10;
/// Of the same, escaped once more.
const ESCAPED_BYTES: u64 = PROMPT_BYTES as u64 * 9 / 8;
/// What a short request's translation may take beside: canonical form, our own words, the list of pieces.
const REST_BYTES: u64 = 16 << 10;

/// A prompt as it stands in a body: words, line breaks, other scripts, quotes.
fn prompt() -> String {
    let piece = r#"The quick brown fox \"jumps\"\n\tover 玉门关 🙂 \u00e9 and "#;
    piece.repeat(PROMPT_BYTES / piece.len() + 1)
}

/// What the prompt is in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// What somebody says: it stands in every dialect in the same way.
    Said,
    /// The result of a tool: some want it as an object, or as JSON inside a string.
    Answer,
    /// The description of a tool: it is read again, and lost, for vendors without tools.
    Tool,
    /// A part of an object in one dialect that is JSON inside a string in canonical form, and may become an object again.
    Object,
}
use Place::{Answer, Object, Said, Tool};

impl Place {
    /// How often the prompt is written anew at most.
    fn copies(self) -> u64 {
        match self {
            Said => 0,
            Answer | Tool => 1,
            Object => 2,
        }
    }
}

/// A request, and what the prompt is in it; `P` stands for the prompt, `Q` for the prompt inside of JSON inside of a string.
type Example = (Place, &'static str);

/// Requests of a dialect.
fn bodies(client: DialectId) -> &'static [Example] {
    match client {
        DialectId::OpenAiChat => CHAT,
        DialectId::Anthropic => MESSAGES,
        DialectId::Responses => RESPONSES,
        DialectId::Completions => COMPLETIONS,
        DialectId::DashScope => DASHSCOPE,
        DialectId::Gemini => GEMINI,
        other => panic!("no request of {other:?}"),
    }
}

const CHAT: &[Example] = &[
    (
        Said,
        r#"{"model":"m","messages":[{"role":"user","content":"P"}]}"#,
    ),
    (
        Said,
        r#"{"model":"m","messages":[{"role":"system","content":"P"},{"role":"user","content":"q"}]}"#,
    ),
    (
        Said,
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"P"}]}]}"#,
    ),
    (
        Said,
        r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"P"},{"role":"user","content":"q"}]}"#,
    ),
    (
        Answer,
        r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"P"}]}"#,
    ),
    (
        Answer,
        r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"{\"a\":\"Q\"}"}]}"#,
    ),
    (
        Object,
        r#"{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":\"Q\"}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}"#,
    ),
    (
        Tool,
        r#"{"model":"m","messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f","description":"P","parameters":{"type":"object"}}}]}"#,
    ),
];

const MESSAGES: &[Example] = &[
    (
        Said,
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"P"}]}"#,
    ),
    (
        Said,
        r#"{"model":"m","max_tokens":9,"system":"P","messages":[{"role":"user","content":"q"}]}"#,
    ),
    (
        Said,
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"P"}]}]}"#,
    ),
    (
        Answer,
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"P"}]}]}"#,
    ),
    (
        Object,
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{"a":"P"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r"}]}]}"#,
    ),
];

const RESPONSES: &[Example] = &[
    (Said, r#"{"model":"m","input":"P"}"#),
    (Said, r#"{"model":"m","instructions":"P","input":"q"}"#),
    (
        Said,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"P"}]}]}"#,
    ),
    (
        Answer,
        r#"{"model":"m","input":[{"role":"user","content":"q"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"P"}]}"#,
    ),
    (
        Object,
        r#"{"model":"m","input":[{"role":"user","content":"q"},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":\"Q\"}"},{"type":"function_call_output","call_id":"c","output":"r"}]}"#,
    ),
];

const COMPLETIONS: &[Example] = &[(Said, r#"{"model":"m","prompt":"P"}"#)];

const DASHSCOPE: &[Example] = &[
    (
        Said,
        r#"{"model":"m","input":{"messages":[{"role":"user","content":"P"}]}}"#,
    ),
    (
        Said,
        r#"{"model":"m","input":{"messages":[{"role":"system","content":"P"},{"role":"user","content":"q"}]}}"#,
    ),
];

const GEMINI: &[Example] = &[
    (
        Said,
        r#"{"contents":[{"role":"user","parts":[{"text":"P"}]}]}"#,
    ),
    (
        Said,
        r#"{"systemInstruction":{"parts":[{"text":"P"}]},"contents":[{"role":"user","parts":[{"text":"q"}]}]}"#,
    ),
    (
        Object,
        r#"{"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"P"}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"r"}}}]}]}"#,
    ),
    (
        Object,
        r#"{"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"a":"P"}}}]}]}"#,
    ),
];

#[test]
fn what_is_said_is_never_copied() {
    let plain = prompt();
    let mut nested = Vec::new();
    json::escape(&plain, &mut nested);
    let nested = String::from_utf8(nested).unwrap();
    for client in CLIENT_DIALECTS {
        for (place, body) in bodies(client.id()) {
            let body = body.replacen('P', &plain, 1).replacen('Q', &nested, 1);
            let body = Bytes::from(body);
            let tape = scan(&body, &Limits::default()).unwrap();
            let asked = Asked {
                model: "m".into(),
                ..Asked::at(&client.endpoints()[0])
            };
            let facts = client.read_request(&body, tape, &asked).unwrap();
            for vendor in VENDORS {
                let (spoken, quirks) = (vendor.speaks()[0], vendor.quirks("m"));
                let call = Call {
                    dialect: spoken.id(),
                    ..call("m", false)
                };
                let mut made = None;
                let counted = allocation_counter::measure(|| {
                    let request = client.decode_request(&body, &facts).unwrap();
                    made = Some(spoken.encode_request(&request, &call, quirks, Lossy::Drop));
                });
                let made = made.unwrap().unwrap().body;
                let case = format!("{} to {}: {place:?}", client.name(), vendor.info().name);
                assert!(*place != Said || made.len() > PROMPT_BYTES, "{case}");
                let most = place.copies() * ESCAPED_BYTES + REST_BYTES;
                assert!(
                    counted.bytes_total < most,
                    "{case}: {} bytes",
                    counted.bytes_total
                );
            }
        }
    }
}
