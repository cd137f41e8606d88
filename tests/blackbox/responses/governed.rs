//! Policies on this dialect: what is taken out of a request comes back in the reply, what may not come in does not, in
//! text, thoughts and arguments and in every one of their tellings, however the pieces are cut, whoever answers.

use super::*;
use tests::planted::{Planter, seen};
use tests::responses::read;

const BEFORE: [&str; 3] = ["openai", "anthropic", "tongyi"];

fn config(sim: &Sim, policies: Value) -> Config {
    let mut config = Config::with(sim, BEFORE);
    for vendor in BEFORE {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        for size in [1, 2, 5] {
            config.fault(
                &format!("{vendor}/{size}"),
                vendor,
                &format!("@piece:{size}"),
            );
        }
        config.fault(&format!("{vendor}/slow"), vendor, "@piece:20@gap:20");
    }
    config.set("policies", policies);
    config
}

#[tokio::test]
async fn what_was_taken_out_comes_back() {
    let sim = sim().await;
    let policies = json!({"rules": [{"name": "persons", "find": ["PERSON", "CONTACT", "FINANCIAL"], "remedy": "redact", "restore": true}]});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    let mut planter = Planter::new(0xB1);
    for vendor in BEFORE {
        for size in [0, 1, 2, 5] {
            for stream in [false, true] {
                let model = if size == 0 {
                    format!("m-{vendor}")
                } else {
                    format!("{vendor}/{size}")
                };
                let what = format!("{model}, stream: {stream}");
                sim.clear();
                let (phone, mail) = (planter.mobile(), planter.email());
                let text = format!("电话 {phone}, mail {mail} 🌏");
                let reply = say(&gateway, &model, &text, stream).send().await;
                // The reader asks that all tellings of a text are the same.
                let said = good(&reply, &what);
                assert!(
                    said.text().contains(&phone) && said.text().contains(&mail),
                    "{what}: {}",
                    said.text()
                );
                assert!(!reply.text().contains("_1>"), "{what}: {}", reply.text());
                let sent: Vec<u8> = sim
                    .requests()
                    .iter()
                    .flat_map(|one| one.body.to_vec())
                    .collect();
                assert!(
                    seen(&sent, planter.made()).is_empty(),
                    "{what}: {}",
                    String::from_utf8_lossy(&sent)
                );
                assert_eq!(reply.header("x-yumen-verdict"), Some("redact"), "{what}");
            }
        }
    }
    gateway.assert_sound();
}

/// The upstream writes the labels, and values of its own, in every place of a reply.
async fn scripted(
    policies: Value,
) -> (
    std::sync::Arc<std::sync::Mutex<String>>,
    upstream::Upstream,
    Gateway,
) {
    let script = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let says = std::sync::Arc::clone(&script);
    let upstream = upstream::Upstream::start(move |mut conn| {
        let says = std::sync::Arc::clone(&says);
        async move {
            if conn.request().await.is_some() {
                conn.stream_head().await?;
                let text = says.lock().unwrap().clone();
                // The beginning is a read of its own: what follows is in mid-stream.
                let (first, rest) = text.split_at(text.floor_char_boundary(text.len() / 10));
                conn.write(first.as_bytes()).await?;
                conn.between(200).await;
                conn.write(rest.as_bytes()).await?;
            }
            Ok(())
        }
    })
    .await;
    let mut config = Config::new();
    config.provider("up", "openai", &format!("{}/v1", upstream.origin()));
    config.set("providers/up/clearance", "internal");
    config.model("m", &[("up", "gpt-x")]);
    config.set("policies", policies);
    config.set("stream", json!({"hold_bytes": "1MiB"}));
    let gateway = Gateway::start(&config).await;
    (script, upstream, gateway)
}

/// A stream in the making, by the order of the documents.
#[derive(Default)]
struct Script {
    text: String,
    sequence: u32,
    output: Vec<Value>,
}

