//! A strict reader of chat-completions streams: what the official SDKs trip over, it refuses.
//!
//! Written from the dialect's description, sections 3 and 4. Panics name the rule and the event.

use crate::http::check_error;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a stream said.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// All JSON events in order.
    pub chunks: Vec<Value>,
    /// Text of each choice.
    pub text: BTreeMap<u64, String>,
    /// Reasoning of each choice.
    pub reasoning: BTreeMap<u64, String>,
    /// Tool calls of choice 0.
    pub tools: Vec<Tool>,
    /// Finish reason of each choice.
    pub finish: BTreeMap<u64, String>,
    /// The totals, if they came.
    pub usage: Option<Value>,
    /// The error that ended it.
    pub error: Option<Value>,
    /// `[DONE]` came.
    pub done: bool,
    /// Comment lines.
    pub comments: usize,
}

/// One tool call, put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tool {
    /// Its id.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// Its arguments.
    pub arguments: String,
}

impl Said {
    /// Text of choice 0.
    pub fn text(&self) -> &str {
        self.text.get(&0).map_or("", String::as_str)
    }

    /// Reasoning of choice 0.
    pub fn reasoning(&self) -> &str {
        self.reasoning.get(&0).map_or("", String::as_str)
    }

    /// Finish reason of choice 0.
    pub fn finish(&self) -> &str {
        self.finish.get(&0).map_or("", String::as_str)
    }

    /// The code of the error event.
    pub fn error_code(&self) -> &str {
        self.error
            .as_ref()
            .and_then(|error| error["code"].as_str())
            .unwrap_or_default()
    }
}

/// The data of each event, and how many comments there were. Any line end will do here.
pub fn events(body: &[u8]) -> (Vec<String>, usize) {
    let text = std::str::from_utf8(body)
        .expect("a stream is UTF-8")
        .replace("\r\n", "\n");
    let mut comments = 0;
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let mut data = Vec::new();
        for line in block.lines() {
            if line.starts_with(':') {
                comments += 1;
            } else if let Some(rest) = line.strip_prefix("data:") {
                data.push(rest.strip_prefix(' ').unwrap_or(rest));
            } else if !line.is_empty() {
                panic!("neither data nor comment: {line:?}");
            }
        }
        if !data.is_empty() {
            events.push(data.join("\n"));
        }
    }
    (events, comments)
}

/// Reads a stream of any vendor of the dialect, without asking for more than JSON and one end.
pub fn read(body: &[u8]) -> Said {
    let mut said = Said::default();
    let (events, comments) = events(body);
    said.comments = comments;
    for data in events {
        assert!(
            !said.done && said.error.is_none(),
            "an event behind the end: {data}"
        );
        if data == "[DONE]" {
            said.done = true;
            continue;
        }
        let chunk: Value = serde_json::from_str(&data)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {data}"));
        if !chunk["error"].is_null() {
            check_error(&chunk["error"]);
            said.error = Some(chunk["error"].clone());
        } else {
            take(&mut said, &chunk);
        }
        said.chunks.push(chunk);
    }
    said
}

fn take(said: &mut Said, chunk: &Value) {
    if chunk["usage"].is_object() {
        said.usage = Some(chunk["usage"].clone());
    }
    for choice in chunk["choices"].as_array().into_iter().flatten() {
        let index = choice["index"].as_u64().unwrap_or(0);
        let delta = &choice["delta"];
        let add = |to: &mut BTreeMap<u64, String>, piece: &Value| {
            if let Some(piece) = piece.as_str() {
                to.entry(index).or_default().push_str(piece);
            }
        };
        add(&mut said.text, &delta["content"]);
        add(&mut said.reasoning, &delta["reasoning_content"]);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let at = call["index"]
                .as_u64()
                .unwrap_or_else(|| panic!("a tool call without an integer index: {call}"))
                as usize;
            if at == said.tools.len() {
                said.tools.push(Tool::default());
            }
            let tool = said
                .tools
                .get_mut(at)
                .unwrap_or_else(|| panic!("tool index {at} skips one"));
            let piece =
                |to: &mut String, value: &Value| to.push_str(value.as_str().unwrap_or_default());
            piece(&mut tool.id, &call["id"]);
            piece(&mut tool.name, &call["function"]["name"]);
            piece(&mut tool.arguments, &call["function"]["arguments"]);
        }
        if let Some(word) = choice["finish_reason"].as_str() {
            said.finish.insert(index, word.to_owned());
        }
    }
}

/// Reads a stream that must be good to its end and keep every rule. `usage`: whether the client asked for it.
pub fn strict(body: &[u8], usage: bool) -> Said {
    strict_or_uncounted(body, usage, false)
}

