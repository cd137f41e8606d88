//! Idle streams: opens them, waits for the first event of each, and holds them.
//!
//! It must never read from a stream again once it is idle, only look whether it is still open. Invariant: the probe's
//! two calls are before the first connection and while all streams are open and settled.

use super::stats::{Phase, Stats};
use super::{Conn, Load, Outcome};
use anyhow::{Context as _, bail, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Streams being opened at the same time.
const OPENING: usize = 64;
/// What opens must come to rest before memory is read.
const SETTLE: Duration = Duration::from_secs(1);
/// A stream without a first event for so long is failed.
const FIRST: Duration = Duration::from_secs(20);

pub(super) fn run(
    load: &Load,
    probe: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("runtime")?;
    let stats = Arc::new(Stats::new());
    stats.enter(Phase::Window);
    probe()?;
    let from = stats.counts();
    runtime.block_on(async {
        let held = open_all(load, &stats).await?;
        let to = stats.counts();
        tokio::time::sleep(SETTLE).await;
        probe()?;
        for conn in &held {
            still_open(conn)?;
        }
        Ok(Outcome::new(from, to, stats.times().clone()))
    })
}

async fn open_all(load: &Load, stats: &Arc<Stats>) -> anyhow::Result<Vec<Conn>> {
    let mut held = Vec::with_capacity(load.connections);
    let mut opening = JoinSet::new();
    let mut begun = 0;
    while held.len() < load.connections {
        while begun < load.connections && opening.len() < OPENING {
            let (load, stats) = (load.clone(), Arc::clone(stats));
            opening.spawn(async move {
                tokio::time::timeout(FIRST, open_one(&load, &stats))
                    .await
                    .context("no first event in time")?
            });
            begun += 1;
        }
        let Some(opened) = opening.join_next().await else {
            bail!("nothing is being opened")
        };
        held.push(
            opened
                .context("a stream's task panicked")?
                .context("failed request")?,
        );
    }
    Ok(held)
}

async fn open_one(load: &Load, stats: &Stats) -> anyhow::Result<Conn> {
    let sent = Instant::now();
    let mut conn = Conn::open(load.addr).await?;
    conn.send(&load.request).await?;
    while conn.reply.events() == 0 {
        ensure!(
            !conn.reply.ended(),
            "the stream ended: {}",
            conn.reply.excerpt()
        );
        let events = conn.read().await?;
        stats.add_events(events);
    }
    stats.complete(Phase::Window, sent.elapsed(), Some(sent.elapsed()));
    Ok(conn)
}

fn still_open(conn: &Conn) -> anyhow::Result<()> {
    match conn.stream.try_read(&mut [0; 1]) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Ok(0) => bail!("failed request: an idle stream was closed"),
        // Comments that keep a stream alive may come.
        Ok(_) => Ok(()),
        Err(error) => Err(error).context("failed request: an idle stream broke"),
    }
}
