//! The vendor's vectors, and what is written where.

use wire::Headers;

use super::*;
use crate::dialect::DialectId;
use crate::places::Asks;

const CREDENTIAL: Credential<'_> = Credential {
    api_key: "fakeapikey0123456789abcdef012345",
    secret_key: "FakeSparkSecretForTest",
    app_id: "fake\"app1",
    session_token: "",
    region: "",
    auth: "",
};
const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

fn prepared(model: &str, base_path: &str, now_ms: i64) -> Parts {
    let call = Call {
        cap: None,
        model,
        stream: true,
        dialect: DialectId::SparkNative,
        asks: Asks::Reply,
        multimodal: false,
        request_id: "r",
        now_ms,
        token: None,
        host: "spark-api.xf-yun.com",
        base_path,
    };
    let mut parts = Parts::default();
    SparkWs.prepare(&call, &CREDENTIAL, &mut parts).unwrap();
    parts
}

#[test]
fn the_vendors_vectors() {
    let secret = CREDENTIAL.secret_key;
    let line = "GET /v4.0/chat HTTP/1.1";
    assert_eq!(
        signature(secret, "spark-api.xf-yun.com", DATE, line),
        "QQ1n/LtwGrkTWB8NnkyXRyz2J2pWfOLUCvYUF01ocCs="
    );
    // The same signature is that of another service of the vendor's.
    assert_eq!(
        signature(
            secret,
            "emb-cn-huabei-1.xf-yun.com",
            DATE,
            "POST / HTTP/1.1"
        ),
        "WF43ux4wNS+UtxaPbmmwnd2rwXQPiMZv2hK3s11X+xk="
    );
    let parts = prepared("4.0Ultra", "", 1_767_225_600_000);
    assert_eq!(parts.path, "/v4.0/chat");
    assert_eq!(
        parts.query,
        "authorization=YXBpX2tleT0iZmFrZWFwaWtleTAxMjM0NTY3ODlhYmNkZWYwMTIzNDUiLCBhbGdvcml0aG09ImhtYWMtc2hhMjU2IiwgaGVhZGVycz0iaG9zdCBkYXRlIHJlcXVlc3QtbGluZSIsIHNpZ25hdHVyZT0iUVExbi9MdHdHcmtUV0I4Tm5reVhSeXoySjJwV2ZPTFVDdllVRjAxb2NDcz0i&date=Thu%2C%2001%20Jan%202026%2000%3A00%3A00%20GMT&host=spark-api.xf-yun.com"
    );
    assert!(parts.headers.is_empty());
    // Signed anew for each connection, with the path that is sent.
    assert_ne!(
        prepared("4.0Ultra", "", 1_767_225_601_000).query,
        parts.query
    );
    assert_ne!(
        prepared("4.0Ultra", "/behind", 1_767_225_600_000).query,
        parts.query
    );
}

#[test]
fn each_model_has_its_place() {
    let path = |model: &str| prepared(model, "", 0).path;
    assert_eq!(path("generalv3.5"), "/v3.5/chat");
    assert_eq!(path("general"), path("lite"));
    assert_eq!(path("pro-128k"), "/chat/pro-128k");
    // Names that are not known stay one step of the path.
    assert_eq!(path("../v1/x?y#z"), "/chat/..%2Fv1%2Fx%3Fy%23z");
}

#[test]
fn the_application_joins_the_message() {
    let body = Rope::from(Bytes::from_static(
        br#"{"header":{"uid":"u"},"parameter":{},"payload":{}}"#,
    ));
    let whole = SparkWs.body(&CREDENTIAL, &body).into_bytes();
    let read: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(read["header"]["app_id"], "fake\"app1");
    assert_eq!(read["header"]["uid"], "u");
    assert!(read["payload"].is_object());
}

#[test]
fn a_wrong_clock_is_told_apart() {
    let body = br#"{"message":"HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"}"#;
    let tape = json::scan(body, &json::Limits::default()).unwrap();
    for status in [401, 403] {
        let head = Head {
            status,
            headers: &Headers::new(),
            now_ms: 0,
        };
        let fault = SparkWs.fault(&head, Value::root(&tape, body)).unwrap();
        assert_eq!(
            (fault.kind(), fault.why()),
            (Kind::UpstreamError, "clock_skew")
        );
        assert!(fault.log_detail().contains("clock"));
    }
}