impl Script {
    fn event(&mut self, name: &str, mut data: Value) {
        data["type"] = name.into();
        data["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        self.text += &format!("event: {name}\ndata: {data}\n\n");
    }

    fn lifecycle(&mut self, name: &str, status: &str, echo: &str) {
        let output = if status == "in_progress" {
            json!([])
        } else {
            json!(self.output)
        };
        let usage = json!({"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2});
        let response = json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-x", "output": output,
            "instructions": echo, "metadata": {"who": echo}, "tools": [{"type": "function", "name": "f", "description": echo, "parameters": {"type": "object", "description": echo}}],
            "tool_choice": "auto", "parallel_tool_calls": true, "usage": usage, "error": null, "incomplete_details": null});
        self.event(name, json!({"response": response}));
    }

    /// An item told in pieces: the names of its events, the member that holds its text, its part, and itself.
    fn item(
        &mut self,
        names: [&str; 4],
        place: &str,
        member: &str,
        text: &str,
        size: usize,
        item: &dyn Fn(&str) -> Value,
    ) {
        let at = self.output.len();
        let mut added = item("");
        if !place.is_empty() {
            let list = if place == "summary_index" {
                "summary"
            } else {
                "content"
            };
            added[list] = json!([]);
        }
        let id = added["id"].clone();
        self.event(
            "response.output_item.added",
            json!({"output_index": at, "item": added}),
        );
        let mut base = json!({"item_id": id, "output_index": at});
        if !place.is_empty() {
            base[place] = 0.into();
        }
        let with = |key: &str, value: Value| {
            let mut data = base.clone();
            data[key] = value;
            data
        };
        let part = |text: &str| {
            let item = item(text);
            let list = if place == "summary_index" {
                "summary"
            } else {
                "content"
            };
            item[list][0].clone()
        };
        if !place.is_empty() {
            self.event(names[2], with("part", part("")));
        }
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            let piece: String = piece.iter().collect();
            let mut data = with("delta", piece.into());
            data["obfuscation"] = "x7Qm".into();
            self.event(names[0], data);
        }
        self.event(names[1], with(member, text.into()));
        if !place.is_empty() {
            self.event(names[3], with("part", part(text)));
        }
        self.event(
            "response.output_item.done",
            json!({"output_index": at, "item": item(text)}),
        );
        self.output.push(item(text));
    }
}

/// A thought in both its forms, a message, a call: all saying `text`, in pieces of `size` characters.
fn all_of(text: &str, size: usize) -> String {
    let mut script = Script::default();
    script.lifecycle("response.created", "in_progress", text);
    let part = ["response.content_part.added", "response.content_part.done"];
    script.item(
        ["response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "response.reasoning_summary_part.added", "response.reasoning_summary_part.done"],
        "summary_index", "text", text, size,
        &|text| json!({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}),
    );
    script.item(
        ["response.reasoning_text.delta", "response.reasoning_text.done", part[0], part[1]],
        "content_index", "text", text, size,
        &|text| json!({"id": "rs_2", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}),
    );
    script.item(
        ["response.output_text.delta", "response.output_text.done", part[0], part[1]],
        "content_index", "text", text, size,
        &|text| json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}),
    );
    let arguments = json!({"who": text, "deep": [{"also": text}]}).to_string();
    script.item(
        ["response.function_call_arguments.delta", "response.function_call_arguments.done", "", ""],
        "", "arguments", &arguments, size,
        &|text| json!({"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": text}),
    );
    script.lifecycle("response.completed", "completed", text);
    script.text
}

#[tokio::test]
async fn every_telling_is_hidden_and_restored_however_it_is_cut() {
    let (script, _upstream, gateway) = scripted(json!({
        "rules": [{"name": "persons", "find": ["CONTACT"], "remedy": "redact", "restore": true}],
        "output": {"find": ["CONTACT", "SECRET"], "remedy": "redact"},
    }))
    .await;
    let mut planter = Planter::new(0xB2);
    let mine = planter.mobile();
    for size in [1, 3, 7, 400] {
        let theirs = planter.mobile();
        let text = format!("打 <CN_MOBILE_1> 或 \"{theirs}\"\n完");
        *script.lock().unwrap() = all_of(&text, size);
        let reply = say(&gateway, "m", &format!("我是 {mine}"), true)
            .send()
            .await;
        let said = good(&reply, "hidden");
        let input = said.calls()[0].2.clone();
        let places = [
            said.thought(),
            said.text(),
            input["who"].as_str().unwrap().to_owned(),
            input["deep"][0]["also"].as_str().unwrap().to_owned(),
        ];
        for text in places {
            assert!(
                text.contains(&mine),
                "pieces of {size}: not restored: {text}"
            );
            assert!(text.ends_with("\n完"), "{text}");
        }
        // In no telling, and in nothing that repeats the request.
        assert!(
            !reply.text().contains(&theirs),
            "pieces of {size}: {}",
            reply.text()
        );
        assert!(said.response["instructions"].is_null(), "{}", said.response);
    }
    gateway.assert_sound();
}

