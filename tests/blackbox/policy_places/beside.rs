//! The same for what is no chat: every place of requests for vectors, orders, images and speech, and of forms.

use super::places::V;
use super::{DISGUISES, redacting};
use tests::planted::{Planter, seen};
use tests::*;

const EMBED: &str = "/v1/embeddings";
const RERANK: &str = "/v1/rerank";
const IMAGE: &str = "/v1/images/generations";
const SPEAK: &str = "/v1/audio/speech";

/// Who answers at a path: by the letter, and in ways of their own.
fn before(path: &str) -> &'static [&'static str] {
    match path {
        EMBED => &["openai", "tongyi", "minimax", "wenxin-v1", "glm"],
        RERANK => &["vllm", "sglang", "tongyi", "cohere"],
        IMAGE => &["openai", "glm"],
        _ => &["openai", "xinference"],
    }
}

fn places() -> Vec<(&'static str, &'static str, Value)> {
    let deep = json!({"a": [{"b": V}]});
    vec![
        ("one input", EMBED, json!({"input": V})),
        ("a list of inputs", EMBED, json!({"input": ["x", V, "y"]})),
        ("user of vectors", EMBED, json!({"input": "x", "user": V})),
        ("a query", RERANK, json!({"query": V, "documents": ["d"]})),
        (
            "a document",
            RERANK,
            json!({"query": "q", "documents": ["d", V]}),
        ),
        (
            "a document's text",
            RERANK,
            json!({"query": "q", "documents": [{"text": V}]}),
        ),
        (
            "an instruction",
            RERANK,
            json!({"query": "q", "documents": ["d"], "instruct": V}),
        ),
        ("a prompt", IMAGE, json!({"prompt": V})),
        ("user of images", IMAGE, json!({"prompt": "x", "user": V})),
        (
            "a text behind a number",
            IMAGE,
            json!({"prompt": "x", "input": [1, V]}),
        ),
        (
            "a text behind token ids",
            IMAGE,
            json!({"prompt": "x", "input": [[1], V]}),
        ),
        (
            "a model in an unknown field",
            IMAGE,
            json!({"prompt": "x", "novel": {"model": V}}),
        ),
        (
            "an unknown field",
            IMAGE,
            json!({"prompt": "x", "novel": deep}),
        ),
        ("speech", SPEAK, json!({"input": V, "voice": "alloy"})),
        (
            "instructions",
            SPEAK,
            json!({"input": "x", "voice": "alloy", "instructions": V}),
        ),
        ("a voice", SPEAK, json!({"input": "x", "voice": {"id": V}})),
    ]
}

fn config(sim: &Sim) -> Config {
    let mut config = Config::new();
    let vendors = [EMBED, RERANK, IMAGE, SPEAK]
        .iter()
        .flat_map(|path| before(path));
    for vendor in vendors {
        config.sim_provider(vendor, vendor, sim);
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.model(vendor, &[(vendor, "model-1")]);
        config.0["models"][*vendor]["lossy"] = "drop".into();
    }
    config.set("policies", redacting());
    config
}

#[tokio::test]
async fn nothing_planted_leaves_from_any_place_beside_chat() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let mut planter = Planter::new(0x5EED_0B51);
    let mut wrong = Vec::new();
    for (name, path, body) in places() {
        let mut reached = 0;
        for vendor in before(path) {
            for (disguise, write) in DISGUISES {
                let value = planter.any();
                let mut body = body.clone();
                body["model"] = (*vendor).into();
                let text = body.to_string().replace(V, &write(&value));
                sim.clear();
                let reply = Ask::post(gateway.listen, path)
                    .key(KEY)
                    .bytes(text)
                    .send()
                    .await;
                let what = format!("{name} at {vendor}, {disguise}, {value}");
                for call in sim.requests() {
                    reached += 1;
                    if !seen(&call.body, planter.made()).is_empty() {
                        wrong.push(format!("{what}: {}", String::from_utf8_lossy(&call.body)));
                    }
                    if reply.header("x-yumen-verdict") != Some("redact") {
                        wrong.push(format!("{what}: {:?}", reply.headers));
                    }
                }
            }
        }
        if reached < DISGUISES.len() {
            wrong.push(format!("{name} reached nobody"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let log = gateway.log();
    assert!(seen(log.as_bytes(), planter.made()).is_empty());
    gateway.assert_sound();
}

/// The parts of a form that hold text, each with a mark where the value goes.
const FORM: [(&str, &str); 6] = [
    ("prompt", "name=\"prompt\"\r\n\r\n@@VALUE@@"),
    ("a list", "name=\"keywords[]\"\r\n\r\n@@VALUE@@"),
    ("an unknown field", "name=\"novel\"\r\n\r\n@@VALUE@@"),
    ("a field's name", "name=\"@@VALUE@@\"\r\n\r\nx"),
    ("language", "name=\"language\"\r\n\r\n@@VALUE@@"),
    (
        "an empty field and a text",
        "name=\"a\"\r\n\r\n\r\n--b\r\ncontent-disposition: form-data; name=\"known_speaker_names[]\"\r\n\r\n@@VALUE@@",
    ),
];

#[tokio::test]
async fn nothing_planted_leaves_from_any_part_of_a_form() {
    let sim = sim().await;
    let gateway = Gateway::start(&config(&sim)).await;
    let mut planter = Planter::new(0x5EED_0B52);
    for (name, part) in FORM {
        for (disguise, write) in [DISGUISES[0], DISGUISES[2], DISGUISES[3]] {
            for file_first in [false, true] {
                let value = planter.any();
                let part = part.replace(V, &write(&value));
                let filename = write(&planter.mobile());
                let file = format!(
                    "content-disposition: form-data; name=\"file\"; filename=\"{filename}.wav\"\r\ncontent-type: audio/wav\r\n\r\nRIFF"
                );
                let part = format!("content-disposition: form-data; {part}");
                let (one, two) = if file_first {
                    (file, part)
                } else {
                    (part, file)
                };
                let body = format!(
                    "--b\r\n{one}\r\n--b\r\n{two}\r\n--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nopenai\r\n--b--\r\n"
                );
                sim.clear();
                let reply = Ask::post(gateway.listen, "/v1/audio/transcriptions")
                    .key(KEY)
                    .bytes(body)
                    .without("content-type")
                    .header("content-type", "multipart/form-data; boundary=b")
                    .send()
                    .await;
                let what = format!("{name}, {disguise}, {value}: {}", reply.text());
                assert_eq!(reply.status, 200, "{what}");
                assert_eq!(reply.header("x-yumen-verdict"), Some("redact"), "{what}");
                let sent = &sim.requests()[0].body;
                let leaked = seen(sent, planter.made());
                assert!(
                    leaked.is_empty(),
                    "{what}: {}",
                    String::from_utf8_lossy(sent)
                );
            }
        }
    }
    gateway.assert_sound();
}
