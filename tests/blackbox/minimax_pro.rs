//! MiniMax' legacy chat: how a conversation is put to it, and a last event that says everything once more.

use tests::planted::{Planter, seen};
use tests::scripted::Scripted;
use tests::upstream::Upstream;
use tests::*;

fn config(origin: &str) -> Config {
    let mut config = Config::new();
    config.provider("pro", "minimax-pro", &format!("{origin}/v1"));
    config.model("m", &[("pro", "abab6.5s-chat")]);
    config
}

#[tokio::test]
async fn a_conversation_in_its_words() {
    let sim = sim().await;
    let mut config = config("http://127.0.0.1:1");
    config.sim_provider("pro", "minimax-pro", &sim);
    let gateway = Gateway::start(&config).await;
    let ask = gateway.chat("m", "").with(|body| {
        body["messages"] = json!([
            {"role": "system", "content": "规矩一"},
            {"role": "user", "name": "小明", "content": [{"type": "text", "text": "天气"}, {"type": "text", "text": "\"怎样\""}]},
            {"role": "developer", "content": "规矩二"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "晴"},
        ]);
        body["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
        body["temperature"] = 0.into();
        body["max_tokens"] = 60.into();
    });
    let reply = ask.send().await;
    assert!(reply.said().contains("工具返回:晴"), "{}", reply.text());
    let sent = sim.requests().pop().unwrap();
    assert_eq!(
        sent.path_and_query,
        "/minimax-pro/v1/text/chatcompletion_pro?GroupId=group-0001"
    );
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    let bot = "MM智能助理";
    assert_eq!(
        body,
        json!({
            "model": "abab6.5s-chat",
            "bot_setting": [{"bot_name": bot, "content": "规矩一\n规矩二"}],
            "reply_constraints": {"sender_type": "BOT", "sender_name": bot},
            "messages": [
                {"sender_type": "USER", "sender_name": "小明", "text": "天气\n\"怎样\""},
                {"sender_type": "BOT", "sender_name": bot, "text": "", "function_call": {"name": "f", "arguments": "{\"a\":1}"}},
                {"sender_type": "FUNCTION", "sender_name": bot, "text": "晴"},
            ],
            "functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
            "temperature": 0.01,
            "tokens_to_generate": 60,
        })
    );
    // Without a system text the bot has a setting all the same; what cannot be said is refused.
    let reply = gateway.chat("m", "hi").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for (field, value) in [
        ("stop", json!("x")),
        ("response_format", json!({"type": "json_object"})),
        (
            "messages",
            json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "pre"}]),
        ),
        ("messages", json!([{"role": "system", "content": "a"}])),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]),
        ),
    ] {
        let ask = gateway.chat("m", "hi").with(|body| body[field] = value);
        let reply = ask.send().await;
        reply.refused(400, "invalid_request");
        assert_eq!(reply.error()["param"], field, "{}", reply.text());
    }
}

/// A message has room for one call: of several each is told with its own result behind it, and none is lost.
#[tokio::test]
async fn calls_of_one_turn_are_told_one_by_one() {
    let sim = sim().await;
    let mut config = config("http://127.0.0.1:1");
    config.sim_provider("pro", "minimax-pro", &sim);
    config.set("models/m/lossy", "refuse");
    let gateway = Gateway::start(&config).await;
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": format!("f-{id}"), "arguments": "{}"}});
    let result =
        |id: &str| json!({"role": "tool", "tool_call_id": id, "content": format!("r-{id}")});
    let ask = gateway.chat("m", "").with(|body| {
        body["messages"] = json!([
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "tool_calls": [call("1"), call("2"), call("3")]},
            result("3"),
            result("other"),
            result("1"),
            {"role": "user", "content": "c"},
        ]);
    });
    let reply = ask.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-yumen-dropped"), None);
    let body: Value = serde_json::from_slice(&sim.requests().pop().unwrap().body).unwrap();
    let told: Vec<String> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let called = message["function_call"]["name"].as_str();
            let text = message["text"].as_str().unwrap();
            [text, called.unwrap_or_default()].join("/")
        })
        .collect();
    assert_eq!(
        told,
        [
            "a/", "b/f-1", "r-1/", "/f-2", "/f-3", "r-3/", "r-other/", "c/"
        ]
    );
}

fn event(reply: &str, choice: Value, more: Value) -> String {
    let mut event =
        json!({"created": 1, "model": "abab6.5s-chat", "reply": reply, "choices": [choice]});
    for (key, value) in more.as_object().into_iter().flatten() {
        event[key] = value.clone();
    }
    format!("data: {event}\n\n")
}

