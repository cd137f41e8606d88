//! Writes payload structs as JSON, several times faster than a general serialiser: the journal's cost per request is
//! bounded, and most of it was this. It knows only what payloads are made of; anything else is an error, not a guess.
//!
//! Must never know which fields there are.
//! Invariants: output is one line of inert JSON (see `inert`); the same structs written by `serde_json` read as the same value.

use std::fmt;

use serde::ser::{Impossible, SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::inert::{Inert, is_plain};
use wire::decimal::decimal;

/// A type that payloads may not contain.
#[derive(Debug)]
pub(super) struct Unsupported(String);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsupported {}

impl serde::ser::Error for Unsupported {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self(what.to_string())
    }
}

fn unsupported<T>() -> Result<T, Unsupported> {
    Err(Unsupported("a type that payloads do not use".to_owned()))
}

/// One value being written.
pub(super) struct Line<'b> {
    pub(super) out: &'b mut Vec<u8>,
    /// Where the value stands.
    pub(super) place: Place,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its fields go on an object that has some already and stays open.
    Spliced,
    /// It is a value of its own.
    Inner,
}

/// An object or array whose next element may need a comma before it.
pub(super) struct Elements<'b> {
    out: &'b mut Vec<u8>,
    comma: bool,
    end: Option<u8>,
}

impl Elements<'_> {
    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    fn finish(self) {
        self.out.extend(self.end);
    }

    fn value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unsupported> {
        value.serialize(Line {
            out: self.out,
            place: Place::Inner,
        })
    }
}

/// Bytes of a field beside its key: quotes, colon, comma, and a short value.
const FIELD_BYTES: usize = 40;

impl SerializeStruct for Elements<'_> {
    type Ok = ();
    type Error = Unsupported;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        debug_assert!(is_plain(key));
        // Room for the value too, if it is short: the pushes below then find it made.
        self.out.reserve(key.len() + FIELD_BYTES);
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.value(value)
    }

    fn end(self) -> Result<(), Unsupported> {
        self.finish();
        Ok(())
    }
}

impl SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = Unsupported;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unsupported> {
        self.separate();
        self.value(value)
    }

    fn end(self) -> Result<(), Unsupported> {
        self.finish();
        Ok(())
    }
}

/// Writes digits.
pub(super) fn put_unsigned(out: &mut Vec<u8>, number: u64) {
    if let Some(digit) = u8::try_from(number).ok().filter(|digit| *digit < 10) {
        out.push(b'0' + digit);
        return;
    }
    out.extend_from_slice(decimal(number, &mut [0; 20]));
}

/// Writes a sign, if it needs one, and digits.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    put_unsigned(out, number.unsigned_abs());
}

impl<'b> Serializer for Line<'b> {
    type Ok = ();
    type Error = Unsupported;
    type SerializeSeq = Elements<'b>;
    type SerializeStruct = Elements<'b>;
    type SerializeTuple = Impossible<(), Unsupported>;
    type SerializeTupleStruct = Impossible<(), Unsupported>;
    type SerializeTupleVariant = Impossible<(), Unsupported>;
    type SerializeMap = Impossible<(), Unsupported>;
    type SerializeStructVariant = Impossible<(), Unsupported>;

    fn serialize_bool(self, value: bool) -> Result<(), Unsupported> {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Unsupported> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Unsupported> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Unsupported> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unsupported> {
        put_unsigned(self.out, value);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Unsupported> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Unsupported> {
        put_signed(self.out, value);
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Unsupported> {
        if is_plain(text) {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
            return Ok(());
        }
        text.serialize(&mut serde_json::Serializer::with_formatter(self.out, Inert))
            .map_err(serde::ser::Error::custom)
    }

    fn collect_str<T: ?Sized + fmt::Display>(self, text: &T) -> Result<(), Unsupported> {
        serde_json::Serializer::with_formatter(self.out, Inert)
            .collect_str(text)
            .map_err(serde::ser::Error::custom)
    }

    fn serialize_none(self) -> Result<(), Unsupported> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Unsupported> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Unsupported> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unsupported> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'b>, Unsupported> {
        self.out.push(b'[');
        Ok(Elements {
            out: self.out,
            comma: false,
            end: Some(b']'),
        })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Elements<'b>, Unsupported> {
        let spliced = self.place == Place::Spliced;
        if !spliced {
            self.out.push(b'{');
        }
        Ok(Elements {
            out: self.out,
            comma: spliced,
            end: (!spliced).then_some(b'}'),
        })
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_f64(self, _: f64) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_char(self, _: char) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_unit(self) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unsupported> {
        unsupported()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unsupported> {
        unsupported()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unsupported> {
        unsupported()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unsupported> {
        unsupported()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unsupported> {
        unsupported()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unsupported> {
        unsupported()
    }
}
