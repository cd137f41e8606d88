//! For `deserialize_with`: maps and lists that go on after a bad entry, so that every bad entry is reported.
//!
//! Knows no setting. Relies on the deserializer in [`decode`](super::decode) to record an entry's error as it passes.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Visitor};

/// A map by name.
///
/// # Errors
/// The last bad entry; the others are recorded on the way.
pub fn named<'de, V, D>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    V: Deserialize<'de>,
    D: de::Deserializer<'de>,
{
    struct Named<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Named<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            let mut bad = None;
            while let Some(name) = map.next_key::<String>()? {
                match map.next_value() {
                    Ok(value) => drop(all.insert(name, value)),
                    Err(error) => bad = Some(error),
                }
            }
            bad.map_or(Ok(all), Err)
        }
    }
    deserializer.deserialize_map(Named(PhantomData))
}

/// A list.
///
/// # Errors
/// The last bad element; the others are recorded on the way.
pub fn listed<'de, V, D>(deserializer: D) -> Result<Vec<V>, D::Error>
where
    V: Deserialize<'de>,
    D: de::Deserializer<'de>,
{
    struct Listed<V>(PhantomData<V>);
    impl<'de, V: Deserialize<'de>> Visitor<'de> for Listed<V> {
        type Value = Vec<V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            let mut bad = None;
            loop {
                match seq.next_element() {
                    Ok(Some(value)) => all.push(value),
                    Ok(None) => break,
                    Err(error) => bad = Some(error),
                }
            }
            bad.map_or(Ok(all), Err)
        }
    }
    deserializer.deserialize_seq(Listed(PhantomData))
}
