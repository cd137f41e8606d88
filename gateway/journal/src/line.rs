//! Writes payloads as JSON, field by field, several times faster than a general serialiser and with less code of its own:
//! the journal's cost per request is bounded, and most of it was this. Fields are no generics: one piece of code that
//! writes thirty of them stays in the processor's caches, thirty pieces do not.
//!
//! Must never know which fields there are.
//! Invariants: output is one line of inert JSON (see `inert`); a text takes no more escaped bytes than was said.

use serde::{Serialize, Serializer as _};

use super::inert::{Inert, cut, is_plain};
use super::seal::{Digest, hex32};

/// What a record says: fields that it adds to an object, in order.
pub(crate) trait Fields {
    /// Adds them.
    fn write(&self, to: &mut Object<'_>);
}

/// An object that is being written.
pub(crate) struct Object<'b> {
    out: &'b mut Vec<u8>,
}

/// Name of a field, as it is written behind another: `,"name":`. All of the room is copied and what is too much cut off
/// again: a copy of known length is no call.
pub(crate) struct Key {
    room: [u8; KEY_BYTES_MAX],
    bytes: usize,
}

/// The longest key; a longer one does not compile.
const KEY_BYTES_MAX: usize = 24;

impl Key {
    #[expect(clippy::indexing_slicing, reason = "evaluated when compiled")]
    pub(crate) const fn of(key: &str) -> Self {
        let mut room = [0; KEY_BYTES_MAX];
        let mut at = 0;
        while at < key.len() {
            room[at] = key.as_bytes()[at];
            at += 1;
        }
        Self { room, bytes: at }
    }
}

/// The [`Key`] of a name.
macro_rules! key {
    ($name:literal) => {{
        const KEY: $crate::line::Key = $crate::line::Key::of(concat!(",\"", $name, "\":"));
        &KEY
    }};
}
pub(crate) use key;

/// Most escaped bytes of a name in a list.
const NAME_BYTES_MAX: usize = 64;

impl<'b> Object<'b> {
    /// Writes an object whose fields `write` adds, each behind its [`Key`].
    pub(crate) fn put(out: &'b mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
        let from = out.len();
        write(&mut Object { out });
        // What is a comma before all other fields.
        match out.get_mut(from) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }

    fn key(&mut self, key: &Key) {
        let end = self.out.len() + key.bytes;
        self.out.extend_from_slice(&key.room);
        self.out.truncate(end);
    }

    fn value(&mut self, text: &str, most: usize) {
        if text.len() <= most && is_plain(text) {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            self.odd_value(text, most);
        }
    }

    #[cold]
    fn odd_value(&mut self, text: &str, most: usize) {
        let mut writer = serde_json::Serializer::with_formatter(&mut *self.out, Inert);
        let written = match cut(text, most) {
            None => writer.serialize_str(text),
            Some(kept) => writer.collect_str(&format_args!("{kept}…")),
        };
        debug_assert!(written.is_ok(), "a vector takes everything");
    }

    /// A text, cut to `most` escaped bytes and then ending in `…`; left out if there is none.
    #[inline(never)]
    pub(crate) fn text(&mut self, key: &Key, text: &str, most: usize) {
        if !text.is_empty() {
            self.key(key);
            self.value(text, most);
        }
    }

    /// A text that is bounded otherwise, even if it is empty.
    pub(crate) fn whole(&mut self, key: &Key, text: &str) {
        self.key(key);
        self.value(text, usize::MAX);
    }

    /// One of a few names of ours, as serde has it: where it is not written for every request.
    pub(crate) fn tag(&mut self, key: &Key, tag: &impl Serialize) {
        self.key(key);
        let written = tag.serialize(&mut serde_json::Serializer::new(&mut *self.out));
        debug_assert!(written.is_ok(), "a vector takes everything");
    }

    /// A number.
    #[inline(never)]
    pub(crate) fn number(&mut self, key: &Key, number: u64) {
        self.key(key);
        self.digits(number);
    }

    fn digits(&mut self, number: u64) {
        let mut digits = itoa::Buffer::new();
        self.out.extend_from_slice(digits.format(number).as_bytes());
    }

    /// A number, left out if it is 0.
    pub(crate) fn nonzero(&mut self, key: &Key, number: u64) {
        if number != 0 {
            self.number(key, number);
        }
    }

    /// A number, left out if there is none.
    pub(crate) fn maybe(&mut self, key: &Key, number: Option<u64>) {
        if let Some(number) = number {
            self.number(key, number);
        }
    }

    /// A number with a sign.
    pub(crate) fn signed(&mut self, key: &Key, number: i64) {
        self.key(key);
        if number < 0 {
            self.out.push(b'-');
        }
        self.digits(number.unsigned_abs());
    }

    /// A truth value.
    #[inline(never)]
    pub(crate) fn flag(&mut self, key: &Key, flag: bool) {
        self.key(key);
        let text: &[u8] = if flag { b"true" } else { b"false" };
        self.out.extend_from_slice(text);
    }

    /// A digest in hex, left out if there is none.
    pub(crate) fn digest(&mut self, key: &Key, digest: Option<&Digest>) {
        if let Some(digest) = digest {
            self.whole(key, str::from_utf8(&hex32(digest)).unwrap_or_default());
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, key: &Key, fields: &impl Fields) {
        self.key(key);
        Object::put(self.out, |object| fields.write(object));
    }

    /// Objects, at most so many, and then one that counts the rest; left out if there are none.
    pub(crate) fn objects(&mut self, key: &Key, list: &[impl Fields], most: usize) {
        self.list(key, list, most, |this, fields| match fields {
            Item::One(fields) => Object::put(this.out, |object| fields.write(object)),
            Item::Rest(count) => Object::put(this.out, |object| object.number(key!("more"), count)),
        });
    }

    /// Names, at most so many, and then one that counts the rest; left out if there are none.
    pub(crate) fn names(&mut self, key: &Key, list: &[&str], most: usize) {
        self.list(key, list, most, |this, name| match name {
            Item::One(name) => this.value(name, NAME_BYTES_MAX),
            Item::Rest(count) => this.value(&format!("… and {count} more"), NAME_BYTES_MAX),
        });
    }

    /// A comma, unless what comes is the first of its list.
    fn next(&mut self) {
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
    }

    fn list<T>(
        &mut self,
        key: &Key,
        list: &[T],
        most: usize,
        put: impl Fn(&mut Self, Item<'_, T>),
    ) {
        if list.is_empty() {
            return;
        }
        self.key(key);
        self.out.push(b'[');
        for one in list.iter().take(most) {
            self.next();
            put(self, Item::One(one));
        }
        if list.len() > most {
            self.next();
            put(self, Item::Rest((list.len() - most) as u64));
        }
        self.out.push(b']');
    }
}

/// What stands in a list.
enum Item<'i, T> {
    One(&'i T),
    /// So many more, which are left out.
    Rest(u64),
}
