//! How far a reader of the log has come, on disk: `<audit dir>/cursors/<name>.json`, and the log's own name beside them.
//!
//! Retention reads these files: it keeps what stands from the smallest `read_from` on. So there is one for each receiver that
//! the config has, from the start, and none for others: theirs are set aside as `<name>.json.unused`, and taken up again.
//!
//! Knows nothing of what is read. Invariants: a file is seen whole, the old one or the new; what was saved is on disk when
//! `save` returns; the log's name is made once and never changes.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::load::read_bounded;

/// Name of the lake's cursor.
pub const LAKE: &str = "lake";
/// What names of the tools' cursors begin with.
pub const SIEM: &str = "siem-";
/// Longest cursor.
const CURSOR_BYTES_MAX: u64 = 64 << 10;

/// A place between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Rows that were complete below this index are done with.
    pub next: u64,
    /// Where to begin reading for the next row: its opening may stand before `next`.
    pub read_from: u64,
}

impl Cursor {
    /// A power cut may take records that were read already; what this run writes from `next_index` on is new.
    #[must_use]
    pub fn at_most(self, next_index: u64) -> Self {
        Self {
            next: self.next.min(next_index),
            read_from: self.read_from.min(next_index),
        }
    }
}

/// The directory of cursors of a log.
#[derive(Clone, Debug)]
pub struct Cursors(PathBuf);

impl Cursors {
    /// Those of the log in `dir`; made if they are not there.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let cursors = dir.join("cursors");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&cursors)?;
        Ok(Self(cursors))
    }

    /// The log's name: 16 hexadecimal digits, drawn when it is asked for first.
    ///
    /// # Errors
    /// If it can be neither read nor written, or what is there is no name.
    pub fn log_name(&self) -> io::Result<String> {
        let path = self.0.join("log");
        if let Some(name) = read::<String>(&path)? {
            let sound = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            return if sound { Ok(name) } else { Err(damaged()) };
        }
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let name = format!("{:016x}", u64::from_be_bytes(random));
        self.write(&path, &name)?;
        Ok(name)
    }

    /// What was saved last; `None` if nothing was.
    ///
    /// # Errors
    /// If it cannot be read. A damaged cursor is an error: beginning again would send everything twice.
    pub fn load<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        read(&self.file(name))
    }

    /// Sets aside the cursors of receivers that are not among `used`, and takes up again those that are.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn only(&self, used: &[String]) -> io::Result<()> {
        for name in used {
            let (path, aside) = (self.file(name), self.0.join(format!("{name}.json.unused")));
            if !path.exists() && aside.exists() {
                fs::rename(aside, path)?;
            }
        }
        for entry in fs::read_dir(&self.0)? {
            let file = entry?.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".json")) else {
                continue;
            };
            let is_ours = name == LAKE || name.starts_with(SIEM);
            if is_ours && !used.iter().any(|used| used == name) {
                fs::rename(self.file(name), self.0.join(format!("{name}.json.unused")))?;
            }
        }
        Ok(())
    }

    /// Saves in place of what was there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn save<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        self.write(&self.file(name), value)
    }

    fn write<T: Serialize>(&self, path: &Path, value: &T) -> io::Result<()> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".fresh");
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(&self.0)?.sync_all()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match read_bounded(path, CURSOR_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|_| damaged()),
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the cursor is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let cursors = Cursors::open(dir.path()).unwrap();
        assert_eq!(cursors.load::<Cursor>("lake").unwrap(), None);
        let at = Cursor {
            next: 9,
            read_from: 4,
        };
        cursors.save("lake", &at).unwrap();
        let name = cursors.log_name().unwrap();
        let again = Cursors::open(dir.path()).unwrap();
        assert_eq!(again.load("lake").unwrap(), Some(at));
        assert_eq!(again.log_name().unwrap(), name);
        again.only(&["siem-a".into()]).unwrap();
        assert_eq!(again.load::<Cursor>("lake").unwrap(), None);
        again.only(&["lake".into()]).unwrap();
        assert_eq!(again.load("lake").unwrap(), Some(at));
        fs::write(dir.path().join("cursors/lake.json"), "{").unwrap();
        assert!(again.load::<Cursor>("lake").is_err());
    }
}
