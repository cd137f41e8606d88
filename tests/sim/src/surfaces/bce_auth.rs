//! 百度 `bce-auth-v1` request signatures, checked against the keys the simulator was told.
//!
//! Written from the vendor's description; must never accept a request whose signature it did not recompute.

use super::Arrived;
use aws_lc_rs::hmac;
use http::HeaderMap;

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
    let canonical = [
        arrived.method.as_str().to_owned(),
        encoded(&super::wenxin_v1::percent_decoded(arrived.path), true),
        canonical_query(arrived.query),
        canonical_headers(arrived.headers, names)?,
    ]
    .join("\n");
    let expected = hex_hmac(signing_key.as_bytes(), canonical.as_bytes());
    (expected == *signature).then_some(())
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
