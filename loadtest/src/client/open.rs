//! Open loop: requests leave at a constant rate, whether or not earlier ones were answered.
//!
//! Latency is counted from when a request *should* have been sent, so a server that stalls is charged for all the
//! requests that had to wait (no coordinated omission). A pacing thread sleeps, then spins the last `SPIN`, because
//! the runtime's timer is a millisecond coarse and the latencies are tenths of that. It must never drop a tick.
//! Invariant: a request waits in a backlog of at most `BACKLOG_MAX`; more is a failed run.

use super::closed::window;
use super::stats::{Phase, Stats};
use super::{Conn, DRAIN, Load, Outcome};
use anyhow::{Context as _, anyhow, bail};
use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Requests that may wait for a free connection.
const BACKLOG_MAX: usize = 100_000;
/// The last part of a wait is spun, not slept.
const SPIN: Duration = Duration::from_micros(60);
/// A request that cannot be written for so long is failed.
const WRITE: Duration = Duration::from_secs(5);

/// When requests should be sent.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    start: Instant,
    rate: f64,
}

impl Schedule {
    /// When the request number `at` is due. From the number, not from the last one: errors do not add up.
    fn due(&self, at: u64) -> Instant {
        self.start + Duration::from_secs_f64(at as f64 / self.rate)
    }
}

/// A request that is due: when, and in which phase.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    due: Instant,
    began: Phase,
}

/// Which connections are free, and which requests wait for one.
struct Desk {
    free: Vec<usize>,
    backlog: VecDeque<Ticket>,
    /// The request each connection is busy with.
    busy: Vec<Option<Ticket>>,
}

struct Shared {
    load: Load,
    stats: Stats,
    desk: Mutex<Desk>,
    writers: Vec<TcpStream>,
}

pub(super) fn run(
    load: &Load,
    rate: f64,
    probe: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let mut streams = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        let stream = TcpStream::connect(load.addr)
            .with_context(|| format!("cannot connect to {}", load.addr))?;
        stream.set_nonblocking(true)?;
        streams.push(stream);
    }
    let shared = Arc::new(Shared {
        load: load.clone(),
        stats: Stats::new(),
        writers: streams
            .iter()
            .map(TcpStream::try_clone)
            .collect::<Result<_, _>>()?,
        desk: Mutex::new(Desk {
            free: (0..load.connections).collect(),
            backlog: VecDeque::new(),
            busy: vec![None; load.connections],
        }),
    });
    let reader = spawn(&shared, move |shared| read_all(shared, streams));
    let pacer = spawn(&shared, move |shared| pace(shared, rate));
    let counted = window(load, &shared.stats, probe);
    shared.stats.enter(Phase::Stop);
    for thread in [pacer, reader] {
        thread
            .join()
            .map_err(|_| anyhow!("a load thread panicked"))?;
    }
    shared.stats.verdict()?;
    let (from, to) = counted?;
    Ok(Outcome::new(from, to, shared.stats.times().clone()))
}

fn spawn<F>(shared: &Arc<Shared>, work: F) -> std::thread::JoinHandle<()>
where
    F: FnOnce(&Arc<Shared>) -> anyhow::Result<()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        if let Err(error) = work(&shared) {
            shared.stats.fail(&error);
        }
    })
}

/// The pacing thread.
fn pace(shared: &Shared, rate: f64) -> anyhow::Result<()> {
    let schedule = Schedule {
        start: Instant::now(),
        rate,
    };
    for at in 0.. {
        let due = schedule.due(at);
        sleep_until(due);
        let began = shared.stats.phase();
        if began == Phase::Stop {
            break;
        }
        shared.begin(Ticket { due, began })?;
    }
    Ok(())
}

