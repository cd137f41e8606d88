//! What a reply has told so far, and how much that is where its vendor does not count.
//!
//! Updated in the forward path, by what reading an event has in hand: reads no clock but for the first content.

use std::time::Instant;

use policies::limit::learnt::Learnt;
use wire::facts::{Finish, Usage};

/// What a reply has told so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::pipeline) struct Meter {
    pub(in crate::pipeline) usage: Option<Usage>,
    pub(in crate::pipeline) finish: Option<Finish>,
    /// Events that carried content, and about how many bytes of text that was.
    pub(in crate::pipeline) content_events: u64,
    pub(in crate::pipeline) text_bytes: u64,
    /// How many of those bytes the vendor's last count came behind.
    counted_bytes: u64,
    /// All of the request went to the vendor.
    pub(in crate::pipeline) asked: bool,
    pub(in crate::pipeline) events: u64,
    pub(in crate::pipeline) bytes_down: u64,
    pub(in crate::pipeline) first_byte: Option<Instant>,
    pub(in crate::pipeline) first_content: Option<Instant>,
    /// Images that were made.
    pub(in crate::pipeline) images: u32,
    /// Sound that was read, in milliseconds.
    pub(in crate::pipeline) audio_ms: u32,
}

impl Meter {
    /// So many events carried content, so many bytes of text.
    pub(in crate::pipeline) fn says(&mut self, events: u64, bytes: u64) {
        self.content_events += events;
        self.text_bytes += bytes;
        self.first_content.get_or_insert_with(Instant::now);
    }

    /// The vendor counts.
    pub(in crate::pipeline) fn reports(&mut self, usage: Usage) {
        self.usage = Some(usage.after(self.usage));
        self.counted_bytes = self.text_bytes;
    }

    /// Tokens of the reply as far as it was seen: one a content event, or what so many bytes of text usually are; not more
    /// than the vendor says where it has counted all of it.
    pub(in crate::pipeline) fn said(&self, learnt: &Learnt) -> u64 {
        let seen = learnt.text(self.text_bytes).max(self.content_events);
        let told = self.usage.map_or(0, |usage| usage.clamped().completion);
        if self.counted_bytes == self.text_bytes && told >= self.content_events {
            return seen.min(told);
        }
        seen
    }
}
