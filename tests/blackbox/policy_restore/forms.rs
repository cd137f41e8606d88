//! The forms in which models write labels, in text and inside tool calls.

use super::{bench, talks};
use tests::planted::Planter;
use tests::scripted::{delta, finish, pieces};
use tests::*;

/// Re-cased, spaced, escaped, full-width, in code and tables; made-up ones stay.
#[tokio::test]
async fn labels_come_back_in_every_form() {
    let (upstream, gateway) = bench("placeholder").await;
    let mut planter = Planter::new(0x71);
    let (phone, id) = (planter.mobile(), planter.id_card());
    let asked = format!("{phone} 的证件是 {id}");
    for (written, want) in [
        ("<CN_MOBILE_1>", "§"),
        ("＜CN_MOBILE_1＞", "§"),
        ("<cn_mobile_1>", "§"),
        ("<CN MOBILE 1>", "§"),
        ("\\<CN\\_MOBILE\\_1\\>", "§"),
        ("&lt;CN_MOBILE_1&gt;", "§"),
        ("`<CN_MOBILE_1>`", "`§`"),
        ("**<CN_MOBILE_1>**", "**§**"),
        ("| <CN_MOBILE_1> | <CN_ID_CARD_1> |", "| § | ¶ |"),
        ("tel:<CN_MOBILE_1>?x=<CN_ID_CARD_1>", "tel:§?x=¶"),
        (
            "{\"<CN_MOBILE_1>\": [\"<CN_ID_CARD_1>\"]}",
            "{\"§\": [\"¶\"]}",
        ),
        (
            "```\nprint(\"<CN_MOBILE_1>\")\n```",
            "```\nprint(\"§\")\n```",
        ),
        ("CN_MOBILE_1 and CN_ID_CARD_1", "§ and ¶"),
        ("<CN_MOBILE_1", "§"),
        ("<<CN_MOBILE_1>>", "<§>"),
        // Nobody's.
        ("<CN_MOBILE_2>", "<CN_MOBILE_2>"),
        ("<CN_MOBILE_11>", "<CN_MOBILE_11>"),
        ("<EMAIL_1>", "<EMAIL_1>"),
        ("<CN_MOBILE>", "<CN_MOBILE>"),
        ("<CN_MOBILE_1x>", "<CN_MOBILE_1x>"),
        ("<b>x</b> 1 < 2", "<b>x</b> 1 < 2"),
        ("<", "<"),
        ("", ""),
    ] {
        let want = want.replace('§', &phone).replace('¶', &id);
        assert_eq!(
            talks(&upstream, &gateway, &asked, written).await,
            want,
            "{written}"
        );
    }
    gateway.assert_sound();
}

/// A value with quotes, line feeds, backslashes and Chinese, put back into a string, into JSON in a string, and there deep.
#[tokio::test]
async fn values_that_need_escapes_come_back_whole() {
    let (upstream, gateway) = bench("placeholder").await;
    let mut planter = Planter::new(0x72);
    let nasty = "昆仑 \"K2\"\n计划\\甲";
    let phone = planter.mobile();
    let asked = format!("项目 {nasty} 由 {phone} 负责, Blue Heron too");
    let said = talks(
        &upstream,
        &gateway,
        &asked,
        "\"<PROJECT_1>\"\\<CN_MOBILE_1>",
    )
    .await;
    assert_eq!(said, format!("\"{nasty}\"{phone}"), "{}", upstream.last());
    let sent = upstream.last()["messages"][0]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        sent,
        "项目 <PROJECT_1> 由 <CN_MOBILE_1> 负责, <PROJECT_2> too"
    );
    let arguments = [
        r#"{"project": "<PROJECT_1>", "tel": "<CN_MOBILE_1>", "n": 1}"#,
        r#"{ "a" : ["<PROJECT_1>", {"b": "x <PROJECT_1> y <PROJECT_2>"}] , "<CN_MOBILE_1>": true }"#,
        r#"{"q": "say \"<PROJECT_1>\" and \\ <CN_MOBILE_1>"}"#,
        r#"{"p": "\u003cPROJECT_1\u003e", "t": "\u003CCN_MOBILE_1\u003E"}"#,
    ];
    let wants = [
        json!({"project": nasty, "tel": phone, "n": 1}),
        json!({"a": [nasty, {"b": format!("x {nasty} y Blue Heron")}], phone.clone(): true}),
        json!({"q": format!("say \"{nasty}\" and \\ {phone}")}),
        json!({"p": nasty, "t": phone}),
    ];
    for (arguments, want) in arguments.iter().zip(&wants) {
        let call = |arguments: &str| json!([{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}}]);
        upstream
            .whole(&json!({"role": "assistant", "content": null, "tool_calls": call(arguments)}));
        let reply = gateway.chat("m", &asked).send().await.json();
        let got = reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
            .as_str()
            .unwrap()
            .to_owned();
        let json: Value =
            serde_json::from_str(&got).unwrap_or_else(|error| panic!("{error}: {got}"));
        assert_eq!(json, *want, "{got}");
        for size in [1, 2, 3, 8, 300] {
            let mut events = vec![delta(0, &json!({"tool_calls": call("")}))];
            events.extend(pieces(arguments, size).iter().map(|piece| {
                delta(
                    0,
                    &json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
                )
            }));
            events.push(finish(0, "tool_calls"));
            upstream.events(&events, 0);
            let reply = gateway.stream("m", &asked).send().await;
            let tools = grammar::read(&reply.body).tools;
            assert_eq!(tools[0].arguments, got, "pieces of {size}");
        }
    }
    gateway.assert_sound();
}

/// The output policy looks at what the model made, not at what was put back.
#[tokio::test]
async fn what_was_put_back_is_not_redacted_again_and_what_is_new_is() {
    let upstream = tests::scripted::Scripted::start().await;
    let mut config = Config::new();
    config.plain_at("m", &upstream.origin());
    config.set("providers/m/clearance", "internal");
    config.set(
        "policies",
        json!({"rules": [{"name": "p", "find": ["CN_MOBILE"], "remedy": "redact", "restore": true}],
            "output": {"find": ["CN_MOBILE"], "remedy": "redact"}}),
    );
    let gateway = Gateway::start(&config).await;
    let mut planter = Planter::new(0x73);
    let (mine, new) = (planter.mobile(), planter.mobile());
    let said = talks(
        &upstream,
        &gateway,
        &format!("call {mine}"),
        &format!("<CN_MOBILE_1>, {new}, <CN_MOBILE_1>"),
    )
    .await;
    assert_eq!(
        said,
        format!("{mine}, {}****{}, {mine}", &new[..3], &new[7..])
    );
    let reply = gateway.chat("m", &format!("call {mine}")).send().await;
    let closing = gateway.record(&reply).await;
    assert!(
        closing["restored"].as_u64().is_some_and(|count| count >= 1),
        "{closing}"
    );
}
