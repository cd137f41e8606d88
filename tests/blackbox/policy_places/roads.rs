//! The roads that a value could take around its place: retries, failover to other dialects, tools, halves, odd numbers and
//! odd files.

use super::redacting;
use tests::planted::{Planter, escaped, plain, seen, to_base64};
use tests::*;

const FAILING: [&str; 7] = [
    "@status:500",
    "@status:429@retryafter:0",
    "@status:503",
    "@errorin200",
    "@html",
    "@reset",
    "@errorevent:0",
];

fn bodies(sim: &Sim) -> Vec<u8> {
    sim.requests()
        .iter()
        .flat_map(|request| request.body.to_vec())
        .collect()
}

/// Every vendor first, failing in every way, then another vendor, then a third: nobody on the way hears the value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_leaves_by_retry_or_failover() {
    let sim = sim().await;
    let mut config = Config::all(&sim);
    config.set("policies", redacting());
    config.set("upstream", json!({"retries": 6}));
    for (vendor, _) in VENDORS {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
    }
    for (at, (vendor, model)) in VENDORS.iter().enumerate() {
        let (next, other) = VENDORS[(at + 1) % VENDORS.len()];
        let (last, good) = VENDORS[(at + 5) % VENDORS.len()];
        for fault in FAILING {
            let failing = format!("{model}{fault}");
            let also = format!("{other}{fault}");
            config.model(
                &format!("{vendor}/{}", fault.replace(['@', ':'], "-")),
                &[(vendor, &failing), (next, &also), (last, good)],
            );
            config.0["models"][format!("{vendor}/{}", fault.replace(['@', ':'], "-"))]["lossy"] =
                "drop".into();
        }
    }
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(0x5EED_0002);
    for (vendor, _) in VENDORS {
        for fault in FAILING {
            for stream in [false, true] {
                if fault == "@errorevent:0" && !stream {
                    continue;
                }
                sim.clear();
                let (phone, id, mail) = (planter.mobile(), planter.id_card(), planter.email());
                let model = format!("{vendor}/{}", fault.replace(['@', ':'], "-"));
                let reply = gateway
                    .chat(&model, &format!("电话 {phone}, 证件 {id}"))
                    .with(|body| {
                        body["stream"] = stream.into();
                        body["tools"] = json!([{"type": "function", "function": {"name": "f", "description": mail, "parameters": {"type": "object"}}}]);
                    })
                    .send()
                    .await;
                let what = format!("{model}, stream: {stream}");
                let leaked = seen(&bodies(&sim), planter.made());
                assert!(leaked.is_empty(), "{what}: {leaked:?}");
                assert_eq!(reply.status, 200, "{what}: {}", reply.text());
                let attempts: usize = reply.header("x-yumen-attempts").unwrap().parse().unwrap();
                assert!(attempts >= 2, "{what}: {attempts} attempts");
                let text = if stream {
                    grammar::read(&reply.body).text().to_owned()
                } else {
                    reply.said()
                };
                assert!(
                    text.contains(&phone) && text.contains(&id),
                    "{what}: not restored: {text}"
                );
            }
        }
    }
    gateway.assert_sound();
}

/// One target may have it and the next may not: each gets its own form of the same request.
#[tokio::test]
async fn each_target_gets_what_it_may_have() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "vllm", "tongyi"]);
    config.set("policies", redacting());
    config.set("providers/openai/clearance", "restricted");
    config.set("providers/vllm/clearance", "confidential");
    config.set("providers/tongyi/clearance", "internal");
    config.set("upstream", json!({"retries": 6}));
    config.model(
        "m",
        &[
            ("openai", "gpt-4o@status:500"),
            ("vllm", "local-model@status:500"),
            ("tongyi", "qwen-plus"),
        ],
    );
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(3);
    let (phone, id) = (planter.mobile(), planter.id_card());
    let reply = gateway.chat("m", &format!("{phone} and {id}")).send().await;
    assert!(
        reply.said().contains(&phone) && reply.said().contains(&id),
        "{}",
        reply.text()
    );
    for request in sim.requests() {
        let got = seen(&request.body, planter.made());
        let want: Vec<&str> = match request.surface {
            // A mobile number is confidential, an identity card restricted.
            "openai" => vec![&phone, &id],
            "vllm" => vec![&phone],
            _ => vec![],
        };
        assert_eq!(got, want, "{}", request.surface);
    }
    let closing = gateway.record(&reply).await;
    assert_eq!(closing["provider"], "tongyi");
}

