//! Rules one by one, and what may be lost.

use super::*;
use wire::json::{Limits, Value, scan};

#[expect(clippy::needless_pass_by_value, reason = "a table row is moved in")]
fn check(rule: Rule, name: &str, raw: &str, want: Judged) {
    let tape = scan(raw.as_bytes(), &Limits::default()).unwrap();
    let value = Value::root(&tape, raw.as_bytes()).unwrap();
    assert_eq!(rule.judge(name, value), want, "{name}: {raw}");
}

#[test]
fn rules() {
    let unit = Rule::Clamp {
        min: "0.01",
        max: "1",
    };
    let set = |text: &'static str, loss| Judged::Set(Bytes::from_static(text.as_bytes()), loss);
    let capped = Rule::RenameClamp {
        to: "cap",
        min: "1",
        max: "9",
    };
    check(capped, "max_tokens", "9", Judged::Rename("cap"));
    let over = Judged::RenameSet("cap", Bytes::from_static(b"9"), Loss::Hint);
    check(capped, "max_tokens", "10", over);
    check(unit, "temperature", "0.5", Judged::Keep);
    check(unit, "temperature", "0", set("0.01", Loss::Nothing));
    check(unit, "temperature", "1.6", set("1", Loss::Hint));
    check(unit, "temperature", "\"x\"", Judged::Keep);
    check(unit, "temperature", "null", Judged::Remove(Loss::Nothing));
    check(Rule::Lacks, "n", "1", Judged::Remove(Loss::Nothing));
    check(Rule::Lacks, "n", "2", Judged::Remove(Loss::Meaning));
    check(Rule::Lacks, "seed", "2", Judged::Remove(Loss::Hint));
    check(Rule::List, "stop", "\"a\"", Judged::Wrap);
    check(Rule::List, "stop", "[\"a\"]", Judged::Keep);
    let auto = Rule::OneOf(&["auto"]);
    check(auto, "tool_choice", "\"auto\"", Judged::Keep);
    check(
        auto,
        "tool_choice",
        "\"required\"",
        set("\"auto\"", Loss::Meaning),
    );
    let formats = Rule::Types(&["text", "json_object"]);
    check(
        formats,
        "response_format",
        r#"{"type":"json_object"}"#,
        Judged::Keep,
    );
    check(
        formats,
        "response_format",
        r#"{"type":"json_schema"}"#,
        Judged::Remove(Loss::Meaning),
    );
    let user = Rule::RenameSized {
        to: "user_id",
        min: 6,
        max: 128,
    };
    check(user, "user", "\"u1\"", Judged::Remove(Loss::Hint));
    check(user, "user", "\"user-01\"", Judged::Rename("user_id"));
}

#[test]
fn short_ids() {
    assert_eq!(short_call_id(b"abcdEF123"), None);
    let long = short_call_id(b"call_0123456789").unwrap();
    assert_eq!(long.len(), 9);
    assert_eq!(short_call_id(long.as_bytes()), None);
    assert_eq!(Some(&long), short_call_id(b"call_0123456789").as_ref());
    assert_ne!(Some(long), short_call_id(b"call_0123456788"));
    assert!(short_call_id(b"").is_some() && short_call_id("问".as_bytes()).is_some());
}

#[test]
fn what_may_be_lost() {
    let mut dropped = Dropped::new();
    assert!(lose("seed", Loss::Hint, Lossy::Hints, &mut dropped).is_ok());
    assert!(lose("seed", Loss::Hint, Lossy::Hints, &mut dropped).is_ok());
    assert!(lose("n", Loss::Nothing, Lossy::Refuse, &mut dropped).is_ok());
    assert_eq!(dropped.as_slice(), ["seed"]);
    let fault = lose("n", Loss::Meaning, Lossy::Hints, &mut dropped).unwrap_err();
    assert_eq!((fault.kind(), fault.field()), (Kind::BadRequest, Some("n")));
    assert!(lose("seed", Loss::Hint, Lossy::Refuse, &mut dropped).is_err());
    assert!(lose("n", Loss::Meaning, Lossy::Drop, &mut dropped).is_ok());
}
