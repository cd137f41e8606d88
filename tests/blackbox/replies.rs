//! What counts as a reply: what has the dialect's own members. A good status with anything else is none: the next target is
//! asked, and none of the words go down. And what vendors say beside their replies: that they failed, or took one back.

use std::time::Duration;
use tests::gemini::Form;
use tests::upstream::{Upstream, end_events, good_reply, reply, text_event};
use tests::*;

/// Bodies and events under a good status that are no reply in any dialect. `~` is what must reach nobody.
const NOTHING: [&str; 14] = [
    "{}",
    "[]",
    "null",
    r#""~ 13800138000""#,
    r#"{"code":500,"~":1}"#,
    r#"{"success":false,"msg":"~"}"#,
    r#"{"success":false,"message":"Incorrect API key provided: ~"}"#,
    r#"{"errors":[{"message":"~"}]}"#,
    r#"{"Message":"~"}"#,
    r#"{"fault":{"faultstring":"~"}}"#,
    r#"{"type":"fail","detail":{"message":"~"}}"#,
    r#"{"status":500,"title":"~"}"#,
    r#"{"choices":null,"candidates":null,"output":null,"content":null,"~":1}"#,
    r#"{"choices":["~"],"candidates":["~"],"output":["~"],"content":["~"]}"#,
];

const PLANTED: &str = "PLANTED-WORDS";

fn planted(of: &str) -> String {
    of.replace('~', PLANTED)
}

/// Answers whole requests with the body that the model's name tells (`case-3`), and streams with it as an event.
async fn meaningless() -> Upstream {
    Upstream::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let all = request.head + &String::from_utf8_lossy(&request.body);
            let case = all.split("case-").nth(1).unwrap_or("0");
            let digits: String = case.chars().take_while(char::is_ascii_digit).collect();
            let body = planted(NOTHING[digits.parse::<usize>().unwrap()]);
            let lower = all.to_ascii_lowercase();
            let streams = [r#""stream":true"#, "alt=sse", "x-dashscope-sse"];
            let told = if streams.iter().any(|sign| lower.contains(sign)) {
                reply(
                    "200 OK",
                    "text/event-stream",
                    &format!("data: {body}\n\ndata: [DONE]\n\n"),
                )
            } else {
                reply("200 OK", "application/json", &body)
            };
            conn.write(told.as_bytes()).await?;
        }
        Ok(())
    })
    .await
}

/// A client's dialect, and a vendor that is spoken to in it.
const SAME: [(&str, &str); 6] = [
    ("chat", "openai-compatible"),
    ("completions", "vllm"),
    ("responses", "openai"),
    ("messages", "anthropic"),
    ("gemini", "gemini"),
    ("dashscope", "tongyi"),
];

fn ask(gateway: &Gateway, dialect: &str, model: &str, stream: bool) -> Ask {
    let to = gateway.listen;
    let post = |path: &str, body: Value| Ask::post(to, path).key(KEY).json(&body);
    match dialect {
        "chat" if stream => gateway.stream(model, "hi"),
        "chat" => gateway.chat(model, "hi"),
        "completions" => post(
            "/v1/completions",
            json!({"model": model, "prompt": "hi", "stream": stream}),
        ),
        "responses" => post(
            "/v1/responses",
            json!({"model": model, "input": "hi", "stream": stream}),
        ),
        "messages" => messages::say(gateway, model, "hi", stream),
        "gemini" if stream => gemini::say(gateway, model, "hi", Form::Events),
        "gemini" => gemini::say(gateway, model, "hi", Form::Whole),
        _ => {
            let path = "/api/v1/services/aigc/text-generation/generation";
            let ask = post(
                path,
                json!({"model": model, "input": {"messages": [{"role": "user", "content": "hi"}]},
                    "parameters": {"result_format": "message", "incremental_output": stream}}),
            );
            if stream {
                ask.header("x-dashscope-sse", "enable")
            } else {
                ask
            }
        }
    }
}

