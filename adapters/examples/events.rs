//! What an event of a stream costs, forwarded and translated, by client dialect.
//!
//! `cargo run --release -p adapters --example events`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement, for people"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use adapters::dialects::openai_chat::OpenAiChat;
use adapters::{CLIENT_DIALECTS, ClientDialect, Dialect as _, ReplyHead};
use bytes::Bytes;
use wire::facts::{EventFacts, Shape};
use wire::sse::{self, Splitter};
use wire::{Rope, json};

const EVENTS: usize = 20_000;
/// Bytes of a read.
const READ: usize = 4096;
/// The least of so many runs counts.
const RUNS: usize = 15;

/// A stream of chat completions, one piece an event, as reads.
fn reads() -> Vec<Bytes> {
    let mut text = String::new();
    for at in 0..EVENTS {
        let _ = write!(
            text,
            r#"data: {{"id":"chatcmpl-9vJ2kQ7mT4xW","object":"chat.completion.chunk","created":1767225600,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_a7d06e42a7","choices":[{{"index":0,"delta":{{"content":" w{at}"}},"logprobs":null,"finish_reason":null}}]}}"#
        );
        text.push_str("\n\n");
    }
    let text = Bytes::from(text);
    (0..text.len())
        .step_by(READ)
        .map(|from| text.slice(from..(from + READ).min(text.len())))
        .collect()
}

fn least(mut run: impl FnMut()) -> Duration {
    let once = |_| {
        let began = Instant::now();
        run();
        began.elapsed()
    };
    (0..RUNS).map(once).min().unwrap()
}

fn forward(reads: &[Bytes]) {
    let mut splitter = Splitter::new(sse::Limits::default());
    let mut tape = json::Tape::default();
    for read in reads {
        let mut at = 0;
        while let Some(event) = splitter.next(read, &mut at).unwrap() {
            let mut facts = EventFacts::default();
            OpenAiChat.read_event(&event, &mut tape, &mut facts);
            black_box(&facts);
        }
    }
}

fn translate(reads: &[Bytes], client: Option<&dyn ClientDialect>) {
    let head = ReplyHead {
        request_id: "req-1".to_owned(),
        model: "asked".to_owned(),
        created: 7,
        usage_asked: true,
        echo: Bytes::new(),
        shape: Shape::default(),
        thoughts: true,
    };
    let mut splitter = Splitter::new(sse::Limits::default());
    let mut decoder = OpenAiChat.decoder();
    let mut encoder = client.map(|client| client.encoder(head));
    let mut events = Vec::new();
    for read in reads {
        let (mut at, mut out) = (0, Rope::new());
        while let Some(event) = splitter.next(read, &mut at).unwrap() {
            decoder.event(&event, &mut events).unwrap();
        }
        if let Some(encoder) = &mut encoder {
            encoder.events(&events, &mut out).unwrap();
        }
        black_box(out);
        events.clear();
    }
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run")]
fn nanos(took: Duration) -> f64 {
    took.as_nanos() as f64 / EVENTS as f64
}

fn main() {
    let reads = reads();
    let forwarded = least(|| forward(&reads));
    println!("forwarded: {:.0} ns an event", nanos(forwarded));
    let decoded = least(|| translate(&reads, None));
    println!("decoded: {:.0} ns", nanos(decoded));
    for client in CLIENT_DIALECTS {
        let took = least(|| translate(&reads, Some(*client)));
        let times = took.as_secs_f64() / forwarded.as_secs_f64();
        let name = client.name();
        println!("to {name}: {:.0} ns, {times:.1} times", nanos(took));
    }
}
