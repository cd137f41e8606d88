//! Syslog over TCP or TLS, octet-counted.
//!
//! The protocol has no acknowledgement. A row counts as arrived when [`SETTLED_AFTER`] has passed since it was written and
//! the connection still stands: by then the peer's kernel has it, or ours would have given the connection up
//! (`TCP_USER_TIMEOUT`, which is shorter). After a broken connection everything later than that is sent again. At a
//! shutdown we end our side and wait for the peer to end its own, which it does when it has read all.
//!
//! Invariant: at most [`UNSETTLED_MAX`] portions wait to settle.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use lake::store::CallError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Line, Refused};
use crate::audit::cursor::Cursor;
use crate::audit::http::{Io, PEER_SILENT_MAX, Tls, connect};

/// Longer than the kernel waits for an acknowledgement.
const SETTLED_AFTER: Duration = PEER_SILENT_MAX.saturating_add(Duration::from_secs(2));
/// Portions that wait.
const UNSETTLED_MAX: usize = 1024;
/// Time to write one portion.
const WRITE_TIME: Duration = Duration::from_secs(60);
/// How long the peer may take to end its side.
const CLOSE_TIME: Duration = Duration::from_secs(2);

pub(super) struct Link {
    host: String,
    port: u16,
    tls: Option<Tls>,
    io: Option<Box<dyn Io>>,
    unsettled: VecDeque<(Instant, Cursor)>,
}

impl Link {
    pub(super) fn new(host: String, port: u16, tls: Option<Tls>) -> Self {
        Self {
            host,
            port,
            tls,
            io: None,
            unsettled: VecDeque::new(),
        }
    }

    /// Writes a portion that ends at `end`, or looks whether the connection still stands. Answers up to where all arrived.
    pub(super) async fn send(
        &mut self,
        lines: &[Line],
        end: Cursor,
    ) -> Result<Option<Cursor>, Refused> {
        let sent = self.try_send(lines, end).await;
        if sent.is_err() {
            self.io = None;
            self.unsettled.clear();
        }
        sent
    }

    async fn try_send(&mut self, lines: &[Line], end: Cursor) -> Result<Option<Cursor>, Refused> {
        if self.io.is_none() && lines.is_empty() && self.unsettled.is_empty() {
            return Ok(Some(end));
        }
        let io = match &mut self.io {
            Some(io) => io,
            none => none.insert(connect(&self.host, self.port, self.tls.as_ref()).await?),
        };
        stands(io).await?;
        if !lines.is_empty() {
            let whole = super::body(lines);
            let writing = async {
                io.write_all(&whole).await?;
                io.flush().await
            };
            timeout(WRITE_TIME, writing)
                .await
                .map_err(|_| CallError::Timeout)?
                .map_err(|_| CallError::Broken)?;
            self.unsettled.push_back((Instant::now(), end));
        }
        while self.unsettled.len() > UNSETTLED_MAX {
            tokio::time::sleep(Duration::from_millis(100)).await;
            stands(io).await?;
            if self
                .unsettled
                .front()
                .is_some_and(|(sent, _)| sent.elapsed() > SETTLED_AFTER)
            {
                break;
            }
        }
        // Records that gave no row move the cursor when no row is on its way.
        let mut settled = self.unsettled.is_empty().then_some(end);
        while let Some((sent, at)) = self.unsettled.front()
            && sent.elapsed() > SETTLED_AFTER
        {
            settled = Some(*at);
            self.unsettled.pop_front();
        }
        Ok(settled)
    }

    /// Ends our side. `Some` if the peer then ended its own: it has all.
    pub(super) async fn close(&mut self) -> Option<Cursor> {
        let mut io = self.io.take()?;
        let (_, end) = self.unsettled.pop_back()?;
        self.unsettled.clear();
        let ending = async {
            io.shutdown().await.ok()?;
            let mut rest = [0; 256];
            loop {
                match io.read(&mut rest).await {
                    Ok(0) => return Some(()),
                    // What a receiver says is not read by anybody; bounded by the time.
                    Ok(_) => {}
                    // Many receivers end a connection without TLS's own goodbye.
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Some(()),
                    Err(_) => return None,
                }
            }
        };
        timeout(CLOSE_TIME, ending)
            .await
            .ok()
            .flatten()
            .map(|()| end)
    }
}

/// An error if the peer has ended the connection. A receiver says nothing; if it does, nobody reads it.
async fn stands(io: &mut Box<dyn Io>) -> Result<(), Refused> {
    let mut byte = [0; 64];
    match timeout(Duration::ZERO, io.read(&mut byte)).await {
        Ok(Ok(read)) if read > 0 => Ok(()),
        Err(_) => Ok(()),
        Ok(_) => Err(CallError::Broken.into()),
    }
}
