//! Reading an event that differs from an earlier one only where that does not matter, by comparing bytes.
//!
//! Nearly all events of a stream are one piece of text in the same wrapping. A mold is made of an event that was scanned
//! strictly and came to one piece and nothing else; the next event is held against its bytes, and only what stands in its
//! holes is looked at. Never laxer than the scan: outside of the holes every byte is the same, and in a hole stands a whole
//! string, or number, as the scan would take it. Knows no dialect: what may differ, and that the reader's state is what it
//! was, its reader says.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;
use wire::canon::{Event, Str};
use wire::json::{self, Tape, Type, Value};
use wire::sse;

/// Longest event that is kept.
const EVENT_BYTES_MAX: usize = 4096;
/// Digits of a number in a hole.
const DIGITS_MAX: usize = 20;
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The last event that was scanned, if it can serve. It is of use until another one is scanned, and no longer: what an
/// event comes to depends on those before it.
#[derive(Default)]
pub(crate) struct Mold {
    event: Vec<u8>,
    /// Where events may differ from it, in order; they do not overlap.
    holes: SmallVec<[Hole; 4]>,
    /// What it came to; `None`: it cannot serve.
    says: Option<Says>,
}

/// A whole value; of a string with its quotes.
struct Hole {
    span: Range<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The string whose inside is the piece.
    Piece,
    String,
    Number,
}

/// An event without its piece.
#[derive(Clone, Copy)]
enum Says {
    Text(u32),
    Refusal(u32),
    Reasoning(u32),
    Args(u32, u32),
}

impl Says {
    fn of(event: &Event) -> Option<(Self, &Str)> {
        Some(match event {
            Event::Text { choice, text } => (Self::Text(*choice), text),
            Event::Refusal { choice, text } => (Self::Refusal(*choice), text),
            Event::Reasoning { choice, text } => (Self::Reasoning(*choice), text),
            Event::ToolArgs {
                choice,
                index,
                piece,
            } => (Self::Args(*choice, *index), piece),
            _ => return None,
        })
    }

    fn with(self, text: Str) -> Event {
        match self {
            Self::Text(choice) => Event::Text { choice, text },
            Self::Refusal(choice) => Event::Refusal { choice, text },
            Self::Reasoning(choice) => Event::Reasoning { choice, text },
            Self::Args(choice, index) => Event::ToolArgs {
                choice,
                index,
                piece: text,
            },
        }
    }
}

impl Mold {
    /// What an event comes to, if it fits. `raw`: all of its bytes.
    pub(crate) fn read(&self, raw: &[u8]) -> Option<Event> {
        let says = self.says?;
        let (mut at, mut from, mut piece) = (0, 0, &[][..]);
        for hole in &self.holes {
            let before = self.event.get(from..hole.span.start)?;
            let rest = raw.get(at..)?.strip_prefix(before)?;
            let length = match hole.kind {
                Kind::Number => number_prefix(rest)?,
                Kind::Piece | Kind::String => json::string_prefix(rest)?,
            };
            if hole.kind == Kind::Piece {
                piece = rest.get(1..length - 1)?;
            }
            at += before.len() + length;
            from = hole.span.end;
        }
        // An event without text comes to nothing, or to something else.
        let fits = raw.get(at..)? == self.event.get(from..)? && !piece.is_empty();
        fits.then(|| says.with(Str::from_raw(Bytes::copy_from_slice(piece))))
    }

    /// Another event is scanned: from here on it cannot serve.
    pub(crate) fn forget(&mut self) {
        self.says = None;
    }

    /// Makes it of an event whose `data` was scanned onto `tape` and came to `made`, and left its reader in the state in
    /// which it found it. `free`: members of the outermost object whose values the reader does not look at.
    pub(crate) fn make(
        &mut self,
        event: &sse::Event<'_>,
        (data, tape): (&Bytes, &Tape),
        made: &[Event],
        free: &[&str],
    ) {
        self.says = None;
        let ([made], Some(single)) = (made, event.single()) else {
            return;
        };
        // A byte-order mark means something at the very beginning only.
        if event.raw.len() > EVENT_BYTES_MAX || event.raw.starts_with(BOM) {
            return;
        }
        let (Some((says, text)), Some(root)) = (Says::of(made), Value::root(tape, data)) else {
            return;
        };
        // The value that the piece is a slice of, not one that reads the same.
        let values = (0..root.next()).filter_map(|at| Value::at(tape, data, at));
        let is_piece = |value: &Value<'_>| {
            let inner = value.inner_span().and_then(|span| data.get(span));
            !value.is_key() && inner.is_some_and(|inner| std::ptr::eq(inner, &**text.bytes()))
        };
        let Some(piece) = values.into_iter().find(is_piece) else {
            return;
        };
        let hole = |value: Value<'_>, kind| {
            let span = value.span();
            Hole {
                span: single.start + span.start..single.start + span.end,
                kind,
            }
        };
        self.holes.clear();
        let is_free = |key: &Value<'_>| free.iter().any(|name| key.is_named(name));
        for (_, value) in root.members().filter(|(key, _)| is_free(key)) {
            match value.kind() {
                Type::String => self.holes.push(hole(value, Kind::String)),
                Type::Number => self.holes.push(hole(value, Kind::Number)),
                _ => {}
            }
        }
        self.holes.push(hole(piece, Kind::Piece));
        self.holes.sort_unstable_by_key(|hole| hole.span.start);
        self.event.clear();
        self.event.extend_from_slice(event.raw);
        self.says = Some(says);
    }
}

/// How many bytes the whole number takes that `raw` begins with, if it is one that needs no closer look. What stands behind
/// it is compared: a fraction or an exponent fits nowhere.
fn number_prefix(raw: &[u8]) -> Option<usize> {
    let digits = raw.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sound = raw.first() != Some(&b'0') || digits == 1;
    (sound && (1..=DIGITS_MAX).contains(&digits)).then_some(digits)
}
