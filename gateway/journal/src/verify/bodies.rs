//! Kept bodies against the digests in their records; no key is needed.
//!
//! Must never know what a body says. Invariants: one part in memory at a time; a chain of parts ends, since each names an
//! earlier place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::seal::{FRAME_BYTES_MAX, Reference, hex, part_before};

/// What a record with a kept body has in it.
const MARK: &[u8] = b"_body\":{";
/// Reads `.pay` files.
pub(super) struct Bodies<'d> {
    dir: &'d Path,
    mark: Finder<'static>,
    open: Option<(String, File)>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    request_body: Option<Reference>,
    reply_body: Option<Reference>,
}

/// True: it holds. False: its file is gone. Else the file, the offset and what is wrong.
pub(super) type Checked = Result<bool, (String, u64, &'static str)>;

impl<'d> Bodies<'d> {
    pub(super) fn new(dir: &'d Path) -> Self {
        Self {
            dir,
            mark: Finder::new(MARK),
            open: None,
        }
    }

    /// Whether a payload may name bodies.
    pub(super) fn are_named(&self, payload: &[u8]) -> bool {
        self.mark.find(payload).is_some()
    }

    /// Checks those that a payload names.
    pub(super) fn check(&mut self, payload: &[u8]) -> Vec<Checked> {
        let named: Named = serde_json::from_slice(payload).unwrap_or_default();
        [named.request_body, named.reply_body]
            .into_iter()
            .flatten()
            .filter(|reference| !reference.file.is_empty())
            .map(|reference| self.check_one(&reference))
            .collect()
    }

    fn check_one(&mut self, reference: &Reference) -> Checked {
        let wrong = |file: &str, offset, why| Err((file.to_owned(), offset, why));
        let (mut file, mut offset) = (reference.file.clone(), reference.offset);
        let (mut bytes, mut digest) = (Some(reference.bytes), reference.sha256.clone());
        loop {
            let part = match self.read(&file, offset, bytes) {
                Ok(Some(part)) => part,
                Ok(None) => return Ok(false),
                Err(_) => return wrong(&file, offset, "a part of a body cannot be read"),
            };
            let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &part);
            if hex(found.as_ref()) != digest {
                return wrong(
                    &file,
                    offset,
                    "a part of a body is not what its record says",
                );
            }
            match part_before(&part) {
                Some(None) => return Ok(true),
                Some(Some((before, at, hash))) => {
                    let name = format!("{before:010}-{}", file.rsplit('-').next().unwrap_or(""));
                    if (before, at) >= (number(&file), offset) {
                        return wrong(&file, offset, "a part of a body names a later one");
                    }
                    (file, offset, bytes, digest) = (name, at, None, hex(&hash));
                }
                None => return wrong(&file, offset, "a part of a body is of no known form"),
            }
        }
    }

    /// Bytes of a part: as many as are said, or as its own length says. `None` if there is no such file.
    fn read(&mut self, name: &str, offset: u64, bytes: Option<u64>) -> io::Result<Option<Vec<u8>>> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            // A name from a record: of a file in the log's directory, and of no other.
            if !name.ends_with(".pay") || name.contains('/') {
                return Err(invalid());
            }
            match File::open(self.dir.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => self.open = Some((name.to_owned(), file?)),
            }
        }
        let Some((_, file)) = &self.open else {
            return Ok(None);
        };
        let length = match bytes {
            Some(bytes) => bytes,
            None => {
                let mut length = [0; 4];
                file.read_exact_at(&mut length, offset)?;
                u64::from(u32::from_le_bytes(length)) + 4
            }
        };
        if length > FRAME_BYTES_MAX as u64 {
            return Err(invalid());
        }
        let mut part = vec![0; usize::try_from(length).map_err(|_| invalid())?];
        file.read_exact_at(&mut part, offset)?;
        Ok(Some(part))
    }
}

fn number(file: &str) -> u64 {
    file.split('-')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}
