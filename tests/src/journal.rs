//! A second, independent reader of the journal, written from the description of its format alone.
//!
//! Must never share code with the gateway: two readers that agree are worth more than one that agrees with itself.

use serde_json::Value;
use std::path::Path;

/// One record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in the order of the whole journal.
    pub index: u64,
    /// `opened`, `closed`, `denied`, `event` or `lost`.
    pub kind: &'static str,
    /// What it says.
    pub payload: Value,
}

impl Record {
    /// One text field; empty if it has none.
    pub fn text(&self, field: &str) -> &str {
        self.payload[field].as_str().unwrap_or_default()
    }
}

/// Every file below a directory: the tree and the index have directories of their own. One may go while this looks.
pub fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Everything a directory holds, by index.
#[derive(Debug, Default)]
pub struct Journal {
    /// All sound records.
    pub records: Vec<Record>,
    /// Bytes at the ends of segments that are no whole record (one may be in the middle of being written).
    pub torn: usize,
}

impl Journal {
    /// Reads all segments of a directory. Panics on a segment whose header is wrong; counts bytes of records that are.
    pub fn read(dir: &Path) -> Self {
        let mut journal = Self::default();
        let Ok(entries) = std::fs::read_dir(dir) else {
            return journal;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "seg") {
                // It may have been renamed or removed meanwhile.
                let Ok(bytes) = std::fs::read(&path) else {
                    continue;
                };
                journal.segment(&bytes, &path);
            }
        }
        journal.records.sort_by_key(|record| record.index);
        journal
    }

    fn segment(&mut self, bytes: &[u8], path: &Path) {
        if bytes.len() < 64 {
            self.torn += bytes.len();
            return;
        }
        assert_eq!(&bytes[..8], b"yumenlog", "{}", path.display());
        assert_eq!(u32_at(bytes, 8), 1, "format version of {}", path.display());
        assert_eq!(
            u32_at(bytes, 60),
            crc32c(&bytes[..60]),
            "header checksum of {}",
            path.display()
        );
        let mut at = 64;
        let mut last = None;
        while let Some(record) = record(&bytes[at..]) {
            assert!(
                last.is_none_or(|last| record.index > last),
                "indices do not grow in {}",
                path.display()
            );
            last = Some(record.index);
            at += 8 + u32_at(bytes, at) as usize;
            self.records.push(record);
        }
        self.torn += bytes.len() - at;
    }

    /// Records of one kind.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |record| record.kind == kind)
    }

    /// The opening of a request.
    pub fn opening(&self, id: &str) -> Option<&Record> {
        self.of("opened").find(|record| record.text("id") == id)
    }

    /// How a request ended: its closing, or its denial.
    pub fn ending(&self, id: &str) -> Option<Value> {
        let ends = |record: &&Record| {
            matches!(record.kind, "closed" | "denied") && record.text("id") == id
        };
        self.records
            .iter()
            .find(ends)
            .map(|record| record.payload.clone())
    }

    /// Panics unless every opening has exactly one closing that names it.
    pub fn assert_balanced(&self) {
        for opening in self.of("opened") {
            let closings: Vec<&Record> = self
                .of("closed")
                .filter(|closing| closing.payload["opening"].as_u64() == Some(opening.index))
                .collect();
            assert_eq!(closings.len(), 1, "closings of {opening:?}");
            assert_eq!(closings[0].text("id"), opening.text("id"));
        }
        assert_eq!(self.of("opened").count(), self.of("closed").count());
    }
}

fn record(bytes: &[u8]) -> Option<Record> {
    if bytes.len() < 17 {
        return None;
    }
    let length = u32_at(bytes, 0) as usize;
    let counted = bytes.get(8..8 + length)?;
    if length < 11 || u32_at(bytes, 4) != crc32c(counted) {
        return None;
    }
    let kind = match counted[8] {
        1 => "opened",
        2 => "closed",
        3 => "denied",
        4 => "event",
        5 => "lost",
        _ => return None,
    };
    let index = u64::from_le_bytes(counted[..8].try_into().unwrap());
    let payload: Value = serde_json::from_slice(&counted[9..]).ok()?;
    assert!(
        payload["at"].is_i64() || payload["at"].is_u64(),
        "a payload without its time: {payload}"
    );
    Some(Record {
        index,
        kind,
        payload,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// CRC-32C by a table of all bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        TABLE[(sum as u8 ^ byte) as usize] ^ sum >> 8
    })
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0x82F6_3B78
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    #[test]
    fn checksum_is_the_published_one() {
        assert_eq!(super::crc32c(b"123456789"), 0xE306_9283);
    }
}
