//! A body as a list of slices that is written without being joined.
//!
//! Knows nothing of what the bytes mean. Invariant: no piece is empty, and `left` is the sum of the pieces' lengths.

use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// Below this many bytes, [`Rope::settle`] joins the pieces: one copy costs less than a longer vector of writes.
/// (hyperium/h2 draws the same line at 256 bytes a frame; for 1 KiB the copy is about 30 ns.)
pub const FLATTEN_BYTES: usize = 1024;

/// A list of [`Bytes`] that reads as one buffer; cloning copies no bytes.
#[derive(Clone, Default)]
pub struct Rope {
    pieces: SmallVec<[Bytes; 2]>,
    /// Index of the first piece not yet consumed.
    head: usize,
    left: usize,
}

impl Rope {
    /// An empty rope.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slice at the end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.left += piece.len();
            self.pieces.push(piece);
        }
    }

    /// Adds another rope's pieces at the end.
    pub fn append(&mut self, other: Rope) {
        for piece in other.pieces.into_iter().skip(other.head) {
            self.push(piece);
        }
    }

    /// Bytes left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The slices left, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter().skip(self.head)
    }

    /// The whole as one slice: no copy if it is one piece already.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.pieces.len() == self.head + 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.left);
        for piece in self.pieces() {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }

    /// Joins small ropes into one piece; see [`FLATTEN_BYTES`].
    #[must_use]
    pub fn settle(self) -> Self {
        if self.left <= FLATTEN_BYTES && self.pieces.len() > self.head + 1 {
            self.into_bytes().into()
        } else {
            self
        }
    }
}

impl From<Bytes> for Rope {
    fn from(piece: Bytes) -> Self {
        let mut rope = Self::new();
        rope.push(piece);
        rope
    }
}

impl From<Vec<u8>> for Rope {
    fn from(whole: Vec<u8>) -> Self {
        Bytes::from(whole).into()
    }
}

impl std::fmt::Debug for Rope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A body may hold anything: its bytes are never printed.
        f.debug_struct("Rope")
            .field("bytes", &self.left)
            .field("pieces", &(self.pieces.len() - self.head))
            .finish()
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.left
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.get(self.head).map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in dst.iter_mut().zip(self.pieces()) {
            *slot = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    #[expect(
        clippy::panic,
        reason = "the contract of Buf: advancing past the end is the caller's bug"
    )]
    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.left, "advanced past the end of a rope");
        self.left -= count;
        while count > 0 {
            let Some(piece) = self.pieces.get_mut(self.head) else {
                panic!("a rope's length and its pieces differ")
            };
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            // The slice is let go at once, so that the buffer behind it can be used again.
            *piece = Bytes::new();
            self.head += 1;
        }
        if self.left == 0 {
            self.pieces.clear();
            self.head = 0;
        }
    }

    fn copy_to_bytes(&mut self, count: usize) -> Bytes {
        if let Some(piece) = self.pieces.get_mut(self.head)
            && count < piece.len()
        {
            self.left -= count;
            return piece.split_to(count);
        }
        let mut joined = BytesMut::with_capacity(count);
        let mut wanted = count;
        while wanted > 0 {
            let step = self.chunk().len().min(wanted);
            joined.extend_from_slice(self.chunk().get(..step).unwrap_or_default());
            self.advance(step);
            wanted -= step;
        }
        joined.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rope(pieces: &[Vec<u8>]) -> Rope {
        let mut rope = Rope::new();
        for piece in pieces {
            rope.push(Bytes::copy_from_slice(piece));
        }
        rope
    }

    proptest! {
        #[test]
        fn reads_as_the_joined_bytes(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..6), steps in prop::collection::vec(0usize..7, 0..9)) {
            let whole = pieces.concat();
            let mut left = rope(&pieces);
            prop_assert_eq!(left.clone().into_bytes(), Bytes::from(whole.clone()));
            prop_assert_eq!(left.clone().copy_to_bytes(whole.len()), Bytes::from(whole.clone()));
            let mut at = 0;
            for step in steps {
                let step = step.min(left.remaining());
                left.advance(step);
                at += step;
                prop_assert_eq!(left.clone().into_bytes(), Bytes::copy_from_slice(&whole[at..]));
                prop_assert!(left.chunk().is_empty() == left.is_empty());
            }
        }
    }
}