#[tokio::test]
async fn a_refusal_in_mid_stream_is_an_error_event() {
    let (script, upstream, gateway) =
        scripted(json!({"output": {"find": ["CONTACT"], "remedy": "refuse"}})).await;
    upstream.holds();
    let mut planter = Planter::new(0xB3);
    let phone = planter.mobile();
    let words = "words ".repeat(50);
    *script.lock().unwrap() = all_of(&format!("{words}{phone}"), 6);
    let begun = say(&gateway, "m", "hi", true).open().await;
    upstream.lets_go();
    let reply = begun.rest().await;
    let said = read(&reply.body);
    let error = said.error.clone().unwrap();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("policy_refused")),
        "{error}"
    );
    assert!(reply.text().contains("words ") && !reply.text().contains(&phone));
    // Before a vendor of another dialect it is the response that failed.
    let sim = sim().await;
    let policies = json!({"output": {"find": ["CONTACT"], "remedy": "refuse"}});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    let reply = say(&gateway, "anthropic/slow", &format!("{words}{phone}"), true)
        .send()
        .await;
    let said = read(&reply.body);
    assert_eq!(said.error.unwrap()["code"], "policy_refused");
    assert_eq!(said.response["status"], "failed");
    assert!(!reply.text().contains(&phone), "{}", reply.text());
}

#[tokio::test]
async fn a_refused_request_is_told_in_its_shape() {
    let sim = sim().await;
    let policies =
        json!({"rules": [{"name": "no-secrets", "find": ["SECRET"], "remedy": "refuse"}]});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    let key = Planter::new(0xB4).access_key();
    for stream in [false, true] {
        let reply = say(&gateway, "m-openai", &format!("key {key}"), stream)
            .send()
            .await;
        refused(&reply, 403, "policy_refused");
        assert!(reply.text().contains("no-secrets") && !reply.text().contains(&key));
    }
}

/// The mark of generated content stands once before the answer, in every telling of it.
#[tokio::test]
async fn answers_are_labelled_in_every_telling() {
    let sim = sim().await;
    let policies =
        json!({"labelling": {"producer": "test", "explicit": "prefix", "text": "〔AI〕"}});
    let gateway = Gateway::start(&config(&sim, policies)).await;
    for vendor in BEFORE {
        for stream in [false, true] {
            let what = format!("{vendor}, stream: {stream}");
            let reply = say(&gateway, &format!("m-{vendor}"), "hi", stream)
                .send()
                .await;
            let said = good(&reply, &what);
            assert!(
                said.text().starts_with("〔AI〕["),
                "{what}: {}",
                said.text()
            );
            assert_eq!(said.text().matches("〔AI〕").count(), 1, "{what}");
        }
    }
}

/// What the audit log keeps redacted holds no value, in no telling and in nothing that repeats the request, whether the law
/// let it pass or put it back.
#[tokio::test]
async fn what_is_written_down_holds_no_value() {
    let sim = sim().await;
    let mut planter = Planter::new(0xB5);
    for clearance in ["internal", "restricted"] {
        let policies = json!({"rules": [{"name": "persons", "find": ["CONTACT"], "remedy": "redact", "restore": true}]});
        let mut config = config(&sim, policies);
        config.set(
            "audit",
            json!({"dir": "audit", "reserve_bytes": "1MiB", "payload": "redacted"}),
        );
        for vendor in BEFORE {
            config.set(&format!("providers/{vendor}/clearance"), clearance);
        }
        let gateway = Gateway::start(&config).await;
        for vendor in BEFORE {
            for stream in [false, true] {
                let what = format!("{vendor}, {clearance}, stream: {stream}");
                let (phone, mail) = (planter.mobile(), planter.email());
                let ask = say(
                    &gateway,
                    &format!("{vendor}/2"),
                    &format!("打 {phone} 谢谢"),
                    stream,
                )
                .with(|body| body["instructions"] = format!("write to {mail}").into());
                let reply = ask.send().await;
                assert!(good(&reply, &what).text().contains(&phone), "{what}");
                let id = reply.header("x-request-id").unwrap();
                gateway.record(&reply).await;
                let kept = crate::payloads::unsealed(gateway.dir.path(), id, &[]);
                let text = kept["reply"]["text"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{what}: {kept}"));
                assert!(text.contains("<CN_MOBILE_1>"), "{what}: {text}");
                assert!(
                    seen(kept.to_string().as_bytes(), planter.made()).is_empty(),
                    "{what}: {kept}"
                );
            }
        }
    }
}