/// A conversation with tools: the application calls its own tool with the restored value and sends all back.
#[tokio::test]
async fn nothing_planted_leaves_in_a_conversation_with_tools() {
    let sim = sim().await;
    let vendors = ["openai", "glm", "wenxin", "tongyi", "deepseek", "vllm"];
    let mut config = Config::with(&sim, vendors);
    config.set("policies", redacting());
    for vendor in vendors {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(4);
    for vendor in vendors {
        for stream in [false, true] {
            sim.clear();
            let model = format!("m-{vendor}");
            let (phone, mail) = (planter.mobile(), planter.email());
            let tools = json!([{"type": "function", "function": {"name": "get_weather", "description": format!("reports to {mail}"),
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
            let mut messages =
                vec![json!({"role": "user", "content": format!("weather for {phone}")})];
            for turn in 0..3 {
                let reply = gateway
                    .chat(&model, "")
                    .with(|body| {
                        body["stream"] = stream.into();
                        body["tools"] = tools.clone();
                        body["messages"] = messages.clone().into();
                    })
                    .send()
                    .await;
                let what = format!("{model}, turn {turn}, stream: {stream}");
                assert_eq!(reply.status, 200, "{what}: {}", reply.text());
                let leaked = seen(&bodies(&sim), planter.made());
                assert!(leaked.is_empty(), "{what}: {leaked:?}");
                if turn == 0 {
                    let (id, arguments) = if stream {
                        let tools = grammar::read(&reply.body).tools;
                        (tools[0].id.clone(), tools[0].arguments.clone())
                    } else {
                        let call = reply.json()["choices"][0]["message"]["tool_calls"][0].clone();
                        let text = |value: &Value| value.as_str().unwrap().to_owned();
                        (text(&call["id"]), text(&call["function"]["arguments"]))
                    };
                    messages.push(json!({"role": "assistant", "content": "", "tool_calls": [{"id": id, "type": "function",
                        "function": {"name": "get_weather", "arguments": arguments.replace("北京", &phone)}}]}));
                    messages.push(json!({"role": "tool", "tool_call_id": id, "content": json!({"for": phone, "note": mail}).to_string()}));
                } else {
                    messages
                        .push(json!({"role": "assistant", "content": format!("I called {phone}")}));
                    messages
                        .push(json!({"role": "user", "content": format!("and {phone} again?")}));
                }
            }
            // The same number has the same label in every place of the last request.
            let last = String::from_utf8_lossy(&sim.requests().last().unwrap().body).into_owned();
            assert!(last.matches("CN_MOBILE_1").count() >= 5, "{last}");
            assert!(!last.contains("CN_MOBILE_2"), "{last}");
        }
    }
}

/// Makes messages of two halves, given what makes a user's message and a text part.
type Split = fn(&str, &str, &dyn Fn(Value) -> Value, &dyn Fn(&str) -> Value) -> Value;

/// A text too long to be looked at in one go: values at every border of its pieces, behind escapes and wide letters, its
/// key as the cue of its first, and a value that goes on in the next message.
#[tokio::test]
async fn long_texts_are_looked_through_to_their_end() {
    const PIECE: usize = 8 << 10;
    const PIECES: usize = 14;
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai"]);
    config.set("policies", redacting());
    config.set("providers/openai/clearance", "internal");
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(7);
    let mut values = Vec::new();
    let mut text = String::new();
    for piece in 1..PIECES {
        let mut filler = "一行 plain words, \"quoted\" 😀\n".chars().cycle();
        while text.len() < piece * PIECE - piece {
            text.extend(filler.next());
        }
        values.push(planter.mobile());
        text.push_str(&format!("，{}，", values[piece - 1]));
    }
    let divided = planter.mobile();
    let (first, second) = divided.split_at(6);
    let long = format!("{text}打 {first}");
    let said = "x, ".repeat(PIECE);
    let reply = gateway
        .chat("m-openai", "")
        .with(|body| {
            body["messages"] = json!([
                {"role": "user", "content": long},
                {"role": "user", "content": format!("{second} 谢谢")},
            ]);
            body["metadata"] = json!({"password": format!("Tr0ub4dor&3x {said}")});
        })
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.said());
    let body = String::from_utf8(bodies(&sim)).unwrap();
    for value in values.iter().map(String::as_str).chain([first, second]) {
        assert!(!body.contains(value), "{value} left");
    }
    assert!(!body.contains("Tr0ub4dor"));
    let whole = text.split_once('，').unwrap().0;
    let whole = serde_json::to_string(whole).unwrap();
    assert!(body.contains(whole.trim_matches('"')) && body.contains(&said));
}

/// Two halves, each of which is nothing.
#[tokio::test]
async fn halves_in_neighbouring_texts_are_one_value() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "tongyi"]);
    config.set("policies", redacting());
    for vendor in ["openai", "tongyi"] {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
        config.0["models"][format!("m-{vendor}")]["lossy"] = "drop".into();
    }
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(5);
    let text = |text: &str| json!({"type": "text", "text": text});
    let late = |text: &str| json!({"text": text, "type": "text"});
    let user = |content: Value| json!({"role": "user", "content": content});
    for vendor in ["openai", "tongyi"] {
        for cut in [3, 5, 6, 8] {
            let ways: [(&str, Split); 4] = [
                ("messages", |a, b, user, _| {
                    json!([
                        user(format!("打 {a}").into()),
                        user(format!("{b} 谢谢").into())
                    ])
                }),
                ("parts", |a, b, user, text| {
                    json!([user(json!([
                        text(&format!("打 {a}")),
                        text(&format!("{b} 谢谢"))
                    ]))])
                }),
                (
                    "names",
                    |a, b, _, _| json!([{"role": "user", "name": "li", "content": a}, {"role": "user", "name": "li", "content": b}]),
                ),
                ("a part and a message", |a, b, user, text| {
                    json!([user(json!([text(a)])), user(b.into())])
                }),
            ];
            for (way, make) in ways {
                for part in [&text as &dyn Fn(&str) -> Value, &late] {
                    sim.clear();
                    let phone = planter.mobile();
                    let (a, b) = phone.split_at(cut);
                    let messages = make(a, b, &user, part);
                    let reply = gateway
                        .chat(&format!("m-{vendor}"), "")
                        .with(|body| body["messages"] = messages)
                        .send()
                        .await;
                    let sent = plain(&String::from_utf8_lossy(&bodies(&sim)));
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    assert!(
                        !(sent.contains(a) && sent.contains(b)),
                        "{vendor}, split over {way} at {cut}: {}",
                        String::from_utf8_lossy(&bodies(&sim))
                    );
                }
            }
        }
    }
}

/// Three pieces and more, none of which is anything, and long words that are cut far from both ends.
#[tokio::test]
async fn pieces_in_neighbouring_texts_are_one_value() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("policies", redacting());
    config.set("providers/openai-compatible/clearance", "internal");
    let gateway = Gateway::start(&config).await;
    let token = format!("sk-ant-api03-{}AA", &"a1B2c3D4e5".repeat(10)[..93]);
    for pieces in [
        &["打 1380", "013", "8000 谢谢"][..],
        &["138", "0013", "8000"],
        &["1380013", " ", "8000"],
        &["1", "3", "8", "0", "0", "1", "3", "8", "0", "0", "0"],
        &["110105", "19491231", "002X"],
        &["AKIAIO", "SFODN", "N7ABCDEFG"],
        &[&token[..75], &token[75..]],
    ] {
        let text = |text: &&str| json!({"type": "text", "text": text});
        let parts: Vec<Value> = pieces.iter().map(text).collect();
        let one = |piece: &&str| json!({"role": "user", "content": piece});
        let system =
            json!([{"role": "system", "content": parts}, {"role": "user", "content": "x"}]);
        for messages in [
            pieces.iter().map(one).collect(),
            json!([{"role": "user", "content": parts}]),
            system,
        ] {
            sim.clear();
            let reply = gateway
                .chat("m-openai-compatible", "")
                .with(|body| body["messages"] = messages)
                .send()
                .await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(
                reply.header("x-yumen-verdict"),
                Some("redact"),
                "{pieces:?}"
            );
            let sent = bodies(&sim);
            let sent = String::from_utf8_lossy(&sent);
            let last = pieces.last().unwrap().trim_end_matches(" 谢谢");
            assert!(!sent.contains(&format!("\"{last}")), "{sent}");
        }
    }
}

