//! 百度 `bce-auth-v1` request signatures, checked against the keys the simulator was told.
//!
//! Also the office that gives bearer tokens of the v2 protocol for such a signature.
//!
//! Written from the vendor's description; must never accept a request whose signature it did not recompute.

use super::Arrived;
use crate::json::Obj;
use aws_lc_rs::hmac;
use http::HeaderMap;

/// Path of the office for bearer tokens.
pub(crate) const IAM_PATH: &str = "/v1/BCE-BEARER/token";

/// `None`: the request carries no such signature.
pub(crate) fn check(arrived: &Arrived<'_>) -> Option<Result<(), ()>> {
    let value = arrived
        .headers
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    value
        .starts_with("bce-auth-v1/")
        .then(|| verify(arrived, value).ok_or(()))
}

fn verify(arrived: &Arrived<'_>, value: &str) -> Option<()> {
    let parts: Vec<&str> = value.split('/').collect();
    let [scheme, access, time, expires, names, signature] = parts.as_slice() else {
        return None;
    };
    let secret = arrived
        .bce_keys
        .iter()
        .find(|(known, _)| known == access)
        .map(|(_, secret)| secret)?;
    let prefix = [*scheme, *access, *time, *expires].join("/");
    let signing_key = hex_hmac(secret.as_bytes(), prefix.as_bytes());
    let query = canonical_query(arrived.query);
    let headers = canonical_headers(arrived.headers, names)?;
    // The vendor's SDK signs the path as it sends it; its description says: encoded. They differ only in odd names.
    let path = encoded(&super::wenxin_v1::percent_decoded(arrived.path), true);
    let fits = |path: &str| {
        let canonical = [arrived.method.as_str(), path, &query, &headers].join("\n");
        hex_hmac(signing_key.as_bytes(), canonical.as_bytes()) == *signature
    };
    (fits(&path) || fits(arrived.path)).then_some(())
}

/// Answers a signed request for a bearer token of the v2 protocol: status and body.
pub(crate) fn office(arrived: &Arrived<'_>, serial: u64) -> (u16, String) {
    if check(arrived) != Some(Ok(())) {
        let body = Obj::new()
            .str("requestId", &format!("sim-{serial:08x}"))
            .str("code", "SignatureDoesNotMatch")
            .str(
                "message",
                "The request signature we calculated does not match the signature you provided.",
            );
        return (403, body.end());
    }
    let asked = super::wenxin_v1::parameter(arrived.query, "expireInSeconds");
    let seconds = asked.and_then(|text| text.parse().ok()).unwrap_or(1000_i64);
    let now = arrived.now_ms / 1000;
    let body = Obj::new()
        .str("userId", "sim")
        .str("token", &format!("bce-v3/ALTAK-sim/{serial:08x}"))
        .str("status", "enable")
        .str("createTime", &iso_time(now))
        .str("expireTime", &iso_time(now.saturating_add(seconds)));
    (200, body.end())
}

/// Unix seconds as `YYYY-MM-DDThh:mm:ssZ`.
pub(super) fn iso_time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil date from days; years begin in March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year_of_era + era * 400 + next;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| !key.eq_ignore_ascii_case("authorization"))
        .map(|(key, value)| {
            let again = |text: &str| encoded(&super::wenxin_v1::percent_decoded(text), false);
            format!("{}={}", again(key), again(value))
        })
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// `None` if the host is not signed.
fn canonical_headers(headers: &HeaderMap, names: &str) -> Option<String> {
    let default = ["host", "content-length", "content-type", "content-md5"];
    let signed = |name: &str| match names {
        "" => default.contains(&name) || name.starts_with("x-bce-"),
        _ => names
            .split(';')
            .any(|wanted| wanted.eq_ignore_ascii_case(name)),
    };
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| signed(name.as_str()))
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?.trim();
            (!value.is_empty()).then(|| {
                format!(
                    "{}:{}",
                    encoded(name.as_str(), false),
                    encoded(value, false)
                )
            })
        })
        .collect();
    lines.sort();
    let host = lines.iter().any(|line| line.starts_with("host:"));
    host.then(|| lines.join("\n"))
}

fn encoded(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || keep_slash && byte == b'/' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hex_hmac(key: &[u8], message: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let tag = hmac::sign(&key, message);
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn times_are_written_as_iso() {
        assert_eq!(iso_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso_time(1_767_225_600), "2026-01-01T00:00:00Z");
        assert_eq!(iso_time(1_709_210_096), "2024-02-29T12:34:56Z");
    }

    #[test]
    fn verifies_the_published_vector() {
        let keys = [(
            crate::BCE_TEST_ACCESS_KEY.to_owned(),
            crate::BCE_TEST_SECRET_KEY.to_owned(),
        )];
        let path = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions";
        let signature = "bce-auth-v1/ALTAKfakeaccesskey0001/2026-01-01T00:00:00Z/1800/host;x-bce-date/68993e359f4d5aad23db19d50b783b2d7f6bfbd0bd475a4ba34f2ae28c6119da";
        let mut headers = HeaderMap::new();
        headers.insert("host", "aip.baidubce.com".parse().unwrap());
        headers.insert("x-bce-date", "2026-01-01T00:00:00Z".parse().unwrap());
        headers.insert("authorization", signature.parse().unwrap());
        let tokens = crate::surfaces::Tokens::default();
        let mut arrived = Arrived {
            method: &Method::POST,
            path,
            rest: "/chat/completions",
            query: "",
            headers: &headers,
            body: b"",
            tokens: &tokens,
            glm_keys: &[],
            bce_keys: &keys,
            now_ms: 0,
        };
        assert_eq!(check(&arrived), Some(Ok(())));
        arrived.query = "a=b";
        assert_eq!(check(&arrived), Some(Err(())));
    }
}
