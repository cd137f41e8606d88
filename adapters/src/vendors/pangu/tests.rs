//! Three ways to say who asks, the token of the first, and what codes mean.

use super::*;
use crate::dialect::DialectId;
use crate::places::Asks;
use bytes::Bytes;

const PROJECT_ID: &str = "0123456789abcdef0123456789abcdef";

fn credential(auth: &'static str) -> Credential<'static> {
    Credential {
        api_key: "test-account/test-iam-user",
        secret_key: "not-a-\"real\"-password",
        app_id: PROJECT_ID,
        session_token: "",
        region: "cn-southwest-2",
        auth,
    }
}

fn call(token: Option<&'static str>) -> Call<'static> {
    Call {
        cap: None,
        model: "11111111-2222-4333-8444-555555555555",
        stream: false,
        dialect: DialectId::OpenAiLoose,
        asks: Asks::Reply,
        multimodal: false,
        request_id: "r",
        now_ms: 1_735_689_600_000,
        token,
        host: "pangu.cn-southwest-2.myhuaweicloud.com",
        base_path: "",
    }
}

#[test]
fn three_ways_to_say_who_asks() {
    let made = |credential: &Credential<'_>, token| {
        let mut parts = Parts::default();
        let call = call(token);
        VENDOR.prepare(&call, credential, &mut parts).unwrap();
        let body = r#"{"messages":[{"role":"user","content":"你好"}],"stream":false}"#;
        let body = Rope::from(Bytes::from_static(body.as_bytes()));
        let place = (parts.path.as_str(), &body);
        VENDOR
            .sign(&call, credential, place, &mut parts.headers)
            .unwrap();
        assert!(!format!("{:?}", parts.headers).contains("test-"));
        parts
    };
    let parts = made(&credential("iam"), Some("MIIabc"));
    assert_eq!(
        parts.path,
        format!(
            "/v1/{PROJECT_ID}/deployments/11111111-2222-4333-8444-555555555555/chat/completions"
        )
    );
    assert_eq!(
        (
            parts.headers.get("x-auth-token").unwrap().as_bytes(),
            parts.headers.iter().count()
        ),
        (&b"MIIabc"[..], 1)
    );
    let parts = made(&credential("app-code"), None);
    assert_eq!(
        parts.headers.get("x-apig-appcode").unwrap(),
        "test-account/test-iam-user"
    );
    assert_eq!(parts.headers.iter().count(), 1);
    let keys = Credential {
        api_key: "HW_TEST_AK_0001",
        secret_key: "HW_TEST_SK_secret_0001",
        ..credential("ak-sk")
    };
    let parts = made(&keys, None);
    assert_eq!(
        parts.headers.get("authorization").unwrap(),
        "SDK-HMAC-SHA256 Access=HW_TEST_AK_0001, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature=5f7b08085c44775471d0082e0e3df81bb6025860f008d1d21e4339ddbea3c83c"
    );
    assert_eq!(parts.headers.get("x-project-id").unwrap(), PROJECT_ID);
    let temporary = made(
        &Credential {
            session_token: "gQpj",
            ..keys
        },
        None,
    );
    let signature = temporary
        .headers
        .get("authorization")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(
        signature.contains(";x-sdk-date;x-security-token, "),
        "{signature}"
    );
    let mut parts = Parts::default();
    let missing = VENDOR.prepare(&call(None), &credential(""), &mut parts);
    assert_eq!(missing.unwrap_err().kind(), Kind::Bug);
}

#[test]
fn a_token_is_asked_for_and_read() {
    let asked = Identity.request(&credential("iam"));
    assert_eq!(
        std::str::from_utf8(&asked.body).unwrap(),
        r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"name":"test-account"},"name":"test-iam-user","password":"not-a-\"real\"-password"}}},"scope":{"project":{"name":"cn-southwest-2"}}}}"#
    );
    let read = |status, token: &str, body: &'static str| {
        let mut headers = Headers::new();
        if !token.is_empty() {
            headers.insert(HeaderName::from_static(SUBJECT), token.parse().unwrap());
        }
        let tape = json::scan(body.as_bytes(), &json::Limits::default()).unwrap();
        let head = Head {
            status,
            headers: &headers,
            now_ms: 1_735_689_600_000,
        };
        Identity.read(&head, Value::root(&tape, body.as_bytes()))
    };
    let token = read(
        201,
        "MIIx",
        r#"{"token":{"expires_at":"2025-01-01T20:00:00.000000Z"}}"#,
    )
    .unwrap();
    assert_eq!(
        (token.value.as_str(), token.lifetime),
        ("MIIx", Duration::from_secs(20 * 3600))
    );
    let lives = |body| read(201, "MIIx", body).unwrap().lifetime;
    assert_eq!(
        lives(r#"{"token":{"expires_at":"2035-01-01T20:00:00Z"}}"#),
        TOKEN_LIFE_MAX
    );
    assert_eq!(
        lives(r#"{"token":{"expires_at":"2015-01-01T20:00:00Z"}}"#),
        Duration::ZERO
    );
    assert_eq!(lives("{}"), TOKEN_LIFE_UNSAID);
    let why = |status, token: &str| read(status, token, "{}").err().map(|fault| fault.why());
    assert_eq!(why(401, ""), Some("auth_failed"));
    assert_eq!(why(400, ""), Some("auth_failed"));
    assert_eq!(why(429, ""), Some("throttled"));
    assert_eq!(why(500, "MIIx"), Some("upstream_error"));
    assert_eq!(why(201, ""), Some("upstream_error"));
}
