//! Looking through a request: every text of it, what could not be read, and values split over two messages.
//!
//! Finds; decides nothing and changes nothing. Long texts are looked through in pieces with a pause between them, so that
//! other streams of this thread go on. Invariant: a text that could not be looked through is an error, never a pass.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use policies::findings::{FINDINGS_MAX, Findings, Found, Place};
use policies::policy::Policy;
use policies::rewrite::file_text;
use policies::scan::{Finding, Sort, Sorts, Stream};
use smallvec::SmallVec;
use wire::facts::{Contents, Form, Source, Text};
use wire::json::{self, Mapped, Pieces, utf8};
use wire::{Fault, Kind};

/// Bytes that are looked through at once: five to twenty µs of ordinary text, three ms of the dearest that there is.
const PIECE_BYTES: usize = 8 << 10;
/// Longer texts are looked through in pieces.
const WHOLE_BYTES: usize = 2 * PIECE_BYTES;
/// How long this thread's other streams wait at most for ordinary text.
const TURN: Duration = Duration::from_micros(200);
/// How much of neighbouring messages is looked at as one, in bytes on either side (`pii-entities.md`, section 7).
const SEAM_BYTES: usize = 64;
/// The same where a long word stands there, as tokens and keys are.
const SEAM_WORD_BYTES: usize = 512;
/// Keys that say nothing of their value: dialects' own, whose words would speak against a finding.
const PLAIN_KEYS: [&str; 13] = [
    "content",
    "text",
    "arguments",
    "url",
    "description",
    "input",
    "id",
    "user_id",
    "file_id",
    "tool_use_id",
    "tool_call_id",
    "stop_sequences",
    "stopSequences",
];

/// Keys of what a message says: the halves of a split value stand in neighbours of these.
const SAID_KEYS: [&str; 2] = ["content", "text"];

/// All that the policy's set finds in a request.
pub(super) async fn look(
    policy: &Policy,
    body: &Bytes,
    contents: &Contents,
) -> Result<Findings, Fault> {
    look_for(policy, policy.looked_for(), body, contents).await
}

/// The same, for these types.
pub(super) async fn look_for(
    policy: &Policy,
    wanted: &Sorts,
    body: &Bytes,
    contents: &Contents,
) -> Result<Findings, Fault> {
    let mut looking = Looking {
        policy,
        wanted,
        body,
        findings: Findings::default(),
        scratch: Vec::new(),
        before: None,
        turn: Turn::default(),
    };
    looking.findings.media = u32::try_from(contents.media.len()).unwrap_or(u32::MAX);
    for text in &contents.texts {
        looking.text(text).await?;
        let context = text.key.len().min(KEY_BYTES);
        looking.turn.took(text.span.len() + context).await;
        if looking.findings.list.len() > FINDINGS_MAX {
            return Err(Fault::new(Kind::TooLarge)
                .reason("too_many_findings")
                .message("The request holds too many values that a policy must look at."));
        }
    }
    Ok(looking.findings)
}

struct Looking<'a> {
    policy: &'a Policy,
    wanted: &'a Sorts,
    body: &'a Bytes,
    findings: Findings,
    scratch: Vec<Finding>,
    /// The end of the message before, by its own offsets.
    before: Option<Seam>,
    turn: Turn,
}

/// How long this thread has done nothing else.
#[derive(Default)]
struct Turn {
    /// Bytes since the clock was asked.
    bytes: usize,
    since: Option<Instant>,
}

impl Turn {
    /// So many bytes were looked through: lets the thread's other streams go on if it is their turn.
    async fn took(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes < PIECE_BYTES {
            return;
        }
        self.bytes = 0;
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        if now - since > TURN {
            tokio::task::yield_now().await;
            self.since = None;
        }
    }
}

/// Bytes of a key that are its values' context: cues stand at its end. Each element of an array has it, so it is bounded.
const KEY_BYTES: usize = 512;

/// The end of a key, unescaped.
fn context_of(key: &[u8]) -> Cow<'_, str> {
    let tail = key
        .get(key.len().saturating_sub(KEY_BYTES)..)
        .unwrap_or(key);
    // A character that is cut begins with bytes that begin none.
    let cut = tail.iter().take_while(|byte| **byte & 0xC0 == 0x80).count();
    let tail = tail.get(cut..).unwrap_or_default();
    json::unescape(std::str::from_utf8(tail).unwrap_or_default())
}

/// The end of what was said so far: of the last text, and of those before it if it is short.
struct Seam {
    source: Source,
    text: String,
    /// Whose ends they are, in order, and where each begins in the text.
    parts: SmallVec<[(usize, Place); 1]>,
}

