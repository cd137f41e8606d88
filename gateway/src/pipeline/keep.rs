//! What the audit log keeps of a request and its reply beside the records: fingerprints, and bodies as configured.
//!
//! **Sealed** is what came from the client and what went to it, byte by byte. **Redacted** is the same with everything
//! replaced that the policies look for, whether or not the law let it pass: the request's findings by their labels, images
//! and files by `<MEDIA>`; in the reply, what the detectors find and every value of the request that stands in it, also
//! one that was put back. A body that cannot be read cannot be redacted, and is not kept.
//!
//! Never waits but for a data key, and for that a moment; long bodies are taken in pieces with a pause between. Must never
//! decide whether a request goes on: what cannot be kept is left out, and the record says so.
//! Invariant: a request's body is on disk before its record is written, a reply's before its closing.

mod gathering;

use std::ops::Range;
use std::sync::Arc;

use adapters::{Asked, ClientDialect};
use bytes::Bytes;
use journal::seal::{Body, DataKey, Digest, Direction, Form, Kept, PART_BYTES, Print, Who};
use policies::findings::Findings;
use policies::policy::Policy;
use policies::rewrite::{Rewritten, file_text, redacted};
use wire::facts::{self, Contents};
use wire::hold::Caps;
use wire::json;
use wire::{Edits, Fault, Kind, Rope};

use super::dispatch::{self, Sent};
use super::govern::Governor;
use super::governing::govern_whole;
use super::head::Head;
use super::inspect::{self, Inspected};
use super::reading::Recording;
use super::route::Routed;
use super::settle::Exchange;
use crate::audit::sealing::NO_KEY;
use crate::config::schema::Payload;
pub(super) use gathering::Gathering;

/// Why a body is not kept: it could not be read, so nobody knows what is to be replaced in it.
const UNREADABLE: &str = "unreadable";
/// Bytes of a reply that may wait for their decision before they are written down.
const RECORD_HOLD_BYTES: usize = 256 << 10;

/// What is kept of one exchange.
pub(super) struct Keep {
    form: Option<Form>,
    /// `None`: there was none to be had, and no body is kept.
    key: Option<Arc<DataKey>>,
    fingerprint: Option<Digest>,
    request: Option<Kept>,
    /// What the policies found in the request, if the reply is to be redacted.
    redacting: Option<Redacting>,
    reply: Option<Reply>,
    print: Option<Print>,
    sent: u64,
}

struct Redacting {
    policy: Arc<Policy>,
    request: Option<Arc<Rewritten>>,
}

/// A reply that is being kept.
struct Reply {
    body: Body,
    recording: Option<Recording>,
    /// It can no longer be redacted: the rest is left out.
    lost: bool,
}

/// What is known of a request's body.
#[derive(Clone, Copy)]
pub(super) enum Looked<'a> {
    /// It could not be read.
    Unread,
    /// It was looked through.
    Through {
        policy: Option<&'a Arc<Policy>>,
        findings: &'a Findings,
        /// Asked for only where something could not be read.
        contents: &'a Contents,
    },
}

/// Inspects a request, and keeps its body as its model or the config says, whatever the inspection came to.
pub(super) async fn inspect(
    exchange: &mut Exchange,
    head: &Head,
    (asked, body): (Asked, Bytes),
) -> Result<Inspected, Fault> {
    let result = inspect::inspect(exchange, head, (asked, body.clone())).await;
    let inspected = result.as_ref().ok();
    let snapshot = Arc::clone(&exchange.snapshot);
    let model = inspected.and_then(|it| snapshot.models.get(it.facts.model.as_str()));
    let payload = model.map_or(snapshot.audit.payload, |model| model.payload);
    let contents = inspected
        .filter(|it| payload == Payload::Redacted && it.findings.media > 0)
        .map(|it| exchange.dialect.contents(&body, &it.facts))
        .unwrap_or_default();
    let looked = match inspected {
        None => Looked::Unread,
        Some(inspected) => Looked::Through {
            policy: snapshot.policy.as_ref(),
            findings: &inspected.findings,
            contents: &contents,
        },
    };
    request(exchange, payload, &body, looked).await;
    result
}

