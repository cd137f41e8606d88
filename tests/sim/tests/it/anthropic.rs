//! The Messages API: what it says, and what it refuses as the vendor does.

use crate::raw::{Answer, get, post, sim};
use serde_json::{Value, json};
use sim::Sim;

const HEAD: &str = "x-api-key: test-key\r\nanthropic-version: 2023-06-01\r\n";

fn ask(more: Value) -> Value {
    let mut body = json!({"model": "claude-x", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

async fn say(sim: &Sim, more: Value) -> Answer {
    post(sim, "/anthropic/v1/messages", HEAD, &ask(more).to_string()).await
}

#[tokio::test]
async fn whole_and_streamed() {
    let sim = sim().await;
    let whole = say(&sim, json!({})).await;
    assert_eq!(whole.status, 200, "{}", whole.body);
    let whole = whole.json();
    assert_eq!(
        (&whole["type"], &whole["stop_reason"]),
        (&json!("message"), &json!("end_turn"))
    );
    assert!(
        whole["content"][0]["text"]
            .as_str()
            .unwrap()
            .ends_with("hi")
    );
    let stream = say(&sim, json!({"stream": true})).await;
    let names: Vec<&str> = stream
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(
        names[names.len() - 3..],
        ["content_block_stop", "message_delta", "message_stop"]
    );
    let page = get(&sim, "/anthropic/v1/models", HEAD).await;
    assert_eq!(page.json()["data"][0]["type"], "model");
}

#[tokio::test]
async fn tokens_are_counted() {
    let sim = sim().await;
    let body = json!({"model": "claude-x", "messages": [{"role": "user", "content": "hello"}]});
    let path = "/anthropic/v1/messages/count_tokens";
    let counted = post(&sim, path, HEAD, &body.to_string()).await;
    assert_eq!(counted.json(), json!({"input_tokens": 3}));
    let more = ask(json!({})).to_string();
    assert_eq!(
        post(&sim, path, HEAD, &more).await.status,
        400,
        "max_tokens is no field of it"
    );
    assert_eq!(
        post(
            &sim,
            path,
            "anthropic-version: 2023-06-01\r\n",
            &body.to_string()
        )
        .await
        .status,
        401
    );
}

#[tokio::test]
async fn refuses_what_the_vendor_refuses() {
    let sim = sim().await;
    let user = |content: Value| json!({"role": "user", "content": content});
    let model = |content: Value| json!({"role": "assistant", "content": content});
    let call = json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "t1", "content": "r"});
    for (more, words) in [
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"n": 2}), "Extra inputs"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"stop_sequences": [" "]}), "stop_sequences"),
        (json!({"messages": []}), "at least one"),
        (json!({"messages": [model(json!("a"))]}), "first message"),
        (json!({"messages": [user(json!(""))]}), "non-empty"),
        (
            json!({"messages": [user(json!([{"type": "text", "text": " "}]))]}),
            "non-whitespace",
        ),
        (
            json!({"messages": [user(json!([result.clone()]))]}),
            "unexpected `tool_use_id`",
        ),
        (
            json!({"messages": [user(json!("a")), model(json!([call.clone()])), user(json!("b"))]}),
            "without `tool_result`",
        ),
        (
            json!({"messages": [user(json!("a")), model(json!([call.clone()])), user(json!([{"type": "text", "text": "x"}, result.clone()]))]}),
            "come first",
        ),
        (
            json!({"messages": [user(json!("a")), model(json!([{"type": "thinking", "thinking": "t", "signature": ""}])), user(json!("b"))]}),
            "signature",
        ),
        (
            json!({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}),
            "pattern",
        ),
        (
            json!({"tools": [{"name": "f", "input_schema": {}}]}),
            "input_schema",
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            "greater than",
        ),
        (
            json!({"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": [user(json!("a")), model(json!([call])), user(json!([result]))]}),
            "thinking",
        ),
    ] {
        let answer = say(&sim, more.clone()).await;
        assert_eq!(answer.status, 400, "{more}: {}", answer.body);
        assert!(answer.body.contains(words), "{more}: {}", answer.body);
    }
    let newer = "x-api-key: k\r\nanthropic-version: 2026-10-21\r\n";
    let body = ask(json!({"temperature": 0.5})).to_string();
    let answer = post(&sim, "/anthropic/v1/messages", newer, &body).await;
    assert_eq!(answer.status, 400);
    let answer = post(&sim, "/anthropic/v1/messages", "x-api-key: k\r\n", &body).await;
    assert!(answer.body.contains("anthropic-version"), "{}", answer.body);
}

#[tokio::test]
async fn a_thought_comes_back_as_it_was() {
    let sim = sim().await;
    let thinks =
        json!({"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1024}});
    let whole = say(&sim, thinks).await.json();
    let thought = whole["content"][0].clone();
    assert_eq!(thought["type"], "thinking");
    let again = |thought: Value| {
        json!({"messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": [thought]}, {"role": "user", "content": "b"}]})
    };
    assert_eq!(say(&sim, again(thought.clone())).await.status, 200);
    let mut bent = thought;
    bent["thinking"] = json!("another");
    assert_eq!(say(&sim, again(bent)).await.status, 400);
}
