//! Looking through a request: every text of it, what could not be read, and values split over two messages.
//!
//! Finds; decides nothing and changes nothing. Long texts are looked through in pieces with a pause between them, so that
//! other streams of this thread go on. Invariant: a text that could not be looked through is an error, never a pass.

use bytes::Bytes;
use policies::findings::{FINDINGS_MAX, Findings, Found, Place};
use policies::policy::Policy;
use policies::rewrite::file_text;
use policies::scan::{Finding, Sort, Sorts, Stream};
use wire::facts::{Contents, Form, Source, Text};
use wire::json::{self, Mapped};
use wire::{Fault, Kind};

/// Bytes that are looked through at once: a tenth of a millisecond of ordinary text, ten of the dearest that there is.
const PIECE_BYTES: usize = 32 << 10;
/// How much of two neighbouring messages is looked at as one, in bytes on either side (`pii-entities.md`, section 7).
const SEAM_BYTES: usize = 64;
/// Keys that say nothing of their value.
const PLAIN_KEYS: [&str; 6] = [
    "content",
    "text",
    "arguments",
    "url",
    "description",
    "input",
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
    };
    looking.findings.media = u32::try_from(contents.media.len()).unwrap_or(u32::MAX);
    let mut since = 0;
    for text in &contents.texts {
        since += text.span.len();
        looking.text(text).await?;
        if since > PIECE_BYTES {
            since = 0;
            tokio::task::yield_now().await;
        }
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
}

/// The end of a text.
struct Seam {
    source: Source,
    place: Place,
    text: String,
}

impl Looking<'_> {
    async fn text(&mut self, text: &Text) -> Result<(), Fault> {
        let raw = str(self.body, &text.span)?;
        let key = self.body.get(text.key.clone()).unwrap_or_default();
        let key = json::unescape(std::str::from_utf8(key).unwrap_or_default());
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
        let mapped = Mapped::new(raw);
        self.look(text, &context, &mapped.text).await;
        if text.turn.is_some() && SAID_KEYS.contains(&&*key) {
            self.seam(text, &mapped.text);
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
            self.found(finding.sort, finding.score, place, None);
        }
    }

    async fn look(&mut self, text: &Text, context: &str, decoded: &str) {
        self.scratch.clear();
        if decoded.len() <= PIECE_BYTES * 2 {
            self.policy.set.scan(context, decoded, &mut self.scratch);
        } else {
            self.look_long(decoded).await;
        }
        for finding in std::mem::take(&mut self.scratch) {
            self.found(finding.sort, finding.score, place(text, &finding), None);
        }
        self.judge(text, decoded);
    }

    /// The same in pieces: a stream finds what the whole has.
    async fn look_long(&mut self, decoded: &str) {
        let mut stream = Stream::new();
        let mut rest = decoded;
        while !rest.is_empty() {
            let mut at = rest.len().min(PIECE_BYTES);
            while !rest.is_char_boundary(at) {
                at += 1;
            }
            let (piece, behind) = rest.split_at(at);
            stream.push(&self.policy.set, piece, &mut self.scratch);
            rest = behind;
            tokio::task::yield_now().await;
        }
        stream.finish(&self.policy.set, &mut self.scratch);
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
                self.found(Sort::SOURCE_CODE, 90, place, None);
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
                self.found(Sort::PROMPT_INJECTION, judged.score, place, None);
            }
        }
    }

    fn found(&mut self, sort: Sort, score: u8, place: Place, rest: Option<Place>) {
        if self.wanted.contains(sort) {
            self.findings.push(Found {
                sort,
                score,
                place,
                rest,
            });
        }
    }

    /// Looks at the end of the text before and the beginning of this one as one text.
    fn seam(&mut self, text: &Text, decoded: &str) {
        let mut to = decoded.len().min(SEAM_BYTES);
        while !decoded.is_char_boundary(to) {
            to -= 1;
        }
        let head = decoded.get(..to).unwrap_or_default();
        if let Some(before) = self.before.take()
            && before.source == text.source
            && !head.is_empty()
        {
            let joined = format!("{}{head}", before.text);
            let border = before.text.len();
            self.scratch.clear();
            self.policy.set.scan("", &joined, &mut self.scratch);
            for finding in std::mem::take(&mut self.scratch) {
                if finding.start >= border || finding.end <= border {
                    continue;
                }
                let first = Place {
                    at: before.place.at.start + finding.start..before.place.at.end,
                    ..before.place.clone()
                };
                let rest = Place {
                    text: text.span.clone(),
                    form: text.form,
                    at: 0..finding.end - border,
                };
                self.found(finding.sort, finding.score, first, Some(rest));
            }
        }
        let mut from = decoded.len().saturating_sub(SEAM_BYTES);
        while !decoded.is_char_boundary(from) {
            from += 1;
        }
        self.before = Some(Seam {
            source: text.source,
            place: Place {
                text: text.span.clone(),
                form: text.form,
                at: from..decoded.len(),
            },
            text: decoded.get(from..).unwrap_or_default().to_owned(),
        });
    }
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
    let raw = body
        .get(span.clone())
        .and_then(|raw| std::str::from_utf8(raw).ok());
    raw.ok_or_else(|| Fault::new(Kind::Bug).detail("a text outside its body"))
}

fn place(text: &Text, finding: &Finding) -> Place {
    Place {
        text: text.span.clone(),
        form: text.form,
        at: finding.start..finding.end,
    }
}