/// Dispatches a request, and keeps a reply that came whole before it goes down. Streams are kept as they go.
pub(super) async fn dispatch(exchange: &mut Exchange, routed: &Routed) -> Result<Sent, Fault> {
    let sent = dispatch::dispatch(exchange, routed).await?;
    match &sent {
        Sent::Whole { body, streamed } => exchange.keep_whole(body, *streamed).await,
        Sent::Text { body, .. } => exchange.keep_unread(body),
        Sent::Streaming { .. } | Sent::Through { .. } => {}
    }
    Ok(sent)
}

/// Keeps the body of a request.
pub(super) async fn request(
    exchange: &mut Exchange,
    payload: Payload,
    body: &Bytes,
    looked: Looked<'_>,
) {
    let prints = exchange.snapshot.audit.fingerprint;
    let form = match payload {
        Payload::None if !prints => return,
        Payload::None => None,
        Payload::Redacted => Some(Form::Redacted),
        Payload::Sealed => Some(Form::Sealed),
    };
    let shared = Arc::clone(&exchange.worker.shared);
    let print = |want: bool| want.then(|| shared.sealing.bodies().prints().content());
    let mut keep = Keep {
        form,
        key: None,
        fingerprint: None,
        request: None,
        redacting: None,
        reply: None,
        print: print(prints),
        sent: 0,
    };
    if let Some(mut print) = print(prints) {
        in_pieces(body, |piece| print.add(piece)).await;
        keep.fingerprint = Some(print.finish());
    }
    if let Some(form) = form {
        keep.request = Some(keep.body(exchange, form, body, looked).await);
    }
    exchange.keep = Some(Box::new(keep));
}

/// Hands `bytes` on in pieces, with a pause between: other streams of this thread go on.
async fn in_pieces(bytes: &[u8], mut take: impl FnMut(&[u8])) {
    for (at, piece) in bytes.chunks(PART_BYTES).enumerate() {
        if at > 0 {
            tokio::task::yield_now().await;
        }
        take(piece);
    }
}

impl Keep {
    async fn body(
        &mut self,
        exchange: &Exchange,
        form: Form,
        body: &Bytes,
        looked: Looked<'_>,
    ) -> Kept {
        let whole = body.len() as u64;
        let shared = &exchange.worker.shared;
        let bodies = shared.sealing.bodies();
        let drop_it = |why| {
            bodies.drop_one();
            Kept::dropped(form, whole, why)
        };
        let text = match (form, looked) {
            (Form::Sealed, _) => body.clone(),
            (Form::Redacted, Looked::Unread) => return drop_it(UNREADABLE),
            (
                Form::Redacted,
                Looked::Through {
                    policy,
                    findings,
                    contents,
                },
            ) => match self.redact(body, policy, findings, contents) {
                Ok(text) => text,
                Err(_) => return drop_it(UNREADABLE),
            },
        };
        let Some(principal) = &exchange.principal else {
            return drop_it(NO_KEY);
        };
        let who = match exchange.user() {
            "" => Who::Key(&principal.id),
            user => Who::User(user),
        };
        let subject = bodies.prints().subject(who);
        self.key = shared.sealing.key(&subject).await;
        let Some(key) = &self.key else {
            return drop_it(NO_KEY);
        };
        let place = (exchange.worker.index, exchange.id.as_str());
        let mut kept = Body::new(bodies, key, place, Direction::Request, form);
        in_pieces(&text, |piece| kept.add(piece)).await;
        kept.finish()
    }

