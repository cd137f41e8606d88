//! The `bce-auth-v1` request signature: a key derived from the secret and the time, over method, path, query and some
//! headers. The body is not signed.

use aws_lc_rs::hmac;

use super::{hex, percent};
use crate::calendar;

/// What is signed.
pub(crate) struct Signed<'a> {
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Whole path, not yet encoded.
    pub path: &'a str,
    /// Query members, not yet encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// Header names, lower case, and values.
    pub headers: &'a [(&'a str, &'a str)],
}

/// The value of `Authorization`. `expire_s` is how long the signature holds.
pub(crate) fn authorization(
    access_key: &str,
    secret_key: &str,
    now_ms: i64,
    expire_s: u32,
    signed: &Signed<'_>,
) -> String {
    let time = calendar::iso8601(now_ms);
    let prefix = format!("bce-auth-v1/{access_key}/{time}/{expire_s}");
    let signing_key = sign(secret_key, &prefix);
    let mut query: Vec<String> = signed
        .query
        .iter()
        .filter(|row| !row.0.eq_ignore_ascii_case("authorization"))
        .map(|(name, value)| format!("{}={}", percent(name, b""), percent(value, b"")))
        .collect();
    query.sort_unstable();
    let mut headers: Vec<(&str, &str)> = signed
        .headers
        .iter()
        .map(|(name, value)| (*name, value.trim()))
        .filter(|row| !row.1.is_empty())
        .collect();
    headers.sort_unstable();
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{}:{}", percent(name, b""), percent(value, b"")))
        .collect();
    let names: Vec<&str> = headers.iter().map(|row| row.0).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{}",
        signed.method,
        percent(signed.path, b"/"),
        query.join("&"),
        lines.join("\n")
    );
    let signature = sign(&signing_key, &canonical);
    format!("{prefix}/{}/{signature}", names.join(";"))
}

fn sign(key: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hex(hmac::sign(&key, message.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AK: &str = "ALTAKfakeaccesskey0001";
    const SK: &str = "fakesecretkey0000000000000000001";

    #[test]
    fn the_vendors_vectors() {
        let chat = Signed {
            method: "POST",
            path: "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions",
            query: &[],
            headers: &[
                ("x-bce-date", "2026-01-01T00:00:00Z"),
                ("host", "aip.baidubce.com"),
            ],
        };
        assert_eq!(
            authorization(AK, SK, 1_767_225_600_000, 1800, &chat),
            "bce-auth-v1/ALTAKfakeaccesskey0001/2026-01-01T00:00:00Z/1800/host;x-bce-date/68993e359f4d5aad23db19d50b783b2d7f6bfbd0bd475a4ba34f2ae28c6119da"
        );
        let token = Signed {
            method: "GET",
            path: "/v1/BCE-BEARER/token",
            query: &[("expireInSeconds", "86400")],
            headers: &[("host", "iam.bj.baidubce.com")],
        };
        assert_eq!(
            authorization(AK, SK, 1_767_225_600_000, 300, &token),
            "bce-auth-v1/ALTAKfakeaccesskey0001/2026-01-01T00:00:00Z/300/host/53c035cf188e512a3ffbf911a16bea1d2732ee6623d61b6394aab29dbc05c2eb"
        );
    }
}
