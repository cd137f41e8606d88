//! Google's generateContent as its official SDK reads it: requests of a client, replies, streams in both forms.
//!
//! Strict where the SDK is: in a stream of events every line that is not empty begins with exactly `data: `, an error is
//! an object that begins with `error`. Uses none of the gateway's code.

use crate::{Ask, Gateway, KEY, Reply};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// How a reply is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In one piece.
    Whole,
    /// As events.
    Events,
    /// As one array that comes in pieces.
    Array,
}

/// All of them.
pub const FORMS: [Form; 3] = [Form::Whole, Form::Events, Form::Array];

/// What a reply says, its pieces joined.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Parts of the first candidate, in order.
    pub parts: Vec<Value>,
    /// Why it ended.
    pub finish: String,
    /// The counts that were told last.
    pub usage: Value,
    /// Names of the model, as told.
    pub model: Value,
    /// The error that ended a stream.
    pub error: Option<Value>,
    /// Replies that it came in.
    pub pieces: usize,
}

/// A request with one user text, to the path of the older SDKs.
pub fn ask(to: SocketAddr, model: &str, text: &str, form: Form) -> Ask {
    let verb = match form {
        Form::Whole => "generateContent",
        Form::Events => "streamGenerateContent?alt=sse",
        Form::Array => "streamGenerateContent",
    };
    let model = model.replace('/', "%2F");
    Ask::post(to, &format!("/v1beta/models/{model}:{verb}"))
        .header("x-goog-api-key", KEY)
        .json(&json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}))
}

/// The same, of a gateway.
pub fn say(gateway: &Gateway, model: &str, text: &str, form: Form) -> Ask {
    ask(gateway.listen, model, text, form)
}

/// Reads a reply of that form, error or not.
pub fn read(reply: &Reply, form: Form) -> Said {
    let text = reply.text();
    let replies: Vec<Value> = match form {
        Form::Whole => vec![reply.json()],
        Form::Events => {
            let kind = reply.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/event-stream"), "{kind}: {text}");
            let lines = text.lines().filter(|line| !line.is_empty());
            lines
                .map(|line| {
                    let data = line.strip_prefix("data: ");
                    let data = data.unwrap_or_else(|| panic!("the SDK takes no such line: {line}"));
                    if data.contains("\"error\"") && !data.contains("\"candidates\"") {
                        assert!(data.starts_with("{\"error\""), "{data}");
                    }
                    serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
                })
                .collect()
        }
        Form::Array => {
            let kind = reply.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("application/json"), "{kind}: {text}");
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("no array: {error}: {text}"))
        }
    };
    let mut said = Said::default();
    for one in &replies {
        assert!(
            said.error.is_none(),
            "something comes after an error: {text}"
        );
        said.take(one);
    }
    said
}

/// A good reply of that form.
pub fn good(reply: &Reply, form: Form, what: &str) -> Said {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let said = read(reply, form);
    assert!(said.error.is_none(), "{what}: {}", reply.text());
    assert!(!said.finish.is_empty(), "{what}: no end: {}", reply.text());
    for count in ["promptTokenCount", "totalTokenCount"] {
        assert!(said.usage[count].is_u64(), "{what}: {}", said.usage);
    }
    said
}

/// A refusal before the reply: its status, its word and our own code.
pub fn refused(reply: &Reply, status: u16, word: &str, code: &str) {
    let error = reply.json()["error"].clone();
    assert_eq!(
        (reply.status, &error["code"], &error["status"]),
        (status, &json!(status), &json!(word)),
        "{}",
        reply.text()
    );
    assert_eq!(error["details"][0]["reason"], code, "{error}");
    assert!(error["message"].is_string(), "{error}");
}

impl Said {
    fn take(&mut self, reply: &Value) {
        self.pieces += 1;
        if reply["error"].is_object() {
            assert!(reply["error"]["code"].is_u64(), "{reply}");
            self.error = Some(reply["error"].clone());
            return;
        }
        for candidate in reply["candidates"].as_array().into_iter().flatten() {
            if candidate["index"].as_u64().unwrap_or(0) != 0 {
                continue;
            }
            assert!(
                self.finish.is_empty(),
                "something comes after the end: {reply}"
            );
            for part in candidate["content"]["parts"]
                .as_array()
                .into_iter()
                .flatten()
            {
                self.part(part);
            }
            if let Some(finish) = candidate["finishReason"].as_str() {
                finish.clone_into(&mut self.finish);
            }
        }
        if reply["usageMetadata"].is_object() {
            self.usage = reply["usageMetadata"].clone();
        }
        if reply["modelVersion"].is_string() {
            self.model = reply["modelVersion"].clone();
        }
    }

    fn part(&mut self, part: &Value) {
        let text = part["text"].as_str();
        let thought = part["thought"] == true;
        match (text, self.parts.last_mut()) {
            (Some(text), Some(last))
                if last["text"].is_string() && (last["thought"] == true) == thought =>
            {
                last["text"] = (last["text"].as_str().unwrap().to_owned() + text).into();
            }
            (Some(""), None) => {}
            _ => self.parts.push(part.clone()),
        }
    }

    fn texts(&self, thought: bool) -> String {
        let texts = self
            .parts
            .iter()
            .filter(|part| (part["thought"] == true) == thought);
        texts.filter_map(|part| part["text"].as_str()).collect()
    }

    /// All text.
    pub fn text(&self) -> String {
        self.texts(false)
    }

    /// All thoughts.
    pub fn thought(&self) -> String {
        self.texts(true)
    }

    /// The parts that are calls.
    pub fn calls(&self) -> Vec<Value> {
        let calls = self.parts.iter();
        let calls = calls.filter(|part| part["functionCall"].is_object());
        calls.cloned().collect()
    }
}
