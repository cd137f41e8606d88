//! A disk that fills up and breaks on command, over a real directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::super::store::{DirStore, SegmentFile, Store};

/// The switches.
pub(crate) struct Disk {
    dir: PathBuf,
    real: DirStore,
    /// Free bytes.
    pub(crate) room: AtomicI64,
    /// Every write fails with EIO.
    pub(crate) write_fails: AtomicBool,
    /// So many writes fail with EIO.
    pub(crate) next_writes_fail: AtomicI64,
    pub(crate) sync_fails: AtomicBool,
    pub(crate) truncate_fails: AtomicBool,
    pub(crate) syncs: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// Held by a test: a sync hangs.
    pub(crate) syncing: Mutex<()>,
}

impl Disk {
    pub(crate) fn new(dir: &Path) -> Arc<Self> {
        Arc::new(Self {
            dir: dir.to_owned(),
            real: DirStore::new(dir.to_owned()),
            room: AtomicI64::new(i64::MAX / 2),
            write_fails: AtomicBool::new(false),
            next_writes_fail: AtomicI64::new(0),
            sync_fails: AtomicBool::new(false),
            truncate_fails: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            syncing: Mutex::default(),
        })
    }

    pub(crate) fn store(self: &Arc<Self>) -> Box<dyn Store> {
        Box::new(FaultyStore(Arc::clone(self)))
    }

    fn bytes(&self, name: &str) -> i64 {
        std::fs::metadata(self.dir.join(name)).map_or(0, |meta| meta.len() as i64)
    }

    fn take(&self, bytes: i64) -> io::Result<()> {
        if self.write_fails.load(Relaxed) {
            return Err(io::Error::other("EIO"));
        }
        if self.room.fetch_sub(bytes, Relaxed) < bytes {
            self.room.fetch_add(bytes, Relaxed);
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

struct FaultyStore(Arc<Disk>);

struct FaultyFile {
    disk: Arc<Disk>,
    file: Box<dyn SegmentFile>,
    bytes: AtomicI64,
}

impl Store for FaultyStore {
    fn create(&self, name: &str) -> io::Result<Box<dyn SegmentFile>> {
        self.0.take(0)?;
        Ok(Box::new(FaultyFile {
            disk: Arc::clone(&self.0),
            file: self.0.real.create(name)?,
            bytes: AtomicI64::new(0),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.real.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.room.fetch_add(self.0.bytes(name), Relaxed);
        self.0.real.remove(name)
    }

    fn fill(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.0.take(bytes as i64 - self.0.bytes(name))?;
        self.0.real.fill(name, bytes)
    }

    fn shrink(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.0
            .room
            .fetch_add(self.0.bytes(name) - bytes as i64, Relaxed);
        self.0.real.shrink(name, bytes)
    }

    fn has(&self, name: &str) -> bool {
        self.0.real.has(name)
    }
}

impl SegmentFile for FaultyFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.writes.fetch_add(1, Relaxed);
        if self.disk.next_writes_fail.fetch_sub(1, Relaxed) > 0 {
            return Err(io::Error::other("EIO"));
        }
        let wanted = bytes.len() as i64;
        if let Err(error) = self.disk.take(wanted) {
            // What fits is written, as a file system does.
            let room = self.disk.room.load(Relaxed).clamp(0, wanted);
            if error.kind() != io::ErrorKind::StorageFull
                || room == 0
                || self.disk.take(room).is_err()
            {
                return Err(error);
            }
            self.bytes.fetch_add(room, Relaxed);
            return self.file.write(&bytes[..room as usize]);
        }
        self.bytes.fetch_add(wanted, Relaxed);
        self.file.write(bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        if self.disk.truncate_fails.load(Relaxed) {
            return Err(io::Error::other("EIO"));
        }
        let before = self.bytes.swap(bytes as i64, Relaxed);
        self.disk.room.fetch_add(before - bytes as i64, Relaxed);
        self.file.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.syncs.fetch_add(1, Relaxed);
        drop(self.disk.syncing.lock());
        if self.disk.sync_fails.load(Relaxed) {
            return Err(io::Error::other("EIO"));
        }
        self.file.sync()
    }
}
