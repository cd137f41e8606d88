//! What a forwarded event costs, and what comes out of odd streams.

use super::*;
use adapters::dialects::openai_chat::OpenAiChat;
use proptest::prelude::*;
use wire::facts::Finish;

const EVENT: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hello 你好"},"logprobs":null,"finish_reason":null}],"usage":null}"#;
const FINISH: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str = r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
const DONE: &str = "data: [DONE]";

fn reading(gear: Gear) -> Reading {
    let vendor = adapters::vendor("openai-compatible").unwrap();
    let head = Head {
        status: 200,
        headers: Headers::new(),
        now_ms: 0,
    };
    Reading::new(
        &OpenAiChat,
        &OpenAiChat,
        vendor,
        &head,
        gear,
        sse::Limits::default(),
    )
}

fn run(gear: Gear, reads: &[&[u8]]) -> (Result<String, Fault>, Meter) {
    let (mut reading, mut meter, mut out) = (reading(gear), Meter::default(), Rope::new());
    let mut ended = Ok(());
    for read in reads {
        ended =
            ended.and_then(|()| reading.read(&Bytes::copy_from_slice(read), &mut meter, &mut out));
    }
    if ended.is_ok() && !reading.done {
        ended = reading.end(&mut meter, &mut out);
    }
    (
        ended.map(|()| String::from_utf8(out.into_bytes().to_vec()).unwrap()),
        meter,
    )
}

#[test]
fn a_forwarded_event_allocates_nothing() {
    let (mut reading, mut meter) = (reading(Gear::observe(false)), Meter::default());
    let burst = Bytes::from(format!("{EVENT}\n\n").repeat(50));
    let single = Bytes::from(format!("{EVENT}\n\n"));
    let mut pass = |data: &Bytes| {
        let mut out = Rope::new();
        reading.read(data, &mut meter, &mut out).unwrap();
        assert_eq!(out.len(), data.len());
        assert_eq!(
            out.pieces().count(),
            1,
            "what one read released is one slice of it"
        );
    };
    pass(&single);
    pass(&burst);
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            pass(&burst);
            pass(&single);
        }
    });
    assert_eq!(counted.count_total, 0);
    assert_eq!(meter.content_events, 5151);
}

#[test]
fn hides_only_usage_that_was_not_asked_for() {
    let whole = [EVENT, FINISH, USAGE, DONE]
        .map(|event| format!("{event}\n\n"))
        .concat();
    let (out, meter) = run(Gear::observe(true), &[whole.as_bytes()]);
    assert_eq!(out.unwrap(), whole.replace(&format!("{USAGE}\n\n"), ""));
    assert_eq!(meter.usage.unwrap().completion, 2);
    let beside = FINISH.replace(
        "\"usage\":null",
        "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}",
    );
    let (out, _) = run(
        Gear::observe(true),
        &[format!("{beside}\n\n{DONE}\n\n").as_bytes()],
    );
    assert_eq!(out.unwrap(), format!("{FINISH}\n\n{DONE}\n\n"));
}

#[test]
fn a_vendors_finish_word_becomes_the_dialects() {
    let odd = FINISH.replace("\"stop\"", "\"sensitive\"");
    let whole = format!("{EVENT}\n\n{odd}\n\n{DONE}\n\n");
    let (out, meter) = run(Gear::observe(false), &[whole.as_bytes()]);
    assert_eq!(out.unwrap(), whole.replace("sensitive", "content_filter"));
    assert_eq!(meter.finish, Some(Finish::ContentFilter));
    let failed = FINISH.replace("\"stop\"", "\"network_error\"");
    assert_eq!(
        run(Gear::observe(false), &[format!("{failed}\n\n").as_bytes()])
            .0
            .unwrap_err()
            .kind(),
        Kind::UpstreamError
    );
}

#[test]
fn ends() {
    let whole = format!("{EVENT}\n\n{FINISH}\n\n");
    // A forgotten end marker is put there; nothing after the marker goes down; no finish at all is no end.
    assert_eq!(
        run(Gear::observe(false), &[whole.as_bytes()]).0.unwrap(),
        format!("{whole}{DONE}\n\n")
    );
    assert_eq!(
        run(Gear::observe(false), &[whole.trim_end().as_bytes()])
            .0
            .unwrap(),
        format!("{whole}{DONE}\n\n")
    );
    let more = format!("{whole}{DONE}\n\ndata: more\n\n");
    assert_eq!(
        run(Gear::observe(false), &[more.as_bytes()]).0.unwrap(),
        format!("{whole}{DONE}\n\n")
    );
    assert_eq!(
        run(Gear::observe(false), &[format!("{EVENT}\n\n").as_bytes()])
            .0
            .unwrap_err()
            .kind(),
        Kind::CutShort
    );
    assert_eq!(
        run(
            Gear::observe(false),
            &[b"data: {\"error\":{\"message\":\"x\"}}\n\n"]
        )
        .0
        .unwrap_err()
        .side(),
        wire::fault::Side::Upstream
    );
    assert_eq!(
        run(Gear::observe(false), &[b"data: {\"choices\":[{\n\n"])
            .0
            .unwrap_err()
            .kind(),
        Kind::Malformed
    );
}

