//! Every surface when it is well: whole and streamed replies, tools, reasoning, usage, credentials.

use crate::raw::{Answer, chat, get, post, sim};
use serde_json::{Value, json};

const SHAPED: [&str; 12] = [
    "wenxin",
    "tongyi-compatible",
    "glm",
    "openai",
    "vllm",
    "llamacpp",
    "ollama",
    "deepseek",
    "moonshot",
    "minimax",
    "doubao",
    "sensenova",
];

fn ask(text: &str, more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}])
}

fn joined(answer: &Answer, field: &str) -> String {
    let text = |event: &Value| {
        event["choices"][0]["delta"][field]
            .as_str()
            .map(str::to_owned)
    };
    answer.events().iter().filter_map(text).collect()
}

#[tokio::test]
async fn shaped_surfaces_echo_whole_and_streamed() {
    let sim = sim().await;
    for surface in SHAPED {
        let whole = chat(&sim, surface, &ask("你好 abc", json!({}))).await;
        assert_eq!(whole.status, 200, "{surface}: {}", whole.body);
        assert_eq!(whole.header("x-simulated-vendor"), Some(surface));
        let reply: Value = serde_json::from_str(whole.body.trim_start()).unwrap();
        let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(
            text.starts_with("[模拟 ") && text.ends_with("simulated] 你说:你好 abc"),
            "{text}"
        );
        assert_eq!(reply["choices"][0]["finish_reason"], "stop");
        assert_eq!(reply["usage"]["prompt_tokens"], 3, "{surface}");

        let options = json!({"stream": true, "stream_options": {"include_usage": true}});
        let streamed = chat(&sim, surface, &ask("你好 abc", options)).await;
        assert_eq!(joined(&streamed, "content"), text, "{surface}");
        assert!(
            streamed.done() && streamed.complete,
            "{surface}: {}",
            streamed.body
        );
        let counted = |event: &Value| event["usage"]["completion_tokens"].as_i64();
        let counts: Vec<i64> = streamed.events().iter().filter_map(counted).collect();
        assert_eq!(
            counts,
            [reply["usage"]["completion_tokens"].as_i64().unwrap()],
            "{surface}"
        );
        assert!(
            streamed
                .header("content-type")
                .unwrap()
                .starts_with("text/event-stream")
        );
    }
}

