//! What an event costs, forwarded and translated, by client dialect. A measurement, no test: run it in a release build with
//! `cargo test --release -p adapters --lib pace -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::*;
use crate::CLIENT_DIALECTS;

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

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "what it measures is for people")]
fn events_by_client_dialect() {
    let reads = reads();
    let nanos = |took: Duration| took.as_nanos() as f64 / EVENTS as f64;
    let forwarded = least(|| {
        let mut splitter = Splitter::new(sse::Limits::default());
        let mut tape = json::Tape::default();
        for read in &reads {
            let mut at = 0;
            while let Some(event) = splitter.next(read, &mut at).unwrap() {
                let mut facts = EventFacts::default();
                OpenAiChat.read_event(&event, &mut tape, &mut facts);
                black_box(&facts);
            }
        }
    });
    println!("forwarded: {:.0} ns an event", nanos(forwarded));
    let decode = |client: Option<&dyn crate::ClientDialect>| {
        let mut splitter = Splitter::new(sse::Limits::default());
        let mut decoder = OpenAiChat.decoder();
        let mut encoder = client.map(|client| client.encoder(head_of_reply()));
        let mut events = Vec::new();
        for read in &reads {
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
    };
    let decoded = least(|| decode(None));
    println!("decoded: {:.0} ns", nanos(decoded));
    for client in CLIENT_DIALECTS {
        let took = least(|| decode(Some(*client)));
        let times = took.as_secs_f64() / forwarded.as_secs_f64();
        println!(
            "to {}: {:.0} ns, {times:.1} times",
            client.name(),
            nanos(took)
        );
    }
}
