//! What was taken out of a request comes back in the reply, wherever and however the model writes its label, and nowhere
//! else: not into another conversation, not for a label that the user typed, not for one that the model made up.

mod forms;
mod many;

use tests::planted::{Planter, seen};
use tests::scripted::{Scripted, delta, halves, pieces};
use tests::*;

/// A gateway that redacts and restores before a scripted upstream.
pub(crate) async fn bench(method: &str) -> (Scripted, Gateway) {
    bench_with(json!({"rules": [
        {"name": "persons", "find": ["PERSON", "CONTACT", "FINANCIAL"], "remedy": "redact", "method": method, "restore": true},
    ], "words": [{"name": "PROJECT", "words": ["昆仑 \"K2\"\n计划\\甲", "Blue Heron"]}],}))
    .await
}

async fn bench_with(mut policies: Value) -> (Scripted, Gateway) {
    let rule = json!({"name": "words", "find": ["PROJECT"], "remedy": "redact", "method": "placeholder", "restore": true});
    if policies.get("words").is_some() {
        policies["rules"].as_array_mut().unwrap().push(rule);
    }
    let upstream = Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set("providers/m/clearance", "internal");
    config.set("policies", policies);
    config.set("stream", json!({"hold_bytes": "1MiB"}));
    let gateway = Gateway::start(&config).await;
    (upstream, gateway)
}

/// The user says `asked`, the model `answered`: what the client reads, whole and in pieces of every size.
pub(crate) async fn talks(
    upstream: &Scripted,
    gateway: &Gateway,
    asked: &str,
    answered: &str,
) -> String {
    upstream.whole(&json!({"role": "assistant", "content": answered}));
    let said = gateway.chat("m", asked).send().await.said();
    for size in [1, 2, 5, 400] {
        let events: Vec<String> = pieces(answered, size)
            .iter()
            .map(|piece| delta(0, &json!({"content": piece})))
            .collect();
        upstream.events(&events, 0);
        let reply = gateway.stream("m", asked).send().await;
        let streamed = grammar::read(&reply.body);
        assert_eq!(streamed.text(), said, "{answered:?} in pieces of {size}");
        assert!(streamed.done, "{}", reply.text());
    }
    said
}

#[tokio::test]
async fn a_model_that_repeats_reorders_splits_and_drops() {
    let (upstream, gateway) = bench("placeholder").await;
    let mut planter = Planter::new(0x61);
    let (a, b, mail) = (planter.mobile(), planter.mobile(), planter.email());
    let asked = format!("甲 {a} 乙 {b} 邮 {mail}");
    let said = talks(
        &upstream,
        &gateway,
        &asked,
        "乙<CN_MOBILE_2>甲<CN_MOBILE_1>乙<CN_MOBILE_2><CN_MOBILE_2>; <EMAIL_1>.",
    )
    .await;
    assert_eq!(said, format!("乙{b}甲{a}乙{b}{b}; {mail}."));
    assert!(seen(upstream.last().to_string().as_bytes(), planter.made()).is_empty());
    // Only some of them, or none.
    assert_eq!(
        talks(&upstream, &gateway, &asked, "only <EMAIL_1>").await,
        format!("only {mail}")
    );
    assert_eq!(
        talks(&upstream, &gateway, &asked, "nothing").await,
        "nothing"
    );
    // Every cut between two events, and in the bytes of the label's event.
    let answer = "打<CN_MOBILE_1>或<EMAIL_1>。";
    let want = format!("打{a}或{mail}。");
    for (first, second) in halves(answer) {
        let events = [first, second].map(|piece| delta(0, &json!({"content": piece})));
        upstream.events(&events, 1);
        let reply = gateway.stream("m", &asked).send().await;
        assert_eq!(
            grammar::read(&reply.body).text(),
            want,
            "cut before {second:?}"
        );
    }
    let bytes = (delta(0, &json!({"content": answer})) + upstream::end_events()).into_bytes();
    for cut in (1..bytes.len()).step_by(3) {
        upstream.stream(vec![bytes[..cut].to_vec(), bytes[cut..].to_vec()], 1);
        let reply = gateway.stream("m", &asked).send().await;
        assert_eq!(grammar::read(&reply.body).text(), want, "cut at byte {cut}");
    }
    gateway.assert_sound();
    for out in [gateway.log(), gateway.admin("/metrics").await.text()] {
        assert!(seen(out.as_bytes(), planter.made()).is_empty());
    }
}

#[tokio::test]
async fn surrogates_come_back_too() {
    let (upstream, gateway) = bench("pseudonym").await;
    let mut planter = Planter::new(0x62);
    let (phone, id) = (planter.mobile(), planter.id_card());
    let asked = format!("电话{phone}，证件{id}。");
    talks(&upstream, &gateway, &asked, "x").await;
    let sent = upstream.last()["messages"][0]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(seen(sent.as_bytes(), planter.made()).is_empty(), "{sent}");
    let digits: Vec<&str> = sent
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect();
    assert_eq!((digits[0].len(), digits[1].len()), (11, 18), "{sent}");
    let answer = format!("号{}，{}!{}", digits[1], digits[0], digits[0]);
    assert_eq!(
        talks(&upstream, &gateway, &asked, &answer).await,
        format!("号{id}，{phone}!{phone}")
    );
    // The same in the next conversation, so that the model knows it again.
    assert!(
        upstream
            .bodies()
            .iter()
            .all(|body| body["messages"][0]["content"].as_str() == Some(&sent))
    );
}

