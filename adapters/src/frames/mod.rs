//! Streams that are framed otherwise than as server-sent events, turned into such: what reads a stream need not know.
//!
//! Pure: bytes in, bytes out. Every frame is bounded, and one that is not sound ends its stream.

pub(crate) mod aws;

use wire::Fault;

/// Turns a stream of frames into one of events, one read at a time.
pub trait Frames: Send {
    /// Takes one read; the events that it completes are added to `out`.
    ///
    /// # Errors
    /// `Malformed`: what came is no frame, or one that is too long.
    fn read(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault>;

    /// The stream ended.
    ///
    /// # Errors
    /// `CutShort`: in the middle of a frame.
    fn end(&self) -> Result<(), Fault>;
}
