//! What requests used, summed: by quarter of an hour, key, team, user, model, provider, target and currency.
//!
//! Each part of the index keeps the sums of its rows, so a month of ten million requests is a few hundred small tables. A
//! quarter of an hour divides the days of every time zone that there is, so whoever sums on may begin a day where he likes.
//! A row counts where its request arrived, also if it ended days later.
//!
//! ```text
//! usage     u32 CRC-32C behind it; all numbers are LEB128
//!           count of texts, then each: its bytes, the text
//!           count of groups, then each: slot, one text for each of DIMENSIONS, the FIELDS of its sums
//! ```
//!
//! Must never know prices, budgets or a time zone. Invariants: sums saturate; every request and denial is in one group;
//! names that only a stranger's request made up (an unknown model) are not kept.

mod gather;

use std::io;
use std::path::Path;
use std::sync::Arc;

use wire::short::same;

use super::Index;
use super::feed::resume;
use super::file::damaged;
use super::part::Part;
use crate::follow::Until;
use crate::row::Row;
use crate::row::terms::{Terms, Told, Used};
use crate::rows::Rows;

pub(super) use gather::{Gatherer, Shares, Usage};

/// Length of a slot of time, ms.
pub const SLOT_MS: i64 = 900_000;
/// What sums are told apart by, besides time.
pub const DIMENSIONS: [&str; DIMS] = [
    "key", "team", "user", "model", "provider", "target", "currency",
];
const DIMS: usize = 7;
const FIELDS: usize = 15;
/// Refusals before anything was read of the request: what they name need not exist.
const UNREAD: [&str; 3] = ["model_not_found", "invalid_request", "invalid_api_key"];
/// Refusals by a limit: the one kind of request that no limit counts.
const LIMITED: [&str; 2] = ["rate_limit_exceeded", "budget_exceeded"];
/// Ends of requests of which nobody knows what they used.
const UNKNOWN: [&str; 3] = ["crashed", "abandoned", ""];

/// What some requests used together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Requests, refused ones too.
    pub requests: u64,
    /// Of them: refused, or failed; a client that left is no error.
    pub errors: u64,
    /// Of them: refused by a limit or a budget, and so not counted by any.
    pub limited: u64,
    /// Of them: with tokens that are our estimate.
    pub estimated: u64,
    /// Of them: with tokens and without a price.
    pub unpriced: u64,
    /// Tokens of prompts, cached ones included.
    pub prompt: u64,
    /// Of them: read from the vendor's cache.
    pub cached: u64,
    /// Of them: written to it.
    pub cache_write: u64,
    /// Tokens of replies, reasoning included.
    pub completion: u64,
    /// Of them: reasoning.
    pub reasoning: u64,
    /// Images made.
    pub images: u64,
    /// Sound read or made, ms.
    pub audio_ms: u64,
    /// Cost, in billionths of a unit of the currency.
    pub cost_nano: u64,
    /// Tokens reserved by requests of which nobody knows what they used: the process ended before they did.
    pub reserved_tokens: u64,
    /// The same of money, in whatever currency the budget was.
    pub reserved_nano: u64,
}

impl Sums {
    /// What one request used.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        Self::used(&row.kind, &Used::of(row))
    }

    fn used(kind: &str, used: &Used<'_>) -> Self {
        let [.., code, outcome] = used.texts;
        let unpriced = used.cost().is_none();
        let number = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let [
            prompt,
            cached,
            cache_write,
            completion,
            reasoning,
            images,
            audio_ms,
            cost_nano,
            reserved_tokens,
            reserved_nano,
            estimated,
        ] = used.numbers.map(number);
        let unknown = kind == "request" && among(&UNKNOWN, outcome);
        let kept = |reserved| if unknown { reserved } else { 0 };
        Self {
            requests: 1,
            errors: u64::from(!code.is_empty() && !same(outcome, b"client_closed")),
            limited: u64::from(kind == "denial" && among(&LIMITED, code)),
            estimated,
            unpriced: u64::from((prompt > 0 || completion > 0) && unpriced),
            prompt,
            cached,
            cache_write,
            completion,
            reasoning,
            images,
            audio_ms,
            cost_nano,
            reserved_tokens: kept(reserved_tokens),
            reserved_nano: kept(reserved_nano),
        }
    }

    /// Adds what others used.
    pub fn add(&mut self, other: &Self) {
        let mut fields = self.fields();
        for (sum, more) in fields.iter_mut().zip(other.fields()) {
            *sum = sum.saturating_add(more);
        }
        *self = Self::from(fields);
    }

    fn fields(&self) -> [u64; FIELDS] {
        [
            self.requests,
            self.errors,
            self.limited,
            self.estimated,
            self.unpriced,
            self.prompt,
            self.cached,
            self.cache_write,
            self.completion,
            self.reasoning,
            self.images,
            self.audio_ms,
            self.cost_nano,
            self.reserved_tokens,
            self.reserved_nano,
        ]
    }
}

