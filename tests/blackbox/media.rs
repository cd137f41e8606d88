//! Images and sound: forms that go up while they come, speech that comes down as it is, and the law over both.

mod forms;
mod kept;
mod tasks;

use tests::*;

const PHONE: &str = "13800138000";

fn ask(gateway: &Gateway, path: &str, body: &Value) -> Ask {
    Ask::post(gateway.listen, path).key(KEY).json(body)
}

/// One part of a form: name, file name, bytes.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// A form as a client writes it.
fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, bytes) in parts {
        body.extend_from_slice(b"--xX1\r\nContent-Disposition: form-data; name=\"");
        body.extend_from_slice(name.as_bytes());
        if let Some(filename) = filename {
            let rest = format!("\"; filename=\"{filename}\"\r\nContent-Type: audio/wav\r\n\r\n");
            body.extend_from_slice(rest.as_bytes());
        } else {
            body.extend_from_slice(b"\"\r\n\r\n");
        }
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xX1--\r\n");
    body
}

fn send_form(gateway: &Gateway, path: &str, body: Vec<u8>) -> Ask {
    Ask::post(gateway.listen, path)
        .key(KEY)
        .bytes(body)
        .without("content-type")
        .header("content-type", "multipart/form-data; boundary=xX1")
}

fn transcribe(gateway: &Gateway, parts: &[Part<'_>]) -> Ask {
    send_form(gateway, "/v1/audio/transcriptions", form(parts))
}

/// What the simulator says of a file that it got whole.
fn told(name: &str, bytes: &[u8], prompt: &str) -> String {
    let sum = bytes.iter().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    });
    format!("{name} of {} bytes, sum {sum}. {prompt}", bytes.len())
}

/// Bytes that look like a boundary here and there.
fn sound(length: usize) -> Vec<u8> {
    let noise = b"\r\n--xX\r\n--\0RIFF\r";
    noise.iter().copied().cycle().take(length).collect()
}

