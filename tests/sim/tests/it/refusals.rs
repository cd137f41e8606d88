//! What each vendor refuses, in its own envelope.

use crate::raw::{chat, chat_path, post, sim};
use serde_json::{Value, json};

fn with(more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn say(role: &str, text: &str) -> Value {
    json!({"role": role, "content": text})
}

#[tokio::test]
async fn malformed_bodies() {
    let sim = sim().await;
    let bodies = [
        "{",
        "[]",
        "",
        "{\"model\":\"m\",\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
    ];
    // Those judge a token, a signature or another header first, or have no chat.
    let others = [
        "wenxin-v1",
        "bluelm-native",
        "bedrock",
        "gemini",
        "cohere-v2",
        "spark-ws",
    ];
    let ends = ["-completions", "-responses", "-api"];
    for surface in sim::Sim::surfaces() {
        if others.contains(&surface) || ends.iter().any(|end| surface.ends_with(end)) {
            continue;
        }
        for body in bodies {
            let answer = post(
                &sim,
                &chat_path(surface),
                "authorization: Bearer sk-a.b\r\nx-apig-appcode: a\r\nanthropic-version: 2023-06-01\r\n",
                body,
            )
            .await;
            let on_200 = ["minimax-v2", "minimax-pro", "spark"].contains(&surface);
            let want: &[u16] = if on_200 { &[200] } else { &[400, 422] };
            assert!(want.contains(&answer.status), "{surface} {body}");
            assert!(answer.json().is_object());
        }
    }
}

#[tokio::test]
async fn openai() {
    let sim = sim().await;
    for (more, param) in [
        (json!({"temperature": 2.5}), "temperature"),
        (json!({"tools": []}), "tools"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (
            json!({"stream_options": {"include_usage": true}}),
            "stream_options",
        ),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"n": 0}), "n"),
        (
            json!({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}),
            "messages",
        ),
    ] {
        let answer = chat(&sim, "openai", &with(more)).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["param"], param);
    }
    let answer = chat(&sim, "openai", &with(json!({"model": "no-such-model"}))).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
}

#[tokio::test]
async fn wenxin() {
    let sim = sim().await;
    for (more, code) in [
        (
            json!({"messages": [say("user", " \n")]}),
            "invalid_messages",
        ),
        (
            json!({"messages": [say("developer", "x"), say("user", "x")]}),
            "invalid_messages",
        ),
        (json!({"seed": 0}), "invalid_argument"),
        (json!({"seed": 2_147_483_647_u32}), "invalid_argument"),
        (json!({"stop": "x"}), "invalid_argument"),
        (
            json!({"model": "ernie-x1-turbo-32k", "temperature": 0.5}),
            "invalid_argument",
        ),
    ] {
        let answer = chat(&sim, "wenxin", &with(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}");
        assert_eq!(answer.json()["error"]["code"], code);
        assert!(answer.json()["id"].is_string());
    }
}

#[tokio::test]
async fn glm() {
    let sim = sim().await;
    for (more, code) in [
        (
            json!({"messages": [say("developer", "x"), say("user", "x")]}),
            "1214",
        ),
        (json!({"messages": [say("system", "x")]}), "1214"),
        (json!({"messages": [say("user", "")]}), "1214"),
        (json!({"temperature": 1.5}), "1210"),
        (json!({"tools": []}), "1214"),
        (json!({"tool_choice": "required"}), "1210"),
        (json!({"stop": "x"}), "1210"),
        (json!({"n": 1}), "1210"),
        (json!({"frequency_penalty": 0}), "1210"),
        (json!({"logprobs": true}), "1210"),
        (json!({"user_id": "short"}), "1214"),
    ] {
        let answer = chat(&sim, "glm", &with(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}");
        assert_eq!(answer.json()["error"]["code"], code, "{more}");
    }
}

#[tokio::test]
async fn deepseek() {
    let sim = sim().await;
    let answer = chat(
        &sim,
        "deepseek",
        &with(json!({"messages": [say("developer", "x")]})),
    )
    .await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("unknown variant `developer`"));
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let thinking =
        json!({"model": "deepseek-v4-flash", "tools": [tool], "tool_choice": "required"});
    assert_eq!(chat(&sim, "deepseek", &with(thinking)).await.status, 400);
}

#[tokio::test]
async fn tongyi_native() {
    let sim = sim().await;
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
    let user = json!([say("user", "x")]);
    let message = |more: Value| {
        let mut parameters = json!({"result_format": "message"});
        for (key, value) in more.as_object().unwrap() {
            parameters[key] = value.clone();
        }
        parameters
    };
    for (messages, parameters) in [
        (json!([]), json!({})),
        (
            json!([say("user", "x"), say("system", "x"), say("user", "x")]),
            json!({}),
        ),
        (json!([say("system", "x")]), json!({})),
        (json!([say("user", "x"), say("assistant", "x")]), json!({})),
        (json!([say("developer", "x"), say("user", "x")]), json!({})),
        (
            json!([{"role": "user", "content": [{"text": "x"}]}]),
            json!({}),
        ),
        (user.clone(), json!({"tools": [tool]})),
        (
            user.clone(),
            message(json!({"tools": [tool], "tool_choice": "required"})),
        ),
        (user.clone(), message(json!({"tools": [tool], "n": 2}))),
        (user.clone(), json!({"temperature": 2})),
        (user.clone(), json!({"top_p": 0})),
        (user.clone(), json!({"enable_thinking": true})),
    ] {
        let body = json!({"model": "qwen-plus", "input": {"messages": messages}, "parameters": parameters});
        let answer = chat(&sim, "tongyi", &body).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("InvalidParameter")),
            "{body}"
        );
    }
    let vision = json!({"model": "qwen-vl-max", "input": {"messages": user}});
    assert!(
        chat(&sim, "tongyi", &vision)
            .await
            .body
            .contains("url error")
    );
    let compatible = with(json!({"tools": [tool], "tool_choice": "required"}));
    let answer = chat(&sim, "tongyi-compatible", &compatible).await;
    assert_eq!(answer.json()["error"]["code"], "invalid_parameter_error");
}

