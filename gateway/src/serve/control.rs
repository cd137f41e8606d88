//! What runs on the control thread beside signals: the admin endpoint, reloads, retention, alerts, the identity provider,
//! and the clean-up of the workers' idle connections.
//!
//! Serves no application. Invariant: nothing here waits for a worker, and every loop sleeps between two rounds.

use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use journal::index::Bodies;
use journal::seal::Opener;
use ledger::{Ledger, Place};
use tokio::runtime::Runtime;

use crate::access::{self, Access, Keyring};
use crate::admin::{AdminState, Desk, Searches};
use crate::audit::events::Visits;
use crate::audit::payload::Payloads;
use crate::audit::{indexing, retention};
use crate::config::watch::Hangup;
use crate::worker::{Phase, Shared, Worker};
use crate::{identity, server, tasks};

/// How often those who were turned away at the admin endpoint are written down.
const VISITS: Duration = Duration::from_secs(1);
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// Starts what the control thread does from here on. `access` comes with the place up to which the shared store was read.
pub(super) fn start(
    control: &Runtime,
    (shared, hangup): (&Arc<Shared>, Hangup),
    (workers, (access, read_to)): (Vec<Arc<Worker>>, (Access, Place)),
    listeners: Vec<StdListener>,
) -> anyhow::Result<()> {
    let _inside = control.enter();
    let listener = listeners.into_iter().next().context("no listener")?;
    retention::start(shared);
    tasks::detach(crate::alerts::run(Arc::clone(shared)));
    let ledger = workers.first().context("no worker")?.ledger.clone();
    let state = admin_state(shared, searches(shared)?, (&access, ledger));
    tasks::detach(access::follow(access, read_to));
    tasks::detach(server::admin::serve(
        Arc::clone(&state),
        tokio::net::TcpListener::from_std(listener)?,
    ));
    tasks::detach(Arc::clone(&shared.store).watch(hangup, std::future::pending()));
    tasks::detach(identity::keep(Arc::clone(shared)));
    let visits = Arc::clone(&state);
    tasks::detach(async move {
        loop {
            tokio::time::sleep(VISITS).await;
            visits.visits.flush();
        }
    });
    tasks::detach(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            for worker in &workers {
                sweep(worker);
            }
        }
    });
    Ok(())
}

/// Keys and teams that the admin API makes, with what was kept of them; and up to where the shared store was read.
pub(super) fn dynamic_keys(
    shared: &Arc<Shared>,
    control: &Runtime,
) -> anyhow::Result<(Access, Place)> {
    let _inside = control.enter();
    let keyring = Arc::new(Keyring::open(&shared.store.load().state)?);
    shared.store.with_keys_of(Arc::clone(&keyring));
    let access = Access {
        store: Arc::clone(&shared.store),
        keyring,
        journal: Arc::clone(&shared.journal),
    };
    let place = control.block_on(access::read_first(&access));
    Ok((access, place))
}

/// What searches the audit log: by its index, whose building begins here, or without one.
fn searches(shared: &Arc<Shared>) -> anyhow::Result<Searches> {
    let audit = &shared.store.load().audit;
    let log = PathBuf::from(&audit.dir);
    let bodies: Arc<dyn Bodies> = Arc::new(Opener::new(&log, shared.sealing.kek()));
    let index = if audit.index.enabled {
        let dir = indexing::dir(&audit.dir, audit.index.dir.as_deref());
        let index = indexing::start(&shared.journal, &log, &dir, Arc::clone(&bodies))
            .with_context(|| format!("the index in `{}` cannot be opened", dir.display()))?;
        Some(index)
    } else {
        None
    };
    Ok(Searches::new(
        Arc::clone(&shared.journal),
        log,
        index,
        bodies,
        Arc::clone(&shared.clock),
    ))
}

/// What the admin endpoint shows, and what readiness asks.
fn admin_state(
    shared: &Arc<Shared>,
    searches: Searches,
    (access, ledger): (&Access, Ledger),
) -> Arc<AdminState> {
    let (journal, leaving) = (Arc::clone(shared), shared.phase());
    let counted = Arc::clone(shared);
    let audit = &shared.store.load().audit;
    Arc::new(AdminState {
        payloads: Arc::new(Payloads::new(
            &audit.dir,
            shared.sealing.kek(),
            Arc::clone(&shared.journal),
        )),
        searches: Arc::new(searches),
        ledger,
        keys: Desk::new(access.clone()),
        failures: Arc::clone(&shared.failures),
        config: Arc::clone(&shared.store),
        metrics: Arc::clone(&shared.metrics),
        ready: vec![
            Box::new(move || {
                if *leaving.borrow() > Phase::Open {
                    Err("draining")
                } else {
                    Ok(())
                }
            }),
            Box::new(move || {
                if journal.journal.state() == journal::State::Ok {
                    Ok(())
                } else {
                    Err("audit_unavailable")
                }
            }),
        ],
        refresh: Box::new(move || counted.refresh_metrics()),
        visits: Visits::new(Arc::clone(&shared.journal), Arc::clone(&shared.clock)),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Lets go of connections and tokens that nobody will ask for.
fn sweep(worker: &Worker) {
    let snapshot = worker.shared.store.load();
    let alive = |key: &str| {
        let mut providers = snapshot.providers.iter();
        let mut gates = snapshot.gates.iter();
        providers.any(|p| *p.token_key == *key || *p.token_endpoint.key == *key)
            || gates.any(|gate| *gate.endpoint.key == *key)
    };
    worker.client.sweep(snapshot.upstream_keepalive, alive);
    worker.shared.tokens.retain(alive);
}
