//! Requests there and back, and into and out of OpenAI's and Anthropic's dialects; replies; errors; what is copied.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use wire::json::{Limits, scan};
use wire::{Kind, Rope};

use super::*;
use crate::dialects::anthropic::Anthropic;
use crate::dialects::openai_chat::OpenAiChat;
use crate::vendor;

const CALL: Call<'static> = Call {
    model: "up",
    stream: false,
    dialect: DialectId::Gemini,
    asks: Asks::Reply,
    multimodal: false,
    cap: None,
    request_id: "req-1",
    now_ms: 0,
    token: None,
    host: "",
    base_path: "",
};

fn facts(client: &dyn ClientDialect, body: &Bytes, at: usize) -> Result<RequestFacts, Fault> {
    let tape = scan(body, &Limits::default()).unwrap();
    let asked = Asked {
        model: "m".into(),
        ..Asked::at(&client.endpoints()[at])
    };
    client.read_request(body, tape, &asked)
}

/// Written for a vendor's model: the body, and what was dropped.
fn through(
    client: &dyn ClientDialect,
    body: &Json,
    (name, model): (&str, &str),
    lossy: Lossy,
) -> Result<(Json, Vec<&'static str>), Fault> {
    let body = Bytes::from(body.to_string());
    let facts = facts(client, &body, 0)?;
    let request = client.decode_request(&body, &facts)?;
    let vendor = vendor(name).unwrap();
    let quirks = vendor.quirks(model);
    let mut made = vendor.speaks()[0].encode_request(&request, &CALL, quirks, lossy)?;
    crate::dialect::lose(&request.lost, lossy, &mut made.dropped)?;
    let written = made.body.into_bytes();
    Ok((
        serde_json::from_slice(&written).unwrap(),
        made.dropped.to_vec(),
    ))
}

const OLD: (&str, &str) = ("gemini", "gemini-2.5-flash");
const NEW: (&str, &str) = ("gemini", "gemini-3-pro");

