//! Reading a tape: a value, its members, its elements, its bytes.
//!
//! Copies nothing but the decoded text of escaped strings.

use std::borrow::Cow;
use std::ops::Range;

use super::tape::{Escapes, Node, Tape, Type};
use super::text;
use crate::decimal;
use crate::short::same;

/// One value of a scanned text.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    tape: &'a Tape,
    body: &'a [u8],
    at: u32,
    node: Node,
}

impl<'a> Value<'a> {
    /// The top-level value. `body` must be what `tape` was scanned from. `None` for an empty tape.
    #[must_use]
    pub fn root(tape: &'a Tape, body: &'a [u8]) -> Option<Self> {
        Self::at(tape, body, 0)
    }

    /// The value at an index of the tape.
    #[must_use]
    pub fn at(tape: &'a Tape, body: &'a [u8], at: u32) -> Option<Self> {
        tape.nodes.get(at as usize).map(|node| Self {
            tape,
            body,
            at,
            node: *node,
        })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Type {
        self.node.kind
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.node.kind == Type::Null
    }

    /// Its index on the tape.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.at
    }

    /// The tape index just behind it and all that it contains.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.node.next
    }

    /// Whether it is a member's key.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.node.key
    }

    /// Its byte span in the body, quotes included.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.node.start as usize..self.node.end as usize
    }

    /// Its bytes as they stand.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.body.get(self.span()).unwrap_or_default()
    }

    /// The span between a string's quotes; `None` if it is not a string.
    #[must_use]
    pub fn inner_span(&self) -> Option<Range<usize>> {
        (self.node.kind == Type::String)
            .then(|| self.node.start as usize + 1..self.node.end as usize - 1)
    }

    /// The escaped text between a string's quotes.
    #[must_use]
    pub fn inner(&self) -> Option<&'a str> {
        self.inner_bytes().and_then(utf8)
    }

    /// The same as bytes, which nobody looks at again for being UTF-8.
    #[must_use]
    pub fn inner_bytes(&self) -> Option<&'a [u8]> {
        self.inner_span().and_then(|span| self.body.get(span))
    }

    /// Whether it is a string with something in it.
    #[must_use]
    pub fn has_text(&self) -> bool {
        self.inner_span().is_some_and(|span| !span.is_empty())
    }

    /// A string's text.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        self.inner().map(|raw| {
            if self.is_escaped() {
                text::unescape(raw)
            } else {
                Cow::Borrowed(raw)
            }
        })
    }

    /// A string's text as bytes: for comparing names. Empty for what is no string.
    #[must_use]
    #[inline]
    pub fn text_bytes(&self) -> Cow<'a, [u8]> {
        let raw = self.inner_bytes().unwrap_or_default();
        if self.is_escaped() {
            text::unescape_bytes(raw)
        } else {
            Cow::Borrowed(raw)
        }
    }

    /// About how many bytes of text it holds: its own, if it is a string, or those of all strings in it that are no names
    /// and no data.
    #[must_use]
    pub fn plain_len(&self) -> u64 {
        let nodes = self
            .tape
            .nodes
            .get(self.at as usize..self.node.next as usize);
        let mut sum = 0;
        for (node, at) in nodes.into_iter().flatten().zip(self.at..) {
            let value = Value {
                at,
                node: *node,
                ..*self
            };
            let raw = value.inner_bytes().unwrap_or_default();
            if !value.is_key() && !raw.starts_with(b"data:") {
                sum += text::plain_len(raw);
            }
        }
        sum
    }

    /// Whether a string holds at least one backslash.
    #[must_use]
    pub fn is_escaped(&self) -> bool {
        self.escapes() != Escapes::None
    }

    /// The escapes of a string.
    #[must_use]
    pub fn escapes(&self) -> Escapes {
        self.node.escapes
    }

    /// `true` or `false`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.node.kind {
            Type::True => Some(true),
            Type::False => Some(false),
            _ => None,
        }
    }

    /// A number that is a whole one, 0 or more, and fits. `1.0` and `1e3` count as whole.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if self.node.kind != Type::Number {
            return None;
        }
        if let Some(whole) = decimal::number(self.raw()) {
            return Some(whole);
        }
        let float = self.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range, just checked"
        )]
        (float.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&float))
            .then_some(float as u64)
    }

    /// A number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.number().and_then(|digits| digits.parse().ok())
    }

    fn number(&self) -> Option<&'a str> {
        (self.node.kind == Type::Number)
            .then(|| std::str::from_utf8(self.raw()).ok())
            .flatten()
    }

    /// The member of that name; keys with escapes are compared decoded.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        if self.node.kind != Type::Object {
            return None;
        }
        // Written out, not by `members`: it is asked dozens of times a request.
        let mut at = self.at + 1;
        while at < self.node.next {
            let [key, value] = self
                .tape
                .nodes
                .get(at as usize..)
                .and_then(|rest| rest.first_chunk())?;
            if reads(self.body, key, name) {
                return Some(Value {
                    at: at + 1,
                    node: *value,
                    ..*self
                });
            }
            at = value.next;
        }
        None
    }

    /// Whether a key (or string) reads `name`.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.node.kind == Type::String && reads(self.body, &self.node, name)
    }

    /// An object's members as (key, value); nothing for other values.
    pub fn members(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let mut children = self.children(Type::Object);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// An array's elements; nothing for other values.
    pub fn elements(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        self.children(Type::Array)
    }

    fn children(&self, wanted: Type) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (tape, body) = (self.tape, self.body);
        let end = if self.node.kind == wanted {
            self.node.next
        } else {
            self.at
        };
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let value = Value::at(tape, body, at)?;
            at = value.node.next;
            Some(value)
        })
    }
}

