//! The gateway as a process: start, signals, end.
//!
//! One thread controls (signals, admin endpoint, reload); the workers serve. Which runtime the workers run on is decided
//! in one function, [`start_workers`]; ARCHITECTURE.md has the figures behind the default.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::access::{self, Access, Keyring};
use crate::admin::{AdminState, Desk, Searches};
use crate::audit::checkpoints::Checkpoints;
use crate::audit::events::{self, Visits};
use crate::audit::payload::Payloads;
use crate::audit::sealing::Sealing;
use crate::audit::ship::Shipping;
use crate::audit::{indexing, retention};
use crate::book::Registry;
use crate::config::address::Listen;
use crate::config::problem::Problem;
use crate::config::schema::Durability;
use crate::config::tuning::Mode;
use crate::config::watch::ConfigStore;
use crate::discover::Discovery;
use crate::identity;
use crate::server::{self, drain, listen};
use crate::tasks;
use crate::telemetry::{log, metrics::Metrics};
use crate::usage::recover::recover;
use crate::worker::{Phase, Shared, Worker};
use journal::clock::{Clock, SystemClock};
use journal::follow::Until;
use journal::index::{Bodies, Index};
use journal::seal::Opener;
use journal::{self, Event, Journal, What};
use ledger::{Ledger, Place};
use policies::limit::level::Now;

/// Most workers: each has a shard of the journal.
const WORKERS_MAX: usize = 64;
/// How often those who were turned away at the admin endpoint are written down.
const VISITS: Duration = Duration::from_secs(1);
/// How long the end waits for the store of limits.
const SETTLED: Duration = Duration::from_secs(2);
/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(15);

/// A gateway that serves.
pub struct Running {
    /// Where applications connect.
    pub listen: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    /// `https` if the data endpoint has TLS.
    pub scheme: &'static str,
    shared: Arc<Shared>,
    checkpoints: Checkpoints,
    shipping: Shipping,
    control: Runtime,
    ends: Ends,
    /// Dropping it would end the shared runtime.
    _workers: Option<Runtime>,
}

/// `yumen serve`: loads, serves, drains. Exit code 2 for a config that cannot be used.
///
/// # Errors
/// What keeps the gateway from starting.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let opened = ConfigStore::open(
        path,
        Box::new(|name| std::env::var(name).ok()),
        Arc::new(Registry),
    );
    let (store, warnings) = match opened {
        Ok(opened) => opened,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let running = start(store, &warnings)?;
    running.announce()?;
    running.until_ended()
}

/// Prints what is wrong with a config.
fn refuse(problems: &[Problem]) -> ExitCode {
    let mut out = std::io::stderr().lock();
    for problem in problems {
        let _ = writeln!(out, "{problem}");
    }
    ExitCode::from(2)
}