    /// The body with all that was found replaced; remembers what the reply needs.
    fn redact(
        &mut self,
        body: &Bytes,
        policy: Option<&Arc<Policy>>,
        findings: &Findings,
        contents: &Contents,
    ) -> Result<Bytes, Fault> {
        let Some(policy) = policy else {
            return Ok(body.clone());
        };
        let request = if findings.is_empty() && findings.media == 0 {
            None
        } else {
            let media = unread(body, contents);
            Some(Arc::new(redacted(policy, body, findings, media)?))
        };
        let text = request
            .as_ref()
            .map_or(body, |request| &request.body)
            .clone();
        self.redacting = Some(Redacting {
            policy: Arc::clone(policy),
            request,
        });
        Ok(text)
    }
}

/// What of a body nobody can read.
fn unread(body: &Bytes, contents: &Contents) -> Vec<Range<usize>> {
    let disguised = contents.texts.iter().filter(|text| {
        let raw = body.get(text.span.clone());
        let raw = raw.and_then(|raw| std::str::from_utf8(raw).ok());
        text.form == facts::Form::Base64 && raw.is_some_and(|raw| file_text(raw).is_none())
    });
    let media = contents.media.iter().map(|media| media.span.clone());
    media
        .chain(disguised.map(|text| text.span.clone()))
        .collect()
}

impl Redacting {
    fn governor(&self) -> Governor<Bytes> {
        let caps = Caps {
            bytes: RECORD_HOLD_BYTES,
            nanos: u64::MAX,
        };
        Governor::recording(Arc::clone(&self.policy), self.request.as_ref(), caps)
    }
}

impl Exchange {
    /// Keeps a piece of a reply that goes down as a stream.
    pub(super) fn keep_sent(&mut self, sent: &Rope) {
        let Some(mut keep) = self.keep.take() else {
            return;
        };
        let limits = dispatch::sse_limits(self);
        keep.begin_reply(self, Some(limits));
        for piece in sent.pieces() {
            keep.sent(piece);
        }
        self.keep = Some(keep);
    }

    /// Keeps a piece of a reply that nobody reads: it can be kept as it is, but not be redacted.
    pub(super) fn keep_unread(&mut self, sent: &Rope) {
        let Some(mut keep) = self.keep.take() else {
            return;
        };
        keep.begin_reply(self, None);
        if let Some(reply) = &mut keep.reply {
            reply.lost = keep.form == Some(Form::Redacted);
        }
        for piece in sent.pieces() {
            keep.sent(piece);
        }
        self.keep = Some(keep);
    }

    /// Keeps an answer of our own, an error or a judgement, in which nothing is to be replaced.
    pub(super) fn keep_own(&mut self, body: &Bytes) {
        // Of a request that never came to an upstream the one record has no place for it.
        if !self.is_open() {
            return;
        }
        if let Some(mut keep) = self.keep.take() {
            keep.begin_reply(self, None);
            keep.sent(body);
            self.keep = Some(keep);
        }
    }

    /// Keeps a whole reply.
    pub(super) async fn keep_whole(&mut self, sent: &Rope, streamed: bool) {
        if let Some(keep) = self.keep.take() {
            self.keep = Some(keep.whole(self, sent, streamed).await);
        }
    }
}

impl Keep {
    /// `limits`: the reply is a stream.
    fn begin_reply(&mut self, exchange: &Exchange, limits: Option<wire::sse::Limits>) {
        let (Some(form), Some(key), None) = (self.form, &self.key, &self.reply) else {
            return;
        };
        let place = (exchange.worker.index, exchange.id.as_str());
        let bodies = exchange.worker.shared.sealing.bodies();
        let recording = self
            .redacting
            .as_ref()
            .zip(limits)
            .map(|(redacting, limits)| {
                Recording::new(exchange.dialect, redacting.governor(), limits)
            });
        self.reply = Some(Reply {
            body: Body::new(bodies, key, place, Direction::Reply, form),
            recording,
            lost: false,
        });
    }

