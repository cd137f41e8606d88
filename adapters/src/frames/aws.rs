//! Amazon's event stream, `application/vnd.amazon.eventstream`: a prelude of lengths and its checksum, headers, a payload, a
//! checksum of it all.
//!
//! An event becomes `event:` with its type and `data:` with its payload; an exception the event `exception` with
//! `{"exception":{"type":…,"body":…}}`. Line ends of a payload, which stand between its tokens only if it is JSON, become
//! blanks. Invariant: a frame is read only once both checksums hold.

use wire::json;
use wire::{Fault, Kind};

use super::Frames;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end.
const CHECKSUM_BYTES: usize = 4;
/// Bytes of one frame: as an event of any other stream.
const FRAME_BYTES_MAX: usize = 4 << 20;
/// Bytes of its headers (the protocol's own bound).
const HEADERS_BYTES_MAX: usize = 128 << 10;

/// What is left of a stream's reads.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    carry: Vec<u8>,
}

impl Frames for EventStream {
    fn read(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.carry.extend_from_slice(data);
        let mut from = 0;
        while let Some(rest) = self.carry.get(from..)
            && let Some(frame) = frame(rest)?
        {
            tell(frame, out)?;
            from += frame.len();
        }
        self.carry.drain(..from);
        Ok(())
    }

    fn end(&self) -> Result<(), Fault> {
        if self.carry.is_empty() {
            Ok(())
        } else {
            Err(Kind::CutShort.into())
        }
    }
}

fn malformed(why: &'static str) -> Fault {
    Fault::new(Kind::Malformed)
        .reason("invalid_frame")
        .detail(why)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn length(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number(bytes, at)?).ok()
}

/// The first frame, if it is there whole.
///
/// # Errors
/// `Malformed`: lengths that cannot be, a checksum that does not hold.
fn frame(bytes: &[u8]) -> Result<Option<&[u8]>, Fault> {
    let (Some(whole), Some(headers), Some(sum)) =
        (length(bytes, 0), length(bytes, 4), number(bytes, 8))
    else {
        return Ok(None);
    };
    let prelude = bytes.get(..PRELUDE_BYTES - CHECKSUM_BYTES);
    if crc32fast::hash(prelude.unwrap_or_default()) != sum {
        return Err(malformed("the checksum of a prelude does not hold"));
    }
    let least = PRELUDE_BYTES + CHECKSUM_BYTES + headers;
    if headers > HEADERS_BYTES_MAX || !(least..=FRAME_BYTES_MAX).contains(&whole) {
        return Err(malformed("the lengths of a frame cannot be"));
    }
    let Some(frame) = bytes.get(..whole) else {
        return Ok(None);
    };
    let summed = whole - CHECKSUM_BYTES;
    let sum = number(frame, summed);
    if sum != frame.get(..summed).map(crc32fast::hash) {
        return Err(malformed("the checksum of a frame does not hold"));
    }
    Ok(Some(frame))
}

/// The headers of a frame that matter.
#[derive(Default)]
struct Told<'a> {
    message: &'a [u8],
    event: &'a [u8],
    exception: &'a [u8],
    code: &'a [u8],
}

/// Writes a sound frame as an event.
///
/// # Errors
/// `Malformed`: headers that are none.
fn tell(frame: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let behind = PRELUDE_BYTES + length(frame, 4).unwrap_or(0);
    let headers = frame.get(PRELUDE_BYTES..behind).unwrap_or_default();
    let payload = frame.get(behind..frame.len() - CHECKSUM_BYTES);
    let payload = payload.unwrap_or_default();
    let told =
        read_headers(headers).ok_or_else(|| malformed("headers of a frame that are none"))?;
    let start = out.len();
    match told.message {
        b"event" => {
            out.extend_from_slice(b"event: ");
            out.extend(told.event.iter().filter(|byte| byte.is_ascii_alphabetic()));
            out.extend_from_slice(b"\ndata: ");
            line(payload, out);
        }
        b"exception" | b"error" => {
            let kind = if told.exception.is_empty() {
                told.code
            } else {
                told.exception
            };
            out.extend_from_slice(b"event: exception\ndata: {\"exception\":{\"type\":\"");
            json::escape(std::str::from_utf8(kind).unwrap_or_default(), out);
            out.extend_from_slice(b"\",\"body\":");
            let sound = json::scan(payload, &json::Limits::default()).is_ok();
            line(if sound { payload } else { b"null" }, out);
            out.extend_from_slice(b"}}");
        }
        // Answers to a request that opens a stream: nothing is said in them.
        _ => return Ok(()),
    }
    out.extend_from_slice(b"\n\n");
    debug_assert!(out.len() > start);
    Ok(())
}

fn line(payload: &[u8], out: &mut Vec<u8>) {
    out.extend(payload.iter().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    }));
}

