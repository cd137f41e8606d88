//! Reads a reply of this dialect, streamed or whole, to canonical events.
//!
//! One event's data is copied once; everything that comes out of it is a slice of that copy. Pieces are what counts: the
//! whole of a text that comes behind them is read only where no piece came. What the canonical events have no word for
//! (citations, the vendor's own tools) is passed over.

use bytes::Bytes;
use wire::canon::{Event, Raw, Str};
use wire::facts::Finish;
use wire::json::{self, Value};
use wire::sse;
use wire::{Fault, Kind};

use super::{ENCRYPTED, lens};
use crate::dialect::Decoder;
use crate::dialects::openai_chat::decode_reply::{data_of, scan};
use crate::dialects::openai_chat::usage::read_usage;
use crate::mold::Mold;
use crate::places::Asks;

/// Items of one response that are followed; more are read as malformed.
const ITEMS_MAX: usize = 4096;
/// Members of an event that nobody looks at.
const FREE: [&str; 2] = ["sequence_number", "obfuscation"];

/// State of one reply.
#[derive(Default)]
pub(super) struct Reader {
    mold: Mold,
    tape: json::Tape,
    started: bool,
    done: bool,
    failed: bool,
    items: Vec<Item>,
    calls: u32,
}

/// What is known of an item.
struct Item {
    output_index: u64,
    /// Of a call: its number among the calls.
    call: u32,
    /// A piece of it came.
    said: bool,
}

impl Decoder for Reader {
    fn event(&mut self, event: &sse::Event<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if self.done || self.failed {
            return Ok(());
        }
        if let Some(event) = self.mold.read(event.raw) {
            out.push(event);
            return Ok(());
        }
        let Some(data) = data_of(event) else {
            return Ok(());
        };
        if data.trim_ascii_start().starts_with(b"[DONE]") {
            return Ok(());
        }
        self.mold.forget();
        let mut tape = std::mem::take(&mut self.tape);
        let (before, from) = (self.state(), out.len());
        let named_error = event.name() == Some(b"error");
        let read = scan(&data, &mut tape).and_then(|root| {
            if named_error {
                self.failed = true;
                out.push(Event::Error(Raw::of(&data, root)));
                return Ok(());
            }
            self.root(&data, root, out)
        });
        if read.is_ok() && self.state() == before {
            let made = out.get(from..).unwrap_or_default();
            self.mold.make(event, (&data, &tape), made, &FREE);
        }
        self.tape = tape;
        read
    }

    fn whole(&mut self, body: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        if root.get("error").is_some_and(|error| !error.is_null()) {
            self.failed = true;
            out.push(Event::Error(Raw::of(body, root)));
            return Ok(());
        }
        let output = root
            .get("output")
            .filter(|_| lens::is_reply(Asks::Reply, root));
        let output = output.ok_or(Kind::Malformed)?;
        self.start(body, root, out);
        for (at, item) in output.elements().enumerate() {
            self.begin(body, at as u64, item, out)?;
            self.finish_item(body, at as u64, item, out)?;
        }
        self.close(body, root, out);
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Event>) -> Result<(), Fault> {
        if self.failed || !self.done {
            return Err(Kind::CutShort.into());
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.done
    }
}

impl Reader {
    /// What changes with an event that comes to one piece: all else changes with other events only.
    fn state(&self) -> (usize, usize) {
        let said = self.items.iter().filter(|item| item.said).count();
        (self.items.len(), said)
    }

