//! Values in arguments that are objects, and in what else of a reply is neither the text nor a string: keys, numbers, halves
//! in neighbouring elements, and what a transcript says over again.

use tests::upstream::{Upstream, reply};
use tests::*;

const PHONE: &str = "13912345678";
const ASKED: &str = "13800138000";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/m:generateContent";
const STREAMS: &str = "/v1beta/models/m:streamGenerateContent?alt=sse";

fn arguments() -> Value {
    json!({
        "phone": 13_912_345_678_u64, PHONE: 1, "half": ["1391234", "5678"], "less": -13_912_345_678_i64,
        "text": PHONE, "deep": [{"n": [13_912_345_678_u64]}], "<CN_MOBILE_1>": "<CN_MOBILE_1>", "size": 7,
    })
}

/// The arguments as the client gets them: JSON still, nothing to be hidden in it, and what was taken out put back.
fn check(arguments: &Value, what: &str) {
    let text = arguments.to_string();
    assert!(!text.contains(PHONE), "{what}: {text}");
    assert!(
        !(text.contains("1391234") && text.contains("5678")),
        "{what}: {text}"
    );
    assert_eq!(arguments[ASKED], ASKED, "{what}: {text}");
    assert_eq!(arguments["size"], 7, "{what}: {text}");
}

async fn gateway(vendor: &str, upstream: &Upstream) -> Gateway {
    let mut config = Config::new();
    config.provider("p", vendor, &upstream.origin());
    config.set("providers/p/clearance", "internal");
    config.model("m", &[("p", "m")]);
    let found = json!(["CN_MOBILE"]);
    config.set(
        "policies",
        json!({
            "rules": [{"name": "in", "find": found, "remedy": "redact", "restore": true}],
            "output": {"find": found, "remedy": "redact"},
        }),
    );
    config.set("audit/payload", "redacted");
    Gateway::start(&config).await
}

async fn ask(gateway: &Gateway, path: &str, body: Value) -> Reply {
    let reply = Ask::post(gateway.listen, path)
        .key(KEY)
        .bytes(body.to_string())
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

fn messages(stream: bool) -> Value {
    let asked = json!({"role": "user", "content": format!("call {ASKED}")});
    json!({"model": "m", "max_tokens": 5, "stream": stream, "messages": [asked]})
}

/// Events of a stream, those of a name.
fn events(reply: &Reply, named: &str) -> Vec<Value> {
    let text = reply.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let all = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    all.filter(|event| named.is_empty() || event["type"] == named)
        .collect()
}

#[tokio::test]
async fn arguments_that_are_an_object_are_one_text() {
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": arguments()});
    let message = |content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let odd = json!({"type": "new", "n": 13_912_345_678_u64, PHONE: {"k": {PHONE: 1}}});
    let whole = message(json!([{"type": "text", "text": "a"}, call, odd]));
    let upstream = Upstream::saying(reply("200 OK", "application/json", &whole.to_string())).await;
    let said = ask(
        &gateway("anthropic", &upstream).await,
        MESSAGES,
        messages(false),
    )
    .await;
    check(&said.json()["content"][1]["input"], "messages");
    assert!(!said.text().contains(PHONE), "{}", said.text());

    let mut stream = String::new();
    for event in [
        json!({"type": "message_start", "message": message(json!([]))}),
        json!({"type": "content_block_start", "index": 0, "content_block": call}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ] {
        let name = event["type"].as_str().unwrap();
        stream.push_str(&format!("event: {name}\ndata: {event}\n\n"));
    }
    let upstream = Upstream::saying(reply("200 OK", "text/event-stream", &stream)).await;
    let said = ask(
        &gateway("anthropic", &upstream).await,
        MESSAGES,
        messages(true),
    )
    .await;
    let begun = &events(&said, "content_block_start")[0];
    check(&begun["content_block"]["input"], "messages, streamed");
}

#[tokio::test]
async fn so_they_are_in_gemini() {
    let parts = json!([{"text": "a"}, {"functionCall": {"name": "f", "args": arguments()}}, {"new": {PHONE: 13_912_345_678_u64}}]);
    let part = json!({"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.n", "numberValue": 13_912_345_678_u64}]}});
    let said = |parts: &Value| json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}});
    let asked =
        json!({"contents": [{"role": "user", "parts": [{"text": format!("call {ASKED}")}]}]});
    let whole = said(&parts).to_string();
    let upstream = Upstream::saying(reply("200 OK", "application/json", &whole)).await;
    let got = ask(&gateway("gemini", &upstream).await, GEMINI, asked.clone()).await;
    let parts_of = |reply: &Value| reply["candidates"][0]["content"]["parts"].clone();
    check(&parts_of(&got.json())[1]["functionCall"]["args"], "gemini");
    assert!(!got.text().contains(PHONE), "{}", got.text());

    let stream = format!("data: {whole}\n\ndata: {}\n\n", said(&json!([part])));
    let upstream = Upstream::saying(reply("200 OK", "text/event-stream", &stream)).await;
    let got = ask(&gateway("gemini", &upstream).await, STREAMS, asked).await;
    let all = events(&got, "");
    check(
        &parts_of(&all[0])[1]["functionCall"]["args"],
        "gemini, streamed",
    );
    assert!(!got.text().contains(PHONE), "{}", got.text());
}

