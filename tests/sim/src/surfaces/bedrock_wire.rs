//! What is Amazon's own about Bedrock's wire: the signature of a request, and the frames of a stream.
//!
//! Written from the protocol's description. Must never know what a model says.

use super::Arrived;
use super::wenxin_v1::percent_decoded;
use aws_lc_rs::{digest, hmac};

/// How far the clock of a signer may be off, in seconds.
const SKEW_S: i64 = 300;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// A path as it is signed: every step encoded twice.
fn canonical_path(path: &str) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let steps = path
        .split('/')
        .map(|step| encode(&encode(&percent_decoded(step))));
    steps.collect::<Vec<_>>().join("/")
}

/// Checks a signature; the error is the exception's name.
pub(super) fn verify(
    arrived: &Arrived<'_>,
    body: &[u8],
    (access, secret, region): (&str, &str, &str),
) -> Result<(), &'static str> {
    const WRONG: &str = "InvalidSignatureException";
    let header = |name: &str| {
        let value = arrived.headers.get(name)?.to_str().ok()?;
        Some(value.trim())
    };
    let value = header("authorization").ok_or("MissingAuthenticationTokenException")?;
    let fields = value
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("IncompleteSignatureException")?;
    let field = |name: &str| {
        let mut all = fields.split(',').map(str::trim);
        all.find_map(|one| one.strip_prefix(name)?.strip_prefix('='))
            .ok_or("IncompleteSignatureException")
    };
    let (credential, names) = (field("Credential")?, field("SignedHeaders")?);
    let given = field("Signature")?;
    let (key, scope) = credential
        .split_once('/')
        .ok_or("IncompleteSignatureException")?;
    let date = header("x-amz-date").ok_or("IncompleteSignatureException")?;
    let day = date.get(..8).unwrap_or_default();
    if key != access || scope != format!("{day}/{region}/bedrock/aws4_request") {
        return Err("UnrecognizedClientException");
    }
    if header("x-amz-security-token").is_some_and(|token| token.contains("expired")) {
        return Err("ExpiredTokenException");
    }
    let signed: Vec<&str> = names.split(';').collect();
    let must = ["host", "x-amz-date"];
    if !signed.is_sorted() || !must.iter().all(|name| signed.contains(name)) {
        return Err(WRONG);
    }
    if arrived.headers.contains_key("x-amz-security-token")
        && !signed.contains(&"x-amz-security-token")
    {
        return Err(WRONG);
    }
    let lines: String = signed
        .iter()
        .map(|name| format!("{name}:{}\n", header(name).unwrap_or_default()))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        arrived.method,
        canonical_path(arrived.path),
        arrived.query,
        sha256(body)
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let secret = format!("AWS4{secret}");
    let chain = [day, region, "bedrock", "aws4_request"];
    let key = chain
        .iter()
        .fold(secret.into_bytes(), |key, step| mac(&key, step));
    if hex(&mac(&key, &text)) != given {
        return Err(WRONG);
    }
    let off = seconds(date).map_or(i64::MAX, |at| (at - arrived.now_ms / 1000).abs());
    if off > SKEW_S { Err(WRONG) } else { Ok(()) }
}

/// `20250101T000000Z` as seconds since the epoch.
pub(super) fn seconds(date: &str) -> Option<i64> {
    let number = |from: usize, to: usize| date.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let before = |year: i64| year * 365 + year / 4 - year / 100 + year / 400;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = [
        31,
        28 + i64::from(leap),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let months: i64 = lengths.iter().take(usize::try_from(month - 1).ok()?).sum();
    let days = before(year - 1) - before(1969) + months + day - 1;
    Some(days * 86_400 + number(9, 11)? * 3600 + number(11, 13)? * 60 + number(13, 15)?)
}

/// A frame of the event stream. `text` is an event as it is told elsewhere: `event: name` and `data: …`; a name that
/// begins with `!` is an exception's. Comments are nothing here.
pub(super) fn frame(text: &str) -> Vec<u8> {
    if text.starts_with(':') {
        return Vec::new();
    }
    let text = text.trim_end();
    let (name, rest) = text.split_once('\n').unwrap_or(("", text));
    let name = name.trim().strip_prefix("event: ").unwrap_or_default();
    let payload = rest.strip_prefix("data: ").unwrap_or(rest);
    let headers = match name.strip_prefix('!') {
        Some(exception) => vec![
            (":exception-type", exception),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        None => vec![
            (":event-type", name),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ],
    };
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut named = Vec::new();
    for (name, value) in headers {
        named.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        named.extend_from_slice(name.as_bytes());
        // A string, behind two bytes of length.
        named.push(7);
        named.extend_from_slice(length(value.len()).get(2..).unwrap_or_default());
        named.extend_from_slice(value.as_bytes());
    }
    let mut frame = Vec::new();
    frame.extend_from_slice(&length(12 + named.len() + payload.len() + 4));
    frame.extend_from_slice(&length(named.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&named);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

/// CRC-32 as in zip files, bit by bit: no code is shared with what is tested.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| {
        if sum & 1 == 1 {
            (sum >> 1) ^ 0xEDB8_8320
        } else {
            sum >> 1
        }
    };
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_dates() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(seconds("20250101T000000Z"), Some(1_735_689_600));
        assert_eq!(seconds("20240229T123456Z"), Some(1_709_210_096));
        assert_eq!(
            canonical_path("/model/a.b-v1%3A0/converse"),
            "/model/a.b-v1%253A0/converse"
        );
    }

    /// An empty frame of the protocol's own examples: 16 bytes.
    #[test]
    fn a_frame_has_its_sums() {
        let frame = frame("event: messageStop\ndata: {}\n\n");
        assert_eq!(frame.len(), usize::from(frame[3]));
        assert_eq!(&frame[8..12], crc32(&frame[..8]).to_be_bytes());
        let end = frame.len() - 4;
        assert_eq!(&frame[end..], crc32(&frame[..end]).to_be_bytes());
        assert!(super::frame(": ping\n\n").is_empty());
    }
}