#[test]
fn there_and_back_means_the_same() {
    let signature = "c2ln".repeat(20);
    let body = json!({"systemInstruction":{"parts":[{"text":"s"}]},"contents":[
        {"role":"user","parts":[{"text":"a\n\"x\""},{"inlineData":{"mimeType":"image/png","data":"AA=="}},{"inlineData":{"mimeType":"application/pdf","data":"AA=="}},{"inlineData":{"mimeType":"audio/wav","data":"AA=="}}]},
        {"role":"model","parts":[{"text":"b"},{"functionCall":{"id":"c1","name":"f","args":{"a":["\"q\"",{"b":1}]}},"thoughtSignature":signature},{"functionCall":{"id":"c2","name":"g","args":{}}}]},
        {"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"result":"r"}}},{"functionResponse":{"id":"c2","name":"g","response":{"error":"e","k":[1]}}},{"text":"c"}]}],
        "tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}},{"name":"g"}]}],
        "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
        "generationConfig":{"temperature":0.5,"topP":0.9,"seed":7,"presencePenalty":1,"frequencyPenalty":-1,"maxOutputTokens":9,"candidateCount":2,"stopSequences":["x"],"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},"thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}}});
    let (mut made, dropped) = through(&Gemini, &body, NEW, Lossy::Refuse).unwrap();
    assert!(dropped.is_empty());
    // Only one of the two functions is allowed, so the other one is not told.
    let tools = &mut made["tools"][0]["functionDeclarations"];
    assert_eq!(tools.as_array().unwrap().len(), 1);
    *tools = body["tools"][0]["functionDeclarations"].clone();
    assert_eq!(made, body);
}

#[test]
fn from_chat_completions() {
    let body = json!({"model":"m","messages":[
        {"role":"assistant","content":"hello"},
        {"role":"system","content":"s1"},{"role":"user","name":"u","content":""},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},{"role":"user","content":"b"},
        {"role":"assistant","content":null,"reasoning_content":"lost","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":""}},{"id":"c2","type":"function","function":{"name":"g","arguments":"oops"}}]},
        {"role":"user","content":"and"},{"role":"tool","tool_call_id":"c1","content":"{\"k\":1}"},{"role":"tool","tool_call_id":"c2","content":"two\nlines"},
        {"role":"developer","content":"s2"}],
        "tools":[{"type":"function","function":{"name":"f","strict":true}},{"type":"function","function":{"name":"g","description":"d","parameters":{"type":"object","additionalProperties":false}}}],
        "tool_choice":"required","parallel_tool_calls":false,"temperature":1.5,"seed":1,"user":"u","max_tokens":5,"n":2,"stop":["x"],"reasoning_effort":"low","logit_bias":{"1":1},"response_format":{"type":"json_object"}});
    let want = |thinking: Json, signature: Option<&str>| {
        let mut call = json!({"functionCall":{"id":"c1","name":"f","args":{}}});
        if let Some(signature) = signature {
            call["thoughtSignature"] = signature.into();
        }
        json!({"systemInstruction":{"parts":[{"text":"s1\n\ns2"}]},"contents":[
            {"role":"user","parts":[{"text":"."}]},{"role":"model","parts":[{"text":"hello"}]},
            {"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA=="}},{"text":"b"}]},
            {"role":"model","parts":[call,{"functionCall":{"id":"c2","name":"g","args":{"_raw":"oops"}}}]},
            {"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"k":1}}},{"functionResponse":{"id":"c2","name":"g","response":{"result":"two\nlines"}}},{"text":"and"}]}],
            "tools":[{"functionDeclarations":[{"name":"f"},{"name":"g","description":"d","parametersJsonSchema":{"type":"object","additionalProperties":false}}]}],
            "toolConfig":{"functionCallingConfig":{"mode":"ANY"}},
            "generationConfig":{"temperature":1.5,"seed":1,"maxOutputTokens":5,"candidateCount":2,"stopSequences":["x"],"responseMimeType":"application/json","thinkingConfig":thinking}})
    };
    let (made, dropped) = through(&OpenAiChat, &body, OLD, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        want(json!({"thinkingBudget":1024,"includeThoughts":true}), None)
    );
    for name in [
        "name",
        "reasoning_content",
        "strict",
        "parallel_tool_calls",
        "user",
        "logit_bias",
    ] {
        assert!(dropped.contains(&name), "{name}: {dropped:?}");
    }
    let (made, _) = through(&OpenAiChat, &body, NEW, Lossy::Hints).unwrap();
    assert_eq!(
        made,
        want(
            json!({"thinkingLevel":"LOW","includeThoughts":true}),
            Some(UNSIGNED)
        )
    );
    let (made, dropped) = through(
        &OpenAiChat,
        &body,
        ("gemini", "gemini-2.0-flash"),
        Lossy::Hints,
    )
    .unwrap();
    assert!(made["generationConfig"].get("thinkingConfig").is_none());
    assert!(dropped.contains(&"reasoning_effort"));
    for refused in [
        json!({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/1.png"}}]}]}),
        json!({"tools":[{"type":"custom","custom":{"name":"c"}}]}),
        json!({"messages":[{"role":"system","content":"only"}]}),
        json!({"stop":["1","2","3","4","5","6"]}),
    ] {
        let mut body = json!({"model":"m","messages":[{"role":"user","content":"a"}]});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert!(
            through(&OpenAiChat, &body, OLD, Lossy::Hints).is_err(),
            "{body}"
        );
    }
}

#[test]
fn a_signature_comes_back_through_chat_completions() {
    let signature = "c2ln".repeat(20);
    let reply = json!({"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":signature}]},"finishReason":"STOP"}]});
    let reply = Bytes::from(reply.to_string());
    let tape = scan(&reply, &Limits::default()).unwrap();
    let mut events = Vec::new();
    let root = Value::root(&tape, &reply).unwrap();
    Gemini.decoder().whole(&reply, root, &mut events).unwrap();
    let said = OpenAiChat.encoder(head(true)).whole(&events).into_bytes();
    let said: Json = serde_json::from_slice(&said).unwrap();
    let mut message = said["choices"][0]["message"].clone();
    assert_eq!(message["tool_calls"][0]["id"], "call_req-1_0_0");
    message["content"] = Json::Null;
    let body = json!({"model":"m","messages":[{"role":"user","content":"q"},message,{"role":"tool","tool_call_id":"call_req-1_0_0","content":"r"}]});
    let (made, _) = through(&OpenAiChat, &body, NEW, Lossy::Refuse).unwrap();
    assert_eq!(
        made["contents"][1]["parts"][0]["thoughtSignature"],
        signature
    );
}

