//! How many tokens a prompt has, where no upstream of the model counts: our own estimate, and marked as one.
//!
//! A model's tokenizer is its vendor's; what is answered here is a rule of thumb. Written down like any call before it is
//! answered; sends nothing anywhere.

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use journal::Outcome;
use wire::facts::Contents;
use wire::json;
use wire::{Fault, Kind};

use super::body::{ReplyBody, Response};
use super::prepare::counts;
use super::route::Routed;
use super::settle::Exchange;
use super::{inspect, refuse};

/// Says that a count is ours.
const ESTIMATED: HeaderName = HeaderName::from_static("x-yumen-estimated");
/// Characters of ASCII to a token, about.
const ASCII_PER_TOKEN: u64 = 4;
/// Tokens of an image or another file, about: what a large image costs.
const MEDIA_TOKENS: u64 = 1600;

/// Whether some cleared target of the request counts in its dialect.
pub(super) fn is_counted(exchange: &Exchange, routed: &Routed) -> bool {
    routed.cleared.iter().any(|cleared| {
        let vendor = cleared.target().target().vendor();
        vendor.is_ok_and(|vendor| counts(vendor, exchange.dialect))
    })
}

/// Answers with an estimate of the body that the first target would get.
pub(super) async fn estimate(exchange: &mut Exchange, routed: &Routed) -> Result<Response, Fault> {
    let redacted = routed
        .cleared
        .first()
        .and_then(|cleared| cleared.redacted());
    let contents = match redacted {
        Some(body) => {
            let facts = inspect::read(exchange, &routed.asked, body)?;
            exchange.dialect.contents(body, &facts)
        }
        None => exchange.dialect.contents(&routed.body, &routed.facts),
    };
    let body = redacted.unwrap_or(&routed.body);
    let counted = exchange.dialect.counted(tokens(body, &contents));
    let counted = counted.ok_or(Kind::Bug)?;
    if !exchange.is_open() {
        exchange.record_alone()?;
        exchange.recorded().await?;
    }
    exchange.status = 200;
    exchange.meter.bytes_down = counted.len() as u64;
    let mut reply = Response::new(ReplyBody::Whole(counted.into()));
    let headers = &mut reply.headers;
    headers.add(&CONTENT_TYPE, &HeaderValue::from_static("application/json"));
    headers.add(&ESTIMATED, &HeaderValue::from_static("true"));
    refuse::describe(exchange, headers);
    exchange.finish(Outcome::Completed, None);
    Ok(reply)
}

/// A token is four characters of ASCII or one of anything else.
fn tokens(body: &[u8], contents: &Contents) -> u64 {
    let (mut ascii, mut others) = (0u64, 0u64);
    for text in &contents.texts {
        let raw = body.get(text.span.clone()).unwrap_or_default();
        let raw = std::str::from_utf8(raw).unwrap_or_default();
        let decoded = json::unescape(raw);
        let plain = decoded.bytes().filter(u8::is_ascii).count() as u64;
        ascii += plain;
        others += decoded.chars().count() as u64 - plain;
    }
    let media = contents.media.len() as u64 * MEDIA_TOKENS;
    (ascii.div_ceil(ASCII_PER_TOKEN) + others + media).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::facts::{Form, Source, Text};

    #[test]
    fn counts_about_right() {
        let body = "hello world 你好\\n".as_bytes();
        let text = Text {
            span: 0..body.len(),
            form: Form::String,
            source: Source::User,
            key: 0..0,
            turn: None,
        };
        let contents = Contents {
            texts: vec![text],
            media: Vec::new(),
        };
        assert_eq!(tokens(body, &contents), 4 + 2);
        assert_eq!(tokens(b"", &Contents::default()), 1);
    }
}
