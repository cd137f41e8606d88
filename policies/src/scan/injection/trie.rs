//! Words as one tree: the longest that begins at a place is found in one walk.
//!
//! A blank of a word is any run of blanks, hyphens and underscores; an apostrophe inside a word may be curly or missing; a
//! blank may stand between two scripts. Knows no class's meaning. Invariants: a walk reads at most the longest word and
//! [`BLANKS_MAX`] bytes for each of its blanks; built once, immutable afterwards.

use crate::scan::view::{ALNUM, is};

/// Bytes that a run of blanks inside a phrase may have.
const BLANKS_MAX: usize = 6;
/// A stem's word is read at most so far, in bytes.
const WORD_MAX: usize = 64;

/// A node while the tree grows.
#[derive(Debug)]
struct Sapling<C> {
    children: Vec<(u8, u32)>,
    word: Option<(C, bool)>,
}

/// A node: its children among the edges, and the word that ends here, with whether it is a stem.
#[derive(Debug)]
struct Node<C> {
    first: u32,
    many: u16,
    word: Option<(C, bool)>,
}

/// The tree.
#[derive(Debug)]
pub(super) struct Trie<C> {
    nodes: Vec<Node<C>>,
    edges: Vec<(u8, u32)>,
    /// The root's children, by byte; 0: none.
    root: Box<[u32]>,
}

impl<C: Copy> Trie<C> {
    /// Of words with their classes, and whether each is a stem. Of two that are the same the first counts.
    pub(super) fn new(words: impl IntoIterator<Item = (Vec<u8>, C, bool)>) -> Self {
        let mut grown = vec![Sapling {
            children: Vec::new(),
            word: None,
        }];
        for (word, class, stem) in words {
            let mut at = 0;
            for b in plain(&word) {
                at = child(&mut grown, at, b);
            }
            if let Some(node) = grown.get_mut(at)
                && node.word.is_none()
            {
                node.word = Some((class, stem));
            }
        }
        let (mut nodes, mut edges) = (Vec::with_capacity(grown.len()), Vec::new());
        for mut sapling in grown {
            sapling.children.sort_unstable();
            nodes.push(Node {
                first: u32::try_from(edges.len()).unwrap_or(u32::MAX),
                many: u16::try_from(sapling.children.len()).unwrap_or(u16::MAX),
                word: sapling.word,
            });
            edges.append(&mut sapling.children);
        }
        let mut root = vec![0; 256];
        let many = nodes
            .first()
            .map_or(0, |node: &Node<C>| usize::from(node.many));
        for &(byte, child) in edges.iter().take(many) {
            if let Some(slot) = root.get_mut(usize::from(byte)) {
                *slot = child;
            }
        }
        Self {
            nodes,
            edges,
            root: root.into(),
        }
    }

    #[inline]
    fn next(&self, node: usize, b: u8) -> Option<usize> {
        if node == 0 {
            let child = *self.root.get(usize::from(b))?;
            return (child != 0).then_some(child as usize);
        }
        let node = self.nodes.get(node)?;
        let first = node.first as usize;
        let edges = self.edges.get(first..first + usize::from(node.many))?;
        let found = if edges.len() <= 4 {
            edges.iter().find(|(byte, _)| *byte == b)?
        } else {
            edges.get(edges.binary_search_by_key(&b, |(byte, _)| *byte).ok()?)?
        };
        Some(found.1 as usize)
    }

    /// The longest word at the beginning of `text`: its class and its length.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(C, usize)> {
        let (mut node, mut at, mut last, mut best) = (0, 0, 0u8, None);
        while let Some(&raw) = text.get(at) {
            let b = raw.to_ascii_lowercase();
            // A blank between two scripts.
            if b == b' '
                && at > 0
                && text.get(at + 1).is_some_and(|after| {
                    (*after >= 0x80) != (last >= 0x80)
                        && self.next(node, after.to_ascii_lowercase()).is_some()
                })
            {
                at += 1;
                continue;
            }
            let joins = matches!(b, b'-' | b'_') && is(last, ALNUM);
            if !joins && let Some(next) = self.next(node, b) {
                (node, last) = (next, b);
                at += 1;
            } else if matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b'-' | b'_') {
                let run = text.get(at..).unwrap_or(&[]).iter().take(BLANKS_MAX);
                let blanks = run
                    .take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b'-' | b'_'))
                    .count();
                if let Some(next) = self.next(node, b' ') {
                    (node, last) = (next, b' ');
                    at += blanks;
                } else {
                    break;
                }
            } else if let Some(n) = apostrophe(text, at, last) {
                at += n;
                continue;
            } else {
                break;
            }
            // The run of blanks of a word may be longer than its one.
            if last == b' ' {
                let more = text.get(at..).unwrap_or(&[]).iter().take(BLANKS_MAX);
                at += more
                    .take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'))
                    .count();
            }
            if let Some((class, stem)) = self.nodes.get(node)?.word {
                let grown = if is(last, ALNUM) { grown(text, at) } else { 0 };
                if grown == 0 || stem {
                    best = Some((class, at + grown));
                }
            }
        }
        best
    }
}

fn child<C>(grown: &mut Vec<Sapling<C>>, at: usize, b: u8) -> usize {
    let fresh = grown.len();
    let Some(node) = grown.get_mut(at) else {
        return 0;
    };
    if let Some((_, found)) = node.children.iter().find(|(byte, _)| *byte == b) {
        return *found as usize;
    }
    node.children
        .push((b, u32::try_from(fresh).unwrap_or(u32::MAX)));
    grown.push(Sapling {
        children: Vec::new(),
        word: None,
    });
    fresh
}

/// A word without the apostrophes inside it, and with blanks for its hyphens.
fn plain(word: &[u8]) -> impl Iterator<Item = u8> {
    word.iter().enumerate().filter_map(|(i, &b)| {
        let beside = |i: Option<usize>| {
            i.and_then(|i| word.get(i))
                .is_some_and(u8::is_ascii_alphabetic)
        };
        let inside = b == b'\'' && beside(i.checked_sub(1)) && beside(Some(i + 1));
        let joins = matches!(b, b'-' | b'_')
            && [i.checked_sub(1), Some(i + 1)]
                .iter()
                .all(|i| i.and_then(|i| word.get(i)).is_some_and(|b| is(*b, ALNUM)));
        (!inside).then_some(if joins { b' ' } else { b })
    })
}

/// How long an apostrophe between two letters is.
fn apostrophe(text: &[u8], at: usize, last: u8) -> Option<usize> {
    let n = match text.get(at..)? {
        [b'\'', ..] => 1,
        [0xe2, 0x80, 0x99, ..] => 3,
        _ => return None,
    };
    (last.is_ascii_alphabetic() && text.get(at + n).is_some_and(u8::is_ascii_alphabetic))
        .then_some(n)
}

/// How far a word goes on from `at`.
fn grown(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or(&[]);
    rest.iter()
        .take(WORD_MAX)
        .take_while(|b| is(**b, ALNUM))
        .count()
}