#[test]
fn to_chat_completions_and_messages() {
    let body = json!({"system_instruction":{"parts":[{"text":"s"}]},"contents":[
        {"parts":[{"text":"a"},{"inline_data":{"mime_type":"image/png","data":"AA=="}}]},
        {"role":"model","parts":[{"text":"hm","thought":true},{"text":"b"},{"functionCall":{"name":"f","args":{"k":"v"}}},{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g"}}]},
        {"role":"function","parts":[{"functionResponse":{"name":"g","response":{"output":"og"}}},{"functionResponse":{"name":"f","response":{"result":"r1"}}},{"functionResponse":{"name":"f","response":{"a":1,"b":2}}},{"text":"c"}]}],
        "tools":[{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"k":{"type":"STRING","nullable":true}}}},{"name":"g"}]}],
        "tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},
        "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}],
        "generation_config":{"max_output_tokens":9,"top_k":3,"top_p":0.5,"stop_sequences":["x"],"thinking_config":{"thinking_budget":5000},"response_mime_type":"application/json","response_schema":{"type":"STRING","enum":["p","q"]}}});
    let (made, dropped) = through(&Gemini, &body, ("vllm", "m"), Lossy::Hints).unwrap();
    assert_eq!(
        made["messages"],
        json!([{"role":"system","content":"s"},
            {"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]},
            {"role":"assistant","content":"b","reasoning_content":"hm","tool_calls":[
                {"id":"call_0","type":"function","function":{"name":"f","arguments":"{\"k\":\"v\"}"}},
                {"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}},
                {"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},
            {"role":"tool","name":"g","tool_call_id":"call_2","content":"og"},
            {"role":"tool","name":"f","tool_call_id":"call_0","content":"r1"},
            {"role":"tool","name":"f","tool_call_id":"call_1","content":"{\"a\":1,\"b\":2}"},
            {"role":"user","content":"c"}])
    );
    assert_eq!(
        made["tools"],
        json!([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"k":{"type":["string","null"]}}}}}])
    );
    assert_eq!(
        made["tool_choice"],
        json!({"type":"function","function":{"name":"f"}})
    );
    assert_eq!(
        made["response_format"],
        json!({"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"string","enum":["p","q"]}}})
    );
    assert_eq!(
        (
            &made["max_tokens"],
            &made["top_p"],
            &made["stop"],
            &made["reasoning_effort"]
        ),
        (&json!(9), &json!(0.5), &json!(["x"]), &json!("medium"))
    );
    assert_eq!(dropped, ["topK", "safetySettings"]);
    let (made, _) = through(
        &Gemini,
        &body,
        ("anthropic", "claude-3-7-sonnet"),
        Lossy::Hints,
    )
    .unwrap();
    assert_eq!(
        made["messages"][2]["content"],
        json!([{"type":"tool_result","tool_use_id":"call_2","content":"og"},{"type":"tool_result","tool_use_id":"call_0","content":"r1"},{"type":"tool_result","tool_use_id":"call_1","content":"{\"a\":1,\"b\":2}"},{"type":"text","text":"c"}])
    );
    for refused in [
        json!({"tools":[{"googleSearch":{}}]}),
        json!({"generationConfig":{"responseModalities":["IMAGE"]}}),
        json!({"contents":[{"parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/a"}}]}]}),
    ] {
        let mut body = json!({"contents":[{"parts":[{"text":"a"}]}]});
        for (key, value) in refused.as_object().unwrap() {
            body[key] = value.clone();
        }
        assert!(
            through(&Gemini, &body, ("vllm", "m"), Lossy::Hints).is_err(),
            "{body}"
        );
        assert!(
            through(&Gemini, &body, ("vllm", "m"), Lossy::Drop).is_ok(),
            "{body}"
        );
    }
}

fn head(thoughts: bool) -> ReplyHead {
    ReplyHead {
        request_id: "req-1".to_owned(),
        model: "asked".to_owned(),
        created: 7,
        usage_asked: true,
        shape: wire::facts::Shape::default(),
        thoughts,
        echo: bytes::Bytes::new(),
    }
}

