//! How the fields of payloads are cut: texts to a number of bytes, lists to a number of elements, each with a sign that
//! there was more.

use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{ATTEMPTS_MAX, Attempt, FEW_MAX, FINDINGS_MAX, Found, POLICIES_MAX, short_id};
use crate::inert::Short;
use crate::seal::{Digest, hex32};

pub(crate) fn short<const N: usize, S: Serializer>(
    text: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Short::<N>(text).serialize(serializer)
}

pub(crate) fn names<S: Serializer>(list: &[&str], serializer: S) -> Result<S::Ok, S::Error> {
    some_names::<POLICIES_MAX, S>(list, serializer)
}

pub(super) fn few_names<S: Serializer>(list: &[&str], serializer: S) -> Result<S::Ok, S::Error> {
    some_names::<FEW_MAX, S>(list, serializer)
}

fn some_names<const MOST: usize, S: Serializer>(
    list: &[&str],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(None)?;
    for name in list.iter().take(MOST) {
        seq.serialize_element(&Short::<64>(name))?;
    }
    if let Some(more) = list.len().checked_sub(MOST + 1) {
        seq.serialize_element(&format_args!("… and {} more", more + 1))?;
    }
    seq.end()
}

pub(super) fn findings<S: Serializer>(
    list: &[Found<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    some_findings::<FINDINGS_MAX, S>(list, serializer)
}

pub(super) fn few_findings<S: Serializer>(
    list: &[Found<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    some_findings::<FEW_MAX, S>(list, serializer)
}

fn some_findings<const MOST: usize, S: Serializer>(
    list: &[Found<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(None)?;
    for found in list.iter().take(MOST) {
        seq.serialize_element(found)?;
    }
    if let Some(more) = list.len().checked_sub(MOST + 1) {
        seq.serialize_element(&More { more: more + 1 })?;
    }
    seq.end()
}

pub(super) fn attempts<S: Serializer>(
    list: &[Attempt<'_>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(None)?;
    for attempt in list.iter().take(ATTEMPTS_MAX) {
        seq.serialize_element(attempt)?;
    }
    if let Some(more) = list.len().checked_sub(ATTEMPTS_MAX + 1) {
        seq.serialize_element(&More { more: more + 1 })?;
    }
    seq.end()
}

/// Last element of a list of attempts that was too long.
#[derive(Serialize)]
struct More {
    more: usize,
}

pub(super) fn digest<S: Serializer>(
    digest: &Option<&Digest>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let hex = digest.map(hex32).unwrap_or([b'0'; 64]);
    serializer.serialize_str(str::from_utf8(&hex).unwrap_or_default())
}

pub(super) fn whole_id<S: Serializer>(id: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(short_id(id))
}
