//! A body with chosen findings replaced: span edits, and what is needed to restore them.
//!
//! Reads the values in the body itself, writes none anywhere else but into the table of what may be restored. Invariants:
//! every byte of a chosen finding is replaced, also where findings overlap; the result is valid JSON where the body was.

use std::collections::HashSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use smallvec::SmallVec;
use wire::facts::Form;
use wire::json::{self, Mapped};
use wire::{Edits, Fault, Kind};

use crate::findings::{Findings, Found, Place};
use crate::nested::{Cursor, INNER_QUOTE, Nesting, number_around, written};
use crate::policy::Policy;
use crate::redact::{Labels, Method};
use crate::restore::{Table, standing};
use crate::scan::Sort;

/// What is to be done with the findings of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The type.
    pub sort: Sort,
    /// With what it is replaced.
    pub method: Method,
    /// Whether the reply gets it back.
    pub restore: bool,
}

/// A rewritten body.
pub struct Rewritten {
    /// The body.
    pub body: Bytes,
    /// What the reply gets back.
    pub table: Table,
    /// How many findings were replaced.
    pub count: usize,
    /// Their types.
    pub sorts: SmallVec<[Sort; 4]>,
    /// The labels that were given.
    pub labels: Labels,
}

impl std::fmt::Debug for Rewritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the body: it is somebody's prompt.
        write!(f, "Rewritten({} replaced)", self.count)
    }
}

/// Replaces the findings of the chosen types.
///
/// # Errors
/// `Bug` if a finding's place is not in the body: then nothing may be sent.
pub fn rewrite(
    policy: &Policy,
    body: &Bytes,
    findings: &Findings,
    choices: &[Choice],
) -> Result<Rewritten, Fault> {
    let typed = typed(policy, body, choices);
    rewriting(policy, body, typed).all(findings, choices)
}

/// The body as it may be written down: everything that was found is replaced by its label, and `media`, stretches that
/// nobody can read, by `<MEDIA>`. The table puts labels in the place of values, for the reply's part of the record.
///
/// # Errors
/// As [`rewrite`]: then nothing may be written down.
pub fn redacted(
    policy: &Policy,
    body: &Bytes,
    findings: &Findings,
    media: impl IntoIterator<Item = Range<usize>>,
) -> Result<Rewritten, Fault> {
    let choices: SmallVec<[Choice; 4]> = findings
        .counts()
        .iter()
        .map(|(sort, _)| Choice {
            sort: *sort,
            method: Method::Placeholder,
            restore: false,
        })
        .collect();
    let mut rewriting = rewriting(policy, body, HashSet::new());
    rewriting.recording = true;
    rewriting.swaps.extend(media.into_iter().map(|span| Swap {
        file: None,
        span,
        with: MEDIA.to_owned(),
    }));
    rewriting.all(findings, &choices)
}

/// What stands in a record in place of images, sound and files.
const MEDIA: &str = "<MEDIA>";
/// Shorter values are no names and no numbers of anybody: a record does not label them wherever they stand in a reply.
const VALUE_CHARS_MIN: usize = 2;

fn rewriting<'a>(
    policy: &'a Policy,
    body: &'a Bytes,
    typed: HashSet<(Sort, u32)>,
) -> Rewriting<'a> {
    Rewriting {
        policy,
        body,
        typed,
        cursor: Cursor::default(),
        cursor_of: 0..0,
        labels: Labels::default(),
        table: Table::new(),
        swaps: Vec::new(),
        count: 0,
        recording: false,
    }
}

/// A text as the detectors saw it, and the way back.
enum Decoded<'b> {
    Escaped(Mapped<'b>),
    File(String),
}

impl<'b> Decoded<'b> {
    fn new(body: &'b Bytes, place: &Place) -> Result<Self, Fault> {
        let raw = body
            .get(place.text.clone())
            .and_then(|raw| std::str::from_utf8(raw).ok());
        let raw = raw.ok_or_else(|| Fault::new(Kind::Bug).detail("a finding outside its body"))?;
        if place.form == Form::Base64 {
            let text = file_text(raw).ok_or_else(|| Fault::new(Kind::Bug).detail("a file"))?;
            return Ok(Self::File(text));
        }
        Ok(Self::Escaped(Mapped::new(raw)))
    }

    fn text(&self) -> &str {
        match self {
            Self::Escaped(mapped) => &mapped.text,
            Self::File(text) => text,
        }
    }
}