/// Bare numbers in every way to write one; inside arguments the inner text stays JSON too.
#[tokio::test]
async fn numbers_become_strings_and_all_stays_json() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("policies", redacting());
    config.set("providers/openai-compatible/clearance", "internal");
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(6);
    for (written, nested) in [
        ("{}", false),
        ("-{}", false),
        ("{}.0", false),
        ("-{}.00", false),
        ("{}e0", false),
        ("0.{}e11", false),
        ("{}", true),
        ("-{}", true),
    ] {
        {
            sim.clear();
            let phone = planter.mobile();
            let number = written.replace("{}", &phone);
            let text = if nested {
                format!(
                    r#"{{"model":"m-openai-compatible","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{\"phone\": {number}, \"l\":[{number} ,2]}}"}}}}]}},{{"role":"tool","tool_call_id":"c","content":"ok"}}]}}"#
                )
            } else {
                format!(
                    r#"{{"model":"m-openai-compatible","messages":[{{"role":"user","content":"x"}}],"metadata":{{"phone":{number},"l":[{number},2]}}}}"#
                )
            };
            let reply = Ask::post(gateway.listen, "/v1/chat/completions")
                .key(KEY)
                .bytes(text.clone())
                .send()
                .await;
            let received = sim.requests();
            let sent = received
                .last()
                .map(|request| String::from_utf8_lossy(&request.body).into_owned());
            let sent = sent.unwrap_or_else(|| panic!("{text}: {}", reply.text()));
            let json: Value = serde_json::from_str(&sent)
                .unwrap_or_else(|error| panic!("{written}: {error}: {sent}"));
            assert!(
                seen(sent.as_bytes(), planter.made()).is_empty(),
                "{written}: {sent}"
            );
            if nested {
                let inner = json["messages"][1]["tool_calls"][0]["function"]["arguments"]
                    .as_str()
                    .unwrap();
                let inner: Value = serde_json::from_str(inner)
                    .unwrap_or_else(|error| panic!("{written}: {error}: {inner}"));
                assert_eq!(inner["l"][1], 2, "{inner}");
            }
        }
    }
}

