//! Requests in canonical form: there and back in one dialect, and as each upstream dialect writes them.

mod copies;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};
use wire::{Fault, canon};

use crate::dialect::{ClientDialect, Dialect, DialectId, Dropped, Lossy};
use crate::dialects::{dashscope::DashScope, openai_chat::OpenAiChat, wenxin_v1::WenxinV1};
use crate::places::{Asked, Asks};
use crate::quirks::PLAIN;
use crate::vendor::{Call, Credential, Head, Parts};
use crate::{Quirks, vendor};

fn call(model: &str, multimodal: bool) -> Call<'_> {
    Call {
        model,
        stream: false,
        dialect: DialectId::OpenAiChat,
        asks: Asks::Reply,
        multimodal,
        cap: None,
        request_id: "req-1",
        now_ms: 1_767_225_600_000,
        token: Some("24.tok/en"),
        host: "aip.baidubce.com",
        base_path: "",
    }
}

fn decode(body: &Json) -> Result<canon::Request, Fault> {
    let body = Bytes::from(body.to_string());
    let tape = scan(&body, &Limits::default()).unwrap();
    let facts = OpenAiChat.read_request(&body, tape, &Asked::at(&OpenAiChat.endpoints()[0]))?;
    OpenAiChat.decode_request(&body, &facts)
}

fn encode(
    dialect: &dyn Dialect,
    body: &Json,
    quirks: &Quirks,
    lossy: Lossy,
) -> Result<(Json, Dropped), Fault> {
    let request = decode(body)?;
    let call = call("up", request.multimodal());
    let made = dialect.encode_request(&request, &call, quirks, lossy)?;
    let written = made.body.into_bytes();
    Ok((serde_json::from_slice(&written).unwrap(), made.dropped))
}

#[test]
fn there_and_back_means_the_same() {
    let body = json!({"model":"up","messages":[
        {"role":"developer","content":"d\n\"x\""},
        {"role":"user","name":"u","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:,","detail":"low"}},{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}},{"type":"file","file":{"file_id":"f"}},{"type":"new","x":[1]}]},
        {"role":"assistant","content":null,"reasoning_content":"r","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\n\"}"}}]},
        {"role":"tool","tool_call_id":"c1","content":"长".repeat(300)},
        {"role":"assistant","content":[{"type":"refusal","refusal":"no"},{"type":"text","text":"t"}]},
        {"role":"user","content":""}],
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"c"}}],
        "tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
        "temperature":0.70,"top_p":1,"max_tokens":5,"stop":["a","b"],"n":2,"seed":7,"presence_penalty":0,"frequency_penalty":-1,
        "logit_bias":{"1":2},"logprobs":true,"top_logprobs":3,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}},
        "reasoning_effort":"high","user":"u","metadata":{"k":"v"},"store":true,"x_new":{"y":[1,null]}});
    let (made, dropped) = encode(&OpenAiChat, &body, &PLAIN, Lossy::Refuse).unwrap();
    assert_eq!(made, body);
    assert!(dropped.is_empty());
}

