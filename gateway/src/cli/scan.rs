//! `yumen scan`: the detectors over text.
//!
//! With `--jsonl` each line is one text with its id, and each answer names spans in code points of the text as given;
//! without, the text comes out redacted. Knows no config: types have their default grades. Invariants: never prints what
//! it could not scan; a line or a text is bounded.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use policies::scan::{Entity, Finding, GRADES, Set, Sort, Stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ScanArgs;

/// The longest line of `--jsonl`.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much text is read at once.
const READ_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    text: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a RawValue,
    spans: Vec<Span<'a>>,
}

#[derive(Serialize)]
struct Span<'a> {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    sort: &'a str,
    grade: &'static str,
}

/// The types that are looked for, for the help.
pub(super) fn types() -> String {
    let named = Entity::ALL.iter().map(|entity| entity.name());
    let names: Vec<&str> = named.chain(["SOURCE_CODE", "PROMPT_INJECTION"]).collect();
    format!("Types: {}", names.join(", "))
}

pub(super) fn run(
    args: &ScanArgs,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let set = Set::build(Vec::new(), Vec::new(), &|_, _, grade| grade)?;
    if args.jsonl {
        jsonl(&set, input, out)?;
    } else {
        redact(&set, input, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn jsonl(set: &Set, input: &mut impl BufRead, out: &mut impl Write) -> anyhow::Result<()> {
    let (mut line, mut found) = (Vec::new(), Vec::new());
    let mut number = 0u64;
    loop {
        line.clear();
        number += 1;
        let read = input
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == LINE_BYTES_MAX {
            bail!("line {number} is longer than {LINE_BYTES_MAX} bytes");
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        // The parser's own message may quote the text.
        let Line { id, text } = serde_json::from_slice(&line).map_err(|e| {
            anyhow::anyhow!(
                "line {number} is not {{\"id\",\"text\"}}, at column {}",
                e.column()
            )
        })?;
        found.clear();
        set.scan("", &text, &mut found);
        let spans = spans(set, &text, &found);
        serde_json::to_writer(&mut *out, &Answer { id, spans })?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Findings with their offsets in code points.
fn spans<'s>(set: &'s Set, text: &str, found: &[Finding]) -> Vec<Span<'s>> {
    let (mut bytes, mut points) = (0, 0);
    let mut upto = |offset: usize| {
        points += text
            .get(bytes..offset)
            .map_or(0, |part| part.chars().count());
        bytes = offset;
        points
    };
    found
        .iter()
        .map(|finding| {
            let info = set.info(finding.sort);
            Span {
                start: upto(finding.start),
                end: upto(finding.end),
                sort: &info.name,
                grade: GRADES.get(usize::from(info.grade.0)).copied().unwrap_or(""),
            }
        })
        .collect()
}

/// Labels of values: the same value gets the same label.
#[derive(Default)]
struct Labels {
    given: HashMap<(Sort, String), usize>,
    counts: HashMap<Sort, usize>,
}

impl Labels {
    fn of(&mut self, set: &Set, sort: Sort, value: &str) -> String {
        let counts = &mut self.counts;
        let n = *self
            .given
            .entry((sort, value.to_owned()))
            .or_insert_with(|| {
                let n = counts.entry(sort).or_default();
                *n += 1;
                *n
            });
        format!("<{}_{n}>", set.info(sort).name)
    }
}

/// Text in, redacted text out, as it comes.
fn redact(set: &Set, input: &mut impl Read, out: &mut impl Write) -> anyhow::Result<()> {
    let mut stream = Stream::new();
    let mut labels = Labels::default();
    // What was read and not yet written, and where in the stream it begins.
    let (mut held, mut from) = (String::new(), 0u64);
    let (mut cut, mut found) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let n = input.read(&mut buffer)?;
        cut.extend_from_slice(buffer.get(..n).unwrap_or(&[]));
        let valid = match std::str::from_utf8(&cut) {
            Ok(_) => cut.len(),
            // A character that the read has cut.
            Err(e) if e.error_len().is_none() && n > 0 => e.valid_up_to(),
            Err(_) => bail!("the text is not UTF-8"),
        };
        let rest = cut.split_off(valid);
        let piece = String::from_utf8(std::mem::replace(&mut cut, rest))
            .context("the text is not UTF-8")?;
        held.push_str(&piece);
        found.clear();
        let decided = if n == 0 {
            stream.push(set, &piece, &mut found);
            stream.finish(set, &mut found)
        } else {
            stream.push(set, &piece, &mut found)
        };
        let mut at = 0;
        for finding in &found {
            let begin = usize::try_from(finding.start as u64 - from)?;
            let end = usize::try_from(finding.end as u64 - from)?;
            out.write_all(held.get(at..begin).unwrap_or("").as_bytes())?;
            let value = held.get(begin..end).unwrap_or("");
            let label = labels.of(set, finding.sort, value);
            out.write_all(label.as_bytes())?;
            at = end;
        }
        let upto = usize::try_from(decided - from)?;
        out.write_all(held.get(at..upto).unwrap_or("").as_bytes())?;
        held.drain(..upto);
        from = decided;
        if n == 0 {
            break;
        }
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(jsonl: bool, input: &str) -> anyhow::Result<String> {
        let mut out = Vec::new();
        run(&ScanArgs { jsonl }, &mut input.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn spans_count_code_points() {
        let out = scanned(true, "{\"id\": 7, \"text\": \"😀电话１３８００１３８０００。\"}\n\n{\"id\":\"a\",\"text\":\"\"}\n").unwrap();
        assert_eq!(
            out,
            "{\"id\":7,\"spans\":[{\"start\":3,\"end\":14,\"type\":\"CN_MOBILE\",\"grade\":\"confidential\"}]}\n{\"id\":\"a\",\"spans\":[]}\n"
        );
    }

    #[test]
    fn text_comes_out_redacted_with_one_label_per_value() {
        let out = scanned(false, "拨13800138000或13900139000，再拨13800138000。").unwrap();
        assert_eq!(out, "拨<CN_MOBILE_1>或<CN_MOBILE_2>，再拨<CN_MOBILE_1>。");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_without_the_text() {
        for bad in [
            "{\"id\":1}",
            "13800138000",
            "{\"id\":1,\"text\":\"13800138000\\ud800\"}",
        ] {
            let error = scanned(true, bad).unwrap_err().to_string();
            assert!(
                error.starts_with("line 1") && !error.contains("13800"),
                "{error}"
            );
        }
    }
}
