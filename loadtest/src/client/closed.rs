//! Closed loop: every connection sends its next request when the last one is answered.
//!
//! It must never be used for tail latency under load: a slow server slows its own load. Invariant: what is in
//! flight when the window closes is waited for, except by workloads that leave on purpose.

use super::stats::{Phase, Stats};
use super::{Conn, DRAIN, Load, Outcome};
use anyhow::{Context as _, anyhow};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often a load thread looks whether it should stop.
const LOOK: Duration = Duration::from_millis(10);

pub(super) fn run(
    load: &Load,
    probe: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let stats = Arc::new(Stats::new());
    let threads: Vec<_> = (0..load.threads.max(1))
        .map(|at| {
            let (load, stats) = (load.clone(), Arc::clone(&stats));
            std::thread::spawn(move || drive(&load, at, &stats))
        })
        .collect();
    let counted = window(load, &stats, probe);
    stats.enter(Phase::Stop);
    for thread in threads {
        thread
            .join()
            .map_err(|_| anyhow!("a load thread panicked"))??;
    }
    stats.verdict()?;
    let (from, to) = counted?;
    Ok(Outcome::new(from, to, stats.times().clone()))
}

/// Warm-up, then the window with the probe at both ends.
pub(super) fn window(
    load: &Load,
    stats: &Stats,
    probe: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<(super::Counts, super::Counts)> {
    stats.wait(load.warm_up)?;
    stats.enter(Phase::Window);
    probe()?;
    let from = stats.counts();
    stats.wait(load.window)?;
    let to = stats.counts();
    probe()?;
    Ok((from, to))
}

/// One load thread: its share of the connections.
fn drive(load: &Load, thread: usize, stats: &Arc<Stats>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("runtime")?;
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for at in (thread..load.connections).step_by(load.threads.max(1)) {
            let (load, stats) = (load.clone(), Arc::clone(stats));
            set.spawn(async move {
                if let Err(error) = repeat(&load, at, &stats).await {
                    stats.fail(&error);
                }
            });
        }
        while stats.phase() != Phase::Stop {
            tokio::time::sleep(LOOK).await;
        }
        if load.workload.leaves_early() || stats.verdict().is_err() {
            set.shutdown().await;
            return;
        }
        let drained =
            tokio::time::timeout(DRAIN, async { while set.join_next().await.is_some() {} });
        if drained.await.is_err() {
            stats.fail(&anyhow!("requests still open {DRAIN:?} after the window"));
        }
    });
    Ok(())
}

/// One connection until the run stops. They begin spread over half of the warm-up.
async fn repeat(load: &Load, at: usize, stats: &Stats) -> anyhow::Result<()> {
    tokio::time::sleep(
        load.warm_up
            .mul_f64(at as f64 / load.connections as f64 / 2.0),
    )
    .await;
    let mut conn = Conn::open(load.addr).await?;
    let pause = load.workload.pause();
    while stats.phase() != Phase::Stop {
        exchange(&mut conn, load, stats).await?;
        if conn.reply.closes() {
            conn = Conn::open(load.addr).await?;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

async fn exchange(conn: &mut Conn, load: &Load, stats: &Stats) -> anyhow::Result<()> {
    let began = stats.phase();
    let sent = Instant::now();
    let (mut first, mut last) = (None, sent);
    conn.send(&load.request).await?;
    while !conn.reply.ended() {
        let events = conn.read().await?;
        if events == 0 {
            continue;
        }
        let now = Instant::now();
        match first {
            None => first = Some(now - sent),
            Some(_) => stats.gap(now - last, events),
        }
        last = now;
        stats.add_events(events);
    }
    conn.check(load.expect)?;
    stats.complete(began, sent.elapsed(), first);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Expect, Workload};
    use bytes::Bytes;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// A server that answers every read with `answer`.
    pub(crate) fn answers(answer: &'static [u8]) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        let _left = stream.write_all(answer);
                    }
                });
            }
        });
        addr
    }

    fn load(addr: std::net::SocketAddr, expect: Expect) -> Load {
        Load {
            workload: Workload::W1,
            addr,
            request: Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
            expect,
            connections: 2,
            threads: 1,
            rate: None,
            warm_up: Duration::from_millis(50),
            window: Duration::from_millis(100),
        }
    }

    #[test]
    fn right_answers_are_counted() {
        let addr = answers(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        let mut probes = 0;
        let mut probe = || {
            probes += 1;
            Ok(())
        };
        let outcome = run(&load(addr, Expect::Json(2)), &mut probe).unwrap();
        assert!(
            outcome.requests > 10 && outcome.times.total.len() > 10,
            "{} requests",
            outcome.requests
        );
        assert_eq!(probes, 2);
    }

    #[test]
    fn one_wrong_answer_fails_the_run() {
        for (answer, expect, reason) in [
            (
                &b"HTTP/1.1 429 No\r\ncontent-length: 2\r\n\r\n{}"[..],
                Expect::Json(1),
                "status 429",
            ),
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..],
                Expect::Json(3),
                "reply of 2 bytes",
            ),
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..],
                Expect::Events(1),
                "no [DONE]",
            ),
            (
                &b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}"[..],
                Expect::Json(1),
                "after the end",
            ),
        ] {
            let error = run(&load(answers(answer), expect), &mut || Ok(())).unwrap_err();
            assert!(
                format!("{error:#}").contains(reason),
                "{error:#} instead of {reason}"
            );
        }
    }
}
