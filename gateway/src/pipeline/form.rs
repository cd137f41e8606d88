//! A form with a file: its fields are read and judged like any body, its file goes up as it comes.
//!
//! The fields become JSON (`adapters`), which all stages understand; nothing of the file is kept but what stands before
//! the first byte that goes up. A file of which no more than [`HOLD_BYTES`] come, or one that stands before the model's
//! name, is held whole: then fields may follow it, and another target can be tried. Of a longer one the rest is the
//! client's own bytes, passed on with the client's own boundary: nothing may follow but the end, since a field that comes
//! late could be neither judged nor taken back. Invariants: no byte goes up that the splitter has not read; every field
//! stands in the JSON that is judged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adapters::dialects::openai_other::form::{self, Form};
use bytes::{Bytes, BytesMut};
use policies::access::keys::Principal;
use wire::multipart::{Event, Head, Odd, Splitter, write_end, write_head};
use wire::{Fault, Kind, Rope};

use super::arrive::{
    RATE_FLOOR_BYTES_PER_S, SLOW_AFTER, Unread, bad, boundary, next_data, slow, too_large,
};
use super::settle::{Exchange, unrevoked};
use crate::alarm::SharedAlarm;
use crate::server::answer::Inbound;
use crate::upstream::client::Upload;

/// Of a file whose model is known, so much is held before it is sent on while the rest still comes.
const HOLD_BYTES: u64 = 1 << 20;
/// Bytes of all text fields together.
const FIELDS_BYTES_MAX: usize = 256 << 10;
/// Text fields of a form.
const FIELDS_MAX: usize = 128;

/// What is not in the JSON of a form.
pub(super) struct Sending {
    boundary: String,
    /// The file's bytes, as far as they are here.
    file: Rope,
    /// The rest of them, on its way; `None`: there is none, or it was sent.
    rest: Mutex<Option<Rest>>,
    /// There is a rest, sent or not.
    streams: bool,
}

/// The rest of a form, still coming.
pub(super) struct Rest {
    body: Inbound,
    splitter: Splitter,
    /// Bytes that were read behind the file's first ones and are not decided yet.
    early: Option<Bytes>,
    left: Option<u64>,
    watch: Watch,
}

/// Bounds of a body that is read.
struct Watch {
    most: u64,
    seen: u64,
    began: Instant,
    idle: Duration,
    total: Duration,
    alarm: Arc<SharedAlarm>,
    principal: Option<Arc<Principal>>,
}

impl Watch {
    fn new(exchange: &Exchange) -> Self {
        let clocks = &exchange.snapshot.timeouts;
        Self {
            most: exchange.limits().upload_bytes.0,
            seen: 0,
            began: exchange.started,
            idle: clocks.body_idle.0.min(clocks.body.0),
            total: clocks.body.0,
            alarm: exchange.alarm(),
            principal: exchange.principal.clone(),
        }
    }

    /// The next bytes, if they come in time, are not too many, and their key still stands.
    async fn next(&mut self, body: &mut Inbound) -> Result<Option<Bytes>, Fault> {
        let Some(data) = next_data(body, self.idle, &self.alarm).await? else {
            return Ok(None);
        };
        unrevoked(self.principal.as_deref())?;
        self.seen += data.len() as u64;
        if self.seen > self.most {
            return Err(too_large());
        }
        let took = self.began.elapsed();
        let floor = took.saturating_sub(SLOW_AFTER).as_secs() * RATE_FLOOR_BYTES_PER_S;
        if took > self.total || self.seen < floor {
            return Err(slow());
        }
        Ok(Some(data))
    }
}

/// What is read of a form.
struct Reading {
    form: Form,
    /// Joined: in the client's own chunks a few bytes could each cost a piece's room.
    file: BytesMut,
    /// The field that is being read.
    field: Option<(String, Vec<u8>)>,
    bytes: usize,
    over: bool,
}

/// Reads a form, as far as it must be known before anything is decided: the JSON that stands for it, and the rest.
pub(super) async fn read(
    exchange: &mut Exchange,
    head: &super::Head,
    unread: &mut Unread,
) -> Result<(Bytes, Sending), Fault> {
    let boundary = boundary(&head.headers)?;
    let mut body = unread.take()?;
    let held_max = exchange.limits().body_bytes.0;
    let length = body.left();
    let mut watch = Watch::new(exchange);
    let mut splitter = Splitter::new(boundary);
    let mut reading = Reading {
        form: Form::default(),
        file: BytesMut::new(),
        field: None,
        bytes: 0,
        over: false,
    };
    let mut rest = None;
    while let Some(data) = watch.next(&mut body).await? {
        let mut events = Vec::new();
        splitter.push(&data, &mut events).map_err(odd)?;
        reading.take(events)?;
        let held = reading.file.len() as u64;
        if held > HOLD_BYTES && reading.knows_model() && reading.is_in_file(&splitter) {
            let left = length.map(|length| length.saturating_sub(watch.seen));
            rest = Some(Rest {
                early: Some(splitter.undecided()),
                body,
                splitter,
                left,
                watch,
            });
            break;
        }
        if held > held_max {
            return Err(too_large().message(
                "The file is too large to be held until its form's fields come: put them before it.",
            ));
        }
    }
    let streams = rest.is_some();
    if !streams && !reading.over {
        return Err(bad("form_cut", "The form ended before its end."));
    }
    let known = (!streams).then_some(reading.file.len() as u64);
    let json = form::to_json(&reading.form, known);
    // What is estimated by length is text; the record counts the file too.
    exchange.request_bytes = json.len() as u64;
    exchange.file_bytes = length.unwrap_or(reading.file.len() as u64);
    if reading.form.file.is_none() {
        return Err(bad("no_file", "The form holds no file.").param("file"));
    }
    let sending = Sending {
        boundary: boundary.to_owned(),
        file: reading.file.freeze().into(),
        rest: Mutex::new(rest),
        streams,
    };
    Ok((json, sending))
}

