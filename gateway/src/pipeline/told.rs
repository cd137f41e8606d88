//! What a client says of its own about a request, for the record: its own request id, and the trace it belongs to.
//!
//! Both come from strangers and are kept only if they have the form they must have (T-05). They decide nothing.

use http::{HeaderName, HeaderValue};
use wire::Headers;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest request id of a client.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// Where the trace id stands in a `traceparent` of version 00 (W3C Trace Context, section 3.2).
const TRACE_ID: std::ops::Range<usize> = 3..35;
/// Length of that header.
const TRACEPARENT_BYTES: usize = 55;

/// What a client said; the headers share their memory with the request's head.
#[derive(Debug, Default)]
pub(super) struct Told {
    request_id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl Told {
    /// `None` if the client said nothing that can be kept: usual, and then nothing is allocated.
    pub(super) fn read(headers: &Headers) -> Option<Box<Self>> {
        let told = Self {
            request_id: headers
                .get(&REQUEST_ID)
                .filter(|id| is_id(id.as_bytes()))
                .cloned(),
            traceparent: headers
                .get(&TRACEPARENT)
                .filter(|value| trace_id(value.as_bytes()).is_some())
                .cloned(),
        };
        let something = told.request_id.is_some() || told.traceparent.is_some();
        something.then(|| Box::new(told))
    }

    /// Its own id of the request.
    pub(super) fn request_id(&self) -> &str {
        let id = self.request_id.as_ref().and_then(|id| id.to_str().ok());
        id.unwrap_or_default()
    }

    /// The trace's id, 32 hexadecimal digits.
    pub(super) fn trace(&self) -> &str {
        let value = self.traceparent.as_ref();
        value
            .and_then(|value| trace_id(value.as_bytes()))
            .unwrap_or_default()
    }
}

fn is_id(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&text.len()) && text.iter().all(allowed)
}

fn trace_id(text: &[u8]) -> Option<&str> {
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-');
    let dashes = [2, 35, 52]
        .into_iter()
        .all(|at| text.get(at) == Some(&b'-'));
    if text.len() != TRACEPARENT_BYTES || !dashes || !text.iter().all(hex) {
        return None;
    }
    let id = str::from_utf8(text.get(TRACE_ID)?).ok()?;
    let sound =
        text.starts_with(b"00-") && !id.contains('-') && id.bytes().any(|byte| byte != b'0');
    sound.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_its_form_is_kept() {
        for (id, kept) in [
            ("req-1.A_z", true),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
            ("", false),
            ("a b", false),
            ("a\tb", false),
            ("a/b", false),
        ] {
            assert_eq!(is_id(id.as_bytes()), kept, "{id:?}");
        }
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            trace_id(good.as_bytes()),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
        for bad in [
            "",
            &good[..54],
            &good.replace("4bf9", "4BF9"),
            &good.replace("00-4", "ff-4"),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &good.replace("4bf92f35", "4bf9-f35"),
        ] {
            assert_eq!(trace_id(bad.as_bytes()), None, "{bad}");
        }
        assert!(Told::read(&Headers::new()).is_none());
    }

    #[test]
    fn no_byte_of_an_id_can_leave_its_header() {
        for byte in 0..=u8::MAX {
            let kept = is_id(&[b'a', byte]);
            assert_eq!(kept, byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        }
    }
}
