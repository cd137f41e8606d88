//! OpenAI's Responses as its official SDK's stream helper reads them: requests of a client, replies and streams.
//!
//! Strict where the SDK is: the response is created first and keeps its id, items are added once, parts exist before their
//! pieces, the end lists all items. Uses none of the gateway's code.

use crate::{Ask, Gateway, KEY, Reply};
use serde_json::{Value, json};

/// What a reply says.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The response as it ended.
    pub response: Value,
    /// The error that ended a stream.
    pub error: Option<Value>,
    /// How many pieces of text came.
    pub pieces: usize,
}

/// A request with one text as its input, streamed or not.
pub fn say(gateway: &Gateway, model: &str, text: &str, stream: bool) -> Ask {
    Ask::post(gateway.listen, "/v1/responses")
        .key(KEY)
        .json(&json!({"model": model, "input": text}))
        .with(|body| {
            if stream {
                body["stream"] = true.into();
            }
        })
}

/// A reply that came to an end of its own, whole or streamed.
pub fn good(reply: &Reply, what: &str) -> Response {
    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    let streamed = reply
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    let said = if streamed {
        read(&reply.body)
    } else {
        Response {
            response: reply.json(),
            ..Response::default()
        }
    };
    assert!(said.error.is_none(), "{what}: {}", reply.text());
    let response = &said.response;
    assert_eq!(response["object"], "response", "{what}: {}", reply.text());
    assert!(
        ["completed", "incomplete"].contains(&said.status()),
        "{what}: {response}"
    );
    assert!(response["error"].is_null(), "{what}: {response}");
    let usage = &response["usage"];
    // A vendor that does not count leaves it empty.
    let counted = !usage.is_null();
    for (outer, inner) in [
        ("input_tokens", "cached_tokens"),
        ("output_tokens", "reasoning_tokens"),
    ] {
        let whole = usage[outer].is_u64() && usage[format!("{outer}_details")][inner].is_u64();
        assert!(whole || !counted, "{what}: {usage}");
    }
    said
}

/// A refusal before the reply: its status and our own code.
pub fn refused(reply: &Reply, status: u16, code: &str) {
    let error = reply.json();
    assert_eq!(reply.status, status, "{}", reply.text());
    for key in ["message", "type", "param", "code"] {
        assert!(error["error"].get(key).is_some(), "{error}");
    }
    assert_eq!(error["error"]["code"], code, "{error}");
}

impl Response {
    /// The items of a type.
    pub fn items<'r>(&'r self, kind: &'r str) -> impl Iterator<Item = &'r Value> + 'r {
        let output = self.response["output"].as_array();
        let output = output.into_iter().flatten();
        output.filter(move |item| item["type"] == kind)
    }

    /// All text, as the SDK joins it.
    pub fn text(&self) -> String {
        let parts = self
            .items("message")
            .flat_map(|item| item["content"].as_array().unwrap());
        parts.filter_map(|part| part["text"].as_str()).collect()
    }

    /// All thoughts, in whichever of their two forms.
    pub fn thought(&self) -> String {
        let lists = self
            .items("reasoning")
            .flat_map(|item| [&item["content"], &item["summary"]]);
        let parts = lists.filter_map(Value::as_array).flatten();
        parts.map(|part| part["text"].as_str().unwrap()).collect()
    }

    /// Calls: id, name, arguments.
    pub fn calls(&self) -> Vec<(String, String, Value)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.items("function_call")
            .map(|call| {
                let arguments = text(&call["arguments"]);
                (
                    text(&call["call_id"]),
                    text(&call["name"]),
                    serde_json::from_str(&arguments)
                        .unwrap_or_else(|error| panic!("{error}: {arguments}")),
                )
            })
            .collect()
    }

    /// How it ended.
    pub fn status(&self) -> &str {
        self.response["status"].as_str().unwrap_or_default()
    }
}