#[tokio::test]
async fn wenxin_v1() {
    let sim = sim().await;
    let office = "/oauth/2.0/token?grant_type=client_credentials&client_id=a&client_secret=b";
    let token = post(&sim, office, "", "").await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let path =
        format!("/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions?access_token={token}");
    let hi = say("user", "hi");
    for body in [
        json!({"messages": []}),
        json!({"messages": [hi, say("assistant", "a")]}),
        json!({"messages": [say("system", "s"), hi]}),
        json!({"messages": [hi, say("user", "b"), hi]}),
        json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}),
        json!({"messages": [say("user", " ")]}),
        json!({"messages": [hi], "temperature": 0}),
        json!({"messages": [hi], "temperature": 1.1}),
        json!({"messages": [hi], "tools": []}),
        json!({"messages": [hi], "tool_choice": "auto"}),
        json!({"messages": [hi], "stop": "x"}),
        json!({"messages": [hi], "response_format": {"type": "json_object"}}),
        json!({"messages": [hi], "functions": [{"name": "f", "description": "d"}]}),
        json!({"messages": [hi], "stream": true, "penalty_score": 0}),
    ] {
        let answer = post(&sim, &path, "", &body.to_string()).await;
        assert_eq!(
            (answer.status, &answer.json()["error_code"]),
            (200, &json!(336_003)),
            "{body}"
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(
        post(&sim, &path, "", "{").await.json()["error_code"],
        336_002
    );
}

#[tokio::test]
async fn minimax_pro() {
    let sim = sim().await;
    let bot = json!([{"bot_name": "b", "content": "c"}]);
    let hi = |sender: &str, name: &str| json!({"sender_type": sender, "sender_name": name, "text": "hi"});
    let good = json!({"model": "abab", "bot_setting": bot, "reply_constraints": {"sender_type": "BOT", "sender_name": "b"}, "messages": [hi("USER", "u")]});
    let answer = chat(&sim, "minimax-pro", &good).await;
    assert_eq!(
        answer.json()["choices"][0]["messages"][0]["sender_name"],
        "MM智能助理"
    );
    assert_eq!(answer.json()["usage"].as_object().unwrap().len(), 1);
    for (field, value) in [
        ("model", json!("")),
        ("bot_setting", json!([])),
        ("bot_setting", json!([{"bot_name": "b", "content": ""}])),
        (
            "reply_constraints",
            json!({"sender_type": "BOT", "sender_name": "x"}),
        ),
        ("messages", json!([])),
        ("messages", json!([hi("USER", "u"), hi("BOT", "b")])),
        ("messages", json!([hi("BOT", "stranger"), hi("USER", "u")])),
        ("messages", json!([hi("USER", "u"), hi("FUNCTION", "b")])),
        ("messages", json!([hi("WIZARD", "u")])),
        ("messages", json!([{"sender_type": "USER", "text": "x"}])),
        ("temperature", json!(0)),
        ("functions", json!([])),
        ("stop", json!(["x"])),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = chat(&sim, "minimax-pro", &body).await;
        let code = &answer.json()["base_resp"]["status_code"];
        assert_eq!((answer.status, code), (200, &json!(2013)), "{body}");
    }
    let path = "/minimax-pro/v1/text/chatcompletion_pro";
    let auth = "authorization: Bearer k\r\n";
    let answer = post(&sim, path, auth, &good.to_string()).await;
    assert_eq!(answer.json()["base_resp"]["status_code"], 1004, "no group");
}

#[tokio::test]
async fn pangu() {
    let sim = sim().await;
    let (path, second) = (chat_path("pangu"), chat_path("pangu-v2"));
    let code = "x-apig-appcode: a\r\n";
    let hi = |more: Value| {
        let mut body = json!({"messages": [say("user", "hi")]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body.to_string()
    };
    assert_eq!(post(&sim, &path, code, &hi(json!({}))).await.status, 200);
    for (more, want) in [
        (json!({"model": "m"}), "PANGU.0010"),
        (json!({"tools": [{"type": "function"}]}), "PANGU.0010"),
        (json!({"frequency_penalty": 1}), "PANGU.0010"),
        (json!({"temperature": 0}), "PANGU.0010"),
        (json!({"messages": [say("developer", "x")]}), "PANGU.0010"),
        (json!({"max_tokens": 0}), "PANGU.3317"),
        (json!({"n": 3}), "PANGU.3320"),
        (json!({"n": 2, "stream": true}), "PANGU.3321"),
    ] {
        let answer = post(&sim, &path, code, &hi(more.clone())).await;
        assert_eq!(answer.status, 400, "{more}");
        assert_eq!(answer.json()["error_code"], want, "{more}");
    }
    let elsewhere = path.replace("0123456789abcdef", "0");
    let answer = post(&sim, &elsewhere, code, &hi(json!({}))).await;
    assert_eq!(
        (answer.status, &answer.json()["error_code"]),
        (404, &json!("PANGU.3254"))
    );
    // Who asks.
    for (headers, want) in [
        ("", "APIG.0301"),
        ("x-auth-token: MIIsim0.aaa\r\n", "APIG.0301"),
        ("x-apig-appcode: invalid\r\n", "APIG.0303"),
        (
            "authorization: SDK-HMAC-SHA256 Access=HW_TEST_AK_0001, SignedHeaders=host;x-sdk-date, Signature=00\r\nx-sdk-date: 20250101T000000Z\r\n",
            "APIG.0301",
        ),
    ] {
        for path in [&path, &second] {
            let answer = post(&sim, path, headers, &hi(json!({"model": "m"}))).await;
            assert_eq!(
                (answer.status, &answer.json()["error_code"]),
                (401, &json!(want)),
                "{headers}"
            );
        }
    }
    // A token, which stands in the head of the office's reply.
    let wish = |name: &str, region: &str| {
        let user = json!({"domain": {"name": "d"}, "name": name, "password": "p"});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let scope = json!({"project": {"name": region}});
        json!({"auth": {"identity": identity, "scope": scope}}).to_string()
    };
    let office = "/v3/auth/tokens";
    let region = sim::PANGU_TEST_REGION;
    let given = post(&sim, office, "", &wish("u", region)).await;
    assert_eq!(given.status, 201);
    assert!(
        given.json()["token"]["expires_at"]
            .as_str()
            .unwrap()
            .ends_with("Z")
    );
    let token = format!(
        "x-auth-token: {}\r\n",
        given.header("x-subject-token").unwrap()
    );
    assert_eq!(post(&sim, &path, &token, &hi(json!({}))).await.status, 200);
    sim.expire_tokens();
    let answer = post(&sim, &path, &token, &hi(json!({}))).await;
    assert_eq!(answer.json()["error_code"], "APIG.0307");
    for (body, want) in [
        (wish("invalid", region), 401),
        (wish("u", "elsewhere"), 401),
        (wish("", region), 400),
        ("{}".to_owned(), 400),
    ] {
        let answer = post(&sim, office, "", &body).await;
        assert_eq!(
            (answer.status, answer.header("x-subject-token")),
            (want, None)
        );
    }
}
