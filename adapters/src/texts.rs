//! Where text can stand in a body: everywhere, but for what a dialect says cannot hold any.
//!
//! One walk over the tape for requests and replies. Knows no dialect: a [`Rules`] names what is inert. Decides nothing
//! and reads no text. Invariant: every string, key and long number of a body is either handed out, named inert by a rule,
//! or media.

mod media;

use std::ops::Range;

use memchr::memmem;
use smallvec::SmallVec;
use wire::facts::{Contents, Form, Media, Nested, Said, Saying, Source, Text};
use wire::hold::Lane;
use wire::json::{Tape, Type, Value};
use wire::short::same;

use media::{DATA, Payload, holds_file, is_kept, letters_of, media_of};
pub(crate) use media::{is_blob, is_coded, is_signature, is_textual, note_parts};

/// A number of fewer characters identifies nobody.
const NUMBER_MIN: usize = 7;
/// What of a dialect's bodies is no text.
pub(crate) struct Rules {
    /// Keys of the dialect itself: nobody's data. Their values are read.
    pub(crate) keys: &'static [&'static str],
    /// Values that are words of the dialect: nobody's data, wherever they stand.
    pub(crate) words: &'static [&'static str],
    /// Members that hold JSON text.
    pub(crate) json: &'static [&'static str],
    /// Members that hold nothing but images, sound or files, or say where they lie: whatever stands there is one.
    pub(crate) media: &'static [&'static str],
    /// Members that hold sound or a file in base64, or something else.
    pub(crate) coded: &'static [&'static str],
    /// Members that say where an image or a file lies, or something else.
    pub(crate) places: &'static [&'static str],
    /// Objects that hold a file: there the members of both kinds hold nothing else.
    pub(crate) holders: &'static [&'static str],
    /// Members that name a file which the vendor keeps: nobody here can look into it.
    pub(crate) kept: &'static [&'static str],
}

/// Members of one object of the dialect that are no text there. Below it, and anywhere else, one of that name is.
pub(crate) struct Own {
    /// Their numbers are the dialect's own. A string in their place is text all the same.
    pub(crate) numbers: &'static [&'static str],
    /// They were checked, or are replaced.
    pub(crate) checked: &'static [&'static str],
}

/// None: all is text.
pub(crate) const NONE: Own = Own {
    numbers: &[],
    checked: &[],
};

/// A place of the walk.
struct Visit<'a> {
    /// The string, key or number.
    value: Value<'a>,
    /// Whether it is a key.
    is_key: bool,
    /// The key whose value it is, or whose array it stands in.
    key: Option<Value<'a>>,
    /// The key of the object that it is a member of.
    holder: Option<Value<'a>>,
    /// A hash of the keys and elements above it.
    path: u32,
    /// It is the value that was to be walked, not something in it.
    top: bool,
}

struct Frame<'a> {
    end: u32,
    array: bool,
    key: Option<Value<'a>>,
    holder: Option<Value<'a>>,
    path: u32,
    element: u32,
}

impl<'a> Frame<'a> {
    /// Of an object or an array behind `key`, in what is the value of `holder`.
    fn of(node: Value<'a>, key: Option<Value<'a>>, holder: Option<Value<'a>>, path: u32) -> Self {
        let array = node.kind() == Type::Array;
        Self {
            end: node.next(),
            array,
            key,
            holder: if array { holder } else { key },
            path,
            element: 0,
        }
    }
}

/// Visits every string, key and number at or under `value`, in order; `skip` may leave out a member with all under it.
/// Iterative: depth costs a frame, not the stack.
fn walk<'a>(
    tape: &'a Tape,
    body: &'a [u8],
    value: Value<'a>,
    key: Option<Value<'a>>,
    mut skip: impl FnMut(Value<'a>, Value<'a>) -> bool,
    mut visit: impl FnMut(Visit<'a>),
) {
    let mut frames: SmallVec<[Frame<'a>; 8]> = SmallVec::new();
    let end = value.next();
    let mut at = value.index();
    let mut key = key;
    let mut path = 0u32;
    while at < end {
        while frames.last().is_some_and(|frame| at >= frame.end) {
            frames.pop();
        }
        let Some(node) = Value::at(tape, body, at) else {
            return;
        };
        if let Some(frame) = frames.last_mut() {
            if frame.array {
                key = frame.key;
                path = mix(frame.path, numbered(node).unwrap_or(frame.element));
                frame.element += 1;
            } else if node.is_key() {
                let Some(member) = Value::at(tape, body, at + 1) else {
                    return;
                };
                if skip(node, member) {
                    at = member.next();
                    continue;
                }
                visit(Visit {
                    value: node,
                    is_key: true,
                    key: None,
                    holder: frame.holder,
                    path: frame.path,
                    top: false,
                });
                key = Some(node);
                path = mix(frame.path, hash(node.raw()));
                at += 1;
                continue;
            }
        }
        match node.kind() {
            Type::Object | Type::Array => {
                let holder = frames.last().and_then(|frame| frame.holder);
                frames.push(Frame::of(node, key, holder, path));
            }
            Type::String | Type::Number => visit(Visit {
                value: node,
                is_key: false,
                key,
                holder: frames.last().and_then(|frame| frame.holder),
                path,
                top: frames.is_empty(),
            }),
            Type::True | Type::False | Type::Null => {}
        }
        at += 1;
    }
}

/// What of a reply a leaf is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// A string.
    Text,
    /// A key that no dialect has, complete in itself.
    Key,
    /// A number that may be somebody's, complete in itself.
    Number,
}

