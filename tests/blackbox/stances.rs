//! The four stances of `deploy/stances`: each file, unchanged, before simulated vendors; and the tests of its policy.
//!
//! What a file names by environment variables is all that is set here.

use std::path::PathBuf;
use std::process::Command;
use tests::planted::{Planter, seen};
use tests::*;

fn stances() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/stances")
}

/// Starts the file of a stance; `urls`: variables and where they lead.
async fn start(name: &str, urls: &[(&str, String)]) -> Gateway {
    let text = std::fs::read_to_string(stances().join(format!("{name}.yaml"))).unwrap();
    let mut launch = Launch::new(text)
        .env("YUMEN_LISTEN", "127.0.0.1:0")
        .env("YUMEN_ADMIN_LISTEN", "127.0.0.1:0")
        .env("DASHSCOPE_API_KEY", "sk-planted-tongyi")
        .env("QIANFAN_API_KEY", "bce-v3/ALTAK-planted/0123456789")
        .env("ZHIPUAI_API_KEY", sim::GLM_TEST_KEY);
    for (variable, url) in urls {
        launch = launch.env(variable, url);
    }
    launch.start().await
}

fn vendors(sim: &Sim) -> Vec<(&'static str, String)> {
    vec![
        ("DASHSCOPE_BASE_URL", sim.base_url("tongyi-compatible")),
        ("QIANFAN_BASE_URL", sim.base_url("wenxin")),
        ("ZHIPUAI_BASE_URL", sim.base_url("glm")),
    ]
}

/// Where nobody answers.
const NOBODY: &str = "http://127.0.0.1:9/v1";

const CODE: &str = "#include <stdio.h>\n#include \"ledger.h\"\n\nstatic int settle(struct ledger *book, const char *account, long amount) {\n    for (int i = 0; i < book->count; i++) {\n        if (strcmp(book->rows[i].account, account) == 0) {\n            book->rows[i].balance += amount;\n            return 0;\n        }\n    }\n    return -1;\n}\n";

/// Asks streamed or not; what the client reads.
async fn says(
    gateway: &Gateway,
    key: &str,
    model: &str,
    text: &str,
    stream: bool,
) -> (Reply, String) {
    let ask = if stream {
        gateway.stream(model, text)
    } else {
        gateway.chat(model, text)
    };
    let reply = ask.key(key).send().await;
    assert_eq!(reply.status, 200, "{model}: {}", reply.text());
    let said = if stream {
        grammar::read(&reply.body).text().to_owned()
    } else {
        reply.said()
    };
    (reply, said)
}

fn provider(reply: &Reply) -> &str {
    reply.header("x-yumen-provider").unwrap_or_default()
}

/// What the surfaces of a simulator have received.
fn received(sim: &Sim, surfaces: &[&str]) -> Vec<u8> {
    let requests = sim.requests();
    let of = requests
        .iter()
        .filter(|request| surfaces.contains(&request.surface));
    of.flat_map(|request| request.body.to_vec()).collect()
}

#[test]
fn the_policy_tests_of_all_stances_hold() {
    let mut tested = 0;
    for file in std::fs::read_dir(stances().join("tests")).unwrap() {
        let path = file.unwrap().path();
        let done = Command::new(gateway::executable())
            .args(["policy", "test"])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert_eq!(
            done.status.code(),
            Some(0),
            "{}:\n{said}{}",
            path.display(),
            String::from_utf8_lossy(&done.stderr)
        );
        tested += 1;
    }
    assert_eq!(tested, 4);
}

#[tokio::test]
async fn vendor_only() {
    let sim = sim().await;
    let gateway = start("vendor-only", &vendors(&sim)).await;
    let mut planter = Planter::new(0x91);
    for stream in [false, true] {
        let (phone, id) = (planter.mobile(), planter.id_card());
        let asked = format!("给客户写信，电话 {phone}，证件 {id}");
        let (reply, said) = says(&gateway, "ym-demo", "assistant", &asked, stream).await;
        assert_eq!(reply.header("x-yumen-verdict"), Some("redact"));
        assert!(said.contains(&phone) && said.contains(&id), "{said}");
    }
    let all: Vec<u8> = sim
        .requests()
        .iter()
        .flat_map(|request| request.body.to_vec())
        .collect();
    assert!(seen(&all, planter.made()).is_empty());
    for (text, code) in [
        (CODE, "policy_refused"),
        ("AKIAIOSFODNN7SAMPLE2 不能用了", "policy_refused"),
        ("给昆仑计划写一页介绍", "no_cleared_provider"),
    ] {
        gateway
            .chat("assistant", text)
            .key("ym-demo")
            .send()
            .await
            .refused(403, code);
    }
    let ask = gateway
        .chat("assistant", "hi")
        .key("ym-demo")
        .header("x-yumen-grade", "confidential");
    ask.send().await.refused(403, "no_cleared_provider");
    gateway.assert_sound();
    // The third vendor stands in for the two.
    let mut urls = vendors(&sim);
    urls[0].1 = NOBODY.into();
    urls[2].1 = NOBODY.into();
    let gateway = start("vendor-only", &urls).await;
    let (reply, _) = says(&gateway, "ym-demo", "assistant", "你好", true).await;
    assert_eq!(provider(&reply), "wenxin");
}