/// The same, where the totals may be missing because the vendor counts nothing.
pub fn strict_or_uncounted(body: &[u8], usage: bool, uncounted: bool) -> Said {
    let text = std::str::from_utf8(body).expect("a stream is UTF-8");
    assert!(
        !text.contains('\r') && text.ends_with("\n\n"),
        "line ends: {:?}",
        text.get(text.len().saturating_sub(40)..)
    );
    let said = read(body);
    assert!(said.error.is_none(), "an error: {:?}", said.error);
    assert!(said.done, "no [DONE]: {text}");
    let first = said.chunks.first().expect("a stream has chunks");
    let mut begun = BTreeMap::new();
    let mut ended = BTreeMap::new();
    let mut tools = BTreeMap::new();
    let mut counted = false;
    for chunk in &said.chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        for constant in ["id", "created", "model"] {
            assert_eq!(
                chunk[constant], first[constant],
                "{constant} changes: {chunk}"
            );
        }
        assert!(
            chunk["id"].as_str().is_some_and(|id| !id.is_empty()) && chunk["created"].is_u64(),
            "{chunk}"
        );
        let choices = chunk["choices"]
            .as_array()
            .unwrap_or_else(|| panic!("no choices: {chunk}"));
        assert!(!counted, "a chunk behind the usage: {chunk}");
        if chunk["usage"].is_object() {
            assert!(usage, "usage that nobody asked for: {chunk}");
            assert!(choices.is_empty(), "usage beside choices: {chunk}");
            check_usage(&chunk["usage"]);
            counted = true;
            continue;
        }
        assert_eq!(
            usage,
            chunk.as_object().unwrap().contains_key("usage"),
            "usage is null in each chunk if asked for, else absent: {chunk}"
        );
        assert!(!choices.is_empty(), "an empty chunk: {chunk}");
        for choice in choices {
            check_choice(choice, &mut begun, &mut ended, &mut tools);
        }
    }
    assert!(counted == usage || uncounted, "the usage chunk");
    let ended: Vec<&u64> = ended.keys().collect();
    let begun: Vec<&u64> = begun.keys().collect();
    assert_eq!(ended, begun, "every choice begins and ends");
    said
}

fn check_choice(
    choice: &Value,
    begun: &mut BTreeMap<u64, ()>,
    ended: &mut BTreeMap<u64, ()>,
    tools: &mut BTreeMap<u64, u64>,
) {
    let index = choice["index"]
        .as_u64()
        .unwrap_or_else(|| panic!("no index: {choice}"));
    let delta = choice["delta"]
        .as_object()
        .unwrap_or_else(|| panic!("no delta: {choice}"));
    assert!(
        !ended.contains_key(&index),
        "a delta behind the finish: {choice}"
    );
    if begun.insert(index, ()).is_none() {
        assert_eq!(
            delta.get("role"),
            Some(&Value::from("assistant")),
            "the first chunk names the role: {choice}"
        );
        assert!(
            delta.contains_key("content"),
            "the first chunk has content: {choice}"
        );
    } else {
        assert!(
            !delta.contains_key("role"),
            "the role stands once: {choice}"
        );
    }
    for call in delta
        .get("tool_calls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        check_call(call, tools.entry(index).or_default());
    }
    let finish = &choice["finish_reason"];
    assert!(
        choice.as_object().unwrap().contains_key("finish_reason"),
        "{choice}"
    );
    if let Some(word) = finish.as_str() {
        assert!(
            [
                "stop",
                "length",
                "tool_calls",
                "content_filter",
                "function_call"
            ]
            .contains(&word),
            "{choice}"
        );
        assert!(
            delta.is_empty(),
            "the finish chunk has an empty delta: {choice}"
        );
        ended.insert(index, ());
    } else {
        assert!(finish.is_null(), "{choice}");
    }
}

/// A piece of a call; `next` is the index that a new call has.
fn check_call(call: &Value, next: &mut u64) {
    let at = call["index"]
        .as_u64()
        .unwrap_or_else(|| panic!("tool index: {call}"));
    if at == *next {
        *next += 1;
        assert!(
            call["id"].as_str().is_some_and(|id| !id.is_empty()),
            "a first piece has an id: {call}"
        );
        assert_eq!(call["type"], "function", "{call}");
        assert!(
            call["function"]["name"]
                .as_str()
                .is_some_and(|name| !name.is_empty()),
            "{call}"
        );
        assert!(call["function"]["arguments"].is_string(), "{call}");
    } else {
        assert!(at < *next, "tool indices skip: {call}");
        assert!(
            call.get("id").is_none() && call.get("type").is_none(),
            "id and type stand once: {call}"
        );
        assert!(
            call["function"].get("name").is_none(),
            "the name stands once: {call}"
        );
    }
}

/// Panics unless usage adds up and has OpenAI's fields.
pub fn check_usage(usage: &Value) {
    let count = |name: &str| {
        usage[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {usage}"))
    };
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens"),
        "{usage}"
    );
    let inner = |outer: &str, name: &str| usage[outer][name].as_u64().unwrap_or(0);
    assert!(
        inner("prompt_tokens_details", "cached_tokens") <= count("prompt_tokens"),
        "{usage}"
    );
    assert!(
        inner("completion_tokens_details", "reasoning_tokens") <= count("completion_tokens"),
        "{usage}"
    );
}