impl Seam {
    /// The places of what stands there from `at` on.
    fn from(&self, at: usize) -> impl Iterator<Item = Place> + '_ {
        self.parts.iter().filter_map(move |(begin, place)| {
            let skipped = at.saturating_sub(*begin);
            (skipped < place.at.len()).then(|| Place {
                at: place.at.start + skipped..place.at.end,
                ..place.clone()
            })
        })
    }

    /// The end of a text.
    fn of(source: Source, tail: &str, place: Place) -> Self {
        let mut parts = SmallVec::new();
        parts.push((0, place));
        Self {
            source,
            text: tail.to_owned(),
            parts,
        }
    }

    /// Goes on with a text that is short.
    fn append(&mut self, text: &str, place: Place) {
        self.parts.push((self.text.len(), place));
        self.text.push_str(text);
        let gone = self.text.len() - tail_of(&self.text).len();
        let mut begin = 0;
        let kept = self.from(gone).map(|place| {
            let at = begin;
            begin += place.at.len();
            (at, place)
        });
        self.parts = kept.collect();
        self.text.drain(..gone);
    }
}

impl Looking<'_> {
    async fn text(&mut self, text: &Text) -> Result<(), Fault> {
        let raw = str(self.body, &text.span)?;
        let key = context_of(self.body.get(text.key.clone()).unwrap_or_default());
        let context = if key.is_empty() || PLAIN_KEYS.contains(&&*key) {
            String::new()
        } else {
            format!("{key}: ")
        };
        if text.form == Form::Base64 {
            match file_text(raw) {
                Some(file) => self.look(text, &context, &file).await,
                // A file that says it is text and is none: nobody can read it.
                None => self.findings.media = self.findings.media.saturating_add(1),
            }
            return Ok(());
        }
        if text.form == Form::Number
            && let Some(whole) = whole_number(raw)
        {
            self.number(text, &context, &whole);
            return Ok(());
        }
        let told = text.turn.is_some() || text.source == Source::System;
        let said = told && SAID_KEYS.contains(&&*key);
        if raw.len() > WHOLE_BYTES && !self.judges(text) {
            let ends = self.look_long(text, &context, Pieces::new(raw)).await;
            if said {
                self.seam(text, &ends.head, &ends.tail, ends.len);
            }
            return Ok(());
        }
        let mapped = Mapped::new(raw);
        self.look(text, &context, &mapped.text).await;
        if said {
            let (head, tail) = (head_of(&mapped.text), tail_of(&mapped.text));
            self.seam(text, head, tail, mapped.text.len());
        }
        Ok(())
    }

    /// A number that is written as no whole one, and is one: what is found in it is all of it.
    fn number(&mut self, text: &Text, context: &str, whole: &str) {
        self.scratch.clear();
        self.policy.set.scan(context, whole, &mut self.scratch);
        for finding in std::mem::take(&mut self.scratch) {
            let place = Place {
                text: text.span.clone(),
                form: text.form,
                at: 0..text.span.len(),
            };
            self.found(finding.sort, finding.score, place, Vec::new());
        }
    }

    async fn look(&mut self, text: &Text, context: &str, decoded: &str) {
        if decoded.len() > WHOLE_BYTES {
            self.look_long(text, context, Pieces::plain(decoded)).await;
        } else {
            self.scratch.clear();
            self.policy.set.scan(context, decoded, &mut self.scratch);
            self.take(text);
        }
        self.judge(text, decoded);
    }

    /// The same in pieces: a stream finds what the whole has.
    async fn look_long(&mut self, text: &Text, context: &str, mut pieces: Pieces<'_>) -> Ends {
        self.scratch.clear();
        let (mut stream, mut ends) = (Stream::behind(context), Ends::default());
        let mut more = true;
        while more {
            let before = ends.len;
            stream.push_with(&self.policy.set, &mut self.scratch, |text| {
                let from = text.len();
                more = pieces.next_onto(text, PIECE_BYTES);
                ends.take(text.get(from..).unwrap_or_default());
            });
            self.turn.took(ends.len - before).await;
        }
        stream.finish(&self.policy.set, &mut self.scratch);
        self.take(text);
        ends
    }

    /// Keeps what was found in the text.
    fn take(&mut self, text: &Text) {
        for finding in std::mem::take(&mut self.scratch) {
            self.found(
                finding.sort,
                finding.score,
                place(text, &finding),
                Vec::new(),
            );
        }
    }

    /// Whether anything is judged over the whole text.
    fn judges(&self, text: &Text) -> bool {
        let wanted = |sort| self.wanted.contains(sort);
        !matches!(text.form, Form::Key | Form::Number)
            && (wanted(Sort::SOURCE_CODE) || wanted(Sort::PROMPT_INJECTION))
    }

    /// What is judged over a whole text.
    fn judge(&mut self, text: &Text, decoded: &str) {
        let wanted = self.wanted;
        if text.form == Form::Key || text.form == Form::Number {
            return;
        }
        // Tool definitions and fields are the application's own; a system message may hold what somebody pasted.
        let own = text.source == Source::System && text.turn.is_none();
        if wanted.contains(Sort::SOURCE_CODE) && !own {
            for span in policies::scan::code_text::find(decoded) {
                let place = Place {
                    text: text.span.clone(),
                    form: text.form,
                    at: span,
                };
                self.found(Sort::SOURCE_CODE, 90, place, Vec::new());
            }
        }
        if wanted.contains(Sort::PROMPT_INJECTION) {
            let source = match text.source {
                Source::User => policies::scan::injection::Source::User,
                Source::System => policies::scan::injection::Source::System,
                Source::Tool => policies::scan::injection::Source::Tool,
                Source::Model => policies::scan::injection::Source::Model,
            };
            if let Some(judged) = policies::scan::injection::find(decoded, source) {
                let place = Place {
                    text: text.span.clone(),
                    form: text.form,
                    at: judged.span,
                };
                self.found(Sort::PROMPT_INJECTION, judged.score, place, Vec::new());
            }
        }
    }

    fn found(&mut self, sort: Sort, score: u8, place: Place, rest: Vec<Place>) {
        if self.wanted.contains(sort) {
            self.findings.push(Found {
                sort,
                score,
                place,
                rest,
            });
        }
    }

    /// Looks at the end of what was said before and the beginning of this text, of `len` bytes, as one text. One that is
    /// shorter than a seam does not hide what stands before it.
    fn seam(&mut self, text: &Text, head: &str, tail: &str, len: usize) {
        let place = |at| Place {
            text: text.span.clone(),
            form: text.form,
            at,
        };
        let before = self.before.take();
        let mut seam = before.filter(|before| before.source == text.source);
        if let Some(before) = &seam {
            let joined = format!("{}{head}", before.text);
            let border = before.text.len();
            self.scratch.clear();
            self.policy.set.scan("", &joined, &mut self.scratch);
            for finding in std::mem::take(&mut self.scratch) {
                if finding.start >= border || finding.end <= border {
                    continue;
                }
                let mut places = before.from(finding.start);
                let Some(first) = places.next() else {
                    continue;
                };
                let rest = places.chain([place(0..finding.end - border)]).collect();
                self.found(finding.sort, finding.score, first, rest);
            }
        }
        let own = place(len - tail.len()..len);
        match &mut seam {
            Some(seam) if tail.len() == len => seam.append(tail, own),
            _ => seam = Some(Seam::of(text.source, tail, own)),
        }
        self.before = seam;
    }
}