/// A file is read if it says that it is text, however it says so; what cannot be read goes to nobody uncleared.
#[tokio::test]
async fn files_in_disguise_are_read_or_stay() {
    let sim = sim().await;
    let mut config = Config::plain(&sim);
    config.set("policies", redacting());
    config.set("policies/media", "restricted");
    config.set("providers/openai-compatible/clearance", "internal");
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(8);
    let heads = [
        "data:text/plain;base64,",
        "DATA:text/plain;base64,",
        "Data:TEXT/Plain;Base64,",
        " data:text/plain;base64,",
        "data:;base64,",
        "data:text/csv;charset=utf-8;base64,",
        "data:application/json;base64,",
        "data:application/octet-stream;base64,",
        "data:application/x-ndjson;base64,",
        "data:image/svg+xml;base64,",
        "see data:text/plain;base64,",
    ];
    for head in heads {
        for write in [str::to_owned as fn(&str) -> String, escaped, |head| {
            head.replace('/', "\\/")
        }] {
            for place in ["file_data", "url", "content"] {
                sim.clear();
                let phone = planter.mobile();
                let data = to_base64(format!("name: 张三, phone: {phone}").as_bytes());
                let value = format!("{}{data}", write(head));
                let part = match place {
                    "file_data" => {
                        format!(r#"[{{"type":"file","file":{{"file_data":"{value}"}}}}]"#)
                    }
                    "url" => format!(r#"[{{"type":"image_url","image_url":{{"url":"{value}"}}}}]"#),
                    _ => format!("\"{value}\""),
                };
                let text = format!(
                    r#"{{"model":"m-openai-compatible","messages":[{{"role":"user","content":{part}}}]}}"#
                );
                let reply = Ask::post(gateway.listen, "/v1/chat/completions")
                    .key(KEY)
                    .bytes(text.clone())
                    .send()
                    .await;
                let sent = bodies(&sim);
                assert!(
                    seen(&sent, planter.made()).is_empty(),
                    "{text}: {}",
                    String::from_utf8_lossy(&sent)
                );
                assert!([200, 403].contains(&reply.status), "{}", reply.text());
            }
        }
    }
}