/// Reads a stream as the SDK gathers it.
pub fn read(body: &[u8]) -> Response {
    let text = String::from_utf8(body.to_vec()).expect("a stream is UTF-8");
    let text = text.replace("\r\n", "\n");
    let mut said = Response::default();
    let (mut id, mut sequence, mut ended) = (Value::Null, None, false);
    let mut items: Vec<Value> = Vec::new();
    for event in text.split("\n\n") {
        let field = |name: &str| {
            let mut lines = event.lines();
            lines
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        let Some(data) = field("data:") else { continue };
        let data: Value =
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {event}"));
        let kind = data["type"]
            .as_str()
            .unwrap_or_else(|| panic!("no type: {event}"));
        assert_eq!(field("event:"), Some(kind), "{event}");
        assert!(
            !ended && said.error.is_none(),
            "something comes after the end: {event}"
        );
        let number = data["sequence_number"].as_u64();
        assert!(
            number.is_some() && number > sequence || sequence.is_none(),
            "{event}"
        );
        sequence = number;
        if kind == "error" {
            said.error = Some(data.clone());
            continue;
        }
        if let Some(response) = data.get("response") {
            assert_eq!(id.is_null(), kind == "response.created", "{event}");
            if id.is_null() {
                id = response["id"].clone();
            }
            assert_eq!(response["id"], id, "{event}");
            match kind {
                "response.created" | "response.in_progress" => {}
                "response.failed" => said.error = Some(response["error"].clone()),
                "response.completed" | "response.incomplete" => ended = true,
                other => panic!("an event that nobody knows: {other}"),
            }
            said.response = response.clone();
            continue;
        }
        assert!(!id.is_null(), "before the start: {event}");
        said.pieces += usize::from(kind == "response.output_text.delta");
        take(&mut items, kind, &data, event);
    }
    assert!(ended || said.error.is_some(), "no end: {text}");
    if ended {
        let output = said.response["output"].as_array().unwrap();
        let ids = |items: &[Value]| -> Vec<Value> {
            items.iter().map(|item| item["id"].clone()).collect()
        };
        assert_eq!(ids(output), ids(&items), "the end lists all items");
        output.iter().zip(&items).for_each(same_texts);
    }
    said
}

/// An item as the end lists it has the texts that its pieces had.
fn same_texts((ended, gathered): (&Value, &Value)) {
    for key in ["content", "arguments", "summary"] {
        let texts = |item: &Value| -> String {
            match &item[key] {
                Value::Array(parts) => parts
                    .iter()
                    .flat_map(|part| [part["text"].as_str(), part["refusal"].as_str()])
                    .flatten()
                    .collect(),
                other => other.as_str().unwrap_or_default().to_owned(),
            }
        };
        assert_eq!(
            texts(ended),
            texts(gathered),
            "{key}: the pieces are the whole"
        );
    }
}

/// One event about an item.
fn take(items: &mut Vec<Value>, kind: &str, data: &Value, event: &str) {
    let number = |key: &str| data[key].as_u64().and_then(|at| usize::try_from(at).ok());
    let at = number("output_index").unwrap_or_else(|| panic!("no item: {event}"));
    if kind == "response.output_item.added" {
        assert_eq!(at, items.len(), "{event}");
        return items.push(data["item"].clone());
    }
    let item = items
        .get_mut(at)
        .unwrap_or_else(|| panic!("an item that was not added: {event}"));
    if kind == "response.output_item.done" {
        let same = |key: &str| assert_eq!(data["item"][key], item[key], "{event}");
        ["id", "type", "call_id"].into_iter().for_each(same);
        return;
    }
    assert_eq!(data["item_id"], item["id"], "{event}");
    let (list, nth) = match number("content_index") {
        Some(nth) => ("content", Some(nth)),
        None => ("summary", number("summary_index")),
    };
    if kind.ends_with("_part.added") {
        let list = item[list].as_array_mut().unwrap();
        assert_eq!(nth, Some(list.len()), "{event}");
        return list.push(data["part"].clone());
    }
    let slot = match nth {
        Some(nth) => item[list]
            .get_mut(nth)
            .unwrap_or_else(|| panic!("no such part: {event}")),
        None => item,
    };
    let member = if slot["type"] == "refusal" {
        "refusal"
    } else if slot["type"] == "function_call" {
        "arguments"
    } else {
        "text"
    };
    if let Some(piece) = data.get("delta") {
        let sum = slot[member]
            .as_str()
            .unwrap_or_else(|| panic!("{event}"))
            .to_owned();
        slot[member] = (sum + piece.as_str().unwrap()).into();
    } else if let Some(whole) = data.get(member) {
        assert_eq!(*whole, slot[member], "{event}");
    }
}