#[test]
fn legacy_functions_become_tools() {
    let body = json!({"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"r"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}});
    let (made, _) = encode(&OpenAiChat, &body, &PLAIN, Lossy::Refuse).unwrap();
    assert_eq!(
        made["tools"],
        json!([{"type":"function","function":{"name":"f"}}])
    );
    assert_eq!(
        made["tool_choice"],
        json!({"type":"function","function":{"name":"f"}})
    );
    assert_eq!(made["messages"][1]["tool_calls"][0]["id"], "f");
    assert_eq!(
        made["messages"][2],
        json!({"role":"tool","name":"f","tool_call_id":"f","content":"r"})
    );
}

#[test]
fn unusable_messages_are_refused_by_name() {
    for (message, field) in [
        (json!({"content":"x"}), "messages[0].role"),
        (json!({"role":"wizard","content":"x"}), "messages[0].role"),
        (json!({"role":"user","content":1}), "messages[0].content"),
        (
            json!({"role":"user","content":["x"]}),
            "messages[0].content",
        ),
        (
            json!({"role":"tool","content":"x"}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"role":"assistant","tool_calls":[{"id":"c"}]}),
            "messages[0].tool_calls",
        ),
    ] {
        let fault = decode(&json!({"model":"m","messages":[message]})).unwrap_err();
        assert_eq!(fault.field(), Some(field));
    }
}

#[test]
fn native_generation() {
    let quirks = vendor("tongyi").unwrap().quirks("qwen-plus");
    let body = json!({"model":"m","messages":[{"role":"system","content":"s1"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"developer","content":"s2"}],
        "stream":true,"temperature":2,"top_p":1,"max_completion_tokens":9,"stop":"x","user":"u","seed":3,"tools":[{"type":"function","function":{"name":"f"}}],"enable_search":true,"store":false,"x":1});
    let (made, dropped) = encode(&DashScope, &body, quirks, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        json!({"model":"up","input":{"messages":[{"role":"system","content":"s1\n\ns2"},{"role":"user","content":"a\nb"}]},
        "parameters":{"result_format":"message","incremental_output":true,"tools":[{"type":"function","function":{"name":"f"}}],"temperature":1.99,"top_p":0.999,"max_tokens":9,"stop":["x"],"seed":3,"enable_search":true,"parallel_tool_calls":true}})
    );
    assert_eq!(dropped.as_slice(), ["user", "unknown_fields"]);
    let picture = json!({"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/1.png"}},{"type":"text","text":"what?"}]}]});
    let (made, _) = encode(&DashScope, &picture, quirks, Lossy::Hints).unwrap();
    assert_eq!(
        made["input"]["messages"][0]["content"],
        json!([{"image":"https://x/1.png"},{"text":"what?"}])
    );
    let forced = json!({"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"});
    assert!(encode(&DashScope, &forced, quirks, Lossy::Hints).is_err());
    let (made, dropped) = encode(&DashScope, &forced, quirks, Lossy::Drop).unwrap();
    assert_eq!(
        (&made["parameters"]["tool_choice"], dropped.as_slice()),
        (&json!("auto"), &["tool_choice"][..])
    );
}

