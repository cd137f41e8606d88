//! What a verified token says: whether it is for us and in time, and who it speaks of.
//!
//! Knows no signature and no team's rights. Invariants: `iss`, `aud` and `exp` must be there; a claim is a text or a list
//! of texts, anything else says nothing; a name with control characters is no name.

use serde_json::{Map, Value};

/// Longest name of a user, in bytes: it stands in records and in names of limits.
const USER_BYTES_MAX: usize = 128;
/// Most values of one claim that are looked at.
const VALUES_MAX: usize = 512;

/// What a token must say to be for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who must have issued it.
    pub issuer: String,
    /// For whom: one of these.
    pub audiences: Vec<String>,
    /// How far clocks may be apart, in seconds.
    pub leeway_s: i64,
}

/// Which claims say what. A name is looked for as it is, then as a way through objects (`realm_access.roles`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Groups, of which one is a team.
    pub team: String,
    /// The user.
    pub user: String,
    /// Roles at the admin endpoint.
    pub roles: Option<String>,
    /// The least grade of the user's requests.
    pub grade: Option<String>,
}

/// Who a token speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub user: Box<str>,
    /// Groups, in the token's order.
    pub groups: Vec<String>,
    /// Roles, in the token's order.
    pub roles: Vec<String>,
    /// Names of grades.
    pub grades: Vec<String>,
    /// Unix milliseconds from which on it is no longer valid, leeway included.
    pub expires_ms: u64,
}

/// Judges the claims at `now_s` (Unix seconds) and reads them.
///
/// # Errors
/// Why not, in a word or two for our own log.
pub(super) fn read(
    claims: &Map<String, Value>,
    wanted: &Wanted,
    names: &Names,
    now_s: i64,
) -> Result<Person, &'static str> {
    if claims.get("iss").and_then(Value::as_str) != Some(&wanted.issuer) {
        return Err("issuer");
    }
    let for_us = texts(claims.get("aud")).any(|text| wanted.audiences.iter().any(|us| us == text));
    if !for_us {
        return Err("audience");
    }
    let (early, late) = (now_s - wanted.leeway_s, now_s + wanted.leeway_s);
    let end = moment(claims, "exp")?.ok_or("no_expiry")?;
    if end <= early {
        return Err("expired");
    }
    for (claim, why) in [("nbf", "not_yet"), ("iat", "issued_later")] {
        if moment(claims, claim)?.is_some_and(|at| at > late) {
            return Err(why);
        }
    }
    let user = find(claims, &names.user).and_then(Value::as_str);
    let user = user
        .filter(|user| (1..=USER_BYTES_MAX).contains(&user.len()))
        .filter(|user| !user.chars().any(char::is_control))
        .ok_or("user")?;
    let all = |name: Option<&String>| {
        let value = name.and_then(|name| find(claims, name));
        texts(value).map(str::to_owned).collect()
    };
    let end_ms = end.saturating_add(wanted.leeway_s).saturating_mul(1000);
    Ok(Person {
        user: user.into(),
        groups: all(Some(&names.team)),
        roles: all(names.roles.as_ref()),
        grades: all(names.grade.as_ref()),
        expires_ms: u64::try_from(end_ms).map_err(|_| "expired")?,
    })
}

fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |at, step| at.get(step))
}

/// The texts of a claim: itself, or what its list holds.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    let many = value.and_then(Value::as_array).into_iter().flatten();
    one.into_iter()
        .chain(many.filter_map(Value::as_str))
        .take(VALUES_MAX)
}

/// A NumericDate (RFC 7519, section 2): seconds, perhaps with a fraction.
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, &'static str> {
    /// The end of the year 9999.
    const LATEST: f64 = 253_402_300_799.0;
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    match value.as_f64() {
        // A whole number of this size is exact.
        Some(seconds) if (0.0..=LATEST).contains(&seconds) => Ok(Some(seconds as i64)),
        _ => Err("time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn check(change: Value) -> Result<Person, &'static str> {
        let mut claims = json!({
            "iss": "https://sso.example.com", "aud": "yumen", "sub": "li.wei",
            "exp": NOW + 300, "nbf": NOW, "iat": NOW,
            "groups": ["staff", "retail"], "realm_access": {"roles": ["audit"]}, "grade": "internal",
        });
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let wanted = Wanted {
            issuer: "https://sso.example.com".into(),
            audiences: vec!["yumen".into(), "gateway".into()],
            leeway_s: 60,
        };
        let names = Names {
            team: "groups".into(),
            user: "sub".into(),
            roles: Some("realm_access.roles".into()),
            grade: Some("grade".into()),
        };
        read(claims.as_object().unwrap(), &wanted, &names, NOW)
    }

    #[test]
    fn who_it_is() {
        let person = check(json!({})).unwrap();
        let expected = Person {
            user: "li.wei".into(),
            groups: vec!["staff".into(), "retail".into()],
            roles: vec!["audit".into()],
            grades: vec!["internal".into()],
            expires_ms: (NOW as u64 + 360) * 1000,
        };
        assert_eq!(person, expected);
        let one = check(json!({"groups": "retail", "aud": ["other", "gateway"]})).unwrap();
        assert_eq!(one.groups, ["retail"]);
        let odd = check(json!({"groups": {"a": 1}, "realm_access": "x", "grade": 3})).unwrap();
        assert!(odd.groups.is_empty() && odd.roles.is_empty() && odd.grades.is_empty());
    }

    #[test]
    fn what_is_not_for_us_or_not_now() {
        for (change, why) in [
            (json!({"iss": null}), Some("issuer")),
            (json!({"iss": "https://sso.example.com/"}), Some("issuer")),
            (json!({"aud": null}), Some("audience")),
            (json!({"aud": "Yumen"}), Some("audience")),
            (json!({"aud": []}), Some("audience")),
            (json!({"exp": null}), Some("no_expiry")),
            (json!({"exp": NOW - 60}), Some("expired")),
            (json!({"exp": NOW - 59}), None),
            (json!({"exp": NOW as f64 + 0.5}), None),
            (json!({"exp": "soon"}), Some("time")),
            (json!({"exp": -1}), Some("time")),
            (json!({"exp": 1e300}), Some("time")),
            (json!({"nbf": NOW + 60}), None),
            (json!({"nbf": NOW + 61}), Some("not_yet")),
            (json!({"iat": NOW + 61}), Some("issued_later")),
            (json!({"iat": null, "nbf": null}), None),
            (json!({"sub": null}), Some("user")),
            (json!({"sub": ""}), Some("user")),
            (json!({"sub": 7}), Some("user")),
            (json!({"sub": "a\nb"}), Some("user")),
            (json!({"sub": "a".repeat(129)}), Some("user")),
            (json!({"sub": "李伟"}), None),
        ] {
            assert_eq!(check(change.clone()).err(), why, "{change}");
        }
    }

    #[test]
    fn a_name_with_dots_is_a_name_first() {
        let claims =
            json!({"https://x.example/roles": ["a"], "a.b": 1, "a": {"b": 2, "c": {"d": 3}}});
        let claims = claims.as_object().unwrap();
        for (name, value) in [
            ("https://x.example/roles", Some(json!(["a"]))),
            ("a.b", Some(json!(1))),
            ("a.c.d", Some(json!(3))),
            ("a.c.e", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(find(claims, name), value.as_ref(), "{name}");
        }
    }
}