    /// A piece of what goes down.
    fn sent(&mut self, piece: &Bytes) {
        self.sent += piece.len() as u64;
        if let Some(print) = &mut self.print {
            print.add(piece);
        }
        if let Some(reply) = &mut self.reply {
            reply.add(piece);
        }
    }

    async fn whole(
        mut self: Box<Self>,
        exchange: &Exchange,
        sent: &Rope,
        streamed: bool,
    ) -> Box<Self> {
        if streamed || self.redacting.is_none() {
            let limits = streamed.then(|| dispatch::sse_limits(exchange));
            self.begin_reply(exchange, limits);
            for piece in sent.pieces() {
                let mut at = 0;
                while at < piece.len() {
                    let to = piece.len().min(at + PART_BYTES);
                    self.sent(&piece.slice(at..to));
                    at = to;
                    if at < piece.len() {
                        tokio::task::yield_now().await;
                    }
                }
            }
            return self;
        }
        let whole = sent.clone().into_bytes();
        self.sent = whole.len() as u64;
        if let Some(print) = &mut self.print {
            in_pieces(&whole, |piece| print.add(piece)).await;
        }
        self.begin_reply(exchange, None);
        let text = self
            .redacting
            .as_ref()
            .map(|redacting| recorded(redacting.governor(), exchange.dialect, &whole));
        if let Some(reply) = &mut self.reply {
            match text {
                Some(Ok(text)) => {
                    let text = text.into_bytes();
                    in_pieces(&text, |piece| reply.body.add(piece)).await;
                }
                _ => reply.body.lose(whole.len() as u64),
            }
        }
        self
    }

    /// What the opening or the denial says of the request.
    pub(super) fn of_request(&self) -> (Option<&Digest>, Option<&Kept>) {
        let request = self.request.as_ref().filter(|kept| !kept.is_nothing());
        (self.fingerprint.as_ref(), request)
    }

    /// What the closing says of the reply. Writes what waits.
    pub(super) fn of_reply(&mut self) -> (Option<Digest>, Option<Kept>) {
        let print = self.print.take().filter(|_| self.sent > 0);
        let kept = match (self.reply.take(), self.form) {
            (Some(reply), _) => Some(reply.finish()),
            // There was something to keep, and no key.
            (None, Some(form)) if self.key.is_none() && self.sent > 0 => {
                Some(Kept::dropped(form, self.sent, NO_KEY))
            }
            (None, _) => None,
        };
        (
            print.map(Print::finish),
            kept.filter(|kept| !kept.is_nothing()),
        )
    }
}

impl Reply {
    fn add(&mut self, piece: &Bytes) {
        if self.lost {
            self.body.lose(piece.len() as u64);
            return;
        }
        let Some(recording) = &mut self.recording else {
            self.body.add(piece);
            return;
        };
        let mut out = Rope::new();
        self.lost = recording.read(piece, &mut out).is_err();
        out.pieces().for_each(|piece| self.body.add(piece));
        if self.lost {
            self.body.lose(piece.len() as u64);
        }
    }

    fn finish(mut self) -> Kept {
        if let Some(recording) = self.recording.as_mut().filter(|_| !self.lost) {
            let mut out = Rope::new();
            let ended = recording.end(&mut out);
            out.pieces().for_each(|piece| self.body.add(piece));
            if ended.is_err() {
                self.body.lose(1);
            }
        }
        self.body.finish()
    }
}

/// A whole reply as it may be written down.
fn recorded(
    mut governor: Governor<Bytes>,
    dialect: &dyn ClientDialect,
    whole: &Bytes,
) -> Result<Rope, Fault> {
    governor.lift_caps();
    let tape =
        json::scan(whole, &dispatch::REPLY_LIMITS).map_err(|_| Fault::new(Kind::Malformed))?;
    let mut saying = facts::Saying::default();
    dialect.said(whole, &tape, &mut saying);
    govern_whole(&mut governor, dialect, whole, &saying, Edits::new())
}
