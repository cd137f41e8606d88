//! What a dialect calls inert is so at its own place only: a member of that name anywhere else is read.
//!
//! Generated: into every object of a request of every kind, a member with each of the names that are inert somewhere.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::Headers;
use wire::facts::Contents;
use wire::json::{Limits, scan};

use crate::places::{self, Asked, At};

/// Names that are inert somewhere.
const NAMES: [&str; 20] = [
    "model",
    "role",
    "type",
    "id",
    "seed",
    "temperature",
    "top_p",
    "topP",
    "top_k",
    "topK",
    "n",
    "max_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "candidateCount",
    "outputDimensionality",
    "dimensions",
    "presence_penalty",
    "signature",
    "thoughtSignature",
];
const TEXT: &str = "planted text";
const NUMBER: u64 = 4_210_987_654_321;

/// A request of one kind: its path, the place of its own numbers, and a body with objects wherever they can stand.
type Example = (&'static str, &'static str, Json);

/// One of each kind.
fn requests() -> Vec<Example> {
    [conversations(), others()].concat()
}

fn conversations() -> Vec<Example> {
    let schema = json!({"type":"object","properties":{"p":{"type":"string"}}});
    vec![
        (
            "/v1/chat/completions",
            "",
            json!({"model":"m","messages":[
                {"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}],"x":{}},
                {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
                {"role":"tool","tool_call_id":"c","content":"r"}],
                "tools":[{"type":"function","function":{"name":"f","parameters":schema}}],"metadata":{},"prediction":{"content":"c"}}),
        ),
        (
            "/v1/messages",
            "",
            json!({"model":"m","max_tokens":5,"system":[{"type":"text","text":"s"}],"messages":[
                {"role":"user","content":[{"type":"text","text":"a","cache_control":{}},{"type":"document","source":{"type":"content","content":[{"type":"text","text":"d"}]}}],"x":{}},
                {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""},{"type":"tool_use","id":"c","name":"f","input":{"x":{}}}]},
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"}]}]}],
                "tools":[{"name":"f","input_schema":schema}],"metadata":{}}),
        ),
        (
            "/v1/responses",
            "",
            json!({"model":"m","input":[
                {"role":"user","content":[{"type":"input_text","text":"a"}],"x":{}},
                {"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"e"},
                {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
                {"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"r"}]}],
                "tools":[{"type":"function","name":"f","parameters":schema}],"metadata":{},"text":{"format":{"type":"text"}}}),
        ),
        (
            "/v1/completions",
            "",
            json!({"model":"m","prompt":"a","logit_bias":{},"x":{"y":[{}]}}),
        ),
        (
            "/api/v1/services/aigc/text-generation/generation",
            "/parameters",
            json!({"model":"m","input":{"messages":[{"role":"user","content":[{"text":"a"}]}],"x":{}},
                "parameters":{"tools":[{"type":"function","function":{"name":"f","parameters":schema}}],"x":{}},"x":{}}),
        ),
        (
            "/v1beta/models/m:generateContent",
            "/generationConfig",
            json!({"contents":[
                {"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},
                {"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":{}}}}]},
                {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"r":{}},"parts":[{"inlineData":{}}]}}]}],
                "systemInstruction":{"parts":[{"text":"s"}]},"generationConfig":{"thinkingConfig":{},"x":{}},
                "content":{"parts":[{"text":"c"}]},"requests":[{"content":{"parts":[{"text":"c"}]},"generationConfig":{}}],
                "tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":schema}]}]}),
        ),
    ]
}

fn others() -> Vec<Example> {
    vec![
        (
            "/v1beta/models/m:countTokens",
            "/generateContentRequest/generationConfig",
            json!({"generateContentRequest":{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{},
                "generateContentRequest":{"generationConfig":{}}}}),
        ),
        (
            "/v1beta/models/m:batchEmbedContents",
            "",
            json!({"requests":[{"content":{"parts":[{"text":"a"}]}}],"x":{}}),
        ),
        (
            "/v1/embeddings",
            "",
            json!({"model":"m","input":"a","x":{"y":[{}]}}),
        ),
        (
            "/v1/rerank",
            "",
            json!({"model":"m","query":"a","documents":[{"text":"d"}],"x":{}}),
        ),
        (
            "/v1/images/generations",
            "",
            json!({"model":"m","prompt":"a","input":[1],"file":{"content":"c"},"x":{"y":[{}]}}),
        ),
    ]
}

