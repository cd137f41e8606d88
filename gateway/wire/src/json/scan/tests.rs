//! What the scanner refuses and what it tells of what it takes; against serde_json.

use super::*;
use proptest::prelude::*;

fn check(body: &str, want: Result<(), Reason>) {
    let got = scan(body.as_bytes(), &Limits::default())
        .map(|_| ())
        .map_err(|reject| reject.reason);
    assert_eq!(got, want, "{body}");
}

#[test]
fn the_table_of_threats_section_4() {
    check(r#"{"model":"a","model":"b"}"#, Err(Reason::DuplicateKey));
    check(
        r#"{"model":"a","\u006dodel":"b"}"#,
        Err(Reason::DuplicateKey),
    );
    check(
        r#"{"x":{"a":1,"b":{"c":1,"c":2}}}"#,
        Err(Reason::DuplicateKey),
    );
    check(r#"{"x":"\ud800"}"#, Err(Reason::Unicode));
    check(r#"{"x":"\ud800\u0041"}"#, Err(Reason::Unicode));
    check(r#"{"x":"\udc00"}"#, Err(Reason::Unicode));
    check(r#"{"x":"\ud83d\ude00"}"#, Ok(()));
    for tail in [" //c", "x", "{}", ",", " null"] {
        check(&format!(r#"{{"model":"a"}}{tail}"#), Err(Reason::Syntax));
    }
    for bad in [
        "{\"a\":NaN}",
        "{\"a\":1,}",
        "[1,]",
        "{\"a\" 1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "\"\u{1}\"",
        "",
        " ",
        "{",
        "[",
        "\"",
        "\"\\",
        "\"\\u12",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "tru",
        "+1",
        "-",
    ] {
        check(bad, Err(Reason::Syntax));
    }
    check(r#"{"a":1e999}"#, Ok(()));
    check(
        &format!("{{\"a\":{}}}", "1".repeat(65)),
        Err(Reason::LongNumber),
    );
    check(&("[".repeat(64) + &"]".repeat(64)), Ok(()));
    check(&("[".repeat(65) + &"]".repeat(65)), Err(Reason::TooDeep));
    check(&"[".repeat(2_000_000), Err(Reason::TooDeep));
    check(&format!("[{}1]", "1,".repeat(65_536)), Err(Reason::TooWide));
    check(&format!("[{}1]", "1,".repeat(65_535)), Ok(()));
    let members: Vec<String> = (0..10_001).map(|n| format!("\"k{n}\":1")).collect();
    check(&format!("{{{}}}", members.join(",")), Err(Reason::TooWide));
    check(&format!("{{{}}}", members[..10_000].join(",")), Ok(()));
    check(
        &format!("{{{},\"k7\":1}}", members[..100].join(",")),
        Err(Reason::DuplicateKey),
    );
    let invalid = scan(b"{\"a\":\"\xff\"}", &Limits::default())
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        invalid,
        Reject {
            reason: Reason::Unicode,
            at: 6
        }
    );
}

#[test]
fn long_texts_are_looked_over_in_pieces() {
    for shift in 0..5 {
        for unit in ["a", "é", "密", "😀"] {
            let text = format!("[\"{}{}\"]", "x".repeat(shift), unit.repeat(40_000));
            assert!(scan(text.as_bytes(), &Limits::default()).is_ok());
            let mut bytes = text.into_bytes();
            for at in [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 30_000] {
                let before = std::mem::replace(&mut bytes[at], 0xFF);
                let reject = scan(&bytes, &Limits::default()).map(|_| ()).unwrap_err();
                assert_eq!(reject.reason, Reason::Unicode);
                bytes[at] = before;
            }
            let at = bytes.len() - 3;
            bytes.insert(at, 0x1F);
            assert!(scan(&bytes, &Limits::default()).is_err(), "{unit} {shift}");
        }
    }
    check(&format!("[\"{}\",\n1]", "x".repeat(100)), Ok(()));
    check(
        &format!("[\"{}\n\",1]", "x".repeat(100)),
        Err(Reason::Syntax),
    );
}

#[test]
fn spans_and_siblings() {
    let body = br#" {"a":[1,"x\n",{}],"b":true} "#;
    let tape = scan(body, &Limits::default()).unwrap();
    let texts: Vec<&str> = tape
        .nodes()
        .iter()
        .map(|node| std::str::from_utf8(&body[node.start as usize..node.end as usize]).unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            r#"{"a":[1,"x\n",{}],"b":true}"#,
            "\"a\"",
            r#"[1,"x\n",{}]"#,
            "1",
            r#""x\n""#,
            "{}",
            "\"b\"",
            "true"
        ]
    );
    assert_eq!(tape.nodes()[2].next, 6);
    assert!(tape.nodes()[4].escapes != Escapes::None && tape.nodes()[1].key);
    assert_eq!(size_of::<Node>(), 16);
}

#[test]
fn tells_escapes_of_signs_from_those_of_letters() {
    let sorts = [
        (r#""plain""#, Escapes::None),
        (r#""a\"\\\b\f\n\r\tb""#, Escapes::Signs),
        (r#""a\nb\/c\n""#, Escapes::Letters),
        (r#""\u0061 and \n""#, Escapes::Letters),
        (r#""\ud83d\ude00""#, Escapes::Letters),
    ];
    for (text, sort) in sorts {
        let tape = scan(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(tape.nodes()[0].escapes, sort, "{text}");
    }
}

fn json() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            Just("{".to_owned()),
            Just("}".to_owned()),
            Just("[".to_owned()),
            Just("]".to_owned()),
            Just(",".to_owned()),
            Just(":".to_owned()),
            Just("\"a\"".to_owned()),
            Just("\"b\"".to_owned()),
            Just("\"\\u0061\"".to_owned()),
            Just("\"\\ud83d\\ude00\"".to_owned()),
            Just("1".to_owned()),
            Just("-0.5e3".to_owned()),
            Just("01".to_owned()),
            Just("true".to_owned()),
            Just("null".to_owned()),
            Just(" ".to_owned()),
            "\\PC{0,3}",
        ],
        0..14,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn agrees_with_serde_json(body in json()) {
        let theirs = serde_json::from_str::<serde_json::Value>(&body);
        // A number that no float holds is still a number to us: what it may be, its field's lens says.
        prop_assume!(!theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range")));
        let theirs = theirs.is_ok();
        match scan(body.as_bytes(), &Limits::default()) {
            Ok(_) => prop_assert!(theirs, "{}", body),
            // serde_json takes the last of two equal keys.
            Err(reject) => prop_assert!(!theirs || reject.reason == Reason::DuplicateKey, "{} {:?}", body, reject),
        }
    }

    #[test]
    fn a_string_is_told_as_in_a_whole_text(body in prop::collection::vec(prop_oneof![
        6 => Just(b"a".to_vec()), 3 => Just(b"\"".to_vec()), 2 => Just(b"\\n".to_vec()), 1 => Just(b"\\u00e9".to_vec()),
        1 => Just(b"\\ud83d\\ude00".to_vec()), 1 => Just(b"\\ud83d".to_vec()), 1 => Just(b"\\".to_vec()),
        1 => Just(b"\n".to_vec()), 2 => Just("密".as_bytes().to_vec()), 1 => Just(b"\xe5".to_vec()), 4 => Just(vec![b'x'; 20]),
    ], 0..12)) {
        let raw = [b"\"", body.concat().as_slice()].concat();
        let longest = (0..=raw.len()).find(|end| scan(&raw[..*end], &Limits::default()).is_ok());
        prop_assert_eq!(string_prefix(&raw), longest);
    }

    #[test]
    fn never_panics(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = scan(&body, &Limits::default());
    }
}
