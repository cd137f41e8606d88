//! Same dialect on both sides: what the client sees is what the upstream sent, byte for byte, and the other way round.

use crate::compare::{assert_events, assert_same, without_usage};
use tests::config::{self, same_dialect};
use tests::message::Message;
use tests::tee::Tee;
use tests::*;

/// A gateway whose only way to the simulator is a recording wire.
struct Bench {
    sim: Sim,
    tee: Tee,
    config: Config,
}

impl Bench {
    async fn new(vendors: impl IntoIterator<Item = &'static str>) -> Self {
        let sim = sim().await;
        let tee = Tee::start(sim.addr()).await;
        let mut config = Config::with(&sim, vendors);
        for provider in config.0["providers"].as_object_mut().unwrap().values_mut() {
            provider["base_url"] = tee
                .instead_of(provider["base_url"].as_str().unwrap())
                .into();
        }
        Self { sim, tee, config }
    }

    /// The one exchange since the last call: what went up, and what came down.
    async fn exchange(&self) -> (Message, Message) {
        until("a whole reply on the wire", || {
            !self.tee.replies().is_empty()
        })
        .await;
        let (mut up, mut down) = (self.tee.requests(), self.tee.replies());
        assert_eq!((up.len(), down.len()), (1, 1));
        self.tee.clear();
        (up.remove(0), down.remove(0))
    }
}

/// Ugly, but valid: odd spaces, escapes, numbers, unknown fields, keys that are none of ours.
const UGLY: &str = "{ \"x_unknown\" :{\"deep\":[1, 2.50e+0,-0,\"\\u4f60\\u597d\"]},\n\t\"messages\" : [ {\"role\":\"user\" , \"content\":\"\\u4f60 \\/ \\\"q\\\" 你好 \u{1F600} \\ud83d\\ude00\"} ] ,\"model\"  :  \"MODEL\", \"temperature\":0.70 ,\"user\":\"\u{7f}\"  STREAM }  \n";

#[tokio::test]
async fn the_upstream_gets_the_clients_bytes_but_for_the_models_name() {
    let bench = Bench::new(["openai-compatible"]).await;
    let gateway = Gateway::start(&bench.config).await;
    for (stream, fields) in [
        (false, ""),
        (
            true,
            ", \"stream\" : true,\"stream_options\":{ \"include_usage\" :true }",
        ),
    ] {
        let body = UGLY.replace("STREAM", fields);
        let asked = body.replace("MODEL", "m-openai-compatible");
        let reply = gateway.chat("", "").bytes(asked.clone()).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let (up, down) = bench.exchange().await;
        assert_eq!(
            String::from_utf8_lossy(&up.body),
            body.replace("MODEL", "some-model"),
            "stream: {stream}"
        );
        assert_eq!(
            reply.text(),
            String::from_utf8_lossy(&down.body),
            "stream: {stream}"
        );
    }
}

#[tokio::test]
async fn a_name_written_with_escapes_is_still_one_span() {
    let bench = Bench::new(["openai-compatible"]).await;
    let gateway = Gateway::start(&bench.config).await;
    let body =
        r#"{"messages":[{"role":"user","content":"hi"}],"model":"m-open\u0061i-compatible"}"#;
    let reply = gateway.chat("", "").bytes(body).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (up, _) = bench.exchange().await;
    assert_eq!(
        String::from_utf8_lossy(&up.body),
        r#"{"messages":[{"role":"user","content":"hi"}],"model":"some-model"}"#
    );
}

#[tokio::test]
async fn every_vendor_of_the_dialect_gets_and_gives_the_same_bytes() {
    let bench = Bench::new(same_dialect()).await;
    let gateway = Gateway::start(&bench.config).await;
    // One vendor gets its stop strings, unasked.
    for vendor in same_dialect().filter(|name| *name != "xuanyuan") {
        let asked =
            r#"{"messages":[{"role":"user","content":"你好,世界 hello"}] , "model":"MODEL"}"#;
        let reply = gateway
            .chat("", "")
            .bytes(asked.replace("MODEL", &format!("m-{vendor}")))
            .send()
            .await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let (up, down) = bench.exchange().await;
        assert_eq!(
            String::from_utf8_lossy(&up.body),
            asked.replace("MODEL", config::usual(vendor)),
            "{vendor}"
        );
        let down_text = String::from_utf8_lossy(&down.body).trim_start().to_owned();
        assert_eq!(reply.text(), down_text, "{vendor}");
        let reply = gateway
            .stream(&format!("m-{vendor}"), "你好,世界 hello")
            .send()
            .await;
        assert_eq!(reply.status, 200, "{vendor}: {}", reply.text());
        let (_, down) = bench.exchange().await;
        assert_eq!(
            reply.text(),
            String::from_utf8_lossy(&down.body),
            "{vendor}, streamed"
        );
        // One vendor writes no space behind the colon.
        let text = reply.text();
        assert!(text.trim_end().ends_with("[DONE]"), "{vendor}");
        assert_eq!(reply.header("x-yumen-provider"), Some(vendor));
        assert_eq!(
            reply.header("content-type"),
            Some("text/event-stream; charset=utf-8"),
            "{vendor}"
        );
        assert_eq!(
            reply.header("x-simulated-vendor"),
            None,
            "{vendor}: an upstream's header went through"
        );
    }
    assert_eq!(bench.sim.cancelled(), 0);
}

