//! Anthropic messages as its official SDK reads them: requests of a client, replies and streams.
//!
//! Strict where the SDK is: an event without a name is lost, nothing may come before the start, one block is open at a
//! time. Uses none of the gateway's code.

use crate::{Ask, Gateway, KEY, Reply};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// What a reply says.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The message as the SDK would hold it.
    pub message: Value,
    /// The error that ended a stream.
    pub error: Option<Value>,
}

/// A request with one user text.
pub fn ask(to: SocketAddr, model: &str, text: &str) -> Ask {
    Ask::post(to, "/v1/messages")
        .header("x-api-key", KEY)
        .header("anthropic-version", "2023-06-01")
        .json(&json!({"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": text}]}))
}

/// The same, of a gateway, streamed or not.
pub fn say(gateway: &Gateway, model: &str, text: &str, stream: bool) -> Ask {
    ask(gateway.listen, model, text).with(|body| {
        if stream {
            body["stream"] = true.into();
        }
    })
}

/// A good reply, whole or streamed.
pub fn good(reply: &Reply, what: &str) -> Message {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let streamed = reply
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let said = if streamed {
        read(&reply.body)
    } else {
        Message {
            message: reply.json(),
            error: None,
        }
    };
    assert!(said.error.is_none(), "{what}: {}", reply.text());
    let message = &said.message;
    assert_eq!(
        (&message["type"], &message["role"]),
        (&json!("message"), &json!("assistant")),
        "{what}: {}",
        reply.text()
    );
    assert!(message["id"].is_string(), "{what}");
    assert!(message["stop_reason"].is_string(), "{what}");
    let usage = &message["usage"];
    assert!(
        usage["input_tokens"].is_u64() && usage["output_tokens"].is_u64(),
        "{what}: {usage}"
    );
    said
}

/// A refusal before the reply: its status, its type and our own code.
pub fn refused(reply: &Reply, status: u16, kind: &str, code: &str) {
    let error = reply.json();
    assert_eq!(
        (reply.status, &error["type"], &error["error"]["type"]),
        (status, &json!("error"), &json!(kind)),
        "{}",
        reply.text()
    );
    assert_eq!(error["error"]["details"]["error_code"], code, "{error}");
    assert!(error["error"]["message"].is_string(), "{error}");
    assert!(reply.header("request-id").is_some());
}

impl Message {
    fn blocks<'m>(&'m self, kind: &'m str) -> impl Iterator<Item = &'m Value> + 'm {
        let content = self.message["content"].as_array();
        let content = content.into_iter().flatten();
        content.filter(move |block| block["type"] == kind)
    }

    /// All text.
    pub fn text(&self) -> String {
        let texts = self.blocks("text");
        texts.map(|block| block["text"].as_str().unwrap()).collect()
    }

    /// All thoughts.
    pub fn thought(&self) -> String {
        let thoughts = self.blocks("thinking");
        thoughts
            .map(|block| block["thinking"].as_str().unwrap())
            .collect()
    }

    /// Calls: id, name, input.
    pub fn calls(&self) -> Vec<(String, String, Value)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.blocks("tool_use")
            .map(|call| {
                (
                    text(&call["id"]),
                    text(&call["name"]),
                    call["input"].clone(),
                )
            })
            .collect()
    }

    /// Why it ended.
    pub fn stop(&self) -> &str {
        self.message["stop_reason"].as_str().unwrap_or_default()
    }
}

/// Reads a stream as the SDK gathers it.
pub fn read(body: &[u8]) -> Message {
    let text = String::from_utf8(body.to_vec()).expect("a stream is UTF-8");
    let text = text.replace("\r\n", "\n");
    let mut said = Message::default();
    let (mut open, mut args, mut ended) = (None, String::new(), false);
    for event in text.split("\n\n") {
        let field = |name: &str| {
            let mut lines = event.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let Some(data) = field("data:") else { continue };
        let name = field("event:")
            .unwrap_or_else(|| panic!("the SDK loses an event without a name: {event}"));
        let data: Value =
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {event}"));
        assert_eq!(data["type"], name, "{event}");
        assert!(!ended, "something comes after the end: {event}");
        assert!(
            said.error.is_none(),
            "something comes after an error: {event}"
        );
        let index = data["index"]
            .as_u64()
            .and_then(|index| usize::try_from(index).ok());
        match name {
            "ping" => {}
            "error" => said.error = Some(data["error"].clone()),
            "message_start" => {
                assert!(said.message.is_null(), "two starts");
                said.message = data["message"].clone();
                assert_eq!(said.message["content"], json!([]));
            }
            _ if said.message.is_null() => panic!("before the start: {event}"),
            "content_block_start" => {
                assert_eq!(open, None, "two blocks are open: {event}");
                let content = said.message["content"].as_array_mut().unwrap();
                assert_eq!(index, Some(content.len()), "{event}");
                content.push(data["content_block"].clone());
                open = index;
                args.clear();
            }
            "content_block_delta" => {
                assert_eq!(open, index, "{event}");
                let block = &mut said.message["content"][index.unwrap()];
                piece(block, &data["delta"], &mut args);
            }
            "content_block_stop" => {
                assert_eq!(open.take(), index, "{event}");
                close(&mut said.message["content"][index.unwrap()], &args);
            }
            "message_delta" => change(&mut said.message, &data),
            "message_stop" => {
                assert_eq!(open, None, "the end with an open block");
                assert!(
                    said.message["stop_reason"].is_string(),
                    "an end without a reason"
                );
                ended = true;
            }
            other => panic!("an event that nobody knows: {other}"),
        }
    }
    assert!(ended || said.error.is_some(), "no end: {text}");
    said
}

/// A block that is whole; `args` is what its pieces of JSON came to.
fn close(block: &mut Value, args: &str) {
    if block["type"] == "tool_use" && !args.is_empty() {
        block["input"] =
            serde_json::from_str(args).unwrap_or_else(|error| panic!("arguments: {error}: {args}"));
    }
}

/// What is known of the whole message only at its end.
fn change(message: &mut Value, data: &Value) {
    for (name, value) in data["delta"].as_object().unwrap() {
        message[name] = value.clone();
    }
    for (name, value) in data["usage"].as_object().into_iter().flatten() {
        message["usage"][name] = value.clone();
    }
}

fn piece(block: &mut Value, delta: &Value, args: &mut String) {
    let text = |name: &str| {
        delta[name]
            .as_str()
            .unwrap_or_else(|| panic!("{delta}"))
            .to_owned()
    };
    let mut join = |name: &str| {
        let sum = block[name]
            .as_str()
            .unwrap_or_else(|| panic!("{block}"))
            .to_owned()
            + &text(name);
        block[name] = sum.into();
    };
    match delta["type"].as_str().unwrap() {
        "text_delta" => join("text"),
        "thinking_delta" => join("thinking"),
        // It replaces: the SDK does not append.
        "signature_delta" => block["signature"] = text("signature").into(),
        "input_json_delta" => {
            assert_eq!(block["type"], "tool_use");
            args.push_str(&text("partial_json"));
        }
        other => panic!("a delta that nobody knows: {other}"),
    }
}
