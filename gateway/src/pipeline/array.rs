//! A stream of events as one JSON array that comes in pieces, for clients that asked for it so.
//!
//! Stands behind all else, so that no other stage knows of it: the data of each event becomes an element, an error event
//! the last one, and the array is closed whatever happened. Copies each element once. Must never look into them.

use bytes::Bytes;
use wire::Rope;
use wire::sse::{Limits, Splitter};

/// What is before an element: the vendor's own line ends.
const FIRST: &[u8] = b"[";
const NEXT: &[u8] = b",\r\n";

/// An array in the making.
pub(super) struct Array {
    splitter: Splitter,
    /// It has an element.
    begun: bool,
    /// One that went down.
    sent: bool,
}

impl Array {
    pub(super) fn new() -> Self {
        // What comes here was read, or written, within bounds already: a whole reply may be one event.
        let limits = Limits {
            line_bytes: usize::MAX / 2,
            event_bytes: usize::MAX / 2,
        };
        Self {
            splitter: Splitter::new(limits),
            begun: false,
            sent: false,
        }
    }

    /// What was framed went down.
    pub(super) fn sent(&mut self) {
        self.sent = self.begun;
    }

    /// What was framed since then never will.
    pub(super) fn take_back(&mut self) {
        self.begun = self.sent;
    }

    /// The events of a rope, of which each was written whole, as elements; after the `last` one the array is closed.
    pub(super) fn frame(&mut self, events: &Rope, last: bool) -> Rope {
        let mut out = Vec::new();
        for piece in events.pieces() {
            let mut at = 0;
            while let Ok(Some(event)) = self.splitter.next(piece, &mut at) {
                if let Some(data) = event.data() {
                    element(&mut self.begun, &data, &mut out);
                }
            }
        }
        if last {
            if let Some(data) = self
                .splitter
                .finish()
                .as_ref()
                .and_then(wire::sse::Event::data)
            {
                element(&mut self.begun, &data, &mut out);
            }
            out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
        }
        Bytes::from(out).into()
    }
}

fn element(begun: &mut bool, data: &[u8], out: &mut Vec<u8>) {
    if data.trim_ascii().is_empty() {
        return;
    }
    out.extend_from_slice(if std::mem::replace(begun, true) {
        NEXT
    } else {
        FIRST
    });
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(pieces: &[&str]) -> String {
        let mut array = Array::new();
        let mut out = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let rope = Rope::from(Bytes::copy_from_slice(piece.as_bytes()));
            let last = at + 1 == pieces.len();
            out.extend_from_slice(&array.frame(&rope, last).into_bytes());
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn events_are_elements_at_any_cut() {
        let stream = "data: {\"a\":\"问\"}\r\n\r\ndata: {\"b\":2}\n\n: said beside\n\ndata:{\"error\":{}}\n\n";
        let want = "[{\"a\":\"问\"},\r\n{\"b\":2},\r\n{\"error\":{}}]";
        for cut in 0..=stream.len() {
            if let Some((before, after)) = stream.split_at_checked(cut) {
                assert_eq!(framed(&[before, after]), want, "{cut}");
            }
        }
        assert_eq!(framed(&[stream.trim_end()]), want);
        assert_eq!(framed(&[""]), "[]");
    }

    #[test]
    fn a_whole_reply_as_one_event_is_an_element_however_long() {
        let image = "A".repeat(3 << 20);
        let stream = format!("data: {{\"data\":\"{image}\"}}\n\n");
        assert_eq!(framed(&[&stream]), format!("[{{\"data\":\"{image}\"}}]"));
    }
}