    fn root(&mut self, data: &Bytes, root: Value<'_>, out: &mut Vec<Event>) -> Result<(), Fault> {
        let kind = root.get("type").and_then(|kind| kind.as_str());
        let Some(kind) = kind else {
            let error = root.get("error").filter(|error| !error.is_null());
            error.ok_or_else(|| Fault::from(Kind::Malformed))?;
            self.failed = true;
            out.push(Event::Error(Raw::of(data, root)));
            return Ok(());
        };
        let response = root.get("response");
        let at = root
            .get("output_index")
            .and_then(|at| at.as_u64())
            .unwrap_or(0);
        match &*kind {
            "error" | "response.failed" => {
                self.failed = true;
                out.push(Event::Error(Raw::of(data, response.unwrap_or(root))));
            }
            "response.completed" | "response.incomplete" => {
                let response = response.ok_or_else(|| Fault::from(Kind::Malformed))?;
                self.start(data, response, out);
                self.close(data, response, out);
            }
            "response.output_item.added" => {
                if let Some(item) = root.get("item") {
                    self.begin(data, at, item, out)?;
                }
            }
            "response.output_item.done" => {
                if let Some(item) = root.get("item") {
                    self.finish_item(data, at, item, out)?;
                }
            }
            "response.reasoning_summary_part.added" => {
                let nth = root.get("summary_index").and_then(|nth| nth.as_u64());
                if nth.is_some_and(|nth| nth > 0) {
                    let text = Str::from_raw("\\n\\n");
                    out.push(Event::Reasoning { choice: 0, text });
                }
            }
            kind if lens::is_delta(kind) => self.piece(data, (kind, at), root, out)?,
            kind => {
                if let (Some(response), false) = (response, self.started)
                    && kind.starts_with("response.")
                {
                    self.start(data, response, out);
                }
                if !lens::is_event(kind, root) {
                    return Err(Kind::Malformed.into());
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, data: &Bytes, response: Value<'_>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let text = |name: &str| response.get(name).and_then(|one| Str::of(data, one));
        let created = response.get("created_at").and_then(|one| one.as_f64());
        out.push(Event::Start {
            id: text("id").unwrap_or_default(),
            model: text("model").unwrap_or_default(),
            // Whole seconds, told as a number with or without a fraction.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "saturates, and 0 is unknown"
            )]
            created: created.map_or(0, |seconds| seconds as i64).max(0),
        });
    }

    fn close(&mut self, _: &Bytes, response: Value<'_>, out: &mut Vec<Event>) {
        self.done = true;
        let mut finish = lens::finish_of(response);
        if finish == Finish::Stop && self.calls > 0 {
            finish = Finish::ToolCalls;
        }
        out.push(Event::Finish { choice: 0, finish });
        if let Some(usage) = response.get("usage").and_then(read_usage) {
            out.push(Event::Usage(usage));
        }
    }

    fn item(&mut self, at: u64) -> Result<&mut Item, Fault> {
        let known = self.items.iter().position(|item| item.output_index == at);
        let at = match known {
            Some(at) => at,
            None if self.items.len() >= ITEMS_MAX => return Err(Kind::Malformed.into()),
            None => {
                self.items.push(Item {
                    output_index: at,
                    call: 0,
                    said: false,
                });
                self.items.len() - 1
            }
        };
        self.items.get_mut(at).ok_or_else(|| Kind::Malformed.into())
    }

    fn begin(
        &mut self,
        data: &Bytes,
        at: u64,
        item: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let call = self.calls;
        self.item(at)?.call = call;
        if !item
            .get("type")
            .is_some_and(|kind| kind.is_named("function_call"))
        {
            return Ok(());
        }
        self.calls += 1;
        let text = |name: &str| item.get(name).and_then(|one| Str::of(data, one));
        out.push(Event::ToolStart {
            choice: 0,
            index: call,
            id: text("call_id").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
        });
        Ok(())
    }

    fn piece(
        &mut self,
        data: &Bytes,
        (kind, at): (&str, u64),
        root: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let piece = root.get("delta").and_then(|piece| Str::of(data, piece));
        let Some(text) = piece.filter(|piece| !piece.is_empty()) else {
            return Ok(());
        };
        let choice = 0;
        let event = match kind {
            "response.output_text.delta" => {
                out.extend(probabilities(data, root.get("logprobs")));
                Event::Text { choice, text }
            }
            "response.refusal.delta" => Event::Refusal { choice, text },
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                Event::Reasoning { choice, text }
            }
            "response.function_call_arguments.delta" => {
                let item = self.item(at)?;
                let index = item.call;
                item.said = true;
                out.push(Event::ToolArgs {
                    choice,
                    index,
                    piece: text,
                });
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.item(at)?.said = true;
        out.push(event);
        Ok(())
    }

    /// An item is done: what of it no piece has told, and a thought's proof, which stands here only.
    fn finish_item(
        &mut self,
        data: &Bytes,
        at: u64,
        item: Value<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Fault> {
        let known = self.item(at)?;
        let (said, index, choice) = (known.said, known.call, 0);
        known.said = true;
        let text = |name: &str| item.get(name).and_then(|one| Str::of(data, one));
        let kind = item.get("type").and_then(|kind| kind.as_str());
        let parts = |name: &str| item.get(name);
        let thought = |list: Option<Value<'_>>, out: &mut Vec<Event>| {
            let mut any = false;
            for part in list.iter().flat_map(Value::elements) {
                let text = part.get("text").and_then(|one| Str::of(data, one));
                for text in text.into_iter().filter(|text| !text.is_empty()) {
                    if std::mem::replace(&mut any, true) {
                        let text = Str::from_raw("\\n\\n");
                        out.push(Event::Reasoning { choice, text });
                    }
                    out.push(Event::Reasoning { choice, text });
                }
            }
            any
        };
        match kind.as_deref() {
            Some("function_call") if !said => {
                let piece = text("arguments").filter(|piece| !piece.is_empty());
                out.extend(piece.map(|piece| Event::ToolArgs {
                    choice,
                    index,
                    piece,
                }));
            }
            Some("message") if !said => {
                for part in parts("content").iter().flat_map(Value::elements) {
                    let of = |name: &str| part.get(name).and_then(|one| Str::of(data, one));
                    out.extend(probabilities(data, part.get("logprobs")));
                    let text = of("text").filter(|text| !text.is_empty());
                    out.extend(text.map(|text| Event::Text { choice, text }));
                    let refusal = of("refusal").filter(|text| !text.is_empty());
                    out.extend(refusal.map(|text| Event::Refusal { choice, text }));
                }
            }
            Some("reasoning") => {
                if !said && !thought(parts("content"), out) {
                    thought(parts("summary"), out);
                }
                let data = text("encrypted_content").filter(|proof| !proof.is_empty());
                out.extend(data.map(|data| Event::Proof {
                    choice,
                    kind: ENCRYPTED,
                    data,
                }));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Probabilities as the canonical events have them, if there are any.
fn probabilities(data: &Bytes, list: Option<Value<'_>>) -> Option<Event> {
    let list = list.filter(|list| list.elements().next().is_some())?;
    let list = Raw::of(data, list);
    let raw = [b"{\"content\":", &list.bytes()[..], b",\"refusal\":null}"].concat();
    Some(Event::Logprobs {
        choice: 0,
        value: Raw::from_raw(raw),
    })
}
