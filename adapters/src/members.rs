//! Removing, renaming and adding members of a scanned object by span edits, commas included.
//!
//! Knows no field by name. Invariant: applied to the object's body, the edits leave valid JSON, whichever members go.
//! Values are never touched, so that other edits inside them (a redaction, a clamp) stay disjoint from these.

use bytes::Bytes;
use smallvec::SmallVec;
use wire::edit::Overlap;
use wire::json::{self, Type, Value};
use wire::{Edits, Fault, Kind};

/// What happens to one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    Remove,
    Rename(&'static str),
}

/// Changes to one object's members, turned into edits together at the end.
pub(crate) struct Plan<'a> {
    object: Value<'a>,
    members: SmallVec<[(Value<'a>, Value<'a>, Fate); 8]>,
    /// Members to add, each without a comma.
    added: SmallVec<[Vec<u8>; 2]>,
}

impl<'a> Plan<'a> {
    /// No changes. `object` must be an object.
    pub(crate) fn new(object: Value<'a>) -> Self {
        debug_assert!(object.kind() == Type::Object, "a plan is for an object");
        let mut plan = Self {
            object,
            members: SmallVec::new(),
            added: SmallVec::new(),
        };
        let members = object.members();
        plan.members
            .extend(members.map(|(key, value)| (key, value, Fate::Keep)));
        plan
    }

    /// All members as they stood: position, key, value.
    pub(crate) fn members(&self) -> impl Iterator<Item = (usize, Value<'a>, Value<'a>)> + '_ {
        let rows = self.members.iter().enumerate();
        rows.map(|(at, (key, value, _))| (at, *key, *value))
    }

    /// The value of the member of that name, unless it was removed.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        let mut kept = self.members.iter().filter(|row| row.2 != Fate::Remove);
        kept.find_map(|(key, value, _)| key.is_named(name).then_some(*value))
    }

    /// Removes the member at a position.
    pub(crate) fn remove_at(&mut self, at: usize) {
        if let Some(row) = self.members.get_mut(at) {
            row.2 = Fate::Remove;
        }
    }

    /// Removes the member of that name, if there is one.
    pub(crate) fn remove(&mut self, name: &str) {
        for row in &mut self.members {
            if row.0.is_named(name) {
                row.2 = Fate::Remove;
            }
        }
    }

    /// Renames the member at a position; one that had the new name already goes.
    pub(crate) fn rename_at(&mut self, at: usize, to: &'static str) {
        self.remove(to);
        if let Some(row) = self.members.get_mut(at) {
            row.2 = Fate::Rename(to);
        }
    }

    /// Adds a member; `raw` is its value as JSON. The caller knows that there is none of that name.
    pub(crate) fn add(&mut self, name: &str, raw: &str) {
        let mut member = Vec::with_capacity(name.len() + raw.len() + 4);
        member.push(b'"');
        json::escape(name, &mut member);
        member.extend_from_slice(b"\":");
        member.extend_from_slice(raw.as_bytes());
        self.added.push(member);
    }

    /// Makes the edits.
    ///
    /// # Errors
    /// `Bug`: another edit wants the same bytes.
    pub(crate) fn finish(&self, edits: &mut Edits) -> Result<(), Fault> {
        self.make(edits).map_err(overlap)
    }

    fn make(&self, edits: &mut Edits) -> Result<(), Overlap> {
        let object = self.object.span();
        // One past the last kept member before the one looked at; a run of removed members goes with the comma before
        // it, or, at the object's beginning, with the comma behind it.
        let mut last_kept: Option<usize> = None;
        let mut run: Option<(usize, usize)> = None;
        for (key, value, fate) in &self.members {
            if *fate == Fate::Remove {
                let from = run.map_or(key.span().start, |run| run.0);
                run = Some((from, value.span().end));
                continue;
            }
            if let Some((from, to)) = run.take() {
                match last_kept {
                    Some(end) => edits.replace(end..to, Bytes::new())?,
                    None => edits.replace(from..key.span().start, Bytes::new())?,
                }
            }
            if let Fate::Rename(name) = fate {
                edits.replace(key.span(), quoted(name))?;
            }
            last_kept = Some(value.span().end);
        }
        if let Some((from, to)) = run {
            edits.replace(last_kept.unwrap_or(from)..to, Bytes::new())?;
        }
        if !self.added.is_empty() {
            let mut new = self.added.join(&b','.to_owned());
            if last_kept.is_some() {
                new.insert(0, b',');
            }
            let at = last_kept.unwrap_or(object.start + 1);
            edits.replace(at..at, new)?;
        }
        Ok(())
    }
}

/// Takes elements out of an array, commas included.
///
/// # Errors
/// `Bug`: another edit wants the same bytes.
pub(crate) fn without(
    array: Value<'_>,
    goes: impl Fn(&Value<'_>) -> bool,
    edits: &mut Edits,
) -> Result<(), Fault> {
    // From behind what was kept last, or from the first element, up to the next that is kept.
    let mut kept_end = None;
    let mut gone_from = None;
    let mut gone_to = 0;
    for one in array.elements() {
        let span = one.span();
        if goes(&one) {
            gone_from.get_or_insert(kept_end.unwrap_or(span.start));
            gone_to = span.end;
            continue;
        }
        if let Some(from) = gone_from.take() {
            let to = if kept_end.is_none() {
                span.start
            } else {
                gone_to
            };
            edits.replace(from..to, "").map_err(overlap)?;
        }
        kept_end = Some(span.end);
    }
    if let Some(from) = gone_from {
        edits.replace(from..gone_to, "").map_err(overlap)?;
    }
    Ok(())
}

/// A name of ours as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> Bytes {
    let mut raw = Vec::with_capacity(text.len() + 2);
    raw.push(b'"');
    json::escape(text, &mut raw);
    raw.push(b'"');
    raw.into()
}

/// Two edits of ours overlap: never the client's fault.
pub(crate) fn overlap(_: Overlap) -> Fault {
    Fault::new(Kind::Bug).detail("edits overlap")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wire::json::{Limits, scan};

    proptest! {
        #[test]
        fn any_change_leaves_valid_json(fates in prop::collection::vec(0u8..4, 0..7), adds in 0usize..3, space in prop::bool::ANY) {
            let gap = if space { " " } else { "" };
            let members: Vec<String> = fates.iter().enumerate().map(|(at, _)| format!("{gap}\"k{at}\"{gap}:{gap}[{at}]{gap}")).collect();
            let body = Bytes::from(format!("{{{gap}{}{gap}}}", members.join(",")));
            let tape = scan(&body, &Limits::default()).unwrap();
            let mut plan = Plan::new(Value::root(&tape, &body).unwrap());
            let mut want = serde_json::Map::new();
            let names = ["r0", "r1", "r2", "r3", "r4", "r5", "r6"];
            for (at, fate) in fates.iter().enumerate() {
                match fate {
                    0 => plan.remove_at(at),
                    1 => { plan.rename_at(at, names[at]); want.insert(names[at].into(), serde_json::json!([at])); }
                    _ => { want.insert(format!("k{at}"), serde_json::json!([at])); }
                }
            }
            for add in 0..adds {
                plan.add(&format!("a{add}"), "true");
                want.insert(format!("a{add}"), true.into());
            }
            let mut edits = Edits::new();
            plan.finish(&mut edits).unwrap();
            let made = edits.apply(&body).into_bytes();
            prop_assert!(scan(&made, &Limits::default()).is_ok(), "{:?}", made);
            let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
            prop_assert_eq!(made, serde_json::Value::Object(want));
        }
    }
}
