//! How a record is written: its moment, then the fields of its parts, one after another in one object.
//!
//! Knows no payload but those that the journal itself makes.

use crate::line::{Fields, Object, key};
use crate::record::{self, Kind};

/// What every `closed` payload begins with.
pub(crate) struct Closes<'a> {
    pub(crate) opening: u64,
    pub(crate) id: &'a str,
}

impl Fields for Closes<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.number(key!("opening"), self.opening);
        to.whole(key!("id"), self.id);
    }
}

/// Payload of a `lost` record.
pub(crate) struct Lost<'a> {
    pub(crate) from: u64,
    pub(crate) count: u64,
    pub(crate) why: &'a str,
}

impl Fields for Lost<'_> {
    fn write(&self, to: &mut Object<'_>) {
        to.number(key!("from"), self.from);
        to.number(key!("count"), self.count);
        to.whole(key!("why"), self.why);
    }
}

/// When a record was made, by the journal's clock.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Milliseconds since 1970-01-01 UTC.
    pub wall_ms: i64,
    /// See [`crate::clock::Clock::mono_ns`].
    pub mono_ns: u64,
}

/// Writes a record without its index into `buf`: the moment, and the fields of all parts, in order, as one object.
pub(crate) fn encode(buf: &mut Vec<u8>, kind: Kind, at: Moment, parts: &[&dyn Fields]) {
    record::start(buf, kind);
    Object::put(buf, |object| {
        object.signed(key!("at"), at.wall_ms);
        object.number(key!("mono"), at.mono_ns);
        for part in parts {
            part.write(object);
        }
    });
}
