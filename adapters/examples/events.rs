//! What an event of a stream costs, forwarded and translated, by the dialects of both sides.
//!
//! `cargo run --release -p adapters --example events` times every pair on this machine, the least of several runs each.
//! With names (`events gemini openai-chat`, `events gemini forwarded`, `events gemini decoded`, `events gemini split`)
//! it does that once and prints nothing, for tools that count instructions: their difference to `split` is the work.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement, for people"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use adapters::{CLIENT_DIALECTS, ClientDialect, DIALECTS, Dialect, ReplyHead};
use bytes::Bytes;
use wire::facts::{EventFacts, Shape};
use wire::sse::{self, Splitter};
use wire::{Rope, json};

const EVENTS: usize = 20_000;
/// Bytes of a read.
const READ: usize = 4096;
/// The least of so many rounds counts.
const RUNS: usize = 25;

/// A dialect, the events before the first piece, and one piece as its vendor writes it; `{at}` is its number.
const STREAMS: [(&str, &str, &str); 7] = [
    (
        "openai-chat",
        "",
        r#"data: {"id":"chatcmpl-9vJ2kQ7mT4xW","object":"chat.completion.chunk","created":1767225600,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_a7d06e42a7","choices":[{"index":0,"delta":{"content":" w{at}"},"logprobs":null,"finish_reason":null}],"obfuscation":"x{at}"}"#,
    ),
    (
        "anthropic-messages",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" w{at}\"}}",
    ),
    (
        "openai-responses",
        "",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":{at},\"item_id\":\"msg_68a2f2c4\",\"output_index\":0,\"content_index\":0,\"delta\":\" w{at}\",\"logprobs\":[],\"obfuscation\":\"x{at}\"}",
    ),
    (
        "openai-completions",
        "",
        r#"data: {"id":"cmpl-9vJ2kQ7mT4xW","object":"text_completion","created":1767225600,"model":"gpt-3.5-turbo-instruct","choices":[{"index":0,"text":" w{at}","logprobs":null,"finish_reason":null}]}"#,
    ),
    (
        "bedrock-converse",
        "",
        "event: contentBlockDelta\ndata: {\"contentBlockIndex\":0,\"delta\":{\"text\":\" w{at}\"},\"p\":\"abcdefghijk{at}\"}",
    ),
    (
        "dashscope",
        "",
        "id:{at}\nevent:result\n:HTTP_STATUS/200\ndata:{\"output\":{\"choices\":[{\"message\":{\"content\":\" w{at}\",\"role\":\"assistant\"},\"finish_reason\":\"null\"}]},\"usage\":{\"total_tokens\":{at},\"output_tokens\":{at},\"input_tokens\":22},\"request_id\":\"9f1e8d2a-64b1-9d2e-8c55-0a9ad1f0c1aa\"}",
    ),
    (
        "gemini",
        "",
        r#"data: {"candidates": [{"content": {"parts": [{"text": " w{at}"}], "role": "model"}, "index": 0}], "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": {at}, "totalTokenCount": {at}, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 4}]}, "modelVersion": "gemini-2.5-flash", "responseId": "vK4maZ2TE8-sim"}"#,
    ),
];

/// A stream as reads.
fn reads(head: &str, event: &str) -> Vec<Bytes> {
    let mut text = head.to_owned();
    for at in 1..=EVENTS {
        text.push_str(&event.replace("{at}", &at.to_string()));
        text.push_str("\n\n");
    }
    let text = Bytes::from(text);
    (0..text.len())
        .step_by(READ)
        .map(|from| text.slice(from..(from + READ).min(text.len())))
        .collect()
}

fn split(reads: &[Bytes]) {
    let mut splitter = Splitter::new(sse::Limits::default());
    for read in reads {
        let mut at = 0;
        while let Some(event) = splitter.next(read, &mut at).unwrap() {
            black_box(&event);
        }
    }
}

fn forward(reads: &[Bytes], upstream: &dyn Dialect) {
    let mut splitter = Splitter::new(sse::Limits::default());
    let mut tape = json::Tape::default();
    for read in reads {
        let mut at = 0;
        while let Some(event) = splitter.next(read, &mut at).unwrap() {
            let mut facts = EventFacts::default();
            upstream.read_event(&event, &mut tape, &mut facts);
            black_box(&facts);
        }
    }
}

fn translate(reads: &[Bytes], upstream: &dyn Dialect, client: Option<&dyn ClientDialect>) {
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
    let mut decoder = upstream.decoder();
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

fn client(name: &str) -> Option<&'static dyn ClientDialect> {
    let mut all = CLIENT_DIALECTS.iter().copied();
    all.find(|client| client.name() == name)
}

fn once(reads: &[Bytes], upstream: &dyn Dialect, what: &str) {
    match what {
        "split" => split(reads),
        "forwarded" => forward(reads, upstream),
        "decoded" => translate(reads, upstream, None),
        name => translate(reads, upstream, Some(client(name).unwrap())),
    }
}

/// Nanoseconds an event, the least of several rounds in which each takes its turn: a noisy neighbour is everybody's.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a run")]
fn least(reads: &[Bytes], upstream: &dyn Dialect, whats: &[&str]) -> Vec<f64> {
    let mut least = vec![Duration::MAX; whats.len()];
    for _ in 0..RUNS {
        for (what, least) in whats.iter().zip(&mut least) {
            let began = Instant::now();
            once(reads, upstream, what);
            *least = (*least).min(began.elapsed());
        }
    }
    let nanos = least.iter().map(Duration::as_nanos);
    nanos.map(|nanos| nanos as f64 / EVENTS as f64).collect()
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let clients = CLIENT_DIALECTS.iter().map(|client| client.name());
    let whats: Vec<&str> = ["forwarded", "decoded"]
        .into_iter()
        .chain(clients)
        .collect();
    for (name, head, event) in STREAMS {
        let upstream = DIALECTS.iter().find(|one| one.name() == name).unwrap();
        let reads = reads(head, event);
        if let [from, what] = asked.as_slice() {
            if from == name {
                once(&reads, *upstream, what);
            }
            continue;
        }
        println!("{name}");
        let nanos = least(&reads, *upstream, &whats);
        for (what, nanos_of) in whats.iter().zip(&nanos) {
            println!(
                "  {what}: {nanos_of:.0} ns, {:.1} times",
                nanos_of / nanos[0]
            );
        }
    }
}
