//! Huawei Cloud's request signature, `SDK-HMAC-SHA256`: one HMAC by the secret key itself, over method, path, some headers
//! and the hash of the body.
//!
//! The path is signed with a slash at its end that the wire does not have.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use wire::Rope;

use super::{hex, percent};

/// The name of the algorithm.
const NAME: &str = "SDK-HMAC-SHA256";

/// Whose signature.
pub(crate) struct Signer<'a> {
    /// The key's public half.
    pub access_key: &'a str,
    /// Its secret half.
    pub secret_key: &'a str,
}

/// What is signed.
pub(crate) struct Signed<'a> {
    /// HTTP method, upper case.
    pub method: &'a str,
    /// Path as it stands on the wire.
    pub path: &'a str,
    /// Header names, lower case and sorted, and values; `x-sdk-date` is among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a Rope,
}

/// The value of `Authorization`. Requests have no query here. `date` is the value of `x-sdk-date`, in the form of
/// [`super::sigv4::date`].
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
    // What is escaped on the wire stays so; what is not, and may not be in this form, is escaped here.
    let path = percent(signed.path, b"/%");
    let slash = if path.ends_with('/') { "" } else { "/" };
    let canonical = format!(
        "{}\n{path}{slash}\n\n{}\n{names}\n{}",
        signed.method,
        headers.concat(),
        hex(body.finish().as_ref())
    );
    let mut hashed = Context::new(&SHA256);
    hashed.update(canonical.as_bytes());
    let text = format!("{NAME}\n{date}\n{}", hex(hashed.finish().as_ref()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, signer.secret_key.as_bytes());
    let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    let access_key = signer.access_key;
    format!("{NAME} Access={access_key}, SignedHeaders={names}, Signature={signature}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::sigv4::date;
    use bytes::Bytes;

    /// Equal to the output of the vendor's own signer.
    #[test]
    fn the_vendors_vector() {
        let body = r#"{"messages":[{"role":"user","content":"你好"}],"stream":false}"#;
        let mut rope = Rope::from(Bytes::from_static(body.as_bytes().split_at(17).0));
        rope.push(Bytes::from_static(body.as_bytes().split_at(17).1));
        let at = date(1_735_689_600_000);
        let project = "0123456789abcdef0123456789abcdef";
        let path = format!(
            "/v1/{project}/deployments/11111111-2222-4333-8444-555555555555/chat/completions"
        );
        let signed = Signed {
            method: "POST",
            path: &path,
            headers: &[
                ("content-type", "application/json"),
                ("host", "pangu.cn-southwest-2.myhuaweicloud.com"),
                ("x-project-id", project),
                ("x-sdk-date", &at),
            ],
            body: &rope,
        };
        let signer = Signer {
            access_key: "HW_TEST_AK_0001",
            secret_key: "HW_TEST_SK_secret_0001",
        };
        let want = "SDK-HMAC-SHA256 Access=HW_TEST_AK_0001, SignedHeaders=content-type;host;x-project-id;x-sdk-date, Signature=5f7b08085c44775471d0082e0e3df81bb6025860f008d1d21e4339ddbea3c83c";
        assert_eq!(authorization(&signer, &at, &signed), want);
        // A slash that is on the wire already is not doubled.
        let slashed = Signed {
            path: &format!("{path}/"),
            ..signed
        };
        assert_eq!(authorization(&signer, &at, &slashed), want);
    }
}
