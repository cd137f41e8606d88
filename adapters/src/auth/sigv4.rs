//! Amazon's request signature, version 4: a key derived from the secret, the day, the region and the service, over method,
//! path, query, some headers and the hash of the body.
//!
//! The path is signed as it stands on the wire and encoded once more, as all services but one want it.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use wire::Rope;

use super::{hex, percent};
use crate::calendar;

/// Whose signature.
pub(crate) struct Signer<'a> {
    /// The key's public half.
    pub access_key: &'a str,
    /// Its secret half.
    pub secret_key: &'a str,
    /// Where the service is.
    pub region: &'a str,
    /// Which one.
    pub service: &'a str,
}

/// What is signed.
pub(crate) struct Signed<'a> {
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Path as it stands on the wire.
    pub path: &'a str,
    /// Header names, lower case and sorted, and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a Rope,
}

/// A time as this signature wants it: `20250101T000000Z`.
pub(crate) fn date(now_ms: i64) -> String {
    let text = calendar::iso8601(now_ms);
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// The value of `Authorization`. Requests have no query here.
pub(crate) fn authorization(signer: &Signer<'_>, date: &str, signed: &Signed<'_>) -> String {
    let names: Vec<&str> = signed.headers.iter().map(|row| row.0).collect();
    let names = names.join(";");
    let headers: Vec<String> = signed
        .headers
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let mut body = Context::new(&SHA256);
    for piece in signed.body.pieces() {
        body.update(piece);
    }
    let canonical = format!(
        "{}\n{}\n\n{}\n{names}\n{}",
        signed.method,
        percent(signed.path, b"/"),
        headers.concat(),
        hex(body.finish().as_ref())
    );
    let mut hashed = Context::new(&SHA256);
    hashed.update(canonical.as_bytes());
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{}/{}/aws4_request", signer.region, signer.service);
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(hashed.finish().as_ref())
    );
    let mut key = ["AWS4", signer.secret_key].concat().into_bytes();
    for step in [day, signer.region, signer.service, "aws4_request"] {
        key = sign(&key, step).as_ref().to_vec();
    }
    let signature = hex(sign(&key, &text).as_ref());
    let access_key = signer.access_key;
    format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

fn sign(key: &[u8], message: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// `vendors/overseas.md`: equal to the output of Amazon's own signer.
    #[test]
    fn the_vendors_vector() {
        let body = br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":16}}"#;
        let signer = Signer {
            access_key: "AKIDEXAMPLE",
            secret_key: "TESTSECRETKEY0001",
            region: "us-east-1",
            service: "bedrock",
        };
        let mut rope = Rope::from(Bytes::from_static(body.split_at(40).0));
        rope.push(Bytes::from_static(body.split_at(40).1));
        let at = date(1_735_689_600_000);
        let signed = Signed {
            method: "POST",
            path: "/model/anthropic.claude-test-v1%3A0/converse",
            headers: &[
                ("content-type", "application/json"),
                ("host", "bedrock-runtime.us-east-1.amazonaws.com"),
                ("x-amz-date", &at),
            ],
            body: &rope,
        };
        assert_eq!(
            authorization(&signer, &at, &signed),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250101/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=3ac16b200af06dae73f1c3b69c2e2da87a3a6ff1e570103f770d4dd7f104deab"
        );
    }

    /// The suite's `get-vanilla`, whose values Amazon publishes.
    #[test]
    fn the_published_vanilla() {
        let signer = Signer {
            access_key: "AKIDEXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
            service: "service",
        };
        let signed = Signed {
            method: "GET",
            path: "/",
            headers: &[
                ("host", "example.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
            ],
            body: &Rope::new(),
        };
        assert_eq!(
            authorization(&signer, "20150830T123600Z", &signed),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