const CUTS: [&str; 14] = [
    "",
    "@split:1",
    "@split:2",
    "@split:3",
    "@split:7",
    "@split:64",
    "@crlf",
    "@crlf@split:1",
    "@ascii",
    "@ping:1",
    "@ping:2@split:5",
    "@piece:1@split:1",
    "@dupfinal",
    "@bigevent:200000@split:999",
];

fn cut_bench(bench: &mut Bench) {
    for (at, cut) in CUTS.iter().enumerate() {
        bench
            .config
            .fault(&format!("cut-{at}"), "openai-compatible", cut);
    }
}

#[tokio::test]
async fn streams_are_byte_identical_however_the_upstream_cuts_them() {
    let mut bench = Bench::new(["openai-compatible"]).await;
    cut_bench(&mut bench);
    let gateway = Gateway::start(&bench.config).await;
    for (at, cut) in CUTS.iter().enumerate() {
        let reply = gateway
            .stream(&format!("cut-{at}"), "你好 🌏 reasoning")
            .send()
            .await;
        assert_eq!(reply.status, 200, "{cut}: {}", reply.text());
        let (_, down) = bench.exchange().await;
        assert!(reply.complete, "{cut}");
        assert_same(&reply.body, &down.body, cut);
    }
}

#[tokio::test]
async fn usage_that_was_not_asked_for_is_asked_for_and_hidden() {
    let mut bench = Bench::new(["openai-compatible"]).await;
    cut_bench(&mut bench);
    bench
        .config
        .fault("each", "openai-compatible", "@usage:each");
    bench
        .config
        .fault("each-cut", "openai-compatible", "@usage:each@split:3");
    bench
        .config
        .fault("none", "openai-compatible", "@usage:none");
    let gateway = Gateway::start(&bench.config).await;
    let cuts = (0..CUTS.len())
        .map(|at| format!("cut-{at}"))
        .chain(["each", "each-cut", "none"].map(String::from));
    for model in cuts {
        let ask = gateway
            .chat(&model, "你好 🌏 hello")
            .with(|body| body["stream"] = true.into());
        let reply = ask.send().await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let (up, down) = bench.exchange().await;
        assert_eq!(
            up.json()["stream_options"],
            json!({"include_usage": true}),
            "{model}"
        );
        let (want, hidden) = without_usage(&down.body);
        assert!(
            hidden > 0 || model == "none",
            "{model}: the upstream sent usage"
        );
        assert_events(&reply.body, &want, &model);
        let said = grammar::read(&reply.body);
        assert!(
            said.usage.is_none() && said.done && said.text().contains("你好 🌏 hello")
                || model == "cut-13",
            "{model}"
        );
        // The journal knows what the client was not told.
        let closing = gateway.record(&reply).await;
        assert_eq!(closing["outcome"], "completed", "{model}");
        assert_eq!(
            closing["tokens"]["estimated"],
            model == "none",
            "{model}: {closing}"
        );
        assert!(
            closing["tokens"]["completion"].as_u64().unwrap() > 0,
            "{model}: {closing}"
        );
    }
}