/// Where a text begins and ends, for its neighbours.
#[derive(Default)]
struct Ends {
    head: String,
    tail: String,
    len: usize,
}

impl Ends {
    /// The next piece of it; only the last is shorter than both ends.
    fn take(&mut self, piece: &str) {
        if self.len == 0 {
            head_of(piece).clone_into(&mut self.head);
        }
        self.len += piece.len();
        self.tail.push_str(tail_of(piece));
        let kept = self.tail.len() - tail_of(&self.tail).len();
        self.tail.drain(..kept);
    }
}

/// What the next message's neighbour sees of a text: its beginning.
fn head_of(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut to = text.len().min(SEAM_BYTES);
    while to < text.len().min(SEAM_WORD_BYTES) && bytes.get(to).copied().is_some_and(is_of_word) {
        to += 1;
    }
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    text.get(..to).unwrap_or_default()
}

/// And its end.
fn tail_of(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut from = text.len().saturating_sub(SEAM_BYTES);
    while let Some(before) = from.checked_sub(1)
        && text.len() - from < SEAM_WORD_BYTES
        && bytes.get(before).copied().is_some_and(is_of_word)
    {
        from = before;
    }
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default()
}

/// Whether a byte may be one of a key's or a token's.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte)
}

/// The digits of a number that has a sign, a fraction of nothing, or an exponent; `None`: it has none of these, or is not
/// whole.
fn whole_number(raw: &str) -> Option<String> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if digits.len() == raw.len() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Some((whole, fraction)) = digits.split_once('.')
        && fraction.bytes().all(|byte| byte == b'0')
    {
        return Some(whole.to_owned());
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(digits.to_owned());
    }
    // Beyond twenty digits nobody is meant; below, a reader of floats sees these.
    let number: f64 = digits.parse().ok()?;
    (number.fract() == 0.0 && number < 1e20).then(|| format!("{number:.0}"))
}

fn str<'b>(body: &'b Bytes, span: &std::ops::Range<usize>) -> Result<&'b str, Fault> {
    let raw = body.get(span.clone()).and_then(utf8);
    raw.ok_or_else(|| Fault::new(Kind::Bug).detail("a text outside its body"))
}

fn place(text: &Text, finding: &Finding) -> Place {
    Place {
        text: text.span.clone(),
        form: text.form,
        at: finding.start..finding.end,
    }
}
