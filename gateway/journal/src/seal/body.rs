//! A body as it is kept, piece by piece, and the reference to it that goes into a record.
//!
//! Must never know what the bytes mean.
//! Invariants: at most one part of it waits in memory; what could not be kept whole says so; nothing of it is in `Debug`.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;

use super::Bodies;
use super::frame::{self, Direction, Form, Head, Link, PART_BYTES};
use super::keys::DataKey;
use super::print::{Digest, hex32};
use crate::line::{Fields, Object, key};
use crate::payload::ID_BYTES_MAX;

/// Why a body was dropped: the disk has no room for it, or fails.
const DISK: &str = "disk";

thread_local! {
    /// Where this thread makes parts, so that none is allocated.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A body that is being kept.
pub struct Body {
    bodies: Arc<Bodies>,
    key: Arc<DataKey>,
    shard: usize,
    id: Id,
    direction: Direction,
    form: Form,
    wait: Vec<u8>,
    part: u32,
    last: Option<Last>,
    /// Bytes kept, waiting ones included.
    size: u64,
    /// Bytes there were.
    whole: u64,
    dropped: bool,
}

/// The part written last.
struct Last {
    file: Arc<str>,
    link: Link,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Id([u8; ID_BYTES_MAX], u8);

impl Id {
    fn new(id: &str) -> Self {
        let id = crate::payload::short_id(id).as_bytes();
        let mut bytes = [0; ID_BYTES_MAX];
        for (to, from) in bytes.iter_mut().zip(id) {
            *to = *from;
        }
        Self(bytes, u8::try_from(id.len()).unwrap_or(0))
    }

    fn as_str(&self) -> &str {
        let bytes = self.0.get(..usize::from(self.1)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Body {
    /// Begins a body of request `id`, in `shard`, under its subject's key.
    pub fn new(
        bodies: &Arc<Bodies>,
        key: &Arc<DataKey>,
        (shard, id): (usize, &str),
        direction: Direction,
        form: Form,
    ) -> Self {
        Self {
            bodies: Arc::clone(bodies),
            key: Arc::clone(key),
            shard,
            id: Id::new(id),
            direction,
            form,
            wait: Vec::new(),
            part: 0,
            last: None,
            size: 0,
            whole: 0,
            dropped: false,
        }
    }

    /// Goes on with `bytes`. Writes a part for each `PART_BYTES` of them: callers with more pause between.
    pub fn add(&mut self, bytes: &[u8]) {
        self.whole += bytes.len() as u64;
        let room = self.bodies.settings.body_bytes.saturating_sub(self.size);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        let mut rest = bytes.get(..room).unwrap_or_default();
        while !rest.is_empty() && !self.dropped {
            if self.wait.is_empty()
                && let Some((part, behind)) = rest.split_first_chunk::<PART_BYTES>()
            {
                self.size += PART_BYTES as u64;
                self.seal(part);
                rest = behind;
                continue;
            }
            let fits = rest.len().min(PART_BYTES - self.wait.len().min(PART_BYTES));
            let (now, behind) = rest.split_at_checked(fits).unwrap_or((rest, &[]));
            self.wait.extend_from_slice(now);
            self.size += now.len() as u64;
            rest = behind;
            let buffered = &self.bodies.buffered;
            let all = buffered.fetch_add(now.len() as u64, Ordering::Relaxed) + now.len() as u64;
            if self.wait.len() >= PART_BYTES || all > self.bodies.settings.buffer_bytes {
                self.seal_waiting();
            }
        }
    }

    /// So many bytes more are left out.
    pub fn lose(&mut self, bytes: u64) {
        self.whole += bytes;
    }

    /// The body is over: writes what waits.
    pub fn finish(mut self) -> Kept {
        if !self.dropped {
            self.seal_waiting();
        }
        let (size, whole) = (self.size, self.whole);
        let kept = Kept {
            form: self.form,
            whole,
            place: None,
            dropped: None,
        };
        match &self.last {
            Some(last) if !self.dropped => Kept {
                place: Some(Place {
                    file: Arc::clone(&last.file),
                    offset: last.link.offset,
                    bytes: last.bytes,
                    hash: last.link.hash,
                    key: self.key.id,
                    subject: self.key.subject,
                    size,
                }),
                ..kept
            },
            None if !self.dropped => kept,
            _ => {
                self.bodies.drop_one();
                Kept {
                    dropped: Some(DISK),
                    ..kept
                }
            }
        }
    }

    fn seal_waiting(&mut self) {
        if self.wait.is_empty() {
            return;
        }
        let wait = std::mem::take(&mut self.wait);
        let bytes = wait.len() as u64;
        self.bodies.buffered.fetch_sub(bytes, Ordering::Relaxed);
        self.seal(&wait);
        self.wait = wait;
        self.wait.clear();
    }

    fn seal(&mut self, plain: &[u8]) {
        let head = Head {
            part: self.part,
            key: self.key.id,
            count: self.key.count(),
            direction: self.direction,
            form: self.form,
            packed: false,
            plain_bytes: 0,
            before: self.last.as_ref().map(|last| last.link),
        };
        // A thread that is ending may have no buffer any more.
        let mut frame = SCRATCH.try_with(Cell::take).unwrap_or_default();
        let hash = frame::seal(&mut frame, &self.key.key, &head, self.id.as_str(), plain);
        let now_ms = self.bodies.clock.wall_ms();
        let spot = hash.and_then(|hash| {
            let spot = self.bodies.files.append(self.shard, &frame, now_ms)?;
            Some((hash, spot))
        });
        match spot {
            None => self.dropped = true,
            Some((hash, spot)) => {
                self.part = self.part.saturating_add(1);
                self.last = Some(Last {
                    file: spot.file,
                    link: Link {
                        number: spot.number,
                        offset: spot.offset,
                        hash,
                    },
                    bytes: frame.len() as u64,
                });
            }
        }
        let _ = SCRATCH.try_with(|kept| kept.set(frame));
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let bytes = self.wait.len() as u64;
        self.bodies.buffered.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.whole)
    }
}

/// What became of a body: the reference that its record bears.
#[derive(Debug, Clone)]
pub struct Kept {
    form: Form,
    whole: u64,
    place: Option<Place>,
    dropped: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Place {
    file: Arc<str>,
    offset: u64,
    bytes: u64,
    hash: [u8; 32],
    key: [u8; 8],
    subject: Digest,
    size: u64,
}

impl Kept {
    /// A body of `whole` bytes that was not kept, and why.
    pub fn dropped(form: Form, whole: u64, why: &'static str) -> Self {
        Self {
            form,
            whole,
            place: None,
            dropped: Some(why),
        }
    }

    /// None is longer in a record.
    #[cfg(test)]
    pub(crate) fn longest() -> Self {
        Self {
            form: Form::Redacted,
            whole: u64::MAX,
            place: Some(Place {
                file: super::files::file_name(u64::MAX, usize::MAX).into(),
                offset: u64::MAX,
                bytes: u64::MAX,
                hash: [0xff; 32],
                key: [0xff; 8],
                subject: [0xff; 32],
                size: u64::MAX - 1,
            }),
            dropped: None,
        }
    }

    /// One whose subject is this number in decimal digits.
    #[cfg(test)]
    pub(crate) fn of_subject(number: usize) -> Self {
        let mut kept = Self::longest();
        let hex = format!("{number:064}");
        if let (Some(place), Some(subject)) = (&mut kept.place, super::print::unhex(&hex)) {
            place.subject = subject;
        }
        kept
    }

    /// Whether there was nothing to keep.
    pub fn is_nothing(&self) -> bool {
        self.place.is_none() && self.dropped.is_none()
    }
}

impl Fields for Kept {
    fn write(&self, to: &mut Object<'_>) {
        to.whole(key!("kind"), self.form.name());
        if let Some(place) = &self.place {
            to.whole(key!("file"), &place.file);
            to.number(key!("offset"), place.offset);
            to.number(key!("bytes"), place.bytes);
            to.digest(key!("sha256"), Some(&place.hash));
            to.digest(key!("subject"), Some(&place.subject));
            let mut padded = [0; 32];
            for (to, from) in padded.iter_mut().zip(place.key) {
                *to = from;
            }
            let key = hex32(&padded);
            let key = key.get(..16).unwrap_or_default();
            to.whole(key!("key"), str::from_utf8(key).unwrap_or_default());
            to.number(key!("size"), place.size);
            if place.size < self.whole {
                to.flag(key!("truncated"), true);
                to.number(key!("whole"), self.whole);
            }
        }
        if let Some(dropped) = self.dropped {
            to.number(key!("whole"), self.whole);
            to.whole(key!("dropped"), dropped);
        }
    }
}

/// A reference as a record has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// `redacted` or `sealed`.
    pub kind: String,
    /// Name of the file; empty if the body was dropped.
    pub file: String,
    /// Where its last part begins.
    pub offset: u64,
    /// How long that is.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Whose it is.
    pub subject: String,
    /// Id of its data key in hex.
    pub key: String,
    /// Bytes of the body that were kept.
    pub size: u64,
    /// Whether that is not all of it.
    pub truncated: bool,
    /// Bytes there were, if not all were kept.
    pub whole: u64,
    /// Why it was not kept.
    pub dropped: String,
}