/// Starts everything and returns once it serves.
///
/// # Errors
/// Addresses in use, a journal that cannot be opened.
pub fn start(store: ConfigStore, warnings: &[Problem]) -> anyhow::Result<Running> {
    let snapshot = store.load();
    // A second gateway in one process (a test) finds the log already there.
    let _ = log::init(&snapshot.log);
    for problem in warnings {
        tracing::warn!(%problem, "config warning");
    }
    let count = snapshot
        .runtime
        .workers
        .map_or_else(cores, |count| count as usize)
        .clamp(1, WORKERS_MAX);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let settings = journal::Config {
        segment_bytes: snapshot.audit.segment_bytes.0,
        reserve_bytes: snapshot.audit.reserve_bytes.0,
        durability: match snapshot.audit.durability {
            Durability::Written => journal::Durability::Written,
            Durability::Synced => journal::Durability::Synced,
        },
        ..journal::Config::new(&snapshot.audit.dir, count)
    };
    let (journal, recovery) = Journal::open(settings, Arc::clone(&clock))
        .with_context(|| format!("the audit log in `{}` cannot be opened", snapshot.audit.dir))?;
    tracing::info!(?recovery, "journal opened");
    let listeners = listen::bind(resolve(&snapshot.listen)?, count)
        .with_context(|| format!("cannot listen on {}", snapshot.listen))?;
    let admin = listen::bind(resolve(&snapshot.admin.listen)?, 1)
        .with_context(|| format!("cannot listen on {}", snapshot.admin.listen))?;
    let metrics = Arc::new(Metrics::new(
        env!("CARGO_PKG_VERSION"),
        option_env!("YUMEN_COMMIT").unwrap_or("unknown"),
        store.counters(),
    ));
    let addresses = (address(&listeners)?, address(&admin)?);
    let sealing = Sealing::open(&snapshot.audit, count, &journal, &clock)
        .context("the keys of the audit log's payloads cannot be used")?;
    let journal = (journal, sealing);
    let shared = Arc::new(Shared::new(Arc::new(store), journal, metrics, clock));
    let witness = events::reloads(Arc::clone(&shared.journal));
    shared.store.witnessed_by(witness);
    shared.journal.note(&Event {
        what: What::Start,
        config: &snapshot.fingerprint,
        ..Event::default()
    })?;
    let shipping = Shipping::start(
        &snapshot,
        (&shared.journal, &recovery),
        &shared.clock,
        &shared.metrics,
    )?;
    let control = Builder::new_current_thread().enable_all().build()?;
    let (access, read_to) = dynamic_keys(&shared, &control)?;
    let (tree, audit) = (&shared.metrics.tree, &snapshot.audit);
    let checkpoints = Checkpoints::start(&shared.journal, audit, tree, &control)?;
    let workers = workers(&shared, count)?;
    let mut discovery = Discovery::new(Arc::clone(&shared));
    control.block_on(discovery.first());
    // Behind what makes limits: keys and teams of the admin API, models that providers were found to have.
    recover_budgets(&shared)
        .context("what budgets have spent cannot be read from the audit log")?;
    let runtime = start_workers(snapshot.runtime.mode, workers.clone(), listeners)?;
    start_control(&control, &shared, (workers, (access, read_to)), admin)?;
    {
        let _inside = control.enter();
        tasks::detach(discovery.run());
    }
    let ends = {
        let _inside = control.enter();
        Ends::new()?
    };
    let scheme = if snapshot.tls.is_some() {
        "https"
    } else {
        "http"
    };
    Ok(Running {
        listen: addresses.0,
        admin: addresses.1,
        scheme,
        shared,
        checkpoints,
        shipping,
        control,
        ends,
        _workers: runtime,
    })
}

/// Limits and budgets that this process counts itself begin where the one before it ended.
fn recover_budgets(shared: &Shared) -> std::io::Result<()> {
    let snapshot = shared.store.load();
    if snapshot.state.store.is_some() {
        return Ok(());
    }
    let audit = &snapshot.audit;
    let log = Path::new(&audit.dir);
    let index = match audit.index.enabled {
        true => Index::read(log, &indexing::dir(&audit.dir, audit.index.dir.as_deref()))?,
        false => None,
    };
    let begun = std::time::Instant::now();
    let recovered = recover(
        log,
        index.as_ref(),
        Until::Frontier(shared.journal.frontier()),
        &snapshot.all_money(),
        (
            &shared.store.books().meters,
            &snapshot.keys,
            snapshot.identity.as_ref(),
        ),
        Now {
            mono_ns: shared.clock.mono_ns(),
            wall_ms: shared.clock.wall_ms(),
        },
    )?;
    let took_ms = begun.elapsed().as_millis();
    let (meters, requests) = (recovered.meters, recovered.requests);
    tracing::info!(meters, requests, took_ms, "limits and budgets read back");
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn resolve(listen: &Listen) -> anyhow::Result<SocketAddr> {
    let text = listen.to_string();
    text.to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .with_context(|| format!("`{text}` is no address of this machine"))
}

fn address(listeners: &[StdListener]) -> anyhow::Result<SocketAddr> {
    Ok(listeners.first().context("no listener")?.local_addr()?)
}

fn workers(shared: &Arc<Shared>, count: usize) -> anyhow::Result<Vec<Arc<Worker>>> {
    let mut workers = Vec::with_capacity(count);
    for index in 0..count {
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| anyhow::anyhow!("no random numbers"))?;
        workers.push(Arc::new(Worker::new(
            index,
            Arc::clone(shared),
            u64::from_le_bytes(seed),
        )));
    }
    Ok(workers)
}

