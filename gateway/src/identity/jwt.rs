//! Signed tokens (JWS compact, RFC 7515) and the keys that they are signed with (JWK sets, RFC 7517).
//!
//! Verification is aws-lc-rs's; what is here is the choice of the key, which is where such code goes wrong: the key says
//! which algorithms it may be used with, never the token (RFC 8725). Knows no clock, no claim and no socket. Invariants:
//! only asymmetric algorithms exist here, so neither `none` nor a public key taken for a shared secret can pass; `jku`,
//! `x5u` and `jwk` of a header are not read; everything is bounded.

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policies::access::token::{Digest, digest};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Longest token. The threat model's 4 KiB are enough for keys; the 200 groups that a large directory puts into a token at
/// most take eleven.
pub(super) const TOKEN_BYTES_MAX: usize = 16 << 10;
/// Most keys of a set.
pub(super) const KEYS_MAX: usize = 64;
/// Longest name of a key.
const KID_BYTES_MAX: usize = 256;
/// The only kinds of token that are for us: no logout tokens, no proofs of possession (RFC 8725, section 3.11).
const TYPES: [&str; 2] = ["jwt", "at+jwt"];

/// Whether this may be a signed token: three parts of base64url. Nothing else is looked at any further (T-40).
#[must_use]
pub fn has_form(token: &[u8]) -> bool {
    let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    token.len() <= TOKEN_BYTES_MAX
        // `{"` in base64url.
        && token.starts_with(b"ey")
        && token.iter().all(letter)
        && token.iter().filter(|b| **b == b'.').count() == 2
}

/// A token that nobody has verified yet.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    algorithm: &'static Algorithm,
    /// The key that it names.
    pub(super) kid: String,
    /// What is signed.
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

/// Takes a token apart; `None` for whatever is not acceptable.
#[must_use]
pub(super) fn read(token: &[u8]) -> Option<Unverified<'_>> {
    if !has_form(token) {
        return None;
    }
    let token = str::from_utf8(token).ok()?;
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
    // Extensions that must be understood are not.
    if header.crit.is_some() {
        return None;
    }
    let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    if !typ.is_empty() && !TYPES.contains(&typ) {
        return None;
    }
    Some(Unverified {
        algorithm: ALGORITHMS.iter().find(|known| known.name == header.alg)?,
        kid: header.kid.filter(|kid| kid.len() <= KID_BYTES_MAX)?,
        signed,
        claims,
        signature: decoded(signature)?,
    })
}

impl Unverified<'_> {
    /// The claims, if one of `keys` has signed them, and the mark of that key.
    #[must_use]
    pub(super) fn verify(&self, keys: &Keys) -> Option<(Map<String, Value>, Digest)> {
        let key = keys.0.iter().find(|key| key.signed(self))?;
        let claims = serde_json::from_slice(&decoded(self.claims)?).ok()?;
        Some((claims, key.mark))
    }
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

struct Algorithm {
    name: &'static str,
    way: Way,
}

impl std::fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

enum Way {
    Rsa(&'static RsaParameters),
    /// The curve's name in a JWK.
    Ec(&'static str, &'static EcdsaVerificationAlgorithm),
    Ed25519,
}

const fn rsa(name: &'static str, parameters: &'static RsaParameters) -> Algorithm {
    Algorithm {
        name,
        way: Way::Rsa(parameters),
    }
}

/// All that is accepted (RFC 7518, RFC 8037, RFC 9864). RSA keys have at least 2048 bits.
static ALGORITHMS: [Algorithm; 10] = [
    rsa("RS256", &signature::RSA_PKCS1_2048_8192_SHA256),
    rsa("RS384", &signature::RSA_PKCS1_2048_8192_SHA384),
    rsa("RS512", &signature::RSA_PKCS1_2048_8192_SHA512),
    rsa("PS256", &signature::RSA_PSS_2048_8192_SHA256),
    rsa("PS384", &signature::RSA_PSS_2048_8192_SHA384),
    rsa("PS512", &signature::RSA_PSS_2048_8192_SHA512),
    Algorithm {
        name: "ES256",
        way: Way::Ec("P-256", &signature::ECDSA_P256_SHA256_FIXED),
    },
    Algorithm {
        name: "ES384",
        way: Way::Ec("P-384", &signature::ECDSA_P384_SHA384_FIXED),
    },
    Algorithm {
        name: "EdDSA",
        way: Way::Ed25519,
    },
    Algorithm {
        name: "Ed25519",
        way: Way::Ed25519,
    },
];

/// The keys of an issuer.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: String,
    /// The one algorithm that it is for, if it says so.
    only: Option<String>,
    material: Material,
    /// Tells it from every other.
    mark: Digest,
}