fn sleep_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > SPIN * 2 {
        std::thread::sleep(left.saturating_sub(SPIN));
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the request on a free connection, or lets it wait for one.
    fn begin(&self, ticket: Ticket) -> anyhow::Result<()> {
        let at = {
            let mut desk = self.desk();
            let Some(at) = desk.free.pop() else {
                if desk.backlog.len() >= BACKLOG_MAX {
                    bail!("{BACKLOG_MAX} requests wait: the server does not keep up");
                }
                desk.backlog.push_back(ticket);
                return Ok(());
            };
            desk.busy[at] = Some(ticket);
            at
        };
        self.write(at)
    }

    /// A connection has its reply: who is next? Returns the request that was answered.
    fn finish(&self, at: usize) -> anyhow::Result<Ticket> {
        let (done, next) = {
            let mut desk = self.desk();
            let done = desk.busy[at].take();
            let next = desk.backlog.pop_front();
            desk.busy[at] = next;
            if next.is_none() {
                desk.free.push(at);
            }
            (done, next)
        };
        if next.is_some() {
            self.write(at)?;
        }
        done.context("a reply to no request")
    }

    fn write(&self, at: usize) -> anyhow::Result<()> {
        let mut left: &[u8] = &self.load.request;
        let until = Instant::now() + WRITE;
        while !left.is_empty() {
            match (&self.writers[at]).write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                    std::thread::sleep(SPIN);
                }
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        Ok(())
    }

    fn idle(&self) -> bool {
        let desk = self.desk();
        desk.backlog.is_empty() && desk.free.len() == self.load.connections
    }
}

/// The reading thread.
fn read_all(shared: &Arc<Shared>, streams: Vec<TcpStream>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("runtime")?;
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for (at, stream) in streams.into_iter().enumerate() {
            let conn = Conn::new(tokio::net::TcpStream::from_std(stream)?)?;
            let shared = Arc::clone(shared);
            set.spawn(async move {
                if let Err(error) = read_one(&shared, at, conn).await {
                    shared.stats.fail(&error);
                }
            });
        }
        let mut stopped: Option<Instant> = None;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let failed = shared.stats.verdict().is_err();
            if failed || (shared.stats.phase() == Phase::Stop && shared.idle()) {
                break;
            }
            if shared.stats.phase() == Phase::Stop
                && stopped.get_or_insert_with(Instant::now).elapsed() > DRAIN
            {
                bail!("requests still open {DRAIN:?} after the window");
            }
        }
        set.shutdown().await;
        Ok(())
    })
}

async fn read_one(shared: &Shared, at: usize, mut conn: Conn) -> anyhow::Result<()> {
    let mut first: Option<Instant> = None;
    loop {
        let events = conn.read().await?;
        if events > 0 {
            first.get_or_insert_with(Instant::now);
            shared.stats.add_events(events);
        }
        if conn.reply.ended() {
            conn.check(shared.load.expect)?;
            let now = Instant::now();
            conn.reply.reset();
            let ticket = shared.finish(at)?;
            let first = first
                .take()
                .map(|first| first.saturating_duration_since(ticket.due));
            shared.stats.complete(
                ticket.began,
                now.saturating_duration_since(ticket.due),
                first,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Expect, Workload};
    use bytes::Bytes;
    use std::io::Read as _;
    use std::net::TcpListener;

    #[test]
    fn the_schedule_does_not_drift() {
        let schedule = Schedule {
            start: Instant::now(),
            rate: 3000.0,
        };
        assert_eq!(schedule.due(0), schedule.start);
        assert_eq!(
            schedule.due(30_000_000),
            schedule.start + Duration::from_secs(10_000)
        );
    }

    /// A server that stalls once for `stall` is charged for the requests that waited behind it: at 500 requests a
    /// second and a stall of 200 ms, some hundred of them. Counted from the real sending, it would be one.
    #[test]
    fn a_stall_is_charged_to_all_who_waited() {
        let stall = Duration::from_millis(200);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            for at in 0.. {
                if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    std::thread::sleep(if at == 150 { stall } else { Duration::ZERO });
                    let _left = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
                }
            }
        });
        let load = Load {
            workload: Workload::W4,
            addr,
            request: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
            expect: Expect::Json(2),
            connections: 1,
            threads: 1,
            rate: Some(500.0),
            warm_up: Duration::from_millis(100),
            window: Duration::from_millis(900),
        };
        let outcome = run(&load, 500.0, &mut || Ok(())).unwrap();
        let total = &outcome.times.total;
        assert!(total.len() >= 400, "{} requests timed", total.len());
        assert!(total.max() >= 190_000_000, "longest {} ns", total.max());
        let waited = total.count_between(50_000_000, u64::MAX / 2);
        assert!(
            (60..=140).contains(&waited),
            "{waited} requests waited over 50 ms"
        );
    }
}