#[test]
fn legacy_chat_repairs_the_order() {
    let quirks = vendor("wenxin-v1").unwrap().quirks("m");
    let body = json!({"model":"m","messages":[{"role":"system","content":"s1"},{"role":"assistant","content":"hello"},{"role":"user","content":"a"},{"role":"user","content":"b"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c1","content":"say \"hi\""},{"role":"assistant","content":" "},{"role":"user","content":""},{"role":"system","content":"s2"}],
        "temperature":0,"max_tokens":1,"presence_penalty":1.5,"frequency_penalty":0,"stop":"x","user":"u","seed":1,
        "tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","response_format":{"type":"json_object"}});
    let (made, dropped) = encode(&WenxinV1, &body, quirks, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        json!({"messages":[{"role":"user","content":"a\nb"},{"role":"assistant","content":"","function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"{\"result\":\"say \\\"hi\\\"\"}"},{"role":"assistant","content":"/"},{"role":"user","content":"/"}],
        "system":"s1\ns2","functions":[{"name":"f","parameters":{"type":"object","properties":{}}}],"temperature":0.01,"max_output_tokens":2,"stop":["x"],"user_id":"u","penalty_score":1.75,"response_format":"json_object"})
    );
    assert_eq!(dropped.as_slice(), ["tool_calls", "messages", "seed"]);
    for refused in [
        json!({"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"pre"}]}),
        json!({"model":"m","messages":[{"role":"system","content":"a"}]}),
        json!({"model":"m","messages":[{"role":"user","content":"a"}],"n":2}),
        json!({"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"}),
    ] {
        assert!(
            encode(&WenxinV1, &refused, quirks, Lossy::Hints).is_err(),
            "{refused}"
        );
    }
}

/// Of several calls each is told with its own result behind it; one that nothing answered gives way to the next.
#[test]
fn legacy_chat_is_told_calls_one_by_one() {
    let quirks = vendor("wenxin-v1").unwrap().quirks("m");
    let call = |id: &str| json!({"id":id,"type":"function","function":{"name":format!("f{id}"),"arguments":"{}"}});
    let result =
        |id: &str| json!({"role":"tool","tool_call_id":id,"content":format!("{{\"r\":{id}}}")});
    let told = |id: &str, text: &str| json!({"role":"assistant","content":text,"function_call":{"name":format!("f{id}"),"arguments":"{}"}});
    let answered = |id: &str| json!({"role":"function","name":format!("f{id}"),"content":format!("{{\"r\":{id}}}")});
    let talk = |results: &[Json]| {
        let mut turns = vec![
            json!({"role":"user","content":"a"}),
            json!({"role":"assistant","content":"b","tool_calls":[call("1"),call("2"),call("3")]}),
        ];
        turns.extend_from_slice(results);
        json!({"model":"m","messages":turns})
    };
    let body = talk(&[result("3"), result("1"), result("2")]);
    let (made, dropped) = encode(&WenxinV1, &body, quirks, Lossy::Refuse).unwrap();
    let user = json!({"role":"user","content":"a"});
    assert_eq!(
        made["messages"],
        json!([
            user,
            told("1", "b"),
            answered("1"),
            told("2", ""),
            answered("2"),
            told("3", ""),
            answered("3")
        ])
    );
    assert!(dropped.is_empty());
    // Whichever it is that nothing answered; texts are told once, before the first.
    for (results, first, second) in [
        (["3", "1"], "1", "3"),
        (["3", "2"], "2", "3"),
        (["1", "2"], "1", "2"),
    ] {
        let body = talk(&results.map(result));
        let (made, dropped) = encode(&WenxinV1, &body, quirks, Lossy::Hints).unwrap();
        assert_eq!(
            made["messages"],
            json!([
                user,
                told(first, "b"),
                answered(first),
                told(second, ""),
                answered(second)
            ])
        );
        assert_eq!(dropped.as_slice(), ["tool_calls"]);
    }
}

/// Some servers give all calls the same id.
#[test]
fn legacy_chat_shares_results_of_one_name_in_order() {
    let quirks = vendor("wenxin-v1").unwrap().quirks("m");
    let call =
        |name: &str| json!({"id":"","type":"function","function":{"name":name,"arguments":"{}"}});
    let result = |text: &str| json!({"role":"tool","tool_call_id":"","content":text});
    let body = json!({"model":"m","messages":[
        {"role":"user","content":"a"},
        {"role":"assistant","content":"b","tool_calls":[call("f"),call("g")]},
        result("{\"r\":1}"), result("{\"r\":2}"), result("{\"r\":3}"),
    ]});
    let (made, dropped) = encode(&WenxinV1, &body, quirks, Lossy::Refuse).unwrap();
    let messages = made["messages"].as_array().unwrap();
    let shown: Vec<String> = messages
        .iter()
        .map(|message| {
            let call = &message["function_call"]["name"];
            let said = if call.is_null() {
                &message["content"]
            } else {
                call
            };
            said.as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(shown, ["a", "f", "{\"r\":1}", "g", "{\"r\":2}\n{\"r\":3}"]);
    assert!(dropped.is_empty());
}

fn prepare(name: &str, credential: &Credential<'_>, call: &Call<'_>) -> Parts {
    let mut parts = Parts::default();
    vendor(name)
        .unwrap()
        .prepare(call, credential, &mut parts)
        .unwrap();
    parts
}

#[test]
fn vendors_sign_as_they_should() {
    let mut credential = Credential {
        api_key: "ALTAKfakeaccesskey0001",
        secret_key: "fakesecretkey0000000000000000001",
        app_id: "app-1",
        session_token: "",
        region: "",
        auth: "",
    };
    let parts = prepare("wenxin", &credential, &call("m", false));
    assert_eq!(
        (
            parts.path.as_str(),
            parts.headers.get("appid").unwrap().to_str().unwrap()
        ),
        ("/chat/completions", "app-1")
    );
    assert_eq!(
        parts.headers.get("authorization").unwrap(),
        "Bearer ALTAKfakeaccesskey0001"
    );
    assert!(!format!("{:?}", parts.headers).contains("ALTAK"));
    let parts = prepare("wenxin-v1", &credential, &call("ERNIE-Bot", false));
    assert_eq!(
        parts.path,
        "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions"
    );
    assert_eq!(parts.query, "access_token=24.tok%2Fen");
    assert!(
        prepare("wenxin-v1", &credential, &call("../x?y", false))
            .path
            .ends_with("/chat/..%2Fx%3Fy")
    );
    credential.auth = "bce-auth-v1";
    let parts = prepare("wenxin-v1", &credential, &call("ERNIE-3.5-8K", false));
    assert_eq!(
        parts.headers.get("authorization").unwrap(),
        "bce-auth-v1/ALTAKfakeaccesskey0001/2026-01-01T00:00:00Z/1800/host;x-bce-date/68993e359f4d5aad23db19d50b783b2d7f6bfbd0bd475a4ba34f2ae28c6119da"
    );
    assert!(parts.query.is_empty() && !vendor("wenxin-v1").unwrap().wants_token(&credential));
    let parts = prepare(
        "tongyi",
        &credential,
        &Call {
            stream: true,
            ..call("m", true)
        },
    );
    assert!(
        parts.path.contains("multimodal")
            && parts.headers.get("x-dashscope-sse").unwrap() == "enable"
    );
    let none = Credential {
        api_key: "",
        secret_key: "",
        app_id: "",
        session_token: "",
        region: "",
        auth: "",
    };
    let parts = prepare("vllm", &none, &call("m", false));
    assert!(parts.headers.is_empty() && parts.path == "/v1/chat/completions");
}

/// What a vendor makes of a request may be kept for the next one, where it says so.
#[test]
fn what_is_constant_is_so() {
    let asked = |(request_id, now_ms, token, cap), (stream, dialect)| Call {
        request_id,
        now_ms,
        token,
        cap,
        stream,
        dialect,
        ..call("m", false)
    };
    let mut constant = 0;
    for vendor in crate::VENDORS {
        let modes = vendor.info().auth_modes.iter().copied();
        for auth in modes.chain([""]) {
            let credential = Credential {
                api_key: "account/user.key",
                secret_key: "secret",
                app_id: "app",
                session_token: "",
                region: "r",
                auth,
            };
            if !vendor.is_constant(&credential) {
                continue;
            }
            constant += 1;
            assert!(!vendor.wants_token(&credential) && !vendor.info().websocket);
            let dialects = vendor.speaks().iter().map(|spoken| spoken.id());
            for kind in dialects.flat_map(|id| [(false, id), (true, id)]) {
                let made = [
                    asked(("a", 1_767_225_600_000, None, None), kind),
                    asked(("b", 1_867_225_600_000, Some("t"), Some(5)), kind),
                ]
                .map(|call| {
                    let mut parts = Parts::default();
                    vendor.prepare(&call, &credential, &mut parts).unwrap();
                    let before = parts.headers.clone();
                    let signed = (parts.path.as_str(), &wire::Rope::new());
                    let mut headers = parts.headers;
                    vendor
                        .sign(&call, &credential, signed, &mut headers)
                        .unwrap();
                    let list =
                        |headers: &wire::Headers| headers.iter().cloned().collect::<Vec<_>>();
                    assert_eq!(list(&headers), list(&before), "{}", vendor.info().name);
                    (parts.path, parts.query, parts.instead_of, list(&headers))
                });
                assert_eq!(made[0], made[1], "{} {auth}", vendor.info().name);
            }
        }
    }
    assert!(constant > 20, "{constant}");
}

#[test]
fn tokens_are_fetched_and_refused() {
    let flow = vendor("wenxin-v1").unwrap().token_flow().unwrap();
    let credential = Credential {
        api_key: "a&b",
        secret_key: "s/",
        app_id: "",
        session_token: "",
        region: "",
        auth: "",
    };
    let request = flow.request(&credential);
    assert_eq!(
        request.path_and_query,
        "/oauth/2.0/token?grant_type=client_credentials&client_id=a%26b&client_secret=s%2F"
    );
    let headers = wire::Headers::new();
    let read = |status, body: &str| {
        let tape = scan(body.as_bytes(), &Limits::default()).unwrap();
        flow.read(
            &Head {
                status,
                headers: &headers,
                now_ms: 0,
            },
            wire::json::Value::root(&tape, body.as_bytes()),
        )
    };
    let token = read(200, r#"{"expires_in":2592000,"access_token":"24.fake"}"#)
        .ok()
        .unwrap();
    assert_eq!(
        (token.value.as_str(), token.lifetime.as_secs()),
        ("24.fake", 2_592_000)
    );
    let refused = read(
        200,
        r#"{"error":"invalid_client","error_description":"unknown client id"}"#,
    )
    .err()
    .unwrap();
    assert_eq!((refused.http_status(), refused.why()), (502, "auth_failed"));
    assert_eq!(read(500, "{}").err().unwrap().why(), "upstream_error");
}