impl Leaf {
    /// How deep in JSON it stands; a string that is `json` is a text of that kind.
    pub(crate) fn nested(self, json: bool) -> Nested {
        match self {
            Self::Number => Nested::Bare,
            Self::Text if json => Nested::Text,
            Self::Text | Self::Key => Nested::No,
        }
    }
}

/// Calls `leaf` for every string at or under `value` that is not empty: its inside, the key whose value it is, and a hash of
/// where it stands, which is the same in the next event. So for keys, also `value`'s own, and numbers that may be data.
/// `skip` as in [`walk`].
pub(crate) fn leaves<'a>(
    tape: &'a Tape,
    body: &'a [u8],
    (key, value): (Option<Value<'a>>, Value<'a>),
    skip: impl FnMut(Value<'a>, Value<'a>) -> bool,
    mut leaf: impl FnMut(Range<usize>, Option<Value<'a>>, u32, Leaf),
) {
    let top = key.and_then(|key| key.inner()).unwrap_or_default();
    let top = place_of(top);
    if let Some(span) = key.filter(is_odd).and_then(|key| key.inner_span()) {
        leaf(span, None, KEYS, Leaf::Key);
    }
    walk(tape, body, value, key, skip, |visit| {
        let place = visit.path ^ top;
        match visit.value.inner_span() {
            Some(span) if span.is_empty() => {}
            Some(span) if !visit.is_key => leaf(span, visit.key, place, Leaf::Text),
            Some(span) if is_odd(&visit.value) => leaf(span, None, place ^ KEYS, Leaf::Key),
            None if is_number(visit.value.raw()) => {
                leaf(visit.value.span(), visit.key, place ^ KEYS, Leaf::Number);
            }
            _ => {}
        }
    });
}

/// Greatest field of a lane that is told by the place of a text; those above are the dialects' own.
pub(crate) const PLACES_MAX: u32 = u32::MAX >> 1;

/// Says every leaf at or under a member of a reply, each complete in itself, in lanes of a choice's part by where it stands.
/// `skip` as in [`walk`].
pub(crate) fn say_alone<'a>(
    (tape, body): (&'a Tape, &'a [u8]),
    member: (Option<Value<'a>>, Value<'a>),
    skip: impl FnMut(Value<'a>, Value<'a>) -> bool,
    (choice, part): (u32, u32),
    saying: &mut Saying,
) {
    leaves(tape, body, member, skip, |span, _, place, leaf| {
        saying.said.push(Said {
            lane: Lane {
                choice,
                part,
                field: place & PLACES_MAX,
            },
            span,
            nested: leaf.nested(false),
            whole: true,
        });
    });
}

/// Tells the place of keys from that of what they hold.
const KEYS: u32 = 0x2545_f491;

/// Whether a key of a reply may be data: those of dialects are letters.
fn is_odd(key: &Value<'_>) -> bool {
    let name = key.inner_bytes().unwrap_or_default();
    !name
        .iter()
        .all(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
}

/// Whether a number of a reply may be data: a measure or a probability has fewer digits before its point.
fn is_number(raw: &[u8]) -> bool {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit());
    whole.count() >= NUMBER_MIN
}

