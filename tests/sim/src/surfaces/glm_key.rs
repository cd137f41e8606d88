//! GLM credentials: the key `id.secret` as it is, or a JWT signed with the secret whose times are in **milliseconds**.

use crate::json::{self, at};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The error is the vendor's code.
pub(crate) fn check(token: &str, keys: &[String], now_ms: i64) -> Result<(), &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    match parts.as_slice() {
        [id, secret] if !id.is_empty() && !secret.is_empty() => Ok(()),
        [header, payload, signature] => jwt(token, [header, payload, signature], keys, now_ms),
        _ => Err("1002"),
    }
}

fn jwt(token: &str, parts: [&str; 3], keys: &[String], now_ms: i64) -> Result<(), &'static str> {
    let [header, payload, signature] = parts;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "1002");
    let header = json::parse(&decode(header)?).map_err(|_| "1002")?;
    let payload = json::parse(&decode(payload)?).map_err(|_| "1002")?;
    if *at(&header, &["alg"]) != "HS256" || *at(&header, &["sign_type"]) != "SIGN" {
        return Err("1002");
    }
    let id = at(&payload, &["api_key"]).as_str().ok_or("1002")?;
    let secret = keys
        .iter()
        .filter_map(|key| key.split_once('.'))
        .find(|(known, _)| *known == id)
        .map(|(_, secret)| secret)
        .ok_or("1004")?;
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = decode(signature)?;
    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| "1004")?;
    let exp = at(&payload, &["exp"]).as_i64().ok_or("1002")?;
    if !at(&payload, &["timestamp"]).is_i64() {
        return Err("1002");
    }
    if exp <= now_ms { Err("1003") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ.eyJhcGlfa2V5IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYiLCJleHAiOjE3NjcyMjU4MTAwMDAsInRpbWVzdGFtcCI6MTc2NzIyNTYwMDAwMH0.sA-Xu6eE7EgoG-SjQabETpNQTjq-m_wDy2dsLxLIWOM";

    #[test]
    fn verifies_the_published_vector() {
        let keys = [crate::GLM_TEST_KEY.to_owned()];
        assert_eq!(check(TOKEN, &keys, 1_767_225_600_000), Ok(()));
        assert_eq!(check(TOKEN, &keys, 1_767_225_810_000), Err("1003"));
        assert_eq!(check(TOKEN, &["other.key".to_owned()], 0), Err("1004"));
        let forged = TOKEN.replace("sA-Xu6", "sA-Xu7");
        assert_eq!(check(&forged, &keys, 0), Err("1004"));
        assert_eq!(check("id.secret", &[], 0), Ok(()));
        assert_eq!(check("nodot", &[], 0), Err("1002"));
    }
}