#[tokio::test]
async fn what_has_nothing_of_its_dialect_is_no_reply() {
    let upstream = meaningless().await;
    let mut config = Config::new();
    for (_, vendor) in SAME {
        config.provider(vendor, vendor, &upstream.origin());
        for case in 0..NOTHING.len() {
            let model = format!("case-{case}");
            config.model(&format!("{vendor}-{model}"), &[(vendor, &model)]);
        }
    }
    let gateway = Gateway::start(&config).await;
    for (dialect, vendor) in SAME {
        for (case, body) in NOTHING.iter().enumerate() {
            for stream in [false, true] {
                let model = format!("{vendor}-case-{case}");
                let reply = ask(&gateway, dialect, &model, stream).send().await;
                let what = format!("{dialect} {stream} {body}: {}", reply.text());
                assert!(reply.status >= 500, "{} {what}", reply.status);
                assert!(!reply.text().contains(PLANTED), "{what}");
            }
        }
        // The same where it is translated, from and to another dialect.
        let from = if dialect == "messages" {
            "chat"
        } else {
            "messages"
        };
        for case in 0..NOTHING.len() {
            for stream in [false, true] {
                let model = format!("{vendor}-case-{case}");
                let reply = ask(&gateway, from, &model, stream).send().await;
                let what = format!("{from} {dialect} {stream} {case}: {}", reply.text());
                assert!(reply.status >= 500, "{} {what}", reply.status);
                assert!(!reply.text().contains(PLANTED), "{what}");
            }
        }
    }
    assert!(!gateway.log().contains(PLANTED));
}

/// Streams of one read, whole.
fn sse(events: &str) -> String {
    reply("200 OK", "text/event-stream", events)
}

fn json_reply(body: &str) -> String {
    reply("200 OK", "application/json", body)
}