#[tokio::test]
async fn keys_and_numbers_of_unknown_members_are_read() {
    let message = json!({"role": "assistant", "content": "a", "novel": {PHONE: [13_912_345_678_u64, -13_912_345_678_i64]}, "n": 13_912_345_678_u64});
    let whole = json!({"id": "c", "object": "chat.completion", "created": 1_700_000_000, "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
    let upstream = Upstream::saying(reply("200 OK", "application/json", &whole.to_string())).await;
    let gateway = gateway("openai", &upstream).await;
    let got = gateway.chat("m", "x").send().await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(!got.text().contains(PHONE), "{}", got.text());
    assert_eq!(got.json()["created"], 1_700_000_000);
}

/// A form that asks for a transcript.
fn form(format: &str) -> Vec<u8> {
    let field = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--B--\r\n";
    let form = field("model", "m") + &field("response_format", format) + file;
    form.into_bytes()
}

#[tokio::test]
async fn a_transcript_says_nothing_over_again() {
    let told = |text: [&str; 3]| {
        let words: Vec<Value> = text[1]
            .split(' ')
            .chain([text[2]])
            .map(|word| json!({"word": word, "start": 0.0, "end": 1.0}))
            .collect();
        let segment = |id: u32, text: &str| json!({"id": id, "start": 0.5, "end": 1.0, "text": text, "tokens": [1, 2]});
        json!({"task": "transcribe", "language": "zh", "duration": 3.0, "text": text.concat(), "words": words,
            "segments": [segment(0, text[0]), segment(1, text[1]), segment(2, text[2])]})
    };
    let cues = "1\n00:00:00,000 --> 00:00:01,000\n电话 139 1234\n\n2\n00:00:01,000 --> 00:00:02,000\n5678 谢谢\n";
    for (format, kind, body) in [
        (
            "verbose_json",
            "application/json",
            told(["电话 ", "139 1234", " 5678"]).to_string(),
        ),
        (
            "verbose_json",
            "application/json",
            told(["早上 ", "天气 不错", " 谢谢"]).to_string(),
        ),
        ("srt", "text/plain", cues.to_owned()),
    ] {
        let upstream = Upstream::saying(reply("200 OK", kind, &body)).await;
        let mut config = Config::new();
        config.provider("p", "openai", &upstream.origin());
        config.model("m", &[("p", "m")]);
        config.set(
            "policies",
            json!({"media": "public", "output": {"find": ["CN_MOBILE"], "remedy": "redact"}}),
        );
        let gateway = Gateway::start(&config).await;
        let got = Ask::post(gateway.listen, "/v1/audio/transcriptions")
            .key(KEY)
            .bytes(form(format))
            .without("content-type")
            .header("content-type", "multipart/form-data; boundary=B")
            .send()
            .await;
        let text = got.text();
        assert_eq!(got.status, 200, "{text}");
        if body.contains("天气") {
            assert_eq!(text, body, "nothing is left out of what holds nothing");
            continue;
        }
        assert!(!text.contains("1234"), "{text}");
        assert!(
            format != "srt" || text.contains("00:00:01,000 --> 00:00:02,000\n"),
            "{text}"
        );
        assert!(format == "srt" || got.json()["words"].is_null(), "{text}");
    }
}