/// Many conversations at once, with the same labels for other people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_never_cross() {
    let sim = sim().await;
    let mut config = Config::with(&sim, ["openai", "tongyi"]);
    config.set("policies", super::policy_places::redacting());
    for vendor in ["openai", "tongyi"] {
        config.set(&format!("providers/{vendor}/clearance"), "internal");
    }
    config.set("runtime/workers", 2);
    let gateway = std::sync::Arc::new(Gateway::start(&config).await);
    let mut planter = Planter::new(0x63);
    let mut running = tokio::task::JoinSet::new();
    for at in 0..120 {
        let (phone, mail) = (planter.mobile(), planter.email());
        let gateway = std::sync::Arc::clone(&gateway);
        running.spawn(async move {
            let vendor = ["openai", "tongyi"][at % 2];
            let asked = format!("{phone} / {mail} / {phone}");
            let ask = if at % 3 == 0 {
                gateway.chat(&format!("m-{vendor}"), &asked)
            } else {
                gateway.stream(&format!("m-{vendor}"), &asked)
            };
            let reply = ask.limit(std::time::Duration::from_secs(40)).send().await;
            let said = if at % 3 == 0 {
                reply.said()
            } else {
                grammar::read(&reply.body).text().to_owned()
            };
            assert!(said.ends_with(&asked), "{asked}: {said}");
            said
        });
    }
    let mut said = Vec::new();
    while let Some(one) = running.join_next().await {
        said.push(one.unwrap());
    }
    for one in &said {
        assert_eq!(seen(one.as_bytes(), planter.made()).len(), 2, "{one}");
    }
    let sent: Vec<u8> = sim
        .requests()
        .iter()
        .flat_map(|request| request.body.to_vec())
        .collect();
    assert!(seen(&sent, planter.made()).is_empty());
    gateway.assert_sound();
}

/// The same person keeps the same label while the conversation grows, and the history goes out as it did before.
#[tokio::test]
async fn labels_are_the_same_in_every_turn() {
    let (upstream, gateway) = bench("placeholder").await;
    let mut planter = Planter::new(0x64);
    let phones: Vec<String> = (0..5).map(|_| planter.mobile()).collect();
    let mut messages: Vec<Value> = Vec::new();
    let mut before: Vec<Value> = Vec::new();
    for turn in 0..5 {
        let spelled = if turn == 0 {
            phones[0].clone()
        } else {
            format!(
                "{}-{}-{}",
                &phones[0][..3],
                &phones[0][3..7],
                &phones[0][7..]
            )
        };
        messages.push(json!({"role": "user", "content": format!("{spelled} 与 {}", phones[turn])}));
        upstream.whole(&json!({"role": "assistant", "content": "给 <CN_MOBILE_1> 了"}));
        let messages_now = messages.clone();
        let reply = gateway
            .chat("m", "")
            .with(|body| body["messages"] = messages_now.into())
            .send()
            .await;
        assert_eq!(reply.said(), format!("给 {} 了", phones[0]));
        messages.push(json!({"role": "assistant", "content": reply.said()}));
        let sent = upstream.last()["messages"].as_array().unwrap().clone();
        assert_eq!(sent[..before.len()], before[..], "turn {turn}");
        let last = sent.last().unwrap()["content"].as_str().unwrap().to_owned();
        let want = format!("<CN_MOBILE_1> 与 <CN_MOBILE_{}>", turn + 1);
        assert_eq!(last, want, "turn {turn}");
        before = sent;
    }
}

/// What a user types is a user's text: it never stands for somebody else's value.
#[tokio::test]
async fn labels_that_a_user_typed_are_not_restored() {
    let (upstream, gateway) = bench("placeholder").await;
    let mut planter = Planter::new(0x65);
    let mut wrong = Vec::new();
    for typed in [
        "<CN_MOBILE_1>",
        "CN_MOBILE_1",
        "&lt;CN_MOBILE_1&gt;",
        "<cn_mobile_1>",
        "<CN MOBILE 1>",
        "<CN-MOBILE-1>",
        "＜CN_MOBILE_1＞",
        "\\<CN\\_MOBILE\\_1\\>",
        "<CN_MOBILE_01>",
    ] {
        let phone = planter.mobile();
        let asked = format!("what does {typed} mean? Mine is {phone}");
        let answered = format!("{typed} is what you typed");
        let said = talks(&upstream, &gateway, &asked, &answered).await;
        if said != answered {
            wrong.push(format!("{typed}: {said}"));
        }
        assert!(seen(upstream.last().to_string().as_bytes(), planter.made()).is_empty());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
