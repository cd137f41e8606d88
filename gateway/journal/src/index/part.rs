//! A part of the index: what it knows of some 32,000 rows that follow each other, in one file that never changes
//! (but for what a text said, when that must be forgotten: then it is written anew).
//!
//! ```text
//! places    chunks of 256 rows × 32 bytes: u64 index, u64 settled, u64 first, u64 closing; u32 CRC-32C after each chunk.
//!           A place is a segment's position in the footer's list (16 bits), then the offset in it (48 bits); all ones: none
//! times     rows × i64 ms; u32 CRC-32C
//! costs     rows × i64 billionths; u32 CRC-32C
//! usage     sums of what requests used
//! terms     a table
//! grams     a table: of texts
//! footer    JSON; u32 CRC-32C
//! trailer   u64 where the footer begins, ASCII "yumenidx"
//! ```
//!
//! Must never know queries. Invariants: a file has its name only when it is whole and synced; what is read has passed a
//! checksum or is an error.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::build::{Builder, NONE, RowPlace, row_of};
use super::file::{Source, checked, damaged, put_checked, u64_at};
use super::set::RowSet;
use super::table::{self, Table};
use super::usage;
use crate::join::{Join, Place};

/// Version of the layout; an index of another one is built anew.
const VERSION: u32 = 2;
const MAGIC: &[u8; 8] = b"yumenidx";
const TRAILER_BYTES: u64 = 16;
const CHUNK_ROWS: usize = 256;
const PLACE_BYTES: usize = 32;
const OFFSET_BITS: u32 = 48;
const SUFFIX: &str = ".part";

/// Where in the log the reader stood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Everything below this index is known.
    pub(super) next: u64,
    /// Openings that wait: index, segment number, shard, offset.
    pub(super) open: Vec<(u64, u64, u32, u64)>,
}

impl Standing {
    pub(super) fn of(next: u64, join: &Join) -> Self {
        Self {
            next,
            open: join
                .open()
                .map(|(index, at)| (index, at.number, at.shard, at.offset))
                .collect(),
        }
    }
}

/// What is kept in memory of a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Footer {
    version: u32,
    /// Where it begins: its rows were settled at this index or later.
    pub(super) from: u64,
    /// Where it ends.
    pub(super) standing: Standing,
    pub(super) rows: usize,
    /// First and last time; `None` if no row has one.
    pub(super) times: Option<(i64, i64)>,
    /// Every row has a time.
    pub(super) all_timed: bool,
    pub(super) cost_max: Option<i64>,
    segments: Vec<(u64, u32)>,
    /// Values of the counted filters, and how many rows have each.
    pub(super) values: BTreeMap<String, BTreeMap<String, u64>>,
    times_at: u64,
    costs_at: u64,
    usage_at: u64,
    terms_at: u64,
    grams_at: u64,
}

/// A part on disk.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    pub(super) footer: Footer,
}

impl Part {
    /// Writes the rows of a builder, whose terms are sorted; the log was read from `from` to `standing`.
    pub(super) fn write(
        dir: &Path,
        builder: &Builder,
        from: u64,
        standing: Standing,
    ) -> io::Result<Self> {
        let footer = Footer {
            version: VERSION,
            from,
            standing,
            rows: builder.places.len(),
            times: bounds(&builder.times),
            all_timed: !builder.times.contains(&NONE),
            cost_max: bounds(&builder.costs).map(|(_, most)| most),
            segments: builder.segments.iter().copied().collect(),
            values: builder.counted(),
            times_at: 0,
            costs_at: 0,
            usage_at: 0,
            terms_at: 0,
            grams_at: 0,
        };
        let mut out = Vec::new();
        put_places(&mut out, &builder.places, &footer.segments);
        Self::finish(dir, out, footer, |out, footer| {
            footer.times_at = out.len() as u64;
            put_column(out, &builder.times);
            footer.costs_at = out.len() as u64;
            put_column(out, &builder.costs);
            footer.usage_at = out.len() as u64;
            put_checked(out, &builder.usage.encode());
            footer.terms_at = out.len() as u64;
            builder.terms.write(out, footer.rows);
            footer.grams_at = out.len() as u64;
            table::write(out, &builder.grams, footer.rows);
        })
    }