fn bot(text: &str) -> Value {
    json!([{"sender_type": "BOT", "sender_name": "MM智能助理", "text": text}])
}

/// The last event repeats the answer: it is not said twice, and where it is the first that says anything it is said, and
/// looked through, like any other.
#[tokio::test]
async fn the_last_event_is_told_once_and_looked_through() {
    let upstream = Scripted::start().await;
    let mut config = config(&upstream.origin());
    let output = json!({"find": ["CONTACT"], "remedy": "redact"});
    config.set("policies", json!({ "output": output }));
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(0x51);
    let phone = planter.mobile();
    let whole = format!("请打 {phone}，谢谢");
    let (first, second) = whole.split_at(12);
    let last = |reply: &str, texts: Value| {
        let choice = json!({"finish_reason": "stop", "messages": texts});
        event(
            reply,
            choice,
            json!({"usage": {"total_tokens": 40}, "base_resp": {"status_code": 0, "status_msg": ""}}),
        )
    };
    let piece = |text: &str| event("", json!({"messages": bot(text)}), json!({}));
    let streams = [
        vec![piece(first), piece(second), last(&whole, bot(&whole))],
        vec![last(&whole, bot(&whole))],
        vec![last(&whole, json!([]))],
    ];
    let mut said = Vec::new();
    for events in streams {
        let pieces = events.iter().map(|event| event.clone().into_bytes());
        upstream.stream(pieces.collect(), 1);
        let reply = gateway.stream("m", "x").send().await;
        assert!(
            seen(&reply.body, planter.made()).is_empty(),
            "{}",
            reply.text()
        );
        let read = grammar::strict(&reply.body, true);
        assert_eq!(read.finish(), "stop");
        assert_eq!(read.text().matches("请打").count(), 1, "{}", read.text());
        // The sum is the vendor's; what the answer's share of it is had to be estimated.
        let usage = read.usage.unwrap();
        assert_eq!(usage["total_tokens"], 40);
        assert!(usage["completion_tokens"].as_u64().unwrap() > 3, "{usage}");
        said.push(reply);
    }
    let texts: Vec<String> = said
        .iter()
        .map(|reply| grammar::read(&reply.body).text().to_owned())
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

/// A call's arguments are text too, in whichever event they stand.
#[tokio::test]
async fn a_call_is_told_once_and_looked_through() {
    let mut planter = Planter::new(0x52);
    let phone = planter.mobile();
    let call = json!({"name": "send", "arguments": format!("{{\"to\":\"{phone}\"}}")});
    let messages =
        json!([{"sender_type": "BOT", "sender_name": "b", "text": "", "function_call": call}]);
    let end = json!({"finish_reason": "stop", "messages": messages});
    let scripted = Scripted::start().await;
    let mut streamed = config(&scripted.origin());
    let whole = upstream::reply(
        "200 OK",
        "application/json",
        event("", end.clone(), json!({"usage": {"total_tokens": 9}}))
            .trim_start_matches("data: ")
            .trim(),
    );
    let upstream = Upstream::saying(whole).await;
    streamed.provider("whole", "minimax-pro", &upstream.origin());
    streamed.model("whole", &[("whole", "abab6.5s-chat")]);
    let output = json!({"find": ["CONTACT"], "remedy": "redact"});
    streamed.set("policies", json!({ "output": output }));
    let gateway = Gateway::start(&streamed).await;
    let early = event("", json!({"messages": messages}), json!({}));
    let late = event("", end, json!({"usage": {"total_tokens": 9}}));
    for events in [vec![early, late.clone()], vec![late]] {
        scripted.stream(events.into_iter().map(String::into_bytes).collect(), 1);
        let reply = gateway.stream("m", "x").send().await;
        assert!(
            seen(&reply.body, planter.made()).is_empty(),
            "{}",
            reply.text()
        );
        let read = grammar::strict(&reply.body, true);
        assert_eq!((read.finish(), read.tools.len()), ("tool_calls", 1));
        let arguments: Value = serde_json::from_str(&read.tools[0].arguments).unwrap();
        assert!(arguments["to"].as_str().is_some_and(|to| to != phone));
    }
    let reply = gateway.chat("whole", "x").send().await;
    assert!(
        seen(&reply.body, planter.made()).is_empty(),
        "{}",
        reply.text()
    );
    let choice = &reply.json()["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{}", reply.text());
    assert_eq!(
        choice["message"]["tool_calls"][0]["function"]["name"],
        "send"
    );
}