#[tokio::test]
async fn vendor_plus_self_hosted() {
    let sim = sim().await;
    let mut urls = vendors(&sim);
    urls.push(("LOCAL_BASE_URL", sim.base_url("vllm")));
    let gateway = start("vendor-plus-self-hosted", &urls).await;
    let mut planter = Planter::new(0x92);
    for stream in [false, true] {
        let (reply, _) = says(
            &gateway,
            "ym-demo",
            "assistant",
            "周报怎么写得短一些？",
            stream,
        )
        .await;
        assert_eq!(
            (provider(&reply), reply.header("x-yumen-verdict")),
            ("tongyi", Some("allow"))
        );
        let id = planter.id_card();
        let (reply, said) = says(
            &gateway,
            "ym-demo",
            "assistant",
            &format!("核对 {id}"),
            stream,
        )
        .await;
        assert_eq!(
            (provider(&reply), reply.header("x-yumen-verdict")),
            ("tongyi", Some("redact"))
        );
        assert!(said.contains(&id), "{said}");
        for (text, key) in [
            (CODE, "ym-demo"),
            ("给昆仑计划写一页介绍", "ym-demo"),
            ("你好", "ym-demo-restricted"),
        ] {
            let (reply, said) = says(&gateway, key, "assistant", text, stream).await;
            assert_eq!(
                (provider(&reply), reply.header("x-yumen-verdict")),
                ("local", Some("reroute")),
                "{text}"
            );
            assert!(said.contains(text), "whole: {said}");
        }
    }
    let vendors = received(&sim, &["tongyi-compatible", "wenxin"]);
    assert!(seen(&vendors, planter.made()).is_empty());
    let vendors = String::from_utf8_lossy(&vendors).into_owned();
    assert!(
        !vendors.contains("ledger.h") && !vendors.contains("昆仑"),
        "{vendors}"
    );
    gateway
        .chat("private", "AKIAIOSFODNN7SAMPLE2")
        .key("ym-demo")
        .send()
        .await
        .refused(403, "policy_refused");
    // Both vendors down: the own model answers, redacted or not makes no difference to the client.
    urls[0].1 = NOBODY.into();
    urls[1].1 = NOBODY.into();
    let gateway = start("vendor-plus-self-hosted", &urls).await;
    let id = planter.id_card();
    let (reply, said) = says(
        &gateway,
        "ym-demo",
        "assistant",
        &format!("核对 {id}"),
        true,
    )
    .await;
    assert_eq!(provider(&reply), "local");
    assert!(said.contains(&id), "{said}");
    gateway.assert_sound();
}

