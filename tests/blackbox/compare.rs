//! Streams compared byte by byte, with the one difference that is allowed: usage that nobody asked for.

use tests::Value;
use tests::message::find;

pub(crate) fn assert_same(got: &[u8], want: &[u8], what: &str) {
    if got != want {
        let at = got
            .iter()
            .zip(want)
            .position(|(a, b)| a != b)
            .unwrap_or(got.len().min(want.len()));
        let near = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())])
                .into_owned()
        };
        panic!(
            "{what}: {} and {} bytes, first difference at {at}:\n got {:?}\nwant {:?}",
            got.len(),
            want.len(),
            near(got),
            near(want)
        );
    }
}

/// A stream's events with their blank lines; usage-only ones left out, `None` where one must have lost its usage value.
pub(crate) fn without_usage(body: &[u8]) -> (Vec<Result<Vec<u8>, Value>>, usize) {
    let mut hidden = 0;
    let mut events = Vec::new();
    for raw in cut_events(body) {
        let text = String::from_utf8(raw.clone()).unwrap();
        let data = text.trim_end().strip_prefix("data: ");
        let chunk: Option<Value> = data.and_then(|data| serde_json::from_str(data).ok());
        match chunk {
            Some(chunk) if chunk["usage"].is_object() => {
                hidden += 1;
                if chunk["choices"]
                    .as_array()
                    .is_some_and(|choices| !choices.is_empty())
                {
                    let mut chunk = chunk;
                    chunk["usage"] = Value::Null;
                    events.push(Err(chunk));
                }
            }
            _ => events.push(Ok(raw)),
        }
    }
    (events, hidden)
}

pub(crate) fn cut_events(body: &[u8]) -> Vec<Vec<u8>> {
    let end: &[u8] = if find(body, b"\r\n\r\n").is_some() {
        b"\r\n\r\n"
    } else {
        b"\n\n"
    };
    let mut events = Vec::new();
    let mut rest = body;
    while let Some(at) = find(rest, end) {
        events.push(rest[..at + end.len()].to_vec());
        rest = &rest[at + end.len()..];
    }
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(rest));
    events
}

/// Untouched events are the same bytes; one that lost its usage has `null` there and is the same otherwise.
pub(crate) fn assert_events(got: &[u8], want: &[Result<Vec<u8>, Value>], what: &str) {
    let mut rest = got;
    for event in want {
        match event {
            Ok(bytes) => {
                let same = rest.get(..bytes.len()) == Some(bytes);
                assert!(
                    same,
                    "{what}: want {:?}, got {:?}",
                    String::from_utf8_lossy(bytes),
                    String::from_utf8_lossy(&rest[..rest.len().min(300)])
                );
                rest = &rest[bytes.len()..];
            }
            Err(chunk) => {
                let at = find(rest, b"\n").unwrap();
                let data = rest[..at].strip_prefix(b"data: ").unwrap();
                let found: Value = serde_json::from_slice(data).unwrap();
                assert_eq!(&found, chunk, "{what}");
                let blank = rest[at..]
                    .iter()
                    .take_while(|byte| byte.is_ascii_whitespace())
                    .count();
                rest = &rest[at + blank..];
            }
        }
    }
    assert!(
        rest.is_empty(),
        "{what}: more than the upstream sent: {:?}",
        String::from_utf8_lossy(rest)
    );
}