/// The text of a file in base64; `None` if it is none, or none that can be read. A text has no NUL: one in another encoding
/// has, between its letters.
#[must_use]
pub fn file_text(base64: &str) -> Option<String> {
    let file = STANDARD.decode(base64.trim()).ok()?;
    let file = Some(file).filter(|file| memchr::memchr(0, file).is_none())?;
    String::from_utf8(file).ok()
}

struct Rewriting<'a> {
    policy: &'a Policy,
    body: &'a Bytes,
    /// Labels that stand in the body already.
    typed: HashSet<(Sort, u32)>,
    /// Where in a JSON text the last finding was, and which text that is.
    cursor: Cursor,
    cursor_of: Range<usize>,
    labels: Labels,
    table: Table,
    /// Spans of the body, and what replaces each; of files: spans of the decoded text.
    swaps: Vec<Swap>,
    count: usize,
    /// For a record: the table leads from values to labels.
    recording: bool,
}

struct Swap {
    /// Of a file: its bytes in the body. Spans are then of its decoded text.
    file: Option<Range<usize>>,
    span: Range<usize>,
    with: String,
}

impl Rewriting<'_> {
    fn all(mut self, findings: &Findings, choices: &[Choice]) -> Result<Rewritten, Fault> {
        // One text is decoded once: its findings stand together.
        let mut decoded: Option<(Range<usize>, Decoded<'_>)> = None;
        for found in &findings.list {
            let Some(choice) = choices.iter().find(|choice| choice.sort == found.sort) else {
                continue;
            };
            let place = &found.place;
            if decoded.as_ref().is_none_or(|(text, _)| *text != place.text) {
                decoded = Some((place.text.clone(), Decoded::new(self.body, place)?));
            }
            if let Some((_, text)) = &decoded {
                self.replace(found, choice, text)?;
            }
        }
        let edits = self.edits()?;
        Ok(Rewritten {
            body: edits.apply(self.body).into_bytes(),
            table: self.table,
            count: self.count,
            sorts: choices.iter().map(|choice| choice.sort).collect(),
            labels: self.labels,
        })
    }

    fn replace(&mut self, found: &Found, choice: &Choice, text: &Decoded<'_>) -> Result<(), Fault> {
        let outside = || Fault::new(Kind::Bug).detail("a finding outside its text");
        let place = &found.place;
        let first = text.text().get(place.at.clone()).ok_or_else(outside)?;
        let mut value = plain(place.form, first);
        let mut others = Vec::with_capacity(found.rest.len());
        for rest in &found.rest {
            let text = Decoded::new(self.body, rest)?;
            let part = text.text().get(rest.at.clone()).ok_or_else(outside)?;
            value.push_str(&plain(rest.form, part));
            others.push((rest, text));
        }
        let name = self.policy.name(found.sort);
        let restoring = choice.restore;
        let (typed, table) = (&self.typed, &mut self.table);
        let taken = |number| restoring && typed.contains(&(found.sort, number));
        let label = self.labels.replacement(
            &self.policy.pepper,
            (found.sort, name),
            &value,
            choice.method,
            taken,
            restoring.then_some(table),
        );
        self.count += 1;
        if self.recording && value.chars().count() >= VALUE_CHARS_MIN {
            self.table.literal(&value, &label);
            // As it stands in a JSON text inside a string: a tool call's arguments.
            let mut escaped = Vec::new();
            json::escape(&value, &mut escaped);
            self.table
                .literal(&String::from_utf8_lossy(&escaped), &label);
        }
        self.swap(place, text, label);
        for (rest, text) in &others {
            self.swap(rest, text, String::new());
        }
        Ok(())
    }

    fn swap(&mut self, place: &Place, text: &Decoded<'_>, label: String) {
        let at = place.at.clone();
        match place.form {
            // Its sign and its fraction go with it.
            Form::Number => {
                self.swap_part(place, text, 0..text.text().len(), format!("\"{label}\""))
            }
            Form::Json => {
                let begin = Nesting::begin(text.text());
                if self.cursor_of != place.text {
                    self.cursor_of = place.text.clone();
                    self.cursor = Cursor::new(begin);
                }
                let here = self.cursor.to(text.text(), at.start, begin);
                let stretches = here.stretches(text.text().get(at.clone()).unwrap_or_default());
                for (nth, stretch) in stretches.iter().enumerate() {
                    let mut part = at.start + stretch.at.start..at.start + stretch.at.end;
                    if stretch.bare {
                        part = number_around(text.text(), part);
                    }
                    self.swap_part(
                        place,
                        text,
                        part,
                        written(&label, nth == 0, stretch.bare.then_some(INNER_QUOTE)),
                    );
                }
            }
            _ => self.swap_part(place, text, at, label),
        }
    }

    fn swap_part(&mut self, place: &Place, text: &Decoded<'_>, at: Range<usize>, with: String) {
        let swap = match text {
            Decoded::File(_) => Swap {
                file: Some(place.text.clone()),
                span: at,
                with,
            },
            Decoded::Escaped(mapped) => {
                let from = place.text.start + mapped.to_raw(at.start);
                let to = if at.end == mapped.text.len() {
                    place.text.end
                } else {
                    place.text.start + mapped.to_raw(at.end)
                };
                Swap {
                    file: None,
                    span: from..to,
                    with,
                }
            }
        };
        self.swaps.push(swap);
    }

    /// The swaps as edits of the body. Where two overlap, the union goes and the first's replacement stays.
    fn edits(&mut self) -> Result<Edits, Fault> {
        let mut swaps = std::mem::take(&mut self.swaps);
        swaps.sort_by(|a, b| {
            let file = |swap: &Swap| swap.file.as_ref().map_or(0, |file| file.start);
            (file(a), a.span.start, b.span.end).cmp(&(file(b), b.span.start, a.span.end))
        });
        let mut merged: Vec<Swap> = Vec::with_capacity(swaps.len());
        for swap in swaps {
            match merged.last_mut() {
                Some(last) if last.file == swap.file && swap.span.start < last.span.end => {
                    last.span.end = last.span.end.max(swap.span.end);
                }
                _ => merged.push(swap),
            }
        }
        let (plain, _) = merged.split_at(merged.partition_point(|swap| swap.file.is_none()));
        // A file in what goes as a whole goes with it.
        let is_gone = |file: &Range<usize>| {
            let at = plain.partition_point(|swap| swap.span.end <= file.start);
            plain
                .get(at)
                .is_some_and(|swap| swap.span.start <= file.start)
        };
        let mut edits = Edits::new();
        let mut rest = merged.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            let (span, with, used) = match &first.file {
                None => (first.span.clone(), first.with.clone(), 1),
                Some(file) if is_gone(file) => {
                    rest = behind;
                    continue;
                }
                Some(file) => {
                    let group = rest
                        .iter()
                        .take_while(|swap| swap.file.as_ref() == Some(file))
                        .count();
                    let swaps = rest.get(..group).unwrap_or_default();
                    (file.clone(), self.file(file, swaps)?, group)
                }
            };
            edits
                .replace(span, with)
                .map_err(|_| Fault::new(Kind::Bug).detail("findings cross"))?;
            rest = behind.get(used - 1..).unwrap_or_default();
        }
        Ok(edits)
    }

    /// A file's text with its swaps made, in base64 again.
    fn file(&self, file: &Range<usize>, swaps: &[Swap]) -> Result<String, Fault> {
        let place = Place {
            text: file.clone(),
            form: Form::Base64,
            at: 0..0,
        };
        let decoded = Decoded::new(self.body, &place)?;
        let text = decoded.text();
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for swap in swaps {
            out.push_str(text.get(at..swap.span.start).unwrap_or_default());
            out.push_str(&swap.with);
            at = swap.span.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Ok(STANDARD.encode(out))
    }
}

/// The value itself: of JSON inside a string, with its own escapes undone.
fn plain(form: Form, value: &str) -> String {
    match form {
        Form::Json => json::unescape(value).into_owned(),
        _ => value.to_owned(),
    }
}

/// The labels that are not ours and stand in the body: what a user typed must not be taken for ours in the reply.
fn typed(policy: &Policy, body: &[u8], choices: &[Choice]) -> HashSet<(Sort, u32)> {
    let restored = choices.iter().filter(|choice| choice.restore);
    let (sorts, names): (Vec<Sort>, Vec<&str>) = restored
        .map(|choice| (choice.sort, policy.name(choice.sort)))
        .unzip();
    if names.is_empty() {
        return HashSet::new();
    }
    let text = json::unescape(std::str::from_utf8(body).unwrap_or_default());
    let mut typed = HashSet::new();
    standing(&text, &names, |name, number| {
        typed.extend(sorts.get(name).map(|sort| (*sort, number)));
    });
    typed
}