/// `None`: they are none.
fn read_headers(mut bytes: &[u8]) -> Option<Told<'_>> {
    let mut told = Told::default();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (value, rest) = match kind {
            // True and false have no bytes of their own.
            0 | 1 => rest.split_at_checked(0)?,
            2 => rest.split_at_checked(1)?,
            3 => rest.split_at_checked(2)?,
            4 => rest.split_at_checked(4)?,
            5 | 8 => rest.split_at_checked(8)?,
            9 => rest.split_at_checked(16)?,
            6 | 7 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?
            }
            _ => return None,
        };
        match name {
            b":message-type" => told.message = value,
            b":event-type" => told.event = value,
            b":exception-type" => told.exception = value,
            b":error-code" => told.code = value,
            _ => {}
        }
        bytes = rest;
    }
    Some(told)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame as the protocol's description has it.
    pub(crate) fn written(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut named = Vec::new();
        for (name, value) in headers {
            named.push(u8::try_from(name.len()).unwrap());
            named.extend_from_slice(name.as_bytes());
            named.push(7);
            named.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            named.extend_from_slice(value.as_bytes());
        }
        let whole = PRELUDE_BYTES + named.len() + payload.len() + CHECKSUM_BYTES;
        let mut frame = u32::try_from(whole).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(&u32::try_from(named.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame.extend_from_slice(&named);
        frame.extend_from_slice(payload);
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame
    }

    fn event(name: &str, payload: &str) -> Vec<u8> {
        let headers = [
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        written(&headers, payload.as_bytes())
    }

    fn read(reads: &[&[u8]]) -> Result<String, Fault> {
        let mut stream = EventStream::default();
        let mut out = Vec::new();
        for one in reads {
            stream.read(one, &mut out)?;
        }
        stream.end()?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn frames_become_events() {
        let mut all = event("messageStart", "{\"role\":\"assistant\",\n \"p\":\"ab\"}");
        let headers = [
            (":exception-type", "throttlingException"),
            (":message-type", "exception"),
        ];
        all.extend(written(&headers, b"{\"message\":\"slow\"}"));
        all.extend(written(&[(":message-type", "initial-response")], b""));
        let headers = [(":error-code", "Internal"), (":message-type", "error")];
        all.extend(written(&headers, b"no JSON"));
        assert_eq!(
            read(&[&all]).unwrap(),
            "event: messageStart\ndata: {\"role\":\"assistant\",  \"p\":\"ab\"}\n\n\
             event: exception\ndata: {\"exception\":{\"type\":\"throttlingException\",\"body\":{\"message\":\"slow\"}}}\n\n\
             event: exception\ndata: {\"exception\":{\"type\":\"Internal\",\"body\":null}}\n\n"
        );
    }

    #[test]
    fn what_is_no_frame_ends_the_stream() {
        let sound = event("contentBlockDelta", "{\"a\":1}");
        let fails = |bytes: &[u8]| read(&[bytes]).unwrap_err().kind();
        // A checksum for any single bit.
        for at in 0..sound.len() {
            let mut bent = sound.clone();
            bent[at] ^= 1;
            assert_eq!(fails(&bent), Kind::Malformed, "{at}");
        }
        assert_eq!(fails(&sound[..sound.len() - 1]), Kind::CutShort);
        let mut huge = 0x7fff_ffff_u32.to_be_bytes().to_vec();
        huge.extend_from_slice(&0u32.to_be_bytes());
        huge.extend_from_slice(&crc32fast::hash(&huge).to_be_bytes());
        assert_eq!(fails(&huge), Kind::Malformed);
        let mut short = 15u32.to_be_bytes().to_vec();
        short.extend_from_slice(&0u32.to_be_bytes());
        short.extend_from_slice(&crc32fast::hash(&short).to_be_bytes());
        assert_eq!(fails(&short), Kind::Malformed);
        assert_eq!(fails(b"HTTP/1.1 400 Bad Request\r\n"), Kind::Malformed);
    }

    proptest! {
        #[test]
        fn any_cuts_say_the_same(texts in prop::collection::vec(".{0,20}", 0..5), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let all: Vec<u8> = texts.iter().flat_map(|text| {
                event("contentBlockDelta", &serde_json::json!({"text": text}).to_string())
            }).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len() + 1)).collect();
            cuts.extend([0, all.len()]);
            cuts.sort_unstable();
            let reads: Vec<&[u8]> = cuts.windows(2).map(|pair| &all[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&reads).unwrap(), read(&[&all]).unwrap());
        }

        #[test]
        fn any_bytes_end_well(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[&bytes]);
            // Headers of any bytes, in a frame that is sound otherwise.
            let mut frame = u32::try_from(16 + bytes.len()).unwrap().to_be_bytes().to_vec();
            frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
            frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
            frame.extend_from_slice(&bytes);
            frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
            let _ = read(&[&frame]);
        }
    }
}