/// One current-thread runtime for each worker, or one work-stealing runtime for all. `Some`: keep it.
fn start_workers(
    mode: Mode,
    workers: Vec<Arc<Worker>>,
    listeners: Vec<StdListener>,
) -> anyhow::Result<Option<Runtime>> {
    let count = workers.len();
    let pairs = workers.into_iter().zip(listeners);
    if mode == Mode::Shared {
        let runtime = Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name("worker")
            .enable_all()
            .build()?;
        let _inside = runtime.enter();
        pairs.for_each(|(worker, listener)| tasks::detach(accept(worker, listener)));
        drop(_inside);
        return Ok(Some(runtime));
    }
    for (worker, listener) in pairs {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new()
            .name(format!("worker-{}", worker.index))
            .spawn(move || {
                runtime.block_on(async {
                    accept(worker, listener).await;
                    // Connections go on after the listener is closed; the process ends them.
                    std::future::pending::<()>().await;
                });
            })?;
    }
    Ok(None)
}

async fn accept(worker: Arc<Worker>, listener: StdListener) {
    if let ledger::Ledger::Shared(link) = &worker.ledger {
        tasks::detach(Arc::clone(link).keep());
    }
    if let Err(error) = listen::accept(worker, listener).await {
        tracing::error!(%error, "listener lost");
    }
}

fn start_control(
    control: &Runtime,
    shared: &Arc<Shared>,
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
    tasks::detach(Arc::clone(&shared.store).watch(std::future::pending()));
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
fn dynamic_keys(shared: &Arc<Shared>, control: &Runtime) -> anyhow::Result<(Access, Place)> {
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

impl Running {
    /// The ready line: for people, scripts and tests.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn announce(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "ready listen={}://{} admin=http://{}",
            self.scheme, self.listen, self.admin
        )?;
        out.flush()
    }

    /// Serves until a signal, then drains.
    ///
    /// # Errors
    /// If the journal cannot be closed.
    pub fn until_ended(self) -> anyhow::Result<ExitCode> {
        let Self {
            shared,
            checkpoints,
            control,
            mut ends,
            _workers,
            ..
        } = self;
        let cut_short = control.block_on(async {
            ends.come().await;
            tracing::info!("draining");
            // What cannot be written is seen in the journal's state.
            let _ = shared.journal.note(&Event {
                what: What::Drain,
                ..Event::default()
            });
            let again = std::sync::atomic::AtomicBool::new(false);
            let second = async {
                ends.come().await;
                again.store(true, std::sync::atomic::Ordering::Relaxed);
            };
            let clean = drain::drain(&shared, second).await;
            shared.settled(SETTLED).await;
            tracing::info!(clean, "drained");
            again.into_inner()
        });
        let _ = shared.journal.note(&Event {
            what: What::Stop,
            ..Event::default()
        });
        self.shipping.stop();
        shared.journal.shutdown()?;
        checkpoints.finish(&control);
        Ok(if cut_short {
            ExitCode::from(130)
        } else {
            ExitCode::SUCCESS
        })
    }

    /// Whether the gateway is on its way out.
    pub fn is_leaving(&self) -> bool {
        *self.shared.phase().borrow() > Phase::Open
    }
}

/// The signals that end the process. They are caught before anybody is told that it is ready: one that came between would
/// end it without a drain.
struct Ends {
    term: Signal,
    interrupt: Signal,
}

impl Ends {
    /// Catches them; within a runtime.
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next.
    async fn come(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
