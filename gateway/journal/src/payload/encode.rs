//! How a record is written: its moment, then the fields of its parts, one after another in one object.
//!
//! Knows no payload but those that the journal itself makes.

use serde::Serialize;

use crate::line::{self, Line, Place, Unsupported};
use crate::record::{self, Kind};

/// What every `closed` payload begins with.
#[derive(Serialize)]
pub(crate) struct Closes<'a> {
    pub(crate) opening: u64,
    pub(crate) id: &'a str,
}

/// Payload of a `lost` record.
#[derive(Serialize)]
pub(crate) struct Lost<'a> {
    pub(crate) from: u64,
    pub(crate) count: u64,
    pub(crate) why: &'a str,
}

/// When a record was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall_ms: i64,
    pub(crate) mono_ns: u64,
}

/// Writes a record without its index into `buf`: the fields of all parts that are added, in order, as one object.
pub(crate) fn encode(
    buf: &mut Vec<u8>,
    kind: Kind,
    at: Moment,
    write_parts: impl FnOnce(&mut Parts<'_>) -> Result<(), Unsupported>,
) -> Result<(), Unsupported> {
    record::start(buf, kind);
    buf.extend_from_slice(b"{\"at\":");
    line::put_signed(buf, at.wall_ms);
    buf.extend_from_slice(b",\"mono\":");
    line::put_unsigned(buf, at.mono_ns);
    write_parts(&mut Parts { buf })?;
    buf.push(b'}');
    Ok(())
}

/// An object that is being written; structs are spliced into it.
pub(crate) struct Parts<'b> {
    buf: &'b mut Vec<u8>,
}

impl Parts<'_> {
    /// Adds the fields of a struct.
    pub(crate) fn add(&mut self, part: &impl Serialize) -> Result<(), Unsupported> {
        part.serialize(Line {
            out: self.buf,
            place: Place::Spliced,
        })
    }
}
