//! A set of rows of one part, in memory and on disk.
//!
//! Must never know what the rows have in common. Invariants: row numbers are below `ROWS_MAX`; what `encode` writes,
//! `decode` reads.

/// Most rows of a part: their numbers have 16 bits.
pub(super) const ROWS_MAX: usize = 1 << 16;
/// Longest set written as a list; a longer one takes a bit for each row of the part.
const LIST_MAX: usize = 4096;
const WORD_BITS: usize = 64;

/// Rows, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    pub(super) fn empty(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(WORD_BITS)],
        }
    }

    pub(super) fn all(rows: usize) -> Self {
        let mut set = Self {
            words: vec![u64::MAX; rows.div_ceil(WORD_BITS)],
        };
        if let Some(last) = set
            .words
            .last_mut()
            .filter(|_| !rows.is_multiple_of(WORD_BITS))
        {
            *last = (1 << (rows % WORD_BITS)) - 1;
        }
        set
    }

    pub(super) fn insert(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / WORD_BITS) {
            *word |= 1 << (row % WORD_BITS);
        }
    }

    pub(super) fn contains(&self, row: usize) -> bool {
        self.words
            .get(row / WORD_BITS)
            .is_some_and(|word| word >> (row % WORD_BITS) & 1 == 1)
    }

    pub(super) fn and(&mut self, other: &Self) {
        let others = other.words.iter().chain(std::iter::repeat(&0));
        for (word, other) in self.words.iter_mut().zip(others) {
            *word &= other;
        }
    }

    pub(super) fn or(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Keeps the rows of which `keep` says so.
    pub(super) fn keep(&mut self, keep: impl Fn(usize) -> bool) {
        for (at, word) in self.words.iter_mut().enumerate() {
            let mut rest = *word;
            while let Some(bit) = rest.checked_ilog2() {
                rest ^= 1 << bit;
                if !keep(at * WORD_BITS + bit as usize) {
                    *word ^= 1 << bit;
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Rows, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().copied().enumerate().rev();
        words.flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.checked_ilog2()?;
                word ^= 1 << bit;
                Some(at * WORD_BITS + bit as usize)
            })
        })
    }
}

/// Bytes of a set of `count` among `rows` rows.
pub(super) fn encoded_bytes(count: usize, rows: usize) -> usize {
    if count <= LIST_MAX {
        count * 2
    } else {
        rows.div_ceil(WORD_BITS) * 8
    }
}

/// Writes rows, which must grow.
pub(super) fn encode(out: &mut Vec<u8>, list: &[u16], rows: usize) {
    if list.len() <= LIST_MAX {
        out.extend(list.iter().flat_map(|row| row.to_le_bytes()));
        return;
    }
    let mut set = RowSet::empty(rows);
    list.iter().for_each(|row| set.insert(usize::from(*row)));
    set.words
        .iter()
        .for_each(|word| out.extend(word.to_le_bytes()));
}

/// Reads what `encode` wrote for `count` rows.
pub(super) fn decode(bytes: &[u8], count: usize, rows: usize) -> RowSet {
    if count <= LIST_MAX {
        let mut set = RowSet::empty(rows);
        let (list, _) = bytes.as_chunks::<2>();
        list.iter()
            .for_each(|row| set.insert(usize::from(u16::from_le_bytes(*row))));
        return set;
    }
    let (words, _) = bytes.as_chunks::<8>();
    RowSet {
        words: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_read_back() {
        for (rows, step) in [
            (1, 1),
            (64, 1),
            (65, 3),
            (ROWS_MAX, 1),
            (ROWS_MAX, 7),
            (ROWS_MAX, 400),
            (9_999, 2),
        ] {
            let list: Vec<u16> = (0..rows).step_by(step).map(|row| row as u16).collect();
            let mut bytes = Vec::new();
            encode(&mut bytes, &list, rows);
            assert_eq!(bytes.len(), encoded_bytes(list.len(), rows));
            let set = decode(&bytes, list.len(), rows);
            let mut back: Vec<u16> = set.newest_first().map(|row| row as u16).collect();
            back.reverse();
            assert_eq!(back, list, "{rows} {step}");
            assert_eq!(set.len(), list.len());
            let mut all = RowSet::all(rows);
            assert_eq!(all.len(), rows);
            all.and(&set);
            assert_eq!(all, set);
        }
    }
}