impl From<[u64; FIELDS]> for Sums {
    fn from(fields: [u64; FIELDS]) -> Self {
        let [
            requests,
            errors,
            limited,
            estimated,
            unpriced,
            prompt,
            cached,
            cache_write,
            completion,
            reasoning,
            images,
            audio_ms,
            cost_nano,
            reserved_tokens,
            reserved_nano,
        ] = fields;
        Self {
            requests,
            errors,
            limited,
            estimated,
            unpriced,
            prompt,
            cached,
            cache_write,
            completion,
            reasoning,
            images,
            audio_ms,
            cost_nano,
            reserved_tokens,
            reserved_nano,
        }
    }
}

/// Whether a text is one of a few.
fn among(known: &[&str], text: &[u8]) -> bool {
    known.iter().any(|known| same(known.as_bytes(), text))
}

/// The values of the dimensions, in the order of [`DIMENSIONS`].
pub type Of<'a> = [&'a str; DIMS];

/// Called with the beginning of a slot (ms since 1970), the values of its dimensions, and the sums.
pub type Take<'t> = dyn FnMut(i64, &Of<'_>, &Sums) + 't;

/// One row's share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share<'r> {
    slot: u32,
    of: [&'r [u8]; DIMS],
    sums: Sums,
}

impl<'r> Share<'r> {
    /// `None` for what is no request, or has no time.
    pub(super) fn of(kind: &str, told: &Told<'r>) -> Option<Self> {
        if kind != "request" && kind != "denial" {
            return None;
        }
        let slot = told.time?.div_euclid(SLOT_MS);
        let [
            key,
            team,
            user,
            asked,
            first_provider,
            first_model,
            provider,
            model,
            currency,
            code,
            _,
        ] = told.used.texts;
        let either = |last: &'r [u8], first| if last.is_empty() { first } else { last };
        // Limits are asked before it is known whether there is such a model.
        let unread = kind == "denial" && (among(&UNREAD, code) || among(&LIMITED, code));
        let asked = if unread { &[][..] } else { asked };
        Some(Self {
            slot: u32::try_from(slot).ok()?,
            of: [
                key,
                team,
                user,
                asked,
                either(provider, first_provider),
                either(model, first_model),
                currency,
            ],
            sums: Sums::used(kind, &told.used),
        })
    }
}

impl Usage {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.texts.len() as u64);
        for text in &self.texts {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text);
        }
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_unstable_by_key(|(group, _)| *group);
        put(&mut out, groups.len() as u64);
        for (group, sums) in groups {
            group
                .iter()
                .for_each(|part| put(&mut out, u64::from(*part)));
            sums.fields().iter().for_each(|field| put(&mut out, *field));
        }
        out
    }
}

/// Hands over what [`Usage::encode`] wrote.
pub(super) fn decode(bytes: &[u8], take: &mut Take<'_>) -> io::Result<()> {
    let mut rest = bytes;
    let count = get(&mut rest)?;
    let mut texts = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(get(&mut rest)?).map_err(|_| damaged())?;
        let (text, behind) = rest.split_at_checked(length).ok_or_else(damaged)?;
        texts.push(str::from_utf8(text).map_err(|_| damaged())?);
        rest = behind;
    }
    for _ in 0..get(&mut rest)? {
        let slot = i64::try_from(get(&mut rest)?).map_err(|_| damaged())?;
        let mut of = [""; DIMS];
        for value in &mut of {
            let place = usize::try_from(get(&mut rest)?).map_err(|_| damaged())?;
            *value = texts.get(place).ok_or_else(damaged)?;
        }
        let mut fields = [0; FIELDS];
        for field in &mut fields {
            *field = get(&mut rest)?;
        }
        take(slot.saturating_mul(SLOT_MS), &of, &Sums::from(fields));
    }
    Ok(())
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn get(rest: &mut &[u8]) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) = rest.split_first().ok_or_else(damaged)?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged())
}

