//! How Huawei Cloud knows who asks: a token of its identity service, an application's code, or a signature over the request.
//!
//! Written from the vendor's description; must never accept a request whose signature it did not recompute.

use super::{Arrived, Trouble, Voice};
use crate::json::{self, Obj, at};
use aws_lc_rs::{digest, hmac};
use http::Method;

/// Where tokens are given.
pub(crate) const TOKEN_PATH: &str = "/v3/auth/tokens";
/// The keys whose signatures are taken, the project and the region; no secrets.
pub const ACCESS_KEY: &str = "HW_TEST_AK_0001";
/// The secret half.
pub const SECRET_KEY: &str = "HW_TEST_SK_secret_0001";
/// The project.
pub const PROJECT: &str = "0123456789abcdef0123456789abcdef";
/// The region, by whose name its project is called.
pub const REGION: &str = "cn-southwest-2";

/// Tokens are long.
const TOKEN_FILLER: usize = 3000;
/// How far a signature's clock may be off.
const CLOCK_OFF_MAX_S: i64 = 15 * 60;
const LIFETIME_S: i64 = 24 * 3600;

/// Answers a request for a token: status, the token (empty if refused), body. Names and passwords with `invalid` in them are
/// refused.
pub(crate) fn office(arrived: &Arrived<'_>) -> (u16, String, String) {
    let refused = |code: u16, title: &str, message: &str| {
        let error = Obj::new()
            .int("code", code.into())
            .str("message", message)
            .str("title", title);
        (
            code,
            String::new(),
            Obj::new().raw("error", &error.end()).end(),
        )
    };
    if *arrived.method != Method::POST {
        return refused(405, "Method Not Allowed", "POST only");
    }
    let body = json::parse(arrived.body).unwrap_or_default();
    let identity = at(&body, &["auth", "identity"]);
    let methods = at(identity, &["methods"]);
    if *methods != serde_json::json!(["password"]) {
        return refused(
            400,
            "Bad Request",
            "The methods of the identity are not known.",
        );
    }
    let user = at(identity, &["password", "user"]);
    let word = |path: &[&str]| at(user, path).as_str().unwrap_or_default().to_owned();
    let words = [
        word(&["domain", "name"]),
        word(&["name"]),
        word(&["password"]),
    ];
    if words.iter().any(String::is_empty) {
        return refused(
            400,
            "Bad Request",
            "domain, name and password must be given.",
        );
    }
    if words.iter().any(|word| word.contains("invalid")) {
        return refused(401, "Unauthorized", "The username or password is wrong.");
    }
    let project = at(&body, &["auth", "scope", "project", "name"]);
    if *project != REGION {
        return refused(
            401,
            "Unauthorized",
            "The project of the scope is not known.",
        );
    }
    let serial = arrived.tokens.iam.issue();
    let until = super::bce_auth::iso_time(arrived.now_ms / 1000 + LIFETIME_S);
    let token = Obj::new()
        .str("expires_at", &until.replace('Z', ".000000Z"))
        .raw("methods", r#"["password"]"#);
    let body = Obj::new().raw("token", &token.end()).end();
    let value = format!("MIIsim{serial}.{}", "a".repeat(TOKEN_FILLER));
    (201, value, body)
}

/// Whether the request says who asks, in one of the three ways; the error is the front's code.
pub(crate) fn check(arrived: &Arrived<'_>) -> Result<(), &'static str> {
    let header = |name: &str| arrived.headers.get(name)?.to_str().ok();
    if let Some(code) = header("x-apig-appcode") {
        let good = !code.is_empty() && !code.contains("invalid");
        return good.then_some(()).ok_or("APIG.0303");
    }
    if let Some(token) = header("x-auth-token") {
        let serial = token
            .strip_prefix("MIIsim")
            .and_then(|rest| rest.split_once('.'))
            .filter(|(_, filler)| filler.len() == TOKEN_FILLER)
            .and_then(|(serial, _)| serial.parse().ok())
            .and_then(|serial| arrived.tokens.iam.is_fresh(serial));
        return match serial {
            Some(true) => Ok(()),
            Some(false) => Err("APIG.0307"),
            None => Err("APIG.0301"),
        };
    }
    signed(arrived).ok_or("APIG.0301")
}

/// The vendor's description: six lines, hashed; the hash, the algorithm and the date, signed with the secret key itself.
fn signed(arrived: &Arrived<'_>) -> Option<()> {
    let header = |name: &str| arrived.headers.get(name)?.to_str().ok().map(str::trim);
    let rest = header("authorization")?.strip_prefix("SDK-HMAC-SHA256 ")?;
    let fields: Vec<(&str, &str)> = rest
        .split(", ")
        .filter_map(|field| field.split_once('='))
        .collect();
    let [
        ("Access", access),
        ("SignedHeaders", names),
        ("Signature", signature),
    ] = fields[..]
    else {
        return None;
    };
    (access == ACCESS_KEY).then_some(())?;
    let names: Vec<&str> = names.split(';').collect();
    let sorted = names.is_sorted() && names.iter().all(|name| !name.contains('_'));
    (sorted && names.contains(&"x-sdk-date")).then_some(())?;
    let date = header("x-sdk-date")?;
    ((seconds(date)? - arrived.now_ms / 1000).abs() < CLOCK_OFF_MAX_S).then_some(())?;
    let lines: Option<String> = names
        .iter()
        .map(|name| Some(format!("{name}:{}\n", header(name)?)))
        .collect();
    let mut path: Vec<String> = arrived.path.split('/').map(segment).collect();
    if path.last().is_some_and(|last| !last.is_empty()) {
        path.push(String::new());
    }
    let canonical = [
        arrived.method.as_str(),
        &path.join("/"),
        arrived.query,
        &lines?,
        &names.join(";"),
        &hash(arrived.body),
    ]
    .join("\n");
    let text = ["SDK-HMAC-SHA256", date, &hash(canonical.as_bytes())].join("\n");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET_KEY.as_bytes());
    hmac::verify(&key, text.as_bytes(), &unhex(signature)?).ok()
}

/// A segment of a path, decoded and encoded again.
fn segment(text: &str) -> String {
    let plain = super::wenxin_v1::percent_decoded(text);
    let mut out = String::new();
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `20250101T000000Z`, as seconds since the epoch.
fn seconds(date: &str) -> Option<i64> {
    let digits = date.strip_suffix('Z')?.replace('T', "");
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let clock = part(8, 10)? * 3600 + part(10, 12)? * 60 + part(12, 14)?;
    Some((days - 719_468) * 86_400 + clock)
}

fn hash(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

/// Refuses who does not say who asks.
pub(crate) fn admit(voice: &dyn Voice, arrived: &Arrived<'_>) -> Result<(), Trouble> {
    check(arrived).map_err(|code| voice.trouble(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    #[test]
    fn verifies_the_published_vector() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("host", "pangu.cn-southwest-2.myhuaweicloud.com"),
            ("x-project-id", PROJECT),
            ("x-sdk-date", "20250101T000000Z"),
            (
                "authorization",
                "SDK-HMAC-SHA256 Access=HW_TEST_AK_0001, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature=5f7b08085c44775471d0082e0e3df81bb6025860f008d1d21e4339ddbea3c83c",
            ),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let tokens = crate::surfaces::Tokens::default();
        let body = r#"{"messages":[{"role":"user","content":"你好"}],"stream":false}"#;
        let path = format!(
            "/v1/{PROJECT}/deployments/11111111-2222-4333-8444-555555555555/chat/completions"
        );
        let mut arrived = Arrived {
            method: &Method::POST,
            path: &path,
            rest: "",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            tokens: &tokens,
            glm_keys: &[],
            bce_keys: &[],
            now_ms: 1_735_689_600_000,
        };
        assert_eq!(check(&arrived), Ok(()));
        arrived.now_ms += 16 * 60 * 1000;
        assert_eq!(check(&arrived), Err("APIG.0301"), "an old signature");
        arrived.now_ms = 1_735_689_600_000;
        arrived.body = b"{}";
        assert_eq!(check(&arrived), Err("APIG.0301"), "another body");
        assert_eq!(seconds("20000229T123456Z"), Some(951_827_696));
    }
}