#[tokio::test]
async fn usage_stands_where_each_vendor_puts_it() {
    let sim = sim().await;
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let silent = json!({"stream": true});
    for surface in ["openai", "vllm", "wenxin", "tongyi-compatible"] {
        let events = chat(&sim, surface, &ask("hi", asked.clone()))
            .await
            .events();
        let last = events.last().unwrap();
        assert_eq!(last["choices"], json!([]), "{surface}");
        let null_before = matches!(surface, "openai" | "tongyi-compatible");
        let nulls = events[..events.len() - 1]
            .iter()
            .filter(|e| e.get("usage").is_some());
        assert_eq!(
            nulls.count(),
            if null_before { events.len() - 1 } else { 0 }
        );
        let events = chat(&sim, surface, &ask("hi", silent.clone()))
            .await
            .events();
        assert!(
            events.iter().all(|event| event.get("usage").is_none()),
            "{surface}"
        );
    }
    let events = chat(&sim, "glm", &ask("hi", silent.clone())).await.events();
    assert!(events.last().unwrap()["usage"]["total_tokens"].is_i64());
    assert_eq!(
        events.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    let answer = chat(&sim, "deepseek", &ask("hi", asked.clone())).await;
    assert!(answer.body.starts_with(": keep-alive\n\n"));
    assert_eq!(
        answer.events().last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
    assert!(answer.events().last().unwrap()["usage"]["prompt_cache_miss_tokens"].is_i64());
    let answer = chat(&sim, "llamacpp", &ask("hi", asked)).await;
    assert!(answer.events().last().unwrap()["timings"].is_object());
    let whole = chat(&sim, "deepseek", &ask("hi", json!({}))).await;
    assert!(whole.body.starts_with("\n\n\n{"));
}

#[tokio::test]
async fn tool_calls_stream_as_each_vendor_streams_them() {
    let sim = sim().await;
    for surface in SHAPED {
        let body = ask("weather of two cities", json!({"tools": tools()}));
        let reply = chat(&sim, surface, &body).await.body;
        let reply: Value = serde_json::from_str(reply.trim_start()).unwrap();
        let calls = reply["choices"][0]["message"]["tool_calls"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(
            calls,
            if surface == "tongyi-compatible" { 1 } else { 2 },
            "{surface}"
        );
        assert_eq!(reply["choices"][0]["finish_reason"], "tool_calls");

        let body = ask("weather", json!({"tools": tools(), "stream": true}));
        let events = chat(&sim, surface, &body).await.events();
        let pieces: Vec<&Value> = events
            .iter()
            .map(|event| &event["choices"][0]["delta"]["tool_calls"][0])
            .filter(|call| call.is_object())
            .collect();
        let whole = matches!(surface, "glm" | "ollama");
        assert_eq!(pieces.len() == 1, whole, "{surface}");
        assert_eq!(
            pieces
                .iter()
                .filter(|piece| piece.get("id").is_some())
                .count(),
            1
        );
        let arguments: String = pieces
            .iter()
            .map(|piece| piece["function"]["arguments"].as_str().unwrap())
            .collect();
        assert_eq!(arguments, "{\"city\":\"北京\"}");
    }
    let body = ask(
        "weather",
        json!({"tools": tools(), "stream": true, "tool_stream": true}),
    );
    assert!(chat(&sim, "glm", &body).await.events().len() > 4);
}

#[tokio::test]
async fn tool_results_and_reasoning() {
    let sim = sim().await;
    let call = json!({"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}});
    let body = json!({"model": "m", "tools": tools(), "messages": [
        {"role": "user", "content": "weather"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "晴 25"}]});
    for surface in SHAPED {
        let answer = chat(&sim, surface, &body).await;
        assert!(
            answer.body.contains("工具返回:晴 25"),
            "{surface}: {}",
            answer.body
        );
        let field = match surface {
            "vllm" | "ollama" => "reasoning",
            _ => "reasoning_content",
        };
        let thinking = chat(&sim, surface, &ask("reasoning", json!({"stream": true}))).await;
        assert!(joined(&thinking, field).starts_with("先想想"), "{surface}");
        assert!(
            joined(&thinking, "content").ends_with("你说:reasoning"),
            "{surface}"
        );
    }
}

#[tokio::test]
async fn choices_and_logprobs() {
    let sim = sim().await;
    for surface in ["openai", "vllm"] {
        let more = json!({"n": 3, "logprobs": true, "top_logprobs": 2, "stream": true});
        let events = chat(&sim, surface, &ask("hi", more)).await.events();
        let finished: Vec<u64> = events
            .iter()
            .filter(|event| event["choices"][0]["finish_reason"].is_string())
            .map(|event| event["choices"][0]["index"].as_u64().unwrap())
            .collect();
        assert_eq!(finished, [0, 1, 2]);
        let scored = events
            .iter()
            .find(|e| e["choices"][0]["logprobs"].is_object())
            .unwrap();
        let token = &scored["choices"][0]["logprobs"]["content"][0];
        assert_eq!(token["top_logprobs"].as_array().unwrap().len(), 2);
        assert_eq!(token["token"], scored["choices"][0]["delta"]["content"]);
    }
}

fn native(model: &str, text: &str, parameters: Value) -> Value {
    json!({"model": model, "input": {"messages": [{"role": "user", "content": text}]}, "parameters": parameters})
}

#[tokio::test]
async fn tongyi_native() {
    let sim = sim().await;
    let whole = chat(
        &sim,
        "tongyi",
        &native("qwen-plus", "你好", json!({"result_format": "message"})),
    )
    .await;
    let reply = whole.json();
    let text = reply["output"]["choices"][0]["message"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(text, "[模拟 通义 simulated] 你说:你好");
    assert_eq!(
        chat(&sim, "tongyi", &native("qwen-plus", "你好", json!({})))
            .await
            .json()["output"]["text"],
        text.as_str()
    );

    let path = &*crate::raw::chat_path("tongyi");
    let headers = "authorization: Bearer k\r\nx-dashscope-sse: enable\r\n";
    let stream = |parameters: Value| {
        let body = native("qwen-plus", "你好", parameters).to_string();
        let sim = &sim;
        async move { post(sim, path, headers, &body).await }
    };
    let answer = stream(json!({"result_format": "message", "incremental_output": true})).await;
    assert!(
        answer
            .body
            .starts_with("id:1\nevent:result\n:HTTP_STATUS/200\ndata:{"),
        "{}",
        answer.body
    );
    let pieces = |answer: &Answer| -> Vec<String> {
        let text = |event: &Value| {
            event["output"]["choices"][0]["message"]["content"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        answer.events().iter().map(text).collect()
    };
    assert_eq!(pieces(&answer).concat(), text);
    let events = answer.events();
    assert_eq!(events[0]["output"]["choices"][0]["finish_reason"], "null");
    assert_eq!(
        events.last().unwrap()["output"]["choices"][0]["finish_reason"],
        "stop"
    );
    assert_eq!(events.last().unwrap()["usage"], reply["usage"]);
    assert!(
        events
            .iter()
            .all(|event| event["usage"]["input_tokens"] == 1)
    );
    let answer = stream(json!({"result_format": "message"})).await;
    assert_eq!(pieces(&answer).last().unwrap(), &text);
    assert!(!answer.body.contains("[DONE]"));
}

#[tokio::test]
async fn tongyi_native_tools_thinking_and_vision() {
    let sim = sim().await;
    let path = &*crate::raw::chat_path("tongyi");
    let headers = "authorization: Bearer k\r\nx-dashscope-sse: enable\r\n";
    let parameters = json!({"result_format": "message", "incremental_output": true, "tools": tools(),
        "parallel_tool_calls": true, "enable_thinking": true});
    let body = native("qwen-plus", "weather two", parameters).to_string();
    let events = post(&sim, path, headers, &body).await.events();
    let message = |event: &Value| event["output"]["choices"][0]["message"].clone();
    assert!(message(&events[0])["reasoning_content"].is_string());
    let ids: Vec<String> = events
        .iter()
        .filter_map(|event| {
            message(event)["tool_calls"][0]["id"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(ids.iter().filter(|id| !id.is_empty()).count(), 2);
    assert!(ids.iter().any(String::is_empty));

    let seen = json!({"model": "qwen-vl-max", "input": {"messages": [
        {"role": "user", "content": [{"image": "http://x/1.png"}, {"text": "看"}]}]}});
    let path = path.replace("text-generation", "multimodal-generation");
    let reply = post(
        &sim,
        &path,
        "authorization: Bearer k\r\n",
        &seen.to_string(),
    )
    .await
    .json();
    assert_eq!(
        reply["output"]["choices"][0]["message"]["content"][0]["text"],
        "[模拟 通义 simulated] 你说:[image]看"
    );
}

const V1: &str = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions_pro";

async fn token(sim: &sim::Sim) -> String {
    let path = "/oauth/2.0/token?grant_type=client_credentials&client_id=ak&client_secret=sk";
    let reply = post(sim, path, "", "").await.json();
    assert_eq!(reply["expires_in"], 2_592_000);
    reply["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn wenxin_v1_tokens_and_replies() {
    let sim = sim().await;
    let hello = json!({"messages": [{"role": "user", "content": "你好"}]}).to_string();
    let no_token = post(&sim, V1, "", &hello).await;
    assert_eq!(
        (no_token.status, no_token.json()["error_code"].as_i64()),
        (200, Some(110))
    );
    let path = format!("{V1}?access_token={}", token(&sim).await);
    let reply = post(&sim, &path, "", &hello).await.json();
    assert_eq!(reply["result"], "[模拟 文心 simulated] 你说:你好");
    assert_eq!(reply["finish_reason"], "normal");
    sim.expire_tokens();
    assert_eq!(
        post(&sim, &path, "", &hello).await.json()["error_code"],
        111
    );
    let path = format!("{V1}?access_token={}", token(&sim).await);
    assert_eq!(sim.token_fetches(), 2);

    let streamed =
        json!({"messages": [{"role": "user", "content": "你好"}], "stream": true}).to_string();
    let answer = post(&sim, &path, "", &streamed).await;
    let events = answer.events();
    let text: String = events
        .iter()
        .map(|event| event["result"].as_str().unwrap())
        .collect();
    assert_eq!(text, reply["result"].as_str().unwrap());
    assert_eq!(
        events
            .iter()
            .filter(|event| event["is_end"] == true)
            .count(),
        1
    );
    assert_eq!(events.last().unwrap()["usage"], reply["usage"]);
    assert_eq!(events[1]["sentence_id"], 1);
    assert!(!answer.body.contains("[DONE]"));

    let functions = json!({"messages": [{"role": "user", "content": "天气 two"}],
        "functions": [{"name": "get_weather", "description": "d", "parameters": {"type": "object"}}]});
    let reply = post(&sim, &path, "", &functions.to_string()).await.json();
    assert_eq!(reply["function_call"]["name"], "get_weather");
    assert_eq!(reply["finish_reason"], "function_call");
    let refused = post(
        &sim,
        "/oauth/2.0/token?grant_type=client_credentials&client_id=invalid&client_secret=s",
        "",
        "",
    )
    .await;
    assert_eq!(refused.json()["error_description"], "unknown client id");
}

#[tokio::test]
async fn wrong_credentials_get_the_vendors_words() {
    let sim = sim().await;
    let body = ask("hi", json!({})).to_string();
    for surface in [
        "wenxin",
        "tongyi",
        "tongyi-compatible",
        "glm",
        "openai",
        "deepseek",
    ] {
        for headers in ["", "authorization: Bearer invalid.key\r\n"] {
            let answer = post(&sim, &crate::raw::chat_path(surface), headers, &body).await;
            assert_eq!(answer.status, 401, "{surface} {headers}");
        }
    }
    let wrong = "authorization: Bearer invalid\r\n";
    let answer = post(&sim, &crate::raw::chat_path("vllm"), wrong, &body).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (401, "{\"error\":\"Unauthorized\"}")
    );
    assert_eq!(
        post(&sim, &crate::raw::chat_path("vllm"), "", &body)
            .await
            .status,
        200
    );
    let glm = post(&sim, &crate::raw::chat_path("glm"), wrong, &body)
        .await
        .json();
    assert_eq!(glm["error"]["code"], "1002");
}

#[tokio::test]
async fn model_lists_and_pages() {
    let sim = sim().await;
    let list = get(&sim, "/openai/v1/models", "authorization: Bearer k\r\n")
        .await
        .json();
    assert_eq!(list["data"][0]["object"], "model");
    assert_eq!(get(&sim, "/nowhere", "").await.status, 404);
    let page = get(&sim, "/__sim/requests", "").await;
    assert!(page.json().as_array().unwrap().len() >= 2);
    assert!(page.body.contains("<present>") && !page.body.contains("Bearer"));
}

#[tokio::test]
async fn base_urls_are_what_a_provider_configures() {
    let sim = sim().await;
    let origin = format!("http://{}", sim.addr());
    assert_eq!(sim.base_url("wenxin"), format!("{origin}/v2"));
    assert_eq!(sim.base_url("wenxin-v1"), origin);
    assert_eq!(sim.base_url("glm"), format!("{origin}/api/paas/v4"));
    let mut names: Vec<&str> = sim::Sim::surfaces().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), sim::Sim::surfaces().count());
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let sim = sim().await;
    let socket = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let send = |model: &str| {
        let body = json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
        let request = http::Request::post("http://v.test/openai/v1/chat/completions")
            .header("authorization", "Bearer k")
            .body(Full::new(bytes::Bytes::from(body.to_string())))
            .unwrap();
        sender.clone().send_request(request)
    };
    let reply = send("m").await.unwrap();
    assert_eq!(reply.version(), http::Version::HTTP_2);
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(sim.requests()[0].version, http::Version::HTTP_2);

    assert!(send("m@reset").await.is_err());
    let cut = send("m@cutevent:2").await.unwrap();
    assert!(cut.into_body().collect().await.is_err());
    let mut stalled = send("m@stall:1").await.unwrap();
    assert!(stalled.frame().await.unwrap().is_ok());
    assert_eq!(sim.live_streams(), 1);
    drop(stalled);
    for _ in 0..500 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if sim.cancelled() == 1 {
            break;
        }
    }
    assert_eq!((sim.cancelled(), sim.live_streams()), (1, 0));
    assert_eq!((sim.connections(), sim.accepted()), (1, 1));
}