#[tokio::test]
async fn images_arrive_from_every_vendor_that_makes_some() {
    let sim = sim().await;
    let vendors = [
        "openai",
        "azure-openai",
        "openai-compatible",
        "xinference",
        "wenxin",
        "xai",
        "glm",
        "doubao",
        "sensenova",
    ];
    let mut config = Config::new();
    for vendor in vendors {
        config.sim_provider(vendor, vendor, &sim);
        config.model(vendor, &[(vendor, "image-1")]);
    }
    config.0["models"]["glm"]["lossy"] = "drop".into();
    config.0["models"]["openai"]["price"] =
        json!({"input": 0, "output": 0, "image": 0.2, "currency": "CNY"});
    config.set("providers/openai/clearance", "internal");
    config.model("closed", &[("openai", "image-1")]);
    let budget = json!({"amount": 0.5, "currency": "CNY", "period": "month"});
    config.key("thrifty", "ym-thrifty", json!({"budget": budget}));
    let rules =
        json!([{"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true}]);
    config.set("policies", json!({"rules": rules}));
    let gateway = Gateway::start(&config).await;
    for vendor in vendors {
        let body = json!({"model": vendor, "prompt": "一只猫", "size": "1024x1024"});
        let reply = ask(&gateway, "/v1/images/generations", &body).send().await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let json = reply.json();
        assert_eq!(
            json["data"][0]["url"], "https://img.example/0.png",
            "{vendor}"
        );
        let closing = gateway.record(&reply).await;
        assert_eq!(closing["tokens"]["completion"], 100, "{vendor}: {closing}");
        assert_eq!(closing["tokens"]["images"], 1, "{vendor}: {closing}");
    }
    // How many there are to be is no hint: who makes one alone is not asked for two.
    let two = json!({"model": "doubao", "prompt": "x", "n": 2});
    let reply = ask(&gateway, "/v1/images/generations", &two).send().await;
    assert_eq!(
        (reply.status, reply.json()["error"]["param"].clone()),
        (400, json!("n"))
    );
    let two = json!({"model": "openai", "prompt": "x", "n": 2, "response_format": "b64_json"});
    let reply = ask(&gateway, "/v1/images/generations", &two).send().await;
    assert_eq!(reply.json()["data"].as_array().unwrap().len(), 2);
    // Both are paid for.
    let closing = gateway.record(&reply).await;
    assert_eq!(closing["cost_nano"], 400_000_000, "{closing}");
    // A budget of money for two: the third is refused, whatever tokens cost.
    for want in [200, 200, 429] {
        let one = json!({"model": "openai", "prompt": "x"});
        let reply = ask(&gateway, "/v1/images/generations", &one).key("ym-thrifty");
        let reply = reply.send().await;
        assert_eq!(reply.status, want, "{}", reply.text());
    }
    // What the vendor says of the picture comes back with what was taken out.
    sim.clear();
    let body = json!({"model": "closed", "prompt": format!("写上 {PHONE}"), "response_format": "b64_json"});
    let reply = ask(&gateway, "/v1/images/generations", &body).send().await;
    let sent = String::from_utf8_lossy(&sim.requests()[0].body).into_owned();
    assert!(
        !sent.contains(PHONE) && sent.contains("<CN_MOBILE_1>"),
        "{sent}"
    );
    assert_eq!(
        reply.json()["data"][0]["revised_prompt"],
        format!("写上 {PHONE}")
    );
    // The picture itself is nobody's text.
    let image = planted::from_base64(reply.json()["data"][0]["b64_json"].as_str().unwrap());
    assert_eq!(
        String::from_utf8(image).unwrap(),
        "PNG of 写上 <CN_MOBILE_1>"
    );
    // As a stream.
    let body = json!({"model": "openai", "prompt": "猫", "stream": true, "partial_images": 1});
    let reply = ask(&gateway, "/v1/images/generations", &body).send().await;
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let text = reply.text();
    assert!(
        text.contains("event: image_generation.partial_image\n"),
        "{text}"
    );
    assert!(
        text.trim_end().ends_with('}') && text.contains("image_generation.completed"),
        "{text}"
    );
    assert_eq!(gateway.record(&reply).await["outcome"], "completed");
    for (path, body, field) in [
        (
            "/v1/images/generations",
            json!({"model": "openai"}),
            "prompt",
        ),
        (
            "/v1/images/generations",
            json!({"model": "openai", "prompt": "x", "n": 11}),
            "n",
        ),
        (
            "/v1/audio/speech",
            json!({"model": "openai", "input": ""}),
            "input",
        ),
        ("/v1/audio/speech", json!({"input": "x"}), "model"),
    ] {
        let reply = ask(&gateway, path, &body).send().await;
        assert_eq!(
            (reply.status, reply.json()["error"]["param"].clone()),
            (400, json!(field)),
            "{body}"
        );
    }
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

#[tokio::test]
async fn speech_comes_down_as_it_is_and_never_ends_well_when_cut() {
    let sim = sim().await;
    let mut config = Config::new();
    for vendor in ["openai", "azure-openai", "xinference", "openai-compatible"] {
        config.sim_provider(vendor, vendor, &sim);
        config.model(vendor, &[(vendor, "tts-1")]);
    }
    config.provider("dead", "openai", "http://127.0.0.1:1/v1");
    config.model("second", &[("dead", "tts-1"), ("xinference", "tts-1")]);
    for fault in [
        "@cut:0",
        "@cut:3000",
        "@status:500",
        "@html",
        "@errorin200",
        "@split:997",
        "@status:503",
    ] {
        config.model(fault, &[("openai", &format!("tts-1{fault}"))]);
    }
    config.model(
        "after-503",
        &[("openai", "tts-1@status:503"), ("xinference", "tts-1")],
    );
    config.set("providers/xinference/clearance", "internal");
    let rules =
        json!([{"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true}]);
    config.set("policies", json!({"rules": rules}));
    let gateway = Gateway::start(&config).await;
    let speak = |model: &str, input: &str| {
        let body = json!({"model": model, "input": input, "voice": "alloy"});
        ask(&gateway, "/v1/audio/speech", &body)
    };
    for model in [
        "openai",
        "azure-openai",
        "xinference",
        "openai-compatible",
        "second",
        "after-503",
        "@split:997",
    ] {
        let reply = speak(model, "你好").send().await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (200, Some("audio/mpeg")),
            "{model}"
        );
        assert_eq!(reply.body, "你好".repeat(1000).into_bytes(), "{model}");
        let closing = gateway.record(&reply).await;
        assert_eq!(
            (&closing["outcome"], &closing["bytes_down"]),
            (&json!("completed"), &json!(6000)),
            "{model}"
        );
    }
    // Before its first byte a failure is an error like any other.
    for model in ["@cut:0", "@status:500", "@html", "@errorin200"] {
        let reply = speak(model, "你好").send().await;
        assert!(reply.status >= 500, "{model}: {}", reply.status);
        assert_eq!(reply.json()["error"]["code"], "upstream_error", "{model}");
    }
    // Behind it the connection breaks off: no client can take that for the end.
    let (head, body) = broken(
        &gateway,
        &json!({"model": "@cut:3000", "input": "你好", "voice": "v"}),
    )
    .await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("transfer-encoding: chunked"),
        "{head}"
    );
    assert!(!body.ends_with(b"0\r\n\r\n"));
    until("the record of a broken speech", || {
        let journal = gateway.journal();
        journal.of("closed").any(|record| {
            record.text("outcome") == "upstream_error" && record.payload["bytes_down"] == 3000
        })
    })
    .await;
    // What is spoken is what may be heard.
    let reply = speak("xinference", &format!("打 {PHONE}")).send().await;
    let heard = String::from_utf8(reply.body.clone()).unwrap();
    assert!(
        heard.starts_with("打 <CN_MOBILE_1>") && !heard.contains(PHONE),
        "{}",
        &heard[..60]
    );
    // As events.
    let body = json!({"model": "openai", "input": "你好", "voice": "v", "stream_format": "sse"});
    let reply = ask(&gateway, "/v1/audio/speech", &body).send().await;
    let text = reply.text();
    assert!(
        text.contains("speech.audio.delta") && text.contains("speech.audio.done"),
        "{text}"
    );
    assert_eq!(gateway.record(&reply).await["tokens"]["completion"], 50);
    gateway.journal().assert_balanced();
    gateway.assert_sound();
}

/// The head and all bytes of an answer that breaks off.
async fn broken(gateway: &Gateway, body: &Value) -> (String, Vec<u8>) {
    let body = body.to_string();
    let request = format!(
        "POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = http::raw_for(gateway.listen, request.as_bytes(), SOON).await;
    let bytes = answer.bytes;
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&bytes[..end])
        .to_lowercase()
        .replace("http/1.1", "HTTP/1.1");
    (head, bytes[end + 4..].to_vec())
}

#[tokio::test]
async fn the_law_holds_for_sound() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "vllm"]);
    config.set("providers/openai/clearance", "internal");
    let rules = json!([
        {"name": "no-phones", "find": ["CN_MOBILE"], "remedy": "redact"},
        {"name": "no-secrets", "find": ["SECRET"], "remedy": "refuse"},
    ]);
    let output = json!({"find": ["CN_MOBILE"], "remedy": "redact"});
    config.set(
        "policies",
        json!({"media": "internal", "rules": rules, "output": output}),
    );
    let gateway = Gateway::start(&config).await;
    let name = format!("call {PHONE}.wav");
    let prompt = format!("打给 {PHONE} 的电话");
    let parts: [Part<'_>; 4] = [
        ("model", None, b"m-openai"),
        ("prompt", None, prompt.as_bytes()),
        ("speaker[]", None, PHONE.as_bytes()),
        ("file", Some(&name), b"RIFF"),
    ];
    let reply = transcribe(&gateway, &parts).send().await;
    assert_eq!(
        (reply.status, reply.header("x-yumen-verdict")),
        (200, Some("redact")),
        "{}",
        reply.text()
    );
    let sent = String::from_utf8_lossy(&sim.requests()[0].body).into_owned();
    assert!(
        !sent.contains(PHONE) && sent.contains("<CN_MOBILE_1>"),
        "{sent}"
    );
    // What the provider heard is judged too, in every form of answer.
    let said: [Part<'_>; 3] = [
        ("model", None, b"m-vllm"),
        ("prompt", None, prompt.as_bytes()),
        ("file", Some("a.wav"), b"RIFF"),
    ];
    for format in ["json", "verbose_json", "text", "srt", "stream"] {
        let mut parts = said.to_vec();
        if format == "stream" {
            parts.push(("stream", None, b"true"));
        } else {
            parts.push(("response_format", None, format.as_bytes()));
        }
        sim.clear();
        let reply = transcribe(&gateway, &parts).send().await;
        let text = reply.text();
        assert_eq!(reply.status, 200, "{format}: {text}");
        let sent = String::from_utf8_lossy(&sim.requests()[0].body).into_owned();
        assert!(sent.contains(PHONE), "the provider may hear it: {sent}");
        let heard = if format == "stream" {
            deltas(&text)
        } else {
            text.clone()
        };
        assert!(
            !heard.contains(PHONE) && !text.contains(PHONE),
            "{format}: {text}"
        );
        assert!(
            heard.contains("打给") && heard.contains("的电话"),
            "{format}: {text}"
        );
    }
    let secret: Part<'_> = ("prompt", None, b"AKIAIOSFODNN7EXAMPLQ");
    sim.clear();
    let reply = transcribe(&gateway, &[parts[0], secret, parts[3]])
        .send()
        .await;
    assert_eq!(reply.json()["error"]["code"], "policy_refused");
    // A sound that nobody can read is of the grade that is set for such.
    config.set("policies/media", "confidential");
    let gateway = Gateway::start(&config).await;
    let reply = transcribe(&gateway, &[parts[0], ("file", Some("a.wav"), b"RIFF")])
        .send()
        .await;
    assert_eq!(
        reply.json()["error"]["code"],
        "no_cleared_provider",
        "{}",
        reply.text()
    );
    assert!(sim.requests().is_empty());
    gateway.assert_sound();
}

/// The text of a streamed transcript.
fn deltas(text: &str) -> String {
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = events.map(|data| serde_json::from_str::<Value>(data).unwrap());
    events
        .filter_map(|event| event["delta"].as_str().map(str::to_owned))
        .collect()
}
