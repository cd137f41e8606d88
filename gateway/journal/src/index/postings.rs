//! The terms of the rows in memory: for each term the rows that have it.
//!
//! A term that many rows share (a key, a model) has a list of its rows: two bytes a row, already in order. Of a term that
//! hardly two rows share (an id) a list would cost more than it holds, so those are pairs of term and row, sorted when a part is
//! written.
//!
//! Must never know what terms mean. Invariants: the rows of a list grow; a term may be in a list and in pairs.

use super::build::{pair, put_rows, row_of, term_of};
use super::set::RowSet;
use super::table::Writer;

/// Pairs for which memory is kept from part to part: what ordinary rows need, 2 MiB.
const PAIRS_KEPT: usize = 1 << 18;

/// Terms and rows.
#[derive(Debug, Default)]
pub(super) struct Postings {
    lists: Vec<List>,
    /// A term above, a row in the low 16 bits; in no order.
    pairs: Vec<u64>,
    /// How often a row was added to a term.
    added: usize,
}

#[derive(Debug)]
struct List {
    term: u64,
    rows: Vec<u16>,
}

impl Postings {
    /// Begins the next lists, those of these terms.
    pub(super) fn begin_lists(&mut self, terms: &[u64]) {
        let list = |term: &u64| List {
            term: *term,
            rows: Vec::new(),
        };
        self.lists.extend(terms.iter().map(list));
    }

    /// Adds a row, none below the last, to lists by their place and to terms without a list.
    pub(super) fn add(&mut self, row: u16, lists: &[usize], terms: &[u64]) {
        for list in lists {
            if let Some(list) = self.lists.get_mut(*list)
                && list.rows.last() != Some(&row)
            {
                list.rows.push(row);
            }
        }
        self.pairs.extend(terms.iter().map(|term| pair(*term, row)));
        self.added += lists.len() + terms.len();
    }

    /// How often a row was added to a term.
    pub(super) fn added(&self) -> usize {
        self.added
    }

    /// The rows of a list.
    pub(super) fn list(&self, list: usize) -> &[u16] {
        self.lists.get(list).map_or(&[], |list| &list.rows)
    }

    /// Adds the rows with a term to a set.
    pub(super) fn put_rows(&self, term: u64, set: &mut RowSet) {
        for list in self.lists.iter().filter(|list| list.term == term) {
            list.rows.iter().for_each(|row| set.insert((*row).into()));
        }
        put_rows(&self.pairs, term, set);
    }

    /// Puts the pairs in order, as `write` wants them.
    pub(super) fn sort(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.dedup();
    }

    /// Writes the table of a part of so many rows.
    pub(super) fn write(&self, out: &mut Vec<u8>, rows: usize) {
        let same = |one: &u64, next: &u64| term_of(*one) == term_of(*next);
        let mut lists: Vec<&List> = self.lists.iter().collect();
        lists.retain(|list| !list.rows.is_empty());
        lists.sort_unstable_by_key(|list| list.term);
        let groups = self.pairs.chunk_by(same).count();
        let mut table = Writer::new(lists.len() + groups, rows);
        let mut lists = lists.into_iter().peekable();
        let mut groups = self.pairs.chunk_by(same).peekable();
        let mut found: Vec<u16> = Vec::new();
        loop {
            let of_list = lists.peek().map(|list| list.term);
            let of_group = groups.peek().and_then(|group| group.first());
            let of_group = of_group.map(|pair| term_of(*pair));
            let Some(term) = of_list.into_iter().chain(of_group).min() else {
                break;
            };
            found.clear();
            if let Some(list) = lists.next_if(|list| list.term == term) {
                found.extend_from_slice(&list.rows);
            }
            if of_group == Some(term) {
                let pairs = groups.next().unwrap_or_default();
                found.extend(pairs.iter().map(|pair| row_of(*pair)));
                if of_list == of_group {
                    found.sort_unstable();
                    found.dedup();
                }
            }
            table.put(term, &found);
        }
        table.finish(out);
    }

    /// Empties it for the next part, which will want about as much memory.
    pub(super) fn clear(&mut self) {
        self.lists.clear();
        self.pairs.clear();
        self.pairs.shrink_to(PAIRS_KEPT);
        self.added = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::file::Source;
    use super::super::hash::HASH_BITS;
    use super::super::table::Table;
    use super::*;

    /// Terms of every bucket, so few that some have both a list and pairs.
    fn term(which: usize) -> u64 {
        (which as u64) << (HASH_BITS - 4) | 7
    }

    proptest! {
        #[test]
        fn tables_and_memory_say_who_has_a_term(
            rows in prop::collection::vec((prop::collection::vec(0..10usize, 0..6), prop::collection::vec(0..16usize, 0..6)), 1..40),
        ) {
            let mut postings = Postings::default();
            postings.begin_lists(&(0..10).map(term).collect::<Vec<_>>());
            let mut want: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
            for (row, (lists, terms)) in rows.iter().enumerate() {
                let terms: Vec<u64> = terms.iter().map(|which| term(*which)).collect();
                postings.add(row as u16, lists, &terms);
                for term in lists.iter().map(|which| term(*which)).chain(terms) {
                    want.entry(term).or_default().insert(row);
                }
            }
            postings.sort();
            let mut out = Vec::new();
            postings.write(&mut out, rows.len());
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("table"), &out).unwrap();
            let source = Source::open(&dir.path().join("table")).unwrap();
            let table = Table::open(&source, 0, rows.len()).unwrap();
            for term in (0..16).map(term) {
                let mut of_table = RowSet::empty(rows.len());
                if let Some(entry) = table.find(term).unwrap() {
                    of_table.or(&table.set(entry).unwrap());
                }
                let mut of_memory = RowSet::empty(rows.len());
                postings.put_rows(term, &mut of_memory);
                let mut wanted = RowSet::empty(rows.len());
                want.get(&term).into_iter().flatten().for_each(|row| wanted.insert(*row));
                prop_assert_eq!(&of_table, &wanted);
                prop_assert_eq!(&of_memory, &wanted);
            }
        }
    }
}
