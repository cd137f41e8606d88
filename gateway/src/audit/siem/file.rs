//! Lines appended to a file, for whatever collects files.
//!
//! Invariants: the file is opened for each portion, so it may be moved away at any time; a line that a crash cut short is
//! removed before the next is written; a portion is on disk when `append` returns.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{Line, Refused};

/// A step when the end of the last whole line is looked for.
const LOOK_BACK_BYTES: u64 = 64 << 10;

pub(super) struct Appender {
    path: PathBuf,
}

impl Appender {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: Path::new(path).to_owned(),
        }
    }

    pub(super) fn append(&mut self, lines: &[Line]) -> Result<(), Refused> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&self.path)?;
        let end = whole_lines_end(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&super::body(lines))?;
        file.sync_data()?;
        Ok(())
    }
}

/// Where the last line that is whole ends.
fn whole_lines_end(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(LOOK_BACK_BYTES);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file)
            .take(end - start)
            .read_to_end(&mut bytes)?;
        if let Some(at) = memchr::memrchr(b'\n', &bytes) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line {
            time_ms: 0,
            text: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_torn_line_is_removed_and_a_moved_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut appender = Appender::new(path.to_str().unwrap());
        appender.append(&[line("one\n"), line("two\n")]).unwrap();
        std::fs::write(&path, format!("one\ntwo\n{}", "t".repeat(200_000))).unwrap();
        appender.append(&[line("three\n")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        std::fs::rename(&path, dir.path().join("b.jsonl")).unwrap();
        appender.append(&[line("four\n")]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "four\n");
    }
}
