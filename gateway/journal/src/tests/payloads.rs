//! What strangers put into strings must not get out of them.

use super::super::event::Event;
use super::super::inert::is_active;
use super::super::line::Fields;
use super::super::payload::*;
use super::super::record::{self, Kind};

const NASTY: &str = "a\"\\\n\r\0\u{1b}[2J\u{7f}\u{85}\u{9b}\u{202e}\u{2066}\u{2028}\u{feff}密";

fn json(part: &dyn Fields) -> String {
    let mut buf = Vec::new();
    let at = Moment {
        wall_ms: -1,
        mono_ns: u64::MAX,
    };
    encode(&mut buf, Kind::Event, at, &[part]);
    String::from_utf8(buf.split_off(record::RECORD_HEAD_BYTES)).unwrap()
}

#[test]
fn active_characters_are_escaped_and_read_back() {
    let text = json(&Event {
        detail: NASTY,
        ..Event::default()
    });
    assert!(!text.chars().any(is_active), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["detail"], NASTY);
    assert_eq!(value["at"], -1);
    assert_eq!(value["mono"], u64::MAX);
}

#[test]
fn strings_are_cut_at_characters_and_say_so() {
    for text in [NASTY.repeat(9), "密".repeat(300), "x".repeat(9_000_000)] {
        let out = json(&Event {
            actor: &text,
            ..Event::default()
        });
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert!(value["actor"].as_str().unwrap().ends_with('…'));
        assert!(out.len() < 300, "{}", out.len());
    }
}

#[test]
fn the_longest_closing_fits_its_room() {
    for unit in ["\0", "\u{7f}", "\u{2028}", "密", "\"", "x"] {
        let text = unit.repeat(5_000);
        let attempt = Attempt {
            provider: &text,
            model: &text,
            fault: &text,
        };
        let body = crate::seal::Kept::longest();
        let closing = Closing {
            at: None,
            outcome: Outcome::InternalError,
            status: u16::MAX,
            provider: &text,
            model: &text,
            location: &text,
            cost_nano: Some(u64::MAX),
            currency: &text,
            first_byte_ms: Some(u64::MAX),
            attempts: &[attempt; 100],
            tokens: Tokens {
                cache_write: u64::MAX,
                images: u64::MAX,
                audio_ms: u64::MAX,
                prompt: u64::MAX,
                completion: u64::MAX,
                cached: u64::MAX,
                reasoning: u64::MAX,
                estimated: false,
                doubted: true,
            },
            finish: &text,
            bytes_down: u64::MAX,
            events: u64::MAX,
            policies: &[&*text; 100],
            gates_open: &[&*text; 100],
            reply_findings: &[Found {
                kind: &text,
                count: u32::MAX,
            }; 100],
            reply_policies: &[&*text; 100],
            reply_shadowed: &[&*text; 100],
            restored: u64::MAX,
            first_content_ms: Some(u64::MAX),
            total_ms: u64::MAX,
            code: &text,
            reply_fingerprint: Some(&[0xff; 32]),
            reply_body: Some(&body),
        };
        let mut buf = Vec::new();
        let at = Moment {
            wall_ms: i64::MIN,
            mono_ns: u64::MAX,
        };
        let id = "\0".repeat(ID_BYTES_MAX);
        let closes = Closes {
            opening: u64::MAX,
            id: &id,
        };
        encode(&mut buf, Kind::Closed, at, &[&closes, &closing]);
        assert!(
            buf.len() as u64 <= CLOSING_ROOM,
            "{} of {unit:?}",
            buf.len()
        );
        serde_json::from_slice::<serde_json::Value>(&buf[record::RECORD_HEAD_BYTES..]).unwrap();
    }
}

#[test]
fn the_longest_opening_is_a_record() {
    let text = "\0".repeat(100_000);
    let policies = vec![text.as_str(); 1_000];
    let out = json(&Opening {
        judged: Judgement {
            grade: &text,
            verdict: &text,
            policies: &policies,
            ..Judgement::default()
        },
        who: Asker {
            id: &text,
            key: &text,
            team: &text,
            client: &text,
            dialect: &text,
            endpoint: &text,
            asked: &text,
            ..Asker::default()
        },
        provider: &text,
        model: &text,
        ..Opening::default()
    });
    assert!(out.len() < record::PAYLOAD_BYTES_MAX);
    assert!(out.contains("… and 968 more"));
}

#[test]
fn ids_are_cut_between_characters() {
    assert_eq!(short_id("req_0123456789abcdef0123456789abcdef").len(), 36);
    assert_eq!(short_id(&"密".repeat(13)).len(), 36);
    assert_eq!(short_id(&format!("a{}", "密".repeat(13))).len(), 34);
}

#[test]
fn records_are_written_word_for_word() {
    let opened = Opening {
        judged: Judgement {
            policies: &["p\"", "", "q"],
            findings: &[Found {
                kind: "EMAIL",
                count: 2,
            }],
            ..Judgement::default()
        },
        who: Asker {
            id: "r\u{7f}",
            key: "k",
            ..Asker::default()
        },
        stream: true,
        request_bytes: u64::MAX,
        fingerprint: Some(&[0xab; 32]),
        ..Opening::default()
    };
    let digest = "ab".repeat(32);
    assert_eq!(
        json(&opened),
        format!(
            r#"{{"at":-1,"mono":18446744073709551615,"id":"r\u007f","key":"k","stream":true,"policies":["p\"","","q"],"findings":[{{"type":"EMAIL","count":2}}],"request_bytes":18446744073709551615,"targets":0,"fingerprint":"{digest}"}}"#
        )
    );
    let attempts = [Attempt {
        provider: "a",
        model: "m",
        fault: "",
    }; 10];
    let closed = Closing {
        attempts: &attempts[..1],
        first_content_ms: Some(0),
        finish: "stop",
        ..Closing::default()
    };
    assert_eq!(
        json(&closed),
        r#"{"at":-1,"mono":18446744073709551615,"outcome":"abandoned","status":0,"attempts":[{"provider":"a","model":"m"}],"tokens":{"prompt":0,"completion":0,"estimated":false},"finish":"stop","bytes_down":0,"events":0,"first_content_ms":0,"total_ms":0}"#
    );
    let many = json(&Closing {
        attempts: &attempts,
        ..Closing::default()
    });
    assert!(many.contains(r#","model":"m"},{"more":2}],"#), "{many}");
}

#[test]
fn strings_read_back_as_they_were() {
    let names = ["a\"\\\n\u{1b}\u{202e}密", "a", ""];
    let text = json(&Event {
        names: &names,
        reason: NASTY,
        by_ms: Some(i64::MIN),
        ..Event::default()
    });
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["names"], serde_json::json!(names));
    assert_eq!(read["reason"], NASTY);
    assert_eq!(read["by_ms"], i64::MIN);
}