#[tokio::test]
async fn the_next_target_answers_in_its_place() {
    let good = Upstream::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let stream = request.json()["stream"] == true;
            let text = text_event("good") + end_events();
            let told = if stream { sse(&text) } else { good_reply() };
            conn.write(told.as_bytes()).await?;
        }
        Ok(())
    })
    .await;
    let empty = r#"{"id":"c-1","object":"chat.completion","choices":[]}"#;
    let failed = r#"{"id":"c-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ha"},"finish_reason":"network_error"}]}"#;
    let cases = [
        json_reply(empty),
        json_reply(r#"{"choices":[{}]}"#),
        json_reply(failed),
        json_reply(&failed.replace("network_error", "insufficient_system_resource")),
        sse("data: [DONE]\n\n"),
        sse(": waits\n\ndata: [DONE]\n\n"),
        sse(&planted("data: {\"success\":false,\"message\":\"~\"}\n\n")),
        sse(&planted("~: what is no field\n\ndata: [DONE]\n\n")),
    ];
    for (at, told) in cases.iter().enumerate() {
        let upstream = Upstream::saying(told.as_str()).await;
        let mut config = Config::new();
        config.plain_at("bad", &upstream.origin());
        config.plain_at("good", &good.origin());
        config.model("m", &[("bad", "x"), ("good", "x")]);
        let gateway = Gateway::start(&config).await;
        for dialect in ["chat", "messages"] {
            for stream in [false, true] {
                let reply = ask(&gateway, dialect, "m", stream).send().await;
                let what = format!("{at} {dialect} {stream}: {}", reply.text());
                assert_eq!(reply.status, 200, "{what}");
                assert_eq!(reply.header("x-yumen-attempts"), Some("2"), "{what}");
                assert!(reply.text().contains("good"), "{what}");
                assert!(!reply.text().contains(PLANTED), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn in_the_middle_it_is_an_error_of_ours() {
    for event in [
        r#"data: {"success":false,"message":"~"}"#,
        r#"data: {"errors":[{"message":"~"}]}"#,
        r#"{"success":false,"message":"~"}"#,
        "~ and no field",
    ] {
        let events = text_event("begun") + &planted(event) + "\n\n" + end_events();
        let upstream = Upstream::saying(sse(&events)).await;
        let mut config = Config::new();
        config.plain_at("m", &upstream.origin());
        let gateway = Gateway::start(&config).await;
        for dialect in ["chat", "messages"] {
            let reply = ask(&gateway, dialect, "m", true).send().await;
            let text = reply.text();
            assert!(!text.contains(PLANTED), "{dialect} {event}: {text}");
            // Where all is written anew, a line that nobody reads is nothing.
            let passed_over = dialect == "messages" && event.starts_with('~');
            assert_eq!(
                text.contains("upstream_error"),
                !passed_over,
                "{dialect} {event}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn a_stream_for_a_whole_request_ends_at_its_end() {
    let upstream = Upstream::start(|mut conn| async move {
        conn.request().await;
        conn.stream_head().await?;
        conn.write((text_event("said") + end_events()).as_bytes())
            .await?;
        conn.gone().await;
        Ok(())
    })
    .await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    for dialect in ["chat", "messages"] {
        let asked = ask(&gateway, dialect, "m", false).limit(Duration::from_secs(20));
        let reply = asked.send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains("said"), "{}", reply.text());
    }
    assert_eq!(upstream.requests().len(), 2);
}

/// A chunk of a vendor that flags what its moderation found.
fn flagged(delta: &str, finish: &str, flag: &str) -> String {
    format!(
        "data: {{\"id\":\"as-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}{flag}}}]}}\n\n"
    )
}

#[tokio::test]
async fn what_a_vendor_took_back_ends_so_and_is_not_shown() {
    let whole = |flag: u8| {
        json_reply(&planted(&format!(
            r#"{{"id":"as-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"~"}},"finish_reason":"stop","flag":{flag}}}],"usage":{{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}}}"#
        )))
    };
    let stream = |flag: u8, inside: bool| {
        let (within, beside) = match inside {
            true => (format!(",\"flag\":{flag}"), String::new()),
            false => (String::new(), format!(",\"flag\":{flag}")),
        };
        let begins = flagged(
            "{\"role\":\"assistant\",\"content\":\"so\"}",
            "null",
            ",\"flag\":0",
        );
        let goes_on = flagged(&format!("{{\"content\":\"~\"{within}}}"), "null", &beside);
        let ends = flagged("{}", "\"stop\"", ",\"flag\":0") + "data: [DONE]\n\n";
        sse(&planted(&(begins + &goes_on + &ends)))
    };
    let sensitive = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"output_sensitive":true,"base_resp":{"status_code":0,"status_msg":""}}"#;
    // What is told, whether its words may be shown, and whether it is a stream.
    let cases = [
        ("wenxin", whole(2), true, false),
        ("wenxin", whole(4), false, false),
        ("wenxin", stream(2, false), true, true),
        ("wenxin", stream(3, false), false, true),
        ("wenxin", stream(4, true), false, true),
        ("minimax", json_reply(sensitive), false, false),
    ];
    for (at, (vendor, told, shown, streams)) in cases.iter().enumerate() {
        let upstream = Upstream::saying(told.as_str()).await;
        let mut config = Config::new();
        config.provider("p", vendor, &upstream.origin());
        config.model("m", &[("p", "x")]);
        let gateway = Gateway::start(&config).await;
        for (dialect, word) in [("chat", "content_filter"), ("messages", "refusal")] {
            let reply = ask(&gateway, dialect, "m", *streams).send().await;
            let what = format!("{at} {dialect}: {}", reply.text());
            assert_eq!(reply.status, 200, "{what}");
            assert!(reply.text().contains(&format!("\"{word}\"")), "{what}");
            assert_eq!(reply.text().contains(PLANTED), *shown, "{what}");
        }
    }
}

#[tokio::test]
async fn a_transcript_is_of_the_form_that_was_asked_for() {
    let upstream = Upstream::saying(reply("200 OK", "text/plain", &planted("~"))).await;
    let mut config = Config::new();
    config.provider("p", "openai", &upstream.origin());
    config.model("m", &[("p", "whisper-1")]);
    let gateway = Gateway::start(&config).await;
    for (format, status) in [("", 502), ("json", 502), ("text", 200)] {
        let field = |name: &str, value: &str| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let mut form = field("model", "m");
        if !format.is_empty() {
            form += &field("response_format", format);
        }
        form += &field("file\"; filename=\"a.wav", "RIFF");
        form += "--b--\r\n";
        let asked = Ask::post(gateway.listen, "/v1/audio/transcriptions")
            .key(KEY)
            .bytes(form)
            .without("content-type")
            .header("content-type", "multipart/form-data; boundary=b");
        let reply = asked.send().await;
        assert_eq!(reply.status, status, "{format}: {}", reply.text());
        assert_eq!(reply.text().contains(PLANTED), status == 200, "{format}");
    }
}

#[tokio::test]
async fn counts_that_end_in_zeros_are_those_before() {
    let counted = |prompt: u64, completion: u64| {
        format!(
            "data: {{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion}}}}}\n\n"
        )
    };
    let events = text_event("said") + &counted(3, 60) + &counted(0, 0) + end_events();
    let upstream = Upstream::saying(sse(&events)).await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    let gateway = Gateway::start(&config).await;
    for dialect in ["chat", "messages", "dashscope"] {
        let reply = ask(&gateway, dialect, "m", true).send().await;
        let closing = gateway.record(&reply).await;
        let tokens = &closing["tokens"];
        let told = (&tokens["prompt"], &tokens["completion"]);
        assert_eq!(told, (&json!(3), &json!(60)), "{dialect}: {closing}");
        if dialect != "chat" {
            assert!(reply.text().contains("_tokens\":60"), "{}", reply.text());
        }
    }
}
