//! A value that nobody may see: vendors' keys, the admin token.
//!
//! Knows nothing of where it came from. Invariant: `Debug`, `Display` and `Serialize` print [`MASK`]; the only way to the
//! value is [`Secret::expose`], so that a search for that word finds every use. The memory is overwritten on drop as far
//! as safe code can make sure of it (T-47); copies made by whoever exposed it are theirs to care for.

use std::fmt;
use std::hint::black_box;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A secret string.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`. The caller's own copies are the caller's.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the secret, in time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, given: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), given).is_ok()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The path, if this is a `file:` reference that still has to be read.
    #[must_use]
    pub(crate) fn file_reference(&self) -> Option<&str> {
        self.expose().strip_prefix("file:")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Keeps the compiler from dropping the writes as dead.
        black_box(&bytes);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A secret: `${ENV}`, `file:/path/to/it`, or the value itself.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_mask_everywhere() {
        let secret = Secret::new("sk-planted".into());
        let shown = format!(
            "{secret} {secret:?} {:?} {}",
            Some(&secret),
            serde_json::to_string(&secret).unwrap()
        );
        assert_eq!(shown, "*** *** Some(***) \"***\"");
        assert_eq!(secret.expose(), "sk-planted");
    }

    #[test]
    fn compares_whole_values() {
        let secret = Secret::new("token".into());
        assert!(secret.matches(b"token"));
        assert!(!secret.matches(b"toke") && !secret.matches(b"token2") && !secret.matches(b""));
    }

    #[test]
    fn knows_a_file_reference() {
        assert_eq!(
            Secret::new("file:/run/k".into()).file_reference(),
            Some("/run/k")
        );
        assert_eq!(Secret::new("sk-file:".into()).file_reference(), None);
    }
}
