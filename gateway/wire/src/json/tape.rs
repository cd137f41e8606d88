//! What the scanner reads a text to, within which bounds, and why it refuses one.
//!
//! Data; the reading itself is in [`scan`](super::scan).

use std::cell::RefCell;
use std::mem;

/// Bounds of what is read. Defaults: `governance/threats.md`, section 3.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of objects and arrays.
    pub depth: usize,
    /// Members of one object.
    pub members: u32,
    /// Elements of one array.
    pub elements: u32,
    /// Characters of one number.
    pub number: usize,
    /// Tokens of the whole text (keys, values, containers); 16 bytes of memory each.
    pub tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            members: 10_000,
            elements: 65_536,
            number: 64,
            tokens: 1 << 20,
        }
    }
}

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not JSON (RFC 8259).
    Syntax,
    /// The same key twice in one object, after unescaping.
    DuplicateKey,
    /// Nested deeper than `limits.depth`.
    TooDeep,
    /// More members, elements or tokens than allowed.
    TooWide,
    /// A number longer than `limits.number`.
    LongNumber,
    /// Invalid UTF-8, or a surrogate without its other half.
    Unicode,
}

impl Reason {
    /// The word for journal and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "invalid_json",
            Self::DuplicateKey => "duplicate_key",
            Self::TooDeep => "json_too_deep",
            Self::TooWide => "json_too_wide",
            Self::LongNumber => "json_number_too_long",
            Self::Unicode => "invalid_unicode",
        }
    }
}

/// A refusal, with the byte offset where it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// Byte offset.
    pub at: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// `{…}`; its keys and values follow, alternating.
    Object,
    /// `[…]`; its elements follow.
    Array,
    /// A string, quotes included in the span.
    String,
    /// A number.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
}

/// The escapes of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Escapes {
    /// None: its text stands as it is.
    None,
    /// Only those that stand for signs which cannot stand as they are: quotes, backslashes, ends of lines and the like.
    Signs,
    /// Also some that may stand for any letter (`\u0061`) or a slash.
    Letters,
}

/// One token: its span in the text and where its next sibling stands on the tape.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Tape index just after this token and all that it contains.
    pub next: u32,
    /// What it is.
    pub kind: Type,
    /// Whether a string has escapes, and of which sort.
    pub escapes: Escapes,
    /// A string that is a member's key.
    pub key: bool,
}

/// All tokens of one text, in order. A flat list: siblings are found by [`Node::next`].
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub(crate) nodes: Vec<Node>,
}

/// Nodes for which the memory of a tape is kept for the thread's next ones: 16 KiB.
const SPARE_NODES: usize = 1 << 10;
/// Tapes of which it is: as many as requests are read at about the same time.
const SPARE_TAPES: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Vec<Node>>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Tape {
    fn drop(&mut self) {
        let mut nodes = mem::take(&mut self.nodes);
        if (1..=SPARE_NODES).contains(&nodes.capacity()) {
            nodes.clear();
            // A thread that ends has none any more.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < SPARE_TAPES {
                    spare.push(nodes);
                }
            });
        }
    }
}

impl Tape {
    /// An empty tape in the memory of an earlier one of this thread, if there is any.
    #[must_use]
    pub fn spare() -> Self {
        let nodes = SPARE.with(|spare| spare.borrow_mut().pop());
        Self {
            nodes: nodes.unwrap_or_else(|| Vec::with_capacity(SPARE_NODES / 8)),
        }
    }

    /// The tokens, in the order of the text.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}