/// Of the slots that have anything to do with `from_ms..to_ms`.
fn within(from_ms: i64, to_ms: i64) -> impl Fn(i64) -> bool {
    move |slot_ms| slot_ms.saturating_add(SLOT_MS) > from_ms && slot_ms < to_ms
}

impl Index {
    /// Hands over what was used in the slots of `from_ms..to_ms`, whole slots, in any order and in several pieces; returns
    /// the index below which every row was counted.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged; what was handed over before counts for nothing.
    pub fn usage(&self, from_ms: i64, to_ms: i64, take: &mut Take<'_>) -> io::Result<u64> {
        let inside = within(from_ms, to_ms);
        let (parts, complete_to) = {
            let state = self.locked();
            state.tail.usage.each(&mut |slot, of, sums| {
                if inside(slot) {
                    take(slot, of, sums);
                }
            });
            (state.parts.clone(), state.complete_to)
        };
        self.noting(of_parts(&parts, (from_ms, to_ms), take))
            .map(|()| complete_to)
    }
}

fn of_parts(
    parts: &[Arc<Part>],
    (from_ms, to_ms): (i64, i64),
    take: &mut Take<'_>,
) -> io::Result<()> {
    let inside = within(from_ms, to_ms);
    for part in parts {
        let outside = part.footer.times.is_none_or(|(first, last)| {
            last < from_ms.saturating_sub(SLOT_MS) || first >= to_ms.saturating_add(SLOT_MS)
        });
        if outside {
            continue;
        }
        part.open()?.usage(&mut |slot, of, sums| {
            if inside(slot) {
                take(slot, of, sums);
            }
        })?;
    }
    Ok(())
}

/// What the log itself says beside the sums.
#[derive(Debug, Default)]
pub struct Read {
    /// Every row below this index was counted.
    pub complete_to: u64,
    /// Requests that run: their openings, without an end.
    pub open: Vec<Row>,
}

/// The same as [`Index::usage`] for a directory, with whatever index there is or none, to the end of what is written: what
/// the index does not have is read from the log. Also says which requests are open.
///
/// # Errors
/// A file that cannot be read. An index that is damaged is one of kind `InvalidData`: go on without it.
pub fn read(
    journal: &Path,
    index: Option<&Index>,
    (from_ms, to_ms): (i64, i64),
    until: Until,
    take: &mut Take<'_>,
) -> io::Result<Read> {
    let parts = index.map_or_else(Vec::new, |index| index.locked().parts.clone());
    let mut rows = match parts.last() {
        Some(last) => resume(journal, &last.footer.standing)?,
        None => Rows::since(journal, from_ms)?,
    };
    let summed = of_parts(&parts, (from_ms, to_ms), take);
    index.map_or(Ok(()), |index| index.noting(summed))?;
    let (mut settled, mut usage) = (Vec::new(), Usage::default());
    let (mut terms, mut gatherer, mut shares) =
        (Terms::new(), Gatherer::default(), Shares::default());
    let inside = within(from_ms, to_ms);
    let mut add = |kind: &str, told: &Told<'_>| {
        if let Some(share) = Share::of(kind, told)
            && inside(i64::from(share.slot) * SLOT_MS)
        {
            gatherer.add(&share, &mut shares);
            usage.add_all(&mut shares);
        }
    };
    while rows.step(until, &mut settled)? {
        for settled in settled.drain(..) {
            // Where the log was not read from its beginning, an end without its beginning belongs to an earlier time.
            if settled.first.is_none() {
                continue;
            }
            let mut told = Told::default();
            match terms.of(&settled, &mut told, &mut |_, _| {}) {
                Some(()) => add(settled.kind(), &told),
                None => {
                    let row = settled.row();
                    add(&row.kind, &Told::of(&row));
                }
            }
        }
    }
    usage.each(take);
    Ok(Read {
        complete_to: rows.next_index(),
        open: rows.join().open_rows(),
    })
}

#[cfg(test)]
mod tests;
