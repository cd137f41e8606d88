//! Every fault, as bytes on the wire, and what the simulator says about the client.

use crate::raw::{Answer, chat, chat_path, post, read_answer, send, sim};
use serde_json::{Value, json};
use sim::Sim;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

fn body(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "你好 hello"}]})
}

async fn stream(sim: &Sim, faults: &str) -> Answer {
    chat(sim, "openai", &body(&format!("m{faults}"), true)).await
}

async fn whole(sim: &Sim, surface: &str, faults: &str) -> Answer {
    chat(sim, surface, &body(&format!("m{faults}"), false)).await
}

async fn until(what: &str, mut true_now: impl FnMut() -> bool) {
    let start = Instant::now();
    while !true_now() {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{what} never came"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn statuses_and_codes_in_each_envelope() {
    let sim = sim().await;
    for (surface, faults, status, part) in [
        (
            "openai",
            "@status:429@retryafter:3",
            429,
            "\"code\":\"rate_limit_exceeded\"",
        ),
        ("openai", "@status:529", 529, "\"code\":\"server_error\""),
        (
            "openai",
            "@code:insufficient_quota",
            429,
            "\"type\":\"insufficient_quota\"",
        ),
        (
            "wenxin",
            "@code:account_overdue",
            403,
            "\"type\":\"access_denied\"",
        ),
        ("glm", "@code:1113", 429, "\"code\":\"1113\""),
        ("glm", "@code:1301", 400, "{\"contentFilter\":["),
        ("glm", "@status:500", 500, "\"code\":\"500\""),
        ("deepseek", "@status:402", 402, "Insufficient Balance"),
        ("deepseek", "@code:content_risk", 400, "Content Exists Risk"),
        ("vllm", "@status:503", 503, "\"code\":503"),
        (
            "llamacpp",
            "@code:exceed_context_size_error",
            400,
            "\"n_ctx\":4096",
        ),
        ("ollama", "@status:404", 404, "\"code\":null"),
        (
            "tongyi-compatible",
            "@code:data_inspection_failed",
            400,
            "\"request_id\"",
        ),
        ("openai", "@errorin200", 200, "{\"error\":"),
        ("openai", "@html", 502, "<html>"),
        ("openai", "@html@status:503", 503, "<html>"),
        ("openai", "@redirect", 307, "moved"),
        ("openai", "@nonsense", 400, "knows no fault"),
    ] {
        let answer = whole(&sim, surface, faults).await;
        assert_eq!(answer.status, status, "{surface}{faults}");
        assert!(
            answer.body.contains(part),
            "{surface}{faults}: {}",
            answer.body
        );
    }
    let answer = whole(&sim, "openai", "@retryafter:7").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("7"))
    );
    let answer = whole(&sim, "openai", "@redirect").await;
    assert_eq!(
        answer.header("location"),
        Some("http://vendor.test/__sim/trap")
    );
}

#[tokio::test]
async fn vendors_that_fail_on_http_200() {
    let sim = sim().await;
    let office = "/oauth/2.0/token?grant_type=client_credentials&client_id=a&client_secret=b";
    let token = post(&sim, office, "", "").await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let v1 = |model: &str, stream: bool| {
        let path =
            format!("/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/{model}?access_token={token}");
        let body =
            json!({"messages": [{"role": "user", "content": "hi"}], "stream": stream}).to_string();
        let sim = &sim;
        async move { post(sim, &path, "", &body).await }
    };
    let answer = v1("completions@code:18", false).await;
    assert_eq!(
        (answer.status, answer.json()["error_code"].as_i64()),
        (200, Some(18))
    );
    let answer = v1("completions%40status%3A503", true).await;
    assert_eq!(
        (answer.status, answer.json()["error_code"].as_i64()),
        (503, Some(2))
    );
    let answer = v1("completions@errorevent:2@code:336501", true).await;
    let last = answer.body.lines().last().unwrap();
    assert!(last.starts_with("{\"error_code\":336501,"), "{last}");
    let answer = v1("completions@recall", false).await;
    assert_eq!(answer.json()["need_clear_history"], true);
    assert_eq!(answer.json()["finish_reason"], "content_filter");

    let native = json!({"model": "qwen@errorevent:2@code:DataInspectionFailed", "input": {"messages": [{"role": "user", "content": "hi"}]}});
    let headers = "authorization: Bearer k\r\nx-dashscope-sse: enable\r\n";
    let answer = post(&sim, &chat_path("tongyi"), headers, &native.to_string()).await;
    assert!(
        answer
            .body
            .contains("event:error\n:HTTP_STATUS/400\ndata:{\"code\":\"DataInspectionFailed\"")
    );
    assert_eq!(answer.events().len(), 3);
}

