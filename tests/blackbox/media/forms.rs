//! Forms with a file: in any order, of any length, larger than memory, and what is none.

use super::*;

/// Vendors that write down what is said.
const HEAR: [&str; 6] = [
    "openai",
    "azure-openai",
    "xinference",
    "vllm",
    "sglang",
    "mistral",
];

#[tokio::test]
async fn a_form_arrives_whole_in_any_order() {
    let sim = sim().await;
    let mut config = Config::new();
    for vendor in HEAR {
        config.sim_provider(vendor, vendor, &sim);
        config.model(vendor, &[(vendor, "whisper-1")]);
    }
    let gateway = Gateway::start(&config).await;
    for length in [0, 10, 100_000, 3 << 20] {
        let sound = sound(length);
        for vendor in HEAR {
            let parts: [Part<'_>; 4] = [
                ("model", None, vendor.as_bytes()),
                ("prompt", None, "提示 \"x\"".as_bytes()),
                ("timestamp_granularities[]", None, b"word"),
                ("file", Some("a \\\"b\\\".wav"), &sound),
            ];
            let last_first: Vec<Part<'_>> = parts.iter().rev().copied().collect();
            for (order, parts) in [&parts[..], &last_first[..]].iter().enumerate() {
                let reply = transcribe(&gateway, parts).send().await;
                let what = format!("{vendor}, {length} bytes, {order}: {}", reply.text());
                assert_eq!(reply.status, 200, "{what}");
                let want = told("a %22b%22.wav", &sound, "提示 \"x\"");
                assert_eq!(reply.json()["text"], want, "{what}");
                let closing = gateway.record(&reply).await;
                assert_eq!(closing["tokens"]["audio_ms"], 3000, "{what}: {closing}");
            }
        }
    }
    // Each way of answering.
    let file: Part<'_> = ("file", Some("a.wav"), b"RIFF");
    let want = told("a.wav", b"RIFF", "");
    for (format, kind) in [
        ("text", "text/plain; charset=utf-8"),
        ("srt", "text/plain; charset=utf-8"),
        ("verbose_json", "application/json"),
    ] {
        let parts = [
            ("model", None, &b"openai"[..]),
            ("response_format", None, format.as_bytes()),
            file,
        ];
        let reply = transcribe(&gateway, &parts).send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some(kind)),
            "{format}"
        );
        assert!(
            reply.text().contains(want.trim_end()),
            "{format}: {}",
            reply.text()
        );
    }
    let parts = [
        ("model", None, &b"openai"[..]),
        ("stream", None, b"true"),
        file,
    ];
    let reply = transcribe(&gateway, &parts).send().await;
    let text = reply.text();
    assert!(
        text.contains("transcript.text.delta") && text.contains("transcript.text.done"),
        "{text}"
    );
    assert_eq!(gateway.record(&reply).await["tokens"]["prompt"], 14);
    let parts = [("model", None, &b"vllm"[..]), file];
    let reply = send_form(&gateway, "/v1/audio/translations", form(&parts))
        .send()
        .await;
    assert_eq!(reply.json()["text"], want);
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn what_is_no_form_is_told() {
    let sim = sim().await;
    let gateway = Gateway::start(&Config::with(&sim, ["openai", "deepseek"])).await;
    let model: Part<'_> = ("model", None, b"m-openai");
    let file: Part<'_> = ("file", Some("a.wav"), b"RIFF");
    let large = sound(2 << 20);
    let long = vec![b'x'; 300 << 10];
    for (parts, param) in [
        (vec![model], json!("file")),
        (vec![file], json!("model")),
        (vec![model, ("file", None, b"RIFF")], json!("file")),
        (vec![model, file, file], json!("file")),
        (vec![model, model, file], json!("model")),
        (
            vec![model, ("upload", Some("b"), b"x"), file],
            json!("file"),
        ),
        (
            vec![model, ("api_base", None, b"http://evil"), file],
            json!("api_base"),
        ),
        (
            vec![model, ("prompt", None, b"\xff"), file],
            json!("prompt"),
        ),
        (vec![model, ("prompt", None, &long), file], Value::Null),
        // What comes behind a large file could not be judged any more.
        (
            vec![
                model,
                ("file", Some("a.wav"), &large),
                ("prompt", None, b"late"),
            ],
            Value::Null,
        ),
    ] {
        let reply = transcribe(&gateway, &parts).send().await;
        let names: Vec<&str> = parts.iter().map(|part| part.0).collect();
        let error = reply.json()["error"].clone();
        assert!(matches!(reply.status, 400 | 413), "{names:?}: {error}");
        assert_eq!(error["param"], param, "{names:?}: {error}");
    }
    let whole = form(&[model, file]);
    for (kind, body, status) in [
        ("application/json", b"{}".to_vec(), 415),
        ("multipart/form-data", whole.clone(), 400),
        ("multipart/form-data; boundary=other", whole.clone(), 400),
        (
            "multipart/form-data; boundary=xX1",
            whole[..whole.len() - 20].to_vec(),
            400,
        ),
        (
            "multipart/form-data; boundary=xX1",
            [&whole[..], b"more"].concat(),
            400,
        ),
        ("multipart/form-data; boundary=xX1", Vec::new(), 400),
    ] {
        let ask = send_form(&gateway, "/v1/audio/transcriptions", body);
        let reply = ask
            .without("content-type")
            .header("content-type", kind)
            .send()
            .await;
        assert_eq!(reply.status, status, "{kind}: {}", reply.text());
        assert!(reply.json()["error"]["message"].is_string());
    }
    let late = sim
        .requests()
        .iter()
        .any(|request| String::from_utf8_lossy(&request.body).contains("late"));
    assert!(!late);
    let parts = [("model", None, &b"m-deepseek"[..]), file];
    let reply = transcribe(&gateway, &parts).send().await;
    assert_eq!(
        (reply.status, reply.json()["error"]["code"].clone()),
        (404, json!("model_not_found"))
    );
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn a_large_file_passes_through_and_stays_nowhere() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai"]);
    config.provider("dead", "openai", "http://127.0.0.1:1/v1");
    config.model("second", &[("dead", "whisper-1"), ("openai", "whisper-1")]);
    config.model(
        "fails",
        &[("openai", "whisper-1@status:503"), ("dead", "whisper-1")],
    );
    let gateway = Gateway::start(&config).await;
    let small = [
        ("model", None, &b"m-openai"[..]),
        ("file", Some("a.wav"), &b"RIFF"[..]),
    ];
    assert_eq!(transcribe(&gateway, &small).send().await.status, 200);
    let before = gateway.rss_kib();
    let sound = sound(56 << 20);
    let limit = std::time::Duration::from_secs(60);
    for model in ["m-openai", "second"] {
        let parts = [
            ("model", None, model.as_bytes()),
            ("file", Some("a.wav"), &sound[..]),
        ];
        let reply = transcribe(&gateway, &parts).limit(limit).send().await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        assert_eq!(reply.json()["text"], told("a.wav", &sound, ""), "{model}");
        let closing = gateway
            .journal()
            .opening(reply.header("x-request-id").unwrap())
            .unwrap()
            .payload
            .clone();
        assert!(
            closing["request_bytes"].as_u64().unwrap() > 56 << 20,
            "{closing}"
        );
    }
    let grown = peak_kib(&gateway).saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
    // Of what went up nothing is left to be sent again.
    let parts = [
        ("model", None, &b"fails"[..]),
        ("file", Some("a.wav"), &sound[..]),
    ];
    let reply = transcribe(&gateway, &parts).limit(limit).send().await;
    assert!(reply.status >= 500, "{}", reply.text());
    assert_eq!(reply.header("x-yumen-attempts"), Some("1"));
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

/// The most memory that it ever had, in KiB.
fn peak_kib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A client that does not say how long its form is; a provider that is spoken to over HTTP/2.
#[tokio::test]
async fn a_form_of_unknown_length_arrives_whole_too() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "vllm"]);
    config.set("providers/vllm/http2", true);
    let gateway = Gateway::start(&config).await;
    let sound = sound(3 << 20);
    for model in ["m-openai", "m-vllm"] {
        let form = form(&[
            ("model", None, model.as_bytes()),
            ("file", Some("a.wav"), &sound),
        ]);
        let mut request = format!(
            "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: multipart/form-data; boundary=xX1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        .into_bytes();
        for chunk in form.chunks(100_003) {
            request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            request.extend_from_slice(chunk);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
        let answer = http::raw_for(gateway.listen, &request, SOON).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert!(
            text.contains(told("a.wav", &sound, "").trim_end()),
            "{model}: {text}"
        );
        let last = sim.requests().last().unwrap().clone();
        let chunked = last.headers.contains_key("transfer-encoding");
        assert_eq!(chunked, model == "m-openai", "{model}");
    }
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}