/// The hash of a name that places are told apart by.
pub(crate) fn place_of(name: &str) -> u32 {
    name.bytes().fold(7, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// An element of a delta's array says itself which it is.
fn numbered(element: Value<'_>) -> Option<u32> {
    u32::try_from(element.get("index")?.as_u64()?).ok()
}

fn mix(path: u32, with: u32) -> u32 {
    (path.rotate_left(5) ^ with).wrapping_mul(0x9e37_79b1)
}

fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// How much of a body was collected, to come back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    texts: usize,
    media: usize,
}

impl Mark {
    /// So far.
    pub(crate) fn of(contents: &Contents) -> Self {
        Self {
            texts: contents.texts.len(),
            media: contents.media.len(),
        }
    }
}

/// Files of text, by the insides of their strings, and how they are written: of what was collected since `mark` they become
/// the texts that they are. One pass, however many they are.
pub(crate) fn read_files(
    mut files: Vec<(Range<usize>, Form)>,
    mark: Mark,
    (source, turn): (Source, Option<u32>),
    contents: &mut Contents,
) {
    if files.is_empty() {
        return;
    }
    files.sort_unstable_by_key(|(file, _)| file.start);
    let is_file = |span: &Range<usize>| {
        let found = files.binary_search_by_key(&span.start, |(file, _)| file.start);
        found.is_ok_and(|at| files.get(at).is_some_and(|(file, _)| file == span))
    };
    let mut texts = contents.texts.split_off(mark.texts);
    texts.retain(|text| !is_file(&text.span));
    contents.texts.append(&mut texts);
    let mut media = contents.media.split_off(mark.media);
    media.retain(|media| !is_file(&media.span));
    contents.media.append(&mut media);
    contents
        .texts
        .extend(files.into_iter().map(|(span, form)| Text {
            span,
            form,
            source,
            key: 0..0,
            turn,
        }));
}

/// Whether a name, as it is written, stands in a list.
pub(crate) fn is_one(list: &[&str], name: &[u8]) -> bool {
    list.iter().any(|one| same(one.as_bytes(), name))
}

impl Rules {
    /// Whether a key is written as one of a list that lets its value go unread: one with escapes is not.
    fn spares(list: &[&str], key: Option<Value<'_>>) -> bool {
        let key = key.and_then(|key| key.inner_bytes());
        key.is_some_and(|key| is_one(list, key))
    }

    /// Whether a key reads as one of a list that says what its value is, however it is escaped.
    fn names(list: &[&str], key: Option<Value<'_>>) -> bool {
        key.is_some_and(|key| list.iter().any(|name| key.is_named(name)))
    }

    /// Adds what stands at or under `value` to `contents`, whatever its member is called.
    pub(crate) fn collect<'a>(
        &self,
        tape: &'a Tape,
        body: &'a [u8],
        member: (Option<Value<'a>>, Value<'a>),
        said: (Source, Option<u32>),
        contents: &mut Contents,
    ) {
        self.collect_of(&NONE, tape, body, member, said, contents);
    }

    /// The same for a member of the object that `own` is about.
    pub(crate) fn collect_of<'a>(
        &self,
        own: &Own,
        tape: &'a Tape,
        body: &'a [u8],
        (key, value): (Option<Value<'a>>, Value<'a>),
        (source, turn): (Source, Option<u32>),
        contents: &mut Contents,
    ) {
        let Contents { texts, media } = contents;
        let visit = |visit: Visit<'a>| {
            let (value, key) = (visit.value, visit.key);
            let named = key.and_then(|key| key.inner_span()).unwrap_or(0..0);
            let mut text = |span: Range<usize>, form| {
                texts.push(Text {
                    span,
                    form,
                    source,
                    key: named.clone(),
                    turn,
                });
            };
            let is_own = |names| visit.top && Self::spares(names, key);
            let Some(span) = value.inner_span() else {
                let span = value.span();
                if span.len() >= NUMBER_MIN && !is_own(own.numbers) {
                    text(span, Form::Number);
                }
                return;
            };
            if span.is_empty() {
                return;
            }
            if visit.is_key || value.is_key() {
                if !Self::spares(self.keys, Some(value)) {
                    text(span, Form::Key);
                }
            } else if !is_own(own.checked) {
                self.string(value, (key, visit.holder), &mut text, media);
            }
        };
        walk(tape, body, value, key, |_, _| false, visit);
    }

    /// A string that is not empty, and no key: text, or a file.
    fn string(
        &self,
        value: Value<'_>,
        (key, holder): (Option<Value<'_>>, Option<Value<'_>>),
        text: &mut impl FnMut(Range<usize>, Form),
        media: &mut Vec<Media>,
    ) {
        let span = value.inner_span().unwrap_or(0..0);
        if Self::spares(self.words, Some(value)) {
            return;
        }
        let raw = value.inner_bytes().unwrap_or_default();
        match media_of(raw) {
            Some(Payload::Text { head, form }) => {
                // The head may say anything too: it has parameters.
                let behind = span.start + head;
                text(span.start + DATA.len()..behind, Form::String);
                text(behind..span.end, form);
            }
            Some(Payload::Opaque) => media.push(Media { span }),
            Some(Payload::Disguised) => {
                media.push(Media { span: span.clone() });
                text(span, Form::String);
            }
            None => {
                let kept = Self::names(self.kept, key) || is_kept(raw);
                if kept || self.is_file(value, (key, holder)) || holds_file(value) {
                    media.push(Media { span: span.clone() });
                }
                let json = Self::names(self.json, key);
                text(span, if json { Form::Json } else { Form::String });
            }
        }
    }

    /// Whether a string is a file, or says where one lies, by the member that it is.
    fn is_file(
        &self,
        value: Value<'_>,
        (key, holder): (Option<Value<'_>>, Option<Value<'_>>),
    ) -> bool {
        let coded = Self::names(self.coded, key);
        let place = Self::names(self.places, key);
        Self::names(self.media, key)
            || (coded || place) && Self::names(self.holders, holder)
            || coded && letters_of(&value.text_bytes(), is_coded) > 0
            || place && memmem::find(&value.text_bytes(), b"://").is_some()
    }
}

#[cfg(test)]
mod tests;