#[tokio::test]
async fn include_usage_that_was_refused_by_the_client_is_hidden_too() {
    let bench = Bench::new(["openai-compatible"]).await;
    let gateway = Gateway::start(&bench.config).await;
    for options in [
        "{\"include_usage\": false }",
        "null",
        "{}",
        "{\"include_obfuscation\":false}",
    ] {
        let body = format!(
            r#"{{"model":"m-openai-compatible","stream":true,"stream_options":{options},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        let reply = gateway.chat("", "").bytes(body).send().await;
        assert_eq!(reply.status, 200, "{options}: {}", reply.text());
        let (up, _) = bench.exchange().await;
        assert_eq!(
            up.json()["stream_options"]["include_usage"],
            true,
            "{options}"
        );
        assert!(grammar::read(&reply.body).usage.is_none(), "{options}");
    }
}

#[tokio::test]
async fn whole_replies_are_byte_identical() {
    let mut bench = Bench::new(["openai-compatible"]).await;
    let cuts = [
        "",
        "@split:1",
        "@split:7",
        "@ascii",
        "@usage:negative",
        "@usage:none",
        "@bigevent:300000",
    ];
    for (at, cut) in cuts.iter().enumerate() {
        bench
            .config
            .fault(&format!("cut-{at}"), "openai-compatible", cut);
    }
    let gateway = Gateway::start(&bench.config).await;
    for (at, cut) in cuts.iter().enumerate() {
        let reply = gateway.chat(&format!("cut-{at}"), "你好 🌏").send().await;
        assert_eq!(reply.status, 200, "{cut}: {}", reply.text());
        let (_, down) = bench.exchange().await;
        assert_same(&reply.body, &down.body, cut);
        assert_eq!(
            reply.header("content-type"),
            Some("application/json"),
            "{cut}"
        );
        assert_eq!(
            reply.header("content-length"),
            Some(reply.body.len().to_string().as_str()),
            "{cut}"
        );
    }
}

/// The one word of a reply that is the vendor's own: SDKs know five finish reasons.
#[tokio::test]
async fn a_finish_word_that_the_dialect_lacks_becomes_one_that_it_has() {
    let mut bench = Bench::new(["openai-compatible"]).await;
    let words = [
        ("whatever", "stop"),
        ("max_tokens", "length"),
        ("sensitive", "content_filter"),
    ];
    for (word, _) in words {
        bench
            .config
            .fault(word, "openai-compatible", &format!("@oddfinish:{word}"));
    }
    let gateway = Gateway::start(&bench.config).await;
    for (word, want) in words {
        let asks = [
            gateway.chat(word, "你好 🌏"),
            gateway.stream(word, "你好 🌏"),
            gateway
                .stream(word, "你好 🌏")
                .with(|body| drop(body.as_object_mut().unwrap().remove("stream_options"))),
        ];
        for (at, ask) in asks.into_iter().enumerate() {
            let reply = ask.send().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let (_, down) = bench.exchange().await;
            let edited = String::from_utf8(down.body).unwrap().replace(
                &format!("\"finish_reason\":\"{word}\""),
                &format!("\"finish_reason\":\"{want}\""),
            );
            if at < 2 {
                assert_same(&reply.body, edited.as_bytes(), word);
            } else {
                assert_eq!(
                    grammar::read(&reply.body).finish(),
                    want,
                    "{word}, usage hidden"
                );
            }
        }
    }
}

#[tokio::test]
async fn tools_and_choices_pass_untouched() {
    let bench = Bench::new(["openai-compatible"]).await;
    let gateway = Gateway::start(&bench.config).await;
    let ask = gateway.stream("m-openai-compatible", "two weather please").with(|body| {
        body["tools"] = json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
        body["n"] = 2.into();
        body["logprobs"] = true.into();
    });
    let sent = String::from_utf8(ask.body.clone()).unwrap();
    let reply = ask.send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (up, down) = bench.exchange().await;
    assert_eq!(
        String::from_utf8_lossy(&up.body),
        sent.replace("m-openai-compatible", "some-model")
    );
    assert_same(&reply.body, &down.body, "tools");
    assert!(!grammar::read(&reply.body).tools.is_empty());
}

#[tokio::test]
async fn the_same_over_http2() {
    let bench = Bench::new(["openai-compatible"]).await;
    let gateway = Gateway::start(&bench.config).await;
    let reply = gateway
        .stream("m-openai-compatible", "你好 🌏")
        .h2()
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (_, down) = bench.exchange().await;
    assert_same(&reply.body, &down.body, "h2");
}

#[tokio::test]
async fn neither_the_clients_credential_nor_its_headers_go_up() {
    let bench = Bench::new(["openai-compatible"]).await;
    let gateway = Gateway::start(&bench.config).await;
    let ask = gateway
        .chat("m-openai-compatible", "hi")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-user-id", "root")
        .header("openai-organization", "org-client")
        .header("x-stainless-lang", "python")
        .header("cookie", "session=client-cookie")
        .header("x-base-url", "http://evil.test");
    assert_eq!(ask.send().await.status, 200);
    let (up, _) = bench.exchange().await;
    let head = up.head.to_lowercase();
    for word in [
        "ym-",
        "6.6.6.6",
        "x-user-id",
        "org-client",
        "stainless",
        "client-cookie",
        "evil.test",
    ] {
        assert!(!head.contains(word), "{word} in {head}");
    }
    assert_eq!(
        up.header("authorization"),
        Some(format!("Bearer {}", config::upstream_key("openai-compatible")).as_str())
    );
}
