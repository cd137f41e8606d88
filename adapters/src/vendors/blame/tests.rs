//! How long to wait, and which bodies tell of no error.

use proptest::prelude::*;
use wire::json;

use super::*;

fn after(name: &'static str, value: &str) -> Option<Duration> {
    let mut headers = Headers::new();
    headers.insert(name.parse().unwrap(), value.parse().unwrap());
    retry_after(&Head {
        status: 429,
        headers: &headers,
        now_ms: 784_111_770_000,
    })
}

#[test]
fn waits() {
    assert_eq!(after("retry-after", "2"), Some(Duration::from_secs(2)));
    assert_eq!(
        after("retry-after", "0.5"),
        Some(Duration::from_millis(500))
    );
    assert_eq!(
        after("retry-after-ms", "250"),
        Some(Duration::from_millis(250))
    );
    assert_eq!(
        after("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(Duration::from_secs(7))
    );
    assert_eq!(after("retry-after", "1e12"), Some(RETRY_AFTER_MAX));
    assert_eq!(after("retry-after", "-1"), None);
    assert_eq!(after("retry-after", "NaN"), None);
    assert_eq!(after("retry-after", "later"), None);
    let told = |message| {
        told_wait(&Told {
            message: Cow::Borrowed(message),
            ..Told::default()
        })
    };
    let limited = "max RPM: 3, please try again after 1 seconds";
    assert_eq!(told(limited), Some(Duration::from_secs(1)));
    let limited = "rate limit. Please retry after 7 seconds.";
    assert_eq!(told(limited), Some(Duration::from_secs(7)));
    assert_eq!(told("try again after a while"), None);
    assert_eq!(told("after 99999999999 seconds"), None);
    assert_eq!(told("come back after 5 minutes"), None);
}

fn member() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => prop::sample::select(vec![
            "error", "error_type", "error_code", "error_msg", "base_resp", "status", "code", "type", "msg",
            "message", "http_status_code", "detail", "response", r"\u0065rror", "object",
        ]),
        4 => prop::sample::select(vec!["id", "choices", "usage", "object", "model", "created"]),
    ];
    let value = prop::sample::select(vec![
        "null",
        "0",
        "7",
        "404",
        r#""""#,
        r#""error""#,
        r#""it failed""#,
        "[]",
        "{}",
        r#"{"code":5,"message":"x"}"#,
        r#"{"status_code":1004}"#,
        r#"[{"msg":"x"}]"#,
    ]);
    (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"))
}

proptest! {
    #[test]
    fn what_is_silent_tells_no_error(members in prop::collection::vec(member(), 0..4)) {
        let body = format!("{{{}}}", members.join(","));
        let tape = json::scan(body.as_bytes(), &json::Limits::default());
        let root = tape.as_ref().ok().and_then(|tape| Value::root(tape, body.as_bytes()));
        if let Some(root) = root.filter(|root| is_silent(*root)) {
            prop_assert!(read(root).is_none() && bare(root).is_none(), "{}", body);
        }
    }
}
