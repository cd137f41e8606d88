//! What conditions mean, what is refused and where, and that no text makes compiling hang or panic.

mod agree;

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::scan::entity::Entity;

fn grades() -> Vec<String> {
    crate::scan::entity::GRADES.map(String::from).into()
}

fn compile(source: &str) -> Result<When, WhenError> {
    let grades = grades();
    When::compile(
        source,
        &Names {
            grades: &grades,
            sorts: &|name| match name {
                "PROJECT_NAME" | "COMPANY" => vec!["PROJECT_NAME".to_owned()],
                _ => {
                    let named = Entity::selected(name);
                    named
                        .iter()
                        .map(|entity| entity.name().to_owned())
                        .collect()
                }
            },
        },
    )
}

/// Wednesday, 2026-11-25, 22:15 in Shanghai; two mobiles, an id card; a body of 1,000 bytes from an intern.
fn judge(source: &str, provider: Option<Provider<'_>>) -> Result<bool, WhenFailure> {
    let grades = grades();
    let facts = Facts {
        request: Request {
            dialect: "openai-chat",
            endpoint: "/v1/chat/completions",
            stream: true,
            bytes: 1000,
            messages: 3,
            client_ip: "10.0.0.9",
            ..Request::default()
        },
        key: Key {
            id: "k-7",
            user: "li",
            team: "interns",
            grade: 1,
        },
        model: "assistant",
        provider,
        time: Time::at(1_795_616_100, 8 * 3600),
        hits: &[("CN_MOBILE", 2), ("CN_ID_CARD", 1), ("PROJECT_NAME", 4)],
        grade: 2,
        grades: &grades,
    };
    compile(source)
        .unwrap_or_else(|error| panic!("{source}: {error}"))
        .holds(&facts)
}

const FAR: Provider<'_> = Provider {
    name: "far",
    vendor: "acme",
    location: "overseas",
    clearance: 1,
    model: "max",
};

#[test]
fn conditions_hold() {
    for source in [
        r#"key.team == "interns" && model != "small""#,
        "request.stream && !request.tools && !request.images == true",
        "request.bytes > 999 && request.bytes <= 1000 && request.messages == 3",
        "request.bytes / 10 * 2 + 1 - 1 == 200 && request.bytes % 7 == 6 && -request.messages < 0",
        r#"request.dialect == "openai-chat" && request.endpoint.startsWith("/v1/")"#,
        r#"request.client_ip.matches("^10\\.") && model.contains("ssist") && model.endsWith("t")"#,
        r#"matches(model, "^a.*t$") && size(model) == 9 && "玉门".size() == 2"#,
        r#"time.date == "2026-11-25" && time.hour == 22 && time.minute == 15 && time.weekday == 3"#,
        "time.weekday in [6, 7] || time.hour >= 20 || time.hour < 8",
        r#"hits.CN_MOBILE == 2 && hits["CN_ID_CARD"] == 1 && hits.VIN == 0 && hits.total == 7"#,
        r#"hits.COMPANY == 4 && hits.PROJECT_NAME > 3 && hits.CONTACT == 2 && hits["PERSON"] == 1 && size(hits) == 3"#,
        r#""CN_MOBILE" in hits && !("VIN" in hits) && has(hits.CN_MOBILE) && !has(hits.VIN)"#,
        r#"grade >= "confidential" && grade < "restricted" && key.grade == "internal""#,
        r#"grade_at_least("internal") && !grade_at_least("restricted") && grade > key.grade"#,
        r#"grade in ["confidential", "restricted"] && "public" < grade"#,
        r#"model in ["small", "assistant"] && !(key.team in ["hr"]) && has(key.team)"#,
        r#"hits.exists(t, t.startsWith("CN_") && hits[t] > 1)"#,
        r#"hits.all(t, hits[t] < 5) && hits.exists_one(t, t == "CN_ID_CARD")"#,
        r#"size(hits.filter(t, t.startsWith("CN_"))) == 2"#,
        r#"hits.map(t, hits[t]).exists(n, n == 4) && "CN_MOBILE" in hits.map(t, hits[t] > 1, t)"#,
        r#"["as", "b"].exists(part, model.startsWith(part)) && [1, 2].all(n, n > 0)"#,
        r#"(key.team == "interns" ? "a" : "b") == "a" && (request.stream ? 1 : 2) < 2"#,
        "false || 1 / (request.bytes - 1000) == 1 || true",
        "!(false && 1 / (request.bytes - 1000) == 1)",
        "1 == 1 // a comment\n&& true",
    ] {
        assert_eq!(judge(source, None), Ok(true), "{source}");
    }
}

