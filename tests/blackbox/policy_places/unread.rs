//! What nobody here can read goes to nobody who is not cleared for it, in every dialect and however it is written.

use super::redacting;
use tests::planted::to_base64;
use tests::*;

/// The mark of a file in base64.
const FILE: &str = "@@FILE@@";

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/m-openai-compatible:generateContent";
const RESPONSES: &str = "/v1/responses";
const NATIVE: &str = "/api/v1/services/aigc/multimodal-generation/generation";
const IMAGES: &str = "/v1/images/generations";

fn chat(part: Value) -> (&'static str, Value) {
    let message = json!({"role": "user", "content": [{"type": "text", "text": "x"}, part]});
    (CHAT, json!({"messages": [message]}))
}

fn messages(block: Value) -> (&'static str, Value) {
    let message = json!({"role": "user", "content": [block]});
    (MESSAGES, json!({"max_tokens": 5, "messages": [message]}))
}

fn responses(part: Value) -> (&'static str, Value) {
    (
        RESPONSES,
        json!({"input": [{"role": "user", "content": [part]}]}),
    )
}

fn native(part: Value) -> (&'static str, Value) {
    (
        NATIVE,
        json!({"input": {"messages": [{"role": "user", "content": [part]}]}}),
    )
}

/// Where a file in base64 can stand.
fn files() -> Vec<(&'static str, Value)> {
    let source = |kind: &str| json!({"type": "base64", "media_type": kind, "data": FILE});
    vec![
        chat(json!({"type": "input_audio", "input_audio": {"data": FILE, "format": "wav"}})),
        chat(json!({"type": "file", "file": {"filename": "a.pdf", "file_data": FILE}})),
        chat(json!({"type": "image_url", "image_url": {"url": FILE}})),
        chat(json!({"type": "image_embeds", "image_embeds": FILE})),
        (
            CHAT,
            json!({"messages": [{"role": "user", "content": "x", "images": [FILE]}]}),
        ),
        (
            "/v1/completions",
            json!({"prompt": "x", "prompt_embeds": FILE}),
        ),
        messages(json!({"type": "image", "source": source("image/png")})),
        messages(json!({"type": "document", "source": source("application/pdf")})),
        messages(json!({"type": "document", "source": source("text/plain")})),
        (
            GEMINI,
            json!({"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": FILE}}]}]}),
        ),
        (
            GEMINI,
            json!({"contents": [{"role": "user", "parts": [{"inline_data": {"mime_type": "text/plain", "data": FILE}}]}]}),
        ),
        responses(json!({"type": "input_file", "filename": "a.pdf", "file_data": FILE})),
        responses(json!({"type": "input_image", "image_url": FILE})),
        native(json!({"image": FILE})),
        (IMAGES, json!({"prompt": "x", "image": [FILE]})),
        (IMAGES, json!({"prompt": "x", "image_url": FILE})),
    ]
}

/// What is no file, but tells whoever keeps or fetches one which.
fn places() -> Vec<(&'static str, Value)> {
    let tools = |tool: Value| (RESPONSES, json!({"input": "x", "tools": [tool]}));
    vec![
        chat(json!({"type": "image_url", "image_url": {"url": "/srv/secret.png"}})),
        chat(json!({"type": "image_url", "image_url": null, "uuid": "u"})),
        chat(json!({"type": "audio_embeds", "audio_embeds": [0.5, 0.25]})),
        native(json!({"type": "image", "url": "a/b.png"})),
        (
            NATIVE,
            json!({"input": {"prompt": "x", "file_list": ["a/b.pdf"]}}),
        ),
        (
            IMAGES,
            json!({"prompt": "x", "image_url": "https://x.example/a.png"}),
        ),
        tools(json!({"type": "file_search", "vector_store_ids": ["vs_1"]})),
        tools(
            json!({"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}),
        ),
        (
            GEMINI,
            json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}], "tools": [{"fileSearch": {"fileSearchStoreNames": ["s"]}}]}),
        ),
    ]
}

#[tokio::test]
async fn what_nobody_can_read_stays_however_it_is_written() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("policies", redacting());
    config.set("policies/media", "restricted");
    config.set("providers/openai-compatible/clearance", "internal");
    config.0["models"]["m-openai-compatible"]["lossy"] = "drop".into();
    let gateway = Gateway::start(&config).await;
    // Of a length that no text in base64 has by chance.
    let file: Vec<u8> = (0..6000_u32).map(|at| (at * 151 + at / 7) as u8).collect();
    let word = to_base64(&file);
    let lines: Vec<&str> = (0..word.len())
        .step_by(76)
        .map(|at| &word[at..word.len().min(at + 76)])
        .collect();
    // A text of two bytes a letter.
    let wide: Vec<u8> = "call 13800138000"
        .bytes()
        .flat_map(|byte| [byte, 0])
        .collect();
    let written = [
        lines.join("\n"),
        lines.join("\r\n"),
        format!("{} {}", &word[..500], &word[500..]),
        format!("!{word}"),
        format!("{word}."),
        to_base64(&wide),
        word.clone(),
    ];
    let mut wrong = Vec::new();
    let mut ask = async |path: &str, mut body: Value| {
        body["model"] = "m-openai-compatible".into();
        let reply = Ask::post(gateway.listen, path)
            .key(KEY)
            .bytes(body.to_string())
            .send()
            .await;
        if reply.status != 403 || !reply.text().contains("no_cleared_provider") {
            let body: String = body.to_string().chars().take(200).collect();
            wrong.push(format!("{path} {}: {body} {}", reply.status, reply.text()));
        }
    };
    for (path, body) in files() {
        for written in &written {
            let written = json!(written).to_string();
            let body = body.to_string().replace(&json!(FILE).to_string(), &written);
            ask(path, serde_json::from_str(&body).unwrap()).await;
        }
    }
    for (path, body) in places() {
        ask(path, body).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sim.requests().len(), 0);
}

/// What only looks like a file where none can be is text.
#[tokio::test]
async fn texts_beside_files_go_on_as_texts() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("policies", redacting());
    config.set("policies/media", "restricted");
    config.set("providers/openai-compatible/clearance", "internal");
    config.0["models"]["m-openai-compatible"]["lossy"] = "drop".into();
    let gateway = Gateway::start(&config).await;
    let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": {"data": "so it is", "url": "here"}});
    let asked = json!({"role": "user", "content": "x"});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]});
    for (path, mut body) in [
        messages(
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain words"}}),
        ),
        (
            MESSAGES,
            json!({"max_tokens": 5, "messages": [asked, {"role": "assistant", "content": [call]}, result]}),
        ),
        (
            CHAT,
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "metadata": {"data": "so it is"}}),
        ),
    ] {
        body["model"] = "m-openai-compatible".into();
        let reply = Ask::post(gateway.listen, path)
            .key(KEY)
            .bytes(body.to_string())
            .send()
            .await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        assert_eq!(reply.header("x-yumen-verdict"), Some("allow"));
    }
}