/// The places of all objects at or under a value.
fn objects(value: &Json, at: &str, all: &mut Vec<String>) {
    match value {
        Json::Object(members) => {
            all.push(at.to_owned());
            for (key, value) in members {
                objects(value, &format!("{at}/{key}"), all);
            }
        }
        Json::Array(elements) => {
            for (nth, value) in elements.iter().enumerate() {
                objects(value, &format!("{at}/{nth}"), all);
            }
        }
        _ => {}
    }
}

/// What is collected of a request; `None`: it is refused.
fn contents(path: &str, body: &Bytes) -> Option<Contents> {
    let place = places::find(path, &Headers::new());
    let At::Call(endpoint, model) = place.at else {
        panic!("no endpoint at {path}");
    };
    let asked = Asked {
        model,
        ..Asked::at(endpoint)
    };
    let tape = scan(body, &Limits::default()).unwrap();
    let facts = place.dialect.read_request(body, tape, &asked).ok()?;
    Some(place.dialect.contents(body, &facts))
}

/// A body with one more member in the object at `at`. `escaped`: the first letter of its name is an escape.
fn plant(whole: &Json, at: &str, name: &str, value: &Json, escaped: bool) -> Bytes {
    const MARK: &str = "planted name";
    let mut body = whole.clone();
    let object = body.pointer_mut(at).and_then(Json::as_object_mut).unwrap();
    let _ = object.remove(name);
    let _ = object.insert(MARK.to_owned(), value.clone());
    let (first, rest) = name.split_at(1);
    let written = if escaped {
        format!("\\u{:04x}{rest}", first.as_bytes()[0])
    } else {
        name.to_owned()
    };
    body.to_string().replace(MARK, &written).into()
}

/// Members that hold what nobody here looks into, of the requests at a path.
const FILES: [(&str, &[(&str, &str)]); 5] = [
    (
        "/v1/chat/completions",
        &[
            ("file_id", "file-abc"),
            ("file_data", "QUJD"),
            ("file_url", "https://x.example/a"),
        ],
    ),
    (
        "/v1/messages",
        &[("file_id", "file-abc"), ("url", "https://x.example/a")],
    ),
    (
        "/v1/responses",
        &[("file_id", "file-abc"), ("file_url", "https://x.example/a")],
    ),
    (
        "/api/v1/services/aigc/text-generation/generation",
        &[("image", "https://x.example/a")],
    ),
    (
        "/v1beta/models/m:generateContent",
        &[("fileUri", "files/abc")],
    ),
];

#[test]
fn a_file_is_found_wherever_it_stands_and_however_its_name_is_escaped() {
    let (mut planted, mut wrong) = (0, Vec::new());
    for (path, _, whole) in requests() {
        let files = FILES.iter().filter(|row| row.0 == path);
        let mut all = Vec::new();
        objects(&whole, "", &mut all);
        for at in all {
            for (name, value) in files.clone().flat_map(|row| row.1) {
                for escaped in [false, true] {
                    let body = plant(&whole, &at, name, &json!(value), escaped);
                    let Some(contents) = contents(path, &body) else {
                        continue;
                    };
                    planted += 1;
                    let mut media = contents.media.iter();
                    if !media.any(|media| body[media.span.clone()] == *value.as_bytes()) {
                        wrong.push(format!("{path}: {at}/{name}, escaped: {escaped}"));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {planted}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(planted > 150, "{planted}");
}

#[test]
fn a_member_called_as_an_inert_one_is_read_wherever_else_it_stands() {
    let (mut planted, mut wrong) = (0, Vec::new());
    for (path, own, whole) in requests() {
        assert!(
            contents(path, &whole.to_string().into()).is_some(),
            "{path}"
        );
        let mut all = Vec::new();
        objects(&whole, "", &mut all);
        for at in all {
            for name in NAMES {
                for (value, escaped) in [
                    (json!(TEXT), false),
                    (json!(TEXT), true),
                    (json!(NUMBER), false),
                    (json!(NUMBER), true),
                ] {
                    let replaced =
                        name == "model" && (at.is_empty() || at == "/generateContentRequest");
                    if replaced || (at == own && value.is_number()) {
                        continue;
                    }
                    let body = plant(&whole, &at, name, &value, escaped);
                    let Some(contents) = contents(path, &body) else {
                        continue;
                    };
                    planted += 1;
                    let want = value.as_str().map_or(value.to_string(), str::to_owned);
                    let mut texts = contents.texts.iter();
                    if !texts.any(|text| body[text.span.clone()] == *want.as_bytes()) {
                        wrong.push(format!("{path}: {at}/{name}: {value}, escaped: {escaped}"));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {planted}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(planted > 3000, "{planted}");
}