    fn finish(
        dir: &Path,
        mut out: Vec<u8>,
        mut footer: Footer,
        write: impl FnOnce(&mut Vec<u8>, &mut Footer),
    ) -> io::Result<Self> {
        write(&mut out, &mut footer);
        let at = out.len() as u64;
        put_checked(&mut out, &serde_json::to_vec(&footer)?);
        out.extend(at.to_le_bytes());
        out.extend_from_slice(MAGIC);
        let path = dir.join(format!("{:020}{SUFFIX}", footer.from));
        let unfinished = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&out)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(dir)?.sync_all()?;
        Ok(Self { path, footer })
    }

    /// Reads what is kept of a file.
    fn load(path: PathBuf) -> io::Result<Self> {
        let source = Source::open(&path)?;
        let at = source
            .bytes
            .checked_sub(TRAILER_BYTES)
            .ok_or_else(damaged)?;
        let trailer = source.read(at, TRAILER_BYTES)?;
        if trailer.get(8..) != Some(MAGIC) {
            return Err(damaged());
        }
        let footer_at = u64_at(&trailer, 0)?;
        let length = at.checked_sub(footer_at).ok_or_else(damaged)?;
        let footer = source.read(footer_at, length)?;
        let footer: Footer = serde_json::from_slice(checked(&footer)?).map_err(|_| damaged())?;
        if footer.version != VERSION {
            return Err(damaged());
        }
        Ok(Self { path, footer })
    }

    /// The same as one of the older parts, of which nobody asks what was open at its end.
    pub(super) fn older(&self) -> Self {
        let mut footer = self.footer.clone();
        footer.standing.open = Vec::new();
        Self {
            path: self.path.clone(),
            footer,
        }
    }

    pub(super) fn open(&self) -> io::Result<Opened<'_>> {
        Ok(Opened {
            source: Source::open(&self.path)?,
            footer: &self.footer,
        })
    }

    /// Writes it anew without the texts of these rows.
    pub(super) fn forget(&self, rows: &RowSet) -> io::Result<Self> {
        let opened = self.open()?;
        let mut grams = opened.grams()?.pairs()?;
        grams.retain(|pair| !rows.contains(row_of(*pair).into()));
        grams.sort_unstable();
        let out = opened.source.read_all(self.footer.grams_at)?;
        let dir = self.path.parent().ok_or_else(damaged)?;
        Self::finish(dir, out, self.footer.clone(), |out, footer| {
            table::write(out, &grams, footer.rows);
        })
    }

    /// Whether none of the files that its rows are in is left.
    pub(super) fn is_gone(&self, journal: &Path) -> bool {
        self.footer.segments.iter().all(|(number, shard)| {
            let name = crate::record::segment_name(*number, *shard);
            !journal.join(name).exists()
        })
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The parts in a directory, oldest first, as far as they are sound and follow each other; whether that is all of them.
pub(super) fn list(dir: &Path) -> io::Result<(Vec<Part>, bool)> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()?,
    };
    paths.retain(|path| path.to_string_lossy().ends_with(SUFFIX));
    paths.sort_unstable();
    let count = paths.len();
    let mut parts: Vec<Part> = Vec::new();
    for path in paths {
        let part = match Part::load(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::NotFound
                ) =>
            {
                break;
            }
            other => other?,
        };
        let follows = parts
            .last()
            .is_none_or(|last| last.footer.standing.next == part.footer.from);
        if !follows {
            break;
        }
        if let Some(last) = parts.last_mut() {
            *last = last.older();
        }
        parts.push(part);
    }
    let whole = parts.len() == count;
    Ok((parts, whole))
}

/// Removes all files of an index.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(SUFFIX) || name.ends_with(".new") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A part that is being read.
pub(super) struct Opened<'p> {
    source: Source,
    pub(super) footer: &'p Footer,
}

