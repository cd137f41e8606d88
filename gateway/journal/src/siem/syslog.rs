//! The envelope of RFC 5424, framed as RFC 6587 (TCP) and RFC 5425 (TLS) have it: the length in octets, a space, the message.
//!
//! Must never know what the message says, or a socket.

use super::{Severity, Source, moment, severity};
use crate::row::Row;
use crate::utc;

/// Facility 13: log audit.
const FACILITY: u8 = 13;
/// Enterprise number of our structured data: the one reserved for documentation (RFC 5612), for we have none.
const SD_ID: &str = "yumen@32473";
/// Longest host name and process id (RFC 5424, section 6).
const HOST_CHARS_MAX: usize = 255;

/// A row's message in its frame. `message` is one line.
#[must_use]
pub fn frame(source: &Source, process: u32, row: &Row, message: &str) -> Vec<u8> {
    let level = match severity(row) {
        Severity::Info => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 2,
    };
    let priority = FACILITY * 8 + level;
    let time = utc::rfc3339(moment(row));
    let host = name(&source.replica, HOST_CHARS_MAX);
    // 32 characters at most; the kinds of rows are shorter.
    let kind = name(&row.kind, 32);
    let parameters = [
        ("uid", source.uid(row)),
        ("log", source.log.clone()),
        ("index", row.index.unwrap_or_default().to_string()),
    ];
    let mut data = format!("[{SD_ID}");
    for (parameter, value) in parameters {
        data.push(' ');
        data.push_str(parameter);
        data.push_str("=\"");
        escape(&mut data, &value);
        data.push('"');
    }
    data.push(']');
    // The byte order mark says that the message is UTF-8.
    let whole =
        format!("<{priority}>1 {time} {host} yumen {process} {kind} {data} \u{feff}{message}");
    let mut frame = format!("{} ", whole.len()).into_bytes();
    frame.extend_from_slice(whole.as_bytes());
    frame
}

/// A value of structured data.
pub(super) fn escape(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if crate::inert::is_active(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

/// Printable ASCII without spaces, or the sign for nothing.
fn name(text: &str, chars_max: usize) -> String {
    let name: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(chars_max)
        .collect();
    if name.is_empty() {
        "-".to_owned()
    } else {
        name
    }
}
