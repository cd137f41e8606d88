//! The little of a file system that the journal writes through, so that tests can fill, tear and break it.
//!
//! Must never know what a record is.
//! Invariants: what `create` returned survives a power cut as a name (file and directory are synced);
//! files are readable by their owner only: they say who asked what.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// Zeros written per call when a file is filled.
const FILL_BYTES: usize = 1 << 20;

/// A directory of segment files.
pub(crate) trait Store: Send + Sync {
    /// Makes an empty file that did not exist, durably; an older file of the name is an error.
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>>;
    /// Gives a file its lasting name, durably.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; one that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Extends a file to `bytes` with blocks that are really allocated, durably; on error it is as long as before.
    fn fill(&self, name: &str, bytes: u64) -> io::Result<()>;
    /// Cuts a file to `bytes` and so gives blocks back.
    fn shrink(&self, name: &str, bytes: u64) -> io::Result<()>;
    /// Whether a file is there still. One of which that cannot be said is.
    fn has(&self, name: &str) -> bool;
}

/// A file that is only appended to.
pub(crate) trait SegmentFile: Send + Sync {
    /// One `write(2)` at the end of the file; may be short.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file back after a short write.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// `fdatasync`.
    fn sync(&self) -> io::Result<()>;
}

/// A real directory.
pub(crate) struct DirStore {
    dir: PathBuf,
}

impl DirStore {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

impl Store for DirStore {
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(self.dir.join(name))?;
        file.sync_all()?;
        self.sync_dir()?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.dir.join(from), self.dir.join(to))?;
        self.sync_dir()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn fill(&self, name: &str, bytes: u64) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.dir.join(name))?;
        let before = file.metadata()?.len();
        let filled = append_zeros(&mut file, bytes.saturating_sub(before));
        if filled.is_err() {
            // The error is the one worth telling; a file that stays long is only a smaller next step.
            let _ = file.set_len(before);
        }
        filled
    }

    fn shrink(&self, name: &str, bytes: u64) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .open(self.dir.join(name))?
            .set_len(bytes)
    }

    fn has(&self, name: &str) -> bool {
        match fs::metadata(self.dir.join(name)) {
            Ok(_) => true,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        }
    }
}

fn append_zeros(file: &mut File, mut bytes: u64) -> io::Result<()> {
    let zeros = vec![0; FILL_BYTES.min(usize::try_from(bytes).unwrap_or(FILL_BYTES))];
    while bytes > 0 {
        let part = usize::try_from(bytes)
            .unwrap_or(FILL_BYTES)
            .min(zeros.len());
        file.write_all(zeros.get(..part).unwrap_or(&zeros))?;
        bytes -= part as u64;
    }
    file.sync_all()
}

impl SegmentFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