#[derive(Debug)]
enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    Ec { curve: String, point: Vec<u8> },
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a set. Keys that are not for us (of other kinds, for encryption, without a name) are left out, as RFC 7517
    /// asks; so are those beyond [`KEYS_MAX`].
    ///
    /// # Errors
    /// If it is no set, or none of its keys can be used.
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(body).map_err(|_| "no set of keys")?;
        let keys = set.keys.into_iter().take(KEYS_MAX);
        let keys: Vec<Key> = keys.filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err("no usable key in the set");
        }
        Ok(Self(keys))
    }

    /// Whether one has this name.
    #[must_use]
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }

    /// Whether this key is among them.
    #[must_use]
    pub(super) fn holds(&self, mark: &Digest) -> bool {
        self.0.iter().any(|key| key.mark == *mark)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let for_signatures = jwk.used_for.is_none_or(|used_for| used_for == "sig")
            && jwk
                .key_ops
                .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures {
            return None;
        }
        let part = |text: Option<String>| decoded(&text?);
        let material = match (&*jwk.kty, jwk.crv) {
            ("RSA", _) => Material::Rsa(RsaPublicKeyComponents {
                n: unsigned(part(jwk.n)?)?,
                e: unsigned(part(jwk.e)?)?,
            }),
            ("EC", Some(curve)) => {
                let bytes = match &*curve {
                    "P-256" => 32,
                    "P-384" => 48,
                    _ => return None,
                };
                let (x, y) = (part(jwk.x)?, part(jwk.y)?);
                if x.len() != bytes || y.len() != bytes {
                    return None;
                }
                // Uncompressed (SEC 1, section 2.3.3).
                let point = [&[4], &*x, &*y].concat();
                Material::Ec { curve, point }
            }
            ("OKP", Some(curve)) if curve == "Ed25519" => Material::Ed25519(part(jwk.x)?),
            _ => return None,
        };
        let kid = jwk.kid.filter(|kid| kid.len() <= KID_BYTES_MAX)?;
        let bytes: Vec<u8> = match &material {
            Material::Rsa(key) => [&*key.n, b"\0", &*key.e].concat(),
            Material::Ec { point, .. } => point.clone(),
            Material::Ed25519(x) => x.clone(),
        };
        let mark = digest(&[jwk.kty.as_bytes(), b"\0", kid.as_bytes(), b"\0", &bytes].concat());
        Some(Self {
            kid,
            only: jwk.alg,
            material,
            mark,
        })
    }

    fn signed(&self, token: &Unverified<'_>) -> bool {
        let algorithm = token.algorithm;
        if self.kid != token.kid
            || self
                .only
                .as_deref()
                .is_some_and(|only| only != algorithm.name)
        {
            return false;
        }
        let (signed, signature) = (token.signed.as_bytes(), &*token.signature);
        match (&self.material, &algorithm.way) {
            (Material::Rsa(key), Way::Rsa(parameters)) => {
                key.verify(parameters, signed, signature).is_ok()
            }
            (Material::Ec { curve, point }, Way::Ec(wanted, algorithm)) if curve == wanted => {
                UnparsedPublicKey::new(*algorithm, point)
                    .verify(signed, signature)
                    .is_ok()
            }
            (Material::Ed25519(key), Way::Ed25519) => {
                UnparsedPublicKey::new(&signature::ED25519, key)
                    .verify(signed, signature)
                    .is_ok()
            }
            _ => false,
        }
    }
}