fn forwarded(body: &Json, model: &str, at: usize) -> Json {
    let body = Bytes::from(body.to_string());
    let facts = facts(&Gemini, &body, at).unwrap();
    let call = Call { model, ..CALL };
    let quirks = vendor("gemini").unwrap().quirks(model);
    let made = Gemini
        .forward(&body, &facts, &call, quirks, Lossy::Refuse)
        .unwrap();
    serde_json::from_slice(&made.edits.apply(&body).into_bytes()).unwrap()
}

#[test]
fn what_is_forwarded_differs_in_the_model_and_in_what_lacks_a_signature() {
    let said = json!({"x_new":[1],"contents":[{"role":"model","parts":[{"text":"t"},{"function_call":{"name":"f"}},{"functionCall":{"name":"g"},"thoughtSignature":null}]},{"role":"model","parts":[{"functionCall":{"name":"f"},"thought_signature":"c2ln"}]}]});
    assert_eq!(forwarded(&said, "gemini-2.5-pro", 0), said);
    let mut signed = said.clone();
    signed["contents"][0]["parts"][1]["thoughtSignature"] = UNSIGNED.into();
    assert_eq!(forwarded(&said, "gemini-3-pro", 0), signed);
    let null =
        json!({"contents":[{"parts":[{"thought_signature":null,"functionCall":{"name":"g"}}]}]});
    assert_eq!(
        forwarded(&null, "gemini-3-pro", 0)["contents"][0]["parts"][0],
        json!({"thoughtSignature":UNSIGNED,"functionCall":{"name":"g"}})
    );
    let counted = json!({"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"a"}]}]}});
    let made = forwarded(&counted, "up", 2);
    assert_eq!(made["generateContentRequest"]["model"], "models/up");
}

#[test]
fn thoughts_are_shown_to_whom_asked_for_them() {
    let reply = json!({"choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"hm","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":4}}});
    let reply = Bytes::from(reply.to_string());
    let tape = scan(&reply, &Limits::default()).unwrap();
    let root = Value::root(&tape, &reply).unwrap();
    let mut events = Vec::new();
    OpenAiChat
        .decoder()
        .whole(&reply, root, &mut events)
        .unwrap();
    for shown in [false, true] {
        let whole = Gemini.encoder(head(shown)).whole(&events).into_bytes();
        let whole: Json = serde_json::from_slice(&whole).unwrap();
        let parts = if shown {
            json!([{"text":"hm","thought":true},{"text":"a"}])
        } else {
            json!([{"text":"a"}])
        };
        assert_eq!(
            whole,
            json!({"candidates":[{"content":{"role":"model","parts":parts},"finishReason":"STOP","index":0}],
                "usageMetadata":{"promptTokenCount":5,"cachedContentTokenCount":2,"candidatesTokenCount":5,"thoughtsTokenCount":4,"totalTokenCount":14},
                "modelVersion":"asked","responseId":"req-1"})
        );
        let mut encoder = Gemini.encoder(head(shown));
        let mut out = Rope::new();
        encoder.events(&events, &mut out).unwrap();
        encoder.end(&mut out);
        let text = String::from_utf8(out.into_bytes().to_vec()).unwrap();
        assert_eq!(text.contains("hm"), shown, "{text}");
    }
}

#[test]
fn a_prompt_that_is_blocked_is_an_error_elsewhere_and_itself_here() {
    let reply = json!({"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}});
    let reply = Bytes::from(reply.to_string());
    let tape = scan(&reply, &Limits::default()).unwrap();
    let root = Value::root(&tape, &reply).unwrap();
    let headers = wire::Headers::new();
    let answered = crate::vendor::Head {
        status: 200,
        headers: &headers,
        now_ms: 0,
    };
    let vendor = vendor("gemini").unwrap();
    assert!(vendor.fault(&answered, Some(root)).is_none());
    let read = Gemini.read_reply(root);
    assert_eq!(read.finish, Some(wire::facts::Finish::ContentFilter));
    let mut events = Vec::new();
    Gemini.decoder().whole(&reply, root, &mut events).unwrap();
    let [canon::Event::Error(raw)] = events.as_slice() else {
        panic!("{events:?}")
    };
    let tape = scan(raw.bytes(), &Limits::default()).unwrap();
    let fault = vendor
        .fault(&answered, Value::root(&tape, raw.bytes()))
        .unwrap();
    assert_eq!(
        (fault.http_status(), fault.public_code()),
        (400, Code::ContentFiltered)
    );
}

/// A long prompt is spliced from the client's bytes, in either direction.
#[test]
fn long_texts_are_not_copied() {
    let long = "长文 long \\\" text ".repeat(10_000);
    let chat = format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":"{long}"}},{{"role":"user","content":"{long}"}}]}}"#
    );
    let own = format!(
        r#"{{"systemInstruction":{{"parts":[{{"text":"{long}"}}]}},"contents":[{{"parts":[{{"text":"{long}"}},{{"inlineData":{{"mimeType":"image/png","data":"{}"}}}}]}}]}}"#,
        "AAAA".repeat(10_000)
    );
    let ways: [(&dyn ClientDialect, String, &dyn Dialect); 3] = [
        (&OpenAiChat, chat, &Gemini),
        (&Gemini, own.clone(), &OpenAiChat),
        (&Gemini, own, &Anthropic),
    ];
    for (client, body, spoken) in ways {
        let body = Bytes::from(body);
        let request = client
            .decode_request(&body, &facts(client, &body, 0).unwrap())
            .unwrap();
        let made = spoken
            .encode_request(&request, &CALL, &crate::quirks::PLAIN, Lossy::Hints)
            .unwrap();
        let inside = body.as_ptr_range();
        let copied: usize = made
            .body
            .pieces()
            .filter(|piece| !inside.contains(&piece.as_ptr()))
            .map(|piece| piece.len())
            .sum();
        assert!(
            made.body.len() > 2 * long.len() && copied < 1000,
            "{}: {copied}",
            client.name()
        );
    }
}

#[test]
fn errors_are_the_dialects() {
    for (fault, status, word) in [
        (Fault::new(Kind::BadRequest), 400, "INVALID_ARGUMENT"),
        (Fault::new(Kind::BadRequest).status(404), 404, "NOT_FOUND"),
        (Fault::new(Kind::Unauthenticated), 401, "UNAUTHENTICATED"),
        (Fault::new(Kind::Forbidden), 403, "PERMISSION_DENIED"),
        (Fault::new(Kind::Refused), 403, "PERMISSION_DENIED"),
        (
            Fault::new(Kind::NoClearedProvider),
            403,
            "PERMISSION_DENIED",
        ),
        (Fault::new(Kind::NoSuchModel), 404, "NOT_FOUND"),
        (Fault::new(Kind::TooLarge), 413, "INVALID_ARGUMENT"),
        (Fault::new(Kind::RateLimited), 429, "RESOURCE_EXHAUSTED"),
        (Fault::new(Kind::BudgetSpent), 402, "RESOURCE_EXHAUSTED"),
        (Fault::new(Kind::BudgetHeld), 429, "RESOURCE_EXHAUSTED"),
        (Fault::new(Kind::FirstByteTimeout), 504, "DEADLINE_EXCEEDED"),
        (Fault::new(Kind::UpstreamError), 500, "INTERNAL"),
        (Fault::new(Kind::UpstreamRejected), 400, "INVALID_ARGUMENT"),
        (Fault::new(Kind::Overloaded), 503, "UNAVAILABLE"),
        (Fault::new(Kind::JournalDown), 503, "UNAVAILABLE"),
        (Fault::new(Kind::Bug), 500, "INTERNAL"),
    ] {
        let fault = fault.retry_after(Duration::from_millis(2100));
        let told = Gemini.refusal(&fault, "req-1");
        let body: Json = serde_json::from_slice(&told.body).unwrap();
        let error = &body["error"];
        assert_eq!(
            (told.status, &error["status"], &error["code"]),
            (status, &json!(word), &json!(status)),
            "{fault:?}"
        );
        assert_eq!(error["details"][0]["reason"], fault.public_code().as_str());
        assert_eq!(error["details"][1]["retryDelay"], "3s");
        let event = Gemini.stream_refusal(&fault, "req-1", 0);
        assert!(event.starts_with(b"data: {\"error\":{\"code\":") && event.ends_with(b"}\n\n"));
    }
}
