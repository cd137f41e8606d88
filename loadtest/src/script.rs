//! What is said: request bodies of the load, replies and events of the mock, all rendered once at start.
//!
//! It must never know sockets or time. Invariants: sizes are exact; every piece is valid JSON (tests parse it);
//! the prompts hold nothing that a detector should find, so that what is measured is the cost of looking.

use crate::workload::Workload;
use bytes::Bytes;

/// Bytes of one content event on the wire, `data: ` and the blank line included.
pub(crate) const EVENT: usize = 180;
/// Bytes of W1's reply.
pub(crate) const REPLY: usize = 2048;

const PROSE: &str = "The quarterly review compares the two plants by output and by waste. Please summarise \
    what changed since the spring, which of the measures helped, and what the teams still ask for.\\n\
    Keep the tone plain, name the open questions, and close with a short list of next steps. ";
const WORDS: &str =
    "the plan was kept short and the teams agreed on what comes next before they left ";

/// `len` bytes of prose, safe inside a JSON string.
fn prose(len: usize) -> String {
    let mut text: String = PROSE.chars().cycle().take(len).collect();
    if text.ends_with('\\') {
        text.pop();
        text.push('.');
    }
    text
}

/// The JSON body of one request of `workload`. `usage`: ask for the usage event.
pub(crate) fn request_body(workload: Workload, usage: bool) -> String {
    let head = format!(
        r#"{{"model":"{}","messages":[{{"role":"system","content":"你是一名严谨的助理，回答要简短。"}},{{"role":"user","content":""#,
        workload.model()
    );
    let tail = match (workload.streams(), usage) {
        (false, _) => r#""}],"temperature":0.2,"max_tokens":512}"#,
        (true, false) => r#""}],"temperature":0.2,"max_tokens":512,"stream":true}"#,
        (true, true) => {
            r#""}],"temperature":0.2,"max_tokens":512,"stream":true,"stream_options":{"include_usage":true}}"#
        }
    };
    let room = workload.body_size() - head.len() - tail.len();
    format!("{head}{}{tail}", prose(room))
}

/// Head and body of one request, ready to be written. `authority`: host and port.
pub(crate) fn request(workload: Workload, usage: bool, authority: &str, key: &str) -> Bytes {
    let body = request_body(workload, usage);
    let accept = if workload.streams() {
        "text/event-stream"
    } else {
        "application/json"
    };
    Bytes::from(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\naccept: {accept}\r\nuser-agent: loadtest\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A whole reply of exactly `len` bytes.
pub(crate) fn reply(model: &str, len: usize) -> Bytes {
    let head = format!(
        r#"{{"id":"chatcmpl-7f3a9c21d0b4","object":"chat.completion","created":1764000000,"model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":""#
    );
    let tail = r#"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":211,"completion_tokens":384,"total_tokens":595},"system_fingerprint":"fp_5b2c9e10d7"}"#;
    Bytes::from(format!(
        "{head}{}{tail}",
        prose(len.saturating_sub(head.len() + tail.len()))
    ))
}

/// The events of one streaming model, each ready to be a frame.
#[derive(Debug)]
pub(crate) struct Script {
    /// Role first, then content, then the finish reason.
    pub(crate) events: Vec<Bytes>,
    /// `choices:[]` with the usage, for those who asked.
    pub(crate) usage: Bytes,
    pub(crate) done: Bytes,
}

impl Script {
    /// `count` events with choices, so without the usage event and `[DONE]`.
    pub(crate) fn new(model: &str, count: usize) -> Self {
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"chatcmpl-7f3a9c21d0b4\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\
                 \"model\":\"{model}\",\"choices\":[{{\"index\":0,\"delta\":{{{delta}}},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let room = EVENT - chunk("\"content\":\"\"", "null").len();
        let content = |at: usize| {
            let text: String = WORDS
                .chars()
                .cycle()
                .skip(at * room % WORDS.len())
                .take(room)
                .collect();
            chunk(&format!("\"content\":\"{text}\""), "null")
        };
        let mut events = vec![chunk("\"role\":\"assistant\",\"content\":\"\"", "null")];
        events.extend((0..count.saturating_sub(2)).map(content));
        events.push(chunk("", "\"stop\""));
        Script {
            events: events.into_iter().map(Bytes::from).collect(),
            usage: Bytes::from(format!(
                "data: {{\"id\":\"chatcmpl-7f3a9c21d0b4\",\"object\":\"chat.completion.chunk\",\"created\":1764000000,\
                 \"model\":\"{model}\",\"choices\":[],\"usage\":{{\"prompt_tokens\":211,\"completion_tokens\":{count},\
                 \"total_tokens\":{}}}}}\n\n",
                count + 211
            )),
            done: Bytes::from_static(b"data: [DONE]\n\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn bodies_have_their_size_and_parse() {
        for workload in Workload::ALL {
            for usage in [false, true] {
                let body = request_body(workload, usage);
                assert_eq!(body.len(), workload.body_size(), "{workload:?}");
                let value: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(value["model"], workload.model());
                assert_eq!(
                    value["stream"].as_bool().unwrap_or(false),
                    workload.streams()
                );
                assert_eq!(
                    value["stream_options"]["include_usage"] == true,
                    usage && workload.streams()
                );
            }
        }
    }

    #[test]
    fn replies_have_their_size_and_parse() {
        let reply = reply("w1", REPLY);
        assert_eq!(reply.len(), REPLY);
        let value: Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(value["choices"][0]["finish_reason"], "stop");
    }

    #[test]
    fn content_events_are_180_bytes() {
        for model in ["w2", "ttft"] {
            let script = Script::new(model, 200);
            assert_eq!(script.events.len(), 200);
            for event in &script.events[1..199] {
                assert_eq!(event.len(), EVENT);
                let value: Value = serde_json::from_slice(&event[6..]).unwrap();
                assert!(value["choices"][0]["delta"]["content"].is_string());
            }
            let usage: Value = serde_json::from_slice(&script.usage[6..]).unwrap();
            assert_eq!(usage["choices"].as_array().map(Vec::len), Some(0));
            assert_eq!(usage["usage"]["total_tokens"], 411);
        }
    }
}