/// A number without zeros before it, some issuers write them; `None` for none.
fn unsigned(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes
        .get(zeros..)
        .filter(|rest| !rest.is_empty())
        .map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A: key, header and payload are the document's; `kid` is ours, so the signature is not.
    fn ed25519() -> (signature::Ed25519KeyPair, Value) {
        let seed = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let pair = signature::Ed25519KeyPair::from_seed_and_public_key(&seed, &decoded(x).unwrap());
        let jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": x});
        (pair.unwrap(), jwk)
    }

    fn encoded(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn token(header: &Value) -> String {
        let (pair, _) = ed25519();
        let claims = serde_json::json!({"sub": "li"});
        let signed = format!("{}.{}", encoded(header), encoded(&claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }

    fn keys(jwks: &[Value]) -> Keys {
        let set = serde_json::json!({ "keys": jwks });
        Keys::read(set.to_string().as_bytes()).unwrap_or_default()
    }

    fn passes(token: &str, keys: &Keys) -> bool {
        read(token.as_bytes()).is_some_and(|read| read.verify(keys).is_some())
    }

    #[test]
    fn vectors_of_the_documents() {
        // RFC 8037, A.4 and A.5: no `kid`, so the signature alone is looked at.
        let (_, jwk) = ed25519();
        let set = keys(&[jwk]);
        let unverified = Unverified {
            algorithm: &ALGORITHMS[8],
            kid: "a".into(),
            signed: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            claims: "",
            signature: decoded("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg").unwrap(),
        };
        assert!(set.0[0].signed(&unverified));
        // RFC 7515, A.3: ES256.
        let set = keys(&[serde_json::json!({
            "kty": "EC", "crv": "P-256", "kid": "e",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })]);
        let mut unverified = Unverified {
            algorithm: &ALGORITHMS[6],
            kid: "e".into(),
            signed: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
            claims: "",
            signature: decoded("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q").unwrap(),
        };
        assert!(set.0[0].signed(&unverified));
        unverified.signature[63] ^= 1;
        assert!(!set.0[0].signed(&unverified));
    }

    #[test]
    fn headers_that_are_not_acceptable() {
        let (_, jwk) = ed25519();
        let set = keys(&[jwk]);
        for (header, good) in [
            (serde_json::json!({"alg": "EdDSA", "kid": "a"}), true),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "a", "typ": "at+JWT"}),
                true,
            ),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "a", "jku": "https://evil"}),
                true,
            ),
            (serde_json::json!({"alg": "EdDSA"}), false),
            (serde_json::json!({"alg": "EdDSA", "kid": "b"}), false),
            (serde_json::json!({"alg": "EdDSA", "kid": "../../a"}), false),
            (serde_json::json!({"alg": "EdDSA", "kid": ["a"]}), false),
            (serde_json::json!({"alg": "none", "kid": "a"}), false),
            (serde_json::json!({"alg": "HS256", "kid": "a"}), false),
            (serde_json::json!({"alg": "RS256", "kid": "a"}), false),
            (serde_json::json!({"alg": "ES256", "kid": "a"}), false),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "a", "typ": "logout+jwt"}),
                false,
            ),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "a", "crit": ["b64"]}),
                false,
            ),
            (
                serde_json::json!({"alg": "EdDSA", "kid": "a", "crit": []}),
                false,
            ),
        ] {
            assert_eq!(passes(&token(&header), &set), good, "{header}");
        }
        let twice = r#"{"alg":"EdDSA","kid":"b","kid":"a"}"#;
        let twice = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(twice));
        assert!(read(twice.as_bytes()).is_none());
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let (_, jwk) = ed25519();
        let set = keys(&[jwk]);
        let good = token(&serde_json::json!({"alg": "EdDSA", "kid": "a"}));
        assert!(passes(&good, &set));
        for at in 0..good.len() {
            let mut bad = good.clone().into_bytes();
            bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
            let bad = String::from_utf8(bad).unwrap();
            assert!(!passes(&bad, &set), "{at}");
        }
        for bad in [
            "",
            "..",
            "ey..",
            "ey.ey.ey.ey",
            &good[..good.len() - 1],
            &format!("{good}="),
        ] {
            assert!(!passes(bad, &set), "{bad}");
        }
        assert!(!has_form(
            format!("ey{}.a.b", "a".repeat(TOKEN_BYTES_MAX)).as_bytes()
        ));
    }

    #[test]
    fn keys_that_are_not_for_us_are_left_out() {
        let (_, jwk) = ed25519();
        let with = |name: &str, value: Value| {
            let mut jwk = jwk.clone();
            jwk[name] = value;
            jwk
        };
        let good = token(&serde_json::json!({"alg": "EdDSA", "kid": "a"}));
        for (jwk, passed) in [
            (with("use", "sig".into()), true),
            (with("alg", "EdDSA".into()), true),
            (with("key_ops", serde_json::json!(["verify"])), true),
            (with("use", "enc".into()), false),
            (with("alg", "ES256".into()), false),
            (with("key_ops", serde_json::json!(["sign"])), false),
            (with("kty", "oct".into()), false),
            (with("crv", "X25519".into()), false),
            (with("kid", Value::Null), false),
            (with("x", "AAAA".into()), false),
        ] {
            let set = keys(std::slice::from_ref(&jwk));
            assert_eq!(passes(&good, &set), passed, "{jwk}");
        }
        // A strange key does not take the others with it.
        let odd = serde_json::json!({"kty": 7});
        assert!(passes(&good, &keys(&[odd, serde_json::json!("x"), jwk])));
        for bad in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
            assert!(Keys::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
