//! The head of a good answer. Its body is [`super::stream`], or ready already.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::array::Array;
use super::body::{ReplyBody, Response};
use super::dispatch::Sent;
use super::lines::Lines;
use super::refuse;
use super::settle::Exchange;
use super::stream::Stream;
use super::through::Through;
use journal::{Durable, Outcome};

const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Begins the answer: the commit point. From here on errors travel in the body.
/// What is returned beside it must have resolved before it is.
pub(super) fn answer(mut exchange: Exchange, sent: Sent) -> (Response, Durable) {
    exchange.status = 200;
    let array = exchange.array;
    let mut headers = Lines::new();
    refuse::describe(&exchange, &mut headers);
    // What is neither JSON nor a stream says what it is.
    let mut kind = None;
    let (body, streamed, ended) = match sent {
        Sent::Whole { body, streamed } => {
            let body = if streamed && exchange.array {
                Array::new().frame(&body, true)
            } else {
                body
            };
            exchange.meter.bytes_down = body.len() as u64;
            // The record is closed before the client sees the end.
            exchange.finish(Outcome::Completed, None);
            (ReplyBody::Whole(body), streamed, exchange.ended())
        }
        Sent::Streaming {
            begun,
            reading,
            rest,
        } => (
            ReplyBody::Stream(Box::new(Stream::new(exchange, begun, reading, *rest))),
            true,
            Durable::NOW,
        ),
        Sent::Text { body, kind: text } => {
            kind = Some(HeaderValue::from_static(text));
            exchange.meter.bytes_down = body.len() as u64;
            exchange.finish(Outcome::Completed, None);
            (ReplyBody::Whole(body), false, exchange.ended())
        }
        Sent::Through {
            begun,
            kind: sound,
            rest,
        } => {
            kind = Some(sound);
            let through = Through::new(exchange, begun, *rest);
            (ReplyBody::Through(Box::new(through)), false, Durable::NOW)
        }
    };
    let usual = if streamed && !array {
        "text/event-stream; charset=utf-8"
    } else {
        "application/json"
    };
    let kind = kind.unwrap_or(HeaderValue::from_static(usual));
    headers.add(&CONTENT_TYPE, &kind);
    if streamed {
        headers.add(&CACHE_CONTROL, &HeaderValue::from_static("no-cache"));
        // nginx and its kin buffer streams unless told not to.
        headers.add(&ACCEL_BUFFERING, &HeaderValue::from_static("no"));
    }
    let reply = Response {
        status: StatusCode::OK,
        headers,
        body,
    };
    (reply, ended)
}
