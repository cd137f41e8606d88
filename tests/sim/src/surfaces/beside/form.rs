//! Reads a form with a file that arrived whole, as a server's library would.

/// A part.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) body: Vec<u8>,
}

/// All parts. The error is a sentence.
pub(super) fn parse(kind: &str, body: &[u8]) -> Result<Vec<Part>, String> {
    let boundary = kind
        .strip_prefix("multipart/form-data")
        .and_then(|rest| rest.split_once("boundary="))
        .map(|(_, boundary)| boundary.trim_matches('"'));
    let mark = format!("--{}", boundary.ok_or("the body is no form")?);
    let mut rest = body
        .strip_prefix(mark.as_bytes())
        .ok_or("the form has no beginning")?;
    let next = format!("\r\n{mark}");
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let part = rest
            .strip_prefix(b"\r\n")
            .ok_or("a mark without a line's end")?;
        let end = find(part, next.as_bytes()).ok_or("a part without an end")?;
        parts.push(one(part.get(..end).unwrap_or_default())?);
        rest = part.get(end + next.len()..).unwrap_or_default();
    }
}

fn one(part: &[u8]) -> Result<Part, String> {
    let end = find(part, b"\r\n\r\n").ok_or("a part without a head")?;
    let head = String::from_utf8(part.get(..end).unwrap_or_default().to_vec());
    let head = head.map_err(|_| "a head that is no text")?;
    let parameter = |name: &str| {
        let (_, rest) = head.split_once(&format!("{name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    Ok(Part {
        name: parameter("; name").ok_or("a part without a name")?,
        filename: parameter("filename"),
        body: part.get(end + 4..).unwrap_or_default().to_vec(),
    })
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = rest.iter().position(|byte| byte == first)?;
        if rest.get(at..)?.starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
}