/// Events of which many are alike, and some nearly.
fn event() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        8 => "[a-z 你]{1,9}",
        2 => Just(String::new()),
        4 => prop::sample::select(vec![
            r"\n", r#"\""#, r"\u4f60", r"\ud83d\ude00", r"\ud83d", r"\x", "\u{7f}", "\t", r#"x","usage":{"#, r#"usage"#, r"\u",
        ]).prop_map(str::to_owned),
    ];
    let shape = prop_oneof![
        20 => Just(EVENT.to_owned()),
        2 => Just(EVENT.replace("content", "reasoning_content")),
        1 => prop::sample::select(vec![
            EVENT.replace("\"content\"", "\"role\":\"assistant\",\"content\""),
            EVENT.replace("chatcmpl-1", "chatcmpl-2"),
            EVENT.replace("}],", "},{\"index\":1,\"delta\":{\"content\":\"hello 你好\"}}],"),
            EVENT.replace("\"finish_reason\":null", "\"finish_reason\":\"stop\""),
            EVENT.replace("data:", "event: x\ndata:"),
            format!("{EVENT} "),
            ": ping".to_owned(),
            USAGE.to_owned(),
            FINISH.to_owned(),
        ]),
    ];
    (shape, text).prop_map(|(shape, text)| shape.replace("hello 你好", &text) + "\n\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn what_is_stepped_over_is_as_if_it_was_read(events in prop::collection::vec(event(), 0..40), hide in any::<bool>()) {
        let whole = events.concat() + FINISH + "\n\n" + DONE + "\n\n";
        // An event that began in an earlier read is always read.
        let mut ends: Vec<usize> = whole.match_indices("\n\n").map(|(at, _)| at + 1).collect();
        ends.insert(0, 0);
        ends.push(whole.len());
        let reads: Vec<&[u8]> = ends.windows(2).map(|pair| &whole.as_bytes()[pair[0]..pair[1]]).collect();
        let (fast, read) = (run(Gear::observe(hide), &[whole.as_bytes()]), run(Gear::observe(hide), &reads));
        let figures = |meter: &Meter| (meter.events, meter.content_events, meter.text_bytes, meter.usage, meter.finish, meter.first_content.is_some());
        prop_assert_eq!(figures(&fast.1), figures(&read.1));
        prop_assert_eq!(fast.0.map_err(|fault| fault.why()), read.0.map_err(|fault| fault.why()));
    }
}

#[test]
fn alike_events_are_stepped_over_and_those_that_are_not_are_read() {
    let mut run = Run::default();
    let whole = format!("{EVENT}\n\n").repeat(9);
    let (mut scratch, mut at) = (wire::json::Tape::default(), 0);
    let limits = sse::Limits::default();
    let mut splitter = Splitter::new(limits);
    assert_eq!(run.step_over(whole.as_bytes(), &mut at, limits).0, 0);
    let event = splitter.next(whole.as_bytes(), &mut at).unwrap().unwrap();
    let facts = wire::facts::EventFacts {
        content: true,
        ..Default::default()
    };
    for misses in 1..=4 {
        assert_eq!(
            run.step_over(whole.as_bytes(), &mut at, limits).0,
            0,
            "{misses}"
        );
        run.learn(&event, &facts, &OpenAiChat, &mut scratch);
    }
    let bytes = 8 * "hello 你好".len() as u64;
    assert_eq!(run.step_over(whole.as_bytes(), &mut at, limits), (8, bytes));
    assert_eq!(at, whole.len());
    let short = sse::Limits {
        line_bytes: 100,
        ..limits
    };
    assert_eq!(
        run.step_over(whole.as_bytes(), &mut 0, short).0,
        0,
        "too long to be taken"
    );
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_bytes(mut cuts in prop::collection::vec(0usize..900, 0..6), hide in any::<bool>(), crlf in any::<bool>()) {
        let gear = || Gear::observe(hide);
        let mut whole = [EVENT, ": ping", EVENT, FINISH, USAGE, DONE].map(|event| format!("{event}\n\n")).concat();
        // A lone LF that a cut left behind means nothing, but it is a byte.
        if crlf && !hide { whole = whole.replace('\n', "\r\n"); }
        cuts.retain(|cut| *cut <= whole.len());
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let reads: Vec<&[u8]> = cuts.windows(2).map(|pair| &whole.as_bytes()[pair[0]..pair[1]]).collect();
        let (one, many) = (run(gear(), &[whole.as_bytes()]), run(gear(), &reads));
        prop_assert_eq!(one.1.content_events, many.1.content_events);
        // The last CRLF of the end marker may come too late to be of use.
        let (one, many) = (one.0.unwrap(), many.0.unwrap());
        prop_assert_eq!(one.trim_end(), many.trim_end());
    }
}