#[test]
fn targets_are_read_only_where_mentioned() {
    let source = r#"provider.location == "overseas" && grade > provider.clearance && provider.model in ["max"]"#;
    assert!(compile(source).unwrap().reads_target());
    assert_eq!(judge(source, Some(FAR)), Ok(true));
    assert_eq!(judge(source, None), Err(WhenFailure::NoTarget));
    assert_eq!(
        judge(
            r#"provider.name != "far" || provider.vendor == "x""#,
            Some(FAR)
        ),
        Ok(false)
    );
    assert!(!compile(r#"model == "provider""#).unwrap().reads_target());
}

#[test]
fn types_that_are_named_are_known() {
    let when =
        compile(r#"hits.VIN > 0 || "EMAIL" in hits || hits["VIN"] > 2 || has(hits.PROJECT_NAME)"#);
    let when = when.unwrap();
    let types: Vec<&str> = when.types().collect();
    assert_eq!(types, ["VIN", "EMAIL", "PROJECT_NAME"]);
    assert!(compile("hits.SECRET > 0").unwrap().types().count() > 10);
}

#[test]
fn what_cannot_be_said_is_said() {
    for (source, expected) in [
        (
            "1 / (request.bytes - 1000) == 1",
            WhenFailure::DivisionByZero,
        ),
        ("request.bytes % 0 == 1", WhenFailure::DivisionByZero),
        (
            "9223372036854775807 + request.bytes > 0",
            WhenFailure::Overflow,
        ),
        ("[0, 1].exists(n, 1 / n > 5)", WhenFailure::DivisionByZero),
    ] {
        assert_eq!(judge(source, None), Err(expected), "{source}");
    }
    let grades = grades();
    let many: Vec<(&str, i64)> = (0..=HITS_MAX).map(|_| ("VIN", 1)).collect();
    let facts = Facts {
        request: Request::default(),
        key: Key::default(),
        model: "m",
        provider: None,
        time: Time::at(0, 0),
        hits: &many,
        grade: 0,
        grades: &grades,
    };
    let failure = compile("true").unwrap().holds(&facts);
    assert_eq!(failure, Err(WhenFailure::TooManyHits));
}

#[test]
fn errors_say_what_and_where() {
    for (source, at, message) in [
        (
            "kye.team == \"a\"",
            0,
            "unknown variable `kye`; did you mean `key`?",
        ),
        (
            "  key.taem == \"a\"",
            5,
            "unknown field `key.taem`; did you mean `team`?",
        ),
        (
            "key == \"a\"",
            0,
            "`key` has fields: name one of id, user, team, grade",
        ),
        ("model.name == \"a\"", 5, "`model` has no fields"),
        ("\"é\" == x", 8, "unknown variable `x`"),
        ("model", 0, "a condition is true or false; this is text"),
        (
            "size(model)",
            0,
            "a condition is true or false; this is a number",
        ),
        ("model && true", 0, "true or false is expected, not text"),
        ("model == 1", 6, "text cannot be compared with a number"),
        (
            "request.stream < true",
            15,
            "true or false cannot be compared with true or false",
        ),
        ("model + \"x\" == \"ax\"", 0, "texts cannot be joined here"),
        (
            "request.bytes > 1.5",
            16,
            "numbers here are whole and have no suffix",
        ),
        ("key.team == null", 12, "nothing here is ever null"),
        ("grade == \"secret\"", 9, "there is no grade `secret`"),
        (
            "grade >= \"confidental\"",
            9,
            "there is no grade `confidental`; did you mean `confidential`?",
        ),
        (
            "grade_at_least(\"pubic\")",
            15,
            "there is no grade `pubic`; did you mean `public`?",
        ),
        ("grade == model", 6, "a grade cannot be compared with text"),
        (
            "provider.location == \"oversea\"",
            21,
            "there is no location `oversea`; did you mean `overseas`?",
        ),
        (
            "hits.CN_MOBLE > 0",
            4,
            "`CN_MOBLE` is no type of finding; did you mean `CN_MOBILE`?",
        ),
        (
            "hits[\"VINN\"] > 0",
            5,
            "`VINN` is no type of finding; did you mean `VIN`?",
        ),
        (
            "\"VINN\" in hits",
            0,
            "`VINN` is no type of finding; did you mean `VIN`?",
        ),
        ("model[0] == \"a\"", 5, "only hits have an index"),
        (
            "model.contans(\"a\")",
            6,
            "unknown function `contans`; did you mean `contains`?",
        ),
        (
            "model.matches(key.team)",
            17,
            "a pattern in quotes is expected",
        ),
        (
            "model.matches(\"(?=a)\")",
            14,
            "no regular expression that takes linear time",
        ),
        ("model in []", 9, "an empty list holds nothing"),
        (
            "model in [1, \"a\"]",
            9,
            "a list is of texts or of numbers, not both",
        ),
        ("has(request.stream)", 3, "`request.stream` is always there"),
        (
            "hits.exists(t, hits.exists(u, u == t))",
            26,
            "a macro within the condition of another",
        ),
        (
            "hits.exists(model, model == \"a\")",
            11,
            "`model` is a variable: name the element otherwise",
        ),
        ("{\"a\": 1} == {\"a\": 1}", 0, "maps cannot be written here"),
        ("model == \"a\" &&", 15, "it ends too early"),
        ("model = \"a\"", 6, "unexpected `=`; compare with `==`"),
        (
            "true & false",
            5,
            "unexpected character; write `&&` and `||`",
        ),
        ("model == \"a", 9, "a text that has no end"),
        ("true\n  true", 7, "unexpected `true`"),
        ("", 0, "it ends too early"),
        (
            "request.bytes == 99999999999999999999",
            17,
            "not a whole number that fits 64 bits",
        ),
    ] {
        let error = compile(source).expect_err(source);
        assert!(error.message.starts_with(message), "{source}: {error}");
        assert_eq!(error.at, at, "{source}: {error}");
    }
}

#[test]
fn size_depth_and_cost_are_bounded() {
    let nested = |n: usize| format!("{}true{}", "(".repeat(n), ")".repeat(n));
    assert!(compile(&nested(NEST_MAX)).is_ok());
    let costly = format!("hits.exists(t, {})", vec!["hits[t] == 99"; 40].join(" || "));
    for (source, message) in [
        (nested(NEST_MAX + 1), "more than 16 brackets"),
        (nested(2000), "more than 16 brackets"),
        (" ".repeat(SOURCE_BYTES_MAX + 1), "longer than 4096 bytes"),
        (vec!["true"; 200].join(" && "), "too long"),
        (format!("1{} == 1", " - 1".repeat(250)), "too long"),
        (format!("model{}", ".a".repeat(300)), "there is no field"),
        (
            format!("{}true", "true ? true : ".repeat(70)),
            "too deeply nested",
        ),
        (costly, "too costly"),
    ] {
        let error = compile(&source).expect_err(message);
        assert!(error.message.starts_with(message), "{error}");
    }
    let most = format!("model in [{}]", vec!["'x'"; 250].join(","));
    assert!(compile(&most).is_ok());
    assert!(compile(&format!("'{}' == model", "(".repeat(100))).is_ok());
    assert!(compile(&format!(r"r'\' == model && {}", nested(3))).is_ok());
    let pattern = format!("model.matches('{}')", "a".repeat(PATTERN_BYTES_MAX + 1));
    assert!(compile(&pattern).is_err());
    assert!(compile("model.matches('(a{1000}){1000}')").is_err());
}

#[test]
fn debug_shows_no_source() {
    let when = compile("model == \"planted\"").unwrap();
    assert!(!format!("{when:?}").contains("planted"));
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&when);
}

#[test]
fn a_condition_takes_less_than_two_microseconds() {
    const ROUNDS: u32 = 20_000;
    let grades = grades();
    let when = compile(r#"key.team == "interns" && model != "small""#).unwrap();
    let facts = Facts {
        request: Request::default(),
        key: Key {
            team: "interns",
            ..Key::default()
        },
        model: "assistant",
        provider: None,
        time: Time::at(0, 0),
        hits: &[],
        grade: 0,
        grades: &grades,
    };
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        assert_eq!(std::hint::black_box(&when).holds(&facts), Ok(true));
    }
    let each = begun.elapsed() / ROUNDS;
    eprintln!("{} ns a condition", each.as_nanos());
    assert!(each < Duration::from_micros(2), "{each:?}");
}

/// Pieces of which a wild text is made: what the grammar knows, and what it does not.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "key",
        "team",
        ".",
        "model",
        "hits",
        "CN_MOBILE",
        "==",
        "!=",
        "&&",
        "||",
        "!",
        "-",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "?",
        ":",
        ",",
        "'a'",
        "\"b\"",
        "1",
        "2.5",
        "3u",
        "true",
        "in",
        "exists",
        "t",
        "has",
        "size",
        "matches",
        "grade",
        "r'\\'",
        "'''",
        "\"",
        "\\",
        " ",
        "\n",
        "//",
        "玉",
        "\u{0}",
        "null",
        "0x",
        "<",
        "/",
        "%",
        "e9",
        "`",
        "b'",
        "@result",
        "\u{10ffff}",
    ];
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_or_hangs(source in prop_oneof![pieces(), any::<String>(), ".{0,400}"]) {
        let begun = Instant::now();
        if let Err(error) = compile(&source) {
            prop_assert!(error.at <= source.len() && source.is_char_boundary(error.at), "{error}");
            prop_assert!(!error.message.is_empty() && error.message.len() < 400, "{error}");
        }
        prop_assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
