//! The gateway as a process: start, signals, end.
//!
//! One thread controls (signals, admin endpoint, reload); the workers serve. Which runtime the workers run on is decided
//! in one function, [`start_workers`]; ARCHITECTURE.md has the figures behind the default.

mod control;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener as StdListener, ToSocketAddrs as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::audit::checkpoints::Checkpoints;
use crate::audit::events;
use crate::audit::indexing;
use crate::audit::sealing::Sealing;
use crate::audit::ship::Shipping;
use crate::book::Registry;
use crate::config::address::Listen;
use crate::config::problem::Problem;
use crate::config::schema::Durability;
use crate::config::snapshot::Snapshot;
use crate::config::tuning::Mode;
use crate::config::watch::{ConfigStore, Hangup};
use crate::discover::Discovery;
use crate::server::{drain, listen};
use crate::tasks;
use crate::telemetry::{log, metrics::Metrics};
use crate::usage::recover::recover;
use crate::worker::{Phase, Shared, Worker};
use journal::clock::{Clock, SystemClock};
use journal::follow::Until;
use journal::index::Index;
use journal::{self, Event, Journal, Recovery, What};
use policies::limit::level::Now;

/// Most workers: each has a shard of the journal.
const WORKERS_MAX: usize = 64;
/// How long the end waits for the store of limits.
const SETTLED: Duration = Duration::from_secs(2);

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

/// What there is before a config is read: who reloads it must be able to ask for that, and not end the process.
pub struct Control {
    control: Runtime,
    hangup: Hangup,
}

impl Control {
    /// From here on a SIGHUP asks for a reload; one that comes before the gateway serves is obeyed then.
    ///
    /// # Errors
    /// No runtime from the system.
    pub fn new() -> anyhow::Result<Self> {
        let control = Builder::new_current_thread().enable_all().build()?;
        let hangup = {
            let _inside = control.enter();
            Hangup::new()
        };
        Ok(Self { control, hangup })
    }
}

/// Memory holds keys and prompts: no image of it is left on a disk (T-47), nor read by others of the same user.
fn keep_memory() {
    let told = |done: rustix::io::Result<()>| {
        if let Err(error) = done {
            let mut out = std::io::stderr();
            let _ = writeln!(out, "yumen: core dumps cannot be turned off: {error}");
        }
    };
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A sandbox that has done it may forbid to do it.
    if getrlimit(Resource::Core) != none {
        told(setrlimit(Resource::Core, none));
    }
    // A handler that images are piped to does not have to care for the limit.
    #[cfg(target_os = "linux")]
    told(rustix::process::set_dumpable_behavior(
        rustix::process::DumpableBehavior::NotDumpable,
    ));
}

/// `yumen serve`: loads, serves, drains. Exit code 2 for a config that cannot be used.
///
/// # Errors
/// What keeps the gateway from starting.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    keep_memory();
    let control = Control::new()?;
    let opened = ConfigStore::open(
        path,
        Box::new(|name| std::env::var(name).ok()),
        Arc::new(Registry),
    );
    let (store, warnings) = match opened {
        Ok(opened) => opened,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let running = start(control, store, &warnings)?;
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
pub fn start(
    control: Control,
    store: ConfigStore,
    warnings: &[Problem],
) -> anyhow::Result<Running> {
    let Control { control, hangup } = control;
    let snapshot = store.load();
    // A second gateway in one process (a test) finds the log already there.
    let _ = log::init(&snapshot.log);
    for problem in warnings {
        tracing::warn!(%problem, "config warning");
    }
    let count = count(&snapshot);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (journal, recovery) = open_journal(&snapshot, count, &clock)?;
    let (listeners, admin) = bind(&snapshot, count)?;
    let addresses = (address(&listeners)?, address(&admin)?);
    let shared = share(store, journal, count, clock)?;
    let shipping = Shipping::start(
        &snapshot,
        (&shared.journal, &recovery),
        &shared.clock,
        &shared.metrics,
    )?;
    let keys = control::dynamic_keys(&shared, &control)?;
    let (tree, audit) = (&shared.metrics.tree, &snapshot.audit);
    let checkpoints = Checkpoints::start(&shared.journal, audit, tree, &control)?;
    let workers = workers(&shared, count)?;
    let mut discovery = Discovery::new(Arc::clone(&shared));
    control.block_on(discovery.first());
    // Behind what makes limits: keys and teams of the admin API, models that providers were found to have.
    recover_budgets(&shared)
        .context("what budgets have spent cannot be read from the audit log")?;
    let runtime = start_workers(snapshot.runtime.mode, workers.clone(), listeners)?;
    control::start(&control, (&shared, hangup), (workers, keys), admin)?;
    let ends = {
        let _inside = control.enter();
        tasks::detach(discovery.run());
        Ends::new()?
    };
    Ok(Running {
        listen: addresses.0,
        admin: addresses.1,
        scheme: match snapshot.tls {
            Some(_) => "https",
            None => "http",
        },
        shared,
        checkpoints,
        shipping,
        control,
        ends,
        _workers: runtime,
    })
}

/// How many workers serve.
fn count(snapshot: &Snapshot) -> usize {
    let wanted = snapshot.runtime.workers;
    wanted
        .map_or_else(cores, |count| count as usize)
        .clamp(1, WORKERS_MAX)
}

/// The journal with a shard for each of `count` workers, and what was found of the process before.
fn open_journal(
    snapshot: &Snapshot,
    count: usize,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Arc<Journal>, Recovery)> {
    let audit = &snapshot.audit;
    let settings = journal::Config {
        segment_bytes: audit.segment_bytes.0,
        reserve_bytes: audit.reserve_bytes.0,
        durability: match audit.durability {
            Durability::Written => journal::Durability::Written,
            Durability::Synced => journal::Durability::Synced,
        },
        ..journal::Config::new(&audit.dir, count)
    };
    let (journal, recovery) = Journal::open(settings, Arc::clone(clock))
        .with_context(|| format!("the audit log in `{}` cannot be opened", audit.dir))?;
    tracing::info!(?recovery, "journal opened");
    Ok((journal, recovery))
}

/// The sockets of the data endpoint, one for each of `count` workers, and that of the admin endpoint.
fn bind(snapshot: &Snapshot, count: usize) -> anyhow::Result<(Vec<StdListener>, Vec<StdListener>)> {
    let bound = |at: &Listen, count| {
        listen::bind(resolve(at)?, count).with_context(|| format!("cannot listen on {at}"))
    };
    Ok((
        bound(&snapshot.listen, count)?,
        bound(&snapshot.admin.listen, 1)?,
    ))
}

/// What all threads share. The log holds from here on that the process began, and with which config.
fn share(
    store: ConfigStore,
    journal: Arc<Journal>,
    count: usize,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<Shared>> {
    let snapshot = store.load();
    let metrics = Arc::new(Metrics::new(
        env!("CARGO_PKG_VERSION"),
        option_env!("YUMEN_COMMIT").unwrap_or("unknown"),
        store.counters(),
    ));
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
    Ok(shared)
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
