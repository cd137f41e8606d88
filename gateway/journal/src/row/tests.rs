//! Rows from payloads as the journal writes them, and from payloads of strangers.

use super::*;
use crate::line::Fields;
use crate::{
    Asker, Attempt, Closing, Denial, Event, Found, Judgement, Opening, Outcome, Tokens, What,
    payload,
};

fn written(kind: Kind, parts: &[&dyn Fields]) -> Vec<u8> {
    let mut buf = Vec::new();
    let at = payload::Moment {
        wall_ms: 1_700_000_000_123,
        mono_ns: 55,
    };
    payload::encode(&mut buf, kind, at, parts);
    buf.split_off(crate::record::RECORD_HEAD_BYTES)
}

fn line(row: &Row) -> serde_json::Value {
    let mut out = Vec::new();
    row.write_json(&mut out).unwrap();
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_request_is_one_row() {
    let opening = Opening {
        judged: Judgement {
            verdict: "redact",
            policies: &["p1", "p2"],
            findings: &[Found {
                kind: "CN_ID_CARD",
                count: 2,
            }],
            ..Judgement::default()
        },
        who: Asker {
            id: "r-1",
            key: "crm",
            team: "retail",
            asked: "assistant",
            ..Asker::default()
        },
        provider: "tongyi",
        model: "qwen",
        ..Opening::default()
    };
    let closing = Closing {
        outcome: Outcome::Completed,
        status: 200,
        provider: "glm",
        model: "glm-4",
        attempts: &[
            Attempt {
                provider: "tongyi",
                model: "qwen",
                fault: "connect",
            },
            Attempt {
                provider: "glm",
                model: "glm-4",
                fault: "",
            },
        ],
        tokens: Tokens {
            prompt: 7,
            completion: 9,
            ..Tokens::default()
        },
        ..Closing::default()
    };
    let mut row = Row::default();
    assert!(row.read(Kind::Opened, &written(Kind::Opened, &[&opening])));
    assert!(row.read(Kind::Closed, &written(Kind::Closed, &[&closing])));
    let json = line(&row);
    for (column, want) in [
        ("id", serde_json::json!("r-1")),
        ("time", serde_json::json!(1_700_000_000_123_i64)),
        ("ended_mono_ns", serde_json::json!(55)),
        ("first_provider", serde_json::json!("tongyi")),
        ("provider", serde_json::json!("glm")),
        ("policies", serde_json::json!(["p1", "p2"])),
        ("findings", serde_json::json!({ "CN_ID_CARD": 2 })),
        ("completion_tokens", serde_json::json!(9)),
        ("outcome", serde_json::json!("completed")),
        ("status", serde_json::json!(200)),
    ] {
        assert_eq!(json[column], want, "{column}");
    }
    assert_eq!(json["attempts"][0]["fault"], "connect");
    assert_eq!(row.attempts.providers(), ["tongyi", "glm"]);
    let mut terms = Vec::new();
    row.each_term(|filter, text| terms.push(format!("{filter}={text}")));
    for want in [
        "provider=tongyi",
        "provider=glm",
        "model=assistant",
        "type=CN_ID_CARD",
        "status=200",
        "policy=p2",
    ] {
        assert!(terms.iter().any(|term| term == want), "{want} in {terms:?}");
    }
}

/// Every field that the journal can write has a column: `extra` takes none of them, but what names the opening.
#[test]
fn no_field_is_without_its_column() {
    let mut row = Row::default();
    let (digest, kept) = ([7; 32], crate::seal::Kept::longest());
    let found = &[Found {
        kind: "T",
        count: 1,
    }];
    let who = Asker {
        id: "i",
        key: "k",
        user: "u",
        config: "c",
        trace: "t",
        client_request_id: "r",
        team: "t",
        client: "c",
        dialect: "d",
        endpoint: "e",
        asked: "a",
    };
    let judged = Judgement {
        grade: "g",
        verdict: "v",
        policies: &["x"],
        findings: found,
        shadowed: &["y"],
        media: 1,
    };
    let opening = Opening {
        judged,
        who,
        provider: "p",
        model: "m",
        location: "l",
        redactions: 1,
        reserved_tokens: 1,
        reserved_nano: 1,
        fingerprint: Some(&digest),
        request_body: Some(&kept),
        ..Opening::default()
    };
    let closing = Closing {
        reply_fingerprint: Some(&digest),
        reply_body: Some(&kept),
        provider: "p",
        model: "m",
        location: "l",
        cost_nano: Some(1),
        currency: "CNY",
        first_byte_ms: Some(1),
        attempts: &[Attempt::default()],
        finish: "f",
        policies: &["x"],
        gates_open: &["x"],
        reply_findings: found,
        reply_policies: &["x"],
        reply_shadowed: &["x"],
        restored: 1,
        first_content_ms: Some(1),
        code: "c",
        tokens: Tokens {
            cached: 1,
            cache_write: 1,
            reasoning: 1,
            images: 1,
            audio_ms: 1,
            ..Tokens::default()
        },
        ..Closing::default()
    };
    let denial = Denial {
        judged,
        who,
        code: "c",
        fingerprint: Some(&digest),
        request_body: Some(&kept),
        ..Denial::default()
    };
    let event = Event {
        what: What::Start,
        actor: "a",
        origin: "o",
        config: "c",
        before: "b",
        names: &["n"],
        subject: "s",
        entry: Some(1),
        below: Some(1),
        count: Some(1),
        by_ms: Some(1),
        detail: "d",
        reason: "r",
        ticket: "t",
        asked_at: Some(1),
    };
    assert!(row.read(Kind::Opened, &written(Kind::Opened, &[&opening])));
    assert!(row.read(
        Kind::Closed,
        &written(
            Kind::Closed,
            &[
                &payload::Closes {
                    opening: 3,
                    id: "i",
                },
                &closing,
            ]
        )
    ));
    assert!(row.read(Kind::Denied, &written(Kind::Denied, &[&denial])));
    assert!(row.read(Kind::Event, &written(Kind::Event, &[&event])));
    assert_eq!(row.extra, Json::default());
    assert_eq!(row.request_body.reference().unwrap().subject.len(), 64);
    let empty: Vec<&str> = COLUMNS
        .iter()
        .zip(row.values())
        .filter(|(_, value)| *value == Value::Null)
        .map(|(column, _)| column.name)
        .collect();
    // Set by whoever reads the log, or written by no version yet.
    assert_eq!(empty, ["index", "settled", "kind", "epoch", "extra"]);
}

#[test]
fn strangers_payloads_are_met_calmly() {
    let mut row = Row::default();
    assert!(row.read(
        Kind::Event,
        b"{\"what\":\"start\",\"new\":{\"b\":\n[1,\"\xe2\x80\xae\x7f\"]},\"tokens\":{\"prompt\":3}}"
    ));
    let json = line(&row);
    assert_eq!(json["what"], "start");
    assert_eq!(json["extra"]["event.new"]["b"][1], "\u{202e}\u{7f}");
    assert_eq!(json["extra"]["event.tokens.prompt"], 3);
    let mut out = Vec::new();
    row.write_json(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        !text.trim_end().chars().any(crate::inert::is_active),
        "{text:?}"
    );
    for bad in ["", "[]", "{\"id\":7}", "{\"id\":\"a\"", "{\"id\":\"a\"}x"] {
        assert!(!Row::default().read(Kind::Opened, bad.as_bytes()), "{bad}");
    }
    let mut partly = Row::default();
    partly.read(Kind::Opened, b"{\"id\":\"a\",\"key\":7}");
    assert_eq!(partly.id, "a");
}

#[test]
fn columns_have_names_of_their_own() {
    let mut names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), COLUMNS.len());
    assert!(COLUMNS.iter().all(|column| !column.doc.is_empty()));
}