fn odd(odd: Odd) -> Fault {
    Fault::new(Kind::BadRequest).reason("form").message(odd.0)
}

impl Reading {
    fn take(&mut self, events: Vec<Event>) -> Result<(), Fault> {
        for event in events {
            match event {
                Event::Part(head) => self.part(head)?,
                Event::Body(data) => match &mut self.field {
                    Some((_, value)) => {
                        self.bytes += data.len();
                        value.extend_from_slice(&data);
                        if self.bytes > FIELDS_BYTES_MAX {
                            return Err(too_large().message("The form's fields are too long."));
                        }
                    }
                    None => self.file.extend_from_slice(&data),
                },
                Event::Ended => {
                    if let Some((name, value)) = self.field.take() {
                        let value = String::from_utf8(value).map_err(|_| {
                            bad("form", "A field of the form is not UTF-8.").param(name.clone())
                        })?;
                        self.form.fields.push((name, value));
                    }
                }
                Event::Over => self.over = true,
            }
        }
        Ok(())
    }

    fn part(&mut self, head: Head) -> Result<(), Fault> {
        let is_file = head.name == form::FILE;
        if is_file != head.filename.is_some() || (is_file && self.form.file.is_some()) {
            return Err(bad(
                "form",
                "The form must hold one file, in the field named file.",
            )
            .param("file"));
        }
        if is_file {
            self.form.file = Some(head);
            return Ok(());
        }
        if self.form.fields.len() == FIELDS_MAX {
            return Err(too_large().message("The form has too many fields."));
        }
        self.bytes += head.name.len();
        self.field = Some((head.name, Vec::new()));
        Ok(())
    }

    fn knows_model(&self) -> bool {
        self.form.fields.iter().any(|(name, _)| name == "model")
    }

    /// Whether more of the file comes.
    fn is_in_file(&self, splitter: &Splitter) -> bool {
        self.field.is_none() && self.form.file.is_some() && splitter.is_in_body()
    }
}

impl Sending {
    /// Whether nothing of it can be sent again.
    pub(super) fn is_spent(&self) -> bool {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        self.streams && rest.is_none()
    }

    /// Whether some of it is sent while it still comes.
    pub(super) fn streams(&self) -> bool {
        self.streams
    }

    /// `content-type` of the form.
    pub(super) fn kind(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// The form for which this JSON stands, as far as its bytes are here.
    pub(super) fn body(&self, json: &Bytes) -> Result<Rope, Fault> {
        let form = form::of_json(json)?;
        let mut text = Vec::new();
        for (at, (name, value)) in form.fields.into_iter().enumerate() {
            let head = Head {
                name,
                filename: None,
                kind: String::new(),
            };
            write_head(&self.boundary, at == 0, &head, &mut text);
            text.extend_from_slice(value.as_bytes());
        }
        let file = form.file.ok_or(Kind::Bug)?;
        write_head(&self.boundary, text.is_empty(), &file, &mut text);
        let mut body = Rope::from(text);
        body.append(self.file.clone());
        if !self.streams {
            let mut end = Vec::new();
            write_end(&self.boundary, &mut end);
            body.push(end.into());
        }
        // A value may hold the boundary only if it was replaced by something of ours, which never does.
        Ok(body)
    }

    /// The rest, to be sent behind [`Sending::body`].
    pub(super) fn take_rest(&self) -> Option<Rest> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = rest.take()?;
        // What it waited for until now were others: its own clock runs from here.
        rest.watch.began = Instant::now();
        Some(rest)
    }
}

impl Upload for Rest {
    fn left(&self) -> Option<u64> {
        let early = self.early.as_ref().map_or(0, Bytes::len);
        self.left.map(|left| left + early as u64)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        if let Some(early) = self.early.take().filter(|early| !early.is_empty()) {
            return Ok(Some(early));
        }
        let Some(data) = self.watch.next(&mut self.body).await? else {
            return if self.splitter.is_over() {
                Ok(None)
            } else {
                Err(bad("form_cut", "The form ended before its end."))
            };
        };
        let mut events = Vec::new();
        self.splitter.push(&data, &mut events).map_err(odd)?;
        if self.splitter.is_in_head() || events.iter().any(|event| matches!(event, Event::Part(_)))
        {
            return Err(bad(
                "late_field",
                "Of a large file all fields of the form must stand before it.",
            ));
        }
        Ok(Some(data))
    }
}
