//! Whether the files that a config was made from have changed.
//!
//! Knows nothing of what is in them. Invariants: a change counts only once it has looked the same at two polls, so a file
//! half written is not used; contents decide, so a touched file is not a change.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policies::access::token::{Digest, digest};

use super::load::{CONFIG_BYTES_MAX, read_bounded};

/// The files that were read, as they looked then.
#[derive(Debug, Default)]
pub(super) struct Watched {
    files: Vec<PathBuf>,
    /// Contents of what is running, or of what was last refused.
    used: Vec<Option<Digest>>,
    /// How the files looked at the last poll.
    seen: Vec<Option<Look>>,
    /// A change that has to look the same once more before it is used.
    pending: bool,
}

/// What tells that a file changed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    len: u64,
    modified: Option<SystemTime>,
    /// Inode and time of its last change: catches what keeps length and modification time.
    inode: (u64, i64, i64),
}

impl Look {
    fn at(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt as _;
            (meta.ino(), meta.ctime(), meta.ctime_nsec())
        };
        #[cfg(not(unix))]
        let inode = (0, 0, 0);
        Some(Self {
            len: meta.len(),
            modified: meta.modified().ok(),
            inode,
        })
    }
}

impl Watched {
    /// These files, of which the config held `used` when it was read.
    pub(super) fn of(config: &Path, files: Vec<PathBuf>, used: Digest) -> Self {
        let mut all = vec![config.to_owned()];
        all.extend(files);
        all.sort_unstable();
        all.dedup();
        let mut watched = Self {
            files: all,
            ..Self::default()
        };
        watched.seen = watched.looks();
        watched.used = watched.contents();
        // It may have changed since it was read: what counts is what was read, and the next poll compares.
        for (path, content) in watched.files.iter().zip(&mut watched.used) {
            if path == config {
                *content = Some(used);
            }
        }
        watched.pending = true;
        watched
    }

    fn looks(&self) -> Vec<Option<Look>> {
        self.files.iter().map(|path| Look::at(path)).collect()
    }

    fn contents(&self) -> Vec<Option<Digest>> {
        let read = |path: &PathBuf| read_bounded(path, CONFIG_BYTES_MAX).ok();
        let contents = self.files.iter().map(read);
        contents
            .map(|bytes| bytes.map(|bytes| digest(&bytes)))
            .collect()
    }

    /// What lies there now was refused: it is not tried again until it changes.
    pub(super) fn refused(&mut self) {
        self.used = self.contents();
    }

    /// Whether a change has come to rest and its contents are others than those used.
    pub(super) fn poll(&mut self) -> bool {
        let looks = self.looks();
        if looks != self.seen {
            self.seen = looks;
            self.pending = true;
            return false;
        }
        std::mem::take(&mut self.pending) && self.contents() != self.used
    }
}