impl Opened<'_> {
    pub(super) fn terms(&self) -> io::Result<Table<'_>> {
        Table::open(&self.source, self.footer.terms_at, self.footer.rows)
    }

    pub(super) fn grams(&self) -> io::Result<Table<'_>> {
        Table::open(&self.source, self.footer.grams_at, self.footer.rows)
    }

    pub(super) fn times(&self) -> io::Result<Vec<i64>> {
        self.column(self.footer.times_at)
    }

    pub(super) fn costs(&self) -> io::Result<Vec<i64>> {
        self.column(self.footer.costs_at)
    }

    /// Hands over what its requests used.
    pub(super) fn usage(&self, take: &mut usage::Take<'_>) -> io::Result<()> {
        let at = self.footer.usage_at;
        let length = self.footer.terms_at.checked_sub(at).ok_or_else(damaged)?;
        usage::decode(checked(&self.source.read(at, length)?)?, take)
    }

    fn column(&self, at: u64) -> io::Result<Vec<i64>> {
        let read = self.source.read(at, self.footer.rows as u64 * 8 + 4)?;
        let (numbers, _) = checked(&read)?.as_chunks::<8>();
        Ok(numbers
            .iter()
            .map(|number| i64::from_le_bytes(*number))
            .collect())
    }

    /// The chunk of places that begins at a row divisible by `CHUNK_ROWS`.
    fn chunk(&self, first_row: usize) -> io::Result<Vec<RowPlace>> {
        let rows = self.footer.rows.saturating_sub(first_row).min(CHUNK_ROWS);
        let before = first_row / CHUNK_ROWS;
        let at = before * (CHUNK_ROWS * PLACE_BYTES + 4);
        let read = self
            .source
            .read(at as u64, (rows * PLACE_BYTES + 4) as u64)?;
        let (places, _) = checked(&read)?.as_chunks::<PLACE_BYTES>();
        places.iter().map(|place| self.place(place)).collect()
    }

    fn place(&self, bytes: &[u8]) -> io::Result<RowPlace> {
        let place = |packed: u64| {
            let segment = usize::try_from(packed >> OFFSET_BITS).ok()?;
            let (number, shard) = self.footer.segments.get(segment)?;
            Some(Place {
                number: *number,
                shard: *shard,
                offset: packed & ((1 << OFFSET_BITS) - 1),
            })
        };
        let packed =
            |at: usize| u64_at(bytes, at).map(|packed| (packed != u64::MAX).then(|| place(packed)));
        Ok(RowPlace {
            index: u64_at(bytes, 0)?,
            settled: u64_at(bytes, 8)?,
            first: packed(16)?
                .map(|place| place.ok_or_else(damaged))
                .transpose()?,
            closing: packed(24)?
                .map(|place| place.ok_or_else(damaged))
                .transpose()?,
        })
    }

    /// Where rows are, which come in any order; those near each other are read together.
    pub(super) fn places(&self) -> PlaceReader<'_> {
        PlaceReader {
            opened: self,
            first_row: usize::MAX,
            chunk: Vec::new(),
        }
    }
}

/// Remembers one chunk.
pub(super) struct PlaceReader<'o> {
    opened: &'o Opened<'o>,
    first_row: usize,
    chunk: Vec<RowPlace>,
}

impl PlaceReader<'_> {
    pub(super) fn get(&mut self, row: usize) -> io::Result<RowPlace> {
        let first_row = row - row % CHUNK_ROWS;
        if first_row != self.first_row {
            self.chunk = self.opened.chunk(first_row)?;
            self.first_row = first_row;
        }
        self.chunk.get(row - first_row).copied().ok_or_else(damaged)
    }
}

fn bounds(numbers: &[i64]) -> Option<(i64, i64)> {
    let known = || numbers.iter().copied().filter(|number| *number != NONE);
    known().min().zip(known().max())
}

fn put_column(out: &mut Vec<u8>, numbers: &[i64]) {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    put_checked(out, &bytes);
}

fn put_places(out: &mut Vec<u8>, places: &[RowPlace], segments: &[(u64, u32)]) {
    let pack = |place: Option<Place>| {
        place.map_or(u64::MAX, |place| {
            let segment = segments
                .binary_search(&(place.number, place.shard))
                .unwrap_or(0);
            (segment as u64) << OFFSET_BITS | place.offset
        })
    };
    for chunk in places.chunks(CHUNK_ROWS) {
        let mut bytes = Vec::with_capacity(CHUNK_ROWS * PLACE_BYTES);
        for row in chunk {
            for number in [row.index, row.settled, pack(row.first), pack(row.closing)] {
                bytes.extend(number.to_le_bytes());
            }
        }
        put_checked(out, &bytes);
    }
}
