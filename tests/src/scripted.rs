//! An upstream whose answers a test sets as it goes: whole, or a stream in pieces of its choice.
//!
//! Speaks chat completions as OpenAI writes them; every piece is a write of its own.

use crate::Value;
use crate::upstream::{Conn, Upstream, end_events, reply};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// What it says to the next requests.
#[derive(Clone, Debug)]
struct Say {
    head: String,
    pieces: Vec<Vec<u8>>,
    pause_ms: u64,
    /// It says no more, and does not end.
    hangs: bool,
}

/// The upstream.
pub struct Scripted {
    upstream: Upstream,
    next: Arc<Mutex<Say>>,
}

impl Scripted {
    /// Says nothing yet.
    pub async fn start() -> Self {
        let next = Arc::new(Mutex::new(Say {
            head: reply("500 Not Scripted", "text/plain", ""),
            pieces: Vec::new(),
            pause_ms: 0,
            hangs: false,
        }));
        let shared = Arc::clone(&next);
        let upstream = Upstream::start(move |mut conn: Conn| {
            let next = Arc::clone(&shared);
            async move {
                while conn.request().await.is_some() {
                    let say = next.lock().unwrap().clone();
                    conn.write(say.head.as_bytes()).await?;
                    for (at, piece) in say.pieces.iter().enumerate() {
                        match at {
                            0 => {}
                            1 if say.pause_ms > 0 => conn.between(say.pause_ms).await,
                            _ if say.pause_ms > 0 => conn.pause(say.pause_ms).await,
                            _ => {}
                        }
                        conn.write(piece).await?;
                    }
                    if say.hangs {
                        conn.gone().await;
                    }
                }
                Ok(())
            }
        })
        .await;
        Self { upstream, next }
    }

    /// `http://host:port`.
    pub fn origin(&self) -> String {
        self.upstream.origin()
    }

    /// From now on streams wait behind their first piece, if there are pauses.
    pub fn holds(&self) {
        self.upstream.holds();
    }

    /// Lets one of them go on.
    pub fn lets_go(&self) {
        self.upstream.lets_go();
    }

    /// Bodies of all requests so far.
    pub fn bodies(&self) -> Vec<Value> {
        let requests = self.upstream.requests();
        requests.iter().map(crate::message::Message::json).collect()
    }

    /// The body of the last request.
    pub fn last(&self) -> Value {
        self.bodies().pop().expect("a request")
    }

    /// Answers whole from now on, with this message.
    pub fn whole(&self, message: &Value) {
        self.whole_choices(&json!([{"index": 0, "message": message, "finish_reason": "stop"}]));
    }

    /// The same with these choices.
    pub fn whole_choices(&self, choices: &Value) {
        let body = json!({"id": "c-1", "object": "chat.completion", "created": 1, "model": "some-model", "choices": choices,
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
        *self.next.lock().unwrap() = Say {
            head: reply("200 OK", "application/json", &body.to_string()),
            pieces: Vec::new(),
            pause_ms: 0,
            hangs: false,
        };
    }

    /// Answers with a stream in these pieces from now on.
    pub fn stream(&self, pieces: Vec<Vec<u8>>, pause_ms: u64) {
        let length: usize = pieces.iter().map(Vec::len).sum();
        *self.next.lock().unwrap() = Say {
            head: format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n"
            ),
            pieces,
            pause_ms,
            hangs: false,
        };
    }

    /// Answers with the beginning of a stream from now on.
    pub fn hanging(&self, pieces: Vec<Vec<u8>>, pause_ms: u64) {
        self.stream(pieces, pause_ms);
        let mut next = self.next.lock().unwrap();
        next.head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned();
        next.hangs = true;
    }

    /// Answers with these events, an event a write if `pause_ms`, and the end.
    pub fn events(&self, events: &[String], pause_ms: u64) {
        let all = events.iter().map(|event| event.clone().into_bytes());
        let mut pieces: Vec<Vec<u8>> = all.chain([end_events().into()]).collect();
        if pause_ms == 0 {
            pieces = vec![pieces.concat()];
        }
        self.stream(pieces, pause_ms);
    }
}

/// An event with a delta of a choice.
pub fn delta(choice: u64, delta: &Value) -> String {
    format!(
        "data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"some-model\",\"choices\":[{{\"index\":{choice},\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
    )
}

/// The finish of a choice.
pub fn finish(choice: u64, reason: &str) -> String {
    format!(
        "data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"some-model\",\"choices\":[{{\"index\":{choice},\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n"
    )
}

/// Every way to cut a text in two at a character.
pub fn halves(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.char_indices().map(|(at, _)| text.split_at(at))
}

/// A text in pieces of so many characters.
pub fn pieces(text: &str, size: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}