#[tokio::test]
async fn many_small_models() {
    let sim = sim().await;
    let mut urls = vendors(&sim);
    urls.extend([
        ("CONTRACTS_BASE_URL", sim.base_url("vllm")),
        ("CODE_BASE_URL", sim.base_url("vllm")),
        ("TICKETS_BASE_URL", sim.base_url("llamacpp")),
        ("INVOICES_BASE_URL", sim.base_url("ollama")),
    ]);
    let gateway = start("many-small-models", &urls).await;
    let mut planter = Planter::new(0x93);
    let (id, phone) = (planter.id_card(), planter.mobile());
    for stream in [false, true] {
        let asked = format!("客户 {id} 电话 {phone} 要退款");
        let (reply, said) = says(&gateway, "ym-demo-support", "tickets", &asked, stream).await;
        assert_eq!(
            (provider(&reply), reply.header("x-yumen-verdict")),
            ("tickets-box", Some("redact"))
        );
        assert!(said.contains(&id), "{said}");
        // Its box may have the telephone and not the card.
        assert_eq!(
            seen(&received(&sim, &["llamacpp"]), planter.made()),
            [&phone]
        );
        let (reply, said) = says(&gateway, "ym-demo-legal", "contracts", &asked, stream).await;
        assert_eq!(
            (provider(&reply), reply.header("x-yumen-verdict")),
            ("contracts-box", Some("allow"))
        );
        assert!(said.contains(&id), "{said}");
        assert_eq!(
            provider(
                &says(&gateway, "ym-demo-engineering", "code", CODE, stream)
                    .await
                    .0
            ),
            "code-box"
        );
        assert_eq!(
            provider(
                &says(
                    &gateway,
                    "ym-demo-finance",
                    "invoices",
                    "发票抬头怎么写",
                    stream
                )
                .await
                .0
            ),
            "invoices-box"
        );
        assert_eq!(
            provider(
                &says(
                    &gateway,
                    "ym-demo-legal",
                    "publishing",
                    "译成英文：新产品上市",
                    stream
                )
                .await
                .0
            ),
            "tongyi"
        );
    }
    // Another department's process, code in the wrong place, personal data to be published.
    gateway
        .chat("contracts", "hi")
        .key("ym-demo-support")
        .send()
        .await
        .refused(403, "permission_denied");
    let message = gateway
        .chat("contracts", CODE)
        .key("ym-demo-legal")
        .send()
        .await
        .refused(403, "policy_refused");
    assert!(message.contains("`code`"), "{message}");
    let ask = gateway
        .chat("publishing", &format!("电话 {phone}"))
        .key("ym-demo-legal");
    ask.send().await.refused(403, "policy_refused");
    assert!(seen(&received(&sim, &["tongyi-compatible"]), planter.made()).is_empty());
    gateway.assert_sound();
    // The box for tickets is down: the one that takes over is cleared for all of it.
    for (variable, url) in &mut urls {
        if *variable == "TICKETS_BASE_URL" {
            *url = NOBODY.into();
        }
    }
    let gateway = start("many-small-models", &urls).await;
    let (reply, said) = says(
        &gateway,
        "ym-demo-support",
        "tickets",
        &format!("客户 {id}"),
        true,
    )
    .await;
    assert_eq!(provider(&reply), "contracts-box");
    assert!(said.contains(&id), "{said}");
}

#[tokio::test]
async fn general_plus_vertical() {
    let (vertical, general) = (sim().await, sim().await);
    let mut urls = vendors(&general);
    urls.extend([
        ("VERTICAL_BASE_URL", vertical.base_url("vllm")),
        ("LOCAL_BASE_URL", general.base_url("vllm")),
    ]);
    let gateway = start("general-plus-vertical", &urls).await;
    let mut planter = Planter::new(0x94);
    let id = planter.id_card();
    let asked = format!("患者 {id} 血压 150/95，怎么用药？");
    for stream in [false, true] {
        let (reply, said) = says(&gateway, "ym-demo-clinic", "clinic", &asked, stream).await;
        assert_eq!(
            (provider(&reply), reply.header("x-yumen-verdict")),
            ("vertical", Some("allow"))
        );
        assert!(said.contains(&id), "{said}");
    }
    assert!(general.requests().is_empty());
    gateway
        .chat("general", "hi")
        .key("ym-demo-portal")
        .send()
        .await
        .refused(403, "permission_denied");
    // Down, failing, or too slow: the general model answers, with labels for what it may not see.
    let failing = upstream::Upstream::saying(upstream::reply(
        "503 Service Unavailable",
        "application/json",
        "{}",
    ))
    .await;
    let silent = upstream::Upstream::start(|mut conn| async move {
        conn.gone().await;
        Ok(())
    })
    .await;
    for url in [
        NOBODY.to_owned(),
        format!("{}/v1", failing.origin()),
        format!("{}/v1", silent.origin()),
    ] {
        let mut urls = urls.clone();
        urls.retain(|(name, _)| *name != "VERTICAL_BASE_URL");
        urls.extend([
            ("VERTICAL_BASE_URL", url.clone()),
            ("VERTICAL_PATIENCE", "600ms".into()),
        ]);
        let gateway = start("general-plus-vertical", &urls).await;
        for stream in [false, true] {
            general.clear();
            let (reply, said) = says(&gateway, "ym-demo-clinic", "clinic", &asked, stream).await;
            assert_eq!(
                (provider(&reply), reply.header("x-yumen-verdict")),
                ("tongyi", Some("redact")),
                "{url}"
            );
            assert!(said.contains(&id), "{said}");
            assert!(seen(&received(&general, &["tongyi-compatible"]), planter.made()).is_empty());
            // What no label helps goes to the own general model.
            let asked = format!("病历号 MR20231107，患者 {id}，写出院小结");
            let (reply, said) = says(&gateway, "ym-demo-clinic", "clinic", &asked, stream).await;
            assert_eq!(provider(&reply), "local", "{url}");
            assert!(said.contains("MR20231107"), "{said}");
        }
        gateway.assert_sound();
    }
}