/// Whether a string token reads `name`.
#[inline]
fn reads(body: &[u8], node: &Node, name: &str) -> bool {
    // Two numbers tell nearly all other names. An escape takes up to six bytes (`\u0061`), and no key may be so long that
    // reading it again for each element that stands under it costs something.
    let inner = (node.end - node.start) as usize - 2;
    let escaped = node.escapes != Escapes::None;
    if !escaped && inner != name.len() || inner > 6 * name.len() {
        return false;
    }
    let raw = body
        .get(node.start as usize + 1..node.end as usize - 1)
        .unwrap_or_default();
    if escaped {
        *text::unescape_bytes(raw) == *name.as_bytes()
    } else {
        same(raw, name.as_bytes())
    }
}

/// A slice of a body as text. The scanner has seen that it is UTF-8; without `unsafe` it must be looked at again, and for
/// long texts by vector.
#[must_use]
pub fn utf8(raw: &[u8]) -> Option<&str> {
    const LONG: usize = 64;
    if raw.len() < LONG {
        std::str::from_utf8(raw).ok()
    } else {
        simdutf8::basic::from_utf8(raw).ok()
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the bytes: they may be anybody's secret.
        f.debug_struct("Value")
            .field("kind", &self.node.kind)
            .field("span", &self.span())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, scan};

    #[test]
    fn walks() {
        let body = br#"{"a":{"x":1},"\u0062":["p",2,null],"c":1.0,"d":-1,"e":1e3}"#;
        let tape = scan(body, &Limits::default()).unwrap();
        let root = Value::root(&tape, body).unwrap();
        assert_eq!(
            root.get("a")
                .and_then(|a| a.get("x"))
                .and_then(|x| x.as_u64()),
            Some(1)
        );
        let b = root.get("b").unwrap();
        assert_eq!(b.elements().count(), 3);
        assert_eq!(b.elements().next().unwrap().as_str().unwrap(), "p");
        assert_eq!(root.get("c").unwrap().as_u64(), Some(1));
        assert_eq!(root.get("d").unwrap().as_u64(), None);
        assert_eq!(root.get("e").unwrap().as_u64(), Some(1000));
        assert_eq!(root.members().count(), 5);
        assert_eq!(root.elements().count(), 0);
    }
}