#[tokio::test]
async fn changed_events() {
    let sim = sim().await;
    let answer = stream(&sim, "@errorevent:3").await;
    assert_eq!(answer.events().len(), 4);
    assert!(answer.events()[3]["error"]["message"].is_string() && !answer.done());
    let vllm = chat(&sim, "vllm", &body("m@errorevent:0", true)).await;
    assert!(vllm.body.starts_with("data: {\"error\":") && vllm.done());
    assert!(!stream(&sim, "@nodone").await.body.contains("[DONE]"));
    let answer = stream(&sim, "@dupfinal").await;
    assert_eq!(answer.body.matches("\"finish_reason\":\"stop\"").count(), 2);
    let bad = stream(&sim, "@badjson:2").await.body;
    let broken = bad.split("\n\n").nth(2).unwrap();
    assert!(serde_json::from_str::<Value>(&broken[6..]).is_err());
    assert!(stream(&sim, "@crlf").await.body.contains("\r\n\r\ndata: "));
    assert!(stream(&sim, "@ascii").await.body.contains("\\u4f60"));
    assert!(
        stream(&sim, "@ping:1")
            .await
            .body
            .matches(": ping\n\n")
            .count()
            > 5
    );
    assert!(
        stream(&sim, "@oddfinish:network_error")
            .await
            .body
            .contains("\"finish_reason\":\"network_error\"")
    );
    let text: String = stream(&sim, "@text:e4bda0f09f9880@piece:1")
        .await
        .events()
        .iter()
        .filter_map(|event| {
            event["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(text, "你😀");
    let big = stream(&sim, "@bigevent:100000").await;
    assert!(big.body.lines().any(|line| line.len() > 100_000));
    // role + 7 + finish
    assert_eq!(stream(&sim, "@events:7").await.events().len(), 9);
    let json_body = stream(&sim, "@jsonstream").await;
    assert_eq!(json_body.header("content-type"), Some("application/json"));
    assert_eq!(json_body.json()["object"], "chat.completion");
    for (faults, least) in [("@usage:each", 5), ("@usage:none", 0)] {
        let events = stream(&sim, faults).await.events();
        let counted = events
            .iter()
            .filter(|event| event["usage"].is_object())
            .count();
        assert!(if least == 0 {
            counted == 0
        } else {
            counted >= least
        });
    }
    let negative = whole(&sim, "openai", "@usage:negative").await.json();
    assert!(negative["usage"]["total_tokens"].as_i64().unwrap() < 0);
}

#[tokio::test]
async fn recalls() {
    let sim = sim().await;
    let last = chat(&sim, "wenxin", &body("m@recall", true))
        .await
        .events()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (
            &last["choices"][0]["flag"],
            &last["choices"][0]["ban_round"]
        ),
        (&json!(4), &json!(-1))
    );
    assert_eq!(last["choices"][0]["finish_reason"], "content_filter");
    let last = chat(&sim, "glm", &body("m@recall", true))
        .await
        .events()
        .last()
        .unwrap()
        .clone();
    assert_eq!(last["choices"][0]["finish_reason"], "sensitive");
    assert_eq!(last["content_filter"][0]["role"], "assistant");
}

#[tokio::test]
async fn cut_and_wrong_lengths() {
    let sim = sim().await;
    let full = stream(&sim, "").await;
    assert!(full.complete);
    let cut = stream(&sim, "@cut:333").await;
    assert_eq!((cut.body.len(), cut.complete), (333, false));
    let cut = stream(&sim, "@cutevent:4").await;
    assert_eq!((cut.events().len(), cut.complete), (4, false));
    let cut = whole(&sim, "openai", "@cut:50").await;
    assert_eq!((cut.body.len(), cut.complete), (50, false));
    for answer in [
        stream(&sim, "@wronglen").await,
        whole(&sim, "openai", "@wronglen").await,
    ] {
        let promised: usize = answer.header("content-length").unwrap().parse().unwrap();
        assert_eq!(promised, answer.body.len() + 100);
    }
    assert_eq!(sim.cancelled(), 0);
    assert_eq!(
        sim.requests().iter().filter(|request| request.cut).count(),
        3
    );
}

#[tokio::test]
async fn one_byte_per_chunk() {
    let sim = sim().await;
    let mut socket = send(
        &sim,
        &chat_path("openai"),
        "authorization: Bearer k\r\n",
        &body("m@split:1", true).to_string(),
    )
    .await;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("\r\n\r\n").unwrap();
    assert!(
        text[at + 4..].starts_with("1\r\nd\r\n1\r\na\r\n1\r\nt\r\n"),
        "{}",
        &text[at..at + 60]
    );
}

#[tokio::test]
async fn raw_faults() {
    let sim = sim().await;
    let both = stream(&sim, "@clte").await;
    assert!(
        both.head
            .contains("content-length: 5\r\ntransfer-encoding: chunked")
    );
    assert!(both.body.ends_with("data: [DONE]\n\n"));
    let mut socket = send(
        &sim,
        &chat_path("openai"),
        "authorization: Bearer k\r\n",
        &body("m@reset", true).to_string(),
    )
    .await;
    let error = socket.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut socket = send(
        &sim,
        &chat_path("openai"),
        "authorization: Bearer k\r\n",
        &body("m@headers:endless", true).to_string(),
    )
    .await;
    let mut taken = vec![0; 1 << 20];
    socket.read_exact(&mut taken).await.unwrap();
    assert!(!taken.windows(4).any(|four| four == b"\r\n\r\n"));
}

#[tokio::test]
async fn waits() {
    let sim = sim().await;
    for (faults, least_ms) in [
        ("@slowfirst:120", 120),
        ("@slowhead:120", 120),
        ("@gap:20", 200),
    ] {
        let start = Instant::now();
        assert!(stream(&sim, faults).await.done());
        assert!(
            start.elapsed() >= Duration::from_millis(least_ms),
            "{faults}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once() {
    let sim = sim().await;
    for (round, faults) in [
        "@stall:2",
        "@stall:0",
        "@hang",
        "@gap:50",
        "@slowhead:60000",
    ]
    .into_iter()
    .enumerate()
    {
        let text = body(&format!("m{faults}"), true).to_string();
        let mut socket = send(
            &sim,
            &chat_path("openai"),
            "authorization: Bearer k\r\n",
            &text,
        )
        .await;
        if faults.starts_with("@stall") {
            until("the stream", || sim.live_streams() == 1).await;
            assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
        } else {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        drop(socket);
        until("the cancellation", || sim.cancelled() == round + 1).await;
        until("the end", || {
            sim.live_streams() == 0 && sim.connections() == 0
        })
        .await;
    }
    let stalled = &sim.requests()[0];
    assert_eq!(
        (stalled.events_sent, stalled.cancelled, stalled.finished),
        (2, true, false)
    );
}

#[tokio::test]
async fn requests_are_kept_as_they_came_and_bounded() {
    let sim = sim::start(sim::Options {
        record: 2,
        ..sim::Options::default()
    })
    .await
    .unwrap();
    for model in ["a", "b", "c"] {
        assert!(chat(&sim, "openai", &body(model, true)).await.done());
    }
    let kept = sim.requests();
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[1].body, body("c", true).to_string());
    assert_eq!(kept[1].surface, "openai");
    assert!(kept[1].finished && kept[1].events_sent > 3);
    assert_eq!(kept[1].header("authorization"), Some("Bearer test.key"));
    assert!(!format!("{kept:?}").contains("test.key"));
    sim.clear();
    assert!(sim.requests().is_empty());
    let addr = sim.addr();
    sim.shutdown().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn human_pace() {
    let options = sim::Options {
        pace: sim::Pace::Human,
        ..sim::Options::default()
    };
    let sim = sim::start(options).await.unwrap();
    let start = Instant::now();
    let answer = read_answer(
        send(
            &sim,
            &chat_path("openai"),
            "authorization: Bearer k\r\n",
            &body("m", true).to_string(),
        )
        .await,
    )
    .await;
    let rate = answer.events().len() as f64 / start.elapsed().as_secs_f64();
    assert!((5.0..45.0).contains(&rate), "{rate} events/s");
}
