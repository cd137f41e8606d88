//! Security analysts' tools: every row of the log, in order, as soon as it is complete.
//!
//! The log is the queue: a tool that is down is caught up with from its cursor, and nothing is kept in memory for it but one
//! portion. Delivery is at least once; `uid` tells what came twice. One thread a tool, with its own connection.
//!
//! Must never run on a worker's runtime. Invariants: a cursor moves over a row only when the tool has it, as far as its
//! protocol can say; rows are never skipped, whatever the tool answers.

mod file;
mod hec;
mod lines;
mod syslog;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use journal::row::Row;
use journal::siem::{Format, Source};
use lake::store::CallError;

use super::cursor::Cursor;
use super::feed::{Feed, Go};
use super::http::{Caller, Tls};
use super::ship::{Backoff, Lane};
use crate::config::address::{Listen, parse_base_url};
use crate::config::schema::{Siem, SiemFormat, SiemKind};

/// Rows of one portion.
const PORTION_ROWS_MAX: usize = 500;
/// Bytes of one portion: collectors take 1 MB.
const PORTION_BYTES_MAX: usize = 512 << 10;
/// Time between two looks for new rows.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A row as it goes out.
pub struct Line {
    /// When it was complete, ms since 1970.
    time_ms: i64,
    /// What is sent, with its frame if there is one.
    text: Vec<u8>,
}

/// Why a portion did not arrive.
#[derive(Debug)]
pub enum Refused {
    /// No answer.
    Call(CallError),
    /// An answer that says no.
    Status(StatusCode),
    /// It did not say in time that it has it.
    Unacknowledged,
    /// The file.
    Io(std::io::ErrorKind),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Unacknowledged => f.write_str("it did not acknowledge in time"),
            Self::Io(kind) => kind.fmt(f),
        }
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// A way to a tool.
enum Way {
    Syslog(Box<syslog::Link>),
    Hec(Box<hec::Collector>),
    Lines(Box<lines::Poster>),
    File(file::Appender),
}

/// One tool.
pub struct Tool {
    way: Way,
    format: Format,
    source: Source,
    /// Halved when the tool says that a portion is too large; grows again slowly.
    rows_max: usize,
    /// Of the last portion.
    rows_sent: usize,
}

impl Tool {
    /// As the config has it. `None` for a config that `check` would refuse.
    #[must_use]
    pub fn new(config: &Siem, tls: Tls, source: Source) -> Option<Self> {
        let way = match config.kind {
            SiemKind::Syslog => {
                let to = Listen::parse(config.address.as_deref()?).ok()?;
                let tls = config.encrypted.then_some(tls);
                Way::Syslog(Box::new(syslog::Link::new(
                    to.host.to_string(),
                    to.port,
                    tls,
                )))
            }
            SiemKind::Hec | SiemKind::Http => {
                let url = config.url.as_deref()?;
                parse_base_url(url).ok()?;
                let caller = Caller::new(tls);
                if config.kind == SiemKind::Hec {
                    Way::Hec(Box::new(hec::Collector::new(config, caller, &source)?))
                } else {
                    Way::Lines(Box::new(lines::Poster::new(config, caller)?))
                }
            }
            SiemKind::Jsonl => Way::File(file::Appender::new(config.path.as_deref()?)),
        };
        Some(Self {
            way,
            format: match config.format {
                SiemFormat::Json => Format::Json,
                SiemFormat::Ocsf => Format::Ocsf,
                SiemFormat::Cef => Format::Cef,
            },
            source,
            rows_max: PORTION_ROWS_MAX,
            rows_sent: 0,
        })
    }

    /// Sends for as long as the gateway runs.
    pub async fn run(mut self, mut lane: Lane, mut feed: Feed) {
        let mut backoff = Backoff::default();
        loop {
            let turn = self.turn(&mut lane, &mut feed).await;
            lane.lag(feed.behind(lane.confirmed()));
            match turn {
                Ok(idle) => {
                    backoff.reset();
                    if idle && lane.is_over() {
                        break;
                    }
                    if idle {
                        lane.pause(LOOK_EVERY).await;
                    }
                }
                Err(refused) => {
                    lane.failed(&refused, backoff.failures());
                    feed.rewind(lane.confirmed());
                    if lane.is_over() {
                        break;
                    }
                    if self.shrinks(&refused) {
                        continue;
                    }
                    lane.pause(backoff.pause()).await;
                }
            }
        }
        if let Some(at) = self.close().await {
            lane.confirm(at);
        }
        lane.save();
    }

    /// Whether the portion was too large and will be smaller.
    fn shrinks(&mut self, refused: &Refused) -> bool {
        let too_large = matches!(refused, Refused::Status(StatusCode::PAYLOAD_TOO_LARGE));
        let shrinks = too_large && self.rows_sent > 1;
        if shrinks {
            self.rows_max = self.rows_sent / 2;
        }
        shrinks
    }

    /// Sends one portion; true if there was none.
    async fn turn(&mut self, lane: &mut Lane, feed: &mut Feed) -> Result<bool, Refused> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let end = feed.read(None, |rows| {
            for row in &rows {
                let line = self.line(row);
                bytes += line.text.len();
                lines.push(line);
            }
            let full = lines.len() >= self.rows_max || bytes >= PORTION_BYTES_MAX;
            if full { Go::Enough } else { Go::On }
        })?;
        self.rows_sent = lines.len();
        if let Some(first) = lines.first() {
            lane.sending(first.time_ms);
        }
        let confirmed = match &mut self.way {
            Way::Syslog(link) => link.send(&lines, end).await?,
            Way::Hec(collector) => collector.send(&lines).await.map(|()| Some(end))?,
            Way::Lines(poster) => poster.send(&lines).await.map(|()| Some(end))?,
            Way::File(file) => file.append(&lines).map(|()| Some(end))?,
        };
        self.rows_max = (self.rows_max + self.rows_max / 8 + 1).min(PORTION_ROWS_MAX);
        lane.arrived(lines.len());
        if let Some(at) = confirmed {
            lane.confirm(at);
        }
        Ok(lines.is_empty())
    }

    fn line(&self, row: &Row) -> Line {
        let text = journal::siem::line(self.format, &self.source, row);
        let time_ms = journal::siem::moment(row);
        let text = match &self.way {
            Way::Syslog(_) => {
                journal::siem::syslog::frame(&self.source, std::process::id(), row, &text)
            }
            Way::Hec(collector) => collector.envelope(self.format, time_ms, &text),
            Way::Lines(_) | Way::File(_) => (text + "\n").into_bytes(),
        };
        Line { time_ms, text }
    }

    /// Says goodbye; where the protocol can tell then that all arrived, up to where.
    async fn close(&mut self) -> Option<Cursor> {
        match &mut self.way {
            Way::Syslog(link) => link.close().await,
            Way::Hec(_) | Way::Lines(_) | Way::File(_) => None,
        }
    }
}

/// All lines in one body.
fn body(lines: &[Line]) -> Bytes {
    let mut whole = Vec::with_capacity(lines.iter().map(|line| line.text.len()).sum());
    for line in lines {
        whole.extend_from_slice(&line.text);
    }
    whole.into()
}
